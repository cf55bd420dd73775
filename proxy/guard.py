"""Who may speak to us. Pure decisions on a request's method and header fields, taken before routing.

A web page can send requests to localhost, and DNS rebinding gives it an origin of its own here: the name it
came from then stands in `Host`, and nowhere else. So `Host` is checked first, on every route; `Origin` and
`Sec-Fetch-*` tell pages of other origins apart from people, scripts and our own page.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

_REMEMBERED_HOSTS = 1024
"""Ports and `*.localhost` make allowed values endless, and a page may choose them."""

_SHOWN_CHARACTERS = 80
"""How much of a refused name goes into a sentence."""

_AUTHORITY = re.compile(
    rb"(?:(?P<name>[a-z0-9_.-]{1,254})|\[(?P<v6>[0-9a-f]*:[0-9a-f:.]{1,40})\])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# WHATWG URL, "ends in a number": clients read such a host as IPv4, whatever stands before the last label.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({b"same-origin", b"none"})
_UNASKED_MODES = frozenset({b"navigate", b"no-cors"})
"""Modes of requests that a browser sends without asking us first."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is refused: an HTTP status, a word for programs, a sentence for people."""

    status: int
    code: str
    message: str


_HOST_MISSING = Denial(400, "host_missing", "The request names no Host, which HTTP/1.1 demands.")
_HOST_MALFORMED = Denial(
    400, "host_malformed", "The Host must be one name, IPv4 address or [IPv6 address], with an optional port."
)
_FOREIGN_ORIGIN = Denial(
    403,
    "origin_not_allowed",
    "Pages of other origins may not call this sidecar; no setting of this version allows them.",
)
_FOREIGN_SITE = Denial(
    403,
    "cross_site",
    "A browser sent this for a page of another site or port; no setting of this version allows that.",
)
_UNASKED = Denial(
    403,
    "browser_navigation",
    "A browser may only read this way; send changes with fetch() from the sidecar's own page.",
)


class Guard:
    """Decides whether a request may go on.

    `bound_addresses` are IP literals (anything else, such as a unix socket's path, is passed over);
    `allowed_hosts` are names or IP literals. Raises ValueError for an allowed host that is malformed.
    """

    def __init__(self, *, bound_addresses: Iterable[str] = (), allowed_hosts: Iterable[str] = ()) -> None:
        bound = (canonical_address(address) for address in bound_addresses)
        listed = {host for host in bound if host is not None}.union(map(_listed_host, allowed_hosts))
        self._listed = frozenset(host for host in listed if not is_unspecified(host))
        self._known_values: set[bytes] = set()

    def check(self, method: str, fields: Mapping[bytes, bytes]) -> Denial | None:
        """Say why the request is refused, or None when it may go on.

        `fields` maps lower-case header names to values; repeated lines are joined by `, `, so a second `Host`
        or `Origin` is malformed. For an absolute-form target its authority stands under `host` (RFC 9112
        §3.2.2).
        """
        host = fields.get(b"host")
        if host is None:
            return _HOST_MISSING
        if host not in self._known_values and (denial := self._learn(host)) is not None:
            return denial
        if b"origin" in fields or b"sec-fetch-site" in fields:
            return _check_browser(method, host, fields)
        return None

    def _learn(self, value: bytes) -> Denial | None:
        if not value:
            return _HOST_MISSING
        host = canonical_host(value)
        if host is None:
            return _HOST_MALFORMED
        if host not in self._listed and not is_always_allowed(host):
            return _host_not_allowed(host)
        # Refused values are not kept: they would push out the few that every call carries.
        if len(self._known_values) >= _REMEMBERED_HOSTS:
            self._known_values.clear()
        self._known_values.add(value)
        return None


def is_browser(fields: Mapping[bytes, bytes]) -> bool:
    """True when a web browser sent this; `Sec-Fetch-Mode` alone is no sign: Node's fetch always sends it."""
    return b"origin" in fields or b"sec-fetch-site" in fields


def canonical_host(value: bytes) -> str | None:
    """Give a Host value's name or address in lower case, without port and brackets; None when malformed."""
    authority = _parse_authority(value)
    return None if authority is None else authority[0]


def canonical_address(text: str) -> str | None:
    """Give an IP literal in its one spelling, without brackets and zone; None when `text` is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A zone never reaches us: clients drop it before they send a Host.
    return str(address).partition("%")[0]


def is_always_allowed(host: str) -> bool:
    """True for a canonical host that only this machine can mean: localhost, its subdomains, loopback."""
    if host == "localhost" or (host.endswith(".localhost") and "_" not in host):
        return True
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    """True for a canonical IP literal of the loopback network, IPv4 ones written as IPv6 included."""
    address = _address(host)
    return address is not None and address.is_loopback


def is_unspecified(host: str) -> bool:
    """True for `0.0.0.0` and `::`, which reach loopback past the browsers' own checks ("0.0.0.0-day")."""
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    # Until Python 3.13 a mapped address knows nothing of what it maps to.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _parse_authority(value: bytes) -> tuple[str, int] | None:
    """Split `host[:port]` strictly into canonical host and port (80 when absent); None when malformed."""
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        return None
    port = int(match["port"] or 80)
    name, v6 = match["name"], match["v6"]
    host = _canonical_name(name.decode().lower()) if v6 is None else canonical_address(v6.decode())
    if host is None or port > 65535:
        return None
    return host, port


def _canonical_name(name: str) -> str | None:
    if _ENDS_IN_NUMBER.fullmatch(name):
        # Only the dotted quad: `127.1`, `0x7f.1` and `2130706433` are other spellings of an address.
        return canonical_address(name)
    labels = name.removesuffix(".").split(".")
    return name if all(_LABEL.fullmatch(label) for label in labels) else None


def _listed_host(entry: str) -> str:
    host = canonical_address(entry) or canonical_host(entry.encode())
    if host is None:
        raise ValueError("an allowed host must be a name or an IP address")
    return host


def _host_not_allowed(host: str) -> Denial:
    if is_unspecified(host):
        message = f"{host} is no address to call, and no setting allows it; use localhost."
    else:
        shown = host if len(host) <= _SHOWN_CHARACTERS else f"{host[:_SHOWN_CHARACTERS]}…"
        message = f"The Host {shown} is not served here; if it is yours, list it in [guard] allowed_hosts."
    return Denial(403, "host_not_allowed", message)


def _check_browser(method: str, host: bytes, fields: Mapping[bytes, bytes]) -> Denial | None:
    origin = fields.get(b"origin")
    if origin is not None and not _is_own_origin(origin, host):
        return _FOREIGN_ORIGIN
    # `same-site` is another port of localhost: any other program's page.
    if fields.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
        return _FOREIGN_SITE
    if method not in _SAFE_METHODS and fields.get(b"sec-fetch-mode") in _UNASKED_MODES:
        return _UNASKED
    return None


def _is_own_origin(origin: bytes, host: bytes) -> bool:
    """True when `origin` is the page's own, served by us under the name in `host`; `null` never is."""
    if not origin.startswith(b"http://"):
        return False
    page = _parse_authority(origin.removeprefix(b"http://"))
    return page is not None and page == _parse_authority(host)
