"""The fields of a rating: each is checked on its own, and given as we use it. Pure.

What is wrong is said as an InvalidRating, whose sentence never repeats more than a name or a word.
"""

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from proxy.errors import InvalidField, InvalidRating
from proxy.helicone_api import LARGEST_SCORE, usable_score_name

COMMENT_LIMIT_BYTES: Final = 4096
RATER_LIMIT: Final = 200
SOURCE_LIMIT: Final = 100
SCORES_LIMIT: Final = 32
TAGS_LIMIT: Final = 16
TAG_LIMIT: Final = 50

_UP = frozenset({"true", "up", "good", "+1", "👍", "thumbs_up"})
_DOWN = frozenset({"false", "down", "bad", "-1", "👎", "thumbs_down"})
_SKIN_TONE_OR_VARIANT = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")
_KEY_LIKE = re.compile(r"\b[sp]k-")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode's categories Cc and Cs, which are never added to."""
_LONGEST_ECHO = 40


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, so that a name that stands twice is seen."""


def read_field(name: str, value: object) -> Any:  # noqa: ANN401  # each field has its own type; see `Rating`
    """What a rating says under `name`, out of a value as JSON has it. Raises InvalidRating, and KeyError."""
    if value is None and name != "rating":
        # Helicone puts a property in the place of another, and takes none away.
        raise InvalidField(
            f"null takes nothing away: at Helicone what was said before can only be replaced. Leave {name} out to "
            "let it stand, or say something else."
        )
    return _READERS[name](value)


def has_control_characters(text: str, *, allowed: str = "") -> bool:
    """Whether a text holds what a terminal would obey, or half a character, which no UTF-8 can carry."""
    return any(each not in allowed for each in _CONTROL.findall(text))


def quoted(value: object) -> str:
    """A value as it may stand in a sentence: on one line, not long, and no key."""
    if isinstance(value, list):  # an object too: see Pairs
        return "A list or an object"
    if isinstance(value, str) and _KEY_LIKE.search(value):
        return "What was sent"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"


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
    raise InvalidRating(f"{quoted(value)} is not a rating; nothing was recorded.")


def _comment(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidField("The comment has to be text.")
    # As a browser's form sends its lines.
    comment = value.replace("\r\n", "\n")
    if not comment.strip():
        raise InvalidField("The comment is empty; leave it out, or say something.")
    if has_control_characters(comment, allowed="\n\t"):
        raise InvalidField("The comment holds control characters; only line breaks and tabs may stand in it.")
    if len(comment.encode()) > COMMENT_LIMIT_BYTES:
        raise InvalidField(f"The comment is too long: it may have {COMMENT_LIMIT_BYTES} bytes of UTF-8.")
    return comment


def _line(what: str, limit: int) -> Callable[[object], str]:
    """A reader of short texts."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise InvalidField(f"{what} has to be text.")
        line = value.strip()
        if not line:
            raise InvalidField(f"{what} is empty; leave it out, or say something.")
        if has_control_characters(line):
            raise InvalidField(f"{what} holds control characters.")
        if len(line) > limit:
            raise InvalidField(f"{what} is too long: {limit} characters are the most.")
        return line

    return read


_tag = _line("A tag", TAG_LIMIT)


def _tags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or isinstance(value, Pairs):
        raise InvalidField('tags has to be a list of texts, such as ["wrong tone", "too long"].')
    tags = tuple(dict.fromkeys(_tag(each) for each in value))
    if any("," in tag for tag in tags):
        raise InvalidField("A tag may hold no comma: commas stand between tags.")
    if len(tags) > TAGS_LIMIT:
        raise InvalidField(f"There are too many tags: {TAGS_LIMIT} are the most.")
    return tags


def _scores(value: object) -> dict[str, int | bool]:
    if not isinstance(value, Pairs):
        raise InvalidField('scores has to be an object, such as {"helpful": true, "tone": 4}.')
    scores: dict[str, int | bool] = {}
    for name, each in value:
        why_not = usable_score_name(name)
        if why_not is not None:
            raise InvalidField(f"{quoted(name)} cannot be the name of a score: it {why_not}.")
        score = _score(name, each)
        # As pairs, since to Python True is 1.
        if (type(score), score) != (type(scores.get(name, score)), scores.get(name, score)):
            raise InvalidField(f"The score {quoted(name)} stands there twice, and differently.")
        scores[name] = score
    if len(scores) > SCORES_LIMIT:
        raise InvalidField(f"There are too many scores: {SCORES_LIMIT} are the most.")
    return scores


def _score(name: str, value: object) -> int | bool:
    if isinstance(value, float) and value.is_integer():
        # JSON knows one kind of number: 4.0 is 4, and some languages write it so.
        value = int(value)
    if not isinstance(value, int):
        advice = " Send 45 in place of 4.5, say." if isinstance(value, float) else ""
        raise InvalidField(
            f"The score {quoted(name)} is neither a whole number nor true or false, and Helicone takes nothing "
            f"else.{advice}"
        )
    if abs(value) > LARGEST_SCORE:
        raise InvalidField(f"The score {quoted(name)} is too large: Helicone keeps up to {LARGEST_SCORE}.")
    return value


_READERS: Mapping[str, Callable[[object], Any]] = MappingProxyType(
    {
        "rating": _thumb,
        "comment": _comment,
        "scores": _scores,
        "rater": _line("The rater", RATER_LIMIT),
        "source": _line("The source", SOURCE_LIMIT),
        "tags": _tags,
    }
)
FIELDS: Final = tuple(_READERS)
"""The names of all of them."""
