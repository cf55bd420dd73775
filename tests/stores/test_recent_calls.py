"""What every store of recent calls does. A new store joins by a line in STORES."""

import itertools
import tracemalloc
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


def last_of(store: RecentCalls[Remembered], back: int = 0) -> Remembered | None:
    """The newest that counts as last, or one before it."""
    return next(itertools.islice(store.answers(), back, None), None)


def ids_of(calls: list[Remembered]) -> str:
    """The calls' letters."""
    return "".join(call.request_id for call in calls)


def test_an_empty_store_knows_nothing(make_store: MakeStore) -> None:
    store = make_store(3)
    assert len(store) == 0
    assert store.capacity == 3
    assert store.find("a") is None
    assert last_of(store) is None
    assert last_of(store, 5) is None
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
    last_of(store, 2)
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
    assert last_of(store) is c
    assert last_of(store, 1) is a
    assert last_of(store, 2) is None


def test_last_does_not_care_for_use(make_store: MakeStore) -> None:
    store = make_store(10)
    _, _, c = remember(store, "abc")
    store.find("a")
    assert last_of(store) is c


def test_a_forgotten_call_is_never_the_last(make_store: MakeStore) -> None:
    store = make_store(2)
    remember(store, "aBC")
    assert last_of(store) is None
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
    last = last_of(store, 2)
    assert last is not None
    assert last.request_id == "a"


def test_another_call_under_the_same_id_takes_the_place_of_the_first(make_store: MakeStore) -> None:
    store = make_store(3)
    first, b, second = remember(store, "aba")
    assert len(store) == 2
    assert store.find("a") is second
    assert last_of(store) is second
    assert last_of(store, 1) is b
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
    last = last_of(store)
    assert last is not None
    assert last.request_id == "a"


def test_a_store_for_one_call_knows_the_newest(make_store: MakeStore) -> None:
    store = make_store(1)
    *_, c = remember(store, "abc")
    assert len(store) == 1
    assert last_of(store) is c
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


# -- aliases


def test_a_call_is_found_by_each_of_its_aliases(make_store: MakeStore) -> None:
    store = make_store(3)
    a = Remembered("a", aliases=("one", "two"))
    store.remember(a)
    store.add_alias(a, "three")
    store.add_alias(a, "three")
    assert a.aliases == ("one", "two", "three")
    assert [store.named(alias, 10) for alias in ("one", "two", "three")] == [[a], [a], [a]]
    assert (store.named("ONE", 10), store.named("a", 10), store.find("one")) == ([], [], None)


def test_an_alias_of_several_calls_gives_the_newest_first(make_store: MakeStore) -> None:
    store = make_store(3)
    a, b, c = remember(store, "abc")
    for call in (b, c, a):
        store.add_alias(call, "one")
    assert store.named("one", 10) == [c, b, a]


def test_aliases_go_with_their_call(make_store: MakeStore) -> None:
    store = make_store(2)
    a, b = remember(store, "ab")
    for call in (a, b):
        store.add_alias(call, "one")
    remember(store, "c")
    assert store.named("one", 10) == [b]
    remember(store, "bd")
    assert store.named("one", 10) == []


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_calls_with_an_alias_are_given_than_are_asked_for(make_store: MakeStore, limit: int) -> None:
    store = make_store(5)
    a, b, c = remember(store, "abc")
    for call in (a, b, c):
        store.add_alias(call, "one")
    assert store.named("one", limit) == [c, b, a][:limit]


def test_an_alias_of_a_call_that_was_replaced_leads_to_the_one_under_its_id(make_store: MakeStore) -> None:
    store = make_store(3)
    first, _, second = remember(store, "aba")
    assert store.add_alias(first, "one") is second
    assert store.named("one", 10) == [second]
    assert (first.aliases, second.aliases) == ((), ("one",))
    remember(store, "cde")
    assert store.named("one", 10) == []


def test_a_forgotten_call_takes_no_alias_any_more(make_store: MakeStore) -> None:
    store = make_store(1)
    a, _ = remember(store, "ab")
    assert store.add_alias(a, "one") is None
    assert (store.named("one", 10), a.aliases) == ([], ())


def test_asking_by_an_alias_counts_as_use_of_the_newest(make_store: MakeStore) -> None:
    store = make_store(3)
    a, b, _ = remember(store, "abc")
    for call in (a, b):
        store.add_alias(call, "one")
    store.named("one", 10)
    remember(store, "d")
    assert ids_of(store.newest(3)) == "dcb"
    remember(store, "e")
    assert ids_of(store.newest(3)) == "edb"


def test_the_oldest_is_the_one_that_arrived_first(make_store: MakeStore) -> None:
    store = make_store(2)
    assert store.oldest() is None
    a, b = remember(store, "ab")
    assert store.oldest() is a
    store.find("a")
    assert store.oldest() is a
    remember(store, "c")
    assert store.oldest() is a
    remember(store, "d")
    oldest = store.oldest()
    assert oldest is not None
    assert oldest.request_id == "c"
    assert b not in store.newest(3)


def test_aliases_of_ten_thousand_calls_take_little_memory(make_store: MakeStore) -> None:
    def traced(aliases: int) -> int:
        tracemalloc.start()
        store = make_store(10_000)
        # Twice as many as there is room for: what is forgotten has to leave nothing.
        for number in range(20_000):
            names = tuple(f"chatcmpl-{'x' * 26}-{number}-{each}" for each in range(aliases))
            call = Remembered(str(number), aliases=names[:2])
            store.remember(call)
            for name in names[2:]:
                store.add_alias(call, name)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    cost = traced(4) - traced(0)
    assert cost < 15_000_000


class Model:
    """The contract in its plainest form."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.by_use: list[Remembered] = []
        self.arrivals: list[Remembered] = []
        self.aliases: dict[int, set[str]] = {}

    def remember(self, call: Remembered) -> None:
        self.by_use = [other for other in self.by_use if other.request_id != call.request_id]
        self.by_use = [*self.by_use, call][-self.capacity :]
        self.arrivals.append(call)
        self.aliases[id(call)] = set(call.aliases)

    def find(self, request_id: str) -> Remembered | None:
        for call in self.by_use:
            if call.request_id == request_id:
                self.by_use.remove(call)
                self.by_use.append(call)
                return call
        return None

    def add_alias(self, call: Remembered, alias: str) -> None:
        for known in self.by_use:
            if known.request_id == call.request_id:
                self.aliases.setdefault(id(known), set()).add(alias)

    def named(self, alias: str) -> list[Remembered]:
        calls = [call for call in self.newest() if alias in self.aliases.get(id(call), ())]
        if calls:
            self.find(calls[0].request_id)
        return calls

    def newest(self) -> list[Remembered]:
        return [call for call in reversed(self.arrivals) if call in self.by_use]


@settings(deadline=None)
@given(
    capacity=st.integers(1, 4),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["remember", "find", "add_alias", "named"]),
            st.sampled_from("abcdefABCDEF"),
            st.sampled_from(["one", "two"]),
        ),
        max_size=40,
    ),
)
@example(3, [("remember", each, "one") for each in "abbb"] + [("find", "a", "one"), ("named", "b", "one")])
@pytest.mark.parametrize("make", STORES.values(), ids=list(STORES))
def test_whatever_happens_a_store_does_what_the_contract_says(
    make: MakeStore, capacity: int, steps: list[tuple[str, str, str]]
) -> None:
    store, model = make(capacity), Model(capacity)
    came: dict[str, Remembered] = {}
    for step, letter, alias in steps:
        if step == "remember":
            call = Remembered(letter.lower(), letter.islower(), (alias,) if letter in "abAB" else ())
            # Whichever came last under a letter, also one that is forgotten by now.
            came[letter] = call
            store.remember(call)
            model.remember(call)
        elif step == "add_alias":
            if letter in came:
                store.add_alias(came[letter], alias)
                model.add_alias(came[letter], alias)
        elif step == "named":
            assert store.named(alias, 10) == model.named(alias)
        else:
            assert store.find(letter.lower()) is model.find(letter.lower())
        assert len(store) == len(model.by_use) <= capacity
        newest = model.newest()
        assert store.newest(10) == list(store.calls()) == newest
        assert list(store.answers()) == [call for call in newest if call.counts_as_last]
