"""What two readers of the whole house proved wrong once, and what holds since."""

import time

import pytest

from harness.clients import Client
from harness.handshakes import HANDSHAKE, SWITCH, shake_hands
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import Upstream
from harness.wire import End, head, wait_until

OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


def get(target: bytes) -> bytes:
    return head(b"GET %b HTTP/1.1" % target, b"Host: localhost")


def queued(sidecar: RunningSidecar) -> int:
    """How many requests wait behind the one that is served."""
    return sidecar._loop.call(
        lambda: sum(len(getattr(each, "_requests", ())) for each in sidecar.sidecar.parts.door._connections)
    )


def test_pipelined_requests_stay_within_what_is_read_ahead(
    sidecar: RunningSidecar, client: Client, upstream: Upstream
) -> None:
    one = get(b"/" + b"x" * 1000)
    calls = 2000
    with client.sending(one * calls):
        call = upstream.accept()
        most = 0
        for number in range(calls):
            call.read_request()
            call.send(OK)
            assert client.read_answer().body == b"ok"
            if number % 20 == 0:
                most = max(most, queued(sidecar))
    # 64 KiB, and one read of the loop's on top of it.
    assert most * len(one) < 512 * 1024


def test_an_absurd_max_forwards_is_passed_on_as_it_came(client: Client, upstream: Upstream) -> None:
    hops = b"9" * 5000
    client.send(head(b"OPTIONS /v1 HTTP/1.1", b"Host: localhost", b"Max-Forwards: " + hops))
    call = upstream.accept()
    assert call.read_request().value(b"max-forwards") == hops
    call.send(OK)
    assert client.read_answer().body == b"ok"


def test_a_long_heartbeat_of_interim_answers_is_no_large_head(client: Client, upstream: Upstream) -> None:
    client.send(get(b"/slow"))
    call = upstream.accept()
    call.read_request()
    for _ in range(40):
        call.send(head(b"HTTP/1.1 102 Processing", b"X-Padding: " + b"x" * 2000))
        assert client.read_answer().status == 102
    call.send(OK)
    assert client.read_answer().body == b"ok"


def test_a_tunnel_that_we_stop_is_logged_as_cut(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 0.2})
    client = sidecar.connect()
    call = shake_hands(client, upstream)
    sidecar.begin_stop().result(30)
    call.wait_for_end()
    assert " 101 cut " in sidecar.log


def test_a_tunnel_that_opens_during_the_grace_period_gets_the_rest_of_it(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 30})
    client = sidecar.connect()
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    stopping = sidecar.begin_stop()
    wait_until(lambda: sidecar.sidecar.parts.door.draining, "it drains")
    call.send(SWITCH)
    assert client.read_answer().status == 101
    client.send(b"still here")
    assert call.read_exactly(10) == b"still here"
    assert not stopping.done()
    client.close()
    call.wait_for_end()
    call.close()
    stopping.result(30)


def test_an_idle_client_does_not_make_us_linger_at_the_stop(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url)
    client = sidecar.connect()
    client.send(get(b"/once"))
    call = upstream.accept()
    call.read_request()
    call.send(OK)
    assert client.read_answer().body == b"ok"
    sidecar.begin_stop()
    assert client.wait_for_end() is End.CLOSED


def test_the_grace_period_is_one_for_calls_and_for_local_requests(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 120})
    client = sidecar.connect()
    client.send(head(b"POST /feedback/last HTTP/1.1", b"Host: localhost", b"Content-Length: 100") + b"half")
    silent = sidecar.connect()
    silent.send(get(b"/silent"))
    upstream.accept().read_request()
    stopping = sidecar.begin_stop()
    started = time.monotonic()
    sidecar._loop.call(sidecar.sidecar.cut_now)
    stopping.result(30)
    # Whoever cuts does not wait for a body that never comes, far within the grace period.
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("size", [513, 60_000])
def test_a_long_path_passes_whole_and_is_kept_short(
    sidecar: RunningSidecar, client: Client, upstream: Upstream, size: int
) -> None:
    target = b"/" + b"p" * size
    client.send(get(target))
    call = upstream.accept()
    assert call.read_request().target == target
    call.send(OK)
    client.read_answer()
    sidecar.wait_for_log("/ppp")
    assert "p" * 513 not in sidecar.log


def test_a_refused_head_that_could_not_be_read_is_given_no_method_that_it_did_not_have(
    sidecar: RunningSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    assert sidecar.connect().ask(head(b"TRACE / HTTP/1.1", b"Host: localhost")).status == 405
    said = [record.getMessage() for record in caplog.records if "Refused" in record.getMessage()]
    assert said == ["Refused a request: TRACE is not relayed."]


def test_a_refusal_is_said_in_the_log_once_a_minute(
    sidecar: RunningSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        client = sidecar.connect()
        client.send(head(b"GET /v1/models?key=canary HTTP/1.1", b"Host: host.docker.internal"))
        assert client.read_answer().status == 403
    said = [record.getMessage() for record in caplog.records if "Refused" in record.getMessage()]
    assert len(said) == 1
    assert "allowed_hosts" in said[0]
    assert "canary" not in said[0]
