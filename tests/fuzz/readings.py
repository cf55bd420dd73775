"""What programs take a URL's host to be: several readers, none of which shares a line with the guard's.

The guard may let a value in only if each of them that can read it at all finds a name there that is allowed.
"""

import json
import re
import shutil
import socket
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from yarl import URL

_PORTS = {"http": 80, "https": 443}
_RFC_3986 = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?.*", re.DOTALL)
"""Its appendix B."""


class Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int | None


def place(scheme: str, host: str | None, port: int | None) -> Place:
    """A place in one spelling, whatever the reader's."""
    scheme = scheme.lower()
    return Place(scheme, one_spelling(host or ""), _PORTS.get(scheme) if port is None else port)


def one_spelling(host: str) -> str:
    """A host's name, or the address that the C library or Python would take it for."""
    bare = host.strip("[]").lower()
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        pass
    else:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return str(mapped or address)
    if re.fullmatch(r"[0-9a-fx.]+", bare) and bare[0].isdigit():
        try:
            # `127.1`, `0x7f.1`, `2130706433` and `0177.0.0.1` are addresses for it.
            return socket.inet_ntoa(socket.inet_aton(bare.removesuffix(".")))
        except OSError:
            return bare
    return bare


def by_urllib(url: str) -> Place:
    """As Python's own library reads it."""
    parts = urlsplit(url)
    return place(parts.scheme, parts.hostname, parts.port)


def by_yarl(url: str) -> Place:
    """As aiohttp's library reads it."""
    found = URL(url)
    return place(found.scheme, found.host, found.explicit_port)


def by_rfc_3986(url: str) -> Place:
    """As the generic syntax has it, with the last `@` for the one that ends the user."""
    match = _RFC_3986.fullmatch(url)
    assert match is not None
    return _of_authority(match[1] or "", (match[2] or "").rpartition("@")[2])


def by_a_careless_browser(url: str) -> Place:
    """White space goes, a backslash is a slash, slashes lack or abound, escapes and look-alikes are resolved."""
    text = re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(33))))).replace("\\", "/")
    scheme, _, rest = text.partition(":")
    authority = re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0].rpartition("@")[2]
    return _of_authority(scheme, unicodedata.normalize("NFKC", unquote(authority)))


def by_one_that_stops_at_the_first_user(url: str) -> Place:
    """Takes the first `@` for the one that ends the user, and a comma or a space for the end."""
    authority = re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0]
    host = authority.partition("@")[2] if "@" in authority else authority
    return _of_authority(url.partition(":")[0], re.split(r"[,\s]", host)[-1])


def _of_authority(scheme: str, authority: str) -> Place:
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        return place(scheme, authority, None)
    return place(scheme, host, int(port) if port else None)


READERS: Sequence[Callable[[str], Place]] = (
    by_urllib,
    by_yarl,
    by_rfc_3986,
    by_a_careless_browser,
    by_one_that_stops_at_the_first_user,
)


def readings(url: bytes) -> dict[str, Place]:
    """Where each reader takes the URL to lead; those that cannot read it are left out."""
    text = url.decode("utf-8", "surrogateescape")
    found = {}
    for reader in READERS:
        try:
            found[reader.__name__] = reader(text)
        except ValueError:
            continue
    return found


def has_node() -> bool:
    """Whether there is a program that reads URLs exactly as browsers do."""
    return shutil.which("node") is not None


def by_browsers(urls: Sequence[bytes]) -> dict[bytes, Place]:
    """Where browsers take these to lead (WHATWG URL, by Node); what is no URL for them is left out."""
    program = (
        "const urls = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "console.log(JSON.stringify(urls.map(each => { try { const url = new URL(each);"
        "return [url.protocol, url.hostname, url.port] } catch { return null } })))"
    )
    texts = [url.decode("utf-8", "replace") for url in urls]
    done = subprocess.run(
        ["node", "-e", program],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {
        url: place(found[0].removesuffix(":"), found[1], int(found[2]) if found[2] else None)
        for url, found in zip(urls, json.loads(done.stdout), strict=True)
        if found is not None
    }
