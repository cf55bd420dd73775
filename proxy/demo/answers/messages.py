"""Anthropic's `/v1/messages`."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from .answer import (
    Answer,
    JsonObject,
    ProviderRefusal,
    compact,
    event_answer,
    json_answer,
    named_event,
    required,
)
from .chat import text_of
from .seeds import Seed, tokens_of
from .tools import fitting

ERROR_KINDS = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        429: "rate_limit_error",
    }
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of content: its start, its deltas in a stream, and its end."""

    empty: JsonObject
    deltas: list[JsonObject]
    full: JsonObject


def message(request: JsonObject, seed: Seed) -> Answer:
    """A message, as JSON or, with `stream`, as named events."""
    model = str(required(request, "model"))
    given = required(request, "messages")
    required(request, "max_tokens")
    block, stop_reason = _block(request, seed)
    tokens = (_count(request), len(block.deltas))
    document: JsonObject = {
        "id": seed.name("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block.full],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": _usage(*tokens),
    }
    if request.get("stream") and given:
        return event_answer(_events(document, block), model=model, tokens=tokens)
    return json_answer(document, model=model, tokens=tokens)


def count_tokens(request: JsonObject) -> Answer:
    """How many tokens a message would take."""
    return json_answer({"input_tokens": _count(request)})


def in_anthropic_words(refusal: ProviderRefusal) -> ProviderRefusal:
    """The same refusal in Anthropic's shape."""
    said = str(refusal.document["error"]["message"])
    kind = ERROR_KINDS.get(refusal.status, "api_error")
    return ProviderRefusal(refusal.status, {"type": "error", "error": {"type": kind, "message": said}})


def _block(request: JsonObject, seed: Seed) -> tuple[Block, str]:
    last = request["messages"][-1] if isinstance(request["messages"], list) else {}
    content = last.get("content")
    parts = content if isinstance(content, list) else []
    answered = any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)
    tool = None if answered else _wanted_tool(request)
    if tool is None:
        text = seed.text(text_of(content))
        deltas: list[JsonObject] = [{"type": "text_delta", "text": token} for token in tokens_of(text)]
        return Block({"type": "text", "text": ""}, deltas, {"type": "text", "text": text}), "end_turn"
    arguments = fitting(tool.get("input_schema") or {}, seed)
    head = {"type": "tool_use", "id": seed.name("toolu_01", 22), "name": tool["name"]}
    pieces = ["", *tokens_of(compact(arguments).decode())]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return Block({**head, "input": {}}, deltas, {**head, "input": arguments}), "tool_use"


def _wanted_tool(request: JsonObject) -> JsonObject | None:
    choice = request.get("tool_choice") or {}
    tools: list[JsonObject] = [tool for tool in request.get("tools") or () if "input_schema" in tool]
    if choice.get("type") == "none" or not tools:
        return None
    return next((tool for tool in tools if tool["name"] == choice.get("name")), tools[0])


def _count(request: JsonObject) -> int:
    given = request.get("messages")
    messages = given if isinstance(given, list) else []
    system = len(tokens_of(text_of(request.get("system"))))
    return system + sum(len(tokens_of(text_of(each.get("content")))) + 4 for each in messages)


def _usage(input_tokens: int, output_tokens: int) -> JsonObject:
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _events(document: JsonObject, block: Block) -> Iterator[bytes]:
    usage = document["usage"]
    start = {**document, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield named_event({"type": "message_start", "message": start})
    yield named_event({"type": "content_block_start", "index": 0, "content_block": block.empty})
    yield named_event({"type": "ping"})
    for delta in block.deltas:
        yield named_event({"type": "content_block_delta", "index": 0, "delta": delta})
    yield named_event({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": document["stop_reason"], "stop_sequence": None}
    counted = {"output_tokens": usage["output_tokens"]}
    yield named_event({"type": "message_delta", "delta": end, "usage": counted})
    yield named_event({"type": "message_stop"})
