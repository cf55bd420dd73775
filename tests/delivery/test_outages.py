"""Helicone's API is down for ten minutes in every way that it can be, and then it is back."""

import time
from bisect import bisect_left

from harness.benches import AT_ONCE, JSON, Bench, StartBench, document, id_of
from harness.fast_time import FastTime
from harness.wire import wait_until
from proxy.demo import ApiFault
from proxy.demo.faults import too_many_requests

SPEED = 60.0
OUTAGE_SECONDS = 600.0
WAITING = 60
BURST = 30
TURNS = (
    too_many_requests(5),
    ApiFault(status=503),
    ApiFault(reset=True),
    ApiFault(half_head=True),
    ApiFault(silent=True),
)


def moments(bench: Bench, fast: FastTime) -> list[float]:
    """When requests arrived at the API, in seconds of the fast time."""
    return [each.arrived_at * fast.speed for each in bench.posted]


def most_within(times: list[float], seconds: float) -> int:
    """The most that ever came within so many seconds."""
    return max((bisect_left(times, each + seconds) - number for number, each in enumerate(times)), default=0)


def test_an_api_that_is_down_for_ten_minutes_is_asked_rarely_and_then_gets_all_within_the_budget(
    start_bench: StartBench,
) -> None:
    fast = FastTime(SPEED)
    bench = start_bench(AT_ONCE, fast, **{"helicone.timeout_seconds": 10 / SPEED})
    ids = [id_of(bench.chat()) for _ in range(WAITING)]
    for turn, fault in enumerate(TURNS):
        with bench.standin.faults.api.during(fault):
            for request_id in ids[turn :: len(TURNS)]:
                answer = bench.ask("POST", f"/feedback/{request_id}?wait=queued", b'{"rating": true}', JSON)
                assert answer.status == 202
            time.sleep(OUTAGE_SECONDS / len(TURNS) / SPEED)
    down = moments(bench, fast)
    assert 10 <= len(down) <= OUTAGE_SECONDS
    assert most_within(down, 10.0) <= 11

    bench.standin.api.clear()
    back_at = fast.steady()
    wait_until(
        lambda: all(bench.standin.ledger.rating_of(request_id) for request_id in ids), "all are delivered"
    )
    took = fast.steady() - back_at
    # A second of the real time is for what a busy machine makes of it.
    assert took <= 60 + SPEED
    after = moments(bench, fast)
    for seconds in (1.0, 5.0, 10.0, 30.0):
        # A busy machine may hold up for a fifth of a second what has left. Without a budget all came at once.
        assert most_within(after, seconds) <= BURST + seconds + 0.2 * SPEED
    wait_until(
        lambda: document(bench.get("/feedback/health"))["delivery"]["open"] == 0, "all of them are verified"
    )
