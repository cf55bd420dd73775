"""The bytes of one client connection, as requests: httptools, and the checks that it leaves to us.

The parser's callbacks only collect. httptools cannot be paused: what is pipelined behind a request in the same
read is parsed with it, so requests come out as a queue.
"""

from collections.abc import Callable

import httptools

from proxy.relay import framing, headers, refusals, targets
from proxy.relay.framing import BadFraming, Framing
from proxy.relay.headers import Direction, Fields, Lines
from proxy.relay.messages import HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS, Request, RequestHead, head_size
from proxy.relay.refusals import Refusal
from proxy.relay.targets import BadTarget

_NOT_RELAYED = frozenset({b"CONNECT", b"TRACE"})
_NOT_HTTP = frozenset(
    b"ANNOUNCE DESCRIBE FLUSH GET_PARAMETER PAUSE PLAY RECORD REDIRECT SETUP SET_PARAMETER SOURCE TEARDOWN".split()
)
"""Methods of RTSP and ICE, which llhttp takes, with their protocols' names in the place of HTTP's."""


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

    def __init__(self, is_local: Callable[[bytes], bool], up: Direction = headers.UP) -> None:
        self.requests: list[Request] = []
        self._is_local = is_local
        self._up = up
        self._arriving: Request | None = None
        self._resuming: Request | None = None
        self._target: list[bytes] = []
        self._lines: Lines = []
        self._pieces: list[bytes] = []
        # Bound before a parser is made: what only collects costs no Python frame, or the smallest that there is.
        self.on_url = self._target.append
        self.on_body = self._pieces.append
        collect = self._lines.append
        self.on_header = lambda *line: collect(line)
        self._parser = httptools.HttpRequestParser(self)
        self.in_head = False
        """Whether a head has begun and is not complete."""
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
            if not self.in_head:
                # A message begins here: should it be one for the local application, it wants the raw bytes.
                self._head_reads = [data]
            elif self._head_reads is not None:
                self._head_reads.append(data)
        self._read_bytes = len(data)
        if self.in_head:
            self._head_bytes += len(data)
        self._advanced = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = self._upgraded(data[upgrade.args[0] :])
            if rest is not None:
                return rest
        except httptools.HttpParserError as error:
            raise self._failure(error) from None
        if self._pieces:
            self._hand_on()
        self._overhead_bytes = 0 if self._advanced else self._overhead_bytes + len(data)
        if self._head_bytes > HEAD_LIMIT_BYTES or self._overhead_bytes > HEAD_LIMIT_BYTES:
            self._bound()
        return None

    def _hand_on(self) -> None:
        """Part of a body has come."""
        self._advanced = True
        if self._arriving is not None:
            self._arriving.pieces += self._pieces
        self._pieces.clear()

    def _bound(self) -> None:
        """Bound what yields nothing: a head, chunk extensions or trailers without end."""
        if (
            # A head that began with the first of these reads is as long as they are.
            self.in_head and self._head_reads is not None and self._head_bytes > HEAD_LIMIT_BYTES
        ) or self._overhead_bytes > HEAD_LIMIT_BYTES:
            raise Unreadable(refusals.head_too_large(HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS), self._arriving)

    def _failure(self, error: httptools.HttpParserError) -> Exception:
        cause = error.__context__
        if isinstance(cause, _Stop):
            if cause.refusal is None:
                return LocalRequest(b"".join(self._head_reads or ()))
            return Unreadable(cause.refusal, None)
        return Unreadable(_refusal_for(error), self._arriving)

    def _upgraded(self, rest: bytes) -> bytes | None:
        """The parser has stopped at an upgrade. Gives `rest` if it is WebSocket's; else goes on behind it."""
        while not self.requests[-1].head.websocket:
            self._ignore_upgrade()
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                raise self._failure(error) from None
            else:
                return None
        return rest

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
        self.in_head = self._advanced = True
        self._head_bytes = self._read_bytes

    def on_headers_complete(self) -> None:
        self.in_head = False
        if self._resuming is not None:
            self._arriving, self._resuming = self._resuming, None
            self._target.clear()
            self._lines.clear()
            return
        self._advanced = True
        request = Request(self._parse_head())
        self._target.clear()
        self._lines.clear()
        if self._is_local(request.head.path):
            if self._head_reads is not None and not self.requests:
                raise _Stop
            # Its raw bytes cannot be had any more. The connection ends after the answer before it, as a
            # server may at any time, and the client asks again.
            request.dropped = True
            self.requests.append(request)
            raise _Stop(refusals.malformed("a local request was pipelined behind a relayed one"))
        self._head_reads = None
        self._arriving = request
        self.requests.append(request)

    def on_message_complete(self) -> None:
        request = self._arriving
        if request is None:
            return
        head = request.head
        if (
            head.upgrade
            and not head.websocket
            and head.framing is not Framing.NONE
            and self._parser.should_upgrade()
        ):
            # httptools ends a message at an upgrade, also when its body has not been read yet.
            return
        if self._pieces:
            request.pieces += self._pieces
            self._pieces.clear()
        if self._lines:
            request.trailers = self._lines.copy()
            self._lines.clear()
        request.complete = self._advanced = True
        self._arriving = None

    def _parse_head(self) -> RequestHead:
        parser, lines = self._parser, self._lines
        raw_target = b"".join(self._target)
        if len(lines) > HEAD_LIMIT_FIELDS or (
            self._head_bytes > HEAD_LIMIT_BYTES and head_size(raw_target, lines) > HEAD_LIMIT_BYTES
        ):
            raise _Stop(refusals.head_too_large(HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS))
        method = parser.get_method()
        if method in _NOT_RELAYED:
            raise _Stop(refusals.method_refused(method.decode()))
        if method in _NOT_HTTP:
            raise _Stop(refusals.method_unknown())
        fields, kept = headers.read(lines, self._up)
        keep_alive = parser.should_keep_alive()
        # Only then can it be anything but HTTP/1.1; asking every time costs more than it looks.
        asked = not keep_alive or b"connection" in fields or b"proxy-connection" in fields
        http10 = asked and self._is_http10(fields)
        try:
            target = targets.parse(raw_target)
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
        head = RequestHead(method, target.origin, target.path, kept, fields, kind)
        head.http10 = http10
        head.keep_alive = keep_alive and not http10
        if b"upgrade" in fields:
            head.upgrade = True
            head.websocket = (
                method == b"GET" and not http10 and kind is Framing.NONE and headers.wants_websocket(fields)
            )
        return head

    def _is_http10(self, fields: Fields) -> bool:
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _Stop(refusals.version_refused())
        if version == "1.0" and b"transfer-encoding" in fields:
            # RFC 9112 §6.1: its framing is faulty.
            raise _Stop(refusals.malformed("it is HTTP/1.0 with a Transfer-Encoding"))
        return bool(version == "1.0")


def _refusal_for(error: httptools.HttpParserError) -> Refusal:
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return refusals.method_unknown()
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return refusals.malformed("the request target has characters that must be percent-encoded")
    return refusals.malformed(f"it breaks the rules of HTTP/1.1 ({error})")
