"""What decides about connections that leave this machine: whom we trust with what, and which proxy is taken."""

import ssl
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from proxy.config.problems import proxy_url
from proxy.guard.hosts import canonical_host, is_always_allowed
from proxy.helicone import is_gateway_host

_PROXY_NAMES: Final = ("https_proxy", "HTTPS_PROXY")
_BYPASS_NAMES: Final = ("no_proxy", "NO_PROXY")
"""The small ones come first, as curl reads them."""


class Variable(NamedTuple):
    """A variable of the environment. Its value may hold a password."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


def host_of(url: str) -> str:
    """The host of a URL in its one spelling: a name without a dot at its end, or an address, also a mapped one."""
    host = (canonical_host(urlsplit(url).netloc.encode()) or "").removesuffix(".")
    mapped = IPv6Address(host).ipv4_mapped if ":" in host else None
    return host if mapped is None else str(mapped)


def is_trusted_with_key(url: str) -> bool:
    """Whether the Helicone key may go there without anybody having said so: to Helicone, and to this machine."""
    host = host_of(url)
    return is_gateway_host(host) or is_always_allowed(host)


def named_proxy(url: str, environ: Mapping[str, str]) -> Variable | None:
    """The variable that names the proxy for an https URL; None where the way is direct.

    This machine needs no proxy to reach itself, whatever NO_PROXY says.
    """
    parts = urlsplit(url)
    host = host_of(url)
    proxy = _first(_PROXY_NAMES, environ)
    if parts.scheme != "https" or not host or is_always_allowed(host) or not proxy.value:
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
