"""A proxy that a CONNECT opens: it leads wherever the test wants, whatever name it is asked for."""

import contextlib
import socket
import threading

from harness.loops import DEADLINE_SECONDS
from harness.upstreams import Script, ScriptedUpstream, UpstreamWire
from harness.wire import Message, head

ESTABLISHED = head(b"HTTP/1.1 200 Connection established", b"Via: 1.1 a-proxy")


class ConnectProxy(ScriptedUpstream):
    """A real one: reads CONNECT, answers, and then passes bytes on both ways. `requests` is what it was asked."""

    def __init__(self, leads_to: int, *, answer: bytes = ESTABLISHED) -> None:
        self._leads_to = leads_to
        self._answer = answer
        super().__init__(self._serve)

    def _serve(self, wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(self._answer)
        with socket.create_connection(("127.0.0.1", self._leads_to), DEADLINE_SECONDS) as onward:
            back = threading.Thread(target=_pass_on, args=(onward, wire.sock), name="back", daemon=True)
            back.start()
            _pass_on(wire.sock, onward)
            back.join(DEADLINE_SECONDS)


def saying(answer: bytes) -> Script:
    """A proxy that answers CONNECT with that, and then waits for the end."""

    def script(wire: UpstreamWire) -> None:
        wire.requests.append(Message(wire.read_head()))
        wire.send(answer)
        wire.read_to_end()

    return script


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one to the other, to the end, which is passed on too."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
