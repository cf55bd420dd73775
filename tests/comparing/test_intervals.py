"""Wilson's and Newcombe's intervals, and how many ratings it takes, against what others have published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparing.intervals import Thumbs, newcombe, quantile, ratings_needed, wilson

PLACES = 0.00005
"""The tables have four places."""

some_thumbs = st.builds(Thumbs, st.integers(0, 2_000), st.integers(0, 2_000)).filter(lambda each: each.number)
confidences = st.floats(0.5, 0.9999)


def of(up: int, number: int) -> Thumbs:
    return Thumbs(up, number - up)


# R. G. Newcombe, Two-sided confidence intervals for the single proportion: comparison of seven methods,
# Statistics in Medicine 17 (1998), 857-872: Table I, method 3 (score, without continuity correction).
@pytest.mark.parametrize(
    ("up", "number", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_as_in_newcombes_table(up: int, number: int, low: float, high: float) -> None:
    assert wilson(of(up, number)) == pytest.approx((low, high), abs=PLACES)
    # Thumbs down are thumbs up, seen from the other side.
    assert wilson(of(number - up, number)) == pytest.approx((1 - high, 1 - low), abs=PLACES)


# R. G. Newcombe, Interval estimation for the difference between independent proportions: comparison of eleven
# methods, Statistics in Medicine 17 (1998), 873-890: Table II (a) to (h), method 10 (score, without continuity
# correction).
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombes_interval_is_as_in_his_table(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert newcombe(of(*one), of(*other)) == pytest.approx((low, high), abs=PLACES)


# The examples of R's power.prop.test: power.prop.test(p1 = .50, p2 = .75, power = .90) gives n = 76.7; and
# power.prop.test(p1 = .5, p2 = .3, power = .8) n = 92.99884.
@pytest.mark.parametrize(("one", "other", "power", "number"), [(0.5, 0.75, 0.9, 77), (0.5, 0.3, 0.8, 93)])
def test_how_many_ratings_are_needed_is_as_r_has_it(
    one: float, other: float, power: float, number: int
) -> None:
    assert ratings_needed(one, other, power=power) == number
    assert ratings_needed(other, one, power=power) == number


def test_quantiles_are_those_of_every_table() -> None:
    assert [round(quantile(each), 3) for each in (0.9, 0.95, 0.99)] == [1.645, 1.96, 2.576]


def test_where_all_thumbs_are_of_one_kind_that_end_is_exact() -> None:
    for number in range(1, 500):
        assert wilson(Thumbs(0, number)).low == 0
        assert wilson(Thumbs(number, 0)).high == 1


def test_of_no_rating_any_share_is_possible() -> None:
    assert wilson(Thumbs(0, 0)) == (0, 1)


@given(some_thumbs, confidences)
def test_a_share_lies_within_its_interval_and_that_within_0_and_1(thumbs: Thumbs, confidence: float) -> None:
    low, high = wilson(thumbs, confidence)
    assert 0 <= low <= thumbs.share <= high <= 1
    assert (low == 0) == (thumbs.up == 0)
    assert (high == 1) == (thumbs.down == 0)


@given(some_thumbs, some_thumbs, confidences)
def test_a_difference_lies_within_its_interval_and_that_within_minus_1_and_1(
    one: Thumbs, other: Thumbs, confidence: float
) -> None:
    low, high = newcombe(one, other, confidence)
    assert -1 <= low <= one.share - other.share <= high <= 1
    assert newcombe(other, one, confidence) == pytest.approx((-high, -low))


@given(some_thumbs, some_thumbs, confidences, confidences)
def test_who_wants_to_be_surer_gets_a_wider_interval(
    one: Thumbs, other: Thumbs, some: float, more: float
) -> None:
    some, more = sorted((some, more))
    for narrow, wide in (
        (wilson(one, some), wilson(one, more)),
        (newcombe(one, other, some), newcombe(one, other, more)),
    ):
        assert wide.low <= narrow.low + 1e-12
        assert narrow.high <= wide.high + 1e-12


@given(some_thumbs, st.integers(2, 50))
def test_more_ratings_of_the_same_kind_narrow_it(thumbs: Thumbs, times: int) -> None:
    few, many = wilson(thumbs), wilson(Thumbs(thumbs.up * times, thumbs.down * times))
    assert many.high - many.low < few.high - few.low


@given(some_thumbs)
def test_one_more_thumb_up_moves_it_up(thumbs: Thumbs) -> None:
    before, after = wilson(thumbs), wilson(Thumbs(thumbs.up + 1, thumbs.down))
    assert before.low <= after.low
    assert before.high <= after.high


@given(st.floats(0.02, 0.98), st.floats(0.01, 0.5))
def test_a_smaller_difference_needs_more_ratings(middle: float, by: float) -> None:
    reach = min(by, middle, 1 - middle)
    wide = ratings_needed(middle + reach / 2, middle - reach / 2)
    assert ratings_needed(middle + reach / 8, middle - reach / 8) > wide >= 1
