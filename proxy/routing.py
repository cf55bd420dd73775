"""The routes as they hold: settings, presets and what follows from both, put together once. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy import helicone
from proxy.config.kinds import Secret
from proxy.config.routes import DEFAULT, Header, Route
from proxy.config.settings import Helicone, Settings
from proxy.outbound import host_of, is_trusted_with_key
from proxy.presets import PRESETS, USUAL, Preset, Realtime


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """One way up. `path` is empty for the default one.

    `realtime_url`: where WebSocket handshakes at exactly `realtime_path` go, if not the way of all calls.
    `api_url`: the API for the ratings of its calls; None for the usual one. `preset`: its name, where it is one.
    `key_name`: the header for Helicone's key, None if that is never to go. `may_have_key`,
    `realtime_may_have_key`, `api_may_have_key`: whether our own may go to each of the URLs. `provider_key` goes
    onto calls that come without one, in the header `provider_key_name`; None where no such key has a place.
    """

    name: str
    path: str
    url: str
    preset: str | None = None
    realtime_url: str | None = None
    api_url: str | None = None
    key_name: bytes | None = helicone.AUTH
    may_have_key: bool = False
    realtime_may_have_key: bool = False
    api_may_have_key: bool = True
    headers: tuple[Header, ...] = ()
    post_only: bool = False
    identity: bool = False
    passes_raw: bool = True
    ignores_ids: bool = False
    provider_key: Secret | None = None
    provider_key_name: bytes | None = helicone.AUTHORIZATION

    @property
    def realtime_name(self) -> str:
        """The name of the way of its realtime sessions. No route has such a name."""
        return f"{self.name} realtime"

    @property
    def way_names(self) -> tuple[str, ...]:
        """The names of all its ways up."""
        return (self.name,) if self.realtime_url is None else (self.name, self.realtime_name)

    @property
    def lacks_provider_key(self) -> bool:
        """Whether an app has to send the provider's key itself."""
        return self.provider_key is None and self.provider_key_name is not None

    @property
    def shown_path(self) -> str:
        """Its path for people."""
        return self.path or "/"

    @property
    def realtime_path(self) -> str:
        """Where SDKs open a realtime session."""
        return f"{self.path}/v1/realtime"

    @property
    def urls(self) -> tuple[str, ...]:
        """Everywhere that it leads to."""
        return (self.url,) if self.realtime_url is None else (self.url, self.realtime_url)


def resolve(settings: Settings) -> tuple[ResolvedRoute, ...]:
    """Every route, the default one first. One that leads nowhere is left out: `load_settings` has refused it."""
    return tuple(
        route
        for name, given in settings.routes.items()
        if (route := _resolved(name, given, settings.helicone)) is not None
    )


def everywhere(settings: Settings) -> tuple[str, ...]:
    """Every gateway that calls may go to, and every API that ratings may."""
    routes = resolve(settings)
    own_apis = (route.api_url for route in routes if route.api_url is not None)
    gateways = (url for route in routes for url in route.urls)
    return tuple(dict.fromkeys((*gateways, *settings.helicone.api_urls, *own_apis)))


def preset_of(name: str, route: Route) -> str | None:
    """The preset of a route: the one that it names, else the one it is named after, or whose URL it has."""
    if route.preset is not None:
        return route.preset
    if name in PRESETS:
        return name
    if route.url is not None:
        return next((each for each in PRESETS if _is_at(route.url, PRESETS[each].url)), None)
    return USUAL if name == DEFAULT else None


def _resolved(name: str, route: Route, vendor: Helicone) -> ResolvedRoute | None:
    preset_name = preset_of(name, route)
    if preset_name is not None:
        preset = PRESETS[preset_name]
    elif route.url is not None:
        preset = Preset(route.url, passes_raw=True)
    else:
        return None
    url = route.url or preset.url
    api_url = route.api_url or (origin_of(url) if preset.api_is_here else None)
    # Without a key of ours it is the gateway that says which region its calls are of.
    usual = helicone.EU_API_URL if preset.for_europe else helicone.api_url_for(vendor.own_key)
    realtime_url = route.realtime_url or _realtime_url(preset, url, _api_beside(url, route, vendor, usual))
    may_have_key, realtime_may_have_key = _who_may_have_key(route, url, realtime_url)
    return ResolvedRoute(
        name=name,
        path="" if name == DEFAULT else route.path or f"/{name}",
        url=url,
        preset=preset_name,
        realtime_url=realtime_url,
        api_url=api_url,
        key_name=_key_name(route, preset),
        may_have_key=may_have_key,
        realtime_may_have_key=realtime_may_have_key,
        # An API that was given is where our key is meant to go; one that is derived is as good as its gateway.
        api_may_have_key=api_url is None or route.api_url is not None or may_have_key,
        headers=route.headers or (),
        post_only=preset.post_only,
        identity=preset.identity,
        passes_raw=preset.passes_raw,
        ignores_ids=preset.ignores_ids,
        provider_key=route.provider_key,
        provider_key_name=_provider_key_name(route, preset),
    )


def _key_name(route: Route, preset: Preset) -> bytes | None:
    if route.helicone_key is None:
        return preset.key_name
    name = route.helicone_key.encode()
    return name if name in (helicone.AUTH, helicone.AUTHORIZATION) else None


def _provider_key_name(route: Route, preset: Preset) -> bytes | None:
    name = (
        preset.provider_key_name if route.provider_key_header is None else route.provider_key_header.encode()
    )
    # Helicone's own key stands there then.
    return None if name == _key_name(route, preset) else name


def _who_may_have_key(route: Route, url: str, realtime_url: str | None) -> tuple[bool, bool]:
    """Whether our key may go to either URL.

    The mark is on the host of the route's own URL; where that needs none, on the host of a realtime URL that was
    given. It holds for the scheme that it was put on: what is encrypted there leaves nowhere in clear text.
    """
    is_trusted = is_trusted_with_key(url)
    marked = route.realtime_url if is_trusted and route.realtime_url is not None else url

    def may(wanted: str) -> bool:
        return is_trusted_with_key(wanted) or (route.helicone is True and _site(wanted) == _site(marked))

    return may(url), realtime_url is not None and may(realtime_url)


def _site(url: str) -> tuple[str, str]:
    return urlsplit(url).scheme.lower(), host_of(url)


def _is_at(url: str, other: str) -> bool:
    """Whether two URLs mean one place."""
    return _site(url) == _site(other) and _port_and_path(url) == _port_and_path(other)


def _port_and_path(url: str) -> tuple[int, str]:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/")


def _api_beside(url: str, route: Route, vendor: Helicone, usual: str) -> str | None:
    """The API that is of one house with a gateway: Helicone's has Helicone's, and one of your own has your own."""
    is_cloud, given = helicone.is_gateway_host(host_of(url)), route.api_url or vendor.api_url
    if given is not None and helicone.is_gateway_host(host_of(given)) == is_cloud:
        return given
    return usual if is_cloud else None


def _realtime_url(preset: Preset, url: str, api_url: str | None) -> str | None:
    match preset.realtime:
        case Realtime.API:
            is_here = _is_at(url, preset.url) or not helicone.is_gateway_host(host_of(url))
            return None if api_url is None or not is_here else api_url + Realtime.API.value
        case Realtime.BESIDE:
            return url + Realtime.BESIDE.value
        case Realtime.NOWHERE:
            return None


def origin_of(url: str) -> str:
    """Where a URL leads, without its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
