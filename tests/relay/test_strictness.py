"""The rows of strictness.py over real sockets: what passes, what is refused, what the other side sees of it."""

import contextlib
import json
from dataclasses import dataclass

import pytest

from harness.clients import Client
from harness.reference import Framing, Heard, Reading, Stop, read_answers, read_requests
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import Upstream, UpstreamWire
from harness.wire import End, chunked, head
from relay.loops import on_both_loops
from relay.strictness import (
    ANSWERS,
    BROKEN_CHUNKS,
    ENDLESS_CHUNKS,
    GATEWAY,
    HOST,
    ID,
    PASSING,
    REFUSED,
    WHOLE,
    Answer,
    Passing,
    Refused,
    Seen,
)

SMUGGLED = head(b"GET /smuggled HTTP/1.1", HOST)
CHUNKED_POST = head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked")


@pytest.fixture
def sidecar(start_sidecar: StartSidecar, upstream: Upstream) -> RunningSidecar:
    """A sidecar that adds nothing that can be turned off."""
    return start_sidecar(upstream.url, **{"upstream.via": False, "hooks.id": False, "hooks.url": False})


def rows(table: tuple[Refused, ...] | tuple[Passing, ...] | tuple[Answer, ...]) -> pytest.MarkDecorator:
    """The rows as a test's `row`; each row's name stands once."""
    assert len({row.name for row in table}) == len(table)
    return pytest.mark.parametrize("row", table, ids=lambda row: str(row.name))


@dataclass(frozen=True)
class Refusal:
    """What a client was told."""

    status: int
    code: str


def read_refusal(client: Client, request: bytes = b"") -> Refusal:
    """The refusal that the client gets, and the end behind it. Its shape is looked at."""
    answer = client.read_answer(to=request.partition(b" ")[0])
    assert answer.value(b"connection") == b"close"
    error = json.loads(answer.body)["error"]
    assert error["type"] == "sidecar_error"
    assert answer.value(b"feedback-error") == error["code"].encode()
    assert client.wait_for_end() is End.CLOSED
    return Refusal(answer.status, error["code"])


# -- requests


@rows(REFUSED)
def test_nothing_of_a_refused_request_goes_up(client: Client, upstream: Upstream, row: Refused) -> None:
    with client.sending(row.sent + SMUGGLED):
        refusal = read_refusal(client, b"GET")
    assert refusal.status == row.status
    if row.code != "malformed_request":
        assert refusal.code == row.code
    assert not upstream.is_called()


@on_both_loops
@rows(PASSING)
def test_a_request_that_passes_is_the_same_request_at_the_gateway(
    client: Client, upstream: Upstream, row: Passing
) -> None:
    client.send(row.sent)
    call = upstream.accept()
    got = read_message(call)
    (meant,) = read_requests(row.up.replace(GATEWAY, upstream.authority, 1)).messages
    assert (got.start, sorted_framing(got), got.body, got.trailers, got.framing) == (
        meant.start,
        sorted_framing(meant),
        meant.body,
        meant.trailers,
        meant.framing,
    )
    call.send(WHOLE)
    assert client.read_answer(to=meant.method).status == 200


def read_message(call: UpstreamWire) -> Heard:
    """The request that comes on a connection, as the reference reads it."""
    raw = b""
    while not (reading := read_requests(raw)).messages:
        assert reading.stop is Stop.WAITING or not raw, reading
        piece = call.read_some()
        assert piece, f"it ended: {raw!r}"
        raw += piece
    assert reading.rest == b""
    return reading.messages[0]


def sorted_framing(message: Heard) -> list[tuple[bytes, bytes]]:
    """The lines in order, but for the coding, which may stand anywhere."""
    return sorted(message.lines, key=lambda line: line[0].lower() == b"transfer-encoding")


@on_both_loops
@pytest.mark.parametrize("chunk", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
@pytest.mark.parametrize("together", [True, False])
def test_a_bad_chunk_ends_the_call_and_never_makes_it_whole(
    client: Client, upstream: Upstream, chunk: bytes, together: bool
) -> None:
    if together:
        client.send(CHUNKED_POST + chunk + SMUGGLED)
        assert read_refusal(client).status == 400
        # The head was good: it may have gone up, though never with an end.
        if upstream.is_called():
            assert_never_whole(upstream.accept())
        return
    client.send(CHUNKED_POST + b"4\r\nsome\r\n")
    call = upstream.accept()
    call.read_request_head()
    assert call.read_chunk() == b"some"
    client.send(chunk + SMUGGLED)
    assert read_refusal(client).status == 400
    assert b"0\r\n" not in call.read_to_end()


@pytest.mark.parametrize(("start", "more"), ENDLESS_CHUNKS.values(), ids=ENDLESS_CHUNKS)
def test_a_chunk_without_end_ends_the_call(
    client: Client, upstream: Upstream, start: bytes, more: bytes
) -> None:
    client.send(CHUNKED_POST + b"4\r\nsome\r\n")
    call = upstream.accept()
    call.read_request_head()
    assert call.read_chunk() == b"some"
    with client.sending(start + more * 200):
        assert client.read_answer().status in (400, 431)
    assert b"0\r\n" not in call.read_to_end()


def assert_never_whole(call: UpstreamWire) -> None:
    """The gateway sees that this request was never finished."""
    reading = read_requests(call.read_to_end())
    assert (reading.messages, reading.stop in (Stop.WAITING, Stop.CLEAN)) == ([], True)


@on_both_loops
def test_a_client_of_http_1_0_is_one_whatever_proxy_connection_says(
    client: Client, upstream: Upstream
) -> None:
    client.send(head(b"GET / HTTP/1.0", HOST, b"Proxy-Connection: keep-alive"))
    call = upstream.accept()
    call.read_request()
    call.send(
        head(b"HTTP/1.1 103 X") + head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + chunked(b"ok")
    )
    answer = client.read_answer()
    assert (answer.status, answer.body, answer.values(b"transfer-encoding")) == (200, b"ok", [])
    assert client.wait_for_end() is End.CLOSED


@on_both_loops
@pytest.mark.parametrize("sent", [b"", b"some"])
@pytest.mark.parametrize("declared", [b"Content-Length: 8", b"Transfer-Encoding: chunked"])
def test_a_body_that_never_ends_never_becomes_whole(
    client: Client, upstream: Upstream, declared: bytes, sent: bytes
) -> None:
    body = sent if b"Length" in declared or not sent else b"4\r\nsome\r\n"
    client.send(head(b"POST / HTTP/1.1", HOST, declared) + body)
    call = upstream.accept()
    call.read_request_head()
    client.half_close()
    assert client.wait_for_end() is End.CLOSED
    assert call.read_to_end().endswith(body)


# -- answers


@on_both_loops
@rows(ANSWERS)
def test_an_answer_is_what_the_gateway_said_or_visibly_none(
    sidecar: RunningSidecar, upstream: Upstream, row: Answer
) -> None:
    client = sidecar.connect()
    version = b"HTTP/1.0" if row.http10 else b"HTTP/1.1"
    length = (b"Content-Length: 0",) if row.method == b"POST" else ()
    client.send(head(row.method + b" / " + version, HOST, ID, *length))
    call = upstream.accept()
    call.read_request()
    # A gateway that closes says little, so that saying it takes no company.
    with contextlib.ExitStack() as saying:
        if row.closes:
            call.send(row.said)
            call.half_close()
        else:
            saying.enter_context(contextlib.suppress(ConnectionError))  # Not all of it may be wanted.
            saying.enter_context(call.sending(row.said))
        seen = read_seen(client, row)
    check_seen(seen, client, row)
    check_reuse(sidecar, upstream, call, row)


def read_seen(client: Client, row: Answer) -> Reading:
    """What the client sees, up to a whole answer or the end."""
    raw = b""
    while True:
        reading = read_answers(raw, [row.method], ended=client.end is End.CLOSED)
        whole = bool(reading.messages) and reading.messages[-1].status >= 200
        if client.end is not None or (whole and reading.stop is not Stop.CLOSED):
            return reading
        raw += client.read_some()


def check_seen(seen: Reading, client: Client, row: Answer) -> None:
    """That the client has seen what the row says."""
    final = seen.messages[-1] if seen.messages and seen.messages[-1].status >= 200 else None
    if row.down is Seen.REFUSED:
        assert final is not None, seen
        assert final.status == 502
        code = json.loads(final.body)["error"]["code"]
        assert code in ("upstream_malformed", "upstream_broke")
        assert final.values(b"feedback-error") == [code.encode()]
        assert (code == "upstream_broke") is row.closes
    elif row.down is Seen.CUT:
        assert final is None, seen
        assert client.end is not None
        if row.http10 and (seen.broken is None or seen.broken.framing is Framing.UNTIL_CLOSE):
            # The end of the connection is the end of the body there: only a reset is a break.
            assert client.end is End.RESET
    else:
        assert isinstance(row.down, bytes)
        meant = read_answers(row.down, [row.method], ended=True)
        assert [told(each) for each in seen.messages] == [told(each) for each in meant.messages]
        if not row.http10:
            assert client.end is None
        assert seen.rest == b""


def told(message: Heard) -> tuple[object, ...]:
    """What a client learns from an answer."""
    lines = [line for line in sorted_framing(message) if line[0].lower() != b"connection"]
    return message.status, message.reason, lines, message.body, message.trailers, message.framing


def check_reuse(sidecar: RunningSidecar, upstream: Upstream, call: UpstreamWire, row: Answer) -> None:
    """That another call meets the connection, or never does."""
    if not row.kept:
        # Nothing is said on it any more, whatever else goes on.
        assert call.read_to_end() == b""
    for _ in range(2):
        following = sidecar.connect()
        following.send(head(b"GET /following HTTP/1.1", HOST, ID))
        if not row.kept:
            call = upstream.accept()
        assert call.read_request().target == b"/following"
        call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 4", b"Connection: close") + b"next")
        answer = following.read_answer()
        assert (answer.body, answer.lines) == (b"next", [(b"Content-Length", b"4")])
        call.close()
        if row.kept:
            break
