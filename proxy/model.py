"""The words of the domain, as data: calls, ratings, and the states that people see. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

_SPAN = re.compile(r"(?P<number>[0-9]{1,7}(?:\.[0-9]{1,6})?)(?P<unit>ms|s|m|h)?", re.ASCII)
_UNITS: Mapping[str, float] = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0})


AUTOMATED: Final = "automated"
"""The source of ratings that no person gave."""
_WORDS: Final = ("comment", "rater", "source", "rule", "tags")


class CallState(StrEnum):
    """How far a call has come."""

    STREAMING = "streaming"
    """Its answer has begun. It can be rated already."""
    COMPLETE = "complete"
    CUT = "cut"
    """Its answer broke off: the gateway did, or the rest of the request, or the sidecar was stopped."""
    LEFT = "left"
    """The client went away before the answer was complete. Helicone logs such a call too."""
    FAILED = "failed"
    """The gateway gave no answer."""


class RatingState(StrEnum):
    """How far a rating has come. `accepted` is what Helicone says; only `verified` means stored."""

    HELD = "held"
    """Kept back: for a while, so that it can still be taken back, or until the answer has ended."""
    QUEUED = "queued"
    PAUSED = "paused"
    """Queued, under a key that is not known here or that Helicone refuses. Seen, never kept."""
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    REFUSED = "refused"
    """It can never arrive; the reason says why."""
    SUPERSEDED = "superseded"
    """A newer rating of the same call came before this one was verified."""
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done for it."""
        return self in (RatingState.HELD, RatingState.QUEUED, RatingState.PAUSED, RatingState.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What somebody said of one call. `up` is the thumb, None where only scores or words were given."""

    up: bool | None = None
    scores: Mapping[str, int | bool] = field(default_factory=dict)
    comment: str | None = None
    rater: str | None = None
    """Who rated."""
    source: str | None = None
    """What kind of rater that is: `end_user`, `developer`, `automated`, or a word of the app's own."""
    tags: tuple[str, ...] = ()
    rule: str | None = None
    """The name of the rule that made it."""
    overruled: tuple[str, ...] = ()
    """The fields in which a rule had said something of the call before: a person has not, and it is not theirs."""

    @property
    def is_automated(self) -> bool:
        """Whether no person gave it. It never lies over one that a person gave."""
        return self.source == AUTOMATED

    @property
    def thumb(self) -> str:
        """The thumb as people write it; a pencil stands for scores and words without one."""
        return "✏️" if self.up is None else "👍" if self.up else "👎"

    def over(self, earlier: "Rating") -> "Rating":
        """This rating, with what only an earlier one of the same call said: Helicone keeps that, too.

        Nobody is made to say a rule's words, or to have a rule's name: those are to be written over there.
        """
        up = earlier.up if self.up is None else self.up
        scores = {**earlier.scores, **self.scores}
        is_ruled_over = earlier.rule is not None and self.rule is None and self.up is not None
        if is_ruled_over or (earlier.is_automated and not self.is_automated):
            said = {name for name in _WORDS if getattr(earlier, name)} | set(earlier.overruled)
            overruled = tuple(name for name in _WORDS if name in said and not getattr(self, name))
            return replace(self, up=up, scores=scores, overruled=overruled)
        return Rating(
            up=up,
            scores=scores,
            comment=self.comment if self.comment is not None else earlier.comment,
            rater=self.rater if self.rater is not None else earlier.rater,
            source=self.source if self.source is not None else earlier.source,
            tags=self.tags or earlier.tags,
            rule=self.rule if self.rule is not None else earlier.rule,
            overruled=tuple(name for name in earlier.overruled if not getattr(self, name)),
        )

    def as_document(self) -> dict[str, Any]:
        """What was said, as JSON; what was not is left out. `from_document` takes it back."""
        said = {
            "rating": self.up,
            "scores": dict(self.scores) or None,
            "comment": self.comment,
            "rater": self.rater,
            "source": self.source,
            "tags": list(self.tags) or None,
            "rule": self.rule,
            "overruled": list(self.overruled) or None,
        }
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Rating":
        """The rating that `as_document` gave."""
        return cls(
            up=document.get("rating"),
            scores=document.get("scores", {}),
            comment=document.get("comment"),
            rater=document.get("rater"),
            source=document.get("source"),
            tags=tuple(document.get("tags", ())),
            rule=document.get("rule"),
            overruled=tuple(document.get("overruled", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rating has come on its way. Times are Unix times; None: not come yet, or nothing to come."""

    state: RatingState
    since: float
    """When its way began: when it was taken, or when it was sent on its way again after a refusal."""
    due_at: float | None = None
    """When something is to be done for it next."""
    posts: int = 0
    """How often it has left, also when nobody knows whether it arrived."""
    accepts: int = 0
    """How often Helicone has accepted it."""
    looks: int = 0
    """How often Helicone did not know the call yet."""
    failures: int = 0
    """How many attempts have failed in a row."""
    posted_at: float | None = None
    """When it last left."""
    accepted_at: float | None = None
    """When Helicone first accepted it."""
    settled_at: float | None = None
    """When it was verified, refused, superseded or withdrawn."""
    reason: str | None = None
    """The last thing that went wrong, or why it was refused; a sentence."""

    @property
    def has_left(self) -> bool:
        """Whether Helicone may have something of it: then nobody takes it back. Words leave without a post."""
        return self.posts > 0 or self.accepted_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One rating in the outbox. Of the entries of one call the one with the highest `seq` is the current one."""

    seq: int
    request_id: str
    key_fingerprint: str
    """Of the Helicone key that it leaves under."""
    rating: Rating
    rated_at: float
    changes_another: bool
    """Whether an earlier rating of the same call has left before it."""
    progress: Progress


class Tokens(NamedTuple):
    """How many tokens a call took, as its answer has said it. None: it has not."""

    input: int | None
    output: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """How a call's question and its answer begin, so that a person knows which call it is."""

    prompt: str | None = None
    answer: str | None = None

    def __repr__(self) -> str:
        return "<Preview>"


@dataclass(frozen=True, slots=True)
class Call:
    """One call that went through the relay, as it stands now.

    `path` has no query, and no key in it. `started_at` is a Unix time; the other times are seconds,
    None when the moment has not come. `bytes_up` and `bytes_down` are those of the bodies. `unratable`: why no
    rating can ever be attached to it, or None.
    """

    request_id: str
    method: str
    path: str
    model: str | None
    status: int | None
    state: CallState
    started_at: float
    age_seconds: float
    time_to_first_byte_seconds: float | None
    duration_seconds: float | None
    bytes_up: int
    bytes_down: int
    key_fingerprint: str | None
    unratable: str | None
    route: str
    """The name of the way that it went up."""
    aliases: tuple[str, ...]
    """What else it can be found by."""
    user: str | None
    session: str | None
    properties: Mapping[str, str]
    """Their names are in lower case."""
    client: str
    """The name of the token that it came with; its address where that has none."""
    address: str
    """The address that it came from."""
    user_agent: str | None
    tokens: Tokens | None
    preview: Preview | None
    """None where none is taken."""


def duration_in_words(seconds: float) -> str:
    """A time span as a person says it, in its largest unit: `3 min`."""
    whole = round(seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def seconds_of(text: str) -> float | None:
    """A time span as a person types it: `2`, `2s`, `0.5`, `1500ms`, `1m`, `1h`; None for anything else."""
    match = _SPAN.fullmatch(text)
    return None if match is None else float(match["number"]) * _UNITS[match["unit"] or "s"]
