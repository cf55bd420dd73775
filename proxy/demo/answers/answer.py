"""The shape that every answer has, before anything is sent."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status and a body in pieces. `length_bytes` is `None` where the length is not known before the end."""

    pieces: Iterable[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    length_bytes: int | None = None
    paced: bool = False
    """The pieces are events, spread over time."""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ProviderRefusal(Exception):
    """The provider answers with an error. `document` is its body."""

    def __init__(self, status: int, document: JsonObject) -> None:
        super().__init__(f"the provider answers {status}")
        self.status = status
        self.document = document

    def answer(self) -> Answer:
        """The refusal as it goes over the wire."""
        return json_answer(self.document, status=self.status)


def compact(document: object) -> bytes:
    """JSON as providers write it into events: no spaces, no escapes for what UTF-8 can say."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def json_answer(
    document: object, *, status: int = 200, model: str = "", tokens: tuple[int, int] = (0, 0)
) -> Answer:
    """One JSON document of known length."""
    body = compact(document)
    return Answer(
        pieces=(body,),
        status=status,
        length_bytes=len(body),
        model=model,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
    )


def event_answer(events: Iterable[bytes], *, model: str, tokens: tuple[int, int]) -> Answer:
    """A stream of server-sent events."""
    return Answer(
        pieces=events,
        content_type="text/event-stream; charset=utf-8",
        headers=(("Cache-Control", "no-cache"),),
        paced=True,
        model=model,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
    )


def data_event(document: object) -> bytes:
    """One event without a name, as in OpenAI's chat completions."""
    return b"data: " + compact(document) + b"\n\n"


def named_event(document: JsonObject) -> bytes:
    """One event named after its own `type`, as in OpenAI's Responses and at Anthropic."""
    return b"event: " + str(document["type"]).encode() + b"\n" + data_event(document)


def openai_error(
    status: int, message: str, *, param: str | None = None, code: str | None = None
) -> ProviderRefusal:
    """OpenAI's error shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return ProviderRefusal(
        status, {"error": {"message": message, "type": kind, "param": param, "code": code}}
    )


def required(request: JsonObject, name: str) -> object:
    """The value under `name`; OpenAI's 400 where there is none."""
    if request.get(name) in (None, ""):
        raise openai_error(
            400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
        )
    return request[name]
