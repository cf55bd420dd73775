"""Hostile bytes by the thousand, from both sides of the sidecar, over real sockets.

    seeds       valid requests and answers, by chance
    mutations   what an attacker, or chance, makes of them
    model       what the sidecar has to do with them, in few lines on top of harness/reference.py
    wires       a gateway and clients on the product's own loop, so that nobody waits for anybody's thread
    requests    mutated requests: what arrives at the gateway is what was said, or nothing
    answers     mutated answers: the client sees what was said, or a break
    campaign    cases in batches, and a small reproduction of what fails
    guard       spellings of other hosts, for the guard's parsers
    readings    what other programs take a URL's host to be

`python -m fuzz --minutes 10 --seed 1` runs for as long as one likes; `make test` runs a fixed share of it.
"""
