"""Which header lines pass, and which stop here. Pure.

`Lines` is how headers come: with their case, order and repetitions. `Fields` is how they are looked up (lower-case
names; repeated lines joined by ", ", RFC 9110 §5.3). What goes on of them is a list of lines as they are written.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

Lines = list[tuple[bytes, bytes]]
Fields = dict[bytes, bytes]

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

WITHHELD_FROM_UPSTREAM = frozenset(
    {b"cookie", b"feedback-proxy-token", b"feedback-token", b"origin", b"referer"}
)
"""Cookies ignore ports: a browser sends those of every app on localhost. Tokens are for us alone, and the upstream
has no use for the rest."""

WITHHELD_FROM_CLIENT = frozenset(
    {
        b"alt-svc",
        b"clear-site-data",
        b"feedback-id",
        b"feedback-token",
        b"feedback-url",
        b"nel",
        b"report-to",
        b"service-worker-allowed",
        b"set-cookie",
        b"strict-transport-security",
    }
)
"""They would act on every app on localhost, not on the gateway's site; and those that we say of each answer."""

PROVIDER_KEY_NAMES = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where SDKs put the provider's key, or what they take for it."""
_STOP_IN_TRAILERS = (
    HOP_BY_HOP
    | WITHHELD_FROM_UPSTREAM
    | WITHHELD_FROM_CLIENT
    | {*PROVIDER_KEY_NAMES, b"content-length", b"host"}
)
# `Connection: content-length` must not take a message's framing away (RFC 9110 §7.6.1 forbids to name such).
_NEVER_NAMED = frozenset({b"content-length", b"host"})
_USUAL_CONNECTION = frozenset({b"keep-alive", b"Keep-Alive", b"close"})

_REMEMBERED_NAMES = 256
"""The same few names come with every call: what is decided about each is remembered, within a bound."""


class Direction:
    """What happens to lines on their way in one direction: those of these names, in lower case, and those whose
    names begin so stop here.

    `known`: for each name, itself in lower case, and how its line begins when it goes on; None if it stops here.
    """

    def __init__(self, stop: frozenset[bytes], stop_prefix: bytes = b"") -> None:
        self._stop = stop
        self._stop_prefix = stop_prefix
        self.known: dict[bytes, tuple[bytes, bytes | None]] = {}

    def learn(self, lines: Lines) -> None:
        """Decide about the names of these lines."""
        if len(self.known) > _REMEMBERED_NAMES:
            self.known.clear()
        prefix = self._stop_prefix
        for name, _ in lines:
            lower = name.lower()
            stops = lower in self._stop or (bool(prefix) and lower.startswith(prefix))
            self.known[name] = lower, None if stops else name + b": "


UP = Direction(HOP_BY_HOP | WITHHELD_FROM_UPSTREAM, b"sec-fetch-")
DOWN = Direction(HOP_BY_HOP | WITHHELD_FROM_CLIENT, b"access-control-")
"""Before a gateway. A front door and a pool may have others."""


def read(lines: Lines, direction: Direction) -> tuple[Fields, list[bytes]]:
    """The lines of a head in the two forms that are wanted: a table to look names up in, and the lines that go on.

    White space around a value is no part of it (RFC 9112 §5.1); the parser leaves what is behind it.
    """
    known = direction.known
    fields: Fields = {}
    kept: list[bytes] = []
    try:
        for name, value in lines:
            lower, start = known[name]
            fields[lower] = value.strip()
            if start is not None:
                kept.append(start + value)
    except KeyError:
        direction.learn(lines)
        return read(lines, direction)
    if len(fields) != len(lines):
        fields = index(lines)
    return fields, kept


def index(lines: Lines) -> Fields:
    """The lines as a table to look names up in."""
    fields: Fields = {}
    for name, value in lines:
        lower, bare = name.lower(), value.strip()
        fields[lower] = bare if lower not in fields else fields[lower] + b", " + bare
    return fields


def tokens(value: bytes) -> set[bytes]:
    """A comma-separated list of words (`Connection`, `Upgrade`, `TE`), in lower case."""
    return {token.strip().lower() for token in value.split(b",")}


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def without(kept: list[bytes], names: AbstractSet[bytes]) -> list[bytes]:
    """The lines whose names, in lower case, are none of these."""
    # Not by `_name`: every call with a token comes by here.
    return [line for line in kept if line[: line.find(b":")].lower() not in names]


def without_line(kept: list[bytes], name: bytes, value: bytes) -> list[bytes]:
    """The lines without the one of that name, in lower case, and value. Few lines have to be asked their names."""
    return [line for line in kept if line.find(value) < 0 or _name(line) != name]


def without_named(kept: list[bytes], fields: Fields) -> list[bytes]:
    """The lines without those that this message's `Connection` declares to be hop-by-hop.

    They leave `fields`, too, or somebody would count on what does not go on; but for the names by which the
    connection itself is understood.
    """
    connection = fields.get(b"connection")
    if connection is None or connection in _USUAL_CONNECTION:
        return kept
    named = tokens(connection) - _NEVER_NAMED
    for name in named - HOP_BY_HOP:
        fields.pop(name, None)
    return without(kept, named)


def with_location(kept: list[bytes], ours: Callable[[bytes], bytes]) -> list[bytes]:
    """The lines with a `Location` that is a path alone as `ours` says it (RFC 9110 §10.2.2)."""
    return [_relocated(line, ours) if _name(line) == b"location" else line for line in kept]


def _relocated(line: bytes, ours: Callable[[bytes], bytes]) -> bytes:
    name, _, value = line.partition(b":")
    theirs = value.strip()
    is_path = theirs.startswith(b"/") and not theirs.startswith(b"//")
    return name + b": " + ours(theirs) if is_path else line


def towards_upstream(kept: list[bytes], fields: Fields, host: bytes) -> list[bytes]:
    """The request's lines as they go up; `Host` becomes `host` where it stands."""
    kept = kept.copy()
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


def trailers(lines: Sequence[tuple[bytes, bytes]], is_unsaid: Callable[[bytes], bool] | None = None) -> Lines:
    """The trailer fields that may pass: none that frames, routes, says who asks or speaks of the connection (RFC
    9110 §6.5.1), and none whose name or value is unsaid.
    """
    return [
        (name, value)
        for name, value in lines
        if (lower := name.lower()) not in _STOP_IN_TRAILERS
        and not lower.startswith((b"access-control-", b"sec-fetch-"))
        and not (is_unsaid is not None and (is_unsaid(name) or is_unsaid(value)))
    ]


def hops_left(fields: Fields) -> int | None:
    """What `Max-Forwards` says, if it says a number that anybody could mean (RFC 9110 §7.6.2)."""
    hops = fields.get(b"max-forwards", b"")
    return int(hops) if hops.isdigit() and len(hops) < 10 else None


def one_hop_less(kept: list[bytes], fields: Fields) -> list[bytes]:
    """The lines as they are sent on, with `Max-Forwards` counted down."""
    hops = hops_left(fields)
    if not hops:
        return kept
    return [line[:14] + b"%d" % (hops - 1) if _name(line) == b"max-forwards" else line for line in kept]


def wants_websocket(fields: Fields) -> bool:
    """Whether this is a WebSocket handshake, the only upgrade that is tunnelled (RFC 6455 §4.1)."""
    return (
        fields.get(b"upgrade", b"").strip().lower() == b"websocket"
        and b"upgrade" in tokens(fields.get(b"connection", b""))
    )  # fmt: skip


def head(start: bytes, lines: list[bytes], added: bytes) -> bytes:
    """A whole head: its first line, field lines, and more of them, each of which has its line's end."""
    return b"\r\n".join((start, *lines, added + b"\r\n"))
