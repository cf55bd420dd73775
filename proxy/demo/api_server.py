"""Puts the API's answers on the wire, and makes go wrong what a fault says."""

import asyncio
import time

from aiohttp import web

from .api import Api
from .call import agree_to_continue
from .faults import ApiFault, Plan
from .journal import Journal, Received
from .replies import Reply
from .sending import Cut, break_connection


class ApiServer:
    """Answers every request on the API's port."""

    def __init__(self, api: Api, plan: Plan[ApiFault]) -> None:
        self._api = api
        self._plan = plan
        self.journal = Journal()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        received = self.journal.receive(request)
        fault = self._plan.take(received.target)
        try:
            return await self._answer(request, received, fault)
        except (asyncio.CancelledError, ConnectionError, web.RequestPayloadError) as error:
            if not isinstance(error, Cut):
                self.journal.broken(received, request)
            raise
        finally:
            received.end()

    async def _answer(
        self, request: web.BaseRequest, received: Received, fault: ApiFault
    ) -> web.StreamResponse:
        pieces = []
        await agree_to_continue(request)
        async for chunk in request.content.iter_any():
            received.take(chunk)
            pieces.append(chunk)
        received.body_complete = True
        await asyncio.sleep(fault.latency_seconds)
        if fault.silent:
            await asyncio.Event().wait()
        if fault.reset:
            await self._break(request)
        if fault.status is not None:
            reply = Reply(fault.status, fault.body.encode(), fault.content_type)
        else:
            reply = self._api.answer(request.method, received.target, request.headers, b"".join(pieces))
        if fault.reset_after_work:
            await self._break(request)
        if fault.half_head and request.transport is not None:
            request.transport.write(b"HTTP/1.1 2")
            await asyncio.Event().wait()
        return await self._send(request, received, reply, fault)

    async def _break(self, request: web.BaseRequest) -> None:
        await break_connection(request.transport, reset=True)
        raise Cut("a fault reset the connection")

    async def _send(
        self, request: web.BaseRequest, received: Received, reply: Reply, fault: ApiFault
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status)
        if reply.body:
            response.headers["Content-Type"] = reply.content_type
        for name, value in (*reply.headers, *fault.headers):
            response.headers.add(name, value)
        # A length that the body does not have holds the answer open.
        response.content_length = len(reply.body) + fault.half_open
        received.status = reply.status
        await response.prepare(request)
        received.head_sent_at = time.monotonic()
        if fault.half_open:
            await asyncio.Event().wait()
        await response.write(reply.body)
        await response.write_eof()
        return response
