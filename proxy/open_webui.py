"""What Open WebUI says of a thumb, as a rating. Pure.

As read in its release 0.12.4 (2026-10-25):

- Its event webhooks (`events.py`, `utils/webhook.py`; since 0.10.0) post `feedback.created` and `.updated`:
  `{"event", "id", "subject": {"type": "feedback", "id"}, "actor", "data": {"rating"}, ...}`, with the thumb, 1 or
  -1, and the id of the feedback's record, but neither message nor words (`routers/evaluations.py`); 0.10.2 sent
  null as the thumb. They are given an address alone, no header, must reach a public one, and never come again.
- The record itself (`models/feedbacks.py`) is `{"id", "user_id", "type": "rating", "data": {"rating", "reason",
  "comment", "tags", ...}, "meta": {"message_id", "chat_id", ...}, "snapshot"}`. An event function sees each event,
  and can read it: the one in docs/open-webui.md sends it here.

So an event and a record are both read, and a record in the `data` of an event.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from proxy.errors import InvalidRating
from proxy.model import Rating
from proxy.rating_fields import COMMENT_LIMIT_BYTES, RATER_LIMIT, TAG_LIMIT, TAGS_LIMIT

SOURCE: Final = "open-webui"

_RATINGS: Final = ("feedback.created", "feedback.updated")
"""No set: what is said in their place may be anything, and a list has no place in one."""
_THUMBS: Final[Mapping[str, bool]] = MappingProxyType({"1": True, "-1": False})
_LONGEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Feedback:
    """A thumb for the message of that id."""

    message_id: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Nothing that can be rated: why, in a sentence. It is no mistake of whoever sent it."""

    why: str


def parse_feedback(body: bytes) -> Feedback | KeptOut:
    """What a webhook says. Raises InvalidRating."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRating("The body is not valid JSON.") from None
    if not isinstance(said, dict):
        raise InvalidRating(
            "The body has to be a JSON object: an event of Open WebUI's, or a feedback record."
        )
    event = said.get("event")
    if event is not None and event not in _RATINGS:
        return KeptOut("That event is no new or changed rating; nothing was sent.")
    parts = _parts(said)
    thumb = _first(parts, "rating")
    if thumb is None:
        return KeptOut("The rating is null, so there is no thumb yet; nothing was sent.")
    up = _THUMBS.get(str(thumb)) if isinstance(thumb, int | str) and not isinstance(thumb, bool) else None
    if up is None:
        raise InvalidRating("The rating has to be 1, -1 or null, as Open WebUI has it; nothing was recorded.")
    message_id = _first(parts, "message_id")
    if not isinstance(message_id, str) or not 0 < len(message_id) <= _LONGEST_ID:
        raise InvalidRating(
            "It is not said which message was rated: Open WebUI's own webhook names none. Its event function in "
            "docs/open-webui.md sends the message_id, too."
        )
    return Feedback(message_id, _rating(parts, up))


def _parts(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects in which a record's fields may stand: its own first, what is around them last."""
    data = said.get("data")
    around = [data, said] if isinstance(data, dict) else [said]
    inner = [part for each in around for part in (each.get("data"), each.get("meta"))]
    return [*(part for part in inner if isinstance(part, dict)), *around]


def _first(parts: list[dict[str, Any]], name: str) -> object:
    return next((part[name] for part in parts if part.get(name) is not None), None)


def _rating(parts: list[dict[str, Any]], up: bool) -> Rating:  # noqa: FBT001
    """Words that do not fit are cut, not refused: nobody would send the thumb again."""
    comment = (
        _text(_first(parts, "comment"), keep="\n\t").encode()[:COMMENT_LIMIT_BYTES].decode("utf-8", "ignore")
    )
    tags = _first(parts, "tags")
    words = [_first(parts, "reason"), *(tags if isinstance(tags, list) else ())]
    clean = [_text(each).replace(",", " ").strip()[:TAG_LIMIT].strip() for each in words]
    return Rating(
        up=up,
        comment=comment.strip() or None,
        rater=_text(_first(parts, "user_id")).strip()[:RATER_LIMIT] or None,
        source=SOURCE,
        tags=tuple(dict.fromkeys(each for each in clean if each))[:TAGS_LIMIT],
    )


def _text(value: object, *, keep: str = "") -> str:
    """A text without what a terminal would obey, or half a character; "" for what is none."""
    if not isinstance(value, str):
        return ""
    return "".join(each for each in value if each in keep or each.isprintable())
