"""The pool of connections to the gateway: its limits, the line before it, and which connection is handed out."""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from harness.authorities import Authority
from harness.clients import Client
from harness.handshakes import HANDSHAKE, SWITCH
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, Upstream, UpstreamWire
from harness.wire import End, head, wait_until
from proxy.relay.pool import Pool
from relay.loops import needs_openssl, on_both_loops

GET = head(b"GET /v1/models HTTP/1.1", b"Host: localhost")
POST = head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 2") + b"{}"
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


def pool_of(sidecar: RunningSidecar) -> Pool:
    return sidecar.pool


def figures(sidecar: RunningSidecar) -> tuple[int, int, int]:
    """Connections that are open, those that are idle, and calls in line."""
    pool = pool_of(sidecar)
    return sidecar._loop.call(lambda: (pool.size, pool.idle, pool.waiting))


def wait_for(sidecar: RunningSidecar, expected: tuple[int, int, int]) -> None:
    wait_until(lambda: figures(sidecar) == expected, f"{expected} are open, idle, in line")


def asked(sidecar: RunningSidecar, number: int, request: bytes = GET) -> Client:
    """A client whose call is the `number`th in line."""
    client = sidecar.connect()
    client.send(request)
    wait_until(lambda: pool_of(sidecar).waiting == number, f"{number} calls are in line")
    return client


@pytest.fixture
def narrow(start_sidecar: StartSidecar, upstream: Upstream) -> RunningSidecar:
    """A sidecar that may open one connection."""
    return start_sidecar(upstream.url, **{"upstream.max_connections": 1})


# -- the line


@on_both_loops
def test_calls_above_the_limit_wait_and_are_served_in_order(
    narrow: RunningSidecar, upstream: Upstream
) -> None:
    first = narrow.connect()
    first.send(head(b"GET /0 HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    assert call.read_request().target == b"/0"
    waiting = [asked(narrow, i, head(b"GET /%d HTTP/1.1" % i, b"Host: localhost")) for i in range(1, 6)]
    assert figures(narrow) == (1, 0, 5)
    for i, client in enumerate([first, *waiting]):
        call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 1") + b"%d" % i)
        assert client.read_answer().body == b"%d" % i
        if i < 5:
            assert call.read_request().target == b"/%d" % (i + 1)
    assert not upstream.is_called()
    assert figures(narrow) == (1, 1, 0)
    assert (pool_of(narrow).opened, pool_of(narrow).waited) == (1, 5)


@on_both_loops
def test_a_call_that_waits_for_too_long_is_a_503_and_was_never_sent(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(
        upstream.url, **{"upstream.max_connections": 1, "upstream.connect_timeout_seconds": 0.3}
    )
    first = sidecar.connect()
    first.send(GET)
    call = upstream.accept()
    call.read_request()
    second = sidecar.connect()
    for _ in range(2):
        answer = second.ask(POST)
        assert answer.status == 503
        assert answer.value(b"feedback-error") == b"upstream_pool_full"
        assert answer.value(b"retry-after") == b"1"
        assert b"[upstream] max_connections" in answer.body
        assert b"Nothing was sent." in answer.body
    call.send(OK)
    assert first.read_answer().body == b"ok"
    assert len(upstream.requests) == 1
    assert not upstream.is_called()
    # Its connection has stayed good, and the call that is over takes nothing from the next one.
    second.send(POST)
    call.read_request()
    call.send(OK)
    assert second.read_answer().body == b"ok"


@on_both_loops
def test_a_client_that_leaves_the_line_is_passed_over(narrow: RunningSidecar, upstream: Upstream) -> None:
    first = asked(narrow, 0)
    call = upstream.accept()
    call.read_request()
    leaving, staying = asked(narrow, 1), asked(narrow, 2, POST)
    leaving.close()
    wait_until(lambda: pool_of(narrow).waiting == 1, "it has left the line")
    call.send(OK)
    assert first.read_answer().body == b"ok"
    assert call.read_request().body == b"{}"
    call.send(OK)
    assert staying.read_answer().body == b"ok"


@on_both_loops
@pytest.mark.parametrize(
    "end",
    [
        lambda call: call.close(),
        lambda call: call.reset(),
        lambda call: call.send(b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
        lambda call: call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 2", b"Connection: close") + b"ok"),
        lambda call: (call.send(head(b"HTTP/1.1 200 OK") + b"ok"), call.close()),
        lambda call: (call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 9") + b"ok"), call.close()),
    ],
)
def test_a_connection_that_ends_in_any_way_makes_room(
    narrow: RunningSidecar, upstream: Upstream, end: Callable[[UpstreamWire], object]
) -> None:
    first = asked(narrow, 0)
    call = upstream.accept()
    call.read_request()
    second = asked(narrow, 1)
    end(call)
    anew = upstream.accept()
    anew.read_request()
    anew.send(OK)
    assert second.read_answer().body == b"ok"
    first.close()
    wait_for(narrow, (1, 1, 0))


@on_both_loops
def test_a_client_that_leaves_makes_room(narrow: RunningSidecar, upstream: Upstream) -> None:
    first = asked(narrow, 0)
    call = upstream.accept()
    call.read_request()
    second = asked(narrow, 1)
    first.close()
    call.wait_for_end()
    anew = upstream.accept()
    anew.read_request()
    anew.send(OK)
    assert second.read_answer().body == b"ok"


@on_both_loops
@pytest.mark.parametrize("reset", [True, False])
def test_a_tunnel_counts_until_it_has_closed(narrow: RunningSidecar, upstream: Upstream, reset: bool) -> None:
    first = asked(narrow, 0, HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    call.send(SWITCH)
    assert first.read_answer().status == 101
    second = asked(narrow, 1)
    assert figures(narrow) == (1, 0, 1)
    assert not upstream.is_called()
    if reset:
        first.reset()
        call.wait_for_end()
    else:
        call.half_close()
        assert first.wait_for_end() is End.CLOSED
        # One direction may still speak: the connection is open.
        first.send(b"still here")
        assert call.read_exactly(10) == b"still here"
        assert figures(narrow) == (1, 0, 1)
        first.close()
    anew = upstream.accept()
    anew.read_request()
    anew.send(OK)
    assert second.read_answer().body == b"ok"
    wait_for(narrow, (1, 1, 0))


def test_connections_that_are_being_opened_count_and_a_failure_makes_room(
    start_sidecar: StartSidecar, unconnected: str
) -> None:
    sidecar = start_sidecar(
        unconnected, **{"upstream.max_connections": 2, "upstream.connect_timeout_seconds": 0.5}
    )
    clients = [sidecar.connect() for _ in range(4)]
    for client in clients:
        client.send(GET)
    wait_until(lambda: pool_of(sidecar).waiting == 2, "two calls are in line")
    assert sidecar.connecting() == 2
    assert [client.read_answer().status for client in clients[:2]] == [504, 504]
    # Those in line had as long to wait as a connection may take: which of the two ended first is all the same.
    assert {client.read_answer().status for client in clients[2:]} <= {503, 504}
    wait_for(sidecar, (0, 0, 0))
    wait_until(lambda: sidecar.connecting() == 0, "nothing is being opened")


@on_both_loops
def test_a_client_that_leaves_while_we_connect_makes_room(
    start_sidecar: StartSidecar, unconnected: str
) -> None:
    sidecar = start_sidecar(
        unconnected, **{"upstream.max_connections": 1, "upstream.connect_timeout_seconds": 1000.0}
    )
    first = asked(sidecar, 0)
    wait_until(lambda: sidecar.connecting() == 1, "the first call's connection is being opened")
    second = asked(sidecar, 1)
    first.close()
    wait_for(sidecar, (0, 0, 0))
    assert sidecar.connecting() == 1
    second.close()
    wait_until(lambda: sidecar.connecting() == 0, "nobody waits any more")


@on_both_loops
def test_who_was_served_in_time_is_not_turned_away_later(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(
        upstream.url, **{"upstream.max_connections": 1, "upstream.connect_timeout_seconds": 0.3}
    )
    first = asked(sidecar, 0)
    call = upstream.accept()
    call.read_request()
    second = asked(sidecar, 1)
    call.send(OK)
    assert first.read_answer().body == b"ok"
    call.read_request()
    time.sleep(0.4)
    call.send(OK)
    assert second.read_answer().body == b"ok"


def test_a_pool_that_is_closed_lets_nobody_wait(start_sidecar: StartSidecar, unconnected: str) -> None:
    sidecar = start_sidecar(
        unconnected, **{"upstream.max_connections": 1, "upstream.connect_timeout_seconds": 1000.0}
    )
    clients = [asked(sidecar, 0), *(asked(sidecar, i) for i in range(1, 4))]
    sidecar._loop.run(pool_of(sidecar).close())
    assert figures(sidecar) == (0, 0, 0)
    assert sidecar.connecting() == 0
    for client in clients:
        client.close()


@on_both_loops
def test_a_get_is_repeated_on_a_new_connection_also_where_the_pool_is_full(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"upstream.max_connections": 2})
    clients = [sidecar.connect() for _ in range(2)]
    calls = []
    for client in clients:
        client.send(GET)
        calls.append(upstream.accept())
        calls[-1].read_request()
    for client, call in zip(clients, calls, strict=True):
        call.send(OK)
        client.read_answer()
    wait_for(sidecar, (2, 2, 0))
    clients[0].send(GET)
    calls[1].read_request()
    calls[1].reset()
    anew = upstream.accept()
    anew.read_request()
    anew.send(OK)
    assert clients[0].read_answer().body == b"ok"


def test_a_stop_ends_calls_in_line(narrow: RunningSidecar, upstream: Upstream) -> None:
    asked(narrow, 0)
    upstream.accept().read_request()
    waiting = [asked(narrow, i) for i in range(1, 4)]
    narrow.begin_stop().result(30)
    for client in waiting:
        assert client.read_answer().status == 503
        assert client.read_to_end() == b""
    assert not upstream.is_called()
    assert figures(narrow) == (0, 0, 0)


@on_both_loops
@pytest.mark.parametrize("clients_leave", [False, True])
def test_whatever_happens_the_limit_holds_and_nothing_is_lost_from_the_count(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, clients_leave: bool
) -> None:
    dice, lock, open_now, most = random.Random(7), threading.Lock(), [0], [0]

    def erratic(wire: UpstreamWire) -> None:
        with lock:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        try:
            while True:
                wire.read_request()
                time.sleep(dice.random() / 500)
                if dice.random() < 0.2:
                    return
                wire.send(OK)
        finally:
            with lock:
                open_now[0] -= 1

    limit = 4
    sidecar = start_sidecar(start_upstream(erratic).url, **{"upstream.max_connections": limit})
    answered: list[int] = []

    def ask(number: int) -> None:
        chance = random.Random(number)
        for _ in range(25):
            with contextlib.closing(sidecar.connect()) as client:
                client.send(POST)
                if not clients_leave or chance.random() < 0.8:
                    answered.append(client.read_answer().status)

    threads = [threading.Thread(target=ask, args=(i,), name=f"client {i}") for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if not clients_leave:
        # Of a connection that we close the gateway hears later than we open another one.
        assert most[0] == limit
    assert set(answered) <= {200, 502}
    assert answered.count(200) > 50
    sidecar.wait_until_empty()
    wait_until(lambda: figures(sidecar)[0] == figures(sidecar)[1] == open_now[0], "all open ones are idle")
    assert sidecar.connecting() == figures(sidecar)[2] == 0


# -- which one is handed out


@on_both_loops
@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (1, 1), (3, 3), (256, 3)])
def test_only_so_many_are_kept(
    start_sidecar: StartSidecar, upstream: Upstream, limit: int, kept: int
) -> None:
    sidecar = start_sidecar(upstream.url, **{"upstream.max_idle_connections": limit})
    clients = [asked(sidecar, 0) for _ in range(3)]
    calls = [upstream.accept() for _ in clients]
    for call in calls:
        call.read_request()
        call.send(OK)
    for client in clients:
        assert client.read_answer().body == b"ok"
    wait_for(sidecar, (kept, kept, 0))


@pytest.fixture
def idle(sidecar: RunningSidecar, upstream: Upstream) -> tuple[RunningSidecar, UpstreamWire]:
    """A sidecar with one idle connection, and the gateway's end of it."""
    return sidecar, made_idle(sidecar, upstream)


def made_idle(sidecar: RunningSidecar, upstream: Upstream) -> UpstreamWire:
    client = sidecar.connect()
    client.send(GET)
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    client.read_answer()
    wait_for(sidecar, (1, 1, 0))
    return call


def take(sidecar: RunningSidecar, *, idle_seconds: float, before: Callable[[], object]) -> bool:
    """Whether the idle connection is handed out after so long. `before` happens while the loop cannot look."""
    pool = pool_of(sidecar)

    def in_one_turn() -> bool:
        pool._idle[-1].idle_since -= idle_seconds
        before()
        connection = pool.take()
        if connection is not None:
            pool.give_back(connection)
        return connection is not None

    return sidecar._loop.call(in_one_turn)


def settled(act: Callable[[], object]) -> None:
    """Do that, and let it arrive on loopback."""
    act()
    time.sleep(0.05)


@on_both_loops
def test_one_that_is_quiet_is_handed_out(idle: tuple[RunningSidecar, UpstreamWire]) -> None:
    sidecar, _ = idle
    assert take(sidecar, idle_seconds=14, before=lambda: None)


@on_both_loops
def test_one_that_is_older_than_the_limit_is_not_though_nobody_has_swept(
    idle: tuple[RunningSidecar, UpstreamWire],
) -> None:
    sidecar, call = idle
    assert not take(sidecar, idle_seconds=15, before=lambda: None)
    assert call.wait_for_end() is End.CLOSED
    wait_for(sidecar, (0, 0, 0))


@on_both_loops
@pytest.mark.parametrize("act", [UpstreamWire.close, UpstreamWire.reset, lambda call: call.send(b"x")])
def test_one_that_has_ended_unseen_is_not_handed_out(
    idle: tuple[RunningSidecar, UpstreamWire], act: Callable[[UpstreamWire], object]
) -> None:
    sidecar, call = idle
    assert not take(sidecar, idle_seconds=2, before=lambda: settled(partial(act, call)))
    wait_for(sidecar, (0, 0, 0))


@needs_openssl[1]
@on_both_loops
@pytest.mark.parametrize("ends", [True, False])
def test_so_it_is_over_tls(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, authority: Authority, ends: bool
) -> None:
    upstream = scope.enter_context(Upstream(tls=authority.server("IP:127.0.0.1")))
    sidecar = start_sidecar(upstream.url, **{"upstream.ca_file": str(authority.certificate)})
    call = made_idle(sidecar, upstream)
    # A healthy one is handed out: session tickets have been read long before.
    handed_out = take(
        sidecar, idle_seconds=2, before=(lambda: settled(call.shut_down)) if ends else lambda: None
    )
    assert handed_out is not ends


@on_both_loops
def test_a_call_after_a_long_sleep_is_sent_on_a_new_connection(
    idle: tuple[RunningSidecar, UpstreamWire], upstream: Upstream
) -> None:
    sidecar, call = idle
    pool = pool_of(sidecar)

    def sleep() -> None:
        pool._idle[0].idle_since -= 3600

    sidecar._loop.call(sleep)
    client = sidecar.connect()
    client.send(POST)
    anew = upstream.accept()
    assert anew.read_request().body == b"{}"
    anew.send(OK)
    assert client.read_answer().body == b"ok"
    call.wait_for_end()


def test_its_repr_says_how_it_is(sidecar: RunningSidecar, upstream: Upstream) -> None:
    made_idle(sidecar, upstream)
    expected = f"<Pool to {upstream.authority.decode()}: 1 open, 1 idle, 0 waiting>"
    assert repr(pool_of(sidecar)) == expected
