"""aiohttp's protocol for one connection, with our words for what it refuses by itself."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from proxy.relay.closing import LINGER_SECONDS
from proxy.relay.messages import HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS
from proxy.relay.refusals import Refusal
from proxy.web.answers import refusal

logger = logging.getLogger(__name__)


class LocalProtocol(web.RequestHandler):
    """Serves one connection that the front door has handed over.

    aiohttp's own errors quote what they refuse, in the answer and in the log; a key or a cookie may be in it.
    """

    def __init__(
        self,
        server: web.Server,
        on_lost: Callable[[], None],
        *,
        by_socket: bool,
        on_refused: Callable[[bytes, bytes, Refusal], None],
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # as aiohttp's runner passes it
            # The front door has let the head pass by these.
            max_line_size=HEAD_LIMIT_BYTES,
            max_field_size=HEAD_LIMIT_BYTES,
            max_headers=HEAD_LIMIT_FIELDS,
            lingering_time=LINGER_SECONDS,
        )
        self._refused = False
        self._gone = asyncio.Event()
        self._on_lost = on_lost
        self._on_gone: Callable[[], None] | None = None
        self._on_refused = on_refused
        self.by_socket = by_socket
        """Whether it came through a Unix socket."""

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Have it called when the client has left; a handler that waits for something else is not told."""
        self._on_gone = callback

    def connection_lost(self, exc: BaseException | None) -> None:
        self._gone.set()
        if self._on_gone is not None:
            self._on_gone()
        self._on_lost()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request of the application's."""
        del message
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        self._refused = True
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            said = Refusal(status, "malformed_request", "The request was not understood.")
            self._on_refused(b"", b"", said)
            return refusal(said.status, said.code, said.message)
        logger.error("A local request failed in aiohttp (%s).", type(exc).__name__)
        return refusal(status, "internal_error", "The sidecar has a bug; its log has the details.")

    def log_exception(self, *args: object, **kw: Any) -> None:  # noqa: ANN401  # as aiohttp has it
        """Say nothing of a body that is not what its headers say, which aiohttp meets again behind the answer.

        Whoever has no token could fill the log with its tracebacks.
        """
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; behind one of aiohttp's own refusals, linger.

        Aiohttp lingers only where it has understood the head, and would reset the sentence away that a client
        which is still sending has not read yet.
        """
        finished = await super().finish_response(request, resp, start_time)
        transport = request.transport
        if self._refused and transport is not None and not transport.is_closing():
            transport.write_eof()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), LINGER_SECONDS)
        return finished
