"""Calls are summed up by what tells them apart."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from proxy.comparing.intervals import Thumbs
from proxy.comparing.variants import By, Kind, Tallies, Variant, ranked
from proxy.search.found import FoundCall


def call(
    rating: bool | None = None,
    scores: Mapping[str, int | float | bool] = MappingProxyType({}),
    *,
    properties: Mapping[str, str] = MappingProxyType({}),
    **said: str,
) -> FoundCall:
    found = FoundCall(id="x", time=0.0, rating=rating, scores=scores, properties=properties)
    return replace(found, **said)  # type: ignore[arg-type]  # the texts of a call


def summed_up(by: By, *calls: FoundCall) -> Tallies:
    tallies = Tallies(by)
    for each in calls:
        tallies.add(each)
    return tallies


def test_thumbs_and_scores_are_summed_up() -> None:
    tallies = summed_up(
        By(Kind.MODEL),
        call(True, {"quality": 4, "is-polite": True}, model="a"),
        call(False, {"quality": 1}, model="a"),
        call(None, {"quality": 2.5, "is-polite": False}, model="a"),
        call(True, model="b"),
        call(True),
        call(False, model=""),
    )
    b, a = sorted(tallies.largest(), key=lambda each: each.thumbs.number)
    assert (a.value, a.thumbs, a.calls) == ("a", Thumbs(1, 1), 3)
    assert a.scores == {"is-polite": (0.5, 2), "quality": (2.5, 3)}
    assert (b.value, b.thumbs, b.scores, b.calls) == ("b", Thumbs(1, 0), {}, 1)
    assert (tallies.read, tallies.without) == (6, 2)


def test_a_property_is_found_without_case_and_an_empty_one_is_none() -> None:
    by = By(Kind.PROPERTY, "Prompt-Version")
    assert str(by) == "property.Prompt-Version"
    assert by.value_of(call(properties={"prompt-version": "A"})) == "A"
    assert by.value_of(call(properties={"Prompt-Version": "a"})) == "a"
    assert by.value_of(call(properties={"prompt-version": ""})) is None
    assert by.value_of(call(properties={"other": "A"})) is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind.MODEL, call(None, model="it")),
        (Kind.USER, call(None, user="it")),
        (Kind.SESSION, call(None, session="it")),
        (Kind.ROUTE, call(None, route="it")),
    ],
)
def test_what_a_call_says_itself_tells_it_apart(kind: Kind, said: FoundCall) -> None:
    assert By(kind).value_of(said) == "it"
    assert By(kind).value_of(call()) is None


def test_the_largest_stay_whatever_their_shares_are() -> None:
    many = [call(False, user="often") for _ in range(3)] + [call(True, user=f"u{each}") for each in range(60)]
    tallies = summed_up(By(Kind.USER), *many)
    largest = tallies.largest()
    assert (len(tallies), len(largest)) == (61, 50)
    assert "often" in {each.value for each in largest}


def test_of_endless_versions_only_so_many_are_told_apart() -> None:
    tallies = summed_up(By(Kind.USER), *(call(True, user=str(each)) for each in range(10_003)))
    assert (len(tallies), tallies.beyond, tallies.read) == (10_000, 3, 10_003)
    names: dict[str, int | float | bool] = {f"score-{each}": 1 for each in range(30)}
    (variant,) = summed_up(By(Kind.USER), call(None, names, user="ann")).largest()
    assert len(variant.scores) == 20


def test_the_best_with_enough_ratings_comes_first() -> None:
    thumbs = {"none": (0, 0), "lucky": (1, 0), "worse": (10, 10), "best": (90, 10), "best too": (9, 1)}
    order = ranked(Variant(value=value, thumbs=Thumbs(*each)) for value, each in thumbs.items())
    assert [each.value for each in order] == ["best", "best too", "worse", "lucky", "none"]
