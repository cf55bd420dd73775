"""OpenAI's `/v1/chat/completions` and `/v1/completions`."""

from collections.abc import Iterator
from dataclasses import dataclass

from .answer import Answer, JsonObject, compact, data_event, event_answer, json_answer, required
from .seeds import Seed, tokens_of
from .tools import fitting

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function that the model wants called. `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says: text, or a tool call."""

    text: str
    call: ToolCall | None = None

    @property
    def tokens(self) -> list[str]:
        """What is streamed, piece by piece."""
        return tokens_of(self.text if self.call is None else self.call.arguments)


def chat_completion(request: JsonObject, seed: Seed) -> Answer:
    """A chat completion, as JSON or, with `stream`, as events that end in `[DONE]`."""
    model = str(required(request, "model"))
    messages = required(request, "messages")
    replies = [_reply(request, messages, seed, str(index)) for index in range(int(request.get("n") or 1))]
    tokens = (_prompt_tokens(messages), sum(len(reply.tokens) for reply in replies))
    if request.get("stream"):
        wants_usage = bool((request.get("stream_options") or {}).get("include_usage"))
        events = _chat_events(
            _chunk_head(seed, model), replies, seed, usage(*tokens) if wants_usage else None
        )
        return event_answer(events, model=model, tokens=tokens)
    document = {
        "id": seed.name("chatcmpl-", 29),
        "object": "chat.completion",
        "created": seed.created,
        "model": model,
        "choices": [_choice(index, reply, seed) for index, reply in enumerate(replies)],
        "usage": usage(*tokens),
        "service_tier": "default",
        "system_fingerprint": seed.hex_name("fp_", 10),
    }
    return json_answer(document, model=model, tokens=tokens)


def usage(prompt_tokens: int, completion_tokens: int) -> JsonObject:
    """The token counts of a chat completion."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def text_of(content: object) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _reply(request: JsonObject, messages: object, seed: Seed, label: str) -> Reply:
    last = messages[-1] if isinstance(messages, list) and isinstance(messages[-1], dict) else {}
    function = _wanted_function(request)
    # After a tool's result the model speaks, or an agent's loop would never end.
    if function is not None and last.get("role") != "tool":
        arguments = compact(fitting(function.get("parameters") or {}, seed)).decode()
        return Reply("", ToolCall(str(function.get("name", "")), arguments))
    wanted_format = request.get("response_format") or {}
    match wanted_format.get("type"):
        case "json_schema":
            schema = (wanted_format.get("json_schema") or {}).get("schema") or {}
            return Reply(compact(fitting(schema, seed)).decode())
        case "json_object":
            return Reply(compact({"answer": seed.text(text_of(last.get("content")), label)}).decode())
        case _:
            return Reply(seed.text(text_of(last.get("content")), label))


def _wanted_function(request: JsonObject) -> JsonObject | None:
    choice = request.get("tool_choice")
    functions: list[JsonObject] = [
        tool["function"] for tool in request.get("tools") or () if isinstance(tool.get("function"), dict)
    ]
    if choice == "none" or not functions:
        return None
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        return next((function for function in functions if function.get("name") == name), functions[0])
    return functions[0]


def _prompt_tokens(messages: object) -> int:
    if not isinstance(messages, list):
        return len(tokens_of(str(messages)))
    texts = (text_of(message.get("content")) for message in messages if isinstance(message, dict))
    return sum(len(tokens_of(text)) + 4 for text in texts)


def _tool_call(call: ToolCall, seed: Seed, arguments: str) -> JsonObject:
    function = {"name": call.name, "arguments": arguments}
    return {"id": seed.name("call_", 24), "type": "function", "function": function}


def _choice(index: int, reply: Reply, seed: Seed) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
    if reply.call is not None:
        message["content"] = None
        message["tool_calls"] = [_tool_call(reply.call, seed, reply.call.arguments)]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}


def _finish_reason(reply: Reply) -> str:
    return "stop" if reply.call is None else "tool_calls"


def _chunk_head(seed: Seed, model: str) -> JsonObject:
    return {
        "id": seed.name("chatcmpl-", 29),
        "object": "chat.completion.chunk",
        "created": seed.created,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": seed.hex_name("fp_", 10),
    }


def _chat_events(
    head: JsonObject, replies: list[Reply], seed: Seed, total: JsonObject | None
) -> Iterator[bytes]:
    # With `include_usage` every chunk carries the field, null until the last.
    rest: JsonObject = {} if total is None else {"usage": None}
    for index, reply in enumerate(replies):
        for delta in _deltas(reply, seed):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            yield data_event({**head, "choices": [choice], **rest})
        end = {"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish_reason(reply)}
        yield data_event({**head, "choices": [end], **rest})
    if total is not None:
        yield data_event({**head, "choices": [], "usage": total})
    yield DONE


def _deltas(reply: Reply, seed: Seed) -> Iterator[JsonObject]:
    if reply.call is None:
        yield {"role": "assistant", "content": "", "refusal": None}
        for token in reply.tokens:
            yield {"content": token}
        return
    first = {"index": 0, **_tool_call(reply.call, seed, "")}
    yield {"role": "assistant", "content": None, "tool_calls": [first]}
    for token in reply.tokens:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}


def completion(request: JsonObject, seed: Seed) -> Answer:
    """A completion of the older kind, as JSON or as events."""
    model = str(required(request, "model"))
    prompt = request.get("prompt") or ""
    text = seed.text(prompt if isinstance(prompt, str) else "")
    tokens = (len(tokens_of(str(prompt))), len(tokens_of(text)))
    head = {
        "id": seed.name("cmpl-", 29),
        "object": "text_completion",
        "created": seed.created,
        "model": model,
    }
    if request.get("stream"):
        return event_answer(_completion_events(head, tokens_of(text)), model=model, tokens=tokens)
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}
    return json_answer({**head, "choices": [choice], "usage": usage(*tokens)}, model=model, tokens=tokens)


def _completion_events(head: JsonObject, tokens: list[str]) -> Iterator[bytes]:
    for number, token in enumerate(tokens, start=1):
        reason = "stop" if number == len(tokens) else None
        choice = {"text": token, "index": 0, "logprobs": None, "finish_reason": reason}
        yield data_event({**head, "choices": [choice]})
    yield DONE
