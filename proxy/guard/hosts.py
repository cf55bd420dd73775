"""Host and port as clients write them, in one spelling. Pure.

Strict: what two programs could read differently is no host here.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

_AUTHORITY = re.compile(
    rb"(?:(?P<name>[a-z0-9_.-]{1,254})|\[(?P<v6>[0-9a-f]*:[0-9a-f:.]{1,40})\])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# WHATWG URL, "ends in a number": clients read such a host as IPv4, whatever stands before the last label.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")


def canonical_host(value: bytes) -> str | None:
    """Give a Host value's name or address in lower case, without port and brackets; None when malformed."""
    authority = parse_authority(value)
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
    """True for a canonical host that leads to this machine: localhost, its subdomains, loopback."""
    if host == "localhost" or (host.endswith(".localhost") and "_" not in host):
        return True
    return is_loopback(host)


def is_mapped(host: str) -> bool:
    """True for an IPv4 address written as IPv6.

    Chromium takes no such host for trustworthy, not even one of loopback, and sends no `Sec-Fetch-*` there: then
    nothing tells a page's image from curl.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


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


def parse_authority(value: bytes, usual_port: int = 80) -> tuple[str, int] | None:
    """Split `host[:port]` strictly into canonical host and port (else the usual one); None when malformed."""
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        return None
    port = int(match["port"] or usual_port)
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


def listed_host(entry: str) -> str:
    """Give an allowed host of a configuration in its one spelling. Raises ValueError for one that is malformed."""
    host = canonical_address(entry) or canonical_host(entry.encode())
    if host is None:
        raise ValueError("an allowed host must be a name or an IP address")
    return host
