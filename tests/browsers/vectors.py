"""What pages can try, what of it Chromium sends, and what has to come of it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from browsers.relay import Exchange
from harness.benches import CHAT_PATH, MODEL, Bench
from harness.wire import Message, head

CANARY = "canary-of-the-sidecar"
"""Stands in what the sidecar remembers, and in what the gateway's stand-in answers."""

_REALTIME = "/v1/realtime?model=gpt-realtime"
_RATING = '{"rating": true, "comment": "1 = up"}'
_CHAT = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "1 = up"}]})

GUARDS_CODES = frozenset({"host_not_allowed", "origin_not_allowed", "cross_site", "browser_navigation"})


@dataclass(frozen=True)
class Vector:
    """One way to send a request from a page.

    `name`: as `pages/vectors.js` has it. `arrives`: the method under which Chromium sends it to another origin; a
    preflight is all that comes of what has to be asked for. `at_home`: the same where the page has the target's
    own origin, as after rebinding. `says_origin`: whether `Origin` stands in it. `passes_local_access`: whether it
    gets past the browser's own check of sites that reach for local addresses, too. `is_window`: it takes a window,
    or a frame with a process of its own. Those cost most of the time: it tries one relayed and two local places.
    """

    name: str
    arrives: str
    at_home: str = ""
    says_origin: bool = True
    passes_local_access: bool = False
    is_window: bool = False

    @property
    def own(self) -> str:
        """The method at home."""
        return self.at_home or self.arrives


FETCHES = (
    Vector("fetch", "GET"),
    Vector("fetch with cookies", "GET"),
    Vector("fetch no-cors", "GET", says_origin=False),
    Vector("fetch POST text", "POST"),
    Vector("fetch POST JSON", "OPTIONS", "POST"),
    Vector("fetch POST JSON with cookies", "OPTIONS", "POST"),
    Vector("fetch POST readable", "POST"),
    Vector("fetch DELETE", "OPTIONS", "DELETE"),
    Vector("sendBeacon", "POST"),
)
ELEMENTS = (
    Vector("img", "GET", says_origin=False),
    Vector("script", "GET", says_origin=False),
    Vector("stylesheet", "GET", says_origin=False),
    Vector("iframe", "GET", says_origin=False),
    Vector("EventSource", "GET"),
    Vector("WebSocket", "GET"),
)
WINDOWS = (
    Vector("form", "POST", passes_local_access=True, is_window=True),
    Vector("form in a sandboxed iframe", "POST", is_window=True),
    Vector("navigation", "GET", says_origin=False, passes_local_access=True, is_window=True),
)
VECTORS = (*FETCHES, *ELEMENTS, *WINDOWS)


def targets_of(vector: Vector, call_id: str) -> list[tuple[str, str]]:
    """Every place that is worth an attack, and what would be posted there."""
    first = [(CHAT_PATH, _CHAT), ("/feedback/last", _RATING)]
    if vector.is_window:
        return [*first, (f"/feedback/{call_id}", _RATING)]
    return [
        *first,
        (_REALTIME, _CHAT),
        ("/feedback", _RATING),
        (f"/feedback/{call_id}", _RATING),
        ("/feedback/batch", json.dumps({"ratings": [{"id": call_id, "rating": True, "comment": "1 = up"}]})),
        ("/feedback/outbox/retry", '{"id": "1 = up"}'),
        ("/feedback/metrics", _RATING),
    ]


def leave_a_trace(bench: Bench) -> str:
    """Make a call whose model is the canary, and give its id: something is there to be read and rated."""
    answer = bench.chat(model=CANARY)
    call_id = answer.value(b"feedback-id")
    assert call_id is not None
    bench.wait_until_logged()
    assert CANARY.encode() in bench.get("/feedback/last").body
    bench.standin.gateway.clear()
    return call_id.decode()


def assert_nothing_happened(bench: Bench) -> None:
    """Nothing reached the gateway, nothing Helicone's API, nothing is to be delivered."""
    assert bench.standin.gateway.all() == []
    assert bench.posted == []
    assert b'"ratings": []' in bench.get("/feedback/outbox").body.replace(b'"ratings":[]', b'"ratings": []')


def refusal_of(exchange: Exchange) -> tuple[int, str]:
    """Status and code of what the sidecar answered: nothing that a page could read, and nothing to keep."""
    answer = exchange.answer
    assert answer is not None, exchange
    assert CANARY.encode() not in answer.head + answer.body
    assert not any(name.startswith(b"access-control-") or name == b"set-cookie" for name in answer.names)
    return answer.status, (answer.value(b"feedback-error") or b"").decode()


def without_signs_of_a_browser(request: Message, host: bytes) -> bytes:
    """The same request as curl would send it: to localhost, and with nothing that a browser adds."""
    kept = [
        name + b": " + value
        for name, value in request.lines
        if not re.fullmatch(
            rb"(?i)host|accept|origin|referer|cookie|connection|sec-fetch-.*|access-control-.*", name
        )
    ]
    connection = b"Upgrade" if request.value(b"upgrade") else b"close"
    return head(request.start, b"Host: " + host, b"Connection: " + connection, *kept) + request.body


def assert_they_would_have_had_effects(bench: Bench, call_id: str, exchanges: Sequence[Exchange]) -> None:
    """Send the very same again, without a browser's signs: now it works, so it was those that stood against it.

    What differs in those signs alone is sent once.
    """
    asked = {_plainly(each.request): each.request for each in exchanges if each.method != "OPTIONS"}
    answers = []
    for request in asked.values():
        client = bench.sidecar.connect()
        answer = client.ask(without_signs_of_a_browser(request, bench.sidecar.authority))
        client.close()
        assert (answer.value(b"feedback-error") or b"").decode() not in GUARDS_CODES, (request, answer)
        answers.append(answer)
    methods = {request.start.split(b" ")[0] for request in asked.values()}
    if b"GET" in methods:
        assert any(CANARY.encode() in answer.body for answer in answers)
    if any(request.value(b"upgrade") for request in asked.values()):
        assert 101 in [answer.status for answer in answers]
    if b"POST" in methods:
        assert any(each.method == "POST" and each.target == CHAT_PATH for each in bench.standin.gateway.all())
        bench.standin.api.wait_for(lambda each: b"true" in each.body)
    if any(each.method == "OPTIONS" for each in exchanges):
        # What the browser asked leave for.
        assert bench.rate(f"/feedback/{call_id}").status < 300
        assert bench.chat().status == 200


def _plainly(request: Message) -> tuple[bytes, ...]:
    return (
        request.start,
        request.value(b"content-type") or b"",
        request.value(b"upgrade") or b"",
        request.body.strip(),
    )
