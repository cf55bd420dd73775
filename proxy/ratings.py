"""What a person or a program sent, as a thumb. Pure.

A person with curl comes first: the body is looked at, not its label, and a word will do. A browser has to label
its body as JSON, because that is what a foreign page cannot do without asking first (CSRF).
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from proxy.errors import InvalidRating, JsonRequired

_UP = frozenset({"true", "up", "good", "+1", "👍", "thumbs_up"})
_DOWN = frozenset({"false", "down", "bad", "-1", "👎", "thumbs_down"})
_SKIN_TONE_OR_VARIANT = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")
_KEY_LIKE = re.compile(r"\b[sp]k-")
_EXAMPLE = """Try: curl -d '{"rating": true}' localhost:8747/feedback/last (or false, up, down)."""
_LONGEST_ECHO = 40


def parse_thumb(body: bytes, query: str, *, content_type: str, browser: bool) -> bool:
    """The thumb in a request: True is up.

    It may stand in the body, as JSON or as a form, or in the query. Raises InvalidRating when it is missing,
    unknown or said twice differently, and JsonRequired when a browser sent something else than JSON.
    """
    if browser and content_type.partition(";")[0].strip().lower() != "application/json":
        raise JsonRequired("A browser has to send the rating as JSON, with Content-Type: application/json.")
    found = [*_from_query(query), *_from_body(body)]
    if not found:
        raise InvalidRating(f"There is no rating in the request. {_EXAMPLE}")
    thumbs = {_thumb(value) for value in found}
    if len(thumbs) > 1:
        raise InvalidRating(f"The request says both up and down. {_EXAMPLE}")
    return thumbs.pop()


def has_rating(query: str) -> bool:
    """Whether a query tries to rate."""
    return bool(_from_query(query))


def _from_query(query: str) -> list[str]:
    # `?rating=+1` arrives as a space and a 1, since a plus in a query is a space.
    return [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "rating"]


def _from_body(body: bytes) -> list[Any]:
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InvalidRating(f"The body is not UTF-8. {_EXAMPLE}") from None
    if not text:
        return []
    if text[0] in '{["':
        return _from_json(text)
    pairs = parse_qsl(text, keep_blank_values=True)
    _refuse_unknown([name for name, _ in pairs])
    return [value for _, value in pairs]


def _from_json(text: str) -> list[Any]:
    try:
        fields = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        raise InvalidRating(f"The body is not valid JSON. {_EXAMPLE}") from None
    if not isinstance(fields, _Pairs):
        raise InvalidRating(f"The body has to be a JSON object. {_EXAMPLE}")
    _refuse_unknown([name for name, _ in fields])
    return [value for _, value in fields]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, so that a key that stands twice is seen."""


def _refuse_unknown(names: list[str]) -> None:
    unknown = [name for name in names if name != "rating"]
    if unknown:
        # Taking the rating and dropping the rest would lose what somebody meant to say.
        raise InvalidRating(f"{_quoted(unknown[0])} is not known here; only rating is. {_EXAMPLE}")


def _thumb(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = _SKIN_TONE_OR_VARIANT.sub("", value).lower()
        word = "+1" if word == " 1" else word.strip()
        if word in _UP:
            return True
        if word in _DOWN:
            return False
    raise InvalidRating(f"{_quoted(value)} is not a rating; nothing was recorded. {_EXAMPLE}")


def _quoted(value: object) -> str:
    if isinstance(value, list):  # an object too: see _Pairs
        return "A list or an object"
    if isinstance(value, str) and _KEY_LIKE.search(value):
        return "What was sent"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"
