"""A conversation over a WebSocket in the manner of OpenAI's realtime API.

As behind Helicone's own proxy: the 101 carries the first subprotocol that was asked for, no extension, and
nothing of Helicone's; no id is known for the session. Helicone serves it at `/v1/gateway/oai/realtime` of the
API's host only; the stand-in takes the provider's path too.
"""

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, hdrs, web

from .answers.answer import JsonObject, compact
from .answers.seeds import Seed, tokens_of
from .call import Call

REALTIME_PATHS = frozenset({"/v1/realtime", "/v1/gateway/oai/realtime", "/realtime"})


async def converse(call: Call, interval_seconds: float) -> web.WebSocketResponse:
    """Speak until either side closes. `{"type": "demo.close", "code": …}` makes this side close."""
    offered = call.request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
    socket = web.WebSocketResponse(protocols=(offered[0].strip(),) if offered[0] else (), compress=False)
    await socket.prepare(call.request)
    call.sender.received.status = 101
    session = Conversation(
        socket, call.seed(), interval_seconds, call.request.query.get("model", "gpt-realtime")
    )
    await session.begin()
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await session.hear(message.data)
    return socket


class Conversation:
    """One session's events."""

    def __init__(
        self, socket: web.WebSocketResponse, seed: Seed, interval_seconds: float, model: str
    ) -> None:
        self._socket = socket
        self._seed = seed
        self._interval_seconds = interval_seconds
        self._model = model
        self._events = 0
        self._responses = 0
        self._heard = ""

    async def begin(self) -> None:
        """Say that the session is there."""
        session = {
            "id": self._seed.name("sess_", 21),
            "object": "realtime.session",
            "type": "realtime",
            "model": self._model,
            "output_modalities": ["text"],
        }
        await self._say("session.created", session=session)

    async def hear(self, text: str) -> None:
        """Answer one event of the client."""
        try:
            event: Any = json.loads(text)
        except ValueError:
            event = None
        match event:
            case {"type": "response.create"}:
                await self._respond()
            case {"type": "session.update", "session": session}:
                await self._say("session.updated", session=session)
            case {"type": "conversation.item.create", "item": dict(item)}:
                self._heard = " ".join(str(part.get("text", "")) for part in item.get("content") or ())
                added = {
                    "id": self._seed.name(f"item_{self._events}_", 16),
                    "object": "realtime.item",
                    **item,
                }
                await self._say("conversation.item.added", previous_item_id=None, item=added)
            case {"type": "demo.close", "code": int(code)}:
                await self._socket.close(code=code, message=str(event.get("reason", "")).encode())
            case {"type": str()}:
                await self._say("demo.echo", event=event)
            case _:
                error = {
                    "type": "invalid_request_error",
                    "code": "invalid_json",
                    "message": "That is no event.",
                }
                await self._say("error", error=error)

    async def _respond(self) -> None:
        self._responses += 1
        name = str(self._responses)
        response: JsonObject = {"id": self._seed.name(f"resp_{name}_", 16), "object": "realtime.response"}
        item_id = self._seed.name(f"item_{name}_", 16)
        text = self._seed.text(self._heard, name)
        place = {"response_id": response["id"], "item_id": item_id, "output_index": 0, "content_index": 0}
        await self._say("response.created", response={**response, "status": "in_progress", "output": []})
        for token in tokens_of(text):
            await self._say("response.output_text.delta", **place, delta=token)
            await asyncio.sleep(self._interval_seconds)
        await self._say("response.output_text.done", **place, text=text)
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        }
        await self._say("response.done", response={**response, "status": "completed", "output": [item]})

    async def _say(self, kind: str, **fields: object) -> None:
        self._events += 1
        event = {"type": kind, "event_id": self._seed.name(f"event_{self._events}_", 16), **fields}
        await self._socket.send_str(compact(event).decode())
