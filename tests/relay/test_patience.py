"""Time limits: each side may keep us waiting for so long, and those who only take their time are left alone."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator

import pytest

from harness.clients import Client
from harness.handshakes import shake_hands
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, Upstream, UpstreamWire, answering
from harness.wire import End, Message, Truncated, Wire, chunked, head, wait_until
from proxy.relay.patience import AT_WORK, Patience, Standing, Wait, Watch
from relay.loops import on_both_loops

HOST = b"Host: localhost"
GET = head(b"GET /v1/models HTTP/1.1", HOST)
GET10 = head(b"GET /v1/models HTTP/1.0", HOST)
POST = head(b"POST /v1/chat/completions HTTP/1.1", HOST, b"Content-Length: 2") + b"{}"
UPLOAD = head(b"POST /v1/files HTTP/1.1", HOST, b"Content-Length: 1000")
CHUNKED_UPLOAD = head(b"POST /v1/files HTTP/1.1", HOST, b"Transfer-Encoding: chunked")
EXPECTING = head(b"POST /v1/files HTTP/1.1", HOST, b"Content-Length: 4", b"Expect: 100-continue")
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
STREAM = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"3\r\none\r\n"

LIMIT = 0.5
"""Of whatever a test is about."""
DRIP = 0.05
"""Between two drips: well within the limit."""
LONG = 1.1
"""Well beyond it and a round, for what must not be limited."""
SMALL_BUFFER = 16_384
PIECE = b"x" * 0x4000

HEAD = {"server.head_timeout_seconds": LIMIT}
BODY = {"server.body_timeout_seconds": LIMIT}
IDLE = {"server.idle_timeout_seconds": LIMIT}
UNREAD = {"server.unread_timeout_seconds": LIMIT}
FIRST_BYTE = {"upstream.first_byte_timeout_seconds": LIMIT}
SILENCE = {"upstream.silence_timeout_seconds": LIMIT}
ALL = HEAD | BODY | IDLE | UNREAD


def code_of(answer: Message) -> str:
    """The word for programs in an answer of our own."""
    code: str = json.loads(answer.body)["error"]["code"]
    assert answer.value(b"feedback-error") == code.encode()
    return code


@contextlib.contextmanager
def dripping(wire: Wire, drip: bytes) -> Iterator[None]:
    """Send `drip` again and again until the block ends or nobody takes it."""
    enough = threading.Event()

    def work() -> None:
        with contextlib.suppress(OSError):
            while not enough.wait(DRIP):
                wire.send(drip)

    thread = threading.Thread(target=work, name="dripping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def within_limit(begun: float, ended: float | None = None) -> bool:
    """Whether LIMIT has passed, give or take what rounds and a busy machine make of it."""
    seconds = (time.perf_counter() if ended is None else ended) - begun
    return LIMIT * 0.9 <= seconds < LIMIT + 10


def soon_gone(sidecar: RunningSidecar) -> None:
    """Wait until the sidecar holds no connection, though its client has not closed."""
    wait_until(lambda: sidecar.open_connections() == 0, "the connection is gone")


# -- the head of a request


def test_a_head_is_to_be_complete_in_time_however_steadily_it_drips(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **HEAD)
    client = sidecar.connect()
    begun = time.perf_counter()
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    with dripping(client, b"X: y\r\n"):
        answer = client.read_answer()
        assert within_limit(begun)
        assert answer.status == 408
        assert code_of(answer) == "request_head_timeout"
        assert f"{LIMIT:g} s" in answer.body.decode()
        assert answer.value(b"connection") == b"close"
        assert client.wait_for_end() is End.CLOSED
        # It goes on sending, and we do not listen for ever.
        soon_gone(sidecar)
    assert not upstream.is_called()


@pytest.mark.parametrize("call", [GET, head(b"OPTIONS / HTTP/1.1", HOST)])
def test_so_is_the_next_head_on_a_connection(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, call: bytes
) -> None:
    client = start_sidecar(start_upstream(answering(OK)).url, **HEAD).connect()
    for _ in range(3):
        assert client.ask(call).status == 200
    begun = time.perf_counter()
    client.send(b"GET / HT")
    assert client.read_answer().status == 408
    assert within_limit(begun)
    assert client.wait_for_end() is End.CLOSED


def test_a_head_behind_a_call_has_its_time_from_when_that_has_ended(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    client = start_sidecar(upstream.url, **HEAD).connect()
    client.send(GET + b"GET / HT")
    call = upstream.accept()
    call.read_request()
    time.sleep(LONG)
    call.send(OK)
    assert client.read_answer().body == b"ok"
    client.send(b"TP/1.1\r\nHost: localhost\r\n\r\n")
    call.read_request()
    call.send(OK)
    assert client.read_answer().body == b"ok"


def test_a_slow_head_disturbs_nobody(start_sidecar: StartSidecar, start_upstream: StartUpstream) -> None:
    sidecar = start_sidecar(start_upstream(answering(OK)).url, **HEAD)
    slow, other = sidecar.connect(), sidecar.connect()
    slow.send(b"GET / HTTP/1.1\r\n")
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        assert other.ask(GET).body == b"ok"
        time.sleep(DRIP)
    assert slow.read_answer().status == 408


def test_heads_that_come_in_time_are_never_refused(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    # Whenever one looks, it is within a head; but each time within another.
    client = start_sidecar(start_upstream(answering(OK)).url, **HEAD).connect()
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        client.send(GET[:10])
        time.sleep(DRIP)
        client.send(GET[10:])
        assert client.read_answer().body == b"ok"


# -- the body of a request


@pytest.mark.parametrize("sent", [UPLOAD + b"some", CHUNKED_UPLOAD + b"4\r\nsome\r\n", UPLOAD])
def test_a_body_that_stops_coming_is_given_up_and_looks_incomplete(
    start_sidecar: StartSidecar, upstream: Upstream, sent: bytes
) -> None:
    sidecar = start_sidecar(upstream.url, **BODY)
    client = sidecar.connect()
    begun = time.perf_counter()
    client.send(sent)
    call = upstream.accept()
    request_head = call.read_request_head()
    with pytest.raises(Truncated):
        call.read_body(request_head.head, until_close=False)
    answer = client.read_answer()
    assert within_limit(begun)
    assert answer.status == 408
    assert code_of(answer) == "request_body_timeout"
    assert answer.value(b"connection") == b"close"
    assert client.wait_for_end() is End.CLOSED
    sidecar.wait_for_log("408 failed")


def test_a_body_that_stops_under_its_answer_cuts_that_answer(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    client.send(UPLOAD + b"some")
    call = upstream.accept()
    call.read_request_head()
    call.send(STREAM)
    raw_head = client.read_head()
    with pytest.raises(Truncated):
        client.read_body(raw_head, until_close=False)
    call.read_to_end()


def test_a_body_that_drips_takes_as_long_as_it_takes(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    client.send(head(b"POST / HTTP/1.1", HOST, b"Content-Length: 15"))
    for _ in range(15):
        time.sleep(DRIP)
        client.send(b"x")
    call = upstream.accept()
    assert call.read_request().body == b"x" * 15
    call.send(OK)
    assert client.read_answer().body == b"ok"


def test_chunk_extensions_are_no_body(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    client.send(CHUNKED_UPLOAD + b"4\r\nsome\r\n5;")
    with dripping(client, b"x"):
        assert client.read_answer().status == 408
    call = upstream.accept()
    raw_head = call.read_head()
    with pytest.raises(Truncated):
        call.read_body(raw_head, until_close=False)


def test_an_upload_is_not_limited_while_the_upstream_does_not_read(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    read_on = threading.Event()

    def script(connection: UpstreamWire) -> None:
        read_on.wait()
        connection.read_request()
        connection.send(OK)

    upstream = start_upstream(script, receive_buffer_bytes=SMALL_BUFFER)
    sidecar = start_sidecar(upstream.url, **BODY)
    client = sidecar.connect()
    size = 8_000_000
    with client.sending(head(b"POST / HTTP/1.1", HOST, b"Content-Length: %d" % size) + b"x" * size):
        try:
            wait_until(lambda: sidecar.unsent_bytes() > 0, "the upload is held")
            time.sleep(LONG)
        finally:
            read_on.set()
        assert client.read_answer().body == b"ok"
    assert len(upstream.requests[0].body) == size


def test_an_upload_that_drips_is_not_limited_while_we_connect(
    start_sidecar: StartSidecar, unconnected: str
) -> None:
    client = start_sidecar(unconnected, **{"upstream.connect_timeout_seconds": LONG}, **BODY).connect()
    client.send(UPLOAD)
    with dripping(client, b"x"):
        assert code_of(client.read_answer()) == "upstream_connect_timeout"


@pytest.mark.parametrize("interim", [b"", head(b"HTTP/1.1 103 Early Hints")])
def test_a_client_that_waits_to_be_asked_for_its_body_is_not_limited(
    start_sidecar: StartSidecar, upstream: Upstream, interim: bytes
) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    client.send(EXPECTING)
    call = upstream.accept()
    call.read_request_head()
    if interim:
        call.send(interim)
        assert client.read_answer().status == 103
    time.sleep(LONG)
    call.send(head(b"HTTP/1.1 100 Continue"))
    assert client.read_answer().status == 100
    client.send(b"body")
    assert call.read_exactly(4) == b"body"
    call.send(OK)
    assert client.read_answer().body == b"ok"


@pytest.mark.parametrize("asked", [True, False])
def test_one_that_was_asked_is_and_so_is_one_that_did_not_wait_for_it(
    start_sidecar: StartSidecar, upstream: Upstream, *, asked: bool
) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    client.send(EXPECTING if asked else EXPECTING + b"bo")
    call = upstream.accept()
    call.read_request_head()
    if asked:
        call.send(head(b"HTTP/1.1 100 Continue"))
        assert client.read_answer().status == 100
    assert client.read_answer().status == 408


def test_one_that_waits_in_vain_gets_the_whole_answer_that_came_instead(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    client.send(EXPECTING)
    call = upstream.accept()
    call.read_request_head()
    call.send(STREAM)
    time.sleep(LONG)
    call.send(b"3\r\ntwo\r\n0\r\n\r\n")
    assert client.read_answer().body == b"onetwo"


def test_uploads_one_after_the_other_are_each_in_time(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    # Whenever one looks, two bytes of a body have come; but each time of another.
    client = start_sidecar(start_upstream(answering(OK)).url, **BODY).connect()
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        client.send(head(b"POST / HTTP/1.1", HOST, b"Content-Length: 4") + b"so")
        time.sleep(DRIP)
        client.send(b"me")
        assert client.read_answer().body == b"ok"


@on_both_loops
def test_a_local_body_is_to_be_complete_in_time(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **BODY).connect()
    begun = time.perf_counter()
    rating = head(b"POST /feedback/last HTTP/1.1", HOST, b"Content-Length: 1000") + b"x" * 1000
    client.send(rating[:-900])
    with dripping(client, b"x"):
        answer = client.read_answer()
        assert within_limit(begun)
        assert answer.status == 408
        assert code_of(answer) == "request_body_timeout"
    # Aiohttp waits for the rest, also when nobody is there any more.
    client.send(rating[client.bytes_sent :])
    assert client.wait_for_end() is End.CLOSED


# -- no request at all


@on_both_loops
def test_a_connection_without_a_request_is_closed_without_a_word(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    begun = time.perf_counter()
    client = start_sidecar(upstream.url, **IDLE).connect()
    assert client.wait_for_end() is End.CLOSED
    assert within_limit(begun, client.ended_at)


def test_empty_lines_are_no_request(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    begun = time.perf_counter()
    client = start_sidecar(upstream.url, **IDLE).connect()
    with dripping(client, b"\r\n"):
        client.wait_for_end()
    assert within_limit(begun, client.ended_at)


def test_an_idle_connection_is_closed_after_its_last_call(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    client = start_sidecar(start_upstream(answering(OK)).url, **IDLE).connect()
    assert client.ask(GET).body == b"ok"
    time.sleep(LIMIT / 2)
    assert client.ask(GET).body == b"ok"
    begun = time.perf_counter()
    assert client.wait_for_end() is End.CLOSED
    assert within_limit(begun, client.ended_at)


def test_a_connection_with_a_call_now_and_then_is_kept(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    client = start_sidecar(start_upstream(answering(OK)).url, **IDLE).connect()
    for _ in range(6):
        time.sleep(LIMIT / 2)
        assert client.ask(GET).body == b"ok"


def test_a_call_is_not_idle_however_long_it_takes(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **ALL).connect()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    time.sleep(LONG)
    call.send(STREAM)
    client.read_head()
    assert client.read_chunk() == b"one"
    time.sleep(LONG)
    call.send(chunked(b"two"))
    assert client.read_chunk() == b"two"
    assert client.read_chunk() == b""


# -- an answer that the client does not read


def slow_reader(sidecar: RunningSidecar, upstream: Upstream, request: bytes) -> tuple[Client, UpstreamWire]:
    """A call whose client has taken what its buffers hold, and reads no more."""
    client = sidecar.connect(receive_buffer_bytes=SMALL_BUFFER)
    client.send(request)
    call = upstream.accept()
    call.read_request()
    call.send(STREAM)
    while sidecar.unsent_bytes() == 0:
        call.send(b"4000\r\n%b\r\n" % PIECE)
    return client, call


@on_both_loops
def test_an_answer_that_is_not_read_is_reset_and_its_call_ends_as_left(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **UNREAD)
    client, call = slow_reader(sidecar, upstream, GET)
    # The upstream is held, and then let go.
    size = 64_000_000
    with pytest.raises(ConnectionError):
        call.send(b"%x\r\n%b" % (size, b"x" * size))
    assert call.bytes_sent < size / 2
    soon_gone(sidecar)
    sidecar.wait_for_log("200 left")
    client.read_to_end()
    assert client.end is End.RESET


@on_both_loops
def test_a_slow_reader_who_is_steady_gets_everything(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **UNREAD)
    client, call = slow_reader(sidecar, upstream, GET)
    call.send(b"0\r\n\r\n")
    until = time.monotonic() + LONG
    raw_head = client.read_head()
    while time.monotonic() < until:
        # So little that our own kernel, which holds megabytes, does not take more of us meanwhile.
        assert client.read_chunk()
        time.sleep(DRIP)
    assert sidecar.unsent_bytes() > 0
    assert client.read_body(raw_head, until_close=False).body.endswith(PIECE)


@on_both_loops
@pytest.mark.parametrize("request_bytes", [GET, head(b"GET / HTTP/1.1", HOST, b"Connection: close")])
def test_the_unread_rest_of_an_answer_that_is_over_is_covered_too(
    start_sidecar: StartSidecar, upstream: Upstream, request_bytes: bytes
) -> None:
    sidecar = start_sidecar(upstream.url, **UNREAD)
    client, call = slow_reader(sidecar, upstream, request_bytes)
    call.send(b"0\r\n\r\n")
    wait_until(lambda: sidecar.open_calls() == 0, "the call is over")
    soon_gone(sidecar)
    client.read_to_end()
    assert client.end is End.RESET


def test_nor_does_a_next_call_excuse_a_client_that_does_not_read(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **UNREAD)
    client, call = slow_reader(sidecar, upstream, GET + GET)
    call.send(b"0\r\n\r\n")
    call.read_request()
    call.send(OK)
    soon_gone(sidecar)
    client.read_to_end()
    assert client.end is End.RESET


def test_a_cut_answer_that_is_not_read_is_let_go(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **UNREAD)
    _, call = slow_reader(sidecar, upstream, GET)
    call.close()
    wait_until(lambda: sidecar.open_calls() == 0, "the call is over")
    soon_gone(sidecar)
    sidecar.wait_for_log("200 cut")


def test_a_refused_client_that_reads_nothing_is_let_go(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **UNREAD)
    client, call = slow_reader(sidecar, upstream, GET)
    client.send(head(b"GET / HTTP/1.1", b"Host: attacker.test"))
    call.send(b"0\r\n\r\n")
    soon_gone(sidecar)


# -- an upstream that does not answer, or not on


def test_by_default_an_upstream_may_think_as_long_as_it_likes() -> None:
    patience = Patience()
    assert patience.limit(Wait.ANSWER) is None
    assert patience.limit(Wait.MORE) is None


def test_an_answer_that_does_not_begin_in_time_is_a_504(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **FIRST_BYTE)
    client = sidecar.connect()
    begun = time.perf_counter()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    # An interim answer is none.
    call.send(head(b"HTTP/1.1 102 Processing"))
    assert client.read_answer().status == 102
    call.wait_for_end()
    answer = client.read_answer()
    assert within_limit(begun)
    assert answer.status == 504
    assert code_of(answer) == "upstream_answer_timeout"
    assert upstream.authority.decode() in answer.body.decode()
    sidecar.wait_for_log("504 failed")
    # The client's connection is as good as before.
    client.send(GET)
    second = upstream.accept()
    second.read_request()
    second.send(OK)
    assert client.read_answer().body == b"ok"


@pytest.mark.parametrize(
    ("request_bytes", "beginning"),
    [
        (GET, STREAM),
        (GET, head(b"HTTP/1.1 200 OK", b"Content-Length: 100") + b"some"),
        (GET, head(b"HTTP/1.1 200 OK") + b"some"),
        (GET10, STREAM),
    ],
)
def test_an_answer_that_does_not_go_on_in_time_is_cut(
    start_sidecar: StartSidecar, upstream: Upstream, request_bytes: bytes, beginning: bytes
) -> None:
    sidecar = start_sidecar(upstream.url, **SILENCE)
    client = sidecar.connect()
    client.send(request_bytes)
    call = upstream.accept()
    call.read_request()
    begun = time.perf_counter()
    call.send(beginning)
    with pytest.raises(Truncated):
        client.read_answer()
    assert within_limit(begun)
    call.wait_for_end()
    sidecar.wait_for_log("200 cut")


def test_an_upstream_that_drips_is_not_silent(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **SILENCE, **FIRST_BYTE).connect()
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    time.sleep(LIMIT / 2)
    call.send(STREAM)
    for _ in range(15):
        time.sleep(DRIP)
        call.send(b"1\r\nx\r\n")
    call.send(b"0\r\n\r\n")
    assert client.read_answer().body == b"one" + b"x" * 15


def test_it_is_not_silent_either_while_the_client_does_not_read(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    client, call = slow_reader(start_sidecar(upstream.url, **SILENCE), upstream, GET)
    time.sleep(LONG)
    with call.sending(b"0\r\n\r\n"):
        assert client.read_answer().status == 200


def test_calls_one_after_the_other_are_each_answered_in_time(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    # Whenever one looks, a call waits for its first byte; but each time another call.
    def script(connection: UpstreamWire) -> None:
        while True:
            connection.read_request()
            time.sleep(DRIP)
            connection.send(OK)

    client = start_sidecar(start_upstream(script).url, **FIRST_BYTE).connect()
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        assert client.ask(GET).body == b"ok"


def test_an_upstream_that_still_takes_the_request_in_is_not_silent(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    size = 4_000_000

    def script(connection: UpstreamWire) -> None:
        connection.read_head()
        for _ in range(size // 40_000):
            connection.read_exactly(40_000)
            time.sleep(LONG / 100)
        connection.send(OK)

    upstream = start_upstream(script, receive_buffer_bytes=SMALL_BUFFER)
    client = start_sidecar(upstream.url, **FIRST_BYTE).connect()
    request = head(b"POST / HTTP/1.1", HOST, b"Content-Length: %d" % size) + b"x" * size
    with client.sending(request):
        assert client.read_answer().body == b"ok"


def test_one_that_does_not_even_ask_for_the_body_is(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client = start_sidecar(upstream.url, **FIRST_BYTE).connect()
    client.send(EXPECTING)
    upstream.accept().read_request_head()
    answer = client.read_answer()
    assert answer.status == 504
    assert answer.value(b"connection") == b"close"


def test_a_client_that_leaves_while_the_upstream_is_silent_has_left(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **FIRST_BYTE, **SILENCE)
    client = sidecar.connect()
    client.send(POST)
    call = upstream.accept()
    call.read_request()
    client.close()
    call.wait_for_end()
    sidecar.wait_for_log("left")
    time.sleep(2 * LIMIT)
    assert " 504 " not in sidecar.log


# -- tunnels


def open_tunnel(sidecar: RunningSidecar, upstream: Upstream) -> tuple[Client, UpstreamWire]:
    """A tunnel's ends."""
    client = sidecar.connect(receive_buffer_bytes=SMALL_BUFFER)
    call = shake_hands(client, upstream)
    return client, call


def test_a_silent_tunnel_stays(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    client, call = open_tunnel(start_sidecar(upstream.url, **ALL, **FIRST_BYTE, **SILENCE), upstream)
    time.sleep(LONG)
    client.send(b"up")
    assert call.read_exactly(2) == b"up"
    call.send(b"down")
    assert client.read_exactly(4) == b"down"


@on_both_loops
@pytest.mark.parametrize(("deaf", "ending"), [("client", "left"), ("upstream", "cut")])
def test_a_tunnel_ends_when_one_side_does_not_read_though_it_talks(
    start_sidecar: StartSidecar, scope: contextlib.ExitStack, deaf: str, ending: str
) -> None:
    upstream = scope.enter_context(Upstream(receive_buffer_bytes=SMALL_BUFFER))
    sidecar = start_sidecar(upstream.url, **UNREAD)
    client, call = open_tunnel(sidecar, upstream)
    one, other = (client, call) if deaf == "client" else (call, client)
    with dripping(one, b"I hear nothing"), pytest.raises(ConnectionError):
        other.send(b"x" * 64_000_000)
    soon_gone(sidecar)
    sidecar.wait_for_log(f"101 {ending}")


# -- the watch itself


class Waiting:
    """A connection that waits for the same for ever."""

    stood = AT_WORK
    stood_since = 0.0

    def __init__(self) -> None:
        self.told: list[tuple[Wait, float]] = []

    def standing(self) -> Standing:
        """Always the same."""
        return Standing(Wait.HEAD)

    def out_of_time(self, wait: Wait, seconds: float) -> None:
        """Note it."""
        self.told.append((wait, seconds))


def test_however_many_there_are_each_is_looked_at(sidecar: RunningSidecar) -> None:
    connections = [Waiting() for _ in range(2600)]
    watch = Watch(connections, Patience(head_seconds=LIMIT), time.perf_counter)
    begun = time.perf_counter()
    sidecar._loop.call(watch.wake)
    wait_until(lambda: all(connection.told for connection in connections), "all are told")
    sidecar._loop.call(watch.stop)
    assert within_limit(begun)
    assert {connection.told[0] for connection in connections} == {(Wait.HEAD, LIMIT)}


@pytest.mark.parametrize(
    ("patience", "seconds"),
    [
        (Patience(), 1.0),
        (Patience(idle_seconds=2), 0.5),
        (Patience(head_seconds=None, first_byte_seconds=0.1), 0.025),
    ],
)
def test_a_round_is_as_short_as_the_shortest_limit_asks_for(patience: Patience, seconds: float) -> None:
    assert patience.round_seconds() == seconds
