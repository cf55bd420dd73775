"""The settings of a route, and the rules of their values; each rule raises ValueErrors as in `problems`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import loads
from typing import Final

from proxy.config.kinds import Kind, Secret, choice, setting, text, truth
from proxy.config.problems import base_url, secret_file, shown, suggestions, usable_key
from proxy.helicone import KEY_HEADERS, KEY_PLACES, PROVIDER_KEY_PLACES
from proxy.presets import PRESETS
from proxy.relay.headers import HOP_BY_HOP, WITHHELD_FROM_UPSTREAM

DEFAULT: Final = "default"
"""The route that is always there, and takes what no other does."""

URL: Final = text(base_url, "URL")

# --- presets and paths --------------------------------------------------------------------------------------

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
_DOTS = re.compile(r"/\.\.?(?:/|\Z)")


def preset_name(name: str) -> str:
    """Accept the name of a preset."""
    if name not in PRESETS:
        raise ValueError(f"must be the name of a preset; {no_preset(name)}")
    return name


def no_preset(name: str) -> str:
    """Say which presets a name that is none may mean."""
    close = suggestions(name, PRESETS)
    return f"did you mean {' or '.join(close)}?" if close else f"they are {', '.join(PRESETS)}"


def route_path(path: str) -> str:
    """Accept a path that a request's can begin with, as it stands on the wire."""
    if not _PATH.fullmatch(path) or _DOTS.search(path):
        raise ValueError(
            "must be a path such as /anthropic: whole segments, as they stand in a request, without a slash at "
            "the end, dot segments and percent signs"
        )
    if re.search(r"/[sp]k-", path):
        raise ValueError("must hold no key: it is shown wherever the route is")
    return path


# --- headers ------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")
_DOLLAR = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|)")
_OURS: Final = (
    HOP_BY_HOP
    | WITHHELD_FROM_UPSTREAM
    | {
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"expect",
        b"host",
        b"max-forwards",
        b"trailer",
        b"via",
    }
)


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a route adds. `${NAME}` in its value is still to be replaced: see `with_environment`."""

    name: str
    value: Secret


def _headers(value: object) -> tuple[Header, ...]:
    if not isinstance(value, dict):
        raise ValueError('must be a table of headers, such as { "X-Team" = "blue" }')  # noqa: TRY004  # as every rule
    headers, wrong = [], []
    for name, content in value.items():
        try:
            headers.append(_header(name, content))
        except ValueError as error:
            wrong.append(ValueError(f"{shown(name)} {error}"))
    if len({each.name.lower() for each in headers}) < len(headers):
        wrong.append(ValueError("must name a header only once: case makes no difference"))
    if wrong:
        raise ExceptionGroup("headers", wrong)
    return tuple(headers)


def _header(name: str, content: object) -> Header:
    lower = name.lower().encode("utf-8", "replace")
    if not _TOKEN.fullmatch(name):
        raise ValueError("is no name that a header can have")
    if lower in KEY_HEADERS:
        raise ValueError(
            "cannot be added: keys and ids belong to the app; the sidecar has HELICONE_API_KEY and provider_key"
        )
    if lower in _OURS or lower.startswith((b"sec-", b"proxy-")):
        raise ValueError("cannot be added: it is about the connection or the body, or stops at the sidecar")
    if not isinstance(content, str):
        raise ValueError("must have text in quotes as its value")  # noqa: TRY004
    if not _VALUE.fullmatch(content):
        raise ValueError("must have a value of visible ASCII characters, with blanks only between them")
    if any(match[0] == "$" for match in _DOLLAR.finditer(content)):
        raise ValueError("has a $ that means nothing: write ${NAME} for the environment's, or $$ for a $")
    return Header(name, Secret(content))


def with_environment(headers: tuple[Header, ...], environ: Mapping[str, str]) -> tuple[Header, ...]:
    """The headers with what `${NAME}` stands for. Raises a group of ValueErrors."""
    wrong = [ValueError(f"{shown(each.name)} {why}") for each in headers for why in _missing(each, environ)]
    if wrong:
        raise ExceptionGroup("headers", wrong)

    def replaced(match: re.Match[str]) -> str:
        return environ[match["name"]] if match["name"] else "$"

    return tuple(Header(each.name, Secret(_DOLLAR.sub(replaced, each.value.text))) for each in headers)


def _missing(header: Header, environ: Mapping[str, str]) -> Iterator[str]:
    for match in _DOLLAR.finditer(header.value.text):
        name = match["name"]
        if name and not environ.get(name):
            yield f"needs {shown(name)} in the environment, where it is not set"
        elif name and not _VALUE.fullmatch(environ[name]):
            yield f"cannot have what {shown(name)} is in the environment: only visible ASCII can be sent"


# --- the section --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way up."""

    preset: str | None = setting(
        text(preset_name, "name"),
        None,
        "A gateway of Helicone's by its name; unset means the one that the route is named after, or whose URL it "
        "has; openai for the route named default, if it has no url.",
    )
    url: str | None = setting(
        URL,
        None,
        "The gateway that calls go to, if it is not the preset's own; a path in it is put before theirs.",
    )
    path: str | None = setting(
        text(route_path, "path"),
        None,
        "The calls that take this route: those below that path, which is cut off. Unset means the route's name; "
        "the route named default takes what no other does.",
    )
    helicone: bool | None = setting(
        truth(),
        None,
        "Set it to true where the URL, or else the realtime URL, is a Helicone gateway under a name of your own, "
        "so that the Helicone key may go there.",
    )
    helicone_key: str | None = setting(
        choice(*KEY_PLACES),
        None,
        "The header in which the Helicone key goes there, or none; unset means the preset's.",
    )
    provider_key: Secret | None = setting(
        text(usable_key, "secret text"),
        None,
        "The provider's key, for calls that come without a key of their own: apps send a token of [guard] in its "
        "place, and never hold the key.",
    )
    provider_key_file: str | None = setting(
        text(secret_file, "path"),
        None,
        "A file that holds the provider's key, such as a Docker secret, in place of provider_key.",
    )
    provider_key_header: str | None = setting(
        choice(*PROVIDER_KEY_PLACES),
        None,
        "The header in which the provider's key goes there; unset means the preset's, or authorization.",
    )
    headers: tuple[Header, ...] | None = setting(
        Kind("table", _headers, loads),
        None,
        "Headers for calls that come without them, such as Helicone-User-Id; ${NAME} is taken from the "
        "environment, $$ is a $.",
    )
    realtime_url: str | None = setting(
        URL,
        None,
        "Where WebSocket handshakes at /v1/realtime below the path go; unset means the preset's place for "
        "them, or the gateway.",
    )
    api_url: str | None = setting(
        URL,
        None,
        "Helicone's API for the ratings of these calls; unset means the one beside a self-hosted gateway, else "
        "helicone.api_url.",
    )
