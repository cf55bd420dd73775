"""What decides about connections that leave this machine: proxies named by the environment, and whom we trust."""

import ssl
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from proxy.config_problems import proxy_url
from proxy.guard import canonical_host, is_always_allowed

_PROXY_NAMES: Final = ("https_proxy", "HTTPS_PROXY")
_BYPASS_NAMES: Final = ("no_proxy", "NO_PROXY")
"""The small ones come first, as curl reads them."""


class Variable(NamedTuple):
    """A variable of the environment. Its value may hold a password."""

    name: str
    value: str


def named_proxy(url: str, environ: Mapping[str, str]) -> Variable | None:
    """The variable that names the proxy for an https URL; None where the way is direct.

    This machine needs no proxy to reach itself, whatever NO_PROXY says.
    """
    parts = urlsplit(url)
    host = canonical_host(parts.netloc.encode())
    proxy = _first(_PROXY_NAMES, environ)
    if parts.scheme != "https" or host is None or is_always_allowed(host) or not proxy.value:
        return None
    entries = _first(_BYPASS_NAMES, environ).value.lower().split(",")
    return None if any(_covers(entry.strip(), host, parts.port or 443) for entry in entries) else proxy


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy for an https URL, as an http URL; None where the way is direct.

    Raises ValueError, with a sentence that begins with the variable's name, when it is none that can be used.
    """
    proxy = named_proxy(url, environ)
    if proxy is None:
        return None
    try:
        return proxy_url(proxy.value)
    except ValueError as error:
        raise ValueError(f"{proxy.name}: {error}") from None


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> Variable:
    """The first of these variables that is there; an empty one hides those behind it."""
    return next(
        (Variable(name, environ[name].strip()) for name in names if name in environ), Variable("", "")
    )


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means `host`: a name with all below it, an address, a network, or `*`."""
    if entry == "*":
        return True
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        name, _, wanted = entry.partition(":")
        name = name.lstrip("*.")
        return bool(name) and f".{host}".endswith(f".{name}") and wanted in ("", str(port))
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """TLS as a client: the system's authorities are trusted, and those of `ca_file`. Raises OSError."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
