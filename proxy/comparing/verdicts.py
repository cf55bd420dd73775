"""Which version is the better one, and how sure that is, in one sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from proxy.comparing.intervals import CONFIDENCE, Interval, Thumbs, newcombe, ratings_needed
from proxy.comparing.variants import FEW, Variant

_POINT: Final = 0.01
_SMALL: Final = 0.05
"""A difference that hardly anybody would change a prompt for. A smaller one is not worth looking for."""
_ALIKE: Final = 0.1
"""Who can exclude a larger difference than that has looked well enough to say that there is none to be seen."""


class Finding(StrEnum):
    """What can be said."""

    BETTER = "better"
    """The first is better than the second."""
    ALIKE = "alike"
    """They look the same, and if there is a difference it is no large one."""
    TOO_EARLY = "too_early"
    """More ratings are needed."""
    NOT_COMPARABLE = "not_comparable"
    """There are no two with thumbs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """By how much the share of thumbs up of `best` is above that of `second`.

    The interval holds with `confidence` for all `pairs` that could have been chosen at once (Bonferroni): the best
    two of many, chosen after having looked, differ by luck more often than two that were chosen before.
    """

    best: str
    second: str
    by: float
    interval: Interval
    pairs: int
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What can be said of several versions. `more`: about how many more ratings of which version would help."""

    finding: Finding
    sentence: str
    difference: Difference | None = None
    more: dict[str, int] | None = None


def judge(variants: Sequence[Variant]) -> Verdict:
    """What can be said of these versions, the best of which comes first (see `ranked`)."""
    rated = [each for each in variants if each.thumbs.number]
    if len(rated) < 2:
        return Verdict(finding=Finding.NOT_COMPARABLE, sentence=_why_not(variants, rated))
    best, second = sorted(rated[:2], key=lambda each: -each.thumbs.share)
    enough = sum(each.has_enough for each in rated)
    # Those with few ratings are in question only where there are no two others.
    candidates = enough if enough >= 2 else len(rated)
    pairs = candidates * (candidates - 1) // 2
    confidence = 1 - (1 - CONFIDENCE) / pairs
    difference = Difference(
        best=best.value,
        second=second.value,
        by=best.thumbs.share - second.thumbs.share,
        interval=newcombe(best.thumbs, second.thumbs, confidence),
        pairs=pairs,
    )
    if not second.has_enough or not best.has_enough:
        return _too_early(best, second, difference, confidence)
    if difference.interval.low > 0:
        return Verdict(
            finding=Finding.BETTER,
            sentence=f"{_quoted(best)} is better than {_quoted(second)}: {_shares(best, second)}. The difference "
            f"is {_points(difference.interval.low)} to {_points(difference.interval.high)} points, with "
            f"{_percent(CONFIDENCE)} confidence{_for_all(pairs)}.",
            difference=difference,
        )
    possible = max(difference.interval.high, -difference.interval.low)
    if difference.by < _SMALL and possible <= _ALIKE:
        return Verdict(
            finding=Finding.ALIKE,
            sentence=f"{_quoted(best)} and {_quoted(second)} look the same: {_shares(best, second)}. "
            f"A difference of {_points(_up(possible))} points cannot be excluded, a larger one can, with "
            f"{_percent(CONFIDENCE)} confidence{_for_all(pairs)}.",
            difference=difference,
        )
    return _too_early(best, second, difference, confidence)


def _too_early(best: Variant, second: Variant, difference: Difference, confidence: float) -> Verdict:
    """How many more ratings it takes: for the difference that is seen, or, if it is small, for a small one."""
    one, other = best.thumbs.share, second.thumbs.share
    is_seen = difference.by >= _SMALL
    if not is_seen:
        middle = min(max((one + other) / 2, _SMALL / 2), 1 - _SMALL / 2)
        one, other = middle + _SMALL / 2, middle - _SMALL / 2
    needed = max(FEW, ratings_needed(one, other, confidence))
    more = {each.value: about(needed - each.thumbs.number) for each in (best, second)}
    more = {value: number for value, number in more.items() if number > 0}
    # Each has enough for itself, and yet it could not be seen: a rating more of the rarer one says most.
    more = more or {min((best, second), key=lambda each: each.thumbs.number).value: FEW}
    what = "that difference is real" if is_seen else f"there is one of {_points(_SMALL)} points after all"
    return Verdict(
        finding=Finding.TOO_EARLY,
        sentence=f"It is too early to tell: {_quoted(best)} has {_share(best.thumbs)}, {_quoted(second)} "
        f"{_share(second.thumbs)}. If {what}, about {_more(more)} would probably show it.",
        difference=difference,
        more=more,
    )


def _why_not(variants: Sequence[Variant], rated: Sequence[Variant]) -> str:
    if not rated:
        return (
            "Nobody has given one of these calls a thumb yet."
            if variants
            else "There is nothing to compare yet."
        )
    (only,) = rated
    whose = "the only one" if len(variants) == 1 else "the only one with thumbs"
    return f"{_quoted(only)} is {whose}: {_share(only.thumbs)}. There is nothing to compare it with."


def _shares(best: Variant, second: Variant) -> str:
    return f"{_share(best.thumbs)}, against {_share(second.thumbs)}"


def _share(thumbs: Thumbs) -> str:
    return f"{_percent(thumbs.share)} thumbs up of {thumbs.number}"


def _more(more: dict[str, int]) -> str:
    numbers = [f"{number:,} more rating{'' if number == 1 else 's'}" for number in more.values()]
    if len(more) == 2 and len(set(more.values())) == 1:
        return f"{numbers[0]} of each"
    return " and ".join(f"{said} of “{value}”" for said, value in zip(numbers, more, strict=True))


def _for_all(pairs: int) -> str:
    """So that nobody takes the best two of many for two that were chosen before."""
    return "" if pairs == 1 else f" for all {pairs:,} pairs at once"


def _quoted(variant: Variant) -> str:
    return f"“{variant.value}”"


def _percent(share: float) -> str:
    """Nothing but none is 0%, and nothing but all 100%."""
    percent = round(share * 100)
    return f"{percent if share in (0, 1) else min(max(percent, 1), 99)}%"


def _up(share: float) -> float:
    """Rounded up to what is written: beyond that all is excluded, and not beyond a little less."""
    steps = 100 if share >= _POINT else 1000
    return ceil(round(share * steps, 9)) / steps


def _points(share: float) -> str:
    points = share * 100
    return f"{points:.0f}" if points >= 1 else f"{max(points, 0.1):.1f}"


def about(number: int) -> int:
    """A number that is not known better than that, rounded up: two digits and noughts."""
    size: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // size) * size
