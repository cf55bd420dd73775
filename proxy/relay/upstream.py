"""One connection to the gateway."""

import asyncio
import re
import ssl
from typing import Protocol, cast

import httptools

from proxy.relay import framing, headers
from proxy.relay.destination import Upstream
from proxy.relay.framing import BadFraming, Framing
from proxy.relay.headers import Direction, Fields, Lines
from proxy.relay.keepalive import keep_alive
from proxy.relay.messages import HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS, AnswerHead, head_size
from proxy.relay.writes import Gatherer, Sender

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Exchange(Protocol):
    """What a connection needs to know of the call that it carries."""

    def interim(self, head: AnswerHead) -> None:
        """A 1xx answer."""

    def received(
        self,
        head: AnswerHead | None,
        pieces: list[bytes],
        complete: bool,  # noqa: FBT001
        trailers: Lines,
    ) -> None:
        """What one read brought: perhaps the head, perhaps some of the body, perhaps its end."""

    def switched(self, head: AnswerHead, rest: bytes) -> None:
        """101; `rest` came behind its head."""

    def upstream_broke(self, why: str, *, malformed: bool) -> None:
        """The connection is lost, or useless because of what came over it."""

    def upstream_full(self) -> None:
        """The upstream reads slower than we write."""

    def upstream_drained(self) -> None:
        """It has caught up."""


class _Surplus(Exception):  # not an error: a way to stop the parser
    """The upstream sent more than the answer it owed."""


class _Malformed(Exception):
    """The answer cannot be passed on. The message says what is wrong with it, in words that follow "because"."""


class Keeper(Protocol):
    """What a connection needs of its pool."""

    upstream: Upstream
    down: Direction

    def give_back(self, connection: "UpstreamConnection") -> None:
        """It is free for another call."""

    def forget(self, connection: "UpstreamConnection") -> None:
        """It has closed."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to the gateway: carries one call at a time, and reports what comes back for it.

    The parser's callbacks only collect; what a read brought is reported after the parser has returned, since
    only then it is known whether anything stood behind the answer.
    """

    used = False
    """Whether it has carried a call before the present one."""
    _carried = False
    # Of the present call. Defaults stand on the class: most calls never change most of them.
    _framing: Framing | None = None
    """Of the body, as soon as the head is there."""
    _head: AnswerHead | None = None
    """The head, until it has been reported."""
    _interims: list[AnswerHead] | None = None
    _says_close = False
    _switching = False
    _complete = False
    _reusable = False
    _touched = False
    _writing_paused = False

    def __init__(self, pool: Keeper, gatherer: Gatherer) -> None:
        self._pool = pool
        self._down = pool.down
        self._gatherer = gatherer
        self.idle_since = 0.0
        self._pieces: list[bytes] = []
        self._reason: list[bytes] = []
        self._lines: Lines = []
        # Bound before the parser is made: what only collects costs no Python frame, or the smallest that there is.
        self.on_body = self._pieces.append
        self.on_status = self._reason.append
        collect = self._lines.append
        self.on_header = lambda *line: collect(line)
        self._parser = httptools.HttpResponseParser(self)
        self._reading_paused = False
        self._exchange: Exchange | None = None  # compiled, one on the class is not there at first

    def __repr__(self) -> str:
        state = "idle" if self._exchange is None else "busy"
        return f"<UpstreamConnection to {self._pool.upstream} {state}>"

    # -- what an exchange does with it

    def carry(self, exchange: Exchange, method: bytes) -> None:
        """From now on what comes back belongs to `exchange`."""
        self.used = self._carried
        self._carried = True
        self._exchange = exchange
        self._method = method
        self._framing = None
        self._complete = False
        self._touched = False
        self._overhead_bytes = 0

    @property
    def touched(self) -> bool:
        """Whether anything has come back for the present call."""
        return self._touched

    def release(self) -> None:
        """The call has ended in good order: back to the pool if the connection is as good as new."""
        self._exchange = None
        if self._writing_paused:
            # It answered before it had taken the request in: nobody would tell the next call to wait.
            self.sender.abort()
        elif self._reusable and not self.transport.is_closing():
            if self._reading_paused:
                # It would not see its end while it lies in the pool.
                self.resume_reading()
            if self._method == b"HEAD":
                # The parser still waits for the body that Content-Length spoke of.
                self._parser = httptools.HttpResponseParser(self)
            self._pool.give_back(self)
        else:
            self.sender.close()

    def abandon(self) -> None:
        """The call is over before its answer is: the upstream learns it at once."""
        self._exchange = None
        self.sender.abort()

    def detach(self) -> asyncio.Transport:
        """Give the transport away, to a tunnel. The pool counts it until it has closed: see `Tunnel.lost`."""
        self._exchange = None
        self.sender.flush()
        self.resume_reading()
        return self.transport

    def pause_reading(self) -> None:
        """Let the upstream wait."""
        if not self._reading_paused and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        if self._reading_paused and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's, though they do all that these do.
        self.transport = transport = cast(asyncio.Transport, transport)
        self.sender = Sender(transport, self._gatherer)
        # Over TLS a body that ends with the connection is complete only if the peer has said so (RFC 9112 §9.8). A
        # mere end is hidden: uvloop calls nothing but `connection_lost`, asyncio `eof_received` too.
        self._truncated = transport.get_extra_info("ssl_object") is not None
        if (sock := transport.get_extra_info("socket")) is not None:
            keep_alive(sock)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.sender.abort()  # Bytes that nobody asked for are no answer to the next call.
            return
        self._touched = True
        self._read_bytes = len(data)
        broken: str | None = None
        rest = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            broken = _why(error)
        if self._interims is not None:
            self._report_interims(exchange, self._interims)
        if self._switching:
            self._report_switch(exchange, rest, broken)
            return
        head, pieces = self._head, self._pieces
        if head is not None or pieces or self._complete:
            self._head = None
            self._overhead_bytes = 0
            # Whatever stood behind the answer is not passed on, and no other call meets it.
            if broken is not None or (pieces and self._method == b"HEAD"):
                self._reusable = False
            exchange.received(head, pieces, self._complete, self._lines)
            pieces.clear()
        else:
            # A head, chunk extensions or trailers without end call nothing back: count what they take.
            self._overhead_bytes += self._read_bytes
            if self._overhead_bytes > HEAD_LIMIT_BYTES and broken is None:
                broken = "its head is too large"
        if broken is not None and self._exchange is exchange:
            self._fail(exchange, broken)

    def _report_interims(self, exchange: Exchange, interims: list[AnswerHead]) -> None:
        self._overhead_bytes = self._read_bytes = 0
        self._interims = None
        for interim in interims:
            exchange.interim(interim)

    def _report_switch(self, exchange: Exchange, rest: bytes, broken: str | None) -> None:
        if self._head is not None and broken is None:
            exchange.switched(self._head, rest)
        else:
            self._fail(exchange, "it breaks off while it switches protocols")

    def _fail(self, exchange: Exchange, why: str) -> None:
        self._exchange = None
        self.sender.abort()
        exchange.upstream_broke(why, malformed=True)

    def eof_received(self) -> None:
        if (tls := self.transport.get_extra_info("ssl_object")) is not None:
            self._truncated = not _ended_by_alert(tls)

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self._pool.forget(self)
        if exchange is None:
            return
        if exc is None and self._framing is Framing.UNTIL_CLOSE and not self._truncated:
            self._reusable = False
            exchange.received(None, [], True, [])  # noqa: FBT003
        else:
            exchange.upstream_broke("the connection was closed", malformed=False)

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self._exchange is not None:
            self._exchange.upstream_full()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._exchange is not None:
            self._exchange.upstream_drained()

    # -- httptools' callbacks: they collect

    def on_message_begin(self) -> None:
        if self._complete:
            raise _Surplus
        # What has been collected for an earlier answer (its trailers) is none of this one's.
        self._reason.clear()
        self._lines.clear()

    def on_headers_complete(self) -> None:
        parser, lines = self._parser, self._lines
        reason = b"".join(self._reason)
        if len(lines) > HEAD_LIMIT_FIELDS or (
            self._overhead_bytes + self._read_bytes > HEAD_LIMIT_BYTES
            and head_size(reason, lines) > HEAD_LIMIT_BYTES
        ):
            raise _Malformed("its head is too large")
        fields, kept = headers.read(lines, self._down)
        self._check(reason, fields)
        status = parser.get_status_code()
        kind = framing.of_answer(self._method, status, fields)
        head = AnswerHead(status, reason, kept, fields, kind)
        lines.clear()
        if status < 200 and status != 101:
            self._interim(head)
            return
        self._head = head
        self._framing = kind
        if status == 101:
            self._switching = True
        elif self._method == b"HEAD":
            # The parser cannot be told that no body follows, and hides the beginning of one that is in chunks.
            self._complete = True
            self._reusable = b"transfer-encoding" not in fields and self._stays_open()

    def _check(self, reason: bytes, fields: Fields) -> None:
        """Look at what the parser leaves to us. Raises _Malformed."""
        self._says_close = False
        # HTTP/1.1 is what keeps a connection alive without a word; asking otherwise costs more than it looks.
        if b"connection" in fields or b"proxy-connection" in fields or not self._parser.should_keep_alive():
            version = self._parser.get_http_version()
            if version not in ("1.0", "1.1"):
                raise _Malformed("it is neither HTTP/1.0 nor HTTP/1.1")
            if version == "1.0":
                self._check_http10(fields)
        if not reason.isalnum() and _CONTROL.search(reason) is not None:
            raise _Malformed("its status line has control characters")

    def _check_http10(self, fields: Fields) -> None:
        if b"transfer-encoding" in fields:
            raise _Malformed("it is HTTP/1.0 with a Transfer-Encoding")
        # llhttp looks only for `keep-alive` there; `close` comes first (RFC 9112 §9.3).
        self._says_close = b"close" in headers.tokens(fields.get(b"connection", b""))

    def _interim(self, head: AnswerHead) -> None:
        """A 1xx has come. The parser knows only of some that they have no body (RFC 9110 §15.2)."""
        if head.status < 100:
            raise _Malformed("its status is below 100")
        if b"transfer-encoding" in head.fields or head.fields.get(b"content-length", b"0") != b"0":
            raise _Malformed("it has a 1xx that announces a body")
        if self._interims is None:
            self._interims = []
        self._interims.append(head)

    def _stays_open(self) -> bool:
        return self._parser.should_keep_alive() and not self._says_close

    def on_message_complete(self) -> None:
        if self._framing is not None and not self._complete:
            self._complete = True
            self._reusable = self._stays_open()


def _ended_by_alert(tls: ssl.SSLObject) -> bool:
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


def _why(error: httptools.HttpParserError) -> str:
    """What is wrong with an answer, in words that follow 'because'."""
    cause = error.__context__
    if isinstance(cause, BadFraming):
        return f"it has {cause}"
    return str(cause) if isinstance(cause, _Malformed) else "it breaks the rules of HTTP/1.1"
