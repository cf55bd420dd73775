"""A client that is a socket: it sends what it is told to, and reads answers strictly."""

import socket
from typing import Self

from harness.loops import DEADLINE_SECONDS
from harness.wire import Message, Wire


class Client(Wire):
    """A client's connection."""

    @classmethod
    def connect(cls, address: tuple[str, int], *, receive_buffer_bytes: int | None = None) -> Self:
        """Open a connection. A small `receive_buffer_bytes` makes a slow reader felt early."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if receive_buffer_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            sock.settimeout(DEADLINE_SECONDS)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return cls(sock)

    def read_answer(self, *, to: bytes = b"GET") -> Message:
        """The next answer, an interim one too, to a request with the method `to`. Raises Truncated."""
        raw_head = self.read_head()
        status = Message(raw_head).status
        if to == b"HEAD" or status < 200 or status in (204, 304):
            return Message(raw_head)
        return self.read_body(raw_head, until_close=True)

    def ask(self, request: bytes) -> Message:
        """Send a request, and read its answer."""
        self.send(request)
        return self.read_answer(to=request.partition(b" ")[0])
