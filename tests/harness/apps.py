"""A chat app with the sidecar before it, and what a browser asks there."""

from collections.abc import Callable

from harness.clients import Client
from harness.sidecars import RunningSidecar
from harness.upstreams import ScriptedUpstream
from harness.wire import Message, head

PAGE = b"<!doctype html><html><head><title>Chat</title></head><body>Hi</body></html>"
TAG = b'<script src="/_helicone-feedback/widget.js" data-mode="last" async></script>'
TAGGED = PAGE.replace(b"</head>", TAG + b"</head>")
HTML = b"Content-Type: text/html; charset=utf-8"
OPENS = b"Sec-Fetch-Dest: document"


def answer(*lines: bytes, body: bytes = PAGE, status: bytes = b"200 OK") -> bytes:
    """An answer of the app's."""
    return head(b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)) + body


def port_of(sidecar: RunningSidecar) -> int:
    """The port under which the app is opened."""
    before_app = sidecar.sidecar.before_app
    assert before_app is not None
    return before_app.port


def open_app(sidecar: RunningSidecar) -> Client:
    """A browser's connection to the app's page."""
    return Client.connect(("127.0.0.1", port_of(sidecar)))


def ask(
    sidecar: RunningSidecar, *lines: bytes, method: bytes = b"GET", target: bytes = b"/", body: bytes = b""
) -> Message:
    """One request through the listener, from a browser that is at localhost."""
    client = open_app(sidecar)
    try:
        host = () if any(line.startswith(b"Host:") for line in lines) else (b"Host: localhost:8748",)
        length = (b"Content-Length: %d" % len(body),) if body else ()
        return client.ask(head(b"%b %b HTTP/1.1" % (method, target), *host, *lines, *length) + body)
    finally:
        client.close()


StartApp = Callable[..., tuple[RunningSidecar, ScriptedUpstream]]


def asked_up(app: ScriptedUpstream, name: bytes) -> bytes | None:
    """What the app was asked last, in that header."""
    return app.requests[-1].value(name)
