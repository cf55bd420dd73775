"""What is wrong with who may come in and what they may spend: addresses, tokens, providers' keys, all together."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from proxy.config.places import Places
from proxy.config.settings import Settings
from proxy.guard.hosts import is_always_allowed, is_loopback, is_unspecified
from proxy.outbound import host_of
from proxy.presets import PRESETS
from proxy.routing import ResolvedRoute, resolve

_ALL: Final = "guard.dangerously_bind_all_interfaces"
_TOKENS: Final = ("guard.token", "guard.token_file", "guard.tokens")

# --- problems -----------------------------------------------------------------------------------------------


def guard_problems(settings: Settings, names: Mapping[str, str], lost: set[str]) -> Iterator[str]:
    """Say what cannot be. `names` and `lost` are as for `route_problems`."""
    yield from _about_listening(settings, names, lost)
    yield from _about_tokens(settings, names)
    places = Places(names)
    routes = resolve(settings)
    for route in routes:
        yield from _about_provider_key(route, settings, places, lost)
    # One that goes nowhere yet is no resolved route, and has its own sentence.
    if settings.guard.allowed_targets and not any(route.provider_key for route in settings.routes.values()):
        has_lost = any(each.endswith((".provider_key", ".provider_key_file")) for each in lost)
        if not has_lost:
            yield f"{names['guard.allowed_targets']}: has no effect: no route has a provider_key"


def _about_listening(settings: Settings, names: Mapping[str, str], lost: set[str]) -> Iterator[str]:
    server, guard, inject = settings.server, settings.guard, settings.inject
    if "server.host" in lost:
        return
    place = names.get("server.host", "server.host")
    if not server.host and server.unix_socket is None and "server.unix_socket" not in lost:
        yield f"{place}: must name at least one address, unless server.unix_socket names a Unix socket"
    before_app = () if inject.upstream is None or "inject.host" in lost else inject.host
    yield from _about_addresses("server.host", server.host, settings, names, lost)
    yield from _about_addresses("inject.host", before_app, settings, names, lost)
    is_everywhere = any(map(is_unspecified, (*server.host, *before_app)))
    if guard.dangerously_bind_all_interfaces and not is_everywhere:
        yield f"{names[_ALL]}: has no effect: server.host names neither 0.0.0.0 nor ::"


def _about_addresses(
    key: str, addresses: tuple[str, ...], settings: Settings, names: Mapping[str, str], lost: set[str]
) -> Iterator[str]:
    """Say what addresses need that other machines may reach."""
    guard, place = settings.guard, names.get(key, key)
    needs_token = not all(map(is_loopback, addresses))
    if needs_token and not guard.named_tokens and lost.isdisjoint(_TOKENS):
        yield (
            f"{place}: names an address that other machines may reach, which needs a token: set guard.token "
            "(HELICONE_PROXY_GUARD__TOKEN), guard.token_file or guard.tokens, or listen on localhost"
        )
    is_everywhere = any(map(is_unspecified, addresses))
    if is_everywhere and not guard.dangerously_bind_all_interfaces and _ALL not in lost:
        yield (
            f"{place}: names all addresses of this machine (0.0.0.0 or ::), in every network that it is in; if "
            f"that is meant, as in a container, set {_ALL} = true"
        )


def _about_tokens(settings: Settings, names: Mapping[str, str]) -> Iterator[str]:
    guard = settings.guard
    keys = {settings.helicone.own_key: "helicone.api_key"}
    for name, route in settings.routes.items():
        if route.provider_key is not None:
            keys[route.provider_key.text] = f"routes.{name}.provider_key"
    if guard.token is not None and guard.token in [each.token for each in guard.tokens or ()]:
        yield f"{names['guard.token']}: is one of guard.tokens, too; give each a token of its own"
    if guard.token is not None and guard.token.text in keys:
        yield (
            f"{names['guard.token']}: is the key in {keys[guard.token.text]}, which no app should hold; make a "
            "new one"
        )
    for each in guard.tokens or ():
        if each.token.text in keys:
            yield (
                f"{names['guard.tokens']}: that of {each.name} is the key in {keys[each.token.text]}, which no "
                "app should hold; make a new one"
            )


def _about_provider_key(
    route: ResolvedRoute, settings: Settings, places: Places, lost: set[str]
) -> Iterator[str]:
    given, key = settings.routes[route.name], f"routes.{route.name}"
    has_key = given.provider_key is not None
    if route.provider_key_name is None:
        if given.provider_key_header is not None:
            yield (
                f"{places.of(route.name, 'provider_key_header')}: is where the Helicone key goes there; choose "
                "another header"
            )
        elif has_key:
            yield f"{places.of(route.name, 'provider_key')}: has no effect: {_why_no_place(route)}"
    elif (
        given.provider_key_header is not None
        and not has_key
        and lost.isdisjoint({f"{key}.provider_key", f"{key}.provider_key_file"})
    ):
        yield f"{places.of(route.name, 'provider_key_header')}: has no effect without provider_key"


def _why_no_place(route: ResolvedRoute) -> str:
    if route.preset is None or PRESETS[route.preset].provider_key_name is not None:
        return (
            "the Helicone key goes there in that header; say in provider_key_header where the provider's goes"
        )
    return (
        f"calls on the preset {route.preset} carry no provider's key in a header of its own; if yours do, say in "
        "provider_key_header in which"
    )


# --- advice -------------------------------------------------------------------------------------------------


def guard_advice(settings: Settings) -> Iterator[str]:
    """What is worth saying of settings that can be used: most likely something else was meant."""
    every = resolve(settings)
    routes = [route for route in every if route.provider_key is not None]
    if routes and settings.server.host and not settings.guard.named_tokens:
        listed = ", ".join(route.name for route in routes)
        yield (
            f"Any program on this machine can spend the provider's key of the route {listed}: set guard.token, "
            "and have apps send that as their API key. SDKs need it anyway: a placeholder in its place counts "
            "as a key of the app's own, and goes to the provider."
        )
    yield from _about_hosts(settings, every)
    yield from _about_clear_text(settings, every)
    for route in routes:
        for url in route.urls:
            host = host_of(url)
            if urlsplit(url).scheme == "http" and not is_always_allowed(host):
                yield (
                    f"The provider's key of the route {route.name} goes to {host} in clear text: use https:// "
                    "there."
                )
    for origin in settings.guard.allowed_origins:
        host = host_of(origin)
        if origin.startswith("http://") and not is_always_allowed(host):
            yield (
                f"Pages of {origin} come in clear text: whoever can change them on their way can call this "
                "sidecar. Serve them over https://."
            )


def _about_hosts(settings: Settings, routes: tuple[ResolvedRoute, ...]) -> Iterator[str]:
    listed = settings.guard.allowed_hosts
    for host in filter(is_always_allowed, listed):
        yield f"guard.allowed_hosts need not list {host}: this machine's own names are always allowed."
    others = [host for host in listed if not is_always_allowed(host)]
    before_app = settings.inject.host if settings.inject.upstream is not None else ()
    if not others and any(map(is_unspecified, (*settings.server.host, *before_app))):
        yield (
            "The sidecar listens on all addresses, and answers only to localhost until guard.allowed_hosts lists "
            "more names or addresses."
        )
    is_ours = settings.helicone.own_key is not None and any(_has_key_of_ours(route) for route in routes)
    has_key = is_ours or any(route.provider_key is not None for route in routes)
    if others and has_key and settings.server.host and not settings.guard.named_tokens:
        yield (
            f"Calls to {', '.join(others)} get keys of this sidecar's. Over plain http browsers do not say there "
            "that a page asks (no Sec-Fetch headers), so a page's blind GET looks like a program's: set "
            "guard.token."
        )


def _has_key_of_ours(route: ResolvedRoute) -> bool:
    return route.key_name is not None and (route.may_have_key or route.realtime_may_have_key)


def _about_clear_text(settings: Settings, routes: tuple[ResolvedRoute, ...]) -> Iterator[str]:
    """Where the Helicone key goes unencrypted, to a host that is not this machine."""
    if settings.helicone.own_key is None:
        return
    urls = [settings.helicone.resolved_api_url]
    for route in routes:
        if route.key_name is not None and route.may_have_key:
            urls.append(route.url)
        if route.key_name is not None and route.realtime_url is not None and route.realtime_may_have_key:
            urls.append(route.realtime_url)
        if route.api_url is not None and route.api_may_have_key:
            urls.append(route.api_url)
    hosts = [host_of(url) for url in urls if urlsplit(url).scheme == "http"]
    for host in dict.fromkeys(hosts):
        if not is_always_allowed(host):
            yield f"The Helicone key goes to {host} in clear text: use https:// there."
