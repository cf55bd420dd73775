"""Opens connections to an upstream: its name, the race of its addresses, a proxy on the way, TLS."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import aiohappyeyeballs

from proxy.relay import reasons
from proxy.relay.destination import Upstream
from proxy.relay.names import Address, NameCache
from proxy.relay.reasons import Explained

HEAD_START_SECONDS = 0.25
"""How long an address is tried alone before the next one is tried beside it (RFC 8305 §5)."""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Unreachable(Exception):
    """No connection could be opened. `reason` says why, in words that follow 'cannot be reached: '."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens connections. Whoever calls bounds the time; nothing stays open when it is cancelled."""

    names: NameCache

    async def dial(self, upstream: Upstream, make_protocol: Callable[[], P]) -> P:
        """Open a connection that is ready for a request; give its protocol. Raises Unreachable."""
        try:
            return await self._dial(upstream, make_protocol)
        except OSError as error:
            reason = reasons.of_failure(error)
            if upstream.proxy is not None and not isinstance(error, Explained | ssl.SSLError):
                reason = f"the proxy {upstream.proxy} cannot be reached: {reason}"
            raise Unreachable(reason) from error

    async def _dial(self, upstream: Upstream, make_protocol: Callable[[], P]) -> P:
        hop = upstream.proxy or upstream
        found = await self.names.find(hop.host, hop.port)
        try:
            return await _open(found.addresses, upstream, make_protocol)
        except OSError:
            if not found.remembered:
                raise
            # Nothing has been sent, and the name may lead elsewhere by now: ask, and try once more.
            self.names.drop(hop.host, hop.port)
            with contextlib.suppress(socket.gaierror):
                anew = await self.names.find(hop.host, hop.port)
                if set(anew.addresses) != set(found.addresses):
                    return await _open(anew.addresses, upstream, make_protocol)
            raise


async def _open(addresses: Sequence[Address], upstream: Upstream, make_protocol: Callable[[], P]) -> P:
    create, tls = asyncio.get_running_loop().create_connection, upstream.tls
    # A root's dot is no part of the name in a certificate (RFC 6066 §3).
    name = None if tls is None else upstream.host.rstrip(".")
    try:
        if len(addresses) == 1 and upstream.proxy is None:
            # There is nothing to race: the loop's own way costs half as much.
            host, port = addresses[0][4][:2]
            return (await create(make_protocol, str(host), int(port), ssl=tls, server_hostname=name))[1]
        sock = await _connect(addresses)
        if upstream.proxy is not None:
            with contextlib.ExitStack() as unless_it_works:
                unless_it_works.callback(sock.close)
                await upstream.proxy.open_tunnel(sock, upstream.host, upstream.port)
                unless_it_works.pop_all()
        # From here on the socket is the loop's, which closes it when it fails.
        return (await create(make_protocol, sock=sock, ssl=tls, server_hostname=name))[1]
    except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
        raise Explained("it closed the connection while it was being opened") from None


async def _connect(addresses: Sequence[Address]) -> socket.socket:
    """Connect to the first address that answers (RFC 8305)."""
    try:
        return await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=HEAD_START_SECONDS, interleave=1
        )
    except RuntimeError as error:
        # uvloop raises it where a socket has died under its hands.
        raise OSError(str(error)) from error
