"""The stand-in for Helicone, running on the loop of another thread."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.loops import LoopThread
from proxy.demo import StandIn, StandInSettings


@contextmanager
def running_standin(loop: LoopThread, settings: StandInSettings) -> Iterator[StandIn]:
    """A stand-in that runs until the block ends."""
    standin = loop.call(StandIn, settings)
    loop.run(standin.start())
    try:
        yield standin
    finally:
        loop.run(standin.close())
