"""Rules rate calls by themselves, over real sockets."""

import contextlib
import json
import os
import random
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.benches import CHAT_PATH, JSON, chat_body, document, error_of, request
from harness.clients import Client
from harness.codings import CODINGS
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import Message, head, wait_until
from rules.answers import FORMS

KEY = "sk-helicone-aaaaaaa-bbbbbbb-ccccccc-ddddddd"
GUIDE = [
    {"name": "too short", "when": {"text_max_length": 50}, "rating": "down"},
    {"name": "error marked", "when": {"text_matches": r"\[error\]"}, "rating": "down"},
]
"""The example of Helicone's guide."""


class Answer:
    """An answer of a gateway's."""

    def __init__(self, body: bytes, *, streamed: bool = False, coding: str = "", status: int = 200) -> None:
        self.body = CODINGS[coding][1](body) if coding else body
        kind = b"text/event-stream" if streamed else b"application/json"
        lines = [b"Content-Type: " + kind]
        if coding:
            lines.append(b"Content-Encoding: " + CODINGS[coding][0])
        self.bytes = (
            head(b"HTTP/1.1 %d OK" % status, *lines, b"Content-Length: %d" % len(self.body)) + self.body
        )


def gateway(answers: dict[str, Answer]) -> Callable[[UpstreamWire], None]:
    """Gives the answer that a call's `X-Answer` names."""

    def script(connection: UpstreamWire) -> None:
        while True:
            asked = connection.read_request()
            connection.send(answers[(asked.value(b"x-answer") or b"").decode()].bytes)

    return script


class Bench:
    """A gateway with answers, and a sidecar with rules before it."""

    def __init__(self, sidecar: RunningSidecar) -> None:
        self.sidecar = sidecar

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        client = self.sidecar.connect()
        yield client
        client.close()

    def get(self, target: str, method: str = "GET", body: bytes = b"") -> Message:
        with self.client() as client:
            return client.ask(request(method, target, body, JSON))

    def call(self, name: str, *lines: bytes, client: Client | None = None) -> str:
        """One call; its id."""
        asked = request("POST", CHAT_PATH, chat_body(), JSON, b"X-Answer: " + name.encode(), *lines)
        if client is not None:
            answer = client.ask(asked)
        else:
            with self.client() as own:
                answer = own.ask(asked)
        return (answer.value(b"feedback-id") or b"").decode()

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = document(self.get("/feedback/health"))["rules"]
        return found

    def wait_until_judged(self, number: int) -> dict[str, Any]:
        def is_done() -> bool:
            report = self.report()
            done = report["judged"] + report["unratable"] >= number
            return bool(
                done and report["rated"] + report["overruled"] + report["failed"] >= len(self.ratings())
            )

        wait_until(is_done, f"{number} calls are judged")
        return self.report()

    def ratings(self) -> dict[str, dict[str, Any]]:
        """All ratings, by call."""
        listed = document(self.get("/feedback/outbox?limit=500"))
        return {each["id"]: each for each in listed["ratings"]}

    def rating(self, request_id: str) -> dict[str, Any] | None:
        found = document(self.get(f"/feedback/{request_id}"))
        rating: dict[str, Any] | None = found["rating"]
        return rating


StartRules = Callable[..., Bench]


@pytest.fixture
def start_rules(start_upstream: StartUpstream, start_sidecar: StartSidecar) -> StartRules:
    def start(answers: dict[str, Answer], rules: list[dict[str, Any]], **dotted: Any) -> Bench:
        upstream = start_upstream(gateway(answers))
        given = {"helicone.api_key": KEY, "routes.default.helicone": True, "rules": rules, **dotted}
        return Bench(start_sidecar(upstream.url, **given))

    return start


def chat(text: str) -> Answer:
    return Answer(FORMS["chat"][0](text, {}, "stop"))


def test_the_guides_example_is_two_rules(start_rules: StartRules) -> None:
    long = "All is well, and there is much to be said about it: " * 2
    texts = {"short": "Hm.", "fine": long, "error": f"{long}[error] {long}", "both": "[error]"}
    bench = start_rules({name: chat(text) for name, text in texts.items()}, GUIDE)
    ids = {name: bench.call(name) for name in texts}

    bench.wait_until_judged(4)
    wait_until(lambda: bench.report()["rated"] == 3, "three are rated")
    found = {name: bench.rating(ids[name]) for name in texts}
    assert found["fine"] is None
    by = {name: (each["rating"], each["source"], each["rule"]) for name, each in found.items() if each}
    assert by == {
        "short": (False, "automated", "too short"),
        "error": (False, "automated", "error marked"),
        "both": (False, "automated", "too short"),
    }
    assert bench.report()["rules"] == [{"name": "too short", "held": 2}, {"name": "error marked", "held": 2}]
