"""What is counted of calls, as plain numbers."""

import pytest

from proxy.calls.live_call import LiveCall
from proxy.metrics import CallMetrics, Histogram
from proxy.relay.contract import Ending


@pytest.mark.parametrize(
    ("value", "bucket"), [(0.0, 0), (0.1, 0), (0.100001, 1), (1.0, 1), (1.5, 2), (1e9, 2)]
)
def test_a_value_counts_in_the_first_bucket_whose_bound_it_does_not_exceed(value: float, bucket: int) -> None:
    histogram = Histogram((0.1, 1.0))
    histogram.observe([value])
    assert histogram.counts == [int(number == bucket) for number in range(3)]
    assert histogram.sum == value


def a_call(status: int | None, ending: Ending, *, streamed: bool = False) -> LiveCall:
    call = LiveCall(b"POST", b"/v1/chat/completions", 100.0)
    call.status, call.ending, call.streamed, call.ended = status, ending, streamed, 103.0
    return call


def test_calls_are_counted_by_route_status_and_stream() -> None:
    metrics = CallMetrics()
    metrics.count(
        [
            a_call(200, Ending.COMPLETE),
            a_call(201, Ending.COMPLETE),
            a_call(200, Ending.CUT, streamed=True),
            a_call(429, Ending.COMPLETE),
            a_call(502, Ending.FAILED),
            a_call(None, Ending.LEFT),
        ]
    )
    assert metrics.kinds == {
        ("default", 200, False): 1,
        ("default", 201, False): 1,
        ("default", 200, True): 1,
        ("default", 429, False): 1,
        ("default", 502, False): 1,
        ("default", None, False): 1,
    }
    assert metrics.endings == {
        Ending.COMPLETE: 3,
        Ending.CUT: 1,
        Ending.FAILED: 1,
        Ending.LEFT: 1,
    }
    assert sum(metrics.duration.counts) == 6
    assert metrics.first_byte.counts == [0] * 14


def test_what_the_sidecar_added_is_the_way_up_and_the_way_down() -> None:
    call = a_call(200, Ending.COMPLETE)
    call.sent, call.answered, call.passed_on = 100.25, 102.0, 102.5
    metrics = CallMetrics()
    metrics.count([call])
    assert metrics.added.sum == 0.75
    assert metrics.first_byte.sum == 2.0
    assert metrics.duration.sum == 3.0


def test_a_call_whose_answer_did_not_go_down_adds_nothing() -> None:
    call = a_call(101, Ending.COMPLETE)
    call.sent, call.answered = 100.25, 102.0
    metrics = CallMetrics()
    metrics.count([call])
    assert sum(metrics.added.counts) == 0
