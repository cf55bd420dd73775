"""One call: joins a client connection with an upstream connection, and moves bytes.

Who decides what: the exchange decides that a call is *done* (the last byte of the answer has gone down) or *cut*
(the upstream broke within the answer) or *refused* (it broke before, or was never there). The client connection
decides that the client has *left*. Each tells the other exactly once, and after that the two are strangers.
"""

import asyncio
from typing import Protocol

from proxy.relay import framing, headers, refusals
from proxy.relay.contract import Clock, Ending, Observer, Trace
from proxy.relay.framing import Framing
from proxy.relay.headers import Lines
from proxy.relay.messages import AnswerHead, Request, RequestHead
from proxy.relay.pool import Pool
from proxy.relay.refusals import Refusal
from proxy.relay.upstream import UpstreamConnection
from proxy.relay.writes import Gatherer, Sender

UPLOAD_AHEAD_BYTES = 64 * 1024
"""How much of an upload is taken in while there is no connection to send it on."""

_SAFE_TO_REPEAT = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_UPGRADE = (b"Upgrade: websocket", b"Connection: Upgrade")
_CHUNKED = b"Transfer-Encoding: chunked"


class Client(Protocol):
    """What an exchange needs of the client connection."""

    sender: Sender
    writing_paused: bool
    upload_held: bool
    draining: bool

    def hold_upload(self) -> None:
        """Read no more for now."""

    def resume_upload(self) -> None:
        """Read on."""

    def done(self, *, keep: bool) -> None:
        """The answer is complete. `keep`: the connection may carry another call."""

    def refused(self, refusal: Refusal) -> None:
        """There is no answer; say this instead."""

    def cut(self, *, delimited_by_close: bool) -> None:
        """The answer broke: so must the connection, visibly."""

    def switch(self, upstream: asyncio.Transport, rest: bytes, trace: Trace) -> None:
        """Both sides speak another protocol from here on."""


class Services(Protocol):
    """What every exchange shares."""

    gatherer: Gatherer
    observer: Observer
    clock: Clock
    via: bytes | None


class Exchange:
    """One call on its way."""

    # Defaults stand on the class: a call sets what it comes to, which costs half of setting everything.
    _answer: AnswerHead | None = None
    _close_after = False
    _connecting: asyncio.Task[None] | None = None
    _down = Framing.NONE
    _fresh = False
    _sent = False
    _upstream: UpstreamConnection | None = None

    def __init__(self, client: Client, request: Request, pool: Pool, services: Services) -> None:
        self._client = client
        self._request = request
        self._head: RequestHead = request.head
        self._pool = pool
        self._services = services
        services.gatherer.open_calls += 1
        self._trace = services.observer.begin(request.head, pool, services.clock())

    def start(self) -> None:
        """Get a connection and send what there is."""
        connection = self._pool.take()
        if connection is not None:
            self.connected(connection)
        else:
            self._connect()

    def _connect(self) -> None:
        self._fresh = True
        self._connecting = self._pool.connect(self)

    # -- the way up

    def connected(self, connection: UpstreamConnection) -> None:
        """There is a connection: send the head, and what there is of the body."""
        self._connecting = None
        self._upstream = connection
        self._trace.sent = True
        connection.carry(self, self._head.method)
        if self._client.writing_paused:
            connection.pause_reading()
        # Before writing: the write may ask for a pause again, and that must be the last word.
        if self._client.upload_held:
            self._client.resume_upload()
        self._send(self._request_head())

    def unreachable(self, refusal: Refusal) -> None:
        """There is no connection to be had."""
        self._connecting = None
        self._refuse(refusal)

    def pump(self) -> None:
        """More of the request has come in: pass it on, or let it wait for the connection."""
        if self._upstream is not None:
            self._send(b"")
        elif sum(map(len, self._request.pieces)) > UPLOAD_AHEAD_BYTES:
            self._client.hold_upload()

    def _request_head(self) -> bytes:
        head, upstream = self._head, self._pool.upstream
        lines = [
            b"%b %b%b HTTP/1.1" % (head.method, upstream.prefix, head.target),
            *headers.towards_upstream(head.lines, head.fields, upstream.authority),
            *self._trace.upstream_lines,
        ]
        if head.framing is Framing.CHUNKED:
            lines.append(_CHUNKED)
        if head.websocket:
            lines += _UPGRADE
        if self._services.via is not None:
            lines.append((b"Via: 1.0 " if head.http10 else b"Via: 1.1 ") + self._services.via)
        return headers.head(lines)

    def _send(self, start: bytes) -> None:
        """Send `start` and the pieces of the body that have come, in one write."""
        request, trace = self._request, self._trace
        parts = [start] if start else []
        if request.pieces:
            pieces = request.take()
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            trace.bytes_up += len(body)
            if trace.tap is not None:
                trace.tap.see(body)
            parts.append(framing.chunk(body) if self._head.framing is Framing.CHUNKED else body)
        ended = request.complete and not self._sent
        if ended and self._head.framing is Framing.CHUNKED:
            parts.append(framing.last_chunk(headers.trailers(request.trailers)))
        if parts and self._upstream is not None:
            self._upstream.sender.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if ended:
            self._sent = True
            # After the write: whoever looks at the body does so while the upstream is at work already.
            if trace.tap is not None:
                trace.tap.end()
                trace.tap = None

    # -- the way down

    def interim(self, head: AnswerHead) -> None:
        """1xx goes down too (RFC 9110 §15.2), except to a client too old to know it."""
        if not self._head.http10:
            self._client.sender.write(_answer_head(head, []))

    def received(
        self, head: AnswerHead | None, pieces: list[bytes], *, complete: bool, trailers: Lines
    ) -> None:
        """Pass on what one read of the upstream has brought, in one write."""
        parts = []
        if head is not None:
            parts.append(self._answered(head))
        down = self._down
        if pieces and down is not Framing.NONE:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._trace.bytes_down += len(body)
            parts.append(framing.chunk(body) if down is Framing.CHUNKED else body)
        if complete and down is Framing.CHUNKED:
            parts.append(framing.last_chunk(headers.trailers(trailers)))
        if parts:
            self._client.sender.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if complete:
            self._done()

    def _answered(self, answer: AnswerHead) -> bytes:
        """The head of the answer has come: note it, and give its bytes as they go down."""
        head, trace = self._head, self._trace
        self._answer = answer
        trace.status = answer.status
        trace.answered = self._services.clock()
        added = self._services.observer.answered(trace, head, answer)
        self._down = down = framing.towards_client(answer.framing, http10=head.http10)
        # A client whose upload is still running reads the answer and then sees the end: what it still
        # sends could not be told from its next request otherwise.
        self._close_after = (
            not head.keep_alive
            or head.websocket
            or not self._request.complete
            or down is Framing.UNTIL_CLOSE
            or self._client.draining
        )
        if down is Framing.CHUNKED or framing.is_announced(answer.status, answer.fields, http10=head.http10):
            added.append(_CHUNKED)
        if self._close_after:
            added.append(b"Connection: close")
        return _answer_head(answer, added)

    def switched(self, head: AnswerHead, rest: bytes) -> None:
        """101: from here on both directions are raw bytes (RFC 6455 §4.2.2)."""
        upstream = self._upstream
        if upstream is None or not self._head.websocket or not headers.wants_websocket(head.fields):
            self.upstream_broke("it switches to a protocol that was not asked for", malformed=True)
            return
        trace = self._trace
        trace.status = head.status
        trace.answered = self._services.clock()
        added = self._services.observer.answered(trace, self._head, head)
        self._client.sender.write(_answer_head(head, [*added, *_UPGRADE]))
        self._upstream = None
        self._services.gatherer.open_calls -= 1
        self._client.switch(upstream.detach(), rest, trace)

    # -- backpressure: a slow reader on one side is a pause in reading on the other

    def client_full(self) -> None:
        """The client reads slower than we write."""
        if self._upstream is not None:
            self._upstream.pause_reading()

    def client_drained(self) -> None:
        """It has caught up."""
        if self._upstream is not None:
            self._upstream.resume_reading()

    def upstream_full(self) -> None:
        """The upstream reads slower than we write."""
        self._client.hold_upload()

    def upstream_drained(self) -> None:
        """It has caught up."""
        self._client.resume_upload()

    # -- ends

    def _done(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            if self._sent:
                upstream.release()
            else:
                upstream.abandon()
        self._end(Ending.COMPLETE)
        self._client.done(keep=self._sent and not self._close_after)

    def upstream_broke(self, why: str, *, malformed: bool) -> None:
        """The upstream is lost. What that means depends on how far the call has come."""
        upstream, self._upstream = self._upstream, None
        if self._answer is not None:
            self._end(Ending.CUT)
            self._client.cut(delimited_by_close=self._down is Framing.UNTIL_CLOSE)
            return
        stale = not self._fresh and upstream is not None and not upstream.touched
        if upstream is not None:
            upstream.abandon()
        authority = str(self._pool.upstream)
        if malformed:
            self._refuse(refusals.bad_answer(authority, why))
        elif stale and self._head.method in _SAFE_TO_REPEAT and self._head.framing is Framing.NONE:
            # Nothing of the answer has come, nothing but a head was sent, and the method is safe: once more.
            self._connect()
        else:
            self._refuse(refusals.broke_before_answer(authority, stale=stale))

    def _refuse(self, refusal: Refusal) -> None:
        self._trace.status = refusal.status
        self._end(Ending.FAILED)
        self._client.refused(refusal)

    def client_left(self) -> None:
        """Nobody waits for the answer any more: stop paying for it."""
        self._abandon()
        self._end(Ending.LEFT)

    def request_broke(self, refusal: Refusal) -> None:
        """The rest of the request makes no sense. What has gone up of it must not look complete there."""
        self._abandon()
        if self._answer is None:
            self._refuse(refusal)
        else:
            self._end(Ending.CUT)
            self._client.cut(delimited_by_close=self._down is Framing.UNTIL_CLOSE)

    def stop(self) -> None:
        """The grace period is over."""
        self._abandon()
        self._end(Ending.CUT)
        self._client.cut(delimited_by_close=self._down is Framing.UNTIL_CLOSE)

    def _abandon(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abandon()

    def _end(self, ending: Ending) -> None:
        self._services.gatherer.open_calls -= 1
        trace = self._trace
        trace.ending = ending
        trace.ended = self._services.clock()
        trace.tap = None
        self._services.observer.ended(trace)


def _answer_head(answer: AnswerHead, added: list[bytes]) -> bytes:
    return headers.head(
        [
            b"HTTP/1.1 %d %b" % (answer.status, answer.reason),
            *headers.towards_client(answer.lines, answer.fields),
            *added,
        ]
    )
