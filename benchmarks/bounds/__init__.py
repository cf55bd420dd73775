"""What the sidecar bears, as a process of its own: `make bounds`.

`__main__` runs `many_streams`, `big_bodies`, `leaving`, `stalled`, `descriptors`, `slow_clients` and
`heavy_requests`, one bound each. `stand` is what they share, `gateway` the upstream that they talk to through the
sidecar, `wire` the client.
"""
