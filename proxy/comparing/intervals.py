"""How far off a share of thumbs up may be, and how many ratings show a difference. Pure.

Ratings are taken for independent of each other, as these formulas have it; README says when they are not.
"""

from math import ceil, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
POWER: Final = 0.8


class Interval(NamedTuple):
    """Where a share, or a difference of two, is likely to be."""

    low: float
    high: float


class Thumbs(NamedTuple):
    """How many ratings there are either way."""

    up: int
    down: int

    @property
    def number(self) -> int:
        """How many there are."""
        return self.up + self.down

    @property
    def share(self) -> float:
        """The share of thumbs up. There has to be one rating at least."""
        return self.up / self.number


def quantile(confidence: float) -> float:
    """How many standard deviations either way hold that much of a normal distribution: 1.96 for 95 %."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(thumbs: Thumbs, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of the share of thumbs up, without continuity correction; of no rating: anything.

    E. B. Wilson 1927; method 3 in R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872. Unlike p ± 1.96 s it
    is right for few ratings, and for shares near 0 and 1.
    """
    number = thumbs.number
    if number == 0:
        return Interval(0.0, 1.0)
    z, share = quantile(confidence), thumbs.share
    spread = z * z / number
    middle = (share + spread / 2) / (1 + spread)
    reach = z * sqrt(share * (1 - share) / number + spread / (4 * number)) / (1 + spread)
    # Nothing but thumbs of one kind: that end is exact, and rounding must not move it.
    return Interval(
        0.0 if thumbs.up == 0 else max(0.0, middle - reach),
        1.0 if thumbs.down == 0 else min(1.0, middle + reach),
    )


def newcombe(one: Thumbs, other: Thumbs, confidence: float = CONFIDENCE) -> Interval:
    """The hybrid score interval of the first share less the second. Each has to have a rating at least.

    Method 10 in R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890: from Wilson's intervals of both.
    """
    ours, theirs = wilson(one, confidence), wilson(other, confidence)
    difference = one.share - other.share
    down = sqrt((one.share - ours.low) ** 2 + (theirs.high - other.share) ** 2)
    up = sqrt((ours.high - one.share) ** 2 + (other.share - theirs.low) ** 2)
    return Interval(max(-1.0, difference - down), min(1.0, difference + up))


def ratings_needed(one: float, other: float, confidence: float = CONFIDENCE, power: float = POWER) -> int:
    """How many ratings of each show that two shares differ, if they do, as often as `power` says.

    J. L. Fleiss, B. Levin, M. C. Paik, Statistical Methods for Rates and Proportions, 3rd edition (2003), chapter
    4, for samples of one size, without continuity correction; R's `power.prop.test` computes the same.
    """
    mean = (one + other) / 2
    by_chance = quantile(confidence) * sqrt(2 * mean * (1 - mean))
    by_bad_luck = NormalDist().inv_cdf(power) * sqrt(one * (1 - one) + other * (1 - other))
    return ceil(((by_chance + by_bad_luck) / (one - other)) ** 2)
