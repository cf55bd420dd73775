"""Where a route leads, and one connection to it."""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Protocol, cast

import httptools
from yarl import URL

from proxy.relay import framing, headers
from proxy.relay.framing import BadFraming, Framing
from proxy.relay.headers import Fields, Lines
from proxy.relay.messages import HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS, AnswerHead, head_size
from proxy.relay.writes import Gatherer, Sender

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel find a dead peer within two minutes: no time limit of ours ends a silent answer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a route leads. `prefix` stands before every target; `authority` is what `Host` says."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    prefix: bytes
    authority: bytes

    @classmethod
    def from_url(cls, url: str, *, tls: ssl.SSLContext | None = None) -> "Upstream":
        """`url`: http or https, a host, an optional port and path. `tls`: used where it is https."""
        parsed = URL(url, encoded=True)
        host, port = parsed.host, parsed.port
        if host is None or port is None or parsed.scheme not in ("http", "https"):
            raise ValueError("an upstream needs an http or https URL with a host")
        name = f"[{host}]" if ":" in host else host
        return cls(
            host=host,
            port=port,
            tls=(tls or ssl.create_default_context()) if parsed.scheme == "https" else None,
            prefix=parsed.raw_path.rstrip("/").encode("ascii"),
            authority=(name if parsed.is_default_port() else f"{name}:{port}").encode("ascii"),
        )

    def __str__(self) -> str:
        return self.authority.decode("ascii")


class Exchange(Protocol):
    """What a connection needs to know of the call that it carries."""

    def interim(self, head: AnswerHead) -> None:
        """A 1xx answer."""

    def received(
        self, head: AnswerHead | None, pieces: list[bytes], *, complete: bool, trailers: Lines
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


class _TooLarge(Exception):
    """The answer's head is above the limits."""


class _OtherVersion(Exception):
    """The answer claims to be of another HTTP."""


class Keeper(Protocol):
    """What a connection needs of its pool."""

    upstream: Upstream

    def give_back(self, connection: "UpstreamConnection") -> None:
        """It is free for another call."""

    def forget(self, connection: "UpstreamConnection") -> None:
        """It is closed, or no longer a connection of the pool's."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to the gateway: carries one call at a time, and reports what comes back for it.

    The parser's callbacks only collect; what a read brought is reported after the parser has returned, since
    only then it is known whether anything stood behind the answer.
    """

    def __init__(self, pool: Keeper, gatherer: Gatherer) -> None:
        self._pool = pool
        self._gatherer = gatherer
        self.idle_since = 0.0
        self._exchange: Exchange | None = None
        self._pieces: list[bytes] = []
        # Bound before the parser is made: pieces are collected without a Python frame for each.
        self.on_body = self._pieces.append
        self._parser = httptools.HttpResponseParser(self)
        self._reading_paused = False

    def __repr__(self) -> str:
        state = "idle" if self._exchange is None else "busy"
        return f"<UpstreamConnection to {self._pool.upstream} {state}>"

    # -- what an exchange does with it

    def carry(self, exchange: Exchange, method: bytes) -> None:
        """From now on what comes back belongs to `exchange`."""
        self._exchange = exchange
        self._method = method
        self._head: AnswerHead | None = None
        self._framing: Framing | None = None
        self._interims: list[AnswerHead] = []
        self._switching = False
        self._complete = False
        self._reusable = False
        self._touched = False
        self._overhead_bytes = 0

    @property
    def touched(self) -> bool:
        """Whether anything has come back for the present call."""
        return self._touched

    def release(self) -> None:
        """The call has ended in good order: back to the pool if the connection is as good as new."""
        self._exchange = None
        if self._reusable and not self.transport.is_closing():
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
        """Give the transport away, to a tunnel."""
        self._exchange = None
        self.sender.flush()
        self.resume_reading()
        self._pool.forget(self)
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
            # Bytes that nobody asked for: whatever they are, they are no answer to the next call.
            self.sender.abort()
            return
        self._touched = True
        self._at_most_bytes = self._overhead_bytes + len(data)
        broken: str | None = None
        rest = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            broken = _why(error)
        self._report(exchange, len(data), rest, broken)

    def _report(self, exchange: Exchange, size: int, rest: bytes, broken: str | None) -> None:
        """Tell the exchange what one read of `size` bytes has brought."""
        head, self._head = self._head, None
        pieces = self._pieces
        if self._interims:
            self._overhead_bytes = size = 0
            interims, self._interims = self._interims, []
            for interim in interims:
                exchange.interim(interim)
        if self._switching:
            if head is not None and broken is None:
                exchange.switched(head, rest)
            else:
                self._fail(exchange, "it breaks off while it switches protocols")
            return
        if self._complete:
            # Whatever stood behind the answer is not passed on, and no other call meets it.
            self._reusable = self._reusable and broken is None and not (self._method == b"HEAD" and pieces)
            exchange.received(head, pieces, complete=True, trailers=self._lines)
            pieces.clear()
            return
        if head is not None or pieces:
            self._overhead_bytes = 0
            exchange.received(head, pieces, complete=False, trailers=[])
            pieces.clear()
        else:
            # A head, chunk extensions or trailers without end call nothing back: count what they take.
            self._overhead_bytes += size
            if self._overhead_bytes > HEAD_LIMIT_BYTES and broken is None:
                broken = "its head is too large"
        if broken is not None and self._exchange is exchange:
            self._fail(exchange, broken)

    def _fail(self, exchange: Exchange, why: str) -> None:
        self._exchange = None
        self.sender.abort()
        exchange.upstream_broke(why, malformed=True)

    def eof_received(self) -> None:
        tls = self.transport.get_extra_info("ssl_object")
        if tls is not None:
            self._truncated = not _ended_by_alert(tls)

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            self._pool.forget(self)
        elif exc is None and self._framing is Framing.UNTIL_CLOSE and not self._truncated:
            self._reusable = False
            exchange.received(None, [], complete=True, trailers=[])
        else:
            exchange.upstream_broke("the connection was closed", malformed=False)

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.upstream_full()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.upstream_drained()

    # -- httptools' callbacks: they collect

    def on_message_begin(self) -> None:
        if self._complete:
            raise _Surplus
        self._reason = b""
        self._lines: Lines = []

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        lines, self._lines = self._lines, []
        if len(lines) > HEAD_LIMIT_FIELDS or (
            self._at_most_bytes > HEAD_LIMIT_BYTES and head_size(self._reason, lines) > HEAD_LIMIT_BYTES
        ):
            raise _TooLarge
        fields = headers.index(lines)
        if not self._speaks_http1(fields):
            raise _OtherVersion
        head = AnswerHead(
            status, self._reason, lines, fields, framing.of_answer(self._method, status, fields)
        )
        if status < 200 and status != 101:
            self._interims.append(head)
            return
        self._head = head
        self._framing = head.framing
        self._switching = status == 101
        if self._method == b"HEAD":
            # The parser cannot be told that no body follows.
            self._complete = True
            self._reusable = self._parser.should_keep_alive()

    def _speaks_http1(self, fields: Fields) -> bool:
        # HTTP/1.1 is what keeps a connection alive without a word; asking otherwise costs more than it looks.
        if b"connection" not in fields and self._parser.should_keep_alive():
            return True
        return self._parser.get_http_version() in ("1.0", "1.1")

    def on_message_complete(self) -> None:
        if self._framing is not None and not self._complete:
            self._complete = True
            self._reusable = self._parser.should_keep_alive()


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
    if isinstance(cause, _TooLarge):
        return "its head is too large"
    if isinstance(cause, _OtherVersion):
        return "it is neither HTTP/1.0 nor HTTP/1.1"
    return "it breaks the rules of HTTP/1.1"
