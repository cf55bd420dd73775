"""What holds on one way up, besides where it leads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy import helicone
from proxy.routing import ResolvedRoute

NO_KEY: Final = (
    "No Helicone key went with it, neither the app's nor one of the sidecar's, so Helicone has not logged it. Set "
    "HELICONE_API_KEY for the calls to come."
)
_NOT_THERE: Final = (
    "No Helicone key went with it: the app sent none, and the sidecar's may not go to that gateway. If it is a "
    "Helicone of your own, set helicone = true in the route's table."
)
_NO_PLACE: Final = (
    "No Helicone key went with it: the app sent none, and helicone_key of its route says that the sidecar's is "
    "not to go there."
)
UNREADABLE_KEY: Final = (
    "Its Helicone-Auth holds no key after Bearer, so Helicone has not logged it. Have the app send it as Bearer "
    "and the key, or not at all."
)
"""Why no key went with a call, as a sentence."""

_IDENTITY: Final = ((b"accept-encoding", b"Accept-Encoding: identity\r\n"),)


@dataclass(frozen=True, slots=True)
class RouteRules:
    """What calls on one way get on their way up, in places that Helicone reads.

    `route`: the name of the route, as people know it. `key_name`: the header in which Helicone's key goes there,
    and `key_line` its line with our key; None where that may not go, or where there is none: `why_keyless`.
    `added`: lines for calls that come without such a header. `instead`: lines that go up whatever the app sent.
    Names are in lower case, and lines have their ends. `passes_raw`: whether Helicone hands audio and files on
    unread there. `ignores_ids`: calls get ids of its own there, whatever is sent along.
    `api_url`: the API that ratings of these calls go to; None for the usual one. `user`, `session` and
    `properties` are what the added lines say of a call that says nothing of it; names of properties are in lower
    case.
    """

    route: str = "default"
    key_name: bytes = helicone.AUTH
    key_line: bytes | None = field(default=None, repr=False)
    why_keyless: str = NO_KEY
    added: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    instead: tuple[tuple[bytes, bytes], ...] = ()
    passes_raw: bool = True
    ignores_ids: bool = False
    api_url: str | None = None
    user: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)


def all_rules(routes: Iterable[ResolvedRoute], key: str | None) -> dict[str, RouteRules]:
    """What holds on every way up, by its name. `key`: Helicone's, if one is configured."""
    rules = {}
    for route in routes:
        rules[route.name] = rules_of(route, key)
        if route.realtime_url is not None:
            rules[route.realtime_name] = rules_of(route, key, realtime=True)
    return rules


def rules_of(route: ResolvedRoute, key: str | None, *, realtime: bool = False) -> RouteRules:
    """What holds on a route for calls, or for its realtime sessions, with the key that is configured."""
    may_have_key = route.realtime_may_have_key if realtime else route.may_have_key
    # The API's server hands on what stands in Authorization: there it is always the provider's.
    key_name = helicone.AUTH if realtime and route.key_name is not None else route.key_name
    # A session has no body to be encoded.
    instead = _IDENTITY if route.identity and not realtime else ()
    added = [(each.name.lower().encode(), each.name, each.value.text) for each in route.headers]
    said = {name: value for name, _, value in added}
    prefix = helicone.PROPERTY_PREFIX
    return RouteRules(
        route=route.name,
        key_name=key_name or helicone.AUTH,
        key_line=helicone.auth_line(key, key_name) if key and key_name and may_have_key else None,
        why_keyless=_why_keyless(key, key_name, may_have_key=may_have_key),
        added=tuple(
            (lower, f"{name}: {value}\r\n".encode())
            for lower, name, value in added
            if lower not in dict(instead)
        ),
        instead=instead,
        passes_raw=route.passes_raw,
        ignores_ids=route.ignores_ids,
        api_url=route.api_url,
        user=said.get(helicone.USER_ID),
        session=said.get(helicone.SESSION_ID),
        properties={
            name.removeprefix(prefix).decode(): value
            for name, value in said.items()
            if name.startswith(prefix)
        },
    )


def _why_keyless(key: str | None, key_name: bytes | None, *, may_have_key: bool) -> str:
    if key_name is None:
        return _NO_PLACE
    return NO_KEY if key is None or may_have_key else _NOT_THERE
