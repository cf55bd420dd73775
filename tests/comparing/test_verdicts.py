"""What is said of versions: which is better, that they look the same, or that it is too early."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparing.intervals import Thumbs, newcombe
from proxy.comparing.variants import Variant, ranked
from proxy.comparing.verdicts import Finding, Verdict, about, judge


def verdict_of(thumbs: Mapping[str, tuple[int, int]]) -> Verdict:
    return judge(ranked(Variant(value=value, thumbs=Thumbs(*each)) for value, each in thumbs.items()))


def test_the_better_one_is_named_with_the_interval_of_the_difference() -> None:
    verdict = verdict_of({"A": (48, 32), "B": (56, 14)})
    assert verdict.finding is Finding.BETTER
    assert verdict.sentence == (
        "“B” is better than “A”: 80% thumbs up of 70, against 60% thumbs up of 80. The difference is 5 to 33 "
        "points, with 95% confidence."
    )
    assert verdict.difference is not None
    assert (verdict.difference.best, verdict.difference.second, verdict.difference.pairs) == ("B", "A", 1)
    # Newcombe's own example (a).
    assert verdict.difference.interval == pytest.approx((0.0524, 0.3339), abs=0.00005)
    assert verdict.difference.by == pytest.approx(0.2)
    assert verdict.more is None


def test_with_few_ratings_it_is_too_early_and_it_is_said_how_many_more_it_takes() -> None:
    verdict = verdict_of({"A": (14, 6), "B": (17, 3)})
    assert verdict.finding is Finding.TOO_EARLY
    assert verdict.sentence == (
        "It is too early to tell: “B” has 85% thumbs up of 20, “A” 70% thumbs up of 20. If that difference is "
        "real, about 110 more ratings of each would probably show it."
    )
    assert verdict.more == {"B": 110, "A": 110}


def test_below_ten_ratings_nothing_is_better_whatever_the_shares_are() -> None:
    # Newcombe's interval alone would say so: it is 0.43 to 1.
    assert newcombe(Thumbs(5, 0), Thumbs(0, 5)).low > 0.2
    verdict = verdict_of({"A": (0, 5), "B": (5, 0)})
    assert (verdict.finding, verdict.more) == (Finding.TOO_EARLY, {"B": 5, "A": 5})
    verdict = verdict_of({"A": (0, 9), "B": (90, 10)})
    assert verdict.finding is Finding.TOO_EARLY
    assert "about 1 more rating of “A” would probably show it." in verdict.sentence


def test_many_ratings_and_no_difference_are_alike() -> None:
    verdict = verdict_of({"A": (700, 300), "B": (705, 295)})
    assert verdict.finding is Finding.ALIKE
    assert verdict.sentence == (
        "“B” and “A” look the same: 70% thumbs up of 1000, against 70% thumbs up of 1000. A difference "
        "of 5 points cannot be excluded, a larger one can, with 95% confidence."
    )


def test_no_rounding_says_more_than_there_is() -> None:
    """Neither that all thumbs are up, nor that more can be excluded than can."""
    verdict = verdict_of({"A": (999, 1), "B": (1000, 0)})
    assert "100% thumbs up of 1000, against 99% thumbs up of 1000" in verdict.sentence
    close = verdict_of({"A": (700, 300), "B": (703, 297)})
    assert close.difference is not None
    assert 0.043 < close.difference.interval.high < 0.044
    assert "A difference of 5 points cannot be excluded" in close.sentence


def test_no_difference_among_few_is_too_early_and_not_alike() -> None:
    verdict = verdict_of({"A": (14, 6), "B": (14, 6)})
    assert verdict.finding is Finding.TOO_EARLY
    assert verdict.sentence.endswith(
        "If there is one of 5 points after all, about 1,300 more ratings of each would probably show it."
    )
    # One of 2 points is too small to be looked for: that would take 8,000 ratings.
    close = verdict_of({"A": (14, 6), "B": (36, 14)})
    assert "If there is one of 5 points after all, about 1,3" in close.sentence
    # At the very edges a difference of 5 points still fits in.
    assert verdict_of({"A": (15, 0), "B": (15, 0)}).more == {"A": 140, "B": 140}
    assert verdict_of({"A": (0, 15), "B": (0, 15)}).more == {"A": 140, "B": 140}


def test_what_few_ratings_cannot_exclude_keeps_two_from_being_alike() -> None:
    # However good the other one is known to be.
    verdict = verdict_of({"A": (999, 1), "B": (20, 0)})
    assert verdict.difference is not None
    assert verdict.difference.interval == pytest.approx((-0.161, 0.005), abs=0.001)
    assert verdict.finding is Finding.TOO_EARLY


def test_one_thumb_up_does_not_make_a_version_the_best() -> None:
    verdict = verdict_of({"A": (100, 100), "B": (180, 20), "C": (1, 0), "D": (0, 0)})
    assert verdict.finding is Finding.BETTER
    assert verdict.difference is not None
    assert (verdict.difference.best, verdict.difference.second, verdict.difference.pairs) == ("B", "A", 1)


def test_of_one_with_many_ratings_and_one_with_few_the_one_ahead_is_named_first() -> None:
    verdict = verdict_of({"A": (12, 8), "B": (3, 0)})
    assert verdict.sentence.startswith(
        "It is too early to tell: “B” has 100% thumbs up of 3, “A” 60% thumbs up"
    )
    assert verdict.difference is not None
    assert verdict.difference.by == pytest.approx(0.4)


def test_the_best_two_of_many_need_more_than_two_alone() -> None:
    pair = {"A": (48, 32), "B": (56, 14)}
    others = {f"C{number}": (40, 40) for number in range(4)}
    alone, among = verdict_of(pair), verdict_of({**pair, **others})
    assert (alone.finding, among.finding) == (Finding.BETTER, Finding.TOO_EARLY)
    assert alone.difference is not None
    assert among.difference is not None
    assert among.difference.pairs == 15
    assert among.difference.interval == newcombe(Thumbs(56, 14), Thumbs(48, 32), 1 - 0.05 / 15)
    clear = verdict_of({"A": (48, 32), "B": (79, 1), **others})
    assert clear.sentence.endswith("with 95% confidence for all 15 pairs at once.")


@pytest.mark.parametrize(
    ("thumbs", "sentence"),
    [
        ({}, "There is nothing to compare yet."),
        ({"A": (0, 0), "B": (0, 0)}, "Nobody has given one of these calls a thumb yet."),
        ({"A": (3, 1)}, "“A” is the only one: 75% thumbs up of 4. There is nothing to compare it with."),
        (
            {"A": (3, 1), "B": (0, 0)},
            "“A” is the only one with thumbs: 75% thumbs up of 4. There is nothing to compare it with.",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(thumbs: dict[str, tuple[int, int]], sentence: str) -> None:
    verdict = verdict_of(thumbs)
    assert (verdict.finding, verdict.sentence) == (Finding.NOT_COMPARABLE, sentence)
    assert verdict.difference is None


def draw(chance: random.Random, share: float, number: int) -> tuple[int, int]:
    up = sum(chance.random() < share for _ in range(number))
    return up, number - up


@pytest.mark.parametrize("versions", [2, 5])
def test_versions_that_are_equally_good_are_seldom_told_apart(versions: int) -> None:
    # Without the correction for all pairs, one of five would be "better" four times as often.
    chance, times = random.Random(5), 3_000
    wrong = sum(
        verdict_of({str(each): draw(chance, 0.7, 60) for each in range(versions)}).finding is Finding.BETTER
        for _ in range(times)
    )
    assert wrong / times <= 0.065


def test_who_gathers_as_many_ratings_as_it_says_then_knows() -> None:
    chance, times = random.Random(7), 200
    more = verdict_of({"A": (14, 6), "B": (17, 3)}).more
    assert more is not None
    drawn = (
        verdict_of({"A": draw(chance, 0.7, 20 + more["A"]), "B": draw(chance, 0.85, 20 + more["B"])})
        for _ in range(times)
    )
    assert 0.7 <= sum(each.finding is Finding.BETTER for each in drawn) / times <= 0.95


@given(
    st.dictionaries(
        st.text("ABCDEF", min_size=1, max_size=1),
        st.tuples(st.integers(0, 400), st.integers(0, 400)),
        max_size=6,
    )
)
def test_whatever_the_ratings_are_the_verdict_fits_them(thumbs: dict[str, tuple[int, int]]) -> None:
    verdict = verdict_of(thumbs)
    assert verdict.sentence.endswith(".")
    assert (verdict.difference is None) == (verdict.finding is Finding.NOT_COMPARABLE)
    assert (verdict.more is None) == (verdict.finding is not Finding.TOO_EARLY)
    if verdict.difference is not None:
        low, high = verdict.difference.interval
        assert low <= verdict.difference.by <= high
        assert verdict.difference.by >= 0
        assert (verdict.finding is Finding.BETTER) <= (low > 0)
    for number in (verdict.more or {}).values():
        assert number > 0


@pytest.mark.parametrize(("number", "said"), [(1, 1), (93, 93), (100, 100), (143, 150), (1_234, 1_300)])
def test_numbers_that_are_not_known_better_are_rounded_up(number: int, said: int) -> None:
    assert about(number) == said
