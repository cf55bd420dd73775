"""What calls come to, one version at a time: thumbs, scores, and in which order versions are shown. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from proxy.comparing.intervals import Interval, Thumbs, wilson
from proxy.search.found import FoundCall

FEW: Final = 10
"""Below so many ratings nothing is said of a version: of three any share is possible."""
MOST_SHOWN: Final = 50
_MOST_TALLIED: Final = 10_000
"""Versions that are told apart: what a value is comes from apps, and may be another one in each call."""
_MOST_SCORES: Final = 20
"""Names of scores that are told apart in one version."""


class Kind(StrEnum):
    """What tells versions apart."""

    PROPERTY = "property"
    MODEL = "model"
    USER = "user"
    SESSION = "session"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class By:
    """By what calls are told apart. `name`: the property's, as it was asked for; it matches without case."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}" if self.name else str(self.kind)

    def value_of(self, call: FoundCall) -> str | None:
        """Which version a call was of; None where it does not say. At Helicone an empty value is none."""
        if self.kind is Kind.MODEL:
            return call.model or None
        if self.kind is Kind.USER:
            return call.user or None
        if self.kind is Kind.SESSION:
            return call.session or None
        if self.kind is Kind.ROUTE:
            return call.route or None
        wanted = self.name.lower()
        return next(
            (value for name, value in call.properties.items() if name.lower() == wanted and value), None
        )


class Mean(NamedTuple):
    """The mean of a score, and of how many calls. Of one that is yes or no it is the share of yes."""

    mean: float
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One version. `calls`: how many there are, rated or not; None: nobody has counted them."""

    value: str
    thumbs: Thumbs
    scores: dict[str, Mean] = field(default_factory=dict)
    calls: int | None = None

    @property
    def interval(self) -> Interval:
        """Where its share of thumbs up is likely to be."""
        return wilson(self.thumbs)

    @property
    def has_enough(self) -> bool:
        """Whether there are ratings enough to say something of it."""
        return self.thumbs.number >= FEW


@dataclass(slots=True)
class _Tally:
    calls: int = 0
    up: int = 0
    down: int = 0
    scores: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, call: FoundCall) -> None:
        self.calls += 1
        if call.rating is not None:
            self.up += call.rating
            self.down += not call.rating
        for name, value in call.scores.items():
            if name in self.scores or len(self.scores) < _MOST_SCORES:
                total, number = self.scores.get(name, (0.0, 0))
                self.scores[name] = (total + value, number + 1)


class Tallies:
    """What calls come to, as they are read: of any number of them it keeps sums alone."""

    def __init__(self, by: By) -> None:
        self._by = by
        self._by_value: dict[str, _Tally] = {}
        self.read = 0
        """How many calls it was shown."""
        self.without = 0
        """How many of those do not say which version they are of."""
        self.beyond = 0
        """How many are of versions that came when there were too many already."""

    def add(self, call: FoundCall) -> None:
        """One more call."""
        self.read += 1
        value = self._by.value_of(call)
        if value is None:
            self.without += 1
            return
        tally = self._by_value.get(value)
        if tally is None:
            if len(self._by_value) >= _MOST_TALLIED:
                self.beyond += 1
                return
            tally = self._by_value[value] = _Tally()
        tally.add(call)

    def __len__(self) -> int:
        return len(self._by_value)

    def largest(self, number: int = MOST_SHOWN) -> list[Variant]:
        """Those with the most ratings, the best first; `calls` is how many were read.

        Which are left out is decided by numbers alone: by shares it would be those with luck that stay.
        """
        chosen = sorted(
            self._by_value.items(), key=lambda each: (-each[1].up - each[1].down, -each[1].calls, each[0])
        )[:number]
        return ranked(
            Variant(
                value=value,
                thumbs=Thumbs(tally.up, tally.down),
                scores={name: Mean(total / n, n) for name, (total, n) in sorted(tally.scores.items())},
                calls=tally.calls,
            )
            for value, tally in chosen
        )


def ranked(variants: Iterable[Variant]) -> list[Variant]:
    """The best first: by the share of thumbs up, ties by their number.

    Those with few ratings come behind, whatever their share is: one thumb up is 100 %, and would keep the best
    from being compared with what really comes next. Then those that nobody has rated.
    """
    return sorted(
        variants,
        key=lambda each: (
            not each.has_enough,
            each.thumbs.number == 0,
            -each.thumbs.share if each.thumbs.number else 0.0,
            -each.thumbs.number,
            each.value,
        ),
    )
