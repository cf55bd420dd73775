"""The bytes of one client connection, as requests: httptools, and the checks that it leaves to us.

The parser's callbacks only collect. httptools cannot be paused: what is pipelined behind a request in the same
read is parsed with it, so requests come out as a queue.
"""

from collections import deque
from collections.abc import Callable

import httptools

from proxy.relay import framing, headers, refusals, targets
from proxy.relay.framing import BadFraming, Framing
from proxy.relay.headers import Lines
from proxy.relay.messages import HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS, Request, RequestHead, head_size
from proxy.relay.refusals import Refusal
from proxy.relay.targets import BadTarget


def no_head() -> RequestHead:
    """Stands for a head that could not be read."""
    return RequestHead(b"GET", b"", b"", [], {}, Framing.NONE)


class Unreadable(Exception):  # names what the bytes are
    """The bytes make no sense from here on. `request` is the one that they broke, None if it had no head yet."""

    def __init__(self, refusal: Refusal, request: Request | None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.request = request


class LocalRequest(Exception):
    """The request is one for the local application; `raw` is all that was read of it."""

    def __init__(self, raw: bytes) -> None:
        super().__init__("local request")
        self.raw = raw


class _Stop(Exception):
    """Raised in a callback, where it is the only way to stop the parser, which is dead afterwards."""

    def __init__(self, refusal: Refusal | None = None) -> None:
        super().__init__()
        self.refusal = refusal


class RequestParser:
    """Reads requests. `requests` is the queue; whoever serves one takes it off when it is over."""

    def __init__(self, is_local: Callable[[bytes], bool]) -> None:
        self.requests: deque[Request] = deque()
        self._is_local = is_local
        self._arriving: Request | None = None
        self._resuming: Request | None = None
        self._pieces: list[bytes] = []
        # Bound before a parser is made: pieces are collected without a Python frame for each.
        self.on_body = self._pieces.append
        self._parser = httptools.HttpRequestParser(self)
        self._in_head = False
        self._head_reads: list[bytes] | None = None
        self._read_bytes = 0
        self._head_bytes = 0
        """At least as large as the present head: all reads since the one in which it began."""
        self._advanced = False
        """Whether the present read brought the beginning or the end of anything."""
        self._overhead_bytes = 0
        """What reads that brought nothing at all have come to."""

    def feed(self, data: bytes) -> bytes | None:
        """Read `data`. Gives what stood behind a WebSocket handshake (perhaps nothing), after which no more
        may be fed; None otherwise.

        Raises LocalRequest, and Unreadable; nothing may be fed after either.
        """
        if self._arriving is None:
            if not self._in_head:
                # A message begins here: should it be one for the local application, it wants the raw bytes.
                self._head_reads = [data]
            elif self._head_reads is not None:
                self._head_reads.append(data)
        self._read_bytes = len(data)
        if self._in_head:
            self._head_bytes += len(data)
        self._advanced = False
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if self.requests[-1].head.websocket:
                    return data
                self._ignore_upgrade()
            except httptools.HttpParserError as error:
                raise self._failure(error) from None
            else:
                break
        self._settle()
        return None

    def _settle(self) -> None:
        """After a read: hand on what was collected, and bound what yields nothing."""
        pieces, arriving = self._pieces, self._arriving
        if pieces:
            self._overhead_bytes = 0
            if arriving is not None:
                arriving.pieces += pieces
            pieces.clear()
        elif self._in_head and self._head_reads is not None and self._head_bytes > HEAD_LIMIT_BYTES:
            # It began with the first of these reads, so that is its size so far.
            raise Unreadable(refusals.head_too_large(HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS), None)
        elif self._advanced:
            self._overhead_bytes = 0
        else:
            # A head, chunk extensions or trailers without end: count what they take.
            self._overhead_bytes += self._read_bytes
            if self._overhead_bytes > HEAD_LIMIT_BYTES:
                raise Unreadable(refusals.head_too_large(HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS), arriving)

    def _failure(self, error: httptools.HttpParserError) -> Exception:
        cause = error.__context__
        if isinstance(cause, _Stop):
            if cause.refusal is None:
                return LocalRequest(b"".join(self._head_reads or ()))
            return Unreadable(cause.refusal, None)
        return Unreadable(_refusal_for(error), self._arriving)

    def _ignore_upgrade(self) -> None:
        """Get a parser that reads on behind a head which asked for another protocol than WebSocket.

        Ignoring an upgrade is allowed (RFC 9110 §7.8), and Java's client asks for h2c with every first request,
        body included. httptools stops there; a made-up head with the same framing and no upgrade puts a new
        parser where the body begins.
        """
        request = self.requests[-1]
        self._parser = httptools.HttpRequestParser(self)
        if not request.complete:
            self._resuming = request
            length = request.head.fields.get(b"content-length")
            line = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: " + length
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % line)

    # -- httptools' callbacks: they collect

    def on_message_begin(self) -> None:
        self._in_head = self._advanced = True
        self._head_bytes = self._read_bytes
        self._target = b""
        self._lines: Lines = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        lines, self._lines = self._lines, []
        if self._resuming is not None:
            self._arriving, self._resuming = self._resuming, None
            return
        self._advanced = True
        head = self._parse_head(lines)
        if self._is_local(head.path):
            if self._head_reads is not None and not self.requests:
                raise _Stop
            # Its raw bytes cannot be had any more. The connection ends after the answer before it, as a
            # server may at any time, and the client asks again.
            self.requests.append(Request(head, dropped=True))
            raise _Stop(refusals.malformed("a local request was pipelined behind a relayed one"))
        self._head_reads = None
        self._arriving = Request(head)
        self.requests.append(self._arriving)

    def on_message_complete(self) -> None:
        request = self._arriving
        if request is None:
            return
        if (
            self._parser.should_upgrade()
            and not request.head.websocket
            and request.head.framing is not Framing.NONE
        ):
            # httptools ends a message at an upgrade, also when its body has not been read yet.
            return
        if self._pieces:
            request.pieces += self._pieces
            self._pieces.clear()
        request.trailers = self._lines
        request.complete = self._advanced = True
        self._arriving = None

    def _parse_head(self, lines: Lines) -> RequestHead:
        parser = self._parser
        if len(lines) > HEAD_LIMIT_FIELDS or (
            self._head_bytes > HEAD_LIMIT_BYTES and head_size(self._target, lines) > HEAD_LIMIT_BYTES
        ):
            raise _Stop(refusals.head_too_large(HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS))
        method = parser.get_method()
        if method in (b"CONNECT", b"TRACE"):
            raise _Stop(refusals.method_refused(method.decode()))
        fields = headers.index(lines)
        keep_alive = parser.should_keep_alive()
        http10 = False
        if not keep_alive or b"connection" in fields:
            # Only now can it be anything but HTTP/1.1; asking every time costs more than it looks.
            version = parser.get_http_version()
            if version not in ("1.0", "1.1"):
                raise _Stop(refusals.version_refused())
            http10 = version == "1.0"
        try:
            target = targets.parse(self._target)
            kind = framing.of_request(fields)
        except (BadTarget, BadFraming) as error:
            raise _Stop(refusals.malformed(str(error))) from None
        if target.authority is not None:
            if b"host" not in fields or b"," in fields[b"host"]:
                # The target's host stands in for it below, and would hide this from the guard.
                raise _Stop(refusals.malformed("it needs exactly one Host"))
            fields[b"host"] = target.authority
        if target.path == b"*" and method != b"OPTIONS":
            raise _Stop(refusals.malformed("only OPTIONS may ask for *"))
        return RequestHead(
            method=method,
            target=target.origin,
            path=target.path,
            lines=lines,
            fields=fields,
            framing=kind,
            http10=http10,
            keep_alive=keep_alive and not http10,
            websocket=b"upgrade" in fields
            and method == b"GET"
            and not http10
            and kind is Framing.NONE
            and headers.wants_websocket(fields),
        )


def _refusal_for(error: httptools.HttpParserError) -> Refusal:
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return refusals.method_unknown()
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return refusals.malformed("the request target has characters that must be percent-encoded")
    return refusals.malformed(f"it breaks the rules of HTTP/1.1 ({error})")
