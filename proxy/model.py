"""The words of the domain, as data: calls, ratings, and the states that people see. No I/O."""

from dataclasses import dataclass
from enum import StrEnum


class CallState(StrEnum):
    """How far a call has come."""

    STREAMING = "streaming"
    """Its answer has begun. It can be rated already."""
    COMPLETE = "complete"
    CUT = "cut"
    """The gateway broke within its answer."""
    LEFT = "left"
    """The client went away before the answer was complete. Helicone logs such a call too."""
    FAILED = "failed"
    """The gateway gave no answer."""


class RatingState(StrEnum):
    """How far a rating has come. `accepted` is what Helicone says; only `verified` means stored."""

    HELD = "held"
    QUEUED = "queued"
    PAUSED = "paused"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Rating:
    """A thumb for one call. `key_fingerprint`: of the Helicone key that it leaves under, None when unknown."""

    request_id: str
    up: bool
    key_fingerprint: str | None

    @property
    def thumb(self) -> str:
        """The rating as people write it."""
        return "👍" if self.up else "👎"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a rating. `upstream_status` is that of Helicone's answer."""

    rating: Rating
    state: RatingState
    rated_at: float
    upstream_status: int


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
    receipt: Receipt | None


def duration_in_words(seconds: float) -> str:
    """A time span as a person says it, in its largest unit: `3 min`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
