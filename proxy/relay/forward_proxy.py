"""A proxy between this machine and the upstream: CONNECT, then whatever the two ends speak (RFC 9110 §9.3.6)."""

import asyncio
import base64
import re
import socket
from dataclasses import dataclass, field

from yarl import URL

from proxy.relay.names import bracketed
from proxy.relay.reasons import Explained

HEAD_LIMIT_BYTES = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?=[ \r])")


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    """Where it is. `authorization` is what `Proxy-Authorization` says to it: never shown anywhere."""

    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> "ForwardProxy":
        """`url`: http, a host, an optional port, user name and password."""
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
        if parsed.scheme != "http" or not host or port is None:
            raise ValueError("a proxy needs an http URL with a host")
        authorization = None
        if parsed.user is not None:
            # RFC 7617 §2; both were percent-encoded in the URL.
            pair = f"{parsed.user}:{parsed.password or ''}".encode()
            authorization = b"Basic " + base64.b64encode(pair)
        return cls(host, port, authorization)

    def __str__(self) -> str:
        return _authority(self.host, self.port)

    async def open_tunnel(self, sock: socket.socket, host: str, port: int) -> None:
        """Have the proxy lead `sock`, which is connected to it, on to `host`. Raises Explained, or OSError."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, self._request(_authority(host, port).encode("ascii")))
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            if len(head) > HEAD_LIMIT_BYTES:
                raise Explained(f"the head of the answer of the proxy {self} to CONNECT is too large")
            data = await loop.sock_recv(sock, HEAD_LIMIT_BYTES)
            if not data:
                raise Explained(f"the proxy {self} closed the connection before it answered CONNECT")
            head += data
        status = _STATUS.match(head)
        if status is None:
            raise Explained(f"the proxy {self} did not answer CONNECT in HTTP/1.1")
        if not status[1].startswith(b"2"):
            raise Explained(
                f"the proxy {self} answered {status[1].decode()} to CONNECT" + self._hint(status[1])
            )
        if len(head) > end + 4:
            # In TLS it is for us to speak first: whoever sent this is not the upstream.
            raise Explained(f"the proxy {self} sent more than its answer to CONNECT")

    def _request(self, authority: bytes) -> bytes:
        lines = [b"CONNECT %b HTTP/1.1" % authority, b"Host: %b" % authority]
        if self.authorization is not None:
            lines.append(b"Proxy-Authorization: " + self.authorization)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _hint(self, status: bytes) -> str:
        if status != b"407":
            return ""
        if self.authorization is None:
            return " (it wants a user name and a password: put them into HTTPS_PROXY)"
        return " (it did not take the user name and the password in HTTPS_PROXY)"


def _authority(host: str, port: int) -> str:
    return f"{bracketed(host)}:{port}"
