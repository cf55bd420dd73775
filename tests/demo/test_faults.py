"""What a test can switch on happens on the wire."""

import http.client
import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from demo.conftest import StartStandIn
from demo.wire import API_AUTH, CHAT, GATEWAY_AUTH, ask, chat
from harness.loops import LoopThread
from proxy.demo import (
    DEMO_KEY,
    ApiFault,
    GatewayFault,
    StandIn,
    StandInSettings,
    invalid_token,
    too_many_requests,
)


@contextmanager
def asking(base_url: str, body: object = None, path: str = "/v1/chat/completions") -> Iterator[socket.socket]:
    """A raw connection on which a chat completion has been asked for."""
    parts = urlsplit(base_url)
    data = json.dumps(CHAT if body is None else body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nHelicone-Auth: {GATEWAY_AUTH['Helicone-Auth']}\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        wire.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        yield wire


def all_of(wire: socket.socket) -> bytes:
    return b"".join(iter(lambda: wire.recv(65_536), b""))


def test_a_body_of_known_length_stops_after_so_many_bytes(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(die_after_bytes=100))
    with pytest.raises(http.client.IncompleteRead) as caught:
        chat(standin.gateway_url)
    assert len(caught.value.partial) == 100
    assert caught.value.expected is not None
    assert chat(standin.gateway_url).status == 200


def test_a_chunked_body_stops_without_its_last_chunk(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(chunked=True, die_after_bytes=100))
    with asking(standin.gateway_url) as wire:
        head, _, body = all_of(wire).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert body.startswith(b'64\r\n{"id"')
    assert not body.endswith(b"0\r\n\r\n")


def test_a_stream_stops_after_so_many_events(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(die_after_events=3))
    with asking(standin.gateway_url, {**CHAT, "stream": True}) as wire:
        body = all_of(wire)
    assert body.count(b"data: ") == 3
    assert b"[DONE]" not in body
    assert not body.endswith(b"0\r\n\r\n")
    assert standin.gateway.last.ended.wait(5)
    assert [row.status for row in standin.ledger.rows] == [-3]
    assert standin.gateway.last.left_at is None


def test_a_stream_can_lack_nothing_but_its_end(standin: StandIn) -> None:
    whole = chat(standin.gateway_url, {"X-Demo-Seed": "1"}, stream=True).body
    standin.faults.gateway.next(GatewayFault(die_after_events=whole.count(b"data: ")))
    with pytest.raises(http.client.IncompleteRead) as caught:
        chat(standin.gateway_url, {"X-Demo-Seed": "1"}, stream=True)
    assert caught.value.partial == whole
    assert standin.gateway.last.ended.wait(5)
    assert standin.ledger.rows[-1].status == -3


def test_dying_can_be_a_reset_after_what_was_sent(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(die_after_bytes=100, reset=True))
    with asking(standin.gateway_url) as wire:
        time.sleep(0.05)
        assert wire.recv(65_536).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionResetError):
            all_of(wire)


def test_the_gateway_can_die_before_the_head(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(die_before_head=True))
    with pytest.raises(http.client.RemoteDisconnected):
        chat(standin.gateway_url)


@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        (GatewayFault(silent_before_head=True), b""),
        (GatewayFault(silent_after_events=0), b"HTTP/1.1 200"),
        (GatewayFault(silent_after_events=2), b"HTTP/1.1 200"),
        (GatewayFault(silent_after_bytes=10), b"HTTP/1.1 200"),
    ],
)
def test_a_silent_gateway_notices_at_once_that_its_client_leaves(
    standin: StandIn, fault: GatewayFault, begins: bytes
) -> None:
    standin.faults.gateway.next(fault)
    with asking(standin.gateway_url, {**CHAT, "stream": True}) as wire:
        wire.settimeout(0.1)
        with suppress(TimeoutError):
            all_of(wire)
        received = standin.gateway.last
        assert not received.ended.is_set()
        assert (received.head_sent_at is not None) is bool(begins)
        left_at = time.monotonic()
    assert received.left.wait(5)
    assert received.left_at is not None
    assert 0 <= received.left_at - left_at < 0.2
    assert received.ended.wait(5)
    assert [row.status for row in standin.ledger.rows] == [-3]


def test_a_silence_may_end(standin: StandIn) -> None:
    standin.faults.gateway.next(
        GatewayFault(silent_after_events=2, silent_after_bytes=5, silence_seconds=0.1)
    )
    begun = time.monotonic()
    answer = chat(standin.gateway_url, stream=True)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.body.startswith(b"data: {")
    assert time.monotonic() - begun >= 0.2


def test_early_hints_can_come_first(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(early_hints=True, die_after_bytes=0))
    with asking(standin.gateway_url) as wire:
        hints, head, body = all_of(wire).split(b"\r\n\r\n")
    assert hints.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: ")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


def test_the_head_can_be_late(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(latency_seconds=0.15))
    begun = time.monotonic()
    assert chat(standin.gateway_url).status == 200
    assert time.monotonic() - begun >= 0.15


def test_the_id_can_be_missing(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(drop_helicone_id=True))
    assert chat(standin.gateway_url).header("helicone-id") is None
    assert len(standin.ledger.rows) == 1


def test_a_call_can_escape_the_log(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(not_logged=True))
    assert chat(standin.gateway_url).request_id
    assert standin.ledger.rows == []


@pytest.mark.parametrize("status", [204, 304, 400, 429, 500, 529])
def test_the_provider_can_answer_any_status(standin: StandIn, status: int) -> None:
    standin.faults.gateway.next(GatewayFault(status=status, headers=(("Retry-After", "7"),)))
    answer = chat(standin.gateway_url)
    assert (answer.status, answer.header("retry-after")) == (status, "7")
    assert answer.request_id
    assert bool(answer.body) is (status >= 400)


def test_an_answer_can_come_before_the_upload_has_ended(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(answer_early=True, status=413))
    parts = urlsplit(standin.gateway_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as wire:
        wire.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nstart")
        assert wire.recv(65_536).startswith(b"HTTP/1.1 413")
    assert not standin.gateway.last.body_complete


def test_an_upload_can_stall(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(stop_reading_after_bytes=1))
    parts = urlsplit(standin.gateway_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=0.2) as wire:
        wire.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        with pytest.raises(TimeoutError):
            wire.sendall(b"x" * 100_000_000)
        assert standin.gateway.last.body_bytes < 10_000_000


def test_faults_strike_in_order_once_each_and_only_their_path(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(status=500, path="/v1/embeddings"), GatewayFault(status=429))
    standin.faults.gateway.next(GatewayFault(status=503))
    assert [chat(standin.gateway_url).status for _ in range(3)] == [429, 503, 200]
    assert ask(standin.gateway_url, "POST", "/v1/embeddings", {"model": "m", "input": "x"}).status == 500


def test_a_fault_can_last_as_long_as_a_block(standin: StandIn) -> None:
    with standin.faults.gateway.during(GatewayFault(status=503)):
        assert [chat(standin.gateway_url).status for _ in range(2)] == [503, 503]
    assert chat(standin.gateway_url).status == 200


def test_planned_faults_can_be_forgotten(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(status=503))
    standin.faults.api.next(ApiFault(status=503))
    standin.faults.clear()
    assert chat(standin.gateway_url).status == 200
    assert ask(standin.api_url, "GET", f"/v1/request/{uuid.uuid4()}", headers=API_AUTH).status == 200


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (invalid_token(), 400, b"Invalid token."),
        (too_many_requests(9), 429, b'{"error":"Too many requests, please try again later."}'),
        (ApiFault(status=503), 503, b'{"message":"Internal Server Error","details":"Internal Server Error"}'),
    ],
)
def test_the_api_can_refuse_anything_in_helicones_words(
    standin: StandIn, fault: ApiFault, status: int, body: bytes
) -> None:
    request_id = chat(standin.gateway_url).request_id
    standin.faults.api.next(fault)
    answer = ask(standin.api_url, "POST", f"/v1/request/{request_id}/feedback", {"rating": True}, API_AUTH)
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("retry-after") == ("9" if status == 429 else None)
    assert standin.ledger.rating_of(request_id) is None


@pytest.mark.parametrize(
    ("fault", "stored"), [(ApiFault(reset=True), None), (ApiFault(reset_after_work=True), True)]
)
def test_the_api_can_reset_the_connection_before_or_after_the_work(
    standin: StandIn, fault: ApiFault, stored: bool | None
) -> None:
    request_id = chat(standin.gateway_url).request_id
    standin.faults.api.next(fault)
    with pytest.raises(ConnectionError):
        ask(standin.api_url, "POST", f"/v1/request/{request_id}/feedback", {"rating": True}, API_AUTH)
    assert standin.ledger.rating_of(request_id) is stored


def test_the_api_can_stay_silent_and_sees_its_client_leave(standin: StandIn) -> None:
    standin.faults.api.next(ApiFault(silent=True))
    with asking(standin.api_url, path="/v1/request/query-clickhouse") as wire:
        wire.settimeout(0.1)
        with pytest.raises(TimeoutError):
            wire.recv(1)
    assert standin.api.last.left.wait(5)


def posted(standin: StandIn, request_id: str) -> bytes:
    """A rating's request."""
    body = b'{"rating": true}'
    lines = (
        f"POST /v1/request/{request_id}/feedback HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {DEMO_KEY}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("fault", "begin", "end"),
    [
        (ApiFault(half_open=True), b"HTTP/1.1 201 Created\r\n", b"\r\n\r\n"),
        (ApiFault(half_head=True), b"HTTP/1.1 2", b"HTTP/1.1 2"),
    ],
)
def test_the_api_can_do_the_work_and_stop_within_its_answer(
    standin: StandIn, fault: ApiFault, begin: bytes, end: bytes
) -> None:
    request_id = chat(standin.gateway_url).request_id
    standin.faults.api.next(fault)
    parts = urlsplit(standin.api_url)
    with socket.create_connection((parts.hostname, parts.port)) as wire:
        wire.sendall(posted(standin, request_id))
        wire.settimeout(0.2)
        said = b""
        with suppress(TimeoutError):
            while piece := wire.recv(4096):
                said += piece
            pytest.fail("the connection was closed")
    assert said.startswith(begin)
    assert said.endswith(end)
    assert standin.ledger.rating_of(request_id) is True
    assert standin.api.last.left.wait(5)


def test_the_api_can_be_slow(standin: StandIn) -> None:
    begun = time.monotonic()
    with standin.faults.api.during(ApiFault(latency_seconds=0.1)):
        ask(standin.api_url, "GET", f"/v1/request/{uuid.uuid4()}", headers=API_AUTH)
    assert time.monotonic() - begun >= 0.1


def test_closing_waits_for_nobody(loop: LoopThread) -> None:
    standin = loop.call(StandIn, StandInSettings())
    loop.run(standin.start())
    standin.faults.gateway.next(GatewayFault(silent_before_head=True), GatewayFault(silent_after_events=2))
    with asking(standin.gateway_url), asking(standin.gateway_url, {**CHAT, "stream": True}):
        standin.gateway.wait_for(count=2)
        begun = time.monotonic()
        loop.run(standin.close())
        assert time.monotonic() - begun < 1.0
    assert all(received.ended.is_set() and not received.left.is_set() for received in standin.gateway.all())


def test_a_taken_port_is_said_at_the_start_and_leaves_nothing_open(
    standin: StandIn, start: StartStandIn, loop: LoopThread
) -> None:
    second = loop.call(StandIn, StandInSettings(api_port=standin.api_port))
    with pytest.raises(OSError, match="in use"):
        loop.run(second.start())
    with pytest.raises(ConnectionRefusedError):
        ask(second.gateway_url, "GET", "/healthcheck")
