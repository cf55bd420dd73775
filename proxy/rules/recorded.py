"""A recorded answer, as rules are tried on it: a line of JSON. Pure.

Either what a call's answer was, `{"model": …, "status": 200, "answer": …}`, with its body as an object, as a text,
or as a list of the lines of a stream; or a row of an export, with the export's names of the same things.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.rules.contents import Content, TooLong, Unreadable, content_of
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
    if isinstance(answer, str) and not answer.lstrip().startswith(("{", "[", "data:", "event:", ":")):
        # The words alone.
        return Recorded(facts, Content(answer, _text(line.get("finish_reason"))))
    body, streamed = _body(answer)
    try:
        return Recorded(facts, content_of(body, streamed=streamed))
    except TooLong:
        return Recorded(facts, None, "the answer is too long to judge")
    except Unreadable:
        return Recorded(facts, None, "the answer is in no form that is known here")


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
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(line: Mapping[str, Any], name: str, in_milliseconds: str) -> float | None:
    for key, unit in ((f"{name}_seconds", 1.0), (f"{name}_ms", 0.001), (in_milliseconds, 0.001)):
        value = line.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value) * unit
    return None
