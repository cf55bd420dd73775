"""The network as the settings have it: connections to the gateway and to Helicone's API."""

import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp

from proxy import __version__, guard, helicone
from proxy.config import Settings
from proxy.errors import CannotStart
from proxy.outbound import proxy_for, trusting
from proxy.relay.destination import Upstream
from proxy.relay.dialing import Dialer
from proxy.relay.forward_proxy import ForwardProxy
from proxy.relay.names import NameCache
from proxy.relay.patience import Patience
from proxy.relay.pool import Limits, Pool
from proxy.relay.writes import Gatherer
from proxy.route_rules import RouteRules

_API_CONNECTIONS = 8
"""To Helicone's API at a time: the budget of a whole organisation is a few calls a second."""


class Network:
    """Makes connections; they have in common whom they trust, and through which proxy they go.

    Raises CannotStart when the certificates cannot be read any more.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._tls = self._trust()

    def _trust(self) -> ssl.SSLContext | None:
        """TLS as a client, unless aiohttp's own will do: reading the system's authorities takes its time."""
        ca_file, gateway = self._settings.upstream.ca_file, self._settings.routes.default.url
        urls = [gateway] if ca_file is None else [gateway, self._settings.helicone.resolved_api_url]
        if not any(urlsplit(url).scheme == "https" for url in urls):
            return None
        try:
            return trusting(ca_file)
        except OSError as error:
            raise CannotStart(f"[upstream] ca_file can no longer be read: {error.strerror}.") from None

    def _proxy_for(self, url: str) -> str | None:
        """The proxy through which `url` is reached, if any: it may hold a password."""
        return proxy_for(url, self._environ) if self._settings.upstream.trust_env else None

    def pool(self, names: NameCache, gatherer: Gatherer, clock: Callable[[], float]) -> Pool:
        """Connections to the gateway."""
        limits, url = self._settings.upstream, self._settings.routes.default.url
        proxy = self._proxy_for(url)
        return Pool(
            upstream=Upstream.from_url(
                url, tls=self._tls, proxy=None if proxy is None else ForwardProxy.from_url(proxy)
            ),
            dialer=Dialer(names),
            gatherer=gatherer,
            clock=clock,
            limits=Limits(
                connect_timeout_seconds=limits.connect_timeout_seconds,
                idle_timeout_seconds=limits.idle_timeout_seconds,
                max_connections=limits.max_connections,
                max_idle_connections=limits.max_idle_connections,
            ),
        )

    def api_session(self) -> aiohttp.ClientSession:
        """The one session for Helicone's API. No cookies: nothing of one rating may travel with the next."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_API_CONNECTIONS, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"helicone-feedback-proxy/{__version__}"},
            # Not aiohttp's own `trust_env`: that would read ~/.netrc, too.
            proxy=self._proxy_for(self._settings.helicone.resolved_api_url),
        )


def route_rules(settings: Settings) -> RouteRules:
    """What holds for calls on the one route: whether our key goes with them."""
    key, route = settings.helicone.api_key, settings.routes.default
    if key is None or not (route.helicone or _is_trusted_with_key(route.url)):
        return RouteRules()
    return RouteRules(key_line=helicone.auth_line(key.text))


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


def _is_trusted_with_key(url: str) -> bool:
    """Whether the Helicone key may go to that upstream without anybody having said so."""
    host = urlsplit(url).hostname or ""
    return helicone.is_gateway_host(host) or guard.is_always_allowed(host)
