"""The stand-in for Helicone, running on the loop of another thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.loops import LoopThread
from proxy.demo import StandIn, StandInSettings


@contextmanager
def running_standin(
    loop: LoopThread,
    settings: StandInSettings,
    *,
    steady: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Iterator[StandIn]:
    """A stand-in that runs until the block ends, by these clocks."""
    standin = loop.call(lambda: StandIn(settings, steady=steady, wall=wall))
    loop.run(standin.start())
    try:
        yield standin
    finally:
        loop.run(standin.close())
