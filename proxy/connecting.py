"""Tries each gateway and Helicone's API as calls and ratings would reach them, and says what came of it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from proxy.api_client import HeliconeApi
from proxy.config.settings import Settings
from proxy.errors import HeliconeError
from proxy.keys import Credential
from proxy.network import Network
from proxy.relay.destination import Upstream
from proxy.relay.dialing import Dialer, Unreachable
from proxy.relay.names import NameCache, system_resolve
from proxy.routing import ResolvedRoute, origin_of


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one try, as a sentence."""

    is_fine: bool
    sentence: str

    def __str__(self) -> str:
        return f"{'Fine' if self.is_fine else 'Wrong'}: {self.sentence}"


class Explorer:
    """Tries one place after another, each within the time that a call or a rating would have."""

    def __init__(self, settings: Settings, network: Network, dialer: Dialer, api: HeliconeApi) -> None:
        self._key = settings.helicone.own_key
        self._seconds = settings.upstream.connect_timeout_seconds
        self._network = network
        self._dialer = dialer
        self._api = api

    def __repr__(self) -> str:
        return f"<Explorer within {self._seconds:g} s>"

    async def gateway(self, host: "_Host") -> Finding:
        """Try a host to which calls go, or sessions: open a connection, and send nothing."""
        what = "The gateway" if host.calls else "The host"
        return await self._dial(self._network.upstream(host.url), what, host.told())

    async def api(self, url: str, *, may_have_key: bool) -> Finding:
        """Try an API, with our key if that may go there: what a look for a rating needs, a rating needs, too."""
        if self._key is None or not may_have_key:
            why = _NO_KEY if self._key is None else _FOREIGN
            return await self._dial(self._network.upstream(url), "Helicone's API", why)
        try:
            await self._api.look([_NO_CALL], Credential(self._key, url))
        except HeliconeError as error:
            return Finding(is_fine=False, sentence=f"{error.message}{_asked(error.message, url)}")
        return Finding(
            is_fine=True,
            sentence=f"Helicone's API at {url} takes the key: it may rate, and ask what is stored.",
        )

    async def _dial(self, upstream: Upstream, what: str, more: str) -> Finding:
        try:
            async with asyncio.timeout(self._seconds):
                visit = await self._dialer.dial(upstream, _Visit)
        except Unreachable as error:
            return Finding(
                is_fine=False, sentence=f"{what} {upstream} ({more}) cannot be reached: {error.reason}."
            )
        except TimeoutError:
            return Finding(
                is_fine=False,
                sentence=f"{what} {upstream.way} ({more}) did not accept a connection within {self._seconds:g} s.",
            )
        await visit.end()
        tls = "" if upstream.tls is None else ", and TLS works"
        return Finding(is_fine=True, sentence=f"{what} {upstream.way} ({more}) can be reached{tls}.")


@dataclass(frozen=True, slots=True)
class _Host:
    """A host, and the routes whose calls or whose realtime sessions alone go there."""

    url: str
    calls: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Who goes there."""
        told = (
            [f"{'route' if len(self.calls) == 1 else 'routes'} {', '.join(self.calls)}"] if self.calls else []
        )
        if self.sessions:
            told.append(f"realtime sessions of {', '.join(self.sessions)}")
        return "; ".join(told)


def _hosts(routes: Sequence[ResolvedRoute]) -> list[_Host]:
    """Every host that the routes lead to, once: a connection has no path."""
    hosts: dict[str, _Host] = {}
    for route in routes:
        hosts.setdefault(origin_of(route.url), _Host(route.url)).calls.append(route.name)
        if route.realtime_url is not None:
            host = hosts.setdefault(origin_of(route.realtime_url), _Host(route.realtime_url))
            if route.name not in host.calls:
                host.sessions.append(route.name)
    return list(hosts.values())


_NO_CALL = "00000000-0000-4000-8000-000000000000"
"""A look for it reads nothing and changes nothing."""
_NO_KEY = "asked nothing, since no key is configured: HELICONE_API_KEY"

_FOREIGN = (
    "asked nothing, since our key may not go there: helicone = true in its route's table says that it may"
)


class _Visit(asyncio.Protocol):
    """A connection on which nothing is said."""

    def __init__(self) -> None:
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._over.set_result(None)

    async def end(self) -> None:
        """Close it."""
        self._transport.abort()
        await self._over


def _asked(message: str, url: str) -> str:
    """Which API said so, where the message does not name it."""
    return "" if url in message else f" ({url})"


async def explore(
    settings: Settings, routes: Sequence[ResolvedRoute], environ: Mapping[str, str]
) -> list[Finding]:
    """Try all that these routes lead to at once; the findings are in order. Raises CannotStart."""
    network = Network(settings, routes, environ)
    names = NameCache(system_resolve, time.monotonic)
    hosts = _hosts(routes)
    usual = settings.helicone.resolved_api_url
    api_urls = dict.fromkeys(route.api_url or usual for route in routes)
    with_key = {route.api_url or usual for route in routes if route.api_may_have_key}
    try:
        async with network.api_session() as session:
            seconds = settings.helicone.timeout_seconds
            api = HeliconeApi(
                session,
                network.proxy_for,
                timeout_seconds=seconds,
                wall_clock=time.time,
                own_key=settings.helicone.own_key,
            )
            explorer = Explorer(settings, network, Dialer(names), api)
            return await asyncio.gather(
                *(explorer.gateway(host) for host in hosts),
                *(explorer.api(url, may_have_key=url in with_key) for url in api_urls),
            )
    finally:
        await names.close()
