"""What every store of recent calls does. A new store joins by a line in STORES."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.stores.contract import RecentCalls
from proxy.stores.memory import MemoryCalls


@dataclass(eq=False)
class Remembered:
    """All that a store has to know of a call."""

    request_id: str
    counts_as_last: bool = True
    aliases: tuple[str, ...] = ()


MakeStore = Callable[[int], RecentCalls[Remembered]]

STORES: dict[str, MakeStore] = {"memory": MemoryCalls}


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Makes a store of a given capacity."""
    make: MakeStore = request.param
    return make


def remember(store: RecentCalls[Remembered], ids: str) -> list[Remembered]:
    """Remember a call for each letter; a capital is an answer that does not count as last."""
    calls = [Remembered(letter.lower(), letter.islower()) for letter in ids]
    for call in calls:
        store.remember(call)
    return calls


def ids_of(calls: list[Remembered]) -> str:
    """The calls' letters."""
    return "".join(call.request_id for call in calls)


def test_an_empty_store_knows_nothing(make_store: MakeStore) -> None:
    store = make_store(3)
    assert len(store) == 0
    assert store.capacity == 3
    assert store.find("a") is None
    assert store.last() is None
    assert store.last(5) is None
    assert store.newest(10) == []


def test_a_call_is_found_by_its_id_as_the_object_that_it_is(make_store: MakeStore) -> None:
    store = make_store(3)
    a, b = remember(store, "ab")
    assert store.find("a") is a
    assert store.find("b") is b
    assert store.find("A") is None
    assert len(store) == 2


def test_the_least_recently_used_call_is_forgotten_first(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "abcd")
    assert len(store) == 3
    assert store.find("a") is None
    assert [store.find(each) is None for each in "bcd"] == [False, False, False]


def test_asking_for_a_call_counts_as_use(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "abc")
    store.find("a")
    remember(store, "d")
    assert store.find("b") is None
    assert store.find("a") is not None


def test_listing_calls_does_not_count_as_use(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "abc")
    store.newest(3)
    store.last(2)
    remember(store, "d")
    assert store.find("a") is None


def test_asking_in_vain_changes_nothing(make_store: MakeStore) -> None:
    store = make_store(2)
    remember(store, "ab")
    store.find("x")
    remember(store, "c")
    assert store.find("a") is None
    assert len(store) == 2


def test_last_is_the_newest_that_counts(make_store: MakeStore) -> None:
    store = make_store(10)
    a, _, c, _, _ = remember(store, "aBcDE")
    assert store.last() is c
    assert store.last(1) is a
    assert store.last(2) is None


def test_last_does_not_care_for_use(make_store: MakeStore) -> None:
    store = make_store(10)
    _, _, c = remember(store, "abc")
    store.find("a")
    assert store.last() is c


def test_a_forgotten_call_is_never_the_last(make_store: MakeStore) -> None:
    store = make_store(2)
    remember(store, "aBC")
    assert store.last() is None
    assert store.newest(10) != []


def test_newest_come_first_and_no_more_than_asked_for(make_store: MakeStore) -> None:
    store = make_store(10)
    remember(store, "aBcd")
    assert ids_of(store.newest(2)) == "dc"
    assert ids_of(store.newest(10)) == "dcba"
    assert store.newest(0) == []


def test_a_call_that_was_saved_by_its_use_is_listed_where_it_came(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "abc")
    store.find("a")
    remember(store, "d")
    assert ids_of(store.newest(10)) == "dca"
    last = store.last(2)
    assert last is not None
    assert last.request_id == "a"


def test_another_call_under_the_same_id_takes_the_place_of_the_first(make_store: MakeStore) -> None:
    store = make_store(3)
    first, b, second = remember(store, "aba")
    assert len(store) == 2
    assert store.find("a") is second
    assert store.last() is second
    assert store.last(1) is b
    assert first not in store.newest(10)
    assert ids_of(store.newest(10)) == "ab"


def test_a_second_call_under_an_id_forgets_no_other(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "abc")
    remember(store, "c")
    assert [store.find(each) is None for each in "abc"] == [False, False, False]


def test_many_calls_under_one_id_push_no_other_out_of_the_list(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "ab" + "c" * 10)
    assert len(store) == 3
    assert ids_of(store.newest(10)) == "cba"


def test_a_second_call_under_an_id_is_the_last_only_if_it_counts(make_store: MakeStore) -> None:
    store = make_store(3)
    remember(store, "abB")
    last = store.last()
    assert last is not None
    assert last.request_id == "a"


def test_a_store_for_one_call_knows_the_newest(make_store: MakeStore) -> None:
    store = make_store(1)
    *_, c = remember(store, "abc")
    assert len(store) == 1
    assert store.last() is c
    assert store.newest(5) == [c]


def test_fifty_thousand_calls_stay_within_the_capacity(make_store: MakeStore) -> None:
    store = make_store(1_000)
    longest = 0
    for number in range(50_000):
        store.remember(Remembered(str(number)))
        if number % 3 == 0:
            store.find(str(number - 500))
        longest = max(longest, len(store))
    assert longest == 1_000
    assert len(store.newest(100_000)) == 1_000


class Model:
    """The contract in its plainest form."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.by_use: list[Remembered] = []
        self.arrivals: list[Remembered] = []

    def remember(self, call: Remembered) -> None:
        self.by_use = [other for other in self.by_use if other.request_id != call.request_id]
        self.by_use = [*self.by_use, call][-self.capacity :]
        self.arrivals.append(call)

    def find(self, request_id: str) -> Remembered | None:
        for call in self.by_use:
            if call.request_id == request_id:
                self.by_use.remove(call)
                self.by_use.append(call)
                return call
        return None

    def newest(self) -> list[Remembered]:
        return [call for call in reversed(self.arrivals) if call in self.by_use]


@settings(deadline=None)
@given(
    capacity=st.integers(1, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(["remember", "find"]), st.sampled_from("abcdefABCDEF")), max_size=40
    ),
)
@example(3, [("remember", "a"), ("remember", "b"), ("remember", "b"), ("remember", "b"), ("find", "a")])
@pytest.mark.parametrize("make", STORES.values(), ids=list(STORES))
def test_whatever_happens_a_store_does_what_the_contract_says(
    make: MakeStore, capacity: int, steps: list[tuple[str, str]]
) -> None:
    store, model = make(capacity), Model(capacity)
    for step, letter in steps:
        if step == "remember":
            call = Remembered(letter.lower(), letter.islower())
            store.remember(call)
            model.remember(call)
        else:
            assert store.find(letter.lower()) is model.find(letter.lower())
        assert len(store) == len(model.by_use) <= capacity
        newest = model.newest()
        assert store.newest(10) == newest
        counting = [call for call in newest if call.counts_as_last]
        assert [store.last(back) for back in range(len(counting) + 1)] == [*counting, None]
