"""The settings of a rule, which rates calls by itself: declared once, as all others are."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.config.kinds import Kind, choice, seconds, setting, text, truth, whole
from proxy.errors import InvalidRating
from proxy.rating_fields import Pairs, quoted, read_field

_NAME: Final = re.compile(r"(?![sp]k-)[A-Za-z0-9](?:[\w .:-]{0,58}[\w.])?", re.ASCII)
"""No comma: it stands at Helicone as a property, by which people search."""
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_FUNCTION: Final = re.compile(r"(?!\d)\w+(?:\.(?!\d)\w+)*:(?!\d)\w+")
_LONGEST_PATTERN: Final = 1000
_LONGEST_TEXT: Final = 200


def _rule_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be 1 to 60 of A-Z, a-z, 0-9, spaces and ._:-, and no key")
    return value


def _plain(value: str) -> str:
    """A text that a call can have: what is kept of one is as short, and printable."""
    if not value or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"must be 1 to {_LONGEST_TEXT} printable characters")
    if "*" in value[:-1]:
        raise ValueError("may have a * at its end only, for whatever comes there")
    return value


def _path(value: str) -> str:
    if not value.startswith("/") or "?" in value:
        raise ValueError("must begin with / and have no query: queries are never kept")
    return _plain(value)


def _status(value: object) -> str:
    if isinstance(value, bool) or not _STATUS.fullmatch(str(value)):
        raise ValueError('must be a status such as 429, or "5xx" for all of them')
    return str(value)


def _properties(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not value:
        raise ValueError('must be a table such as { Experiment = "prompt-test-1" }')
    for name, wanted in value.items():
        if not isinstance(wanted, str) or not name:
            raise ValueError("must have texts in quotes as its values")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("must name each property once, in capitals or not: Helicone takes them for the same")
    return tuple((name.lower(), _plain(wanted)) for name, wanted in value.items())


def _tool(value: object) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain(value)
    raise ValueError("must be true, false, or the name of a tool")


def _pattern(value: str) -> str:
    if not 0 < len(value) <= _LONGEST_PATTERN:
        raise ValueError(f"must be 1 to {_LONGEST_PATTERN} characters long")
    return value


def _function(value: str) -> str:
    if not _FUNCTION.fullmatch(value):
        raise ValueError('must name a function as "package.module:function"')
    return value


def _thumb(value: object) -> bool:
    return bool(_UP_OR_DOWN.accept(value) == "up")


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError("must be a number above 0, and 1 at most: 0.1 is one call in ten")
    return float(value)


def _said(name: str) -> Callable[[object], Any]:
    """What an action says, read as the same field of a rating that somebody posts."""

    def accept(value: object) -> Any:  # noqa: ANN401  # each field has its own type; see `Rating`
        try:
            # As JSON comes: a name that stands twice is TOML's business.
            return read_field(name, Pairs(value.items()) if isinstance(value, dict) else value)
        except InvalidRating as error:
            raise ValueError(f"is nothing that a rating can say: {error.message}") from None

    return accept


_UP_OR_DOWN: Final = choice("up", "down")
_THUMB: Final = Kind(_UP_OR_DOWN.name, _thumb)
_TEXT: Final = text(_plain)
_SECONDS: Final = seconds(or_zero=True)
_COUNT: Final = whole(least=0)
_TRUTH: Final = truth()


@dataclass(frozen=True, kw_only=True)
class When:
    """What has to hold of a call, all of it."""

    path: str | None = setting(text(_path), None, "The call's path; a `*` at the end stands for any rest.")
    model: str | None = setting(_TEXT, None, "The model; a `*` at the end stands for any rest.")
    route: str | None = setting(_TEXT, None, "The name of the route that the call took.")
    properties: tuple[tuple[str, str], ...] = setting(
        Kind("table", _properties), (), "Custom properties and their values, all of them."
    )
    status: str | None = setting(
        Kind("whole number or text", _status), None, 'The answer\'s status, such as `429`, or `"5xx"`.'
    )
    complete: bool | None = setting(
        _TRUTH, None, "Whether the whole answer passed; `false`: it broke off, or the app left, or none came."
    )
    duration_min_seconds: float | None = setting(_SECONDS, None, "The call took that long at least.")
    duration_max_seconds: float | None = setting(_SECONDS, None, "It took that long at most.")
    first_byte_min_seconds: float | None = setting(
        _SECONDS, None, "The answer's head took that long at least."
    )
    first_byte_max_seconds: float | None = setting(_SECONDS, None, "It took that long at most.")
    tokens_in_min: int | None = setting(_COUNT, None, "The least tokens that the call was given.")
    tokens_in_max: int | None = setting(_COUNT, None, "The most.")
    tokens_out_min: int | None = setting(_COUNT, None, "The least tokens that its answer has.")
    tokens_out_max: int | None = setting(_COUNT, None, "The most.")
    finish_reason: str | None = setting(
        _TEXT, None, 'Why the model stopped, as its provider says it: `"length"`, `"max_tokens"`.'
    )
    text_min_length: int | None = setting(_COUNT, None, "The answer's text has so many characters at least.")
    text_max_length: int | None = setting(_COUNT, None, "It has so many at most.")
    text_matches: str | None = setting(
        text(_pattern), None, "A regular expression (RE2) that is found somewhere in the answer's text."
    )
    is_json: bool | None = setting(_TRUTH, None, "Whether the answer's text is valid JSON.")
    has_refusal: bool | None = setting(
        _TRUTH, None, "Whether the model said that it refuses (its provider's `refusal`)."
    )
    calls_tool: bool | str | None = setting(
        Kind("true, false or text", _tool), None, "Whether the answer calls a tool; or the tool's name."
    )

    @property
    def has_content(self) -> bool:
        """Whether anything is asked of what the answer says."""
        asked = (
            self.finish_reason,
            self.text_min_length,
            self.text_max_length,
            self.text_matches,
            self.is_json,
            self.has_refusal,
            self.calls_tool,
        )
        return any(each is not None for each in asked)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: when it holds, it rates."""

    name: str = setting(text(_rule_name), "", "What the rule is called, once: ratings by it carry that name.")
    when: When = field(default=When())
    rating: bool | None = setting(_THUMB, None, "The thumb.")
    scores: Mapping[str, int | bool] | None = setting(
        Kind("table", _said("scores")), None, "Scores: whole numbers, `true` or `false`."
    )
    comment: str | None = setting(Kind("text", _said("comment")), None, "A comment.")
    tags: tuple[str, ...] = setting(Kind("list of texts", _said("tags")), (), "Tags.")
    sample: float = setting(
        Kind("number", _share), 1.0, "The share of calls that are judged, by chance: `0.1` is one in ten."
    )
    call: str | None = setting(
        text(_function),
        None,
        'A function of your own, `"package.module:function"`, that rates in place of the actions above.',
    )
    timeout_seconds: float = setting(
        seconds(most=600), 5.0, "How long that function may take for one call; then it is ended."
    )

    @property
    def needs_body(self) -> bool:
        """Whether what the answer says has to be looked at."""
        return self.when.has_content or self.call is not None


def quoted_name(name: str) -> str:
    """A rule's name in a sentence."""
    return quoted(name)
