"""How a client's connection is closed, so that the client sees our last word, or that the answer is broken."""

import asyncio
import socket
import struct
from collections.abc import Callable

from proxy.relay.writes import Sender

LINGER_SECONDS = 2.0
"""How long a client may go on sending after our last word, so that it reads that word and not a reset."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

CallLater = Callable[[float, Callable[[], object]], object]


def linger(transport: asyncio.Transport, sender: Sender, call_later: CallLater) -> None:
    """Send what there is and our end; then wait until a slow reader has got everything, and some time more.

    The protocol has to turn a deaf ear to what still comes, and to go on reading it.
    """

    def wait() -> None:
        sent = transport.get_write_buffer_size() == 0
        call_later(LINGER_SECONDS, hang_up if sent else wait)

    def hang_up() -> None:
        if not transport.is_closing():
            transport.abort()

    if not transport.is_closing():
        sender.write_eof()
        wait()


def reset(transport: asyncio.Transport, sender: Sender) -> None:
    """Close with a reset, which nobody can take for an orderly end; `abort` alone would send one."""
    end_with_reset(transport)
    sender.abort()


def end_with_reset(transport: asyncio.BaseTransport) -> None:
    """However that connection is closed from now on, it is with a reset."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
