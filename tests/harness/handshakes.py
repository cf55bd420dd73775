"""A WebSocket's handshake, on both sides of the sidecar."""

from harness.clients import Client
from harness.upstreams import Upstream, UpstreamWire
from harness.wire import head

HANDSHAKE_LINES = (
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
    b"sec-websocket-protocol: realtime, openai-insecure-api-key.x",
)
HANDSHAKE = head(b"GET /v1/realtime?model=x HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES)
SWITCH = head(
    b"HTTP/1.1 101 Switching Protocols",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    b"Set-Cookie: a=b",
)


def shake_hands(client: Client, upstream: Upstream) -> UpstreamWire:
    """Open a tunnel. Gives the gateway's end of it."""
    client.send(HANDSHAKE)
    call = upstream.accept()
    call.read_request()
    call.send(SWITCH)
    assert client.read_answer().status == 101
    return call
