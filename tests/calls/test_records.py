"""A call as it is kept on disk, and back."""

import json

import pytest

from proxy.calls.attribution import Attributed
from proxy.calls.live_call import LiveCall
from proxy.calls.records import UnreadableRecord, remembered, saved
from proxy.calls.route_rules import NO_KEY
from proxy.model import CallState, Preview, Tokens
from proxy.relay.contract import Ending, Trace
from proxy.stores.contract import SavedCall

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
WALL = 1_800_000_000.0
NOT_KEPT = {
    "upstream_lines", "remembered", "look_bytes", "tapped", "tap", "coding", "tail", "tail_bytes", "tail_full",
    "before_tail", "preview",
}  # fmt: skip
"""The key is in the first, words of people's in the last; the others are of no use any more."""


def whole_call() -> LiveCall:
    """A call with everything set, begun at 100.0 of the relay's clock."""
    call = LiveCall(b"POST", b"/v1/chat/completions", 100.0)
    call.upstream_lines = b"Helicone-Auth: Bearer sk-helicone-canary\r\n"
    call.request_id = ID
    call.started_at = WALL
    call.sent, call.answered, call.passed_on, call.ended = 100.25, 101.0, 101.125, 104.5
    call.ending = Ending.LEFT
    call.status = 200
    call.model = "gpt-4o-mini"
    call.key_fingerprint = "0123abcd"
    call.bytes_up, call.bytes_down = 17, 99
    call.id_is_known = False
    call.counts_as_last = call.makes_content = call.passed_raw = call.streamed = True
    call.route = "other"
    call.aliases = ("chatcmpl-1", "req_1")
    call.user, call.session, call.properties = "ann", "chat-1", {"app": "shop"}
    call.client, call.caller = "127.0.0.1", "ann"
    call.user_agent, call.body_unread = "curl/8", True
    call.model_asked = False
    call.tokens = Tokens(9, None)
    call.preview = Preview("canary, I asked", "canary, it said")
    call.place, call.arrived, call.used = 3, 4, 7
    return call


def names_of(call: LiveCall) -> set[str]:
    """All that a call can say."""
    declared = {
        name
        for kind in (LiveCall, Attributed, Trace)
        for name, value in vars(kind).items()
        if not name.startswith("_") and not callable(value) and not isinstance(value, property)
    }
    return declared | {"method", "path", "started", "upstream_lines"}


def test_a_call_comes_back_as_it_was_and_everything_of_it_is_kept() -> None:
    call = whole_call()
    back = remembered(saved(call), now=500.0, wall_now=WALL + 400.0)

    assert back.remembered
    for name in names_of(call) - NOT_KEPT:
        assert getattr(back, name) == getattr(call, name), name
    assert back.preview is None
    call.preview = None
    assert back.snapshot(500.0) == call.snapshot(500.0)


def test_a_call_without_anything_comes_back() -> None:
    call = LiveCall(b"GET", b"/", 1.0)
    call.started_at, call.ended, call.ending = WALL, 2.0, Ending.FAILED
    back = remembered(saved(call), now=1.0, wall_now=WALL)

    assert back.snapshot(5.0) == call.snapshot(5.0)
    assert back.snapshot(5.0).unratable == "It never reached Helicone."


def test_no_key_is_in_a_record_and_times_are_unix_times() -> None:
    record = saved(whole_call())

    assert "canary" not in record.document
    assert json.loads(record.document)["started_at"] == WALL


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_comes_back(ending: Ending) -> None:
    call = whole_call()
    call.ending = ending

    assert remembered(saved(call), now=0.0, wall_now=WALL).ending is ending


def test_a_call_that_was_streaming_was_cut_nobody_knows_when() -> None:
    call = whole_call()
    call.ended, call.ending = None, None
    assert call.is_streaming
    back = remembered(saved(call), now=50.0, wall_now=WALL + 600.0)
    shown = back.snapshot(50.0)

    assert not back.is_streaming
    assert shown.state is CallState.CUT
    assert shown.duration_seconds is None
    assert shown.time_to_first_byte_seconds == 1.0
    # Since its answer began: of its end nothing is known.
    assert shown.age_seconds == 599.0


@pytest.mark.parametrize(("wall_now", "age"), [(WALL + 86_400.0, 86_395.5), (WALL - 3_600.0, -4.5)])
def test_ages_go_by_the_wall_clock_but_no_call_begins_later_than_now(wall_now: float, age: float) -> None:
    back = remembered(saved(whole_call()), now=3.0, wall_now=wall_now)

    assert back.started <= 3.0
    assert back.snapshot(3.0).age_seconds == pytest.approx(age)
    assert back.snapshot(3.0).duration_seconds == 4.5


def test_why_no_key_went_with_a_call_comes_back_and_earlier_versions_kept_only_that_none_did() -> None:
    call = whole_call()
    call.keyless = "Because."
    record = saved(call)
    assert remembered(record, now=0.0, wall_now=WALL).keyless == "Because."
    for earlier, kept in ((True, NO_KEY), (False, "")):
        document = json.dumps({**json.loads(record.document), "keyless": earlier})
        back = remembered(record._replace(document=document), now=0.0, wall_now=WALL)
        assert back.keyless == kept


RIGHT = '{"method":"GET","path":"/","started_at":1.0}'


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        RIGHT.replace("1.0", '"canary"'),
        RIGHT.replace("1.0", "null"),
        RIGHT.replace('"GET"', '"canäry"'),
        RIGHT[:-1] + ',"ending":"canary"}',
        RIGHT[:-1] + ',"bytes_up":null}',
        "[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused_without_its_words(document: str) -> None:
    record = SavedCall(place=1, arrived=1, used=1, request_id=ID, document=document)
    with pytest.raises(UnreadableRecord) as raised:
        remembered(record, now=0.0, wall_now=1.0)

    assert "can" not in str(raised.value)
    remembered(record._replace(document=RIGHT), now=0.0, wall_now=1.0)


def test_what_a_later_version_adds_is_passed_over() -> None:
    record = SavedCall(place=1, arrived=1, used=1, request_id=ID, document=RIGHT[:-1] + ',"news":[1]}')

    assert remembered(record, now=0.0, wall_now=1.0).path == b"/"
