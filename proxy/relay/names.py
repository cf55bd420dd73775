"""Host names to addresses: looked up off the loop, once for all who ask, and kept for a while."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

KEPT_SECONDS = 30.0
"""How long an answer is used without another look. The resolver does not tell us the record's own time."""

STALE_SECONDS = 3600.0
"""How long an old answer may stand in for one that cannot be had (RFC 8767 allows far more)."""

PATIENCE_SECONDS = 2.0
"""How long to wait for a new answer where an old one could stand in (RFC 8767 §5)."""

PAUSE_SECONDS = 5.0
"""How long an old answer stands in until the next try."""

Address = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
"""As getaddrinfo gives it: family, type, protocol, canonical name, what `connect` takes."""

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Gives the addresses of a host and port. Raises an OSError, most likely a socket.gaierror."""


def bracketed(host: str) -> str:
    """`host` as it stands before a port: an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


async def system_resolve(host: str, port: int) -> Sequence[Address]:
    """Ask the operating system, in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses of a name. `remembered`: nobody was asked just now, so they may be out of date."""

    addresses: tuple[Address, ...]
    remembered: bool


@dataclass(slots=True)
class _Known:
    addresses: tuple[Address, ...]
    looked_up: float
    good_until: float


@dataclass(slots=True)
class NameCache:
    """Remembers what names resolve to. It owns its lookups, which outlive whoever asked for them first."""

    resolve: Resolve
    clock: Callable[[], float]
    patience_seconds: float = PATIENCE_SECONDS
    _known: dict[tuple[str, int], _Known] = field(default_factory=dict, repr=False)
    _lookups: dict[tuple[str, int], asyncio.Task[tuple[Address, ...]]] = field(
        default_factory=dict, repr=False
    )

    async def find(self, host: str, port: int) -> Found:
        """The addresses of `host`. Raises OSError where there are none, old ones included."""
        if addresses := _without_asking(host, port):
            return Found(addresses, remembered=False)
        name, now = (host, port), self.clock()
        known = self._known.get(name)
        if known is not None and now < known.good_until:
            return Found(known.addresses, remembered=True)
        if known is not None and now > known.looked_up + STALE_SECONDS:
            known = None
        lookup = self._lookup(name)
        # Not by awaiting the task itself: who leaves must not take the answer from the others.
        await asyncio.wait((lookup,), timeout=None if known is None else self.patience_seconds)
        if known is not None and (not lookup.done() or lookup.exception() is not None):
            known.good_until = self.clock() + PAUSE_SECONDS
            return Found(known.addresses, remembered=True)
        return Found(lookup.result(), remembered=False)

    def drop(self, host: str, port: int) -> None:
        """The addresses were of no use: ask anew next time."""
        self._known.pop((host, port), None)

    async def close(self) -> None:
        """Give up the lookups that still run."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def _lookup(self, name: tuple[str, int]) -> asyncio.Task[tuple[Address, ...]]:
        """The lookup of that name, which runs already or begins now."""
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = asyncio.get_running_loop().create_task(self._look_up(*name), name=f"look up {name[0]}")
            self._lookups[name] = lookup
            lookup.add_done_callback(lambda done: self._ended(name, done))
        return lookup

    async def _look_up(self, host: str, port: int) -> tuple[Address, ...]:
        try:
            addresses = tuple(await self.resolve(host, port))
        except UnicodeError:
            # A label of more than 63 letters, for one, is refused before anybody is asked.
            raise socket.gaierror(socket.EAI_NONAME, "this cannot be a name") from None
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "it has no address")
        now = self.clock()
        self._known[host, port] = _Known(addresses, now, now + KEPT_SECONDS)
        return addresses

    def _ended(self, name: tuple[str, int], lookup: "asyncio.Task[tuple[Address, ...]]") -> None:
        del self._lookups[name]
        if not lookup.cancelled():
            # Perhaps everybody has left: then nobody else looks at how it failed.
            lookup.exception()


def _without_asking(host: str, port: int) -> tuple[Address, ...]:
    """The addresses of an IP literal, or of this machine (RFC 6761 §6.3); none for other names."""
    if host == "localhost" or host.endswith(".localhost"):
        return (_address("::1", port), _address("127.0.0.1", port))
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return ()
    # The number of a zone is for the operating system to tell.
    return () if "%" in host else (_address(host, port),)


def _address(literal: str, port: int) -> Address:
    # With its protocol, or asyncio does not turn Nagle's algorithm off.
    if ":" in literal:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (literal, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (literal, port))
