"""Raw bytes in both directions, after 101. No frame is parsed."""

import asyncio
from collections.abc import Callable

from proxy.relay.contract import Ending, Trace
from proxy.relay.patience import AT_WORK, Standing, Wait, unsent_bytes

HALF_OPEN_SECONDS = 10.0
"""How long one direction may go on after the other has ended."""


class Tunnel:
    """Two transports that are each other's continuation."""

    stood = AT_WORK
    stood_since = 0.0

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: asyncio.Transport,
        trace: Trace,
        on_end: Callable[[Ending], None],
        *,
        client_full: bool,
    ) -> None:
        self._trace = trace
        self._on_end = on_end
        self._client_full = client_full
        self._timer: asyncio.TimerHandle | None = None
        self._ending: Ending | None = None
        # Who had the upstream's transport before has to hear of its end: a pool counts its connections.
        self._lender = upstream.get_protocol()
        self._client = _Side(client, upstream, self)
        self._upstream = _Side(upstream, client, self)

    def __repr__(self) -> str:
        return f"<Tunnel {self._trace.bytes_up} bytes up, {self._trace.bytes_down} down>"

    def open(self, *, from_client: bytes, from_upstream: bytes) -> None:
        """Take both transports over; the arguments are what had been read from each already."""
        for side in (self._client, self._upstream):
            side.transport.set_protocol(side)
        if self._client_full:
            self._client.pause_writing()
        if from_client:
            self._client.data_received(from_client)
        if from_upstream:
            self._upstream.data_received(from_upstream)

    def count(self, side: "_Side", size: int) -> None:
        """`size` bytes have come from `side`."""
        if side is self._client:
            self._trace.bytes_up += size
        else:
            self._trace.bytes_down += size

    def half_closed(self) -> None:
        """One direction has ended; the other may say its last words. When both have, both are closed."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HALF_OPEN_SECONDS, self.stop)
        else:
            self._end(Ending.COMPLETE)
            self._client.transport.close()
            self._upstream.transport.close()

    def lost(self, side: "_Side", error: Exception | None) -> None:
        """One side is gone, and the other has to follow."""
        if side is self._upstream:
            self._lender.connection_lost(error)
        broken = Ending.LEFT if side is self._client else Ending.CUT
        self._end(Ending.COMPLETE if error is None else broken)
        if error is None:
            side.other.close()
        else:
            side.other.abort()

    def standing(self) -> Standing:
        """What it waits for: nothing but that either side reads. That the other goes on talking is no progress."""
        trace = self._trace
        for turn, (side, passed) in enumerate(
            ((self._client, trace.bytes_down), (self._upstream, trace.bytes_up))
        ):
            if side.transport.get_write_buffer_size():
                return Standing(Wait.READER, passed - unsent_bytes(side.transport), turn)
        return AT_WORK

    def out_of_time(self, wait: Wait, seconds: float) -> None:  # noqa: ARG002  # there is one wait, and no words left
        """Nobody reads at one of the ends."""
        self._end(Ending.LEFT if self._client.transport.get_write_buffer_size() else Ending.CUT)
        self.stop()

    def drain(self) -> None:
        """A tunnel has no end of its own to wait for, other than the grace period's."""

    def stop(self) -> None:
        """Close both sides, now."""
        self._end(Ending.CUT)
        self._client.transport.abort()
        self._upstream.transport.abort()

    def _end(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
            if self._timer is not None:
                self._timer.cancel()
            self._on_end(ending)


class _Side(asyncio.Protocol):
    """What comes from one transport, and goes to the other."""

    def __init__(self, transport: asyncio.Transport, other: asyncio.Transport, tunnel: Tunnel) -> None:
        self.transport = transport
        self.other = other
        self._tunnel = tunnel

    def data_received(self, data: bytes) -> None:
        self._tunnel.count(self, len(data))
        if not self.other.is_closing():
            self.other.write(data)

    def eof_received(self) -> bool:
        if self.other.is_closing() or not (self.transport.can_write_eof() and self.other.can_write_eof()):
            # No TLS of the loops' has half an end: its transport closes now, whatever is said here.
            return False
        self.other.write_eof()
        self._tunnel.half_closed()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._tunnel.lost(self, exc)

    def pause_writing(self) -> None:
        if not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.is_closing():
            self.other.resume_reading()
