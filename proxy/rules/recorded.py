"""A recorded answer, as rules are tried on it: a line of JSON. Pure.

Either what a call's answer was, `{"model": …, "status": 200, "answer": …}`, with its body as an object, as a text,
or as a list of the lines of a stream; or a row of an export, with the export's names of the same things.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from proxy.rules.contents import MOST_BYTES, Content, TooLong, Unreadable, content_of
from proxy.rules.facts import Facts


class UnreadableLine(Exception):
    """It is no recorded answer; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What rules look at. `why_no_content`: why there is none."""

    facts: Facts
    content: Content | None
    why_no_content: str = ""


def recorded(line: Any) -> Recorded:  # noqa: ANN401  # whatever stands there
    """The answer that a line holds. Raises UnreadableLine."""
    if not isinstance(line, dict):
        raise UnreadableLine("must be a JSON object")
    facts = _facts(line)
    answer = next(
        (line[name] for name in ("answer", "response", "response_body") if line.get(name) is not None), None
    )
    if answer is None:
        return Recorded(facts, None, "there is no answer in the line")
    if facts.status is None or not 200 <= facts.status <= 299:
        return Recorded(facts, None, "only answers of 200 to 299 have a text")
    try:
        return Recorded(facts, _content(answer, _text(line.get("finish_reason"))))
    except TooLong:
        return Recorded(facts, None, "the answer is too long to judge")
    except Unreadable:
        return Recorded(facts, None, "the answer is in no form that is known here")


def _content(answer: object, finish_reason: str | None) -> Content:
    body, streamed = _body(answer)
    if len(body) > MOST_BYTES:
        raise TooLong
    if not isinstance(answer, str):
        return content_of(body, streamed=streamed)
    words = Content(body.decode(), finish_reason)
    if not answer.lstrip().startswith(("{", "[", "data:", "event:", ":")):
        return words
    try:
        return content_of(body, streamed=streamed)
    except Unreadable:
        if streamed:
            raise
        # The words alone, which may be JSON.
        return words


def _body(answer: object) -> tuple[bytes, bool]:
    if isinstance(answer, list) and all(isinstance(each, str) for each in answer):
        lines = [str(each) for each in answer]
        # Lines may come without those that are empty between events.
        end = "\n" if "" in lines else "\n\n"
        return (end.join(lines) + "\n\n").encode("utf-8", "replace"), True
    if isinstance(answer, str):
        return answer.encode("utf-8", "replace"), not answer.lstrip().startswith(("{", "["))
    return json.dumps(answer).encode(), False


def _facts(line: Mapping[str, Any]) -> Facts:
    tokens = line.get("tokens") if isinstance(line.get("tokens"), dict) else {}
    properties = line.get("properties") if isinstance(line.get("properties"), dict) else {}
    return Facts(
        request_id=_text(line.get("id")) or "",
        path=_text(line.get("path")) or "",
        model=_text(line.get("model")),
        route=_text(line.get("route")) or "default",
        properties={str(name).lower(): str(value) for name, value in (properties or {}).items()},
        status=int(_number(line.get("status"), 200)),
        complete=line.get("complete") is not False,
        duration_seconds=_seconds(line, "duration", "latency_ms"),
        first_byte_seconds=_seconds(line, "first_byte", "first_token_ms"),
        tokens_in=_whole(line.get("input_tokens", (tokens or {}).get("input"))),
        tokens_out=_whole(line.get("output_tokens", (tokens or {}).get("output"))),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return default
    return float(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(line: Mapping[str, Any], name: str, in_milliseconds: str) -> float | None:
    for key, unit in ((f"{name}_seconds", 1.0), (f"{name}_ms", 0.001), (in_milliseconds, 0.001)):
        value = line.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value) * unit
    return None
