"""The worker's own feedback route, `POST /v1/feedback`: a relay to the API, with answers of its own."""

import json
from typing import Any

from aiohttp import web

from .answers.answer import Answer, compact, json_answer
from .api import Api
from .call import Call
from .identity import Keyring, WorkerRefusal

CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, helicone-jwt"),
)


async def feedback(call: Call, keyring: Keyring, api: Api) -> web.StreamResponse:
    """Answer as `FeedbackManager.ts` does: 200 with a sentence, 401 as text, 500 for whatever the API refuses."""
    body = await call.body()
    if call.request.method == "OPTIONS":
        return await call.sender.send(Answer(pieces=(), length_bytes=0, content_type="text/plain"), CORS)
    key = keyring.of_worker_route(call.request.headers)
    if isinstance(key, WorkerRefusal):
        return await call.sender.send(_text(401, key.value), ())
    try:
        given: Any = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return await call.sender.send(_text(500, "error Unexpected token in JSON"), ())
    request_id = str(given.get("helicone-id"))
    relayed = compact({"rating": given["rating"]} if "rating" in given else {})
    answer = api.worker_feedback(key, request_id, relayed)
    if answer.status >= 300:
        return await call.sender.send(_text(500, f"error {answer.body.decode()}"), ())
    said = {"message": "Feedback added successfully.", "helicone_id": request_id}
    return await call.sender.send(json_answer(said), CORS[:2])


def _text(status: int, text: str) -> Answer:
    body = text.encode()
    return Answer(
        pieces=(body,), status=status, content_type="text/plain;charset=UTF-8", length_bytes=len(body)
    )
