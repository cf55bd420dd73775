"""Which header lines pass, and which stop here. Pure functions on pairs of bytes.

`Fields` is how headers are looked up (lower-case names; repeated lines joined by ", ", RFC 9110 §5.3); `Lines` is
how they travel: as they came, with their case, order and repetitions.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Lines = list[tuple[bytes, bytes]]
Fields = dict[bytes, bytes]
K = TypeVar("K")

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 §7.6.1: they speak of one connection, not of the call."""

KEPT_FROM_UPSTREAM = frozenset({b"cookie", b"origin", b"referer"})
"""Cookies ignore ports: a browser sends those of every app on localhost. The upstream has no use for the rest."""

KEPT_FROM_CLIENT = frozenset(
    {
        b"alt-svc",
        b"clear-site-data",
        b"nel",
        b"report-to",
        b"service-worker-allowed",
        b"set-cookie",
        b"strict-transport-security",
    }
)
"""They would act on every app on localhost, not on the gateway's site."""

_STOP_UP = HOP_BY_HOP | KEPT_FROM_UPSTREAM
_STOP_DOWN = HOP_BY_HOP | KEPT_FROM_CLIENT
_STOP_IN_TRAILERS = _STOP_UP | _STOP_DOWN | {b"content-length", b"host"}
# `Connection: content-length` must not take a message's framing away (RFC 9110 §7.6.1 forbids to name such).
_NEVER_NAMED = frozenset({b"content-length", b"host"})
_USUAL_CONNECTION = frozenset({b"keep-alive", b"Keep-Alive", b"close"})

_REMEMBERED_NAMES = 256
"""The same few names come with every call: what is decided about each is remembered, within a bound."""


class _Names(Generic[K]):
    """What is decided about names, remembered in `known`, in which is looked up without a call."""

    def __init__(self, decide: Callable[[bytes], K]) -> None:
        self._decide = decide
        self.known: dict[bytes, K] = {}

    def learn(self, lines: Lines) -> None:
        """Decide about the names of these lines."""
        if len(self.known) > _REMEMBERED_NAMES:
            self.known.clear()
        for name, _ in lines:
            self.known[name] = self._decide(name)


def _start_up(name: bytes) -> bytes | None:
    """How the line of that name begins on the way up; None if it stops here."""
    lower = name.lower()
    if lower in _STOP_UP or lower.startswith(b"sec-fetch-"):
        return None
    return name + b": "


def _start_down(name: bytes) -> bytes | None:
    """How the line of that name begins on the way down; None if it stops here."""
    lower = name.lower()
    if lower in _STOP_DOWN or lower.startswith(b"access-control-"):
        return None
    return name + b": "


_LOWER = _Names(bytes.lower)
_UP = _Names(_start_up)
_DOWN = _Names(_start_down)


def _passing(lines: Lines, starts: _Names[bytes | None]) -> list[bytes]:
    """The lines that pass, as they are written."""
    known = starts.known
    try:
        return [start + value for name, value in lines if (start := known[name]) is not None]
    except KeyError:
        starts.learn(lines)
        return _passing(lines, starts)


def index(lines: Lines) -> Fields:
    """The lines as a table to look names up in.

    White space around a value is no part of it (RFC 9112 §5.1); the parser leaves what is behind it.
    """
    known = _LOWER.known
    try:
        fields = {known[name]: value.strip() for name, value in lines}
    except KeyError:
        _LOWER.learn(lines)
        return index(lines)
    if len(fields) == len(lines):
        return fields
    fields = {}
    for name, value in lines:
        lower, bare = name.lower(), value.strip()
        fields[lower] = bare if lower not in fields else fields[lower] + b", " + bare
    return fields


def tokens(value: bytes) -> set[bytes]:
    """A comma-separated list of words (`Connection`, `Upgrade`, `TE`), in lower case."""
    return {token.strip().lower() for token in value.split(b",")}


def _without_named(lines: Lines, fields: Fields) -> Lines:
    """The lines without those that this message's `Connection` declares to be hop-by-hop."""
    connection = fields[b"connection"]
    if connection in _USUAL_CONNECTION:
        return lines
    named = tokens(connection) - _NEVER_NAMED
    return [(name, value) for name, value in lines if name.lower() not in named]


def towards_upstream(lines: Lines, fields: Fields, host: bytes) -> list[bytes]:
    """The request's lines as they go up; `Host` becomes `host` where it stands."""
    if b"connection" in fields:
        lines = _without_named(lines, fields)
    kept = _passing(lines, _UP)
    position = _host_position(kept)
    if position is None:
        kept.insert(0, b"Host: " + host)
    else:
        kept[position] = kept[position][:6] + host
    # Of TE only `trailers` can be promised on: it is all that passes through us (RFC 9110 §10.1.4).
    if b"te" in fields and b"trailers" in tokens(fields[b"te"]):
        kept += (b"TE: trailers", b"Connection: TE")
    return kept


def _host_position(lines: list[bytes]) -> int | None:
    """Where `Host` stands: nearly always first (RFC 9110 §7.2)."""
    for position, line in enumerate(lines):
        if line[:5].lower() == b"host:":
            return position
    return None


def towards_client(lines: Lines, fields: Fields) -> list[bytes]:
    """The answer's lines as they go down."""
    if b"connection" in fields:
        lines = _without_named(lines, fields)
    return _passing(lines, _DOWN)


def trailers(lines: Sequence[tuple[bytes, bytes]]) -> Lines:
    """The trailer fields that may pass: none that frames, routes or speaks of the connection (RFC 9110 §6.5.1)."""
    return [
        (name, value)
        for name, value in lines
        if (lower := name.lower()) not in _STOP_IN_TRAILERS
        and not lower.startswith((b"access-control-", b"sec-fetch-"))
    ]


def hops_left(fields: Fields) -> int | None:
    """What `Max-Forwards` says, if it says a number that anybody could mean (RFC 9110 §7.6.2)."""
    hops = fields.get(b"max-forwards", b"")
    return int(hops) if hops.isdigit() and len(hops) < 10 else None


def one_hop_less(lines: Lines, fields: Fields) -> Lines:
    """The lines as they are sent on, with `Max-Forwards` counted down."""
    hops = hops_left(fields)
    if not hops:
        return lines
    return [(name, b"%d" % (hops - 1) if name.lower() == b"max-forwards" else value) for name, value in lines]


def wants_websocket(fields: Fields) -> bool:
    """Whether this is a WebSocket handshake, the only upgrade that is tunnelled (RFC 6455 §4.1)."""
    return (
        fields.get(b"upgrade", b"").strip().lower() == b"websocket"
        and b"upgrade" in tokens(fields.get(b"connection", b""))
    )  # fmt: skip


def head(start: bytes, lines: list[bytes], added: bytes) -> bytes:
    """A whole head: its first line, field lines, and more of them, each of which has its line's end."""
    return b"\r\n".join((start, *lines, added + b"\r\n"))
