"""A conversation over a WebSocket in the manner of OpenAI's realtime API.

As behind Helicone's own proxy: the 101 carries the first subprotocol that was asked for, no extension, and
nothing of Helicone's; no id is known for the session. Helicone serves it at `/v1/gateway/oai/realtime` of the
API's host only; the stand-in takes the provider's path too.
"""

import asyncio
import json
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from .answers.answer import JsonObject, compact
from .answers.seeds import tokens_of
from .call import Call

REALTIME_PATHS = frozenset({"/v1/realtime", "/v1/gateway/oai/realtime", "/realtime"})


async def converse(call: Call, interval_seconds: float) -> web.WebSocketResponse:
    """Speak until either side closes.

    Two events are the stand-in's own: `{"type": "demo.close", "code": …, "reason": …}` makes this side close, and
    `{"type": "demo.flood", "frames": …, "bytes": …}` makes it send binary frames as fast as they are taken.
    """
    await call.sender.before_the_head()
    offered = call.request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
    chosen = (offered[0].strip(),) if offered[0] else ()
    socket = web.WebSocketResponse(protocols=chosen, compress=False, autoclose=False, max_msg_size=0)
    await socket.prepare(call.request)
    call.sender.received.status = 101
    session = Conversation(call, socket, interval_seconds)
    await session.begin()
    while not socket.closed:
        message = await socket.receive()
        match message.type:
            case WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            case WSMsgType.TEXT:
                await session.hear(message.data)
            case WSMsgType.CLOSE:
                # aiohttp's own answer would be 1000, whatever the client's code is.
                await socket.close(
                    code=message.data or WSCloseCode.OK, message=str(message.extra or "").encode()
                )
            case _:
                break
    return socket


class Conversation:
    """One session's events."""

    def __init__(self, call: Call, socket: web.WebSocketResponse, interval_seconds: float) -> None:
        self._sender = call.sender
        self._socket = socket
        self._seed = call.seed()
        self._interval_seconds = interval_seconds
        self._model = call.request.query.get("model", "gpt-realtime")
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
            case {"type": "demo.flood", "frames": int(frames), "bytes": int(size)}:
                for number in range(frames):
                    await self._socket.send_bytes(number.to_bytes(4) * (size // 4))
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
        if self._sender.fault.die_after_events == self._events:
            await self._sender.cut()
        self._events += 1
        event = {"type": kind, "event_id": self._seed.name(f"event_{self._events}_", 16), **fields}
        await self._socket.send_str(compact(event).decode())
