"""The network as the settings have it: connections to the gateways and to Helicone's API."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp

from proxy import __version__
from proxy.config.settings import Settings
from proxy.errors import CannotStart
from proxy.outbound import proxy_for, trusting
from proxy.relay.destination import Upstream
from proxy.relay.dialing import Dialer
from proxy.relay.forward_proxy import ForwardProxy
from proxy.relay.headers import Direction
from proxy.relay.names import NameCache
from proxy.relay.patience import Patience
from proxy.relay.pool import Limits, Pool
from proxy.relay.routes import Way, Ways
from proxy.relay.writes import Gatherer
from proxy.routing import ResolvedRoute, everywhere

_APP_IDLE_SECONDS = 4.0
"""Web apps keep an unused connection for five seconds where nothing is said (uvicorn, Node)."""
_API_CONNECTIONS = 8
"""To Helicone's API at a time: the budget of a whole organisation is a few calls a second."""


class Network:
    """Makes connections; they have in common whom they trust, and through which proxy they go.

    Raises CannotStart when the certificates cannot be read any more.
    """

    def __init__(
        self, settings: Settings, routes: Sequence[ResolvedRoute], environ: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._urls = dict.fromkeys(url for route in routes for url in route.urls)
        self._app_url = settings.inject.upstream
        self._environ = environ
        self._tls = self._trust()

    def _trust(self) -> ssl.SSLContext | None:
        """TLS as a client, unless aiohttp's own will do: reading the system's authorities takes its time."""
        own = self._urls if self._settings.upstream.ca_file is None else everywhere(self._settings)
        urls = own if self._app_url is None else (*own, self._app_url)
        if not any(urlsplit(url).scheme == "https" for url in urls):
            return None
        try:
            return trusting(self._settings.upstream.ca_file)
        except OSError as error:
            raise CannotStart(f"[upstream] ca_file can no longer be read: {error.strerror}.") from None

    def proxy_for(self, url: str) -> str | None:
        """The proxy through which `url` is reached, if any: it may hold a password."""
        return proxy_for(url, self._environ) if self._settings.upstream.trust_env else None

    def upstream(self, url: str) -> Upstream:
        """Where that URL leads, and through which proxy."""
        proxy = self.proxy_for(url)
        return Upstream.from_url(
            url, tls=self._tls, proxy=None if proxy is None else ForwardProxy.from_url(proxy)
        )

    def pools(self, names: NameCache, gatherer: Gatherer, clock: Callable[[], float]) -> dict[str, Pool]:
        """Connections to each gateway, by its URL; that of the default route comes first."""
        dialer = Dialer(names)
        return {url: self._pool(url, dialer, gatherer, clock) for url in self._urls}

    def _pool(self, url: str, dialer: Dialer, gatherer: Gatherer, clock: Callable[[], float]) -> Pool:
        return Pool(
            upstream=self.upstream(url), dialer=dialer, gatherer=gatherer, clock=clock, limits=self._limits()
        )

    def _limits(self) -> Limits:
        limits = self._settings.upstream
        return Limits(
            connect_timeout_seconds=limits.connect_timeout_seconds,
            idle_timeout_seconds=limits.idle_timeout_seconds,
            max_connections=limits.max_connections,
            max_idle_connections=limits.max_idle_connections,
        )

    def app_pool(
        self, url: str, names: NameCache, gatherer: Gatherer, clock: Callable[[], float], down: Direction
    ) -> Pool:
        """Connections to the chat app that we stand in front of; `down` says which header lines it may answer."""
        limits = self._limits()
        idle_seconds = min(limits.idle_timeout_seconds, _APP_IDLE_SECONDS)
        limits = replace(limits, idle_timeout_seconds=idle_seconds)
        return Pool(self.upstream(url), Dialer(names), gatherer, clock, limits, down)

    def api_session(self) -> aiohttp.ClientSession:
        """The one session for all APIs. No cookies: nothing of one rating may travel with the next."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_API_CONNECTIONS, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            # No `trust_env`: that would read ~/.netrc, too. Each request says which proxy it takes.
            headers={"User-Agent": f"helicone-feedback-proxy/{__version__}"},
        )


def patience(settings: Settings) -> Patience:
    """How long the relay waits for whom."""
    return Patience(
        head_seconds=settings.server.head_timeout_seconds,
        body_seconds=settings.server.body_timeout_seconds,
        idle_seconds=settings.server.idle_timeout_seconds,
        unread_seconds=settings.server.unread_timeout_seconds,
        first_byte_seconds=settings.upstream.first_byte_timeout_seconds,
        silence_seconds=settings.upstream.silence_timeout_seconds,
    )


def ways_of(routes: Sequence[ResolvedRoute], pools: Mapping[str, Pool]) -> Ways:
    """The ways that the routes make; the default one comes first."""
    first, *others = (Way(route.name, route.path.encode(), pools[route.url]) for route in routes)
    sessions = {
        route.name: Way(route.realtime_name, route.realtime_path.encode(), pools[route.realtime_url])
        for route in routes
        if route.realtime_url is not None
    }
    return Ways(first, others, sessions)
