"""A stand-in per test, in a hurry."""

from collections.abc import Callable, Iterator

import pytest

from harness.loops import LoopThread
from proxy.demo import StandIn, StandInSettings

StartStandIn = Callable[[StandInSettings], StandIn]


@pytest.fixture
def start(loop: LoopThread) -> Iterator[StartStandIn]:
    """Start a stand-in with settings of the test's choice; it is closed when the test ends."""
    started: list[StandIn] = []

    def begin(settings: StandInSettings) -> StandIn:
        standin = loop.call(StandIn, settings)
        loop.run(standin.start())
        started.append(standin)
        return standin

    yield begin
    for standin in started:
        loop.run(standin.close())


@pytest.fixture
def standin(start: StartStandIn) -> StandIn:
    """A stand-in that ingests at once and streams quickly."""
    return start(StandInSettings(ingestion_delay_seconds=0.0, token_interval_seconds=0.0005))
