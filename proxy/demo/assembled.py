"""Bodies as Helicone shows them: JSON as it was, and a streamed answer put together into one document.

Read in Helicone's public source, in versions of different ages. `RequestManager.uncachedGetRequestByIdWithBody`
takes both bodies from the object store; `LoggingHandler.uploadToS3` wrote them, as `ResponseBodyHandler` had made
them. `OpenAIStreamProcessor` with `consolidateTextFields` (`utils/streamParser.ts`) makes what stands below of
chat completions, `AnthropicStreamBodyProcessor` that of messages. Never seen running, and so not certain:

- a streamed Response is its last event here, as `consolidateTextFields` makes it in the version that was read; a
  test there of a later one puts `item` together instead;
- which of Claude's models are put together is a list of names there; here it is all of them;
- how the line `[DONE]` stands in `streamed_data`: here it is left out.
"""

import json
from collections.abc import Iterator
from typing import Any

from .answers.answer import JsonObject


def shown_request(body: bytes) -> object:
    """What stands as `request_body`."""
    found = _parsed(body)
    return {} if found is None else found


def shown_response(body: bytes) -> object:
    """What stands as `response_body`."""
    if not body:
        return {}
    found = _parsed(body)
    if found is not None:
        return found
    events = list(_events(body))
    if not events:
        return {"helicone_error": "error parsing response"}
    if events[0].get("type") == "message_start":
        # The text of the stream itself, where the other kind has a list.
        return {**_message(events), "streamed_data": body.decode("utf-8", "replace")}
    return {**_completion(events), "streamed_data": events}


def _parsed(text: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(text)
    except ValueError:
        return None


def _events(body: bytes) -> Iterator[JsonObject]:
    for line in body.split(b"\n"):
        if line.startswith(b"data:"):
            found = _parsed(line.removeprefix(b"data:"))
            if isinstance(found, dict):
                yield found


def _completion(chunks: list[JsonObject]) -> JsonObject:
    whole: JsonObject = {}
    for chunk in chunks:
        if "choices" not in whole:
            whole = dict(chunk)
        elif "choices" in chunk:
            # By their places, not by `index`: of several choices, all deltas end up in the first.
            news = [*chunk["choices"], *[None] * len(whole["choices"])]
            joined = [_choice(*pair) for pair in zip(whole["choices"], news, strict=False)]
            whole = {**whole, "choices": joined}
            if chunk.get("usage"):
                whole["usage"] = chunk["usage"]
    if "choices" in whole:
        whole["choices"] = [
            {**choice, "message": dict(choice["delta"])} if "delta" in choice else choice
            for choice in whole["choices"]
        ]
    return whole


def _choice(choice: JsonObject, news: JsonObject | None) -> JsonObject:
    if news is None:
        return choice
    if "delta" in choice and "delta" in news:
        # Nothing else of the choice is kept: neither `index` nor `finish_reason`.
        return {"delta": _delta(choice["delta"], news["delta"])}
    if "text" in choice and "text" in news:
        return {**choice, "text": choice["text"] + (news["text"] or "")}
    return choice


def _delta(delta: JsonObject, news: JsonObject) -> JsonObject:
    joined = dict(delta)
    if joined.get("content"):
        joined["content"] += news.get("content") or ""
    elif "content" in news:
        joined["content"] = news["content"]
    else:
        joined.pop("content", None)
    if calls := _tool_calls(delta.get("tool_calls") or [], news.get("tool_calls") or []):
        joined["tool_calls"] = calls
    return joined


def _tool_calls(calls: list[JsonObject], news: list[JsonObject]) -> list[JsonObject]:
    found = {call["index"]: call for call in calls}
    for each in news:
        known = found.get(each["index"])
        if known is None:
            found[each["index"]] = each
        else:
            function = {**known["function"]}
            function["arguments"] += each["function"].get("arguments") or ""
            found[each["index"]] = {**known, "function": function}
    return [found[index] for index in sorted(found)]


def _message(events: list[JsonObject]) -> JsonObject:
    whole: JsonObject = {}
    partial: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                whole = {**event["message"], "content": []}
            case "content_block_start":
                whole["content"].append(dict(event["content_block"]))
            case "content_block_delta" if "text" in event["delta"]:
                whole["content"][event["index"]]["text"] += event["delta"]["text"]
            case "content_block_delta" if "partial_json" in event["delta"]:
                index = event["index"]
                partial[index] = partial.get(index, "") + event["delta"]["partial_json"]
            case "message_delta":
                usage = {**whole["usage"], "output_tokens": event["usage"]["output_tokens"]}
                whole = {**whole, **event["delta"], "usage": usage}
    for index, text in partial.items():
        found = _parsed(text.encode())
        if found is not None:
            whole["content"][index]["input"] = found
    return whole
