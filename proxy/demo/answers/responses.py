"""OpenAI's `/v1/responses`."""

from collections.abc import Iterator

from .answer import Answer, JsonObject, compact, event_answer, json_answer, named_event, required
from .chat import text_of
from .seeds import Seed, tokens_of
from .tools import fitting


def response(request: JsonObject, seed: Seed) -> Answer:
    """A response, as JSON or, with `stream`, as named and numbered events."""
    model = str(required(request, "model"))
    given = request.get("input") or ""
    item = _item(request, given, seed)
    tokens = (len(tokens_of(_prompt(given))) + 4, len(tokens_of(_spoken(item))))
    document = _document(request, seed, model)
    finished = {
        **document,
        "status": "completed",
        "completed_at": seed.created,
        "output": [item],
        "usage": _usage(*tokens),
    }
    if request.get("stream"):
        return event_answer(_events(document, finished, item), model=model, tokens=tokens)
    return json_answer(finished, model=model, tokens=tokens)


def _document(request: JsonObject, seed: Seed, model: str) -> JsonObject:
    """The response as it is at the beginning: in progress, without output."""
    return {
        "id": seed.hex_name("resp_", 48),
        "object": "response",
        "created_at": seed.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "model": model,
        "output": [],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "previous_response_id": request.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": request.get("store", True),
        "temperature": request.get("temperature", 1.0),
        "text": request.get("text") or {"format": {"type": "text"}},
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools") or [],
        "top_p": request.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "user": request.get("user"),
        "metadata": request.get("metadata") or {},
    }


def _usage(input_tokens: int, output_tokens: int) -> JsonObject:
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def _item(request: JsonObject, given: object, seed: Seed) -> JsonObject:
    last = given[-1] if isinstance(given, list) and given and isinstance(given[-1], dict) else {}
    function = _wanted_function(request)
    if function is not None and last.get("type") != "function_call_output":
        return {
            "id": seed.hex_name("fc_", 48),
            "type": "function_call",
            "status": "completed",
            "arguments": compact(fitting(function.get("parameters") or {}, seed)).decode(),
            "call_id": seed.name("call_", 24),
            "name": function["name"],
        }
    wanted_format = (request.get("text") or {}).get("format") or {}
    if wanted_format.get("type") == "json_schema":
        text = compact(fitting(wanted_format.get("schema") or {}, seed)).decode()
    else:
        text = seed.text(_prompt(given))
    return {
        "id": seed.hex_name("msg_", 48),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}],
    }


def _wanted_function(request: JsonObject) -> JsonObject | None:
    choice = request.get("tool_choice")
    functions: list[JsonObject] = [
        tool for tool in request.get("tools") or () if tool.get("type") == "function"
    ]
    if choice == "none" or not functions:
        return None
    name = choice.get("name") if isinstance(choice, dict) else None
    return next((function for function in functions if function["name"] == name), functions[0])


def _prompt(given: object) -> str:
    if isinstance(given, list):
        last = given[-1] if given and isinstance(given[-1], dict) else {}
        return text_of(last.get("content") or last.get("output"))
    return str(given)


def _spoken(item: JsonObject) -> str:
    return str(item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"])


def _events(document: JsonObject, finished: JsonObject, item: JsonObject) -> Iterator[bytes]:
    middle = _function_events(item) if item["type"] == "function_call" else _message_events(item)
    documents = (
        {"type": "response.created", "response": document},
        {"type": "response.in_progress", "response": document},
        *middle,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": finished},
    )
    for number, each in enumerate(documents):
        yield named_event({"type": each["type"], "sequence_number": number, **each})


def _function_events(item: JsonObject) -> Iterator[JsonObject]:
    place = {"item_id": item["id"], "output_index": 0}
    begun = {**item, "status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
    for token in tokens_of(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": token}
    yield {
        "type": "response.function_call_arguments.done",
        **place,
        "name": item["name"],
        "arguments": item["arguments"],
    }


def _message_events(item: JsonObject) -> Iterator[JsonObject]:
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    begun = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for token in tokens_of(part["text"]):
        yield {"type": "response.output_text.delta", **place, "delta": token, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
