"""What a configuration's values must be, and what is wrong with one, in a user's words.

No message holds a value: a URL may hold a password, and any value may be a key in the wrong place.
"""

import os
import re
import socket
import ssl
import sys
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from proxy import helicone
from proxy.config.kinds import Secret
from proxy.errors import ConfigurationError
from proxy.guard.hosts import (
    canonical_address,
    canonical_host,
    is_mapped,
    is_unspecified,
)
from proxy.guard.origins import canonical_origin

# --- rules of single values: each raises a ValueError that completes "server.host: …" -----------------------

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/]*)(?P<path>/[!-~]*)?", re.IGNORECASE)
LOOPBACKS = ("127.0.0.1", "::1")
IN_MEMORY = ":memory:"
"""In place of a path: SQLite's word for a database that no file holds."""
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
"""What fits beside the zero at its end into sun_path (unix(7)); BSDs and macOS have 104 bytes for both."""
_ZONE = re.compile(r"(?![sp]k-)[A-Za-z0-9_.-]{1,15}")
"""The name or number of an interface (Linux: IFNAMSIZ)."""
_DIFFERENT = 8
"""Characters of a token: one that is made by chance has more, a key that was held down has one."""
_BROADCAST = IPv4Address("255.255.255.255")
_WITH_ZONES = 6
_NO_CERTIFICATES = "must name a file with certificates in PEM form: this one holds none, or is damaged"


def base_url(text: str) -> str:
    """Accept an absolute URL that paths can be put behind; give it without a slash at its end."""
    if re.search(r"[^!-~]|\\", text):
        raise ValueError("must be a URL without spaces, backslashes or characters beyond ASCII")
    if "?" in text or "#" in text:
        raise ValueError("must be a URL without query and fragment")
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("must be a URL that begins with http:// or https://")
    if "@" in match["authority"]:
        raise ValueError("must be a URL without user name and password")
    if canonical_host(match["authority"].encode()) is None:
        raise ValueError("must be a URL with a host name or address, and a port up to 65535 if one is needed")
    if re.search(r"/[sp]k-", text):
        # Helicone takes a key there; it would be shown wherever the gateway's address is.
        raise ValueError("must hold no key; give it as HELICONE_API_KEY")
    return text.rstrip("/")


def proxy_url(text: str) -> str:
    """Accept a proxy that can be spoken to, with user name and password or without; give it as an http URL."""
    scheme, separator, rest = text.rpartition("://")
    if separator and scheme.lower() != "http":
        raise ValueError("must name a proxy that is spoken to over http://; no other kind is known here")
    userinfo, _, authority = rest.rstrip("/").rpartition("@")
    if (
        re.search(r"[^!-~]|[\\/?#@]", userinfo)
        or canonical_host(authority.encode("utf-8", "replace")) is None
    ):
        raise ValueError(
            "must name a proxy as http://host:port; a password's other characters as %40 and such"
        )
    return f"http://{userinfo}@{authority}" if userinfo else f"http://{authority}"


def ca_bundle(text: str) -> str:
    """Accept a file with certificates that can be trusted. It is read, and let go."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        path = Path(text).expanduser()
        path.read_bytes()
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError(_NO_CERTIFICATES) from None
    except OSError as error:
        raise ValueError(f"must name a file that can be read ({error.strerror})") from None
    except (ValueError, RuntimeError):
        raise ValueError("must name a file") from None
    if not context.cert_store_stats()["x509"]:
        raise ValueError(_NO_CERTIFICATES)
    return str(path)


def database_path(text: str) -> str:
    """Accept an absolute path that a file can have, or the word for none."""
    if text == IN_MEMORY:
        return text
    path = folder(text)
    try:
        is_folder = Path(path).is_dir()
    except OSError as error:
        raise ValueError(f"must be a path that can be used ({error.strerror})") from None
    if is_folder:
        raise ValueError("must name a file, not a folder")
    return path


def folder(text: str) -> str:
    """Accept an absolute path; what it leads to is made when it is needed."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; the home folder in it is not known") from None
    # Relative to the folder of a start it would be another one next time.
    if not path.is_absolute() or "\0" in text:
        raise ValueError("must be an absolute path, as /var/lib/helicone-proxy or ~/helicone-proxy")
    return str(path)


def usable_key(text: str) -> Secret:
    """Accept a key that can stand in a header."""
    key = text.strip()  # A line's end comes along with `$(cat file)`.
    if not key:
        raise ValueError("must not be empty; leave it out to run without a key")
    if not re.fullmatch(r"[!-~]+", key):
        raise ValueError("must be the key alone, without spaces and without `Bearer`")
    return Secret(key)


def usable_token(text: str) -> Secret:
    """Accept a token that can stand in a header in a key's place, and that nobody guesses."""
    token = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", token):
        raise ValueError(
            "must be 16 to 200 of A-Z, a-z, 0-9 and ._~+/=-, as `openssl rand -hex 24` makes one"
        )
    if len(set(token)) < _DIFFERENT:
        raise ValueError(
            f"must have {_DIFFERENT} different characters at least, or it can be guessed: `openssl rand -hex 24` "
            "makes one"
        )
    return Secret(token)


def secret_file(text: str) -> str:
    """Accept the path of a file that holds a secret."""
    # An absolute one is no key in the wrong place, so it can be shown.
    return _absolute(text, "the absolute path of a file, as /run/secrets/helicone_key or ~/helicone_key")


def socket_path(text: str) -> str:
    """Accept an absolute path at which a Unix socket can be made."""
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("has no effect here: this system has no Unix sockets for Python")
    path = _absolute(text, "an absolute path, as /run/helicone-proxy/proxy.sock")
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise ValueError(f"must be at most {SOCKET_PATH_BYTES} bytes long, or no socket can have that name")
    if Path(path).is_dir():
        raise ValueError("must name the socket itself, not a folder")
    return path


def _absolute(text: str, words: str) -> str:
    try:
        path = Path(text).expanduser()
        os.fsencode(path)
    except (RuntimeError, ValueError):
        raise ValueError(f"must be {words}") from None
    if not path.is_absolute() or "\0" in text:
        raise ValueError(f"must be {words}")
    return str(path)


def header_name(text: str) -> str:
    """Accept the name of a header (RFC 9110 §5.1) whose value may be remembered, or nothing."""
    if not re.fullmatch(r"(?![sp]k-)[A-Za-z0-9!#$%&'*+.^_`|~-]{0,100}", text):
        raise ValueError("must be the name of a header, such as X-OpenWebUI-Message-Id, or empty for none")
    if text.lower().encode() in helicone.SECRET_HEADERS:
        raise ValueError("must be a header without secrets in it: its value is shown")
    return text


def listen_host(text: str) -> str:
    """Accept an IP address, or the word for both loopback ones."""
    if text == "localhost":
        return text
    address, zone = canonical_address(text), text.partition("%")[2]
    if address is None or (zone and not _ZONE.fullmatch(zone)):
        raise ValueError(
            'must be an IP address of this machine such as "127.0.0.1", or "localhost" for ::1, too'
        )
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        raise ValueError("must be written as the IPv4 address that it is, such as 127.0.0.1")
    if parsed.is_multicast or parsed == _BROADCAST:
        raise ValueError("must be an address of this machine: many machines have that one")
    if (parsed.version == _WITH_ZONES and parsed.is_link_local) != bool(zone):
        raise ValueError(
            "must name its interface where it begins with fe80, as in fe80::1%eth0, and only there"
        )
    return f"{address}%{zone}" if zone else address


def listen_hosts(hosts: list[str]) -> list[str]:
    """Put both loopback addresses in localhost's place: whoever held the other would hear our clients."""
    found = list(
        dict.fromkeys(each for host in hosts for each in (LOOPBACKS if host == "localhost" else (host,)))
    )
    for every, version in (("0.0.0.0", 4), ("::", 6)):  # noqa: S104  # named, so as to be told apart
        others = [each for each in found if ip_address(each).version == version and each != every]
        if every in found and others:
            raise ValueError(
                f"must name no other IPv{version} address beside {every}, which means all of them"
            )
    return found


def allowed_host(text: str) -> str:
    """Accept one exact name that the guard would refuse otherwise."""
    if "*" in text:
        raise ValueError("must be one exact name: no wildcard exists")
    if "://" in text or "/" in text:
        raise ValueError("must be a name alone, without scheme and path")
    host = canonical_address(text) or canonical_host(text.encode("utf-8", "replace"))
    if host is None or re.match("[sp]k-", host):
        # What looks like a key is not shown, and names are.
        raise ValueError("must be a host name or an IP address in its usual form")
    if canonical_address(text) is None and re.search(r":[0-9]+\Z", text):
        raise ValueError("must be a name without a port: any port is allowed")
    if is_unspecified(host):
        raise ValueError("has no effect: 0.0.0.0 and :: are never allowed as Host")
    if is_mapped(host):
        raise ValueError("has no effect: an IPv4 address written as IPv6 is never allowed as Host")
    return host


def allowed_origin(text: str) -> str:
    """Accept one exact origin of pages; give it in its one spelling."""
    if "*" in text:
        raise ValueError("must be one exact origin: no wildcard exists")
    if text.lower() == "null":
        raise ValueError("must be an origin: null is that of any page that hides its own")
    origin = canonical_origin(text.encode("utf-8", "replace"))
    if origin is None:
        raise ValueError(
            "must be an origin such as https://app.example.com or http://localhost:3000: scheme, host and perhaps "
            "port, without a path or a slash at the end"
        )
    return origin.decode("ascii")


def allowed_target(text: str) -> str:
    """Accept the origin of a provider's API; give it in its one spelling."""
    if "*" in text:
        raise ValueError("must be one exact origin: no wildcard exists")
    origin = canonical_origin(text.encode("utf-8", "replace"))
    if origin is None or not text.lower().startswith("https://"):
        raise ValueError(
            "must be an origin such as https://api.openai.com, without a path: a key is sent there"
        )
    return origin.decode("ascii")


def each_once(names: list[str]) -> list[str]:
    """Accept a list that says nothing twice."""
    if len(set(names)) < len(names):
        raise ValueError("must list a name only once")
    return names


# --- names that mean nothing, and files that cannot be read -------------------------------------------------

_NAME = re.compile(r"(?![sp]k-)(?!(?:[^0-9]*[0-9]){5})[A-Za-z0-9_-]{1,40}")
"""What a mistyped name may look like; a secret in its place is longer, begins as keys do, or has digits."""
_PART = re.compile(r"(?![sp]k-)[ A-Za-z0-9_.:\\~-]{0,64}")
"""The same for a part of a path, which may be longer, as volumes' are."""


def shown(name: str) -> str:
    """Give a dotted name as it was written, with `***` for every part that may be a secret."""
    return ".".join(part if _NAME.fullmatch(part) else "***" for part in name.split("."))


def suggestions(key: str, known: Iterable[str]) -> list[str]:
    """The known keys that a mistyped one may mean: the closest, else those that end alike."""
    keys = list(known)
    first, last = key.partition(".")[0], key.rpartition(".")[2]
    alike = [each for each in keys if each.rpartition(".")[2] == last]
    beside = [each for each in alike if each.partition(".")[0] == first]
    return get_close_matches(key, keys, n=1, cutoff=0.75) or beside or alike


def no_setting(alternatives: Iterable[str]) -> str:
    """Say that a name means nothing here, and what may have been meant."""
    meant = " or ".join(alternatives)
    return "names no setting" + (f"; did you mean {meant}?" if meant else "")


def shown_path(path: str) -> str:
    """Give an absolute path with `***` for every part that may be a secret."""
    return "/".join(part if _PART.fullmatch(part) else "***" for part in path.split("/"))


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file. Raises ConfigurationError with the one problem that keeps it from being read."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError([f"{file}: the file does not exist"]) from None
    except OSError as error:
        raise ConfigurationError([f"{file}: the file cannot be read ({error.strerror})"]) from None
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([f"{file}:{line}: the file is not UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{file}{_toml_problem(str(error), content)}"]) from None
    except (ValueError, RecursionError):
        # tomllib lets Python's own limits through.
        raise ConfigurationError(
            [f"{file}: a number is too long, or lists lie too deep in each other"]
        ) from None


def _toml_problem(said: str, content: bytes) -> str:
    reason, _, place = said.rpartition(" (at ")
    position = re.fullmatch(r"line (\d+), column (\d+)\)", place)
    line = position[1] if position else max(1, len(content.splitlines()))
    column = f", column {position[2]}" if position else ""
    if reason.startswith(("Cannot", "Duplicate")):
        reason = "a key or a table is there twice"  # tomllib names the key, which may be anything.
    return f":{line}: this is not valid TOML{column} ({reason})"
