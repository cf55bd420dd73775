"""Seen by a client without any library: answers are byte for byte those of a direct run, heads included."""

import hashlib
import json
import random

import pytest

from harness.clients import Client
from harness.sidecars import RunningSidecar
from harness.wire import Lines, Message, head
from proxy.demo import StandIn
from sdks.comparing import ADDED_DOWN, STOPS_HERE
from sdks.recording import SEEDED

DATES_AND_IDS = {b"date", b"helicone-id"}
"""They differ between any two answers."""

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello, Zürich 🧂" * 50}]}
MESSAGE = {**CHAT, "max_tokens": 100}
BODIES = {
    "/v1/chat/completions": CHAT,
    "/v1/chat/completions?n=2&a=%2F+b": {**CHAT, "stream": True},
    "/v1/responses": {"model": "gpt-4o", "input": "hello", "stream": True},
    "/v1/messages": {**MESSAGE, "stream": True},
    "/v1/messages?beta=true": MESSAGE,
    "/v1/embeddings": {"model": "m", "input": ["one", "two"], "dimensions": 3072},
    "/v1/images/generations": {"prompt": "a cat"},
    "/v1/audio/speech": {"model": "m", "input": "hello", "voice": "alloy"},
    "/v1/nowhere": {},
}


def ask(address: tuple[str, int], method: str, target: str, body: bytes, *lines: bytes) -> Message:
    """One request and its answer."""
    request = head(
        f"{method} {target} HTTP/1.1".encode(),
        b"Host: %b:%d" % (address[0].encode(), address[1]),
        *(f"{name}: {value}".encode() for name, value in SEEDED.items()),
        b"Content-Length: %d" % len(body),
        *lines,
    )
    with Client.connect(address) as client:
        return client.ask(request + body)


def comparable(answer: Message) -> tuple[bytes, Lines, str, int, Lines]:
    """What has to be equal: the status line, the other lines that pass, the whole body, trailers."""
    dropped = {name.encode() for name in STOPS_HERE | ADDED_DOWN} | DATES_AND_IDS
    lines = [line for line in answer.lines if line[0].lower() not in dropped]
    # Where chunks begin is nobody's business, and that the body is chunked is said by whoever chunks it.
    lines.sort(key=lambda line: line[0].lower() == b"transfer-encoding")
    return answer.start, lines, hashlib.sha256(answer.body).hexdigest(), len(answer.body), answer.trailers


def assert_same(
    standin: StandIn, sidecar: RunningSidecar, method: str, target: str, body: bytes, *lines: bytes
) -> Message:
    """Ask directly and through the sidecar; gives the second answer."""
    direct = ask(("127.0.0.1", standin.gateway_port), method, target, body, *lines)
    through = ask(sidecar.address, method, target, body, *lines)
    assert comparable(through) == comparable(direct)
    assert (through.chunks is None) == (direct.chunks is None)
    one, other = standin.gateway.all()
    assert (other.method, other.target) == (one.method, one.target)
    assert other.body_sha256 == one.body_sha256
    return through


@pytest.mark.parametrize("coding", [b"gzip", b"identity"])
@pytest.mark.parametrize("standin", ["gzip"], indirect=True)
@pytest.mark.parametrize("target", BODIES)
def test_a_json_call_is_answered_with_the_same_bytes(
    target: str, coding: bytes, standin: StandIn, sidecar: RunningSidecar
) -> None:
    body = json.dumps(BODIES[target], ensure_ascii=False).encode()
    answer = assert_same(
        standin,
        sidecar,
        "POST",
        target,
        body,
        b"Content-Type: application/json",
        b"Accept-Encoding: " + coding,
    )
    assert (answer.value(b"content-encoding") == b"gzip") == (coding == b"gzip")
    assert answer.body.startswith(b"\x1f\x8b") == (coding == b"gzip")


@pytest.mark.parametrize("coding", [b"gzip", b"identity"])
@pytest.mark.parametrize("standin", ["gzip"], indirect=True)
def test_a_binary_download_is_the_same_bytes(
    coding: bytes, standin: StandIn, sidecar: RunningSidecar
) -> None:
    target = "/v1/files/file-x/content?bytes=5000001"
    answer = assert_same(standin, sidecar, "GET", target, b"", b"Accept-Encoding: " + coding)
    assert len(answer.body) > 5_000_000


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PUT", "PATCH"])
def test_other_methods_get_the_same_answer(method: str, standin: StandIn, sidecar: RunningSidecar) -> None:
    direct = ask(("127.0.0.1", standin.gateway_port), method, "/v1/models", b"")
    through = ask(sidecar.address, method, "/v1/models", b"")
    kept = [line for line in comparable(direct)[1] if not line[0].lower().startswith(b"access-control-")]
    assert through.start == direct.start
    assert comparable(through)[1:] == (kept, *comparable(direct)[2:])


def test_a_body_that_is_no_json_whatever_it_says_goes_up_as_it_is(
    standin: StandIn, sidecar: RunningSidecar
) -> None:
    body = random.Random(0).randbytes(300_000)
    answer = assert_same(
        standin, sidecar, "POST", "/v1/chat/completions", body, b"Content-Type: application/json"
    )
    assert answer.status == 400
