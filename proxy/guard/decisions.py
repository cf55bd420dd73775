"""Decides which requests may go on.

A web page can send requests to localhost, and DNS rebinding gives it an origin of its own here: the name it
came from then stands in `Host`, and nowhere else. So `Host` is checked first, on every route; `Origin` and
`Sec-Fetch-*` tell pages of other origins apart from people, scripts and our own page; then comes the token.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.guard.hosts import (
    canonical_address,
    canonical_host,
    is_always_allowed,
    is_mapped,
    is_unspecified,
    listed_host,
)
from proxy.guard.origins import canonical_origin, is_own_origin
from proxy.guard.tokens import Tokens, is_one_said
from proxy.relay.refusals import Refusal

_REMEMBERED_HOSTS: Final = 1024
"""Ports and `*.localhost` make allowed values endless, and a page may choose them."""

_SHOWN_CHARACTERS: Final = 80
"""How much of a refused name goes into a sentence."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})
_ASKED_MODES: Final = frozenset({b"cors", b"same-origin"})
"""Modes of a script's requests, which a browser sends to another origin only after it has asked us. `navigate`,
`no-cors` and what is yet to be invented need not ask."""

_HOST_MISSING: Final = Refusal(400, "host_missing", "The request names no Host, which HTTP/1.1 demands.")
_HOST_MALFORMED: Final = Refusal(
    400, "host_malformed", "The Host must be one name, IPv4 address or [IPv6 address], with an optional port."
)
_FOREIGN_SITE: Final = Refusal(
    403,
    "cross_site",
    "A browser sent this for a page of another site or port without saying which; a page whose origin is listed "
    "in [guard] allowed_origins may use fetch().",
)
_UNASKED: Final = Refusal(
    403,
    "browser_navigation",
    "A browser may only read this way; send changes with fetch(), from the sidecar's own page or from one whose "
    "origin is listed in [guard] allowed_origins.",
)
_NO_PAGES: Final = Refusal(
    403,
    "browser_navigation",
    "A browser may not open or load what a gateway answers here: it would run as the sidecar's own page. Call it "
    "with fetch(), or open the gateway by its own address.",
)
_SCRIPT: Final = b"script"
_DATA: Final = frozenset({b"empty", b"websocket"})
"""Destinations of what a page's script reads. With all others the browser itself makes something of the answer."""

_SUBPROTOCOLS: Final = b"sec-websocket-protocol"
_KEY_AS_SUBPROTOCOL: Final = b"openai-insecure-api-key."
"""How OpenAI's realtime SDK says a key in a browser, where a handshake can have no header of its own."""

_CHALLENGE: Final = b'WWW-Authenticate: Bearer realm="helicone-feedback-proxy"\r\n'
_WHOSE: Final = "[guard] token, or one of [guard.tokens]"
_MISSING: Final = (
    "No token was sent. Send it as `Authorization: Bearer <token>` (apps: as their API key), or as "
    f"Feedback-Proxy-Token ({_WHOSE})."
)
_UNKNOWN: Final = (
    "What was sent as the API key is no token of this sidecar. Send the token in its place, or besides it as "
    f"Feedback-Proxy-Token ({_WHOSE})."
)
_IN_A_BROWSER: Final = " In a browser, open /feedback?token= once, with the token behind it."
_TOKEN_MISSING: Final = Refusal(401, "token_missing", _MISSING, _CHALLENGE)
_TOKEN_MISSING_LOCALLY: Final = Refusal(401, "token_missing", _MISSING + _IN_A_BROWSER, _CHALLENGE)
_TOKEN_UNKNOWN: Final = Refusal(401, "token_unknown", _UNKNOWN, _CHALLENGE)
_TOKEN_UNKNOWN_LOCALLY: Final = Refusal(401, "token_unknown", _UNKNOWN + _IN_A_BROWSER, _CHALLENGE)
_TOKEN_AS_SUBPROTOCOL: Final = Refusal(
    401,
    "token_missing",
    "A page's WebSocket has no place for this sidecar's token: what it says as its API key goes to the gateway. "
    f"Connect from a server, with the token as `Authorization: Bearer <token>` ({_WHOSE}).",
    _CHALLENGE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a request that may go on.

    `client`: the name of the token that it came with; "" where it has none. `token_places`: the headers, in lower
    case, in which that stands, or another one of ours: they are for nobody else. `origin`: that of a page that is
    not ours and may read the answer; b"" for none. `is_preflight`: the browser asks on that page's behalf
    what it may send; nothing else is wanted.
    """

    client: str = ""
    token_places: tuple[bytes, ...] = ()
    origin: bytes = b""
    is_preflight: bool = False

    def __repr__(self) -> str:
        return f"<Entry of {self.client or 'anyone'}>"


ANYONE: Final = Entry()


class Guard:
    """Decides whether a request may go on.

    `bound_addresses` are IP literals (anything else is passed over); `allowed_hosts` are names or IP literals;
    `allowed_origins` are origins. Without `tokens` nobody needs one. Raises ValueError for an allowed host or
    origin that is malformed.
    """

    def __init__(
        self,
        *,
        bound_addresses: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        tokens: Tokens | None = None,
    ) -> None:
        bound = (canonical_address(address) for address in bound_addresses)
        listed = {host for host in bound if host is not None}.union(map(listed_host, allowed_hosts))
        self._listed = frozenset(host for host in listed if not is_unspecified(host) and not is_mapped(host))
        self._known_values: set[bytes] = set()
        self._origins = frozenset(map(_listed_origin, allowed_origins))
        self.admits_pages = bool(self._origins)
        """Whether pages of other origins may be let in, so that answers depend on who asks."""
        self.tokens = tokens

    def check(
        self,
        method: str,
        fields: Mapping[bytes, bytes],
        *,
        by_socket: bool = False,
        local: bool = False,
        session: Callable[[], str] = str,
    ) -> Entry | Refusal:
        """Say what is known of the request if it may go on, else why it may not.

        `fields` maps lower-case header names to values; repeated lines are joined by `, `, so a second `Host`
        or `Origin` is malformed. For an absolute-form target its authority stands under `host` (RFC 9112
        §3.2.2). `by_socket`: it came through a Unix socket, which no page reaches under any name. `local`: we
        answer it ourselves, and no gateway does. `session` gives that of a browser, where one counts, and is
        asked last.
        """
        host = fields.get(b"host")
        if host is None:
            return _HOST_MISSING
        if host not in self._known_values and (refusal := self._learn(host, by_socket=by_socket)) is not None:
            return refusal
        origin = b""
        if is_browser(fields):
            found = self._check_browser(method, host, fields, local=local)
            if isinstance(found, Refusal):
                return found
            origin = found
            if origin and method == "OPTIONS" and b"access-control-request-method" in fields:
                return Entry(origin=origin, is_preflight=True)
        if self.tokens is None:
            return Entry(origin=origin) if origin else ANYONE
        presented = self.tokens.find(fields)
        if presented is not None:
            return Entry(presented.name, presented.places, origin)
        # A session is for our own pages. Behind a TLS proxy they have a listed origin, and the browser vouches.
        is_own = not origin or is_same_origin(fields)
        name = self.tokens.name_of_session(said) if is_own and (said := session()) else None
        return _without_token(fields, local=local) if name is None else Entry(name, origin=origin)

    def check_script(
        self, method: str, fields: Mapping[bytes, bytes], *, by_socket: bool = False
    ) -> Entry | Refusal:
        """The same for the one script of ours that every page may load, by GET or HEAD.

        It holds no secret, so no token is asked for. A page of another site gets it as its `<script>` and in no
        other way; as a module, or with `crossorigin`, where its origin is allowed. The Host is checked as ever.
        """
        host = fields.get(b"host", b"")
        if host not in self._known_values and (refusal := self._learn(host, by_socket=by_socket)) is not None:
            return refusal
        if not is_browser(fields) or _is_plain_script(fields):
            return ANYONE
        origin = self._check_browser(method, host, fields, local=True)
        return origin if isinstance(origin, Refusal) else Entry(origin=origin)

    def check_host(self, fields: Mapping[bytes, bytes], *, by_socket: bool = False) -> Refusal | None:
        """Why nobody may call by the name in Host, where it is none of ours. Others ask the rest there."""
        host = fields.get(b"host")
        if host is None:
            return _HOST_MISSING
        return None if host in self._known_values else self._learn(host, by_socket=by_socket)

    def reader(self, fields: Mapping[bytes, bytes]) -> bytes:
        """The origin of the page, not ours, that may read what this request is answered; b"" for none."""
        origin = fields.get(b"origin")
        if origin is None or not self._origins:
            return b""
        return origin if canonical_origin(origin) in self._origins else b""

    def _learn(self, value: bytes, *, by_socket: bool) -> Refusal | None:
        if not value:
            return _HOST_MISSING
        host = canonical_host(value)
        if host is None:
            return _HOST_MALFORMED
        if by_socket:
            return None
        if host not in self._listed and (is_mapped(host) or not is_always_allowed(host)):
            return _host_not_allowed(host)
        # Refused values are not kept: they would push out the few that every call carries.
        if len(self._known_values) >= _REMEMBERED_HOSTS:
            self._known_values.clear()
        self._known_values.add(value)
        return None

    def _check_browser(
        self, method: str, host: bytes, fields: Mapping[bytes, bytes], *, local: bool
    ) -> bytes | Refusal:
        """The page's origin where it is another one that is allowed, b"" where it is our own, or why not."""
        origin = fields.get(b"origin")
        reader = b""
        if origin is not None and not is_own_origin(origin, host):
            reader = self.reader(fields)
            if not reader:
                return _foreign_origin(origin)
        # `same-site` is another port of localhost: any other program's page.
        if not reader and fields.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
            return _FOREIGN_SITE
        if method not in _SAFE_METHODS and fields.get(b"sec-fetch-mode", b"cors") not in _ASKED_MODES:
            return _UNASKED
        return reader if local or not _makes_a_page(fields) else _NO_PAGES


def is_same_origin(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a browser vouches that a page asks the origin that it came from itself."""
    return fields.get(b"sec-fetch-site") == b"same-origin"


def is_browser(fields: Mapping[bytes, bytes]) -> bool:
    """True when a web browser sent this; `Sec-Fetch-Mode` alone is no sign: Node's fetch always sends it."""
    return b"origin" in fields or b"sec-fetch-site" in fields or b"service-worker" in fields


def _is_plain_script(fields: Mapping[bytes, bytes]) -> bool:
    """Whether the browser runs the answer as the page's own script, and shows it to nobody.

    A request with an `Origin` asks for more: that the page may read it. A service worker would be ours.
    """
    return (
        fields.get(b"sec-fetch-dest") == _SCRIPT
        and fields.get(b"sec-fetch-mode") == b"no-cors"
        and b"origin" not in fields
        and b"service-worker" not in fields
    )


def _makes_a_page(fields: Mapping[bytes, bytes]) -> bool:
    """Whether the browser would show or run the answer, under the origin that it came from: ours."""
    return (
        fields.get(b"sec-fetch-mode") == b"navigate"
        or fields.get(b"sec-fetch-dest", b"empty") not in _DATA
        or b"service-worker" in fields
    )


def _listed_origin(entry: str) -> bytes:
    origin = canonical_origin(entry.encode("utf-8", "replace"))
    if origin is None:
        raise ValueError("an allowed origin must be a scheme, a host and perhaps a port")
    return origin


def _host_not_allowed(host: str) -> Refusal:
    if is_unspecified(host):
        message = f"{host} is no address to call, and no setting allows it; use localhost."
    elif is_mapped(host):
        message = f"{host} is an IPv4 address written as IPv6, and no setting allows it; write it as IPv4."
    else:
        message = (
            f"The Host {_shown(host)} is not served here; if it is yours, list it in [guard] allowed_hosts."
        )
    return Refusal(403, "host_not_allowed", message)


def _foreign_origin(origin: bytes) -> Refusal:
    canonical = canonical_origin(origin)
    if canonical is None:
        message = "A page without an origin of its own may not call this sidecar, and no setting allows it."
    else:
        message = (
            f"Pages of {_shown(canonical.decode('ascii'))} may not call this sidecar; if that is your app, list "
            "it in [guard] allowed_origins."
        )
    return Refusal(403, "origin_not_allowed", message)


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}…"


def wrong_in_address() -> Refusal:
    """401: a browser says in its address what is no token."""
    return Refusal(
        401, "token_unknown", f"What the address says is no token of this sidecar ({_WHOSE}).", _CHALLENGE
    )


def says_key_as_subprotocol(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a WebSocket's handshake says a key in the one place that a page has for it."""
    return fields.get(_SUBPROTOCOLS, b"").find(_KEY_AS_SUBPROTOCOL) >= 0


def _without_token(fields: Mapping[bytes, bytes], *, local: bool) -> Refusal:
    """Which of the ways to say no token that is."""
    if is_one_said(fields):
        return _TOKEN_UNKNOWN_LOCALLY if local else _TOKEN_UNKNOWN
    if says_key_as_subprotocol(fields):
        return _TOKEN_AS_SUBPROTOCOL
    return _TOKEN_MISSING_LOCALLY if local else _TOKEN_MISSING
