"""HTTP/1.1 read by the letter of RFC 9112, independently of the product: what was really said.

Pure: bytes in, messages out. It reads one side of a connection from its beginning, message after message, until
the bytes end or make no sense. Where the RFC leaves a choice between refusing and guessing, it refuses. It has two
leniencies, which are everybody's: empty lines before a start line are passed over, whatever ends them (§2.2), and
the words of a request line may stand further apart (§3).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

Lines = list[tuple[bytes, bytes]]

_LARGEST = 2**64 - 1
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(
    rb"(?P<method>" + _TOKEN + rb") +(?P<target>[\x21-\x7e]+) +HTTP/1\.(?P<minor>[01])"
)
_STATUS_LINE = re.compile(
    rb"HTTP/1\.(?P<minor>[01]) (?P<status>[1-9][0-9]{2})(?: (?P<reason>[\t \x21-\x7e\x80-\xff]*))?"
)
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t \x21-\x7e\x80-\xff]*)")
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSION = rb";" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)((?:" + _EXTENSION + rb")*)")
_ODD_CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]+;[\t \x21-\x7e\x80-\xff]*")
_DIGITS = re.compile(rb"[0-9]+")


ODD_EXTENSION = "an odd chunk extension"
FRAMING_TRAILER = "a trailer that frames"
DEBATABLE = frozenset({ODD_EXTENSION, FRAMING_TRAILER})
"""Why reading stopped, where a reader who throws extensions and such trailers away (§7.1.1, §6.5.1) may go on."""


class Framing(Enum):
    """How the end of a body is recognised."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


class Stop(Enum):
    """Why reading stopped."""

    CLEAN = auto()
    """The bytes end behind a message."""
    WAITING = auto()
    """They end within one."""
    INVALID = auto()
    """They make no sense from here on."""
    CLOSED = auto()
    """Behind a message that says that it is the last."""
    SWITCHED = auto()
    """Behind one that asks for, or grants, another protocol."""


@dataclass(frozen=True)
class Heard:
    """One message. `start` is its first line; `method` and `target` are a request's, `status` and `reason` an
    answer's. `chunks` are the pieces of its body as they were framed.
    """

    start: bytes
    lines: Lines
    http10: bool
    framing: Framing
    method: bytes = b""
    target: bytes = b""
    status: int = 0
    reason: bytes = b""
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    trailers: Lines = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        """The values of all lines of that name."""
        return values(self.lines, name)

    def tokens(self, name: bytes) -> set[bytes]:
        """What all lines of that name list, in lower case."""
        return {token.strip(b" \t").lower() for value in self.values(name) for token in value.split(b",")}

    @property
    def last(self) -> bool:
        """Whether it ends its connection (RFC 9112 §9.3; `Proxy-Connection` as everybody reads it)."""
        said = self.tokens(b"connection") | self.tokens(b"proxy-connection")
        return b"close" in said or (self.http10 and b"keep-alive" not in said)

    @property
    def upgrades(self) -> bool:
        """Whether it asks for WebSocket, or grants it (RFC 6455 §4)."""
        return (
            [value.lower() for value in self.values(b"upgrade")] == [b"websocket"]
            and b"upgrade" in self.tokens(b"connection")
        )  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """All that was said.

    `broken` is the message within which the bytes end, or stop making sense, if its head is whole; `rest` is what
    stands behind the last whole message; `why` says what makes no sense.
    """

    messages: list[Heard]
    stop: Stop
    rest: bytes = b""
    broken: Heard | None = None
    why: str = ""


def values(lines: Lines, name: bytes) -> list[bytes]:
    """The values of all lines of that name, which is in lower case."""
    return [value for each, value in lines if each.lower() == name]


def read_requests(data: bytes) -> Reading:
    """What a client says. Behind a message that is the last, or a WebSocket handshake, nothing is read."""
    return _read(data, _requests(_Bytes(data)))


def read_answers(data: bytes, methods: Sequence[bytes], *, ended: bool) -> Reading:
    """What a server answers to requests with these methods, interim answers included.

    `ended`: it has closed the connection in good order, so a body that ends with the connection is whole.
    """
    return _read(data, _answers(_Bytes(data), methods, ended=ended))


class _Short(Exception):
    """The bytes end here."""


class _Bad(Exception):
    """They make no sense here."""


class _BrokenBody(Exception):
    """A whole head, and a body that ends too early or makes no sense."""

    def __init__(self, message: Heard) -> None:
        super().__init__()
        self.message = message


class _Bytes:
    """The bytes, and how far they have been read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise _Short
        line = self.data[self.at : end]
        self.at = end + 1
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise _Bad("a line that does not end in CR LF")
        return line[:-1]

    def skip_empty_lines(self) -> None:
        while self.data[self.at : self.at + 1] in (b"\r", b"\n"):
            self.at += 1

    def up_to(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def is_at_end(self) -> bool:
        return self.at >= len(self.data)


def _read(data: bytes, steps: Iterator[tuple[Heard, int, Stop | None]]) -> Reading:
    """Collect what `steps` yields: a message, where it ended, and whether reading stops behind it."""
    messages: list[Heard] = []
    end = 0
    try:
        for message, end, stop in steps:
            messages.append(message)
            if stop is not None:
                return Reading(messages, stop, data[end:])
    except _BrokenBody as broken:
        short = isinstance(broken.__cause__, _Short)
        stop = Stop.WAITING if short else Stop.INVALID
        return Reading(messages, stop, data[end:], broken.message, str(broken.__cause__))
    except _Short:
        return Reading(messages, Stop.WAITING, data[end:])
    except _Bad as bad:
        return Reading(messages, Stop.INVALID, data[end:], why=str(bad))
    rest = data[end:]
    return Reading(messages, Stop.INVALID if rest.strip(b"\r\n") else Stop.CLEAN, rest, why="surplus")


def _requests(source: _Bytes) -> Iterator[tuple[Heard, int, Stop | None]]:
    while True:
        source.skip_empty_lines()
        if source.is_at_end():
            return
        line = source.line()
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise _Bad("no request line")
        lines = _fields(source)
        http10 = match["minor"] == b"0"
        framing = _declared(lines, http10=http10) or Framing.NONE
        if len(values(lines, b"host")) != 1:
            raise _Bad("not exactly one Host")
        head = Heard(line, lines, http10, framing, method=match["method"], target=match["target"])
        message = _with_body(source, head, ended=False)
        stop = None
        if message.upgrades and message.method == b"GET" and framing is Framing.NONE and not http10:
            stop = Stop.SWITCHED
        elif message.last or http10:
            stop = Stop.CLOSED
        yield message, source.at, stop


def _answers(
    source: _Bytes, methods: Sequence[bytes], *, ended: bool
) -> Iterator[tuple[Heard, int, Stop | None]]:
    for method in methods:
        while True:
            message = _with_body(source, _answer_head(source, method), ended=ended)
            stop = None
            if message.status == 101:
                stop = Stop.SWITCHED
            elif message.status >= 200 and (message.last or message.framing is Framing.UNTIL_CLOSE):
                stop = Stop.CLOSED
            yield message, source.at, stop
            if message.status >= 200:
                break


def _answer_head(source: _Bytes, method: bytes) -> Heard:
    source.skip_empty_lines()
    line = source.line()
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise _Bad("no status line")
    lines = _fields(source)
    http10 = match["minor"] == b"0"
    status = int(match["status"])
    framing = _declared(lines, http10=http10) or Framing.UNTIL_CLOSE
    if method == b"HEAD" or status in (204, 304) or status < 200:
        framing = Framing.NONE
    return Heard(line, lines, http10, framing, status=status, reason=match["reason"] or b"")


def _fields(source: _Bytes) -> Lines:
    lines: Lines = []
    while line := source.line():
        match = _FIELD.fullmatch(line)
        if match is None:
            raise _Bad("no header line")
        lines.append((match[1], match[2].rstrip(b" \t")))
    return lines


def _declared(lines: Lines, *, http10: bool) -> Framing | None:
    """What the fields say of the body (RFC 9112 §6.1 to §6.3). What is ambiguous is refused."""
    lengths, codings = values(lines, b"content-length"), values(lines, b"transfer-encoding")
    if codings:
        if lengths or http10 or len(codings) != 1 or codings[0].lower() != b"chunked":
            raise _Bad("an ambiguous Transfer-Encoding")
        return Framing.CHUNKED
    if not lengths:
        return None
    if len(lengths) != 1 or not _DIGITS.fullmatch(lengths[0]) or int(lengths[0]) > _LARGEST:
        raise _Bad("an ambiguous Content-Length")
    return Framing.LENGTH


def _with_body(source: _Bytes, head: Heard, *, ended: bool) -> Heard:
    chunks: list[bytes] = []
    trailers: Lines = []
    try:
        if head.framing is Framing.LENGTH:
            size = int(head.values(b"content-length")[0])
            chunks.append(source.up_to(size))
            if len(chunks[0]) < size:
                raise _Short  # noqa: TRY301  # a body is read like everything else
        elif head.framing is Framing.CHUNKED:
            trailers = _chunked(source, chunks)
        elif head.framing is Framing.UNTIL_CLOSE:
            chunks.append(source.up_to(len(source.data)))
            if not ended:
                raise _Short  # noqa: TRY301
    except (_Short, _Bad) as why:
        raise _BrokenBody(_complete(head, chunks, [])) from why
    return _complete(head, chunks, trailers)


def _chunked(source: _Bytes, chunks: list[bytes]) -> Lines:
    while True:
        line = source.line()
        match = _CHUNK_LINE.fullmatch(line)
        if match is None or int(match[1], 16) > _LARGEST:
            raise _Bad(ODD_EXTENSION if _ODD_CHUNK_LINE.fullmatch(line) else "no chunk size")
        size = int(match[1], 16)
        if size == 0:
            trailers = _fields(source)
            if values(trailers, b"content-length") or values(trailers, b"transfer-encoding"):
                raise _Bad(FRAMING_TRAILER)
            return trailers
        chunks.append(source.up_to(size))
        if len(chunks[-1]) < size:
            raise _Short
        end = source.up_to(2)
        if end != b"\r\n":
            raise _Short if b"\r\n".startswith(end) else _Bad("no line end behind a chunk")


def _complete(head: Heard, chunks: list[bytes], trailers: Lines) -> Heard:
    return Heard(
        head.start,
        head.lines,
        head.http10,
        head.framing,
        method=head.method,
        target=head.target,
        status=head.status,
        reason=head.reason,
        body=b"".join(chunks),
        chunks=chunks,
        trailers=trailers,
    )
