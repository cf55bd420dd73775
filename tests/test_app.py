"""A sidecar as a whole: how it starts, where it listens, and how it ends."""

import contextlib
import logging
import re
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, document, request
from harness.clients import Client
from harness.loops import LoopThread
from harness.programs import Program
from harness.sidecars import RunningSidecar, StartSidecar, settings_of
from harness.upstreams import Upstream, UpstreamWire
from harness.wire import End, Truncated, chunked, head, wait_until
from proxy.app import Sidecar
from proxy.config.settings import Settings
from proxy.demo import ApiFault
from proxy.errors import CannotStart

BEGINNING = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"3\r\none\r\n"
REST = chunked(b"two")
CALL = request("POST", "/v1/chat/completions", chat_body(), JSON)
NOT_HERE = ["198.51.100.1", "203.0.113.1"]


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts there."""
    with contextlib.suppress(ConnectionError):
        Client.connect((host, port)).close()
        return True
    return False


def begun(sidecar: RunningSidecar, upstream: Upstream) -> tuple[Client, UpstreamWire, bytes]:
    """A call whose answer has begun: its client, the gateway's end, and the head."""
    client = sidecar.connect()
    client.send(CALL)
    call = upstream.accept()
    call.read_request()
    call.send(BEGINNING)
    raw_head = client.read_head()
    assert client.read_chunk() == b"one"
    return client, call, raw_head


@pytest.fixture
def upstream(scope: contextlib.ExitStack) -> Upstream:
    """A gateway that the test plays by hand."""
    return scope.enter_context(Upstream())


# -- starting


def with_hosts(*hosts: str) -> Settings:
    """Settings with addresses that the configuration would not let through."""
    settings = settings_of("http://127.0.0.1:9")
    return replace(settings, server=replace(settings.server, host=hosts))


def test_both_loopbacks_answer_on_one_port(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar("http://127.0.0.1:9", **{"server.host": ["127.0.0.1", "::1"]})
    if "::1" not in sidecar.sidecar.listening.addresses:
        pytest.skip("this machine has no IPv6 loopback address")
    for host, name in (("127.0.0.1", "localhost"), ("::1", "[::1]")):
        client = sidecar.connect(host=host)
        asked = request("GET", "/feedback/health", b"", f"Host: {name}:{sidecar.sidecar.port}".encode())
        assert document(client.ask(asked))["status"] == "ok"


@pytest.mark.parametrize("missing", [NOT_HERE[:1], NOT_HERE])
def test_an_address_that_this_machine_lacks_is_a_warning(
    sound_loop: LoopThread, missing: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with RunningSidecar(sound_loop, with_hosts("127.0.0.1", *missing)) as sidecar:
        assert sidecar.sidecar.listening.addresses == ["127.0.0.1"]
        assert sidecar.connect().ask(request("GET", "/feedback/health")).status == 200
    warning = " ".join(record.getMessage() for record in caplog.records)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * len(caplog.records)
    for address in missing:
        assert address in warning


def test_a_sidecar_that_cannot_start_leaves_nothing_behind(sound_loop: LoopThread) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = settings_of("http://127.0.0.1:9", **{"server.port": taken.getsockname()[1]})
        sidecar = sound_loop.call(Sidecar, settings)
        with pytest.raises(CannotStart, match="in use"):
            sound_loop.run(sidecar.__aenter__())


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (["127.0.0.1"], r"http://localhost:\d+"),
        (["127.0.0.2"], r"http://127\.0\.0\.2:\d+"),
        (["127.0.0.1", "127.0.0.2"], r"http://localhost:\d+"),
    ],
)
def test_the_url_is_one_that_apps_can_use(start_sidecar: StartSidecar, hosts: list[str], url: str) -> None:
    sidecar = start_sidecar("http://127.0.0.1:9", **{"server.host": hosts})
    assert re.fullmatch(url, sidecar.sidecar.url)
    authority = sidecar.sidecar.url.removeprefix("http://").encode()
    assert sidecar.connect().ask(request("GET", "/feedback", b"", b"Host: " + authority)).status == 200


def test_on_all_addresses_names_are_as_strict_and_a_token_is_needed(start_sidecar: StartSidecar) -> None:
    token = "a-token-of-24-characters"
    sidecar = start_sidecar("http://127.0.0.1:9", **{"server.host": ["0.0.0.0"], "guard.token": token})
    assert sidecar.sidecar.url == f"http://localhost:{sidecar.sidecar.port}"
    said = f"Feedback-Proxy-Token: {token}".encode()
    for host, lines, status in (
        (b"localhost", [said], 200),
        (b"localhost", [], 401),
        (b"0.0.0.0", [said], 403),
        (b"192.0.2.7", [said], 403),
    ):
        asked = request("GET", "/feedback", b"", b"Host: " + host, *lines)
        assert sidecar.connect(host="127.0.0.1").ask(asked).status == status


def test_two_sidecars_do_not_meet(start_bench: StartBench) -> None:
    first, second = start_bench(), start_bench()
    first.chat()
    assert second.get("/feedback/last").status == 404
    assert first.sidecar.sidecar.port != second.sidecar.sidecar.port


# -- stopping, within the process


def test_a_running_answer_ends_before_the_sidecar_does(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 20.0})
    client, call, raw_head = begun(sidecar, upstream)
    stopping = sidecar.begin_stop()
    wait_until(lambda: not is_open(sidecar.sidecar.port), "nobody new is let in")
    assert not stopping.done()
    call.send(REST)
    assert client.read_body(raw_head, until_close=False).body == b"two"
    assert client.wait_for_end() is End.CLOSED
    client.close()
    stopping.result(5)


def test_what_is_idle_is_closed_at_once(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 20.0})
    idle, spoken_to = sidecar.connect(), sidecar.connect()
    client, call, _ = begun(sidecar, upstream)
    spoken_to.send(CALL)
    other = upstream.accept()
    other.read_request()
    other.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 0"))
    assert spoken_to.read_answer().status == 200
    started = time.monotonic()
    sidecar.begin_stop()
    assert idle.wait_for_end() is End.CLOSED
    assert spoken_to.wait_for_end() is End.CLOSED
    assert time.monotonic() - started < 5
    call.send(REST)
    client.read_to_end()


def test_the_grace_period_ends_with_a_visible_cut(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 0.3})
    client, call, raw_head = begun(sidecar, upstream)
    started = time.monotonic()
    sidecar.begin_stop().result(10)
    assert 0.25 < time.monotonic() - started < 5
    with pytest.raises(Truncated):
        client.read_body(raw_head, until_close=False)
    call.wait_for_end()
    assert "200 cut" in sidecar.log


def test_without_a_grace_period_calls_are_cut_at_once(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 0.0})
    client, _, raw_head = begun(sidecar, upstream)
    started = time.monotonic()
    sidecar.begin_stop().result(10)
    assert time.monotonic() - started < 2
    with pytest.raises(Truncated):
        client.read_body(raw_head, until_close=False)


def test_cut_now_ends_the_grace_period(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 60.0})
    client, _, raw_head = begun(sidecar, upstream)
    stopping = sidecar.begin_stop()
    wait_until(lambda: not is_open(sidecar.sidecar.port), "it is stopping")
    sidecar._loop.call(sidecar.sidecar.cut_now)
    stopping.result(5)
    with pytest.raises(Truncated):
        client.read_body(raw_head, until_close=False)


def test_a_rating_under_way_is_answered_before_the_sidecar_ends(start_bench: StartBench) -> None:
    bench = start_bench(**{"server.grace_seconds": 20.0})
    bench.chat()
    bench.standin.faults.api.next(ApiFault(latency_seconds=0.4))
    client = bench.sidecar.connect()
    client.send(request("POST", "/feedback/last?rating=up"))
    bench.standin.api.wait_for()
    stopping = bench.sidecar.begin_stop()
    assert document(client.read_answer())["state"] == "accepted"
    stopping.result(5)
    assert [event.stored for event in bench.events] == [True]


def test_while_it_drains_feedback_is_refused_cleanly(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(upstream.url, **{"server.grace_seconds": 20.0})
    client, call, raw_head = begun(sidecar, upstream)
    stopping = sidecar.begin_stop()
    wait_until(lambda: not is_open(sidecar.sidecar.port), "it is stopping")
    client.send(request("GET", "/feedback/last"))
    call.send(REST)
    # The answer in front arrives whole; the request behind it gets an orderly end, and no half answer.
    assert client.read_body(raw_head, until_close=False).body == b"two"
    assert client.wait_for_end() is End.CLOSED
    client.close()
    stopping.result(5)


def test_stopping_twice_in_a_row_is_quick_when_nothing_runs(bench: Bench) -> None:
    bench.chat()
    bench.get("/feedback")
    started = time.monotonic()
    bench.sidecar.begin_stop().result(10)
    assert time.monotonic() - started < 2


# -- stopping, by signals


@pytest.fixture
def served(upstream: Upstream) -> Iterator[Program]:
    """`helicone-proxy serve` before `upstream`, with a long grace period."""
    env = {"HELICONE_PROXY_SERVER__GRACE_SECONDS": "60"}
    with Program("serve", "--port", "0", "--upstream", upstream.url, env=env) as program:
        yield program


def call_through(program: Program, upstream: Upstream) -> tuple[Client, UpstreamWire, bytes, int]:
    """A call through a program whose answer has begun, and the program's port."""
    port = int(program.wait_for(r"^helicone-proxy listens on http://localhost:(\d+) ")[1])
    client = Client.connect(("127.0.0.1", port))
    client.send(CALL)
    call = upstream.accept()
    call.read_request()
    call.send(BEGINNING)
    raw_head = client.read_head()
    assert client.read_chunk() == b"one"
    return client, call, raw_head, port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_running_stream_finish(
    served: Program, upstream: Upstream, number: signal.Signals
) -> None:
    client, call, raw_head, port = call_through(served, upstream)
    served.signal(number)
    wait_until(lambda: not is_open(port), "nobody new is let in")
    assert served.is_running()
    call.send(REST)
    assert client.read_body(raw_head, until_close=False).body == b"two"
    client.close()
    assert served.wait() == 0
    assert re.search(r"Stopping: waiting for open connections \(\d\), for at most 60 s", served.stderr)
    assert served.stderr.count(" POST /v1/chat/completions 200 gpt-4o-mini ") == 1


def test_a_second_signal_cuts_it(served: Program, upstream: Upstream) -> None:
    client, call, raw_head, port = call_through(served, upstream)
    served.signal(signal.SIGTERM)
    wait_until(lambda: not is_open(port), "it is stopping")
    assert served.is_running()
    started = time.monotonic()
    served.signal(signal.SIGTERM)
    assert served.wait() == 0
    assert time.monotonic() - started < 10
    with pytest.raises(Truncated):
        client.read_body(raw_head, until_close=False)
    client.close()
    call.wait_for_end()
    assert " 200 cut " in served.stderr
    assert "Traceback" not in served.stderr
