"""WebSocket is tunnelled as raw bytes; every other upgrade is dropped, and its request served without it."""

import time

import pytest

from harness.clients import Client
from harness.handshakes import HANDSHAKE, HANDSHAKE_LINES, SWITCH, shake_hands
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, Upstream, UpstreamWire
from harness.wire import End, Truncated, chunked, head
from relay.loops import on_both_loops

OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


# -- the handshake


def test_the_handshake_passes_as_it_is(client: Client, upstream: Upstream) -> None:
    client.send(HANDSHAKE)
    call = upstream.accept()
    request = call.read_request()
    assert request.start == b"GET /v1/realtime?model=x HTTP/1.1"
    assert request.value(b"upgrade") == b"websocket"
    assert request.value(b"connection") == b"Upgrade"
    for line in HANDSHAKE_LINES[2:]:
        assert b"\r\n" + line + b"\r\n" in request.head
    call.send(SWITCH)
    answer = client.read_answer()
    assert answer.start == b"HTTP/1.1 101 Switching Protocols"
    assert answer.value(b"upgrade") == b"websocket"
    assert answer.value(b"connection") == b"Upgrade"
    assert answer.value(b"sec-websocket-accept") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.values(b"set-cookie") == []


def test_a_page_on_another_origin_gets_no_tunnel(client: Client, upstream: Upstream) -> None:
    request = head(b"GET / HTTP/1.1", b"Host: localhost", b"Origin: http://attacker.test", *HANDSHAKE_LINES)
    assert client.ask(request).status == 403
    assert not upstream.is_called()


@on_both_loops
def test_nothing_goes_up_behind_the_handshake_before_it_is_answered(
    client: Client, upstream: Upstream
) -> None:
    client.send(HANDSHAKE + b"\x81\x05early")
    call = upstream.accept()
    call.read_request()
    client.send(b"\x81\x05later")
    call.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        call.sock.recv(1)
    call.sock.settimeout(30)
    call.send(SWITCH)
    assert call.read_exactly(14) == b"\x81\x05early\x81\x05later"
    assert client.read_answer().status == 101


def test_frames_that_come_with_the_101_are_not_lost(client: Client, upstream: Upstream) -> None:
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    call.send(SWITCH + b"\x81\x05hello")
    assert client.read_answer().status == 101
    assert client.read_exactly(7) == b"\x81\x05hello"


@pytest.mark.parametrize(
    "refused",
    [
        head(b"HTTP/1.1 401 Unauthorized", b"Content-Length: 2") + b"no",
        head(b"HTTP/1.1 401 Unauthorized", b"Transfer-Encoding: chunked") + chunked(b"no"),
        head(b"HTTP/1.1 200 OK", b"Upgrade: websocket", b"Connection: upgrade", b"Content-Length: 2") + b"no",
    ],
)
def test_a_refused_handshake_is_an_ordinary_answer(
    client: Client, upstream: Upstream, refused: bytes
) -> None:
    client.send(HANDSHAKE + b"\x81\x05early")
    call = upstream.accept()
    call.read_request()
    call.send(refused)
    answer = client.read_answer()
    assert answer.start == refused.partition(b"\r\n")[0]
    assert answer.body == b"no"
    assert answer.values(b"upgrade") == []
    assert client.wait_for_end() is End.CLOSED


def test_a_handshake_that_nobody_answers_is_a_502(client: Client, upstream: Upstream) -> None:
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    call.close()
    answer = client.read_answer()
    assert answer.status == 502
    assert answer.value(b"connection") == b"close"


@pytest.mark.parametrize(
    "switch",
    [
        head(b"HTTP/1.1 101 Switching", b"Upgrade: h2c", b"Connection: Upgrade"),
        head(b"HTTP/1.1 101 Switching"),
    ],
)
def test_an_upstream_that_switches_to_something_else_is_a_502(
    client: Client, upstream: Upstream, switch: bytes
) -> None:
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    call.send(switch)
    assert client.read_answer().status == 502
    call.wait_for_end()


def test_interim_answers_may_come_before_the_101(client: Client, upstream: Upstream) -> None:
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 103 Early Hints") + SWITCH + b"frame")
    assert client.read_answer().status == 103
    assert client.read_answer().status == 101
    assert client.read_exactly(5) == b"frame"


def test_a_handshake_on_a_kept_connection_works_on_both_sides(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    client.read_answer()
    client.send(HANDSHAKE)
    call.read_request()
    call.send(SWITCH)
    assert client.read_answer().status == 101
    client.send(b"up")
    assert call.read_exactly(2) == b"up"
    call.send(b"down")
    assert client.read_exactly(4) == b"down"


def test_a_handshake_behind_an_open_call_waits(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.1", b"Host: localhost") + HANDSHAKE + b"frame")
    call = upstream.accept()
    assert call.read_request().target == b"/"
    call.send(OK)
    assert client.read_answer().body == b"ok"
    assert call.read_request().target == b"/v1/realtime?model=x"
    call.send(SWITCH)
    assert client.read_answer().status == 101
    assert call.read_exactly(5) == b"frame"


# -- the tunnel


@on_both_loops
def test_bytes_pass_both_ways_as_they_are(client: Client, upstream: Upstream) -> None:
    call = shake_hands(client, upstream)
    for i in range(100):
        up, down = bytes([i]) * (i * 37 + 1), b"\r\n\r\nGET / HTTP/1.1\r\n\0\xff%d" % i
        client.send(up)
        assert call.read_exactly(len(up)) == up
        call.send(down)
        assert client.read_exactly(len(down)) == down


@on_both_loops
def test_a_half_closed_direction_lets_the_other_go_on(client: Client, upstream: Upstream) -> None:
    call = shake_hands(client, upstream)
    client.send(b"bye")
    client.half_close()
    assert call.read_to_end() == b"bye"
    assert call.end is End.CLOSED
    call.send(b"last words")
    call.close()
    assert client.read_to_end() == b"last words"
    assert client.end is End.CLOSED


@on_both_loops
def test_the_upstream_may_half_close_first(client: Client, upstream: Upstream) -> None:
    call = shake_hands(client, upstream)
    call.send(b"bye")
    call.half_close()
    assert client.read_to_end() == b"bye"
    client.send(b"last words")
    client.close()
    assert call.read_to_end() == b"last words"


@on_both_loops
@pytest.mark.parametrize("side", ["client", "upstream"])
def test_a_reset_on_one_side_ends_the_other(
    sidecar: RunningSidecar, client: Client, upstream: Upstream, side: str
) -> None:
    call = shake_hands(client, upstream)
    leaving, other = (client, call) if side == "client" else (call, client)
    leaving.reset()
    other.read_to_end()
    sidecar.wait_until_empty()


@on_both_loops
@pytest.mark.parametrize("side", ["client", "upstream"])
def test_a_close_on_one_side_ends_the_other(
    sidecar: RunningSidecar, client: Client, upstream: Upstream, side: str
) -> None:
    call = shake_hands(client, upstream)
    leaving, other = (client, call) if side == "client" else (call, client)
    leaving.close()
    assert other.read_to_end() == b""
    other.close()
    ended = time.monotonic()
    sidecar.wait_until_empty()
    assert time.monotonic() - ended < 5
    sidecar.wait_for_log("GET /v1/realtime 101")


def test_a_client_that_leaves_before_the_101_ends_the_handshake(client: Client, upstream: Upstream) -> None:
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    client.close()
    call.wait_for_end()


def test_a_stop_cuts_tunnels_after_the_grace_period(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    call = shake_hands(client, upstream)
    stopped = sidecar.begin_stop()
    client.send(b"still here")
    assert call.read_exactly(10) == b"still here"
    client.read_to_end()
    call.read_to_end()
    stopped.result(10)


# -- other upgrades


def echo(connection: UpstreamWire) -> None:
    """Answers with what was asked."""
    while True:
        request = connection.read_request()
        said = request.target + b" " + request.body
        connection.send(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(said)) + said)


H2C = (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAAP__")
WITH_LENGTH = head(b"POST /l HTTP/1.1", b"Host: localhost", *H2C, b"Content-Length: 4") + b"body"
WITH_CHUNKS = head(b"POST /c HTTP/1.1", b"Host: localhost", *H2C, b"Transfer-Encoding: chunked") + chunked(
    b"bo", b"dy"
)
WITHOUT_BODY = head(b"GET /n HTTP/1.1", b"Host: localhost", *H2C)
EMPTY_BODY = head(b"POST /e HTTP/1.1", b"Host: localhost", *H2C, b"Content-Length: 0")
ALL = {WITH_LENGTH: b"/l body", WITH_CHUNKS: b"/c body", WITHOUT_BODY: b"/n ", EMPTY_BODY: b"/e "}


@pytest.mark.parametrize("request_bytes", ALL)
@pytest.mark.parametrize("bytewise", [False, True])
def test_an_upgrade_to_h2c_is_dropped_and_the_request_served(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, request_bytes: bytes, bytewise: bool
) -> None:
    upstream = start_upstream(echo)
    client = start_sidecar(upstream.url).connect()
    (client.send_bytewise if bytewise else client.send)(request_bytes)
    answer = client.read_answer()
    assert answer.status == 200
    assert answer.body == ALL[request_bytes]
    for name in (b"upgrade", b"connection", b"http2-settings"):
        assert upstream.requests[0].values(name) == []
    # The connection goes on behind it.
    assert client.ask(head(b"GET /next HTTP/1.1", b"Host: localhost")).body == b"/next "


def test_dropped_upgrades_can_be_pipelined(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    client = start_sidecar(start_upstream(echo).url).connect()
    requests = [*ALL, head(b"GET /plain HTTP/1.1", b"Host: localhost"), *reversed(ALL)]
    client.send(b"".join(requests) * 5)
    for request in requests * 5:
        assert client.read_answer().body == ALL.get(request, b"/plain ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(
            head(b"POST / HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES, b"Content-Length: 4") + b"body",
            id="POST with a body",
        ),
        pytest.param(
            head(b"GET / HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES, b"Content-Length: 4") + b"body",
            id="GET with a body",
        ),
        pytest.param(head(b"GET / HTTP/1.1", b"Host: localhost", b"Upgrade: websocket"), id="no Connection"),
        pytest.param(
            head(b"GET / HTTP/1.1", b"Host: localhost", b"Upgrade: websocket, h2c", b"Connection: upgrade"),
            id="two protocols",
        ),
        pytest.param(
            head(b"GET / HTTP/1.1", b"Host: localhost", b"Upgrade: websocket2", b"Connection: upgrade"),
            id="alike",
        ),
    ],
)
def test_what_is_no_handshake_opens_no_tunnel(
    client: Client, upstream: Upstream, request_bytes: bytes
) -> None:
    client.send(request_bytes)
    call = upstream.accept()
    request = call.read_request()
    assert request.values(b"upgrade") == []
    call.send(SWITCH)
    try:
        assert client.read_answer().status == 502
    except Truncated:
        pytest.fail("it was answered by a cut")


def test_a_tunnel_to_a_client_of_http_1_0_is_not_opened(client: Client, upstream: Upstream) -> None:
    client.send(head(b"GET / HTTP/1.0", b"Host: localhost", *HANDSHAKE_LINES))
    assert upstream.accept().read_request().values(b"upgrade") == []
