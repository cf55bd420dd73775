"""Which header lines pass, and which stop here. Pure functions on pairs of bytes.

`Fields` is how headers are looked up (lower-case names; repeated lines joined by ", ", RFC 9110 §5.3); `Lines` is
how they travel: as they came, with their case, order and repetitions.
"""

from collections.abc import Iterable

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


def index(lines: Lines) -> Fields:
    """The lines as a table to look names up in."""
    fields: Fields = {}
    for name, value in lines:
        lower = name.lower()
        fields[lower] = value if lower not in fields else fields[lower] + b", " + value
    return fields


def tokens(value: bytes) -> set[bytes]:
    """A comma-separated list of words (`Connection`, `Upgrade`, `TE`), in lower case."""
    return {token.strip().lower() for token in value.split(b",")}


def named_by_connection(fields: Fields) -> frozenset[bytes] | set[bytes]:
    """The fields that this message's `Connection` declares to be hop-by-hop."""
    connection = fields.get(b"connection")
    return frozenset() if connection is None else tokens(connection) - _NEVER_NAMED


def towards_upstream(lines: Lines, fields: Fields, host: bytes) -> list[bytes]:
    """The request's lines as they go up, each with its CRLF; `Host` becomes `host` where it stands."""
    named = named_by_connection(fields)
    kept = []
    for name, value in lines:
        lower = name.lower()
        if lower in _STOP_UP or lower in named or lower.startswith(b"sec-fetch-"):
            continue
        kept.append(b"%b: %b\r\n" % (name, host if lower == b"host" else value))
    # Of TE only `trailers` can be promised on: it is all that passes through us (RFC 9110 §10.1.4).
    if b"te" in fields and b"trailers" in tokens(fields[b"te"]):
        kept.append(b"TE: trailers\r\nConnection: TE\r\n")
    return kept


def towards_client(lines: Lines, fields: Fields) -> list[bytes]:
    """The answer's lines as they go down, each with its CRLF."""
    named = named_by_connection(fields)
    kept = []
    for name, value in lines:
        lower = name.lower()
        if lower in _STOP_DOWN or lower in named or lower.startswith(b"access-control-"):
            continue
        kept.append(b"%b: %b\r\n" % (name, value))
    return kept


def trailers(lines: Lines) -> Lines:
    """The trailer fields that may pass: none that frames, routes or speaks of the connection (RFC 9110 §6.5.1)."""
    return [
        (name, value)
        for name, value in lines
        if (lower := name.lower()) not in _STOP_IN_TRAILERS
        and not lower.startswith((b"access-control-", b"sec-fetch-"))
    ]


def wants_websocket(fields: Fields) -> bool:
    """Whether this is a WebSocket handshake, the only upgrade that is tunnelled (RFC 6455 §4.1)."""
    return (
        fields.get(b"upgrade", b"").strip().lower() == b"websocket"
        and b"upgrade" in tokens(fields.get(b"connection", b""))
    )  # fmt: skip


def join(lines: Iterable[bytes]) -> bytes:
    """Lines with their CRLF as a head's tail: the empty line ends it."""
    return b"".join(lines) + b"\r\n"
