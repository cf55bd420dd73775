"""The product with a stand-in for Helicone behind it, and a person with curl before it."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from harness.clients import Client
from harness.descriptions import wrong_with
from harness.fast_time import FastTime
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, settings_of
from harness.standins import running_standin
from harness.wire import Message, head, wait_until
from proxy.demo import DEMO_KEY, ScoreEvent, StandIn, StandInSettings
from proxy.demo.journal import Received

CHAT_PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
JSON = b"Content-Type: application/json"

AT_ONCE = StandInSettings(ingestion_delay_seconds=0.0, token_interval_seconds=0.0005)
"""Knows every call as soon as it has ended."""


def chat_body(**fields: object) -> bytes:
    """A chat, as apps send it."""
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], **fields}).encode()


def document(answer: Message) -> dict[str, Any]:
    """A local answer's JSON."""
    assert answer.value(b"content-type") == b"application/json; charset=utf-8"
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def error_of(answer: Message) -> tuple[int, str, str]:
    """An error of ours: status, code and sentence. Its shape is checked."""
    found = json.loads(answer.body)
    assert set(found) == {"error"}
    error = found["error"]
    assert set(error) == {"message", "type", "code"}
    assert error["type"] == "sidecar_error"
    assert answer.value(b"feedback-error") == error["code"].encode()
    return answer.status, error["code"], error["message"]


def id_of(answer: Message) -> str:
    """The id under which an answer can be rated."""
    value = answer.value(b"feedback-id")
    assert value is not None
    return value.decode()


def request(method: str, target: str, body: bytes = b"", *lines: bytes) -> bytes:
    """A request's bytes; a Host among `lines` replaces the usual one."""
    hosted = any(line.lower().startswith(b"host:") for line in lines)
    first = f"{method} {target} HTTP/1.1".encode()
    length = (b"Content-Length: %d" % len(body),) if body or method == "POST" else ()
    return head(first, *(() if hosted else (b"Host: localhost",)), *lines, *length) + body


class Bench:
    """A stand-in, and the sidecar before it that knows the stand-in's key."""

    def __init__(self, standin: StandIn, sidecar: RunningSidecar) -> None:
        self.standin = standin
        self.sidecar = sidecar
        self.events: list[ScoreEvent] = []
        standin.ledger.listeners.append(self.events.append)

    def ask(self, method: str, target: str, body: bytes = b"", *lines: bytes) -> Message:
        """One request on a connection of its own, as curl makes it. Local answers are what is described."""
        client = self.sidecar.connect()
        try:
            answer = client.ask(request(method, target, body, *lines))
        finally:
            client.close()
        if re.match(r"(?:http://[^/]*)?/feedback(?:[/?]|$)", target):
            assert (wrong := wrong_with(method, target, answer)) == [], "\n".join([*wrong, repr(answer)])
        return answer

    def chat(self, *lines: bytes, target: str = CHAT_PATH, **fields: object) -> Message:
        """One chat."""
        return self.ask("POST", target, chat_body(**fields), JSON, *lines)

    def stream(self, *lines: bytes, **fields: object) -> Client:
        """A client whose streamed chat has begun: its answer is still to be read."""
        client = self.sidecar.connect()
        client.send(request("POST", CHAT_PATH, chat_body(stream=True, **fields), JSON, *lines))
        return client

    def rate(
        self, target: str = "/feedback/last", body: bytes = b'{"rating": true}', *lines: bytes
    ) -> Message:
        """What `curl -d BODY TARGET` sends."""
        return self.ask("POST", target, body, b"Content-Type: application/x-www-form-urlencoded", *lines)

    def get(self, target: str, *lines: bytes) -> Message:
        """What `curl TARGET` sends."""
        return self.ask("GET", target, b"", *lines)

    def wait_until_logged(self, count: int = 1) -> None:
        """Wait until the stand-in has logged so many calls."""
        wait_until(lambda: len(self.standin.ledger.rows) >= count, f"{count} calls are logged")

    @property
    def posted(self) -> list[Received]:
        """What the stand-in's API was sent."""
        return self.standin.api.all()


class StartBench(Protocol):
    """Starts a stand-in and a sidecar before it, with settings by dotted key; `time`, if not the usual one."""

    def __call__(
        self, standin: StandInSettings = ..., time: FastTime | None = None, /, **dotted: object
    ) -> Bench: ...


def bench_starter(loop: LoopThread, enter: Callable[[AbstractContextManager[Any]], Any]) -> StartBench:
    """What starts benches, which end as `enter` says."""

    def start(standin: StandInSettings = AT_ONCE, time: FastTime | None = None, /, **dotted: object) -> Bench:
        clocks = {} if time is None else {"steady": time.steady, "wall": time.wall}
        behind: StandIn = enter(running_standin(loop, standin, **clocks))
        given: dict[str, object] = {
            "helicone.api_key": DEMO_KEY,
            "helicone.api_url": behind.api_url,
            **dotted,
        }
        clock = None if time is None else loop.call(time.clock)
        before = enter(RunningSidecar(loop, settings_of(behind.gateway_url, **given), clock=clock))
        return Bench(behind, before)

    return start
