"""Answers as providers give them, for rules: the same words in any form."""

import json
from collections.abc import Mapping
from typing import Any


def sse(*events: Mapping[str, Any], done: bool = False) -> bytes:
    """A stream of events."""
    lines = [
        (f"event: {event['type']}\n" if "type" in event else "") + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def pieces(text: str, number: int) -> list[str]:
    """A text in about so many pieces."""
    size = max(1, -(-len(text) // number))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def chat(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    calls = [
        {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
        for name, arguments in tools.items()
    ]
    message = {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
    return json.dumps(
        {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    ).encode()


def chat_stream(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    deltas: list[dict[str, Any]] = [{"content": each} for each in pieces(text, 4)]
    for index, (name, arguments) in enumerate(tools.items()):
        deltas.append(
            {"tool_calls": [{"index": index, "id": "c", "function": {"name": name, "arguments": ""}}]}
        )
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": each}}]}
            for each in pieces(arguments, 3)
        ]
    events = [
        {"id": "c1", "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in deltas
    ]
    end = {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    return sse(*events, end, done=True)


def message(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    content += [
        {"type": "tool_use", "id": "t", "name": name, "input": json.loads(said)}
        for name, said in tools.items()
    ]
    return json.dumps({"id": "msg_1", "type": "message", "content": content, "stop_reason": finish}).encode()


def message_stream(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}}
        for each in pieces(text, 4)
    ]
    events.append({"type": "content_block_stop", "index": 0})
    for index, (name, said) in enumerate(tools.items(), 1):
        block = {"type": "tool_use", "id": "t", "name": name, "input": {}}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [
            {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": "input_json_delta", "partial_json": each},
            }
            for each in pieces(said, 3)
        ]
    events.append({"type": "message_delta", "delta": {"stop_reason": finish}, "usage": {"output_tokens": 1}})
    return sse(*events, {"type": "message_stop"})


def response(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    output: list[dict[str, Any]] = [{"type": "reasoning", "summary": []}]
    if text:
        output.append({"type": "message", "content": [{"type": "output_text", "text": text}]})
    output += [{"type": "function_call", "name": name, "arguments": said} for name, said in tools.items()]
    return json.dumps({"id": "resp_1", "object": "response", "status": finish, "output": output}).encode()


def response_stream(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "content": []}},
    ]
    events += [
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": each}
        for each in pieces(text, 4)
    ]
    events.append({"type": "response.output_text.done", "output_index": 1, "text": text})
    for place, (name, said) in enumerate(tools.items(), 2):
        item = {"type": "function_call", "name": name, "arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": place, "item": item})
        events += [
            {"type": "response.function_call_arguments.delta", "output_index": place, "delta": each}
            for each in pieces(said, 3)
        ]
    whole = json.loads(response(text, tools, finish))
    return sse(*events, {"type": "response.completed", "response": whole})


def gemini(text: str, tools: Mapping[str, str], finish: str) -> bytes:
    parts: list[dict[str, Any]] = [{"text": text}] if text else []
    parts += [{"functionCall": {"name": name, "args": json.loads(said)}} for name, said in tools.items()]
    return json.dumps({"candidates": [{"content": {"parts": parts}, "finishReason": finish}]}).encode()


FORMS = {
    "chat": (chat, False),
    "chat stream": (chat_stream, True),
    "message": (message, False),
    "message stream": (message_stream, True),
    "response": (response, False),
    "response stream": (response_stream, True),
    "gemini": (gemini, False),
}
"""What makes an answer that says a text and calls tools, and whether that is a stream."""
