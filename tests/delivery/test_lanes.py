"""When ratings under one key may ask something of Helicone's API."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.delivery.lanes import NEVER, Breaker, Bucket, Budget, Lane, Lanes
from proxy.helicone_api import Allowance

URL = "https://api.test"


def make_lane(budget: Budget | None = None, chance: float = 0.5) -> Lane:
    """A lane with something due."""
    return Lanes(budget or Budget(), lambda: chance).open("f", URL, 0.0)


def sent(lane: Lane, *, until: float, step: float = 0.1) -> list[float]:
    """When requests leave if one is wanted at every moment, and each works."""
    moments = []
    for tick in range(round(until / step) + 1):
        now = tick * step
        while lane.begin(now):
            moments.append(now)
            lane.worked(None)
    return moments


# -- the budget


def test_a_burst_leaves_at_once_and_then_one_a_second() -> None:
    moments = sent(make_lane(Budget(burst=30, per_second=1.0)), until=10)
    assert moments.count(0.0) == 30
    assert len(moments) in (39, 40)


def test_it_says_when_the_next_may_leave() -> None:
    bucket = Bucket(Budget(burst=1, per_second=0.25), 0.0)
    assert bucket.take(0.0)
    assert not bucket.take(1.0)
    assert bucket.ready_at(1.0) == pytest.approx(4.0)
    assert bucket.take(4.0)


@given(st.lists(st.floats(0, 20), max_size=200), st.integers(1, 40), st.floats(0.1, 5))
def test_never_more_than_burst_and_rate_allow(gaps: list[float], burst: int, per_second: float) -> None:
    bucket, now, taken = Bucket(Budget(burst, per_second), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now)
        assert taken <= burst + per_second * now + 1e-6


def test_never_more_than_half_of_what_helicone_grants() -> None:
    lane = make_lane(Budget(burst=30, per_second=1.0))
    assert lane.begin(0.0)
    lane.worked(Allowance(calls=20, seconds=300.0))
    moments = sent(lane, until=300)
    assert len(moments) <= 10 + 10


def test_a_generous_grant_does_not_widen_what_is_configured() -> None:
    lane = make_lane(Budget(burst=2, per_second=0.1))
    assert lane.begin(0.0)
    lane.worked(Allowance(calls=100_000, seconds=300.0))
    assert len(sent(lane, until=20)) <= 4


def test_when_helicone_grants_more_again_the_configured_budget_comes_back() -> None:
    lane = make_lane(Budget(burst=30, per_second=1.0))
    lane.begin(0.0)
    lane.worked(Allowance(calls=2, seconds=300.0))
    lane.begin(400.0)
    lane.worked(Allowance(calls=10_000, seconds=300.0))
    assert lane.ready_at(401.0) is not None
    assert len([now for now in sent(lane, until=500) if now >= 440]) >= 55


def test_a_request_that_was_not_sent_after_all_costs_nothing() -> None:
    lane = make_lane(Budget(burst=1, per_second=0.01))
    assert lane.begin(0.0)
    lane.unused()
    assert lane.begin(0.0)


# -- an API that is down


def test_after_a_failure_one_request_at_a_time_and_a_wait_between_two() -> None:
    lane = make_lane(chance=0.999)
    assert lane.begin(0.0)
    lane.broke(0.0, "It broke.", 0.0)
    assert not lane.begin(0.99)
    assert lane.begin(2.0)
    assert not lane.begin(2.0)
    assert lane.next_at(2.0) == NEVER


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_an_outage_is_probed_at_most_once_a_second_and_at_least_every_fifteen(chance: float) -> None:
    lane, probes = make_lane(chance=chance), []
    for tick in range(6000):
        now = tick / 10
        if lane.begin(now):
            probes.append(now)
            lane.broke(now, "It broke.", 0.0)
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert min(gaps) >= 0.99
    assert max(gaps) <= 15.2


def test_requests_that_were_under_way_together_are_one_failure() -> None:
    breaker = Breaker(lambda: 0.5)
    for _ in range(8):
        breaker.begun()
    for _ in range(8):
        breaker.failed(0.0, "It broke.")
    assert not breaker.is_down
    assert breaker.ready_at(0.0) == pytest.approx(1.5)


def test_two_failures_in_a_row_mean_that_it_is_down_and_an_answer_that_it_is_not() -> None:
    lane = make_lane()
    for now in (0.0, 10.0):
        assert lane.begin(now)
        lane.broke(now, "It broke.", 0.0)
    down = lane.breaker.is_down, lane.breaker.reason
    assert lane.begin(30.0)
    assert lane.worked(None)
    up = lane.breaker.is_down, lane.breaker.reason
    assert (down, up) == ((True, "It broke."), (False, None))
    assert not lane.worked(None)


def test_keys_of_one_api_share_what_is_known_of_it_and_others_do_not() -> None:
    lanes = Lanes(Budget(), lambda: 0.5)
    one, two, other = (lanes.open(key, f"https://{key[:2]}.test", 0.0) for key in ("us-1", "us-2", "eu-1"))
    one.begin(0.0)
    one.broke(0.0, "It broke.", 0.0)
    assert not two.begin(0.5)
    assert other.begin(0.5)
    assert lanes.open("us-1", "https://us.test", 9.0) is one
    assert lanes.get("us-1") is one
    assert lanes.get("nobody") is None


def test_an_api_that_is_busy_is_left_alone_for_as_long_as_it_says_and_is_not_down() -> None:
    lane = make_lane()
    lane.begin(0.0)
    lane.busy(0.0, 40.0)
    assert not lane.begin(39.9)
    assert not lane.breaker.is_down
    assert lane.begin(40.0)


def test_a_failure_may_say_for_how_long_to_leave_it_alone() -> None:
    lane = make_lane(chance=0.0)
    lane.begin(0.0)
    lane.broke(0.0, "503", 25.0)
    assert not lane.begin(24.0)
    assert lane.begin(25.0)


# -- a key that is refused


def test_a_refused_key_is_tried_once_a_minute_with_one_request() -> None:
    lane = make_lane()
    lane.begin(0.0)
    assert lane.key_refused(0.0, "Refused.")
    assert not lane.begin(59.9)
    assert lane.begin(60.0)
    assert not lane.begin(60.0)
    assert not lane.key_refused(60.0, "Refused.")
    assert lane.pause is not None
    assert lane.pause.since == 0.0
    assert not lane.begin(119.0)
    assert lane.begin(120.0)
    assert lane.worked(None)
    assert "paused" not in repr(lane)
    assert lane.begin(120.0)


def test_another_key_goes_on() -> None:
    lanes = Lanes(Budget(), lambda: 0.5)
    bad, good = lanes.open("bad", URL, 0.0), lanes.open("good", URL, 0.0)
    bad.begin(0.0)
    bad.key_refused(0.0, "Refused.")
    assert good.begin(0.0)


def test_a_key_that_works_again_may_be_allowed_to_look_by_now() -> None:
    lane = make_lane()
    lane.may_look = False
    lane.begin(0.0)
    lane.key_refused(0.0, "Refused.")
    lane.begin(60.0)
    lane.worked(None)
    assert lane.may_look


def test_a_repr_tells_how_it_stands() -> None:
    lane = make_lane()
    lane.begin(0.0)
    lane.key_refused(0.0, "Refused.")
    assert repr(lane) == "<Lane f <Bucket 29.0 of 30, 1/s> <Breaker after 0 failures> paused>"


def test_until_the_first_answer_there_is_one_request_at_a_time() -> None:
    lane = make_lane()
    assert lane.begin(0.0)
    assert not lane.begin(0.0)
    lane.worked(None)
    assert lane.begin(0.0)
    assert lane.begin(0.0)


def test_after_a_limit_one_request_finds_out_whether_others_may_follow() -> None:
    lane = make_lane()
    lane.begin(0.0)
    lane.busy(0.0, 5.0)
    assert lane.begin(5.0)
    assert not lane.begin(5.0)
    lane.worked(None)
    assert lane.begin(5.0)
    assert lane.begin(5.0)
