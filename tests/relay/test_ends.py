"""How calls end: cut answers look cut, upstreams that fail are told of, clients that leave end the paid call."""

import contextlib
import json
import socket
import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from harness.clients import Client
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, Upstream, UpstreamWire, answering
from harness.wire import End, Message, Truncated, head, wait_until
from proxy.relay.client import ClientConnection
from proxy.relay.exchange import Exchange
from relay.loops import on_both_loops

GET = head(b"GET /v1/models HTTP/1.1", b"Host: localhost")
GET10 = head(b"GET /v1/models HTTP/1.0", b"Host: localhost")
POST = head(b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", b"Content-Length: 2") + b"{}"
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"

TRIES = 200

FIXED = head(b"HTTP/1.1 200 OK", b"Content-Length: 100") + b"only this"
CHUNKED = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"5\r\nwhole\r\n"
HALF_A_CHUNK = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"50\r\nhalf"
EVENTS = (
    head(b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")
    + b"b\r\ndata: one\n\n\r\n"
)
UNTIL_CLOSE = head(b"HTTP/1.1 200 OK") + b"some of it"


def error_of(answer: Message) -> dict[str, str]:
    """The error in an answer of our own, whose shape is looked at in passing."""
    assert answer.values(b"content-type") == [b"application/json; charset=utf-8"]
    document = json.loads(answer.body)
    assert set(document) == {"error"}
    error: dict[str, str] = document["error"]
    assert set(error) == {"message", "type", "code"}
    assert error["type"] == "sidecar_error"
    assert answer.value(b"feedback-error") == error["code"].encode()
    return error


# -- an upstream that breaks within its answer


def breaking(answer: bytes, end: Callable[[UpstreamWire], None]) -> Callable[[UpstreamWire], None]:
    """A script that begins an answer and breaks."""

    def script(call: UpstreamWire) -> None:
        call.read_request()
        call.send(answer)
        end(call)

    return script


@on_both_loops
@pytest.mark.parametrize(
    ("answer", "end"),
    [
        pytest.param(FIXED, UpstreamWire.close, id="fixed length, closed"),
        pytest.param(FIXED, UpstreamWire.reset, id="fixed length, reset"),
        pytest.param(CHUNKED, UpstreamWire.close, id="between chunks, closed"),
        pytest.param(CHUNKED, UpstreamWire.reset, id="between chunks, reset"),
        pytest.param(HALF_A_CHUNK, UpstreamWire.close, id="within a chunk, closed"),
        pytest.param(EVENTS, UpstreamWire.close, id="between events, closed"),
        pytest.param(EVENTS, UpstreamWire.reset, id="between events, reset"),
        pytest.param(UNTIL_CLOSE, UpstreamWire.reset, id="delimited by close, reset"),
    ],
)
def test_a_cut_answer_is_an_error_for_the_client_every_time(
    start_sidecar: StartSidecar,
    start_upstream: StartUpstream,
    answer: bytes,
    end: Callable[[UpstreamWire], None],
) -> None:
    sidecar = start_sidecar(start_upstream(breaking(answer, end)).url)
    outcomes = [_outcome(sidecar, GET) for _ in range(TRIES)]
    assert [outcome for outcome in outcomes if outcome not in ("cut", "502")] == []
    if end is UpstreamWire.close:
        # A reset may overtake what was sent before it; an orderly end may not.
        assert set(outcomes) == {"cut"}


@on_both_loops
@pytest.mark.parametrize("answer", [FIXED, CHUNKED, EVENTS])
def test_a_cut_answer_is_a_reset_for_a_client_of_http_1_0(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, answer: bytes
) -> None:
    sidecar = start_sidecar(start_upstream(breaking(answer, UpstreamWire.close)).url)
    for _ in range(50):
        assert _outcome(sidecar, GET10) == "cut"


def _outcome(sidecar: RunningSidecar, request: bytes) -> str:
    with sidecar.connect() as client:
        try:
            answer = client.ask(request)
        except Truncated:
            return "cut"
        return "complete" if answer.status == 200 else str(answer.status)


def test_what_came_before_the_cut_arrives(client: Client, upstream: Upstream) -> None:
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(EVENTS)
    call.close()
    client.read_head()
    assert client.read_chunk() == b"data: one\n\n"
    with pytest.raises(Truncated):
        client.read_chunk()
    assert client.read_to_end() == b""


@pytest.mark.parametrize("endless", [b"X: y\r\n", b"5;" + b"x" * 1000])
def test_an_answer_whose_end_never_comes_to_an_end_is_cut(
    client: Client, upstream: Upstream, endless: bytes
) -> None:
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"1\r\na\r\n")
    start = b"0\r\n" if endless.startswith(b"X") else b""
    with contextlib.suppress(ConnectionError), call.sending(start + endless * 50_000):
        answer_head = client.read_head()
        with pytest.raises(Truncated):
            client.read_body(answer_head, until_close=False)


def test_a_cut_and_its_cause_are_in_the_log(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(FIXED)
    call.close()
    client.read_to_end()
    sidecar.wait_for_log("GET /v1/models 200 cut")


# -- an upstream that breaks before its answer, or is not there


def test_an_upstream_that_closes_before_its_answer_is_a_502(client: Client, upstream: Upstream) -> None:
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    call.close()
    answer = client.read_answer()
    assert answer.status == 502
    assert answer.values(b"x-should-retry") == []
    error = error_of(answer)
    assert error["code"] == "upstream_broke"
    assert upstream.authority.decode() in error["message"]
    # The client's connection is as good as before, and nothing is tried again.
    assert not upstream.is_called()
    client.send(GET)
    second = upstream.accept()
    second.read_request()
    second.send(OK)
    assert client.read_answer().body == b"ok"


@on_both_loops
@pytest.mark.parametrize("end", [UpstreamWire.close, UpstreamWire.reset])
def test_an_upstream_that_closes_at_once_is_a_502_every_time(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, end: Callable[[UpstreamWire], None]
) -> None:
    sidecar = start_sidecar(start_upstream(end).url)
    for _ in range(TRIES):
        with sidecar.connect() as client:
            assert client.ask(POST).status == 502


def test_an_error_before_the_answer_to_head_has_no_body(client: Client, upstream: Upstream) -> None:
    client.send(head(b"HEAD / HTTP/1.1", b"Host: localhost"))
    upstream.accept().close()
    assert client.read_answer(to=b"HEAD").status == 502
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    assert client.read_answer().body == b"ok"


@pytest.fixture
def refusing() -> Iterator[str]:
    """The URL of a port that refuses connections, and is nobody else's meanwhile: bound, but nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_refused_connection_is_a_502(start_sidecar: StartSidecar, refusing: str) -> None:
    client = start_sidecar(refusing).connect()
    for _ in range(2):
        answer = client.ask(POST)
        assert answer.status == 502
        assert answer.values(b"x-should-retry") == []
        error = error_of(answer)
        assert error["code"] == "upstream_unreachable"
        assert "refused" in error["message"]
        assert "Nothing was sent" in error["message"]


@on_both_loops
def test_a_client_that_asks_on_and_on_and_reads_no_502_is_no_longer_heard(
    start_sidecar: StartSidecar, loop: LoopThread, refusing: str
) -> None:
    sidecar = start_sidecar(refusing)
    client = sidecar.connect(receive_buffer_bytes=4096)
    wait_until(lambda: sidecar.open_connections() == 1, "the client is there")
    connection = next(iter(sidecar.sidecar.parts.door._connections))
    assert isinstance(connection, ClientConnection)
    sock = connection._transport.get_extra_info("socket")
    loop.call(sock.setsockopt, socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.send(GET * 1000)
    # Not the bytes that are unsent: the kernel takes some of them in between, and who looks late sees fewer.
    wait_until(lambda: connection.writing_paused, "the client is full")
    wait_until(lambda: sidecar.open_calls() == 0, "nothing more is tried")
    answers = 1
    while client.read_answer().value(b"connection") != b"close":
        answers += 1
    assert answers < 1000
    assert client.read_to_end() == b""


def test_a_name_that_does_not_resolve_is_a_502(start_sidecar: StartSidecar) -> None:
    answer = start_sidecar("http://no-such-name.invalid").connect().ask(POST)
    assert answer.status == 502
    error = error_of(answer)
    assert error["code"] == "upstream_unreachable"
    assert "cannot be resolved" in error["message"]
    assert "no-such-name.invalid" in error["message"]


def test_a_connection_that_is_not_accepted_in_time_is_a_504(
    start_sidecar: StartSidecar, unconnected: str
) -> None:
    answer = start_sidecar(unconnected, **{"upstream.connect_timeout_seconds": 0.2}).connect().ask(POST)
    assert answer.status == 504
    error = error_of(answer)
    assert error["code"] == "upstream_connect_timeout"
    assert "0.2 s" in error["message"]


def test_a_head_within_the_limits_passes(client: Client, upstream: Upstream) -> None:
    lines = [b"X-%d: %b" % (i, b"y" * 230) for i in range(250)]
    client.send(head(b"GET / HTTP/1.1", b"Host: localhost", *lines))
    call = upstream.accept()
    assert len(call.read_request().lines) == 250 + 3
    call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 0", *lines))
    assert len(client.read_answer().lines) == 250 + 3


# -- an upstream connection that was kept, and is dead when it is needed


def one_call_each(connection: UpstreamWire) -> None:
    """Answers once, then dies under the second request."""
    connection.read_request()
    connection.send(OK)
    connection.read_request()


@on_both_loops
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_safe_request_is_sent_once_more_when_a_kept_connection_dies(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, method: bytes
) -> None:
    upstream = start_upstream(one_call_each)
    client = start_sidecar(upstream.url).connect()
    assert client.ask(GET).body == b"ok"
    answer = client.ask(head(method + b" /second HTTP/1.1", b"Host: localhost"))
    assert answer.status == 200
    seen = [request.start.split(b" ")[:2] for request in upstream.requests]
    assert seen == [[b"GET", b"/v1/models"], [method, b"/second"], [method, b"/second"]]
    assert upstream.requests[1].head == upstream.requests[2].head


def test_it_is_sent_once_more_and_not_for_ever(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        if connection.number == 0:
            connection.send(OK)
            connection.read_request()

    upstream = start_upstream(script)
    client = start_sidecar(upstream.url).connect()
    assert client.ask(GET).body == b"ok"
    answer = client.ask(GET)
    assert answer.status == 502
    assert answer.values(b"x-should-retry") == []
    assert len(upstream.requests) == 3


@on_both_loops
@pytest.mark.parametrize(
    "request_bytes",
    [
        POST,
        head(b"POST / HTTP/1.1", b"Host: localhost"),
        head(b"DELETE / HTTP/1.1", b"Host: localhost"),
        head(b"GET / HTTP/1.1", b"Host: localhost", b"Content-Length: 2") + b"hi",
    ],
)
def test_a_request_that_costs_money_is_never_sent_twice(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, request_bytes: bytes
) -> None:
    upstream = start_upstream(one_call_each)
    client = start_sidecar(upstream.url).connect()
    assert client.ask(GET).body == b"ok"
    answer = client.ask(request_bytes)
    assert answer.status == 502
    assert answer.value(b"x-should-retry") == b"true"
    assert error_of(answer)["code"] == "upstream_broke"
    assert len(upstream.requests) == 2
    # The next one finds a new connection.
    assert client.ask(request_bytes).status == 200


def test_nothing_is_sent_again_once_an_answer_has_begun(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(OK)
        connection.read_request()
        connection.send(b"HTTP/1.1 2")

    upstream = start_upstream(script)
    client = start_sidecar(upstream.url).connect()
    assert client.ask(GET).body == b"ok"
    answer = client.ask(GET)
    assert answer.status == 502
    assert answer.values(b"x-should-retry") == []
    assert len(upstream.requests) == 2


# -- a client that leaves


def begin_nothing(call: UpstreamWire) -> None:
    """The model thinks."""


def begin_a_stream(call: UpstreamWire) -> None:
    """The model has begun to speak, and pauses."""
    call.send(EVENTS)


def leave_in_order(client: Client) -> None:
    client.close()


def leave_by_reset(client: Client) -> None:
    client.reset()


def leave_half(client: Client) -> None:
    """As nginx reads it: whoever says that nothing more comes has left."""
    client.half_close()


@on_both_loops
@pytest.mark.parametrize("begin", [begin_nothing, begin_a_stream])
@pytest.mark.parametrize("leave", [leave_in_order, leave_by_reset, leave_half])
def test_a_client_that_leaves_ends_the_call_at_the_upstream_at_once(
    sidecar: RunningSidecar,
    upstream: Upstream,
    begin: Callable[[UpstreamWire], None],
    leave: Callable[[Client], None],
) -> None:
    delays = []
    for _ in range(9):
        client = sidecar.connect()
        client.send(POST)
        call = upstream.accept()
        call.read_request()
        begin(call)
        if begin is begin_a_stream:
            client.read_head()
        left = time.perf_counter()
        leave(client)
        call.wait_for_end()
        delays.append(call.ended_at - left)
    assert statistics.median(delays) < 0.1
    sidecar.wait_for_log("left")


def test_a_client_that_leaves_with_pipelined_requests_open_ends_the_call_too(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    client.send(POST + GET + GET)
    call = upstream.accept()
    call.read_request()
    client.close()
    call.wait_for_end()
    sidecar.wait_until_empty()
    assert not upstream.is_called()


def test_a_client_that_leaves_within_its_upload_ends_the_call(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    client.send(head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 1000") + b"some")
    call = upstream.accept()
    call.read_request_head()
    assert call.read_exactly(4) == b"some"
    client.close()
    call.wait_for_end()
    sidecar.wait_for_log("left")


def test_a_client_that_leaves_within_a_chunked_upload_never_makes_it_look_whole(
    client: Client, upstream: Upstream
) -> None:
    client.send(
        head(b"POST / HTTP/1.1", b"Host: localhost", b"Transfer-Encoding: chunked") + b"4\r\nsome\r\n"
    )
    call = upstream.accept()
    call.read_request_head()
    assert call.read_chunk() == b"some"
    client.close()
    call.wait_for_end()


def test_a_client_that_leaves_while_we_connect_leaves_nothing_behind(
    start_sidecar: StartSidecar, unconnected: str
) -> None:
    sidecar = start_sidecar(unconnected, **{"upstream.connect_timeout_seconds": 1000.0})
    client = sidecar.connect()
    client.send(POST)
    wait_until(lambda: sidecar.open_calls() == 1, "the call has begun")
    client.close()
    sidecar.wait_until_empty()
    # A connection that came later would be sent a call that nobody waits for, and somebody pays.
    wait_until(lambda: sidecar.connecting() == 0, "nobody tries to connect any more")
    sidecar.wait_for_log("left")


def test_a_client_that_leaves_between_calls_leaves_nothing_behind(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    client.read_answer()
    client.close()
    sidecar.wait_until_empty()


def test_a_client_that_leaves_does_not_take_the_others_along(
    sidecar: RunningSidecar, upstream: Upstream
) -> None:
    staying, leaving = sidecar.connect(), sidecar.connect()
    staying.send(GET)
    kept = upstream.accept()
    kept.read_request()
    leaving.send(GET)
    other = upstream.accept()
    other.read_request()
    leaving.close()
    other.wait_for_end()
    kept.send(OK)
    assert staying.read_answer().body == b"ok"


# -- an answer that comes before its request is whole


def test_an_early_answer_is_relayed_and_then_both_sides_close(client: Client, upstream: Upstream) -> None:
    client.send(head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 1000000") + b"x" * 1000)
    call = upstream.accept()
    call.read_request_head()
    call.send(head(b"HTTP/1.1 413 Too Large", b"Content-Length: 5") + b"sorry")
    answer = client.read_answer()
    assert (answer.status, answer.body) == (413, b"sorry")
    assert answer.value(b"connection") == b"close"
    assert client.wait_for_end() is End.CLOSED
    call.read_to_end()


def test_an_early_answer_arrives_while_the_client_goes_on_sending(client: Client, upstream: Upstream) -> None:
    def upload() -> bytes:
        return head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 8000000") + b"x" * 8_000_000

    with contextlib.suppress(ConnectionError), client.sending(upload()):
        call = upstream.accept()
        call.read_request_head()
        call.send(head(b"HTTP/1.1 401 Who Are You", b"Content-Length: 5") + b"sorry")
        answer = client.read_answer()
        assert (answer.status, answer.body) == (401, b"sorry")


def test_an_early_answer_may_stream_on_while_the_upload_runs(client: Client, upstream: Upstream) -> None:
    client.send(head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 8") + b"half")
    call = upstream.accept()
    call.read_request_head()
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"3\r\none\r\n")
    client.read_head()
    assert client.read_chunk() == b"one"
    client.send(b"rest")
    assert call.read_exactly(8) == b"halfrest"
    call.send(b"3\r\ntwo\r\n0\r\n\r\n")
    assert client.read_chunk() == b"two"
    assert client.read_chunk() == b""


@pytest.mark.parametrize("declared", [b"Content-Length: 8000000", b"Transfer-Encoding: chunked"])
def test_a_refused_upload_gets_its_sentence_and_no_reset(
    sidecar: RunningSidecar, upstream: Upstream, declared: bytes
) -> None:
    body = b"x" * 8_000_000
    if b"chunked" in declared:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    for _ in range(5):
        client = sidecar.connect()
        refused = head(b"POST / HTTP/1.1", b"Host: attacker.test", declared)
        with client.sending(refused + body):
            answer = client.read_answer()
            assert answer.status == 403
            assert error_of(answer)["code"] == "host_not_allowed"
            assert answer.value(b"connection") == b"close"
        assert client.wait_for_end() is End.CLOSED
    assert not upstream.is_called()


def test_a_client_that_never_ends_behind_a_refusal_is_not_listened_to_for_ever(
    sidecar: RunningSidecar, client: Client
) -> None:
    client.send(head(b"POST / HTTP/1.1", b"Host: attacker.test", b"Content-Length: 8000000"))
    assert client.read_answer().status == 403
    assert client.wait_for_end() is End.CLOSED
    wait_until(lambda: sidecar.open_connections() == 0, "the connection is gone, though the client is not")


def test_a_slow_reader_gets_all_of_an_answer_behind_which_the_connection_closes(
    sidecar: RunningSidecar, upstream: Upstream
) -> None:
    # Longer than the 2 s for which we linger: those are for what the client sends, not for what it reads.
    client = sidecar.connect(receive_buffer_bytes=32_768)
    client.send(head(b"GET / HTTP/1.1", b"Host: localhost", b"Connection: close"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"))
    pieces = 0
    while sidecar.unsent_bytes() == 0:
        call.send(b"4000\r\n%b\r\n" % (b"x" * 0x4000))
        pieces += 1
    call.send(b"0\r\n\r\n")
    wait_until(lambda: sidecar.open_calls() == 0, "the answer is complete, and not all of it sent")
    assert sidecar.unsent_bytes() > 0
    time.sleep(3)
    assert len(client.read_answer().body) == pieces * 0x4000
    assert client.wait_for_end() is End.CLOSED


@on_both_loops
def test_a_connection_that_has_not_taken_its_request_in_carries_no_other(
    start_sidecar: StartSidecar, loop: LoopThread
) -> None:
    with Upstream(receive_buffer_bytes=4096) as upstream:
        sidecar = start_sidecar(upstream.url)
        # What one read of the sidecar's takes is the kernel's business: one of these is complete and not sent.
        for size in range(80_000, 240_000, 8_000):
            client = sidecar.connect()
            client.send(head(b"POST /v1/files HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % size))
            call = upstream.accept()
            call.read_request_head()
            connection = _exchange_of(sidecar)._upstream
            assert connection is not None
            sock = connection.transport.get_extra_info("socket")
            loop.call(sock.setsockopt, socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            client.send(b"x" * size)
            wait_until(lambda: sidecar.unsent_bytes() > 16 * 1024, "the gateway is full")
            time.sleep(0.05)
            if loop.call(lambda: _exchange_of(sidecar)._sent) and sidecar.unsent_bytes() > 66 * 1024:
                break
            client.close()
            wait_until(lambda: sidecar.open_calls() == 0, "the call is over")
        else:
            pytest.fail("no request was complete and unsent")
        call.send(OK)
        assert client.read_answer().body == b"ok"
        assert sidecar.kept_connections() == 0
        client.send(GET)
        again = upstream.accept()
        again.read_request()
        again.send(OK)
        assert client.read_answer().body == b"ok"
        assert sidecar.kept_connections() == 1


def _exchange_of(sidecar: RunningSidecar) -> Exchange:
    """The exchange of its one connection that has a call."""
    for connection in sidecar.sidecar.parts.door._connections:
        if isinstance(connection, ClientConnection) and connection._exchange is not None:
            return connection._exchange
    raise AssertionError("there is no call")


# -- stopping


def test_a_call_without_an_answer_is_told_of_the_stop(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 0.02})
    client = sidecar.connect()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    sidecar.begin_stop()
    answer = client.read_answer()
    assert (answer.status, error_of(answer)["code"]) == (503, "stopping")
    assert answer.value(b"connection") == b"close"
    assert client.wait_for_end() is End.CLOSED
    call.read_to_end()
    sidecar.wait_for_log("POST /v1/chat/completions 503 failed")


def test_a_stop_lets_running_calls_finish(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 20})
    client = sidecar.connect()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    call.send(EVENTS)
    client.read_head()
    stopped = sidecar.begin_stop()
    wait_until(lambda: sidecar.sidecar.parts.door.draining, "it stops")
    with pytest.raises(ConnectionRefusedError):
        sidecar.connect()
    call.send(b"4\r\nlast\r\n0\r\n\r\n")
    assert client.read_chunk() == b"data: one\n\n"
    assert client.read_chunk() == b"last"
    assert client.read_chunk() == b""
    assert client.read_exactly(2) == b"\r\n"
    assert client.wait_for_end() is End.CLOSED
    client.close()
    stopped.result(5)


def test_a_stop_says_close_in_answers_that_begin_after_it(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 20})
    client = sidecar.connect()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    sidecar.begin_stop()
    wait_until(lambda: sidecar.sidecar.parts.door.draining, "it stops")
    call.send(OK)
    answer = client.read_answer()
    assert answer.body == b"ok"
    assert answer.value(b"connection") == b"close"
    assert client.wait_for_end() is End.CLOSED


@on_both_loops
@pytest.mark.parametrize("request_bytes", [GET, GET10])
@pytest.mark.parametrize("answer", [FIXED, CHUNKED, EVENTS, UNTIL_CLOSE])
def test_a_stop_cuts_visibly_what_does_not_finish_in_time(
    start_sidecar: StartSidecar, upstream: Upstream, request_bytes: bytes, answer: bytes
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 0.02})
    client = sidecar.connect()
    client.send(request_bytes)
    call = upstream.accept()
    call.read_request()
    call.send(answer)
    client.read_head()
    sidecar.begin_stop().result(10)
    with pytest.raises(Truncated):
        # What has come already is read on; a reset may have overtaken it.
        client.read_body(_down(answer, request_bytes), until_close=True)
    call.read_to_end()


def _down(answer: bytes, request: bytes) -> bytes:
    """A head that frames a body as the client gets to see it."""
    if answer == FIXED:
        return head(b"HTTP/1.1 200 OK", b"Content-Length: 100")
    if request == GET10:
        return head(b"HTTP/1.1 200 OK")
    return head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked")


def test_a_stop_closes_idle_connections_at_once(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 20})
    fresh, used = sidecar.connect(), sidecar.connect()
    used.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    used.read_answer()
    begun = time.perf_counter()
    stopped = sidecar.begin_stop()
    assert fresh.wait_for_end() is End.CLOSED
    assert used.wait_for_end() is End.CLOSED
    fresh.close()
    used.close()
    stopped.result(10)
    assert time.perf_counter() - begun < 10
    call.wait_for_end()


def test_a_second_signal_cuts_at_once(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 1000})
    client = sidecar.connect()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    call.send(FIXED)
    client.read_head()
    stopped = sidecar.begin_stop()
    sidecar._loop.call(sidecar.sidecar.cut_now)
    stopped.result(10)
    with pytest.raises(Truncated):
        client.read_exactly(100)


def test_a_stopped_sidecar_lets_go_of_its_port(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url)
    address = sidecar.address
    sidecar.begin_stop().result(10)
    with socket.create_server(address):
        pass


# -- the pool


def test_one_connection_serves_many_calls(client: Client, upstream: Upstream) -> None:
    client.send(GET)
    call = upstream.accept()
    for i in range(20):
        call.read_request()
        call.send(OK if i % 2 else head(b"HTTP/1.1 204 No Content"))
        client.read_answer()
        client.send((GET, POST, head(b"HEAD / HTTP/1.1", b"Host: localhost"))[i % 3])
        if i % 3 == 2:
            call.read_request()
            call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 10"))
            client.read_answer(to=b"HEAD")
            client.send(GET)
    assert not upstream.is_called()


def test_different_clients_share_the_connections(sidecar: RunningSidecar, upstream: Upstream) -> None:
    sidecar.connect().send(GET)
    call = upstream.accept()
    for _ in range(5):
        call.read_request()
        call.send(OK)
        wait_until(lambda: sidecar.open_calls() == 0, "the call is over")
        sidecar.connect().send(GET)
    call.read_request()
    assert not upstream.is_called()


def test_calls_at_the_same_time_have_connections_of_their_own(
    sidecar: RunningSidecar, upstream: Upstream
) -> None:
    clients = [sidecar.connect() for _ in range(5)]
    for i, client in enumerate(clients):
        client.send(head(b"GET /%d HTTP/1.1" % i, b"Host: localhost"))
    calls = [upstream.accept() for _ in clients]
    for call in reversed(calls):
        target = call.read_request().target
        call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + target)
    assert [client.read_answer().body for client in clients] == [b"/%d" % i for i in range(5)]


@on_both_loops
@pytest.mark.parametrize("end", [UpstreamWire.half_close, UpstreamWire.reset])
def test_a_connection_that_has_seen_its_end_is_never_used_again(
    sidecar: RunningSidecar,
    client: Client,
    upstream: Upstream,
    end: Callable[[UpstreamWire], None],
) -> None:
    for _ in range(20):
        client.send(POST)
        call = upstream.accept()
        call.read_request()
        call.send(OK)
        assert client.read_answer().body == b"ok"
        end(call)
        if end is UpstreamWire.half_close:
            call.wait_for_end()
        else:
            wait_until(lambda: sidecar._loop.call(lambda: sidecar.pool._idle) == [], "it is noticed")


def test_bytes_on_an_idle_connection_end_it(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    client.read_answer()
    wait_until(lambda: sidecar.open_calls() == 0, "the call is over")
    call.send(head(b"HTTP/1.1 408 Request Timeout", b"Content-Length: 0"))
    call.read_to_end()
    client.send(POST)
    second = upstream.accept()
    second.read_request()
    second.send(OK)
    assert client.read_answer().body == b"ok"


def test_an_idle_connection_is_closed_after_a_while(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **{"upstream.idle_timeout_seconds": 0.1}).connect()
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    client.read_answer()
    assert call.wait_for_end() is End.CLOSED
    client.send(GET)
    upstream.accept().read_request()


def test_a_thousand_calls_in_a_row_are_all_answered(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    upstream = start_upstream(answering(OK))
    client = start_sidecar(upstream.url).connect()
    for _ in range(1000):
        assert client.ask(POST).body == b"ok"
    assert len(upstream.connections) == 1
