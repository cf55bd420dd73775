"""The listening sockets: every address on one port."""

import errno
import os
import socket
from collections.abc import Sequence

from proxy.errors import CannotStart
from proxy.relay.keepalive import keep_alive

BACKLOG = 1024

ACCEPTS_IN_A_ROW = 1
"""How often asyncio tries to accept, which it takes for the backlog.

Where no file descriptor is left, each try is a traceback in the log, and a timer that tries as often again.
"""

_TRIES = 20
"""For a free port that is free on every address."""


def listen(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """Listening sockets, one for each address, all on `port` (0: one that is free on all of them).

    An address of a family that this machine does not have is passed over as long as another one is left. Raises
    CannotStart.
    """
    for _ in range(_TRIES if port == 0 else 1):
        try:
            return _listen_on_all(addresses, port)
        except _PortTaken as taken:
            if port != 0:
                raise CannotStart(
                    f"Port {port} on {taken.address} is in use already, perhaps by another sidecar. "
                    "Stop that program, or choose another port with --port (0 picks a free one)."
                ) from None
    raise CannotStart("No port was found that is free on all addresses.")


class _PortTaken(Exception):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


def _listen_on_all(wanted: Sequence[str], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    missing: list[str] = []
    for address in wanted:
        try:
            sockets.append(_listen_on(address, port))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing.append(address)
                continue
            for opened in sockets:
                opened.close()
            if error.errno == errno.EADDRINUSE:
                raise _PortTaken(address) from None
            reason = error.strerror or type(error).__name__
            raise CannotStart(f"Listening on {address}, port {port}, failed: {reason}.") from None
        port = sockets[0].getsockname()[1]
    if not sockets:
        raise CannotStart(f"This machine has none of the addresses {', '.join(missing)}.")
    return sockets


def _listen_on(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # On Windows the option means something else: it would let two programs share the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted connections inherit it.
        keep_alive(sock)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)  # noqa: FBT003
    except OSError:
        sock.close()
        raise
    return sock
