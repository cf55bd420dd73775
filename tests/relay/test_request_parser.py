"""Bytes of a client connection as requests, however they are cut into reads."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.wire import chunked, head
from proxy.relay.messages import HEAD_LIMIT_BYTES, Request, RequestHead
from proxy.relay.request_parser import LocalRequest, RequestParser, Unreadable
from proxy.relay.targets import is_below

HOST = b"Host: localhost"
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAM")


@dataclass(frozen=True)
class Sent:
    """A request as bytes, and what has to be read from them."""

    raw: bytes
    method: bytes
    target: bytes
    body: bytes = b""
    trailers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class Got:
    """What the parser made of a client's bytes."""

    requests: list[Request]
    rest: bytes | None
    stopped: Exception | None


def parts(head: RequestHead) -> tuple[object, ...]:
    """All that a head consists of, to compare."""
    return (
        *(head.method, head.target, head.path, head.kept, head.fields, head.framing),
        *(head.http10, head.keep_alive, head.upgrade, head.websocket),
    )


def parser() -> RequestParser:
    return RequestParser(lambda path: is_below(path, b"/feedback"))


def read(reads: list[bytes]) -> Got:
    """Feed these reads; what comes behind a WebSocket handshake is collected."""
    reading, rest = parser(), None
    try:
        for data in reads:
            if rest is not None:
                rest += data
            else:
                rest = reading.feed(data)
    except (LocalRequest, Unreadable) as stopped:
        return Got(list(reading.requests), rest, stopped)
    return Got(list(reading.requests), rest, None)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """`raw` in reads that end at these places."""
    ends = [0, *sorted({place % (len(raw) + 1) for place in places}), len(raw)]
    return [raw[a:b] for a, b in pairwise(ends) if a < b]


bodies = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"0\r\n\r\n", b"\r\n", b"\r\n\r\n", b"x" * 5000]),
)
targets = st.sampled_from([b"/", b"/v1/x?y", b"//%2f", b"/feedbacks", b"/" + b"x" * 300])
upgrades: st.SearchStrategy[tuple[bytes, ...]] = st.sampled_from([(), H2C, (b"Connection: keep-alive",)])


@st.composite
def without_body(draw: st.DrawFn) -> Sent:
    method, target = draw(st.sampled_from([b"GET", b"HEAD", b"DELETE", b"POST"])), draw(targets)
    return Sent(head(method + b" " + target + b" HTTP/1.1", HOST, *draw(upgrades)), method, target)


@st.composite
def with_length(draw: st.DrawFn) -> Sent:
    method, target, body = draw(st.sampled_from([b"GET", b"POST", b"PUT"])), draw(targets), draw(bodies)
    start = method + b" " + target + b" HTTP/1.1"
    raw = head(start, *draw(upgrades), HOST, b"Content-Length: %d" % len(body)) + body
    return Sent(raw, method, target, body)


@st.composite
def with_chunks(draw: st.DrawFn) -> Sent:
    target = draw(targets)
    pieces = [piece for piece in draw(st.lists(bodies, max_size=4)) if piece]
    trailers = draw(st.sampled_from([(), ((b"X-Sum", b"1"), (b"x-more", b"\xe9"))]))
    lines = tuple(b"%b: %b" % line for line in trailers)
    start = head(b"POST " + target + b" HTTP/1.1", HOST, *draw(upgrades), b"Transfer-Encoding: chunked")
    return Sent(start + chunked(*pieces, trailers=lines), b"POST", target, b"".join(pieces), trailers)


sent_requests = st.lists(st.one_of(without_body(), with_length(), with_chunks()), min_size=1, max_size=6)
places = st.lists(st.integers(min_value=0, max_value=1 << 16), max_size=30)


def assert_same(got: list[Request], sent: list[Sent]) -> None:
    assert [(request.head.method, request.head.target) for request in got] == [
        (each.method, each.target) for each in sent
    ]
    for request, each in zip(got, sent, strict=True):
        assert request.complete
        assert b"".join(request.pieces) == each.body
        assert tuple(request.trailers) == each.trailers


@settings(max_examples=250, deadline=None)
@given(sent=sent_requests, places=places)
def test_any_way_of_cutting_a_pipeline_gives_the_same_requests(sent: list[Sent], places: list[int]) -> None:
    got = read(cut(b"".join(each.raw for each in sent), places))
    assert got.stopped is None
    assert got.rest is None
    assert_same(got.requests, sent)


@settings(max_examples=30, deadline=None)
@given(sent=sent_requests)
def test_a_pipeline_that_comes_byte_by_byte_gives_the_same_requests(sent: list[Sent]) -> None:
    raw = b"".join(each.raw for each in sent)[:20_000]
    whole, single = read([raw]), read([raw[i : i + 1] for i in range(len(raw))])
    assert single.stopped is None
    assert [parts(request.head) for request in single.requests] == [
        parts(request.head) for request in whole.requests
    ]
    assert [b"".join(request.pieces) for request in single.requests] == [
        b"".join(request.pieces) for request in whole.requests
    ]
    assert [request.complete for request in single.requests] == [
        request.complete for request in whole.requests
    ]


@settings(max_examples=120, deadline=None)
@given(sent=st.lists(st.one_of(without_body(), with_length(), with_chunks()), max_size=3), places=places)
def test_what_stands_behind_a_handshake_is_kept_apart(sent: list[Sent], places: list[int]) -> None:
    shake = head(b"GET /ws HTTP/1.1", HOST, b"Connection: upgrade", b"Upgrade: WebSocket")
    frames = b"\x81\x05GET / HTTP/1.1\r\n\r\n"
    got = read(cut(b"".join(each.raw for each in sent) + shake + frames, places))
    assert got.rest == frames
    assert_same(got.requests, [*sent, Sent(shake, b"GET", b"/ws")])
    assert got.requests[-1].head.websocket


@settings(max_examples=120, deadline=None)
@given(places=places, body=bodies)
def test_a_local_request_is_handed_over_with_every_byte_that_was_read(places: list[int], body: bytes) -> None:
    raw = head(b"POST /feedback/last HTTP/1.1", HOST, b"Content-Length: %d" % len(body)) + body
    reads = cut(raw, places)
    fed = b""
    reading = parser()
    # As soon as its head is whole, and not before.
    while b"\r\n\r\n" not in fed + reads[0]:
        reading.feed(reads[0])
        fed += reads.pop(0)
    with pytest.raises(LocalRequest) as local:
        reading.feed(reads[0])
    assert local.value.raw == fed + reads[0]
    assert not reading.requests


@settings(max_examples=100, deadline=None)
@given(sent=sent_requests, places=places)
def test_a_local_request_behind_others_is_dropped(sent: list[Sent], places: list[int]) -> None:
    raw = b"".join(each.raw for each in sent) + head(b"GET /feedback HTTP/1.1", HOST)
    got = read(cut(raw, places))
    assert isinstance(got.stopped, Unreadable)
    assert got.requests[-1].dropped
    assert_same(got.requests[:-1], sent)


@settings(max_examples=100, deadline=None)
@given(sent=sent_requests, places=places)
def test_what_came_before_malformed_bytes_is_whole(sent: list[Sent], places: list[int]) -> None:
    raw = b"".join(each.raw for each in sent) + head(b"GET /bad HTTP/1.1", b"Host : x")
    got = read(cut(raw, places))
    assert isinstance(got.stopped, Unreadable)
    assert got.stopped.request is None
    assert got.stopped.refusal.status == 400
    assert_same(got.requests, sent)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_noise_is_refused_or_waited_for_and_nothing_else(reads: list[bytes]) -> None:
    got = read(reads)
    assert got.stopped is None or isinstance(got.stopped, Unreadable)


# -- limits


def test_a_read_that_ends_within_a_head_counts_only_that_head() -> None:
    large = head(b"POST / HTTP/1.1", HOST, b"Content-Length: 100000") + b"x" * 100_000
    got = read([large + head(b"GET /next HTTP/1.1", HOST)[:-2], b"\r\n"])
    assert got.stopped is None
    assert [request.head.target for request in got.requests] == [b"/", b"/next"]


def test_a_read_that_ends_between_a_body_and_its_trailers_counts_only_those() -> None:
    large = head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked") + chunked(b"x" * 100_000)[:-2]
    got = read([large, b"X: y", b"\r\n\r\n"])
    assert got.stopped is None
    assert got.requests[0].trailers == [(b"X", b"y")]


OVERSIZED = {
    "value": head(b"GET / HTTP/1.1", HOST, b"X: " + b"x" * (HEAD_LIMIT_BYTES + 1)),
    "name": head(b"GET / HTTP/1.1", HOST, b"X" * (HEAD_LIMIT_BYTES + 1) + b": x"),
    "target": head(b"GET /" + b"x" * (HEAD_LIMIT_BYTES + 1) + b" HTTP/1.1", HOST),
    "fields": head(b"GET / HTTP/1.1", HOST, *[b"X: y"] * 256),
}


@pytest.mark.parametrize("raw", OVERSIZED.values(), ids=OVERSIZED)
@pytest.mark.parametrize("read_bytes", [1 << 20, 1000])
def test_a_head_above_the_limits_is_refused_however_it_comes(raw: bytes, read_bytes: int) -> None:
    got = read([raw[i : i + read_bytes] for i in range(0, len(raw), read_bytes)])
    assert isinstance(got.stopped, Unreadable)
    assert got.stopped.refusal.status == 431


ENDLESS = {
    "empty lines": (b"", b"\r\n" * 500),
    "request line": (b"GET /", b"x" * 1000),
    "name": (head(b"GET / HTTP/1.1", HOST)[:-2], b"x" * 1000),
    "fields": (head(b"GET / HTTP/1.1", HOST)[:-2], b"X: y\r\n" * 200),
    "chunk extension": (head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked") + b"1;", b"x" * 1000),
    "trailers": (head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked") + b"0\r\n", b"X: y\r\n" * 200),
}


@pytest.mark.parametrize(("start", "more"), [pytest.param(*pair, id=name) for name, pair in ENDLESS.items()])
def test_what_never_yields_anything_is_not_read_for_ever(start: bytes, more: bytes) -> None:
    got = read([start, *[more] * 300])
    assert isinstance(got.stopped, Unreadable)
    assert got.stopped.refusal.status == 431


def test_a_body_may_be_as_long_as_it_likes() -> None:
    reading = parser()
    reading.feed(head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked"))
    for _ in range(300):
        reading.feed(b"3e8\r\n" + b"x" * 500)
        reading.feed(b"x" * 500 + b"\r\n")
    assert len(b"".join(reading.requests[0].take())) == 300_000
    assert reading.requests[0].pieces == []
