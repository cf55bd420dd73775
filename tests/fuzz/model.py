"""What the sidecar has to do with what was said: the rules of the product, once more and in few lines.

Written from the documents and not from the code, so that both can disagree.
"""

import ipaddress
import re
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from harness.reference import DEBATABLE, Framing, Heard, Lines, Reading, Stop, read_requests

METHODS = frozenset(
    b"""GET HEAD POST PUT PATCH DELETE OPTIONS
    ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH
    PURGE QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE""".split()
)
HOP_BY_HOP = frozenset(
    b"""connection keep-alive proxy-authenticate proxy-authorization proxy-connection te transfer-encoding
    upgrade""".split()
)
WITHHELD_FROM_UPSTREAM = frozenset(b"cookie origin referer".split())
WITHHELD_FROM_CLIENT = frozenset(
    b"alt-svc clear-site-data nel report-to service-worker-allowed set-cookie strict-transport-security".split()
)
NO_TRAILERS = HOP_BY_HOP | WITHHELD_FROM_UPSTREAM | WITHHELD_FROM_CLIENT | {b"content-length", b"host"}
MOST_FIELDS = 256
MINTED = b"helicone-request-id"
"""What is added where it was not sent."""

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)
_HOST = re.compile(rb"(?:([a-z0-9_.-]+)|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9-]{1,63}")
_TAB = re.compile(rb"transfer-encoding:[^\r\n]*\t[ \t]*\r", re.IGNORECASE)
_HEAD_END = re.compile(rb"\n\r?\n")
_QUAD = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


class Fate(Enum):
    """How a client's connection has to end."""

    OPEN = auto()
    """The sidecar waits for more, until the client ends it."""
    REFUSED = auto()
    """A refusal, then the end."""
    UNSURE = auto()
    """Within half a head or half a body: the sidecar may have said already what is wrong with it, or wait."""
    CLOSED = auto()
    """The end, without another word."""
    TUNNEL = auto()
    """Raw bytes."""
    LOCAL = auto()
    """The local application has it."""


@dataclass(frozen=True)
class Expected:
    """What has to come of a client's bytes.

    `answered`: the methods of what is answered, in order, and for each what the gateway has to see of it; None
    where the sidecar answers by itself. `partial`: what the gateway may see of a request that breaks. `announced`:
    whether the last answer has to say that it is the last. `undecided`: two ways of doing it are right.
    """

    fate: Fate
    answered: list[tuple[bytes, Heard | None]] = field(default_factory=list)
    partial: Heard | None = None
    frames: bytes = b""
    why: str = ""
    announced: bool = False
    undecided: bool = False


def expect(data: bytes, authority: bytes) -> Expected:
    """What has to come of a client's bytes. `authority`: the gateway's."""
    reading = read_requests(data)
    if _is_undecided(data, reading):
        return Expected(Fate.UNSURE, undecided=True)
    answered: list[tuple[bytes, Heard | None]] = []
    for message in reading.messages:
        if (stopped := _stopped(message, answered)) is not None:
            return stopped
        if is_answered_here(message):
            answered.append((message.method, None))
            return Expected(Fate.CLOSED, answered, announced=True)
        answered.append((message.method, upwards(message, authority)))
    partial = None
    if reading.broken is not None:
        if (stopped := _stopped(reading.broken, answered)) is not None:
            return stopped
        partial = upwards(reading.broken, authority)
    announced = reading.stop is Stop.CLOSED
    return Expected(_fate(reading), answered, partial, _frames(reading), reading.why, announced=announced)


def _is_undecided(data: bytes, reading: Reading) -> bool:
    """Whether more than one way of dealing with it is right. Each of these is safe, and left to llhttp."""
    return (
        # A tab behind a Transfer-Encoding is white space like any other (RFC 9112 §5.1); mostly refused.
        _TAB.search(data) is not None
        # A Connection among trailers means nothing (RFC 9110 §6.5.1), and is obeyed.
        or any(
            {b"connection", b"proxy-connection"} & {n.lower() for n, _ in m.trailers}
            for m in reading.messages
        )
        or reading.why in DEBATABLE
        # Whether we wait for the body of what we answer by ourselves depends on how it is cut into reads.
        or (reading.broken is not None and is_answered_here(reading.broken))
    )


def _stopped(message: Heard, answered: list[tuple[bytes, Heard | None]]) -> Expected | None:
    """What comes of a message with which everything ends, if it is one."""
    if (why := refusal(message)) is not None:
        return Expected(Fate.REFUSED, answered, why=why)
    if is_local(message):
        return Expected(Fate.CLOSED if answered else Fate.LOCAL, answered)
    return None


def _fate(reading: Reading) -> Fate:
    match reading.stop:
        case Stop.CLEAN:
            return Fate.OPEN
        case Stop.CLOSED:
            return Fate.CLOSED
        case Stop.SWITCHED:
            return Fate.TUNNEL
        case Stop.INVALID if reading.broken is not None or _HEAD_END.search(reading.rest):
            return Fate.REFUSED
        case _:
            return Fate.UNSURE


def _frames(reading: Reading) -> bytes:
    return reading.rest if reading.stop is Stop.SWITCHED else b""


def refusal(message: Heard) -> str | None:
    """Why a request that can be read goes no further."""
    if len(message.lines) > MOST_FIELDS:
        return "too many fields"
    if message.method not in METHODS:
        return "its method"
    if message.target == b"*":
        return None if message.method == b"OPTIONS" and is_ours(message.values(b"host")[0]) else "its target"
    host, path = _split(message)
    if path is None or b"#" in message.target:
        return "its target"
    plain = re.sub(rb"%2e", b".", path, flags=re.IGNORECASE)
    plain = re.sub(rb"%2f", b"/", plain, flags=re.IGNORECASE)
    if re.search(rb"\\|%5c", plain, flags=re.IGNORECASE) or {b".", b".."} & set(plain.split(b"/")):
        return "a dot segment"
    return None if is_ours(host) else "its Host"


def _split(message: Heard) -> tuple[bytes, bytes | None]:
    """The host that counts, and the path; None for a path that is none."""
    host, target = message.values(b"host")[0], message.target
    match = _ABSOLUTE.fullmatch(target)
    if match is not None:
        if b"," in host:
            return host, None  # Two lines would look like this.
        host, target = match[1], match[2] if match[2].startswith(b"/") else b"/" + match[2]
    return host, target.partition(b"?")[0] if target.startswith(b"/") else None


def is_ours(host: bytes) -> bool:
    """Whether a Host can only mean this machine."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[3] or 0) > 65535:
        return False
    name = (match[1] or match[2]).decode().lower()
    if match[1] is not None and not _QUAD.fullmatch(name):
        return name == "localhost" or (
            name.endswith(".localhost") and all(_LABEL.fullmatch(label) for label in name.split("."))
        )
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # Chromium does not trust one that is written as IPv6.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def is_local(message: Heard) -> bool:
    """Whether the local application answers it."""
    path = _split(message)[1]
    return path is not None and (path == b"/feedback" or path.startswith(b"/feedback/"))


def is_answered_here(message: Heard) -> bool:
    """Whether an OPTIONS is one for us (RFC 9110 §9.3.7, §7.6.2)."""
    return message.method == b"OPTIONS" and (message.target == b"*" or _hops(message) == 0)


def _hops(message: Heard) -> int | None:
    hops = b", ".join(message.values(b"max-forwards"))
    return int(hops) if re.fullmatch(rb"[0-9]{1,9}", hops) else None


def upwards(message: Heard, authority: bytes) -> Heard:
    """A request as the gateway has to see it."""
    lines = [
        (name, authority if name.lower() == b"host" else value)
        for name, value in _unnamed(message)
        if name.lower() not in HOP_BY_HOP | WITHHELD_FROM_UPSTREAM
        and not name.lower().startswith(b"sec-fetch-")
    ]
    if message.method == b"OPTIONS" and (hops := _hops(message)):
        lines = [(n, b"%d" % (hops - 1) if n.lower() == b"max-forwards" else v) for n, v in lines]
    if b"trailers" in message.tokens(b"te"):
        lines += [(b"TE", b"trailers"), (b"Connection", b"TE")]
    if message.framing is Framing.CHUNKED:
        lines.append((b"Transfer-Encoding", b"chunked"))
    if (
        message.upgrades
        and message.method == b"GET"
        and message.framing is Framing.NONE
        and not message.http10
    ):
        lines += [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]
    match = _ABSOLUTE.fullmatch(message.target)
    target = message.target
    if match is not None:
        target = match[2] if match[2].startswith(b"/") else b"/" + match[2]
    start = b"%b %b HTTP/1.1" % (message.method, target)
    return replace(
        message, start=start, target=target, http10=False, lines=lines, trailers=_trailers(message.trailers)
    )


def downwards(message: Heard, *, to_http10: bool) -> Heard:
    """An answer as the client has to see it; what only concerns the connection is left out."""
    lines = [
        (name, value)
        for name, value in _unnamed(message)
        if name.lower() not in HOP_BY_HOP | WITHHELD_FROM_CLIENT
        and not name.lower().startswith(b"access-control-")
    ]
    return replace(
        message, lines=lines, http10=False, trailers=[] if to_http10 else _trailers(message.trailers)
    )


def _unnamed(message: Heard) -> Lines:
    named = message.tokens(b"connection") - {b"content-length", b"host"}
    return [(name, value) for name, value in message.lines if name.lower() not in named]


def _trailers(lines: Lines) -> Lines:
    return [
        (name, value)
        for name, value in lines
        if name.lower() not in NO_TRAILERS
        and not name.lower().startswith((b"access-control-", b"sec-fetch-"))
    ]


def without_minted(lines: Lines) -> Lines:
    """The lines but for the id that is added where the app sent none."""
    return [(name, value) for name, value in lines if name.lower() != MINTED]
