"""What is wrong with routes that are each fine by themselves, and what is worth saying of them."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from itertools import permutations
from urllib.parse import urlsplit

from proxy.config.places import Places
from proxy.config.problems import shown
from proxy.config.routes import DEFAULT, no_preset
from proxy.config.settings import Server, Settings
from proxy.guard.hosts import canonical_address, is_always_allowed, is_loopback, is_unspecified
from proxy.helicone import AUTHORIZATION, hands_authorization_on, is_european, is_gateway_host
from proxy.outbound import host_of, is_trusted_with_key, named_proxy
from proxy.presets import PRESETS
from proxy.routing import ResolvedRoute, preset_of, resolve

LOCAL_PATH = "/feedback"
"""Where the sidecar's own application is; no route can have a path there."""

_USUAL_PATHS = ("/v1", "/v1beta", "/openai")
"""What apps ask the default gateway for."""

# --- problems -----------------------------------------------------------------------------------------------


def route_problems(settings: Settings, names: Mapping[str, str], lost: set[str]) -> Iterator[str]:
    """Say which routes cannot be. `names`: what each given key is called by its source; `lost`: keys whose values
    were refused, of which nothing more is said.
    """
    where = Places(names)
    for name, given in settings.routes.items():
        key = f"routes.{name}"
        if lost & {f"{key}.url", f"{key}.preset"}:
            continue
        if given.url is None and preset_of(name, given) is None:
            yield f"{where.of(name)}: needs a url, or the name of a preset; {no_preset(name)}"
        if name == DEFAULT and given.path is not None:
            yield f"{names[f'{key}.path']}: has no effect: the route named {DEFAULT} takes what no other does"
    routes = resolve(settings)
    yield from _wrong_paths(routes, where)
    for route in routes:
        yield from _without_effect(route, settings, where)
        yield from _wrong_urls(route, settings, where)


def _wrong_paths(routes: tuple[ResolvedRoute, ...], where: Places) -> Iterator[str]:
    taken: dict[str, str] = {}
    for route in routes:
        place = where.of(route.name, "path")
        if _is_below(route.path, LOCAL_PATH):
            yield f"{place}: the path {LOCAL_PATH} is the sidecar's own; choose another"
        elif route.path in taken:
            yield f"{place}: has the path of the route {shown(taken[route.path])}; choose another"
        taken.setdefault(route.path, route.name)


def _without_effect(route: ResolvedRoute, settings: Settings, where: Places) -> Iterator[str]:
    given = settings.routes[route.name]
    if given.helicone is not None and all(
        is_trusted_with_key(url) for url in (route.url, given.realtime_url or route.url)
    ):
        yield f"{where.of(route.name, 'helicone')}: has no effect: the Helicone key may go to that host anyway"
    elif given.helicone and route.key_name is None:
        yield f"{where.of(route.name, 'helicone')}: has no effect beside helicone_key: no key is to go there"
    if route.key_name == AUTHORIZATION and hands_authorization_on(host_of(route.url)):
        yield (
            f"{where.of(route.name, 'helicone_key', 'url', 'preset')}: the Helicone key would stand in "
            "Authorization, which that gateway hands on to the provider; only the AI gateway takes it "
            "there"
        )


def _wrong_urls(route: ResolvedRoute, settings: Settings, where: Places) -> Iterator[str]:
    for setting, url in (
        ("url", route.url),
        ("realtime_url", route.realtime_url),
        ("api_url", route.api_url),
    ):
        # What follows from the route's own URL is told once.
        is_given = setting == "url" or getattr(settings.routes[route.name], setting) is not None
        if url is not None and is_given and (why := why_no_upstream(url, settings.server)) is not None:
            yield f"{where.of(route.name, setting)}: {why}"


def why_no_upstream(url: str, server: Server) -> str | None:
    """Why nothing can be sent there, although it is a URL; None if it can."""
    if urlsplit(url).scheme == "http" and is_gateway_host(host_of(url)):
        return "must begin with https:// there, or keys would go in clear text"
    if is_own_address(url, server.host, server.port):
        return "is the sidecar's own address; it must lead to Helicone"
    return None


def is_own_address(url: str, addresses: Iterable[str], own_port: int) -> bool:
    """Whether a connection there comes to a socket at one of these addresses and that port, as far as can be told
    without asking for names."""
    parts, host = urlsplit(url), host_of(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port != own_port:
        return False
    ours = {address.partition("%")[0] for address in addresses}
    if canonical_address(host) is None:
        return is_always_allowed(host) and any(is_loopback(each) or is_unspecified(each) for each in ours)
    version = ip_address(host).version
    if is_unspecified(host):
        # To connect there is to connect to loopback.
        return any(ip_address(each).version == version and is_loopback(each) for each in ours) or host in ours
    everywhere = {4: "0.0.0.0", 6: "::"}[version]  # noqa: S104  # compared, not bound
    return host in ours or (is_loopback(host) and everywhere in ours)


def _is_below(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/")


# --- advice -------------------------------------------------------------------------------------------------


def route_advice(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """What is worth saying of routes that can be used: most likely something else was meant."""
    routes = resolve(settings)
    for route in routes:
        yield from _about_key(route, settings)
        yield from _about_sessions(route)
        yield from _about_preset(route, settings)
        if is_gateway_host(host_of(route.url)) and urlsplit(route.url).path.endswith("/v1"):
            said = "The gateway's URL ends in /v1, and so does an app's base URL: calls will go to /v1/v1."
            yield said if route.name == DEFAULT else f"[routes.{route.name}] {said}"
    yield from _about_paths(routes)
    if not settings.upstream.trust_env:
        yield from _about_proxies(routes, environ)


def _about_key(route: ResolvedRoute, settings: Settings) -> Iterator[str]:
    host = host_of(route.url)
    if route.key_name is None or is_gateway_host(host):
        return
    if not route.may_have_key:
        yield (
            f"{host} is no host of Helicone's, so it gets no Helicone key but the app's own. If it is a Helicone "
            f"gateway of your own, set helicone = true in [routes.{route.name}]; if it is not, Helicone has none "
            "of its calls, and their ratings get nowhere."
        )
    elif route.preset is None and route.api_url is None and settings.helicone.api_url is None:
        yield (
            f"Ratings of calls to {host} go to {settings.helicone.resolved_api_url}. If that gateway has an API "
            f"of its own, set api_url in [routes.{route.name}]."
        )


def _about_sessions(route: ResolvedRoute) -> Iterator[str]:
    if route.realtime_url is None or route.key_name is None or route.realtime_may_have_key:
        return
    host = host_of(route.realtime_url)
    if is_trusted_with_key(route.url):
        what = f". If that is a Helicone of your own, set helicone = true in [routes.{route.name}]."
    elif route.may_have_key:
        what = ": helicone = true is about the host and the scheme of its url."
    elif host == host_of(route.url):
        return
    else:
        what = "."
    yield f"Realtime sessions on the route {route.name} go to {host} without the Helicone key{what}"


def _about_preset(route: ResolvedRoute, settings: Settings) -> Iterator[str]:
    if route.preset is None:
        return
    preset, added = PRESETS[route.preset], {each.name.lower() for each in route.headers}
    if preset.needs is not None and preset.needs.lower() not in added:
        yield (
            f"Calls on the route {route.name} need {preset.needs}: the app sends it, or "
            f"[routes.{route.name}] headers adds it."
        )
    key = settings.helicone.own_key
    if preset.for_europe and key is not None and not is_european(key):
        yield (
            f"The route {route.name} is for Europe, and the Helicone key is not: its calls are most likely not "
            "logged there."
        )


def _about_paths(routes: tuple[ResolvedRoute, ...]) -> Iterator[str]:
    own = [route for route in routes if route.path]
    for inner, outer in permutations(own, 2):
        if inner.path != outer.path and _is_below(inner.path, outer.path):
            yield f"Calls below {inner.path} go to {inner.name}, and not to {outer.name}, which has {outer.path}."
    for route in own:
        if any(_is_below(route.path, path) for path in _USUAL_PATHS):
            yield (
                f"Calls below {route.path} go to {route.name}: apps that mean the default gateway ask for such "
                "paths, too."
            )


def _about_proxies(routes: tuple[ResolvedRoute, ...], environ: Mapping[str, str]) -> Iterator[str]:
    unused = {
        host_of(url): proxy for route in routes for url in route.urls if (proxy := named_proxy(url, environ))
    }
    if unused:
        (name,) = {proxy.name for proxy in unused.values()}
        yield (
            f"{name} is set, and is not used: calls go to {', '.join(unused)} directly. If they have to go "
            "through that proxy, set trust_env = true in [upstream]."
        )
