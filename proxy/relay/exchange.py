"""One call: joins a client connection with an upstream connection, and moves bytes.

Who decides what: the exchange decides that a call is *done* (the last byte of the answer has gone down) or *cut*
(the upstream broke within the answer) or *refused* (it broke before, or was never there). The client connection
decides that the client has *left*. Each tells the other exactly once, and after that the two are strangers.
"""

from proxy.relay import framing, headers, refusals, rendering
from proxy.relay.changing import pass_changed
from proxy.relay.contract import Change, Ending
from proxy.relay.door import Client, Door
from proxy.relay.framing import Framing
from proxy.relay.headers import Lines
from proxy.relay.messages import AnswerHead, Request, RequestHead
from proxy.relay.patience import AT_WORK, Standing, Wait, unsent_bytes
from proxy.relay.pool import Opening
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Way
from proxy.relay.upstream import UpstreamConnection

UPLOAD_AHEAD_BYTES = 64 * 1024
"""How much of an upload is taken in while there is no connection to send it on."""


class Exchange:
    """One call on its way."""

    # Defaults stand on the class: a call sets what it comes to, which costs half of setting everything.
    _answering = False
    _close_after = False
    _connecting: Opening | None = None
    _continued = False
    """Whether the upstream has asked for the body (100, RFC 9110 §10.1.1)."""
    _down = Framing.NONE
    _repeated = False
    _seen = b""
    """What has gone up of a body that is looked at, until it is whole or as much as is wanted."""
    _sent = False
    _upstream: UpstreamConnection | None = None
    _body_is_whole = False

    def __init__(self, client: Client, request: Request, way: Way, door: Door) -> None:
        self._client = client
        self._request = request
        self._head: RequestHead = request.head
        self._way = way
        self._pool = way.pool
        self._door = door
        door.gatherer.open_calls += 1
        # Not before: the guard has to see all that was sent.
        request.head.kept = headers.without_named(request.head.kept, request.head.fields)
        self._trace = door.observer.begin(request.head, way, client.address, door.clock())

    def start(self) -> None:
        """Get a connection and send what there is."""
        connection = self._pool.take()
        if connection is not None:
            self.connected(connection)
        else:
            self._connecting = self._pool.connect(self)

    # -- the way up

    def connected(self, connection: UpstreamConnection) -> None:
        """There is a connection: send the head, and what there is of the body."""
        self._connecting = None
        self._upstream = connection
        connection.carry(self, self._head.method)
        if self._client.writing_paused:
            connection.pause_reading()
        # Before writing: the write may ask for a pause again, and that must be the last word.
        if self._client.upload_held:
            self._client.resume_upload()
        door, trace = self._door, self._trace
        self._send(connection, rendering.request_head(self._head, self._way, trace, door.via))
        trace.sent = door.clock()

    def unreachable(self, refusal: Refusal) -> None:
        """There is no connection to be had."""
        self._connecting = None
        self._refuse(refusal)

    def pump(self) -> None:
        """More of the request has come in: pass it on, or let it wait for the connection."""
        if self._sent:
            return
        if self._upstream is not None:
            self._send(self._upstream, b"")
        elif sum(map(len, self._request.pieces)) > UPLOAD_AHEAD_BYTES:
            self._client.hold_upload()

    def _send(self, upstream: UpstreamConnection, data: bytes) -> None:
        """Send `data` and the pieces of the body that have come, in one write."""
        request, trace = self._request, self._trace
        chunked = self._head.framing is Framing.CHUNKED
        body = b""
        if request.pieces:
            pieces = request.take()
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            trace.bytes_up += len(body)
            data += framing.chunk(body) if chunked else body
        if request.complete:
            self._sent = True
            if chunked:
                data += framing.last_chunk(headers.trailers(request.trailers, self._head.is_unsaid))
        if data:
            upstream.sender.write(data)
        if trace.look_bytes:
            self._look(body)

    def _look(self, body: bytes) -> None:
        """Show the observer the body, or its beginning, after the write: the upstream is at work meanwhile."""
        trace, seen = self._trace, self._seen + body
        limit = trace.look_bytes
        complete = len(seen) <= limit
        if complete and not self._sent:
            self._seen = seen
            return
        self._seen = b""
        trace.look_bytes = 0
        self._door.observer.looked(trace, seen[:limit], complete=complete)

    # -- the way down

    def interim(self, head: AnswerHead) -> None:
        """1xx goes down too (RFC 9110 §15.2), except to a client too old to know it."""
        self._continued = self._continued or head.status == 100
        if not self._head.http10:
            self._client.sender.write(rendering.answer_head(head, self._way, b""))

    def received(
        self,
        head: AnswerHead | None,
        pieces: list[bytes],
        complete: bool,  # noqa: FBT001
        trailers: Lines,
    ) -> None:
        """Pass on what one read of the upstream has brought, in one write."""
        data, body = b"" if head is None else self._answered(head), b""
        down, trace = self._down, self._trace
        if pieces and down is not Framing.NONE:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            trace.bytes_down += len(body)
        if trace.change is not None:
            trace.change.put(body, complete=complete)
            complete = self._changed(trace.change, data, whole=complete)
        else:
            if body:
                data += framing.chunk(body) if down is Framing.CHUNKED else body
            if complete and down is Framing.CHUNKED:
                data += framing.last_chunk(headers.trailers(trailers))
            if data:
                self._client.sender.write(data)
        if body and trace.tail is not None:
            trace.keep_end(trace.tail, body)
        if trace.tapped:
            self._door.observer.passed(trace, body, complete=complete)
        if head is not None:
            self._head_went_down(is_all=complete)
        if complete:
            self._done()

    def _head_went_down(self, *, is_all: bool) -> None:
        self._trace.passed_on = self._door.clock()
        if not is_all and self._request.complete:
            # A stream may be open for hours. While the request still comes in, `standing` asks its fields.
            self._head.let_go()

    def _answered(self, answer: AnswerHead) -> bytes:
        """The head of the answer has come: note it, and give its bytes as they go down."""
        head, trace = self._head, self._trace
        self._answering = True
        trace.status = answer.status
        trace.answered = self._door.clock()
        added = self._door.observer.answered(trace, head, answer) + head.answer_lines
        # No call goes up again from here on, and there may be a key in it.
        trace.upstream_lines = b""
        self._down = down = framing.towards_client(answer.framing, http10=head.http10)
        # A client whose upload is still running reads the answer and then sees the end: what it still
        # sends could not be told from its next request otherwise.
        self._close_after = (
            not head.keep_alive
            or not self._request.complete
            or down is Framing.UNTIL_CLOSE
            or head.websocket
            or self._client.draining
        )
        if down is Framing.CHUNKED or (
            down is Framing.NONE and framing.is_announced(answer.status, answer.fields, http10=head.http10)
        ):
            added += rendering.CHUNKED
        if self._close_after:
            added += rendering.CLOSE
        return rendering.answer_head(answer, self._way, added)

    def _changed(self, change: Change, begun: bytes, *, whole: bool) -> bool:
        """Write what there is of a changed body; gives whether its end has gone down."""
        if whole:
            self._body_is_whole = True
            self._free_upstream()
        try:
            return pass_changed(change, self._client, begun, self._down, whole=self._body_is_whole)
        except ValueError:
            self._abandon()
            self._cut()
            return False

    def switched(self, head: AnswerHead, rest: bytes) -> None:
        """101: from here on both directions are raw bytes (RFC 6455 §4.2.2)."""
        upstream = self._upstream
        if upstream is None or not self._head.websocket or not headers.wants_websocket(head.fields):
            self.upstream_broke("it switches to a protocol that was not asked for", malformed=True)
            return
        trace = self._trace
        trace.status = head.status
        trace.answered = self._door.clock()
        added = self._door.observer.answered(trace, self._head, head) + self._head.answer_lines
        self._client.sender.write(rendering.answer_head(head, self._way, added + rendering.UPGRADE))
        self._upstream = None
        self._door.gatherer.open_calls -= 1
        self._client.switch(upstream.detach(), rest, trace)

    # -- backpressure: a slow reader on one side is a pause in reading on the other

    def client_full(self) -> None:
        """The client reads slower than we write."""
        if self._upstream is not None:
            self._upstream.pause_reading()

    def client_drained(self) -> None:
        """It has caught up."""
        change = self._trace.change
        if change is not None and self._answering and self._changed(change, b"", whole=False):
            self._done()
        elif self._upstream is not None and not self._client.writing_paused:
            self._upstream.resume_reading()

    def upstream_full(self) -> None:
        """The upstream reads slower than we write."""
        self._client.hold_upload()

    def upstream_drained(self) -> None:
        """It has caught up."""
        self._client.resume_upload()

    # -- ends

    def _done(self) -> None:
        self._free_upstream()
        self._end(Ending.COMPLETE)
        self._client.done(keep=self._sent and not self._close_after)

    def _free_upstream(self) -> None:
        """The upstream has done its part."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            if self._sent:
                upstream.release()
            else:
                upstream.abandon()

    def upstream_broke(self, why: str, *, malformed: bool) -> None:
        """The upstream is lost. What that means depends on how far the call has come."""
        upstream, self._upstream = self._upstream, None
        if self._answering:
            self._cut()
            return
        stale = upstream is not None and upstream.used and not upstream.touched
        if upstream is not None:
            upstream.abandon()
        authority = str(self._way.upstream)
        if malformed:
            self._refuse(refusals.bad_answer(authority, why))
        elif stale and not self._repeated and self._head.is_safe_to_repeat():
            # Nothing of the answer has come, nothing but a head was sent, and the method is safe: once more.
            self._repeated = True
            self._connecting = self._pool.connect(self)
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

    def break_off(self, refusal: Refusal) -> None:
        """The rest of the request makes no sense, or somebody has kept us waiting for too long.

        What has gone up must not look complete there, nor what has gone down here.
        """
        self._abandon()
        if not self._answering:
            self._refuse(refusal)
        else:
            self._cut()

    # -- time limits

    def standing(self) -> Standing:
        """What the call waits for."""
        request, trace, upstream = self._request, self._trace, self._upstream
        come = trace.bytes_up + sum(map(len, request.pieces))
        asked = self._continued or come or b"expect" not in self._head.fields
        if asked and not request.complete and not self._client.upload_held:
            return Standing(Wait.BODY, come)
        if upstream is None or (asked and not self._sent):
            return AT_WORK
        if self._answering:
            return Standing(Wait.MORE, trace.bytes_down)
        if self._door.patience.first_byte_seconds is None:
            return AT_WORK  # The rest of this costs a system call.
        # An upstream that still takes the request in is not silent.
        return Standing(Wait.ANSWER, -unsent_bytes(upstream.transport))

    def bytes_down(self) -> int:
        """How much of the answer's body has been passed on."""
        return self._trace.bytes_down

    def upstream_silent(self, seconds: float) -> None:
        """The upstream has kept us waiting for too long."""
        self.break_off(refusals.answer_timed_out(str(self._way.upstream), seconds))

    def stop(self) -> None:
        """The grace period is over."""
        self.break_off(refusals.stopping())

    def _cut(self) -> None:
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
        self._door.gatherer.open_calls -= 1
        trace = self._trace
        trace.upstream_lines = b""
        trace.ending = ending
        trace.ended = self._door.clock()
        self._door.observer.ended(trace)
