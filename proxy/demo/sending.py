"""Puts an answer on the wire, in the tempo of a model, or in whatever way a fault says."""

import asyncio
import gzip
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from aiohttp import HttpVersion11, hdrs, web

from .answers.answer import Answer
from .faults import GatewayFault
from .journal import Received

BODILESS = frozenset({204, 304})


EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


class Cut(ConnectionError):
    """A fault cut the connection; nothing more can be sent on it."""


@dataclass(slots=True)
class Sender:
    """Sends one answer. `first_piece_at` is on `time.monotonic()`.

    `finishing` is called right before the last byte goes out: whoever has the whole answer can rely on its
    effects.
    """

    request: web.BaseRequest
    received: Received
    fault: GatewayFault
    token_interval_seconds: float
    gzip: bool = False
    finishing: Callable[[], None] = lambda: None
    first_piece_at: float | None = None
    _sent_bytes: int = field(default=0, init=False)

    async def send(self, answer: Answer, headers: Iterable[tuple[str, str]]) -> web.StreamResponse:
        """Send head and body; raises `Cut` where a fault ends it."""
        await self.before_the_head()
        response = web.StreamResponse(status=answer.status)
        response.headers[hdrs.CONTENT_TYPE] = answer.content_type
        for name, value in (*headers, *answer.headers, *self.fault.headers):
            response.headers.add(name, value)
        pieces = self._framed(response, answer)
        bodiless = (
            self.request.method == hdrs.METH_HEAD or answer.status in BODILESS or answer.length_bytes == 0
        )
        self.received.status = answer.status
        if bodiless:
            self.finishing()
        await response.prepare(self.request)
        self.received.head_sent_at = time.monotonic()
        if not bodiless:
            await self._send_body(response, pieces, paced=answer.paced)
        await response.write_eof()
        return response

    async def silence(self) -> None:
        """Say nothing for as long as the fault says; a client that leaves cancels it."""
        if self.fault.silence_seconds is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self.fault.silence_seconds)

    async def cut(self) -> NoReturn:
        """Break the connection, with what was written before delivered."""
        await break_connection(self.request.transport, reset=self.fault.reset)
        raise Cut("a fault cut the connection")

    async def before_the_head(self) -> None:
        """What goes wrong before the answer begins."""
        if self.fault.early_hints and self.request.transport is not None:
            self.request.transport.write(EARLY_HINTS)
        if self.fault.latency_seconds:
            await asyncio.sleep(self.fault.latency_seconds)
        if self.fault.silent_before_head:
            await self.silence()
        if self.fault.die_before_head:
            await self.cut()

    def _framed(self, response: web.StreamResponse, answer: Answer) -> Iterable[bytes]:
        pieces, length = answer.pieces, answer.length_bytes
        if self.gzip and answer.status not in BODILESS:
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
            response.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
            if length is not None:
                # A fixed time keeps equal answers equal.
                whole = gzip.compress(b"".join(pieces), mtime=0)
                pieces, length = (whole,), len(whole)
            else:
                pieces = _gzipped(pieces)
        if length is not None and not self.fault.chunked:
            response.content_length = length
        elif self.request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        return pieces

    async def _send_body(self, response: web.StreamResponse, pieces: Iterable[bytes], *, paced: bool) -> None:
        count = 0
        for count, (piece, is_last) in enumerate(_with_last(pieces), start=1):
            if paced and count > 1:
                await asyncio.sleep(self.token_interval_seconds)
            await self._after_events(count - 1)
            if self.first_piece_at is None:
                self.first_piece_at = time.monotonic()
            await self._send_piece(response, piece, is_last=is_last)
        # Everything was sent but the end.
        await self._after_events(count)

    async def _after_events(self, count: int) -> None:
        if self.fault.silent_after_events == count:
            await self.silence()
        if self.fault.die_after_events == count:
            await self.cut()

    async def _send_piece(self, response: web.StreamResponse, piece: bytes, *, is_last: bool) -> None:
        for limit, then in (
            (self.fault.silent_after_bytes, self.silence),
            (self.fault.die_after_bytes, self.cut),
        ):
            if limit is not None and self._sent_bytes <= limit < self._sent_bytes + len(piece):
                before, piece = piece[: limit - self._sent_bytes], piece[limit - self._sent_bytes :]
                await self._write(response, before)
                await then()
        if is_last:
            self.finishing()
        await self._write(response, piece)

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        if data:
            await response.write(data)
            self._sent_bytes += len(data)


def _with_last(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each piece, and whether it is the last one."""
    waiting: bytes | None = None
    for piece in pieces:
        if waiting is not None:
            yield waiting, False
        waiting = piece
    if waiting is not None:
        yield waiting, True


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=31)
    for piece in pieces:
        # Flushed per event: a compressed stream is a stream all the same.
        yield compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


async def break_connection(transport: asyncio.Transport | None, *, reset: bool) -> None:
    """Close a connection without a clean end of its answer; `reset` sends an RST instead of a FIN."""
    if transport is None:
        return
    # `abort` throws away what the loop has not written yet.
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0)
    connection = transport.get_extra_info("socket")
    if reset and connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
