"""The listening sockets: every address on one port, and a Unix socket besides."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from proxy.config.settings import Server
from proxy.errors import CannotStart
from proxy.guard.hosts import is_unspecified
from proxy.relay.keepalive import keep_alive
from proxy.relay.names import bracketed
from proxy.unix_sockets import UnixSocket

BACKLOG = 1024

ACCEPTS_IN_A_ROW = 1
"""How often asyncio tries to accept, which it takes for the backlog.

Where no file descriptor is left, each try is a traceback in the log, and a timer that tries as often again.
"""

_TRIES = 20
"""For a free port that is free on every address."""

MakeProtocol = Callable[[], asyncio.Protocol]


class Listeners:
    """All that a sidecar listens on. Clients are heard from `bind` on, and served from `serve` on.

    `port` is 0 where there is a Unix socket alone, and none was configured.
    """

    def __init__(self, server: Server, sockets: Sequence[socket.socket], unix: UnixSocket | None) -> None:
        self._sockets = sockets
        self._unix = unix
        self._servers: list[asyncio.AbstractServer] = []
        self.port: int = sockets[0].getsockname()[1] if sockets else server.port
        self.addresses: list[str] = [sock.getsockname()[0] for sock in sockets]
        self.socket_path = None if unix is None else unix.path
        # The system has its own way to write a zone.
        opened = {_without_zone(address) for address in self.addresses}
        self.missing = sorted(each for each in server.host if _without_zone(each) not in opened)

    @classmethod
    def bind(cls, server: Server, setting: str = "--port") -> Self:
        """Listen as the settings say; `setting` is that of the port. Raises CannotStart."""
        unix = None if server.unix_socket is None else UnixSocket.bind(Path(server.unix_socket), BACKLOG)
        try:
            return cls(server, listen(server.host, server.port, setting) if server.host else [], unix)
        except CannotStart:
            if unix is not None:
                unix.close()
            raise

    async def serve(self, make: MakeProtocol, make_by_socket: MakeProtocol) -> None:
        """From now on give each connection a protocol."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            self._servers.append(await loop.create_server(make, sock=sock, backlog=ACCEPTS_IN_A_ROW))
            sock.listen(BACKLOG)
        if self._unix is not None:
            sock = self._unix.sock
            self._servers.append(
                await loop.create_unix_server(make_by_socket, sock=sock, backlog=ACCEPTS_IN_A_ROW)
            )
            sock.listen(BACKLOG)

    def close(self) -> None:
        """Listen no longer; what is connected stays so."""
        if self._unix is not None:
            self._unix.forget()
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            sock.close()
        if self._unix is not None:
            self._unix.sock.close()

    @property
    def url(self) -> str:
        """Where an app finds the sidecar; through the Unix socket, if there is nothing else."""
        if not self.addresses:
            return "http://localhost"
        address = next(filter(_is_usual, self.addresses), self.addresses[0])
        return f"http://{'localhost' if _is_usual(address) else bracketed(address)}:{self.port}"

    def __str__(self) -> str:
        """What is listened on, for people."""
        unix = [] if self.socket_path is None else [f"the Unix socket {self.socket_path}"]
        places = [f"{self.url} ({', '.join(self.addresses)})"] if self.addresses else []
        return " and ".join(places + unix)


def _without_zone(address: str) -> str:
    return address.partition("%")[0]


def _is_usual(address: str) -> bool:
    """Whether clients that say localhost come there."""
    return address in ("127.0.0.1", "::1") or is_unspecified(address)


def listen(addresses: Sequence[str], port: int, setting: str = "--port") -> list[socket.socket]:
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
                    f"Stop that program, or choose another port with {setting} (0 picks a free one)."
                ) from None
    raise CannotStart("No port was found that is free on all addresses.")


_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV, socket.EAI_NONAME})
"""The last one is said of a zone whose interface is not there."""


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
            if error.errno in _NOT_HERE:
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
        sock.bind(_socket_address(address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)  # noqa: FBT003
    except OSError:
        sock.close()
        raise
    return sock


def _socket_address(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """The address as a socket takes it: with its zone's number, where it has a zone."""
    if "%" not in address:
        return address, port
    found: tuple[str, int, int, int] = socket.getaddrinfo(  # type: ignore[assignment]  # an IPv6 address
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0][4]
    return found
