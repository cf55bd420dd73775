"""Answers that are kept to be judged: no longer ones, and not those of any number of calls at once."""

from proxy.calls.kept_bodies import MOST_BODIES, KeptBodies
from proxy.calls.live_call import LiveCall


def call_of(size: int) -> LiveCall:
    """A call whose answer has so many bytes."""
    call = LiveCall(b"POST", b"/v1/chat/completions", 0.0)
    call.bytes_down = size
    return call


def test_what_was_kept_whole_stays_with_its_call() -> None:
    bodies = KeptBodies(10)
    for size, tail, kept in (
        (10, b"x" * 10, b"x" * 10),
        (11, b"x" * 11, None),
        (10, b"x" * 4, None),
        (0, b"", b""),
    ):
        call = call_of(size)
        bodies.begin(call)
        bodies.end(call, tail)
        assert call.take_body() == kept
        assert call.take_body() is None


def test_beyond_the_bound_answers_are_not_kept_until_others_have_ended() -> None:
    bodies = KeptBodies(10)
    calls = [call_of(1) for _ in range(MOST_BODIES + 1)]
    for call in calls:
        bodies.begin(call)
    assert [call.body_dropped for call in calls] == [False] * MOST_BODIES + [True]
    bodies.end(calls[-1], b"x")
    assert calls[-1].take_body() is None
    bodies.end(calls[0], b"x")
    another = call_of(1)
    bodies.begin(another)
    assert not another.body_dropped
