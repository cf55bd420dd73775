"""Versions are compared with as few requests as do: calls with ratings are read, all others counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import replace

from proxy.comparing import comparison
from proxy.comparing.comparison import Comparison, compare
from proxy.comparing.variants import By, Kind
from proxy.search.finder import Finder, Findings
from proxy.search.found import FoundCall
from proxy.search.wanted import Wanted

VERSION = By(Kind.PROPERTY, "Prompt-Version")
ALL = Wanted(since=0.0)
WHY = "Helicone's API cannot be reached."


class Shelf(Finder):
    """Calls that are known, at Helicone or here."""

    def __init__(
        self, calls: Iterable[FoundCall], *, why_local: str | None = None, counts: bool = True
    ) -> None:
        self._calls = list(calls)
        self._why_local = why_local
        self._counts = counts
        self.asked: list[tuple[str, Wanted]] = []
        self.at_once = self.most_at_once = 0

    async def find(
        self,
        wanted: Wanted,
        limit: int | None,
        *,
        locally: bool = False,
        has_left: Callable[[], bool] = lambda: False,
    ) -> Findings:
        del has_left
        self.asked.append(("locally" if locally else "find", wanted))

        async def calls() -> AsyncGenerator[FoundCall, None]:
            for each in [each for each in self._calls if self._is_wanted(each, wanted)][:limit]:
                yield each

        if locally or self._why_local is not None:
            return Findings("local", self._why_local or "Only known here.", calls())
        return Findings("helicone", None, calls())

    async def count(self, wanted: Wanted) -> int | None:
        self.asked.append(("count", wanted))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return sum(self._is_wanted(each, wanted) for each in self._calls) if self._counts else None

    def _is_wanted(self, call: FoundCall, wanted: Wanted) -> bool:
        has = {name.lower(): value for name, value in call.properties.items()}
        return (
            (call.rating is not None or bool(call.scores) or not wanted.is_scored)
            and wanted.model in (None, call.model)
            and wanted.user in (None, call.user)
            and all(has.get(name.lower(), "") == value for name, value in wanted.properties.items())
        )


def calls(
    version: str | None, *, up: int = 0, down: int = 0, unrated: int = 0, route: str | None = None
) -> list[FoundCall]:
    properties = {} if version is None else {"prompt-version": version}
    made = FoundCall(id="x", time=1.0, properties=properties, scores={}, route=route)
    ratings = [True] * up + [False] * down + [None] * unrated
    return [replace(made, rating=rating) for rating in ratings]


def compared(shelf: Shelf, by: By = VERSION, wanted: Wanted = ALL) -> Comparison:
    return asyncio.run(compare(shelf, by, wanted))


def test_versions_are_read_where_they_are_rated_and_counted_where_not() -> None:
    shelf = Shelf(
        [
            *calls("A", up=48, down=32, unrated=500),
            *calls("B", up=56, down=14, unrated=30),
            *calls("C", unrated=7),
            *calls(None, up=3, unrated=4),
        ]
    )
    found = compared(shelf)
    assert [(each.value, each.calls, each.thumbs) for each in found.variants] == [
        ("B", 100, (56, 14)),
        ("A", 580, (48, 32)),
    ]
    assert (found.calls, found.without, found.left_out, found.source, found.why_local) == (
        694,
        3,
        0,
        "helicone",
        None,
    )
    assert found.verdict.sentence.startswith("“B” is better than “A”")
    assert found.notes == [
        "Rated calls that do not say which one they are of: 3.",
        "Other calls at Helicone, which say nothing, or are of one without ratings there: 11.",
    ]
    assert Counter(what for what, _ in shelf.asked) == {"find": 1, "count": 3}
    assert shelf.asked[0] == ("find", replace(ALL, is_scored=True))
    assert ("count", replace(ALL, properties={"Prompt-Version": "A"})) in shelf.asked


def test_what_is_counted_is_what_else_is_wanted_too() -> None:
    wanted = Wanted(since=5.0, user="ann", properties={"experiment": "x", "prompt-version": "A"})
    narrowed = comparison.narrowed(wanted, VERSION, "B")
    assert narrowed == replace(wanted, properties={"experiment": "x", "Prompt-Version": "B"})
    assert comparison.narrowed(wanted, By(Kind.MODEL), "m") == replace(wanted, model="m")
    assert comparison.narrowed(wanted, By(Kind.USER), "ben") == replace(wanted, user="ben")
    assert comparison.narrowed(wanted, By(Kind.SESSION), "s") == replace(wanted, session="s")


def test_of_many_versions_ten_are_counted_few_at_a_time() -> None:
    shelf = Shelf([each for number in range(60) for each in calls(str(number), up=60 - number, down=1)])
    found = compared(shelf)
    assert (len(found.variants), found.left_out) == (50, 10)
    assert Counter(what for what, _ in shelf.asked) == {"find": 1, "count": 11}
    assert 1 < shelf.most_at_once <= 4
    assert {each.value for each in found.variants if each.calls is not None} == set(map(str, range(10)))
    assert found.notes == ["The 50 with the most ratings are compared. Left out: 10."]
    document = found.as_document()
    assert (document["left_out"], document["variants"][-1]["calls"]) == (10, None)


def test_what_is_only_remembered_here_is_read_whole() -> None:
    everything = [*calls("A", up=2, unrated=5), *calls("C", unrated=7), *calls(None, unrated=2)]
    shelf = Shelf(everything, why_local=WHY)
    found = compared(shelf)
    assert (found.source, found.why_local) == ("local", WHY)
    assert [(each.value, each.calls, each.thumbs.number) for each in found.variants] == [
        ("A", 7, 2),
        ("C", 7, 0),
    ]
    assert (found.calls, found.without) == (16, 2)
    assert found.notes == ["Calls that do not say which one they are of: 2."]
    assert [what for what, _ in shelf.asked] == ["find", "locally"]
    assert found.as_document()["why_local"] == WHY


def test_routes_are_known_here_alone() -> None:
    shelf = Shelf([*calls("A", up=1, route="default"), *calls("A", down=1, route="other")])
    found = compared(shelf, By(Kind.ROUTE))
    assert (found.source, {each.value for each in found.variants}) == ("local", {"default", "other"})
    assert {what for what, _ in shelf.asked} == {"locally"}


def test_where_nothing_can_be_counted_no_number_is_made_up() -> None:
    found = compared(Shelf([*calls("A", up=3), *calls("B", down=3)], counts=False))
    assert (found.calls, [each.calls for each in found.variants], found.notes) == (None, [None, None], [])


def test_no_call_and_no_rating_are_no_error() -> None:
    document = compared(Shelf([])).as_document()
    assert document == {
        "source": "helicone",
        "verdict": {
            "finding": "not_comparable",
            "sentence": "There is no such call.",
            "difference": None,
            "more": None,
        },
        "variants": [],
        "left_out": 0,
        "without": 0,
        "calls": 0,
        "notes": [],
    }
    unrated = compared(Shelf(calls("A", unrated=9)))
    assert (unrated.variants, unrated.calls) == ([], 9)
    assert (unrated.verdict.sentence, unrated.notes) == ("None of the calls (9) has been rated yet.", [])
    others = compared(Shelf(calls(None, up=2, down=1)))
    said = "None of the calls (3) says property.Prompt-Version: is that what your app calls it?"
    assert (others.verdict.sentence, others.without) == (said, 3)
    unknown = compared(Shelf(calls("A", unrated=9), counts=False))
    assert unknown.verdict.sentence == "No such call has been rated yet."


def test_so_many_calls_are_read_and_no_more() -> None:
    found = asyncio.run(compare(Shelf(calls("A", up=1_001)), VERSION, ALL, most_read=1_000))
    assert found.variants[0].thumbs == (1_000, 0)
    assert found.notes == ["Only the newest 1,000 calls with ratings were read."]


def test_the_document_has_all_that_is_shown() -> None:
    scored = replace(calls("A", up=1)[0], scores={"quality": 3, "is-polite": True})
    document = compared(
        Shelf([*calls("A", up=47, down=32), scored, *calls("B", up=56, down=14)])
    ).as_document()
    assert document["verdict"]["finding"] == "better"
    difference = document["verdict"]["difference"]
    assert {name: difference[name] for name in ("best", "second", "confidence", "pairs")} == {
        "best": "B",
        "second": "A",
        "confidence": 0.95,
        "pairs": 1,
    }
    assert [round(difference["interval"][end], 4) for end in ("low", "high")] == [0.0524, 0.3339]
    a = document["variants"][1]
    assert (a["value"], a["calls"], a["rated"], a["up"], a["down"], a["share"]) == ("A", 80, 80, 48, 32, 0.6)
    assert a["scores"] == {
        "is-polite": {"mean": 1.0, "number": 1},
        "quality": {"mean": 3.0, "number": 1},
    }
    assert 0.49 < a["interval"]["low"] < 0.6 < a["interval"]["high"] < 0.71
