"""What the sidecar costs, beside what others cost: `make bench`. What it bears for long: `make bounds`.

`__main__` reads the options and `bench` runs everything: `small_calls`, `streams`, `ratings`, `memory` and
`startup` measure one thing each. They measure targets: `sidecar` is ours, `peers` are others' (their
configurations lie in `configurations/`), `upstreams` stand behind all of them. `processes` starts programs, reads
what they use and ends them; `programs` finds them; `machine` says where all of this ran. `results` is what was
measured, `figures` what follows from it, `goals` what the project promised; `report` writes it, `picture` draws
it. `mock`, `listener` and `rater` are programs of their own: the gateway that streams, the app that listens to it,
the people who rate. `sdk_call` is the call that all of them make. `bounds` stands for itself, with one module for
each thing that must be borne.
"""
