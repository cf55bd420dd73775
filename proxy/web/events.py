"""GET: what happens, as it happens (server-sent events)."""

import asyncio
import socket
from types import MappingProxyType

from aiohttp import HttpVersion11, web

from proxy.web import scopes
from proxy.web.answers import HEADERS
from proxy.web.context import CONTEXT
from proxy.web.event_streams import Wanted
from proxy.web.event_texts import BEGINNING
from proxy.web.protocol import LocalProtocol
from proxy.web.query import refuse_unknown_query
from proxy.web.remembered import refuse_rating_by_get

_SEND_BUFFER_BYTES = 128 * 1024
"""What the system keeps for one that does not read; it would take megabytes, and those of many add up."""
_LAST_WORD_SECONDS = 2.0
"""For so long a last word may take to leave."""

_HEADERS = MappingProxyType({**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})


async def stream_events(request: web.Request) -> web.StreamResponse:
    """GET /feedback/events: calls and ratings as they change, all or those that the query means."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "last_event_id", *scopes.NAMES)
    wanted = _wanted(request)
    streams = request.app[CONTEXT].streams
    response = web.StreamResponse(headers=_HEADERS)
    if request.method == "HEAD":
        return response
    streams.refuse_above_bound()
    is_chunked = request.version >= HttpVersion11
    if is_chunked:
        response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(BEGINNING)
    transport, protocol = request.transport, request.protocol
    if transport is None or not isinstance(protocol, LocalProtocol):
        return response
    last_event_id = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    listener = streams.join(_Line(transport, is_chunked=is_chunked), wanted, last_event_id)
    protocol.on_gone(lambda: streams.leave(listener))
    try:
        await listener.over.wait()
        await _drained(request, transport)
    finally:
        streams.leave(listener)
    return response


def _wanted(request: web.Request) -> Wanted | None:
    """Which calls the query means; None: all. Of those of which that is not known, it is not told."""
    scope = scopes.scope_of(request)
    return None if scope is None else lambda call: scope.holds(call) is scopes.Held.YES


async def _drained(request: web.Request, transport: asyncio.Transport) -> None:
    """Let what was written leave. What does not, for nobody reads it, is lost with its connection."""
    try:
        async with asyncio.timeout(_LAST_WORD_SECONDS):
            await request.writer.drain()
    except TimeoutError:
        transport.abort()
    except ConnectionError:
        # It has left: aiohttp finds that out for itself.
        return


class _Line:
    """Writes into a connection past aiohttp, which would wait for one that does not read."""

    def __init__(self, transport: asyncio.Transport, *, is_chunked: bool) -> None:
        self._transport = transport
        self._is_chunked = is_chunked
        sock: socket.socket | None = transport.get_extra_info("socket")
        # So that draining waits until all has left.
        transport.set_write_buffer_limits(high=0)
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def write(self, data: bytes) -> None:
        """Send these."""
        if not self._transport.is_closing():
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not left yet."""
        return self._transport.get_write_buffer_size()
