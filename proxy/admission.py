"""Which requests are let through to a gateway, as the relay asks for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from proxy import helicone
from proxy.guard import cors
from proxy.guard.decisions import Entry, Guard, says_key_as_subprotocol
from proxy.guard.origins import origin_of_url
from proxy.guard.tokens import Tokens
from proxy.relay import headers, refusals
from proxy.relay.messages import RequestHead
from proxy.relay.refusals import NoContent, Refusal
from proxy.relay.routes import Way, Ways
from proxy.routing import ResolvedRoute

_KEY_PLACES: Final = frozenset(headers.PROVIDER_KEY_NAMES)


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A provider's key of ours on one way up: its header line, with its end. `targets`: origins to which Helicone
    may be told to take calls with it.
    """

    line: bytes = field(repr=False)
    targets: frozenset[bytes]


class Admission:
    """The guard's decision, and what a route allows: see `relay.contract.Admit`.

    `provider_keys` are by the name of the way up. `page_headers`, in lower case: what pages of other origins may
    send besides what SDKs do. `has_helicone_key`: there is one of ours to put where a route has it.
    """

    def __init__(
        self,
        guard: Guard,
        ways: Ways,
        routes: Iterable[ResolvedRoute],
        provider_keys: Mapping[str, ProviderKey],
        *,
        page_headers: Iterable[bytes] = (),
        has_helicone_key: bool = False,
    ) -> None:
        self._guard = guard
        self._ways = ways
        routes = tuple(routes)
        self._post_only = frozenset(route.name for route in routes if route.post_only)
        self._lacks_key = {
            name: refusal
            for route in routes
            for name in route.way_names
            if (refusal := _why_no_key(route, name, has_helicone_key=has_helicone_key)) is not None
        }
        self._provider_keys = provider_keys
        self._page_headers = tuple(page_headers)
        self._is_route_asked = bool(self._post_only or provider_keys)

    def __call__(self, head: RequestHead, by_socket: bool) -> Refusal | NoContent | None:  # noqa: FBT001
        """Whether it may go on. Takes the token out of it, and puts the provider's key in."""
        entry = self._guard.check(head.method.decode("ascii"), head.fields, by_socket=by_socket)
        if isinstance(entry, Entry) and entry.is_preflight:
            return NoContent(_lines(cors.preflight_fields(entry.origin, head.fields, self._page_headers)))
        if self._guard.admits_pages:
            head.answer_lines = _lines(cors.answer_fields(self._guard.reader(head.fields)))
        known = self._guard.tokens
        if isinstance(entry, Refusal):
            if known is not None and known.may_be_in(head.path):
                _forget_target(head)
            return entry
        if known is not None and (refusal := self._take_token(head, entry, known)) is not None:
            return refusal
        made_room = bool(entry.token_places) and not _KEY_PLACES.isdisjoint(entry.token_places)
        # `OPTIONS *` asks about us, and goes no further.
        if head.path == b"*" or not (made_room or self._is_route_asked):
            return None
        way = self._ways.find(head)
        if made_room and way.name in self._lacks_key:
            return self._lacks_key[way.name]
        return self._on_its_way(head, way) if self._is_route_asked else None

    def _take_token(self, head: RequestHead, entry: Entry, known: Tokens) -> Refusal | None:
        """Take the token out of a request: it is for nobody else. Says why that cannot be."""
        for place in entry.token_places:
            # It stands in one line: two would have been no token together.
            head.kept = headers.without_line(head.kept, place, head.fields.pop(place))
        head.caller = entry.client
        head.is_unsaid = known.are_in
        # Nobody else's token goes up either. What is looked at is what goes up, names included.
        return _why_held(head, known) if known.are_in_any([head.target, *head.kept]) else None

    def _on_its_way(self, head: RequestHead, way: Way) -> Refusal | None:
        if way.name in self._post_only and head.method != b"POST":
            return refusals.post_only(head.method.decode("ascii"), str(way.upstream))
        key = self._provider_keys.get(way.name)
        # A key that an app sends itself is left alone. This is the one place where that is decided.
        if (
            key is None
            or not _KEY_PLACES.isdisjoint(head.fields)
            or (head.websocket and says_key_as_subprotocol(head.fields))
        ):
            return None
        for name, url in _targets_of(head):
            if origin_of_url(url) not in key.targets:
                return _target_not_allowed(name)
        head.added_lines = key.line
        return None


def provider_keys(routes: Iterable[ResolvedRoute], allowed_targets: Iterable[str]) -> dict[str, ProviderKey]:
    """The providers' keys of these routes, by the name of each way up."""
    allowed = [target.encode() for target in allowed_targets]
    found = {}
    for route in routes:
        if route.provider_key is None or route.provider_key_name is None:
            continue
        # Where the route itself says that its calls are to go is as good as listed.
        own = [
            url
            for each in route.headers
            for _, url in helicone.targets_of({each.name.lower().encode(): each.value.text.encode()})
        ]
        targets = frozenset(origin for url in (*allowed, *own) if (origin := origin_of_url(url)) is not None)
        key = route.provider_key.text.encode("ascii")
        found[route.name] = ProviderKey(_key_line(route.provider_key_name, key), targets)
        if route.realtime_url is not None:
            host = urlsplit(route.realtime_url).hostname or ""
            # Helicone's API server takes the key of a realtime session from nowhere else, whoever the provider is.
            name = helicone.AUTHORIZATION if helicone.is_gateway_host(host) else route.provider_key_name
            found[route.realtime_name] = ProviderKey(_key_line(name, key), targets)
    return found


def _key_line(name: bytes, key: bytes) -> bytes:
    scheme = b"Bearer " if name == helicone.AUTHORIZATION else b""
    return b"%b: %b%b\r\n" % (name.title(), scheme, key)


def _lines(fields: Iterable[cors.Field]) -> bytes:
    return b"".join([b"%b: %b\r\n" % each for each in fields])


def _targets_of(head: RequestHead) -> Iterator[tuple[bytes, bytes]]:
    """Where a request has Helicone take it: by which name, and the URL; b"" where none can be read."""
    if not helicone.TARGET_NAMES.isdisjoint(head.fields):
        yield from helicone.targets_of(head.fields)
    if head.websocket:
        yield from helicone.targets_in_query(head.target.partition(b"?")[2])


def _why_held(head: RequestHead, known: Tokens) -> Refusal:
    """Where a token stands that would go up."""
    if known.are_in(head.target):
        _forget_target(head)
        return _TOKEN_IN_URL
    lines = [line.partition(b":") for line in head.kept]
    names = [name for name, _, value in lines if known.are_in(value) and not known.are_in(name)]
    return _token_elsewhere(names[0] if names else b"")


def _forget_target(head: RequestHead) -> None:
    """Have nobody say what was asked for: a token stands in it."""
    head.target = head.path = b""


_TOKEN_IN_URL: Final = Refusal(
    400,
    "token_in_url",
    "A token of this sidecar stands in the URL, which would go to the gateway; nothing has been sent. Send it as "
    "the API key, or as Feedback-Proxy-Token.",
)


def _token_elsewhere(name: bytes) -> Refusal:
    where = f"the header {name.decode('ascii')}" if name else "the name of a header"
    return Refusal(
        400,
        "token_elsewhere",
        f"A token of this sidecar stands in {where}, which would go to the gateway; nothing has been sent. Send "
        "it as the API key, or as Feedback-Proxy-Token, and nowhere else.",
    )


def _why_no_key(route: ResolvedRoute, way_name: str, *, has_helicone_key: bool) -> Refusal | None:
    """Why a token in the place of a key cannot be replaced on that way of the route; None if it can."""
    needed = []
    if route.lacks_provider_key:
        whose = "the provider's"
        needed = [f"provider_key in [routes.{route.name}] (or provider_key_file)"]
    elif route.key_name != helicone.AUTHORIZATION:
        return None
    elif way_name != route.name:
        # Helicone's key goes in its own header with a session. The provider's has no setting on such a route.
        whose = "the provider's"
    else:
        whose = "the Helicone"
        if not has_helicone_key:
            needed = ["HELICONE_API_KEY ([helicone] api_key)"]
        if not route.may_have_key:
            needed.append(
                f"helicone = true in [routes.{route.name}] if that gateway is a Helicone of your own"
            )
        if not needed:
            return None
    advice = f"Set {' and '.join(needed)}, or send" if needed else "Send"
    return Refusal(
        503,
        "no_provider_key",
        f"The token of this sidecar stands where {whose} key goes, and there is none to put in its place. "
        f"{advice} {whose} key there and the token as Feedback-Proxy-Token.",
        # Asking again changes nothing. OpenAI's SDKs obey it.
        b"x-should-retry: false\r\n",
    )


def _target_not_allowed(name: bytes) -> Refusal:
    return Refusal(
        403,
        "target_not_allowed",
        f"{name.decode('ascii').title()} names a place to which the sidecar's provider key may not go; if it may, "
        "list its origin in [guard] allowed_targets.",
    )
