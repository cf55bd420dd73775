"""The words of the domain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model import Rating, duration_in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (61, "1 min"),
        (3599, "59 min"),
        (3599.8, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (30 * 86_400, "30 d"),
    ],
)
def test_a_time_span_is_said_in_its_largest_unit(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words


RATINGS = st.builds(
    Rating,
    up=st.none() | st.booleans(),
    scores=st.dictionaries(st.sampled_from("ab"), st.integers() | st.booleans()),
    comment=st.none() | st.just("x"),
    rater=st.none() | st.just("anna"),
    source=st.none() | st.just("end_user"),
    tags=st.lists(st.sampled_from("tu")).map(tuple),
)


@given(RATINGS)
def test_a_rating_comes_back_from_its_document(rating: Rating) -> None:
    assert Rating.from_document(rating.as_document()) == rating


@given(RATINGS, RATINGS)
def test_over_an_earlier_one_a_rating_says_its_own_and_keeps_the_rest(later: Rating, earlier: Rating) -> None:
    both = later.over(earlier)
    for name, said in later.as_document().items():
        kept = both.as_document()[name]
        assert kept == said if name != "scores" else {**kept, **said} == kept
    for name, said in earlier.as_document().items():
        if name not in later.as_document():
            assert both.as_document()[name] == said


@given(RATINGS)
def test_a_rating_over_itself_is_itself(rating: Rating) -> None:
    assert rating.over(rating) == rating
