"""The origins of pages (RFC 6454, WHATWG HTML) in one spelling. Pure."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from proxy.guard.hosts import parse_authority

_ORIGIN: Final = re.compile(rb"(?P<scheme>[a-z][a-z0-9+.-]{0,30})://(?P<authority>[!-~]+)", re.IGNORECASE)
_NO_WEB_NAME: Final = re.compile(rb"[a-z0-9._-]{1,200}(?::[0-9]{1,5})?", re.IGNORECASE)
"""What stands behind `vscode-webview://`, `chrome-extension://` and other schemes of programs' own."""
_WEB_URL: Final = re.compile(rb"(?P<origin>https?://[a-z0-9._:\[\]-]+)(?:/[!-\[\]-~]*)?", re.IGNORECASE)
"""No user name, and no backslash, which some take for a slash."""
_PORTS: Final[Mapping[bytes, int]] = MappingProxyType({b"http": 80, b"https": 443})


def canonical_origin(value: bytes) -> bytes | None:
    """Give an origin in lower case, without its scheme's own port; None for `null` and what else is none."""
    match = _ORIGIN.fullmatch(value)
    if match is None:
        return None
    scheme, authority = match["scheme"].lower(), match["authority"]
    if scheme not in _PORTS:
        return b"%b://%b" % (scheme, authority.lower()) if _NO_WEB_NAME.fullmatch(authority) else None
    usual = _PORTS[scheme]
    parsed = parse_authority(authority, usual)
    if parsed is None:
        return None
    host, port = parsed
    shown = f"[{host}]" if ":" in host else host
    return b"%b://%b" % (scheme, (shown if port == usual else f"{shown}:{port}").encode("ascii"))


def origin_of_url(url: bytes) -> bytes | None:
    """Give the origin of a web page's or an API's URL; None for one that two programs could read differently."""
    match = _WEB_URL.fullmatch(url)
    return None if match is None else canonical_origin(match["origin"])


def is_own_origin(origin: bytes, host: bytes) -> bool:
    """Whether `origin` is that of our own page, served under the name in `host`; `null` never is."""
    if not origin.startswith(b"http://"):
        return False
    page = parse_authority(origin[7:])
    return page is not None and page == parse_authority(host)
