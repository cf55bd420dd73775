"""One client connection: keep-alive, pipelining, HTTP/1.0, the hand-over to the local application."""

import contextlib
import json
import time

import pytest

from harness.clients import Client
from harness.handshakes import HANDSHAKE, SWITCH, shake_hands
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, Upstream, UpstreamWire, answering
from harness.wire import End, Truncated, chunked, head, wait_until, wait_until_still
from relay.loops import on_both_loops

OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
HEALTH = head(b"GET /feedback/health HTTP/1.1", b"Host: localhost")


def get(target: bytes, *lines: bytes) -> bytes:
    return head(b"GET " + target + b" HTTP/1.1", b"Host: localhost", *lines)


def post(target: bytes, body: bytes) -> bytes:
    return (
        head(b"POST " + target + b" HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % len(body)) + body
    )


def echo(connection: UpstreamWire) -> None:
    """Answers with what was asked: the target, and the body."""
    while True:
        request = connection.read_request()
        said = request.target + b" " + request.body
        connection.send(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(said)) + said)


# -- keep-alive and pipelining


@on_both_loops
def test_pipelined_requests_are_answered_in_order(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    client = start_sidecar(start_upstream(echo).url).connect()
    chunks = head(b"POST /c HTTP/1.1", b"Host: localhost", b"Transfer-Encoding: chunked") + chunked(
        b"x", b"yz"
    )
    client.send(b"".join(get(b"/%d" % i) + post(b"/p%d" % i, b"body %d" % i) + chunks for i in range(50)))
    for i in range(50):
        assert client.read_answer().body == b"/%d " % i
        assert client.read_answer().body == b"/p%d body %d" % (i, i)
        assert client.read_answer().body == b"/c xyz"


def test_a_pipelined_request_waits_for_the_answer_before_it(client: Client, upstream: Upstream) -> None:
    client.send(get(b"/1") + get(b"/2"))
    call = upstream.accept()
    assert call.read_request().target == b"/1"
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"3\r\none\r\n")
    client.read_head()
    assert client.read_chunk() == b"one"
    assert not upstream.is_called()
    call.send(b"0\r\n\r\n")
    assert client.read_chunk() == b""
    assert client.read_exactly(2) == b"\r\n"
    assert call.read_request().target == b"/2"
    call.send(OK)
    assert client.read_answer().body == b"ok"


def test_what_is_read_ahead_of_an_open_call_is_bounded(sidecar: RunningSidecar, upstream: Upstream) -> None:
    client = sidecar.connect()
    client.send(get(b"/open"))
    call = upstream.accept()
    call.read_request()
    ahead = b"".join(post(b"/%d" % i, b"x" * 10_000) for i in range(500))
    with client.sending(ahead):
        wait_until_still(lambda: client.bytes_sent)
        assert 0 < sidecar.read_ahead_bytes() < _HELD_BOUND
        call.send(OK)
        assert client.read_answer().body == b"ok"
        for i in range(500):
            request = call.read_request()
            assert request.target == b"/%d" % i
            assert len(request.body) == 10_000
            call.send(OK)
            assert client.read_answer().body == b"ok"


def test_a_bad_request_behind_a_good_one_waits_for_its_answer(client: Client, upstream: Upstream) -> None:
    client.send(get(b"/good") + b"GET /bad HTTP/1.1\r\nHost : localhost\r\n\r\n")
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    assert client.read_answer().body == b"ok"
    answer = client.read_answer()
    assert answer.status == 400
    assert answer.value(b"connection") == b"close"
    assert client.wait_for_end() is End.CLOSED
    assert not upstream.is_called()


def test_nothing_behind_a_bad_request_is_served(client: Client, upstream: Upstream) -> None:
    client.send(b"GET /bad HTTP/1.1\r\nHost : localhost\r\n\r\n" + get(b"/good"))
    assert client.read_answer().status == 400
    assert client.wait_for_end() is End.CLOSED
    assert not upstream.is_called()


def test_nothing_behind_a_request_that_closes_is_served(client: Client, upstream: Upstream) -> None:
    client.send(get(b"/last", b"Connection: close") + get(b"/ignored"))
    call = upstream.accept()
    assert call.read_request().target == b"/last"
    call.send(OK)
    answer = client.read_answer()
    assert answer.value(b"connection") == b"close"
    assert client.read_to_end() == b""
    assert [request.target for request in upstream.requests] == [b"/last"]
    assert not upstream.is_called()


def test_empty_lines_before_a_request_are_passed_over(client: Client, upstream: Upstream) -> None:
    client.send(b"\r\n\r\n" + get(b"/1") + b"\r\n" + get(b"/2"))
    call = upstream.accept()
    for target in (b"/1", b"/2"):
        assert call.read_request().target == target
        call.send(OK)
        assert client.read_answer().body == b"ok"


def test_a_refused_call_does_not_end_a_connection_whose_request_was_whole(
    client: Client, upstream: Upstream
) -> None:
    for _ in range(3):
        client.send(post(b"/x", b"{}"))
        call = upstream.accept()
        call.read_request()
        call.close()
        answer = client.read_answer()
        assert answer.status == 502
        assert answer.values(b"connection") == []


def test_many_clients_at_once_get_their_own_answers(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    # More than three open calls: small writes are gathered.
    sidecar = start_sidecar(start_upstream(echo).url)
    clients = [sidecar.connect() for _ in range(40)]
    for turn in range(10):
        for i, client in enumerate(clients):
            client.send(post(b"/%d/%d" % (i, turn), b"x" * i * 997))
        for i, client in enumerate(clients):
            assert client.read_answer().body == b"/%d/%d %b" % (i, turn, b"x" * i * 997)


# -- HTTP/1.0


@on_both_loops
@pytest.mark.parametrize(
    "answer",
    [
        head(b"HTTP/1.1 200 OK", b"Content-Length: 6") + b"onetwo",
        head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked")
        + chunked(b"one", b"two", trailers=(b"X: y",)),
        head(b"HTTP/1.1 200 OK", b"Connection: close") + b"onetwo",
    ],
)
def test_a_client_of_http_1_0_gets_no_chunks_and_an_end(
    client: Client, upstream: Upstream, answer: bytes
) -> None:
    client.send(head(b"GET / HTTP/1.0", b"Host: localhost", b"Connection: keep-alive"))
    call = upstream.accept()
    call.read_request()
    call.send(answer)
    if b"close" in answer:
        call.close()
    said = client.read_answer()
    assert said.body == b"onetwo"
    assert said.values(b"transfer-encoding") == []
    if b"Length" not in answer:
        assert said.values(b"content-length") == []
    assert client.wait_for_end() is End.CLOSED


def test_a_client_of_http_1_0_gets_no_interim_answers(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.0", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 100 Continue") + head(b"HTTP/1.1 103 Early Hints", b"Link: x") + OK)
    assert client.read_answer().status == 200


@pytest.mark.parametrize("status", [b"200 OK", b"304 Not Modified"])
def test_a_client_of_http_1_0_is_told_of_no_chunks_where_there_is_no_body(
    client: Client, upstream: Upstream, status: bytes
) -> None:
    # RFC 9112 §6.1: no Transfer-Encoding unless the request says HTTP/1.1.
    client.send(head(b"HEAD / HTTP/1.0", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 " + status, b"Transfer-Encoding: chunked"))
    assert client.read_answer(to=b"HEAD").values(b"transfer-encoding") == []
    assert client.wait_for_end() is End.CLOSED


def test_a_204_never_speaks_of_chunks(client: Client, upstream: Upstream) -> None:
    # RFC 9112 §6.1: neither 1xx nor 204 may.
    client.send(get(b"/"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 204 No Content", b"Transfer-Encoding: chunked"))
    assert client.read_answer().values(b"transfer-encoding") == []


def test_a_client_of_http_1_0_gets_errors_whole(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.0", b"Host: localhost"))
    upstream.accept().close()
    answer = client.read_answer()
    assert answer.status == 502
    assert json.loads(answer.body)["error"]["code"] == "upstream_broke"
    assert client.wait_for_end() is End.CLOSED


def test_a_body_of_http_1_0_passes(client: Client, upstream: Upstream) -> None:
    client.send(head(b"POST / HTTP/1.0", b"Host: localhost", b"Content-Length: 4") + b"body")
    call = upstream.accept()
    assert call.read_request().body == b"body"
    call.send(OK)
    assert client.read_answer().body == b"ok"


# -- the hand-over


def is_health(body: bytes) -> bool:
    return isinstance(json.loads(body), dict) and b"error" not in body


@on_both_loops
@pytest.mark.parametrize(
    "target",
    [b"/feedback", b"/feedback/", b"/feedback?limit=1", b"/feedback/health", b"http://localhost/feedback"],
)
def test_everything_below_feedback_is_answered_here(
    client: Client, upstream: Upstream, target: bytes
) -> None:
    answer = client.ask(get(target))
    assert answer.status == (404 if target == b"/feedback/" else 200)
    json.loads(answer.body)
    assert client.wait_for_end() is End.CLOSED
    assert not upstream.is_called()


@on_both_loops
def test_a_local_request_may_come_byte_by_byte(client: Client) -> None:
    client.send_bytewise(HEALTH)
    assert is_health(client.read_answer().body)


@on_both_loops
def test_a_local_request_may_follow_relayed_ones_on_one_connection(
    client: Client, upstream: Upstream
) -> None:
    call = None
    for _ in range(3):
        client.send(post(b"/v1/x", b"{}"))
        call = call or upstream.accept()
        call.read_request()
        call.send(OK)
        assert client.read_answer().body == b"ok"
    client.send_bytewise(HEALTH)
    assert is_health(client.read_answer().body)
    assert client.wait_for_end() is End.CLOSED


def test_a_local_request_with_a_body_is_handed_over_whole(client: Client) -> None:
    rating = b'{"rating": true}'
    request = post(b"/feedback/6b1d9f3e-8f0e-4c56-9d5c-0f6a4f2a7b11", rating)
    client.send(request[:-5])
    client.send(request[-5:])
    # No key is configured: the answer that needs a rating to have been read.
    assert client.read_answer().status == 503


def test_connections_that_alternate_between_gateway_and_feedback_never_mix_them_up(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    sidecar = start_sidecar(start_upstream(echo).url)
    relayed = sidecar.connect()
    for i in range(50):
        assert relayed.ask(get(b"/v1/%d" % i)).body == b"/v1/%d " % i
        with sidecar.connect() as local:
            assert is_health(local.ask(HEALTH).body)
            assert local.wait_for_end() is End.CLOSED


@on_both_loops
@pytest.mark.parametrize("together", [True, False])
def test_a_local_request_behind_an_open_call_ends_the_connection_after_its_answer(
    client: Client, upstream: Upstream, together: bool
) -> None:
    client.send(get(b"/v1/open") + (HEALTH if together else b""))
    call = upstream.accept()
    call.read_request()
    if not together:
        client.send(HEALTH)
    call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"o")
    client.read_head()
    assert client.read_exactly(1) == b"o"
    call.send(b"k")
    assert client.read_exactly(1) == b"k"
    assert client.wait_for_end() is End.CLOSED


def test_a_local_request_cut_in_two_behind_an_open_call_is_never_answered_halfway(
    client: Client, upstream: Upstream
) -> None:
    client.send(get(b"/v1/open") + HEALTH[:9])
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    assert client.read_answer().body == b"ok"
    client.send(HEALTH[9:])
    # Served or closed, both are right; what may not be is half a request, or the gateway being asked.
    try:
        answer = client.read_answer()
    except Truncated:
        assert client.end is End.CLOSED
    else:
        assert is_health(answer.body)
    assert len(upstream.requests) == 1


def test_the_guard_stands_before_local_requests_too(client: Client) -> None:
    answer = client.ask(head(b"GET /feedback HTTP/1.1", b"Host: attacker.test"))
    assert answer.status == 403
    assert answer.value(b"feedback-error") == b"host_not_allowed"


def test_both_loopbacks_are_served(start_sidecar: StartSidecar, start_upstream: StartUpstream) -> None:
    sidecar = start_sidecar(start_upstream(echo).url, **{"server.host": ["127.0.0.1", "::1"]})
    for host in ("127.0.0.1", "::1"):
        assert sidecar.connect(host=host).ask(get(b"/x")).body == b"/x "


# -- backpressure

_MIB = 1024 * 1024
_BODY = bytes(range(251)) * (64 * _MIB // 251)
_BOUND = 44 * _MIB
"""What the kernel may keep in the sockets of two hops (tcp_rmem, tcp_wmem), however it sizes them."""

_HELD_BOUND = _MIB
"""What the sidecar itself may hold of one call."""


@on_both_loops
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_client_that_does_not_read_holds_the_upstream_back(
    sidecar: RunningSidecar, upstream: Upstream, framing: str
) -> None:
    client = sidecar.connect(receive_buffer_bytes=64 * 1024)
    client.send(get(b"/large"))
    call = upstream.accept()
    call.read_request()
    answer = {
        "length": head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(_BODY)) + _BODY,
        "chunked": head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked")
        + chunked(_BODY[:_MIB], _BODY[_MIB:]),
        "close": head(b"HTTP/1.1 200 OK") + _BODY,
    }[framing]
    with call.sending(answer):
        assert wait_until_still(lambda: call.bytes_sent) < _BOUND
        assert sidecar.unsent_bytes() < _HELD_BOUND
        answer_head = client.read_head()
        if framing == "length":
            assert client.read_exactly(len(_BODY)) == _BODY
        else:
            pieces: list[bytes] = []
            while sum(map(len, pieces)) < len(_BODY):
                pieces.append(client.read_chunk())
            assert b"".join(pieces) == _BODY
    assert (b"Content-Length" in answer_head) is (framing == "length")
    if framing == "close":
        call.close()
    if framing != "length":
        assert client.read_exactly(5) == b"0\r\n\r\n"
    client.send(get(b"/next"))
    following = upstream.accept() if framing == "close" else call
    assert following.read_request().target == b"/next"


@on_both_loops
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upstream_that_does_not_read_holds_the_client_back(
    start_sidecar: StartSidecar, framing: str
) -> None:
    with Upstream(receive_buffer_bytes=64 * 1024) as upstream:
        sidecar = start_sidecar(upstream.url)
        client = sidecar.connect()
        start = (b"POST /large HTTP/1.1", b"Host: localhost")
        request = {
            "length": head(*start, b"Content-Length: %d" % len(_BODY)) + _BODY,
            "chunked": head(*start, b"Transfer-Encoding: chunked") + chunked(_BODY[:_MIB], _BODY[_MIB:]),
        }[framing]
        with client.sending(request):
            call = upstream.accept()
            assert wait_until_still(lambda: client.bytes_sent) < _BOUND
            assert sidecar.unsent_bytes() < _HELD_BOUND
            assert call.read_request().body == _BODY
        call.send(OK)
        assert client.read_answer().body == b"ok"
        client.send(get(b"/next"))
        assert call.read_request().target == b"/next"


def leave_behind(sidecar: RunningSidecar, call: UpstreamWire) -> int:
    """Answer a client that does not read, so that more than enough stays unsent. Gives the answer's length."""
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"))
    sent = 0
    while sidecar.unsent_bytes() == 0:
        call.send(b"%x\r\n%b\r\n" % (16_000, b"x" * 16_000))
        sent += 16_000
    # One read that fills what may be unsent, and ends the answer: nothing tells the next call of it any more.
    call.send(chunked(b"y" * 62_000))
    return sent + 62_000


@on_both_loops
def test_a_call_that_begins_behind_a_slow_reader_is_held_back_from_its_start(
    sidecar: RunningSidecar, upstream: Upstream
) -> None:
    client = sidecar.connect(receive_buffer_bytes=32_768)
    client.send(get(b"/1") + get(b"/2"))
    call = upstream.accept()
    call.read_request()
    size = leave_behind(sidecar, call)
    assert call.read_request().target == b"/2"
    with call.sending(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(_BODY)) + _BODY):
        assert wait_until_still(lambda: call.bytes_sent) < _BOUND
        assert sidecar.unsent_bytes() < _HELD_BOUND
        assert len(client.read_answer().body) == size
        assert client.read_answer().body == _BODY


@on_both_loops
def test_a_connection_that_was_held_back_is_listened_to_once_it_is_kept(
    sidecar: RunningSidecar, upstream: Upstream
) -> None:
    client = sidecar.connect(receive_buffer_bytes=32_768)
    client.send(get(b"/1"))
    call = upstream.accept()
    call.read_request()
    size = leave_behind(sidecar, call)
    wait_until(lambda: sidecar.open_calls() == 0, "the call is over, though its client is behind")
    call.half_close()
    call.wait_for_end()
    assert len(client.read_answer().body) == size


@on_both_loops
def test_so_is_a_tunnel(sidecar: RunningSidecar, upstream: Upstream) -> None:
    client = sidecar.connect(receive_buffer_bytes=32_768)
    client.send(get(b"/1") + HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    size = leave_behind(sidecar, call)
    call.read_request()
    with call.sending(SWITCH + _BODY):
        assert wait_until_still(lambda: call.bytes_sent) < _BOUND
        assert sidecar.unsent_bytes() < _HELD_BOUND
        assert len(client.read_answer().body) == size
        assert client.read_answer().status == 101
        assert client.read_exactly(len(_BODY)) == _BODY


@on_both_loops
@pytest.mark.parametrize("http", [b"HTTP/1.1", b"HTTP/1.0"])
def test_an_answer_that_breaks_behind_a_slow_reader_is_cut_too(
    sidecar: RunningSidecar, upstream: Upstream, http: bytes
) -> None:
    client = sidecar.connect(receive_buffer_bytes=32_768)
    client.send(head(b"GET /large " + http, b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 200 OK"))
    while sidecar.unsent_bytes() == 0:
        call.send(_BODY[: 64 * 1024])
    call.reset()
    with pytest.raises(Truncated):
        client.read_answer()


def test_a_stop_does_not_wait_for_a_reader_that_has_stalled(
    sidecar: RunningSidecar, upstream: Upstream
) -> None:
    client = sidecar.connect(receive_buffer_bytes=32_768)
    client.send(get(b"/large"))
    call = upstream.accept()
    call.read_request()
    length = b"Content-Length: %d" % len(_BODY)
    with contextlib.suppress(ConnectionError), call.sending(head(b"HTTP/1.1 200 OK", length) + _BODY):
        wait_until(lambda: sidecar.unsent_bytes() > 0, "the client is behind")
        sidecar.begin_stop().result(10)
    with pytest.raises(Truncated):
        client.read_answer()


def test_an_upload_waits_for_the_connection(start_sidecar: StartSidecar, unconnected: str) -> None:
    client = start_sidecar(unconnected, **{"upstream.connect_timeout_seconds": 1.0}).connect()
    with client.sending(post(b"/", _BODY)):
        assert wait_until_still(lambda: client.bytes_sent) < _BOUND
        assert client.read_answer().status == 504


@on_both_loops
@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_tunnel_holds_back_whoever_sends_faster_than_the_other_reads(
    start_sidecar: StartSidecar, direction: str
) -> None:
    with Upstream(receive_buffer_bytes=64 * 1024) as upstream:
        sidecar = start_sidecar(upstream.url)
        client = sidecar.connect(receive_buffer_bytes=64 * 1024)
        call = shake_hands(client, upstream)
        sender, reader = (call, client) if direction == "down" else (client, call)
        before = sender.bytes_sent
        with sender.sending(_BODY):
            assert wait_until_still(lambda: sender.bytes_sent) - before < _BOUND
            assert sidecar.unsent_bytes() < _HELD_BOUND
            # The other direction is not held up.
            reader.send(b"hello")
            assert sender.read_exactly(5) == b"hello"
            assert reader.read_exactly(len(_BODY)) == _BODY


# -- loops and hops


def test_a_call_that_comes_back_to_us_is_a_508(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    sidecars: list[RunningSidecar] = []

    def hop(connection: UpstreamWire) -> None:
        request = connection.read_request()
        with Client.connect(sidecars[0].address) as next_one:
            answer = next_one.ask(request.head + request.body)
        connection.send(answer.head + answer.body)

    upstream = start_upstream(hop)
    sidecars.append(start_sidecar(upstream.url))
    answer = sidecars[0].connect().ask(get(b"/v1/x"))
    assert answer.status == 508
    assert answer.value(b"feedback-error") == b"loop_detected"
    assert len(upstream.requests) == 1


def test_two_sidecars_in_a_row_are_no_loop(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    upstream = start_upstream(answering(OK))
    second = start_sidecar(upstream.url)
    first = start_sidecar(second.sidecar.url)
    assert first.connect().ask(get(b"/v1/x")).body == b"ok"
    assert len(upstream.requests[0].values(b"via")) == 2


@pytest.mark.parametrize(
    "request_bytes",
    [
        head(b"OPTIONS * HTTP/1.1", b"Host: localhost"),
        head(b"OPTIONS /v1/x HTTP/1.1", b"Host: localhost", b"Max-Forwards: 0"),
    ],
)
def test_options_that_mean_us_are_answered_here(
    client: Client, upstream: Upstream, request_bytes: bytes
) -> None:
    answer = client.ask(request_bytes)
    assert answer.status == 204
    assert b"POST" in (answer.value(b"allow") or b"")
    # Nothing else would hold back a client that sends thousands of these and reads no answer.
    assert answer.value(b"connection") == b"close"
    client.wait_for_end()
    assert not upstream.is_called()


def test_max_forwards_loses_one_on_the_way(client: Client, upstream: Upstream) -> None:
    client.send(head(b"OPTIONS /v1/x HTTP/1.1", b"Host: localhost", b"max-FORWARDS: 10"))
    assert b"\r\nmax-FORWARDS: 9\r\n" in upstream.accept().read_request().head


def test_max_forwards_of_another_method_is_left_alone(client: Client, upstream: Upstream) -> None:
    client.send(get(b"/", b"Max-Forwards: 0"))
    assert upstream.accept().read_request().value(b"max-forwards") == b"0"


# -- patience


def test_a_silent_upstream_is_waited_for(client: Client, upstream: Upstream) -> None:
    client.send(get(b"/think"))
    call = upstream.accept()
    call.read_request()
    time.sleep(1)
    call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"o")
    time.sleep(1)
    call.send(b"k")
    assert client.read_answer().body == b"ok"


def test_half_a_head_takes_no_call(sidecar: RunningSidecar, client: Client, upstream: Upstream) -> None:
    client.send(get(b"/v1/x")[:-2])
    wait_until(lambda: sidecar.open_connections() == 1, "it is connected")
    assert sidecar.open_calls() == 0
    assert not upstream.is_called()
