"""One client connection: serves its requests one after the other, and knows when the client leaves.

The connection is read on while a call runs (a loop that has stopped reading does not see the client go), so
requests can be pipelined; they are answered in order (RFC 9112 §9.3.2).
"""

import asyncio
from typing import cast

from proxy.relay import closing, headers, refusals
from proxy.relay.contract import Ending, Trace
from proxy.relay.door import Door
from proxy.relay.exchange import Exchange
from proxy.relay.messages import Request, RequestHead
from proxy.relay.patience import AT_WORK, Standing, Wait, unsent_bytes
from proxy.relay.refusals import NoContent, Refusal
from proxy.relay.request_parser import LocalRequest, RequestParser, Unreadable, no_head
from proxy.relay.tunnel import Tunnel
from proxy.relay.writes import Sender

AHEAD_LIMIT_BYTES = 64 * 1024
"""How much is read behind a call that is still open: pipelined requests, or the first frames of a tunnel."""


class ClientConnection(asyncio.Protocol):
    """A client's connection, from its first byte to its last, or to its hand-over."""

    stood = AT_WORK
    stood_since = 0.0
    _served = 0
    """How many answers it has got."""
    _one_too_many = False

    def __init__(self, door: Door, *, by_socket: bool = False) -> None:
        self._door = door
        self._by_socket = by_socket
        """Whether it came through a Unix socket."""
        self._parser = RequestParser(door.is_local, door.up)
        self._requests = self._parser.requests
        self._exchange: Exchange | None = None
        self._early: list[bytes] | None = None
        self._ahead_bytes = 0
        self._ahead_held = False
        self._deaf = False
        self._advancing = False
        self.writing_paused = False
        self.upload_held = False
        self.draining = door.draining

    def __repr__(self) -> str:
        return f"<ClientConnection {'idle' if self._exchange is None else 'busy'}, {len(self._requests)} requests>"

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's, though they do all that these do.
        self._transport = transport = cast(asyncio.Transport, transport)
        self.sender = Sender(transport, self._door.gatherer)
        peer = transport.get_extra_info("peername")
        self.address = "unix" if self._by_socket else str(peer[0]) if peer else ""
        self._door.make_room()
        self._door.enter(self)
        self._one_too_many = self._door.is_full()
        if self._door.is_overrun():
            self._deaf = True
            closing.reset(self._transport, self.sender)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._exchange is not None and self._requests[0].complete:
            self._ahead_bytes += len(data)
            if self._ahead_bytes > AHEAD_LIMIT_BYTES:
                self._ahead_held = True
                self._pause_reading()
        if self._early is not None:
            # Frames before the 101: nothing may go up behind the handshake yet (RFC 6455 §4.1).
            self._early.append(data)
            return
        try:
            rest = self._parser.feed(data)
        except LocalRequest as local:
            raw = local.raw
        except Unreadable as unreadable:
            self._stop_reading(unreadable)
            self._advance()
            return
        else:
            if rest is not None:
                self._early = [rest]
            self._advance()
            return
        # Out here, so that no error of the local application's stands in the context of this exception.
        self._hand_over(raw)

    def eof_received(self) -> None:
        # A client that half-closes has left, as nginx reads it too: nothing else can be seen of one that goes
        # away while a model thinks. Returning None lets the transport close.
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._door.leave(self)
        self._leave()

    def pause_writing(self) -> None:
        self.writing_paused = True
        if self._exchange is not None:
            self._exchange.client_full()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self._exchange is not None:
            self._exchange.client_drained()

    # -- serving, one after the other

    def _advance(self) -> None:
        """Do what can be done: more of the present request, or the next one."""
        if self._advancing:
            return
        self._advancing = True
        if self._exchange is not None:
            self._exchange.pump()
        while self._exchange is None and self._requests and not self._transport.is_closing():
            self._serve(self._requests[0])
        self._advancing = False

    def _serve(self, request: Request) -> None:
        head = request.head
        if request.dropped:
            self._close()
        elif request.refusal is not None:
            self._refuse(request.refusal)
        elif (answer := self._door.admit(head, self._by_socket)) is not None:
            if isinstance(answer, Refusal):
                self._refuse(answer)
            else:
                self._end_here(answer)
        elif self._one_too_many and self._door.is_full():
            self._refuse(refusals.too_many_connections(self._door.max_connections))
        elif b"via" in head.fields and self._door.is_loop(head):
            self._refuse(refusals.loop())
        elif head.method == b"OPTIONS" and _ends_here(head):
            self._end_here(refusals.options_for_server())
        else:
            if head.method == b"OPTIONS":
                head.kept = headers.one_hop_less(head.kept, head.fields)
            self._exchange = Exchange(self, request, self._door.route(head), self._door)
            self._exchange.start()

    def _stop_reading(self, unreadable: Unreadable) -> None:
        """What came before the bytes that make no sense is served; then it is said what is wrong with them."""
        self._deaf = True
        request = unreadable.request
        if request is None:
            request = Request(no_head())
            request.refusal = unreadable.refusal
            self._requests.append(request)
        elif self._exchange is not None and self._requests[0] is request:
            # Part of it has gone up already; half a body must not become a whole one.
            self._exchange.break_off(unreadable.refusal)
        else:
            request.refusal = unreadable.refusal

    # -- what an exchange says

    def done(self, *, keep: bool) -> None:
        """The answer has been written to its end. On to the next request, or close."""
        self._exchange = None
        self._served += 1
        self._door.rest(self)
        if self._requests:
            del self._requests[0]
        if not keep or self.draining:
            self._close()
            return
        if not self._requests or not self._requests[0].complete:
            # Nothing whole is waiting: whatever comes next is wanted. Otherwise what was read ahead comes first.
            self._ahead_bytes = 0
            self._read_on()
        if self._requests:
            self._advance()

    def refused(self, refusal: Refusal) -> None:
        """The call has failed before its answer; the connection goes on if the request is out of the way."""
        request = self._requests[0]
        keep = (
            request.complete
            and request.head.keep_alive
            and not request.head.websocket
            and not self.draining
            # No upstream can be made to wait here for a client that asks on and on and reads nothing.
            and not self.writing_paused
        )
        self.sender.write(self._door.say(request.head, refusal, not keep))
        self.done(keep=keep)

    def cut(self, *, delimited_by_close: bool) -> None:
        """The answer is broken: so must the connection be, in a way that the client sees.

        A missing chunk or byte shows it; where the end of the connection is the end of the body, only a reset
        does, and `abort` alone would send an orderly end.
        """
        self._exchange = None
        self._deaf = True
        self._requests.clear()
        if delimited_by_close:
            closing.reset(self._transport, self.sender)
        else:
            self.sender.close()

    def switch(self, upstream: asyncio.Transport, rest: bytes, trace: Trace) -> None:
        """101 has been written: from here on both sides are raw bytes."""
        self.sender.flush()
        self._exchange = None
        self._requests.clear()
        self._read_on()
        door = self._door

        def ended(ending: Ending) -> None:
            door.leave(tunnel)
            trace.ending = ending
            trace.ended = door.clock()
            door.observer.ended(trace)

        tunnel = Tunnel(self._transport, upstream, trace, ended, client_full=self.writing_paused)
        door.enter(tunnel)
        door.leave(self)
        tunnel.open(from_client=b"".join(self._early or ()), from_upstream=rest)

    def hold_upload(self) -> None:
        """The upstream reads slower than the client sends."""
        self.upload_held = True
        self._pause_reading()

    def resume_upload(self) -> None:
        """It has caught up."""
        self.upload_held = False
        if not self._ahead_held:
            self._resume_reading()

    # -- time limits

    def standing(self) -> Standing:
        """What this connection waits for."""
        exchange = self._exchange
        if self._transport.get_write_buffer_size():
            written = 0 if exchange is None else exchange.bytes_down()
            return Standing(Wait.READER, written - unsent_bytes(self._transport))
        if exchange is not None:
            standing = exchange.standing()
            return Standing(standing.wait, standing.progress, self._served)
        if self._deaf:
            return AT_WORK
        return Standing(Wait.HEAD if self._parser.in_head else Wait.REQUEST, turn=self._served)

    def out_of_time(self, wait: Wait, seconds: float) -> None:
        """Enough of that."""
        exchange = self._exchange
        if wait is Wait.READER:
            self._leave()
            closing.reset(self._transport, self.sender)
        elif wait is Wait.REQUEST:
            self._close_unasked()
        elif wait is Wait.HEAD:
            self._stop_reading(Unreadable(refusals.head_timed_out(seconds), None))
            self._advance()
        elif exchange is not None and wait is Wait.BODY:
            self._deaf = True
            exchange.break_off(refusals.body_timed_out(seconds))
        elif exchange is not None:
            exchange.upstream_silent(seconds)

    # -- ends

    def drain(self) -> None:
        """Finish what is open, start nothing new."""
        self.draining = True
        if self._exchange is None and not self._deaf:
            self._close_unasked()

    def _close_unasked(self) -> None:
        """Nothing has been asked, so there is no last word to linger for."""
        self._deaf = True
        self.sender.close()

    def stop(self) -> None:
        """The grace period is over."""
        if self._exchange is not None:
            self._exchange.stop()
        else:
            # Whatever is unsent may be the end of an answer that ends with the connection.
            closing.reset(self._transport, self.sender)

    def _leave(self) -> None:
        self._deaf = True
        self._requests.clear()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_left()

    def _refuse(self, refusal: Refusal) -> None:
        """Say no, and end the connection: what follows a refused head may be anything."""
        head = self._requests[0].head
        self._door.observer.refused(head, refusal)
        self.sender.write(self._door.say(head, refusal, True))  # noqa: FBT003
        self._close()

    def _end_here(self, answer: NoContent) -> None:
        """The request asks us and nobody else."""
        self.sender.write(refusals.render_no_content(answer, self._requests[0].head.answer_lines))
        self.done(keep=False)

    def _close(self) -> None:
        """Close lingering: our last word, our end, and then a deaf ear until the client has ended too."""
        self._deaf = True
        self._requests.clear()
        self._read_on()
        closing.linger(self._transport, self.sender, self._door.call_later)

    def _hand_over(self, raw: bytes) -> None:
        self._deaf = True
        self._door.leave(self)
        self.sender.flush()
        self._door.hand_over(
            self._transport, raw, by_socket=self._by_socket, writing_paused=self.writing_paused
        )

    def _read_on(self) -> None:
        """Nothing is a reason any more not to read."""
        if self._ahead_held or self.upload_held:
            self._ahead_held = self.upload_held = False
            self._resume_reading()

    def _pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


def _ends_here(head: RequestHead) -> bool:
    """Whether an OPTIONS asks us and not the upstream (RFC 9110 §9.3.7, §7.6.2)."""
    return head.target == b"*" or headers.hops_left(head.fields) == 0
