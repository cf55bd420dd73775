"""aiohttp's protocol for one connection, with our words for what it refuses by itself."""

import asyncio
import logging
from http import HTTPStatus

from aiohttp import web

from proxy.relay.messages import HEAD_LIMIT_BYTES, HEAD_LIMIT_FIELDS
from proxy.web.answers import refusal

logger = logging.getLogger(__name__)


class LocalProtocol(web.RequestHandler):
    """Serves one connection that the front door has handed over.

    aiohttp's own errors quote what they refuse, in the answer and in the log; a key or a cookie may be in it.
    """

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # as aiohttp's runner passes it
            # The front door has let the head pass by these.
            max_line_size=HEAD_LIMIT_BYTES,
            max_field_size=HEAD_LIMIT_BYTES,
            max_headers=HEAD_LIMIT_FIELDS,
        )

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
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return refusal(status, "malformed_request", "The request was not understood.")
        logger.error("A local request failed in aiohttp (%s).", type(exc).__name__)
        return refusal(status, "internal_error", "The sidecar has a bug; its log has the details.")
