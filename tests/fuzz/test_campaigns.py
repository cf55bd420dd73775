"""A fixed share of the fuzzing, in every run of the tests; `make fuzz` goes on where it ends."""

import asyncio

import pytest

from fuzz.answers import Answers
from fuzz.campaign import Campaign, Side
from fuzz.requests import Requests
from harness.loops import LoopThread

CASES = 5000


@pytest.mark.parametrize(
    ("kind", "loop", "seed"),
    [
        (Requests, "uvloop", 1),
        (Requests, "uvloop", 2),
        (Requests, "uvloop", 3),
        (Requests, "asyncio", 4),
        (Answers, "uvloop", 1),
    ],
)
def test_hostile_bytes_are_understood_alike_on_both_sides_or_by_nobody(
    kind: type[Requests | Answers], loop: str, seed: int
) -> None:
    with LoopThread(asyncio.new_event_loop if loop == "asyncio" else None) as product_loop:
        side: Side = kind(product_loop)
        with Campaign(side, seed) as campaign:
            campaign.run(lambda figures: figures.cases >= CASES)
    assert campaign.failures == [], "\n".join(map(str, campaign.failures))
    # Neither all of it was nonsense, nor nothing.
    assert campaign.figures.cases * 0.2 < campaign.figures.refused < campaign.figures.cases * 0.8
    assert campaign.figures.accepted > campaign.figures.cases * 0.2
