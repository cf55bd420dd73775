"""Tests of `proxy.calls.taps`: a bounded look at what passes."""

import gzip
import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.codings import CODINGS
from proxy.calls.answer_bodies import Said
from proxy.calls.taps import MOST_BYTES, MOST_EVENTS, MOST_LINES, Tap

EVENT = b'{"id": "a-1", "model": "m"}'


def tapped(
    pieces: Iterable[bytes], *, streamed: bool = False, coding: bytes = b"", complete: bool = True
) -> Said:
    """What a tap has found when all the pieces are through."""
    tap = Tap(streamed=streamed, coding=coding, wants_model=True)
    for piece in pieces:
        is_done = tap.feed(piece, complete=False)
        assert sum(map(len, tap._kept)) + sum(map(len, tap._data)) <= MOST_BYTES
        if is_done:
            return Said(tap.id, tap.model)
    if complete:
        assert tap.feed(b"", complete=True)
    return Said(tap.id, tap.model)


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    "lines",
    [
        [b"data: " + EVENT, b""],
        [b"data:" + EVENT, b""],
        [b": OPENROUTER PROCESSING", b"", b"event: x", b"data: " + EVENT, b""],
        [b'data: {"id": "",', b'data: "model": ""}', b"", b"data: " + EVENT, b""],
        [b'data: {"id": "a-1",', b'data: "model":', b'data: "m"}', b"", b"data: [DONE]", b""],
        [
            b"event: message_start",
            b'data: {"message": {"id": "a-1", "model": "m"}}',
            b"",
            b"event: ping",
            b"",
        ],
        [b"data: hello", b"", b"data: " + EVENT],
    ],
)
def test_events_are_read_as_the_standard_has_them(lines: list[bytes], end: bytes, size: int) -> None:
    assert tapped(in_pieces(end.join([*lines, b""]), size), streamed=True) == Said("a-1", "m")


def test_an_event_says_its_id_as_soon_as_it_is_there() -> None:
    assert tapped([b"data: " + EVENT + b"\n\n"], streamed=True, complete=False) == Said("a-1", "m")


def test_a_tap_wants_no_model_that_is_known() -> None:
    tap = Tap(streamed=True, coding=b"", wants_model=False)
    assert tap.feed(b'data: {"id": "a"}\n\n', complete=False)
    assert tap.id == "a"


@pytest.mark.parametrize("streamed", [True, False])
def test_of_a_large_body_the_beginning_is_enough(streamed: bool) -> None:
    body = b'{"model": "m", "x": "' + b"y" * MOST_BYTES + b'", "id": "late"}'
    early = b'{"x": {"id": "no"}, "id": "a", "model": "m", "y": "' + b"z" * MOST_BYTES + b'"}'
    start = b"data: " if streamed else b""
    for size in (1000, 10_000_000):
        assert tapped(in_pieces(start + body, size), streamed=streamed) == Said(None, "m")
        assert tapped(in_pieces(start + early, size), streamed=streamed) == Said("a", "m")


@pytest.mark.parametrize(
    ("filler", "few", "many"),
    [
        (b'data: {"x": 1}\n\n', MOST_EVENTS - 1, MOST_EVENTS),
        (b": alive\n\n", MOST_LINES // 2 - 1, MOST_LINES // 2),
        (b"\r", MOST_LINES - 2, MOST_LINES),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_of_a_stream_no_more_is_read_than_says_something_as_a_rule(
    filler: bytes, few: int, many: int, size: int
) -> None:
    """Each event and each line costs time, in which no other call goes on."""
    event = b"data: " + EVENT + b"\n\n"
    assert tapped(in_pieces(filler * few + event, size), streamed=True) == Said("a-1", "m")
    assert tapped(in_pieces(filler * many + event, size), streamed=True) == Said(None, None)
    tap = Tap(streamed=True, coding=b"", wants_model=True)
    assert tap.feed(filler * (many + 1), complete=False)


@pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=list(CODINGS))
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("streamed", [True, False])
def test_compressed_bodies_are_read(coding: bytes, compress: object, size: int, streamed: bool) -> None:
    assert callable(compress)
    body = b"data: " + EVENT + b"\n\n" if streamed else EVENT
    assert tapped(in_pieces(compress(body), size), streamed=streamed, coding=coding) == Said("a-1", "m")


def test_a_bomb_is_read_within_the_bound() -> None:
    bomb = gzip.compress(b'{"x": "' + b"y" * 10_000_000 + b'", "id": "late"}')
    assert tapped([bomb], coding=b"gzip") == Said(None, None)
    assert tapped(in_pieces(bomb, 100), coding=b"gzip") == Said(None, None)


def test_a_body_that_is_not_what_its_label_says_says_nothing() -> None:
    assert tapped([EVENT], coding=b"gzip") == Said(None, None)


_LINES = st.sampled_from(
    [
        b"data: " + EVENT,
        b'data: {"id":',
        b'data: "b"}',
        b"data: [DONE]",
        b": x",
        b"event: y",
        b"",
        b'data: {"id": ""}',
    ]
)
_STREAMS = st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12).map(
    lambda lines: b"".join(itertools.chain.from_iterable(lines))
)
_DOCUMENTS = st.dictionaries(
    st.sampled_from(["id", "model", "responseId", "x"]), st.text('ab"é', max_size=5)
).map(lambda document: json.dumps(document).encode())


@given(body=_STREAMS | _DOCUMENTS | st.binary(max_size=100), streamed=st.booleans(), data=st.data())
@example(body=b"data: " + EVENT + b"\r\r", streamed=True, data=None)
def test_whatever_pieces_a_body_comes_in_the_same_is_found(
    body: bytes, streamed: bool, data: st.DataObject | None
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8))) if data else [1, 5]
    pieces = [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]
    found = tapped(pieces, streamed=streamed)
    assert found == tapped([body], streamed=streamed)
    for coding, compress in CODINGS.values():
        encoded = compress(body)
        assert tapped([encoded], streamed=streamed, coding=coding) == found
        assert tapped(in_pieces(encoded, 7), streamed=streamed, coding=coding) == found


@given(
    pieces=st.lists(st.binary(max_size=50), max_size=10),
    coding=st.sampled_from([b"", b"gzip", b"deflate", b"br", b"zstd"]),
)
def test_nothing_that_passes_raises(pieces: list[bytes], coding: bytes) -> None:
    for streamed in (True, False):
        tapped(pieces, streamed=streamed, coding=coding)
