"""What every store of saved calls does. A new store joins by a line in PLACES."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from harness.failing_disks import FailingDisk
from proxy.errors import OutboxFull
from proxy.model import Rating, RatingState
from proxy.stores.contract import NewRating, SavedCall, SavedCalls
from proxy.stores.opening import Place
from proxy.stores.saved_calls import SqliteSavedCalls
from proxy.stores.sqlite import SqliteOutbox

T = TypeVar("T")
Work = Callable[[SavedCalls], Awaitable[T]]

MIB = 1024 * 1024
PLACES: dict[str, Callable[[Path], Place]] = {
    "file": lambda folder: folder / "outbox.db",
    "memory": lambda _: ":memory:",
}


@pytest.fixture(params=list(PLACES.values()), ids=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where calls are kept."""
    found: Place = request.param(tmp_path)
    return found


def opened(place: Place, max_bytes: int = 64 * MIB) -> Awaitable[SqliteOutbox]:
    return SqliteOutbox.open(place, max_bytes=max_bytes, stamp=lambda: "now")


def with_store(place: Place, work: Work[T], *, capacity: int = 10, max_bytes: int = 64 * MIB) -> T:
    """What `work` gives, done on a store that is opened and closed."""

    async def run() -> T:
        outbox = await opened(place, max_bytes)
        try:
            return await work(SqliteSavedCalls(outbox.database, capacity))
        finally:
            await outbox.close()

    return asyncio.run(run())


def call(
    name: str, arrived: int, used: int | None = None, document: str = "{}", place: int | None = None
) -> SavedCall:
    return SavedCall(
        place=arrived if place is None else place,
        arrived=arrived,
        used=arrived if used is None else used,
        request_id=name,
        document=document,
    )


def names(calls: list[SavedCall]) -> str:
    return "".join(each.request_id for each in calls)


def test_what_was_saved_is_loaded_in_the_order_of_arrival(place: Place) -> None:
    calls = [call("a", 1), call("b", 2, 9, '{"model": "ä😀"}'), call("c", 3)]

    async def work(store: SavedCalls) -> list[SavedCall]:
        assert await store.load() == []
        await store.save([])
        await store.save(calls[1:])
        await store.save(calls[:1])
        return await store.load()

    assert with_store(place, work) == calls


def test_a_call_is_saved_again_in_its_place(place: Place) -> None:
    async def work(store: SavedCalls) -> list[SavedCall]:
        await store.save([call("a", 1), call("b", 2)])
        await store.save([call("a", 1, 3, '{"ended": 1}')])
        return await store.load()

    assert with_store(place, work) == [call("a", 1, 3, '{"ended": 1}'), call("b", 2)]


def test_another_call_in_the_same_place_is_kept_instead_of_the_first(place: Place) -> None:
    async def work(store: SavedCalls) -> list[SavedCall]:
        await store.save([call("a", 1), call("b", 2), call("a", 3, 3, '"second"', place=1)])
        # The first one's end is told late.
        await store.save([call("a", 1, 1, '"first"')])
        return await store.load()

    assert with_store(place, work) == [call("b", 2), call("a", 3, 3, '"second"', place=1)]


def test_the_longest_unused_make_room(place: Place) -> None:
    async def work(store: SavedCalls) -> list[SavedCall]:
        await store.save([call("a", 1), call("b", 2), call("c", 3)])
        await store.save([call("a", 1, 4)])
        await store.save([call("d", 5)])
        return await store.load()

    assert names(with_store(place, work, capacity=3)) == "acd"


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_the_capacity_holds_within_one_save(place: Place, capacity: int) -> None:
    async def work(store: SavedCalls) -> list[SavedCall]:
        await store.save([call(letter, number) for number, letter in enumerate("abcdefgh", 1)])
        return await store.load()

    assert names(with_store(place, work, capacity=capacity)) == "abcdefgh"[-capacity:]


def test_few_more_are_kept_than_are_loaded(place: Place) -> None:
    async def run() -> None:
        outbox = await opened(place)
        store = SqliteSavedCalls(outbox.database, 160)
        try:
            for number in range(1_000):
                await store.save([call(f"{number}", number)])
                kept = await outbox.database.run(count)
                assert kept <= 171
            assert len(await store.load()) == 160 == await outbox.database.run(count)
        finally:
            await outbox.close()

    def count(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM call").fetchone()[0])

    asyncio.run(run())


def test_all_are_forgotten(place: Place) -> None:
    async def work(store: SavedCalls) -> tuple[int, int, list[SavedCall]]:
        await store.save([call("a", 1), call("b", 2)])
        return await store.forget(), await store.forget(), await store.load()

    assert with_store(place, work) == (2, 0, [])


def test_where_the_file_is_half_full_calls_make_room_for_each_other(place: Place) -> None:
    async def work(store: SavedCalls) -> list[SavedCall]:
        for beginning in range(0, 4_000, 200):
            await store.save([call(f"{n:36}", n, n, "x" * 500) for n in range(beginning, beginning + 200)])
        return await store.load()

    kept = with_store(place, work, capacity=10_000, max_bytes=MIB)
    assert 200 < len(kept) < 1_100
    assert [each.arrived for each in kept] == list(range(4_000 - len(kept), 4_000))


def rating(number: int) -> NewRating:
    return NewRating(
        request_id=f"call {number}",
        key_fingerprint="key",
        rating=Rating(up=True, comment="x" * 1_000),
        state=RatingState.QUEUED,
        due_at=1.0,
    )


def test_calls_leave_half_of_the_file_to_ratings_and_take_nothing_of_theirs(place: Place) -> None:
    async def run() -> None:
        outbox = await opened(place, MIB)
        store = SqliteSavedCalls(outbox.database, 10_000)
        try:
            await store.save([call("a", 1)])
            for beginning in range(0, 500, 50):
                await outbox.append([rating(n) for n in range(beginning, beginning + 50)], 1.0)
            with pytest.raises(OutboxFull, match="max_size_mib"):
                await store.save([call("b", 2)])
            assert names(await store.load()) == "a"
            await outbox.append([rating(1_000)], 1.0)
        finally:
            await outbox.close()

    asyncio.run(run())


# --- on disk ------------------------------------------------------------------------------------------------


def test_calls_outlast_the_store(tmp_path: Path) -> None:
    place = tmp_path / "outbox.db"
    with_store(place, lambda store: store.save([call("a", 1), call("b", 2, 7)]))

    assert with_store(place, lambda store: store.load()) == [call("a", 1), call("b", 2, 7)]


def test_those_above_a_smaller_capacity_are_forgotten_for_good(tmp_path: Path) -> None:
    place = tmp_path / "outbox.db"
    with_store(place, lambda store: store.save([call("a", 1, 9), call("b", 2), call("c", 3)]))

    assert names(with_store(place, lambda store: store.load(), capacity=2)) == "ac"
    assert names(with_store(place, lambda store: store.load(), capacity=9)) == "ac"


def test_a_disk_too_full_to_forget_calls_on_gives_those_that_fit(tmp_path: Path) -> None:
    """A sidecar has to start on it. Once there is room, the first save forgets."""
    place, disk = tmp_path / "outbox.db", FailingDisk()
    with_store(place, lambda store: store.save([call("a", 1, 9), call("b", 2), call("c", 3)]))

    async def run() -> list[str]:
        outbox = await SqliteOutbox.open(place, max_bytes=MIB, stamp=lambda: "now", connect=disk.connect)
        store = SqliteSavedCalls(outbox.database, 2)
        try:
            disk.failing = {"DELETE FROM call": sqlite3.SQLITE_FULL}
            loaded = names(await store.load())
            disk.failing = {}
            await store.save([call("d", 10)])
            return [loaded, names(await SqliteSavedCalls(outbox.database, 100).load())]
        finally:
            await outbox.close()

    assert asyncio.run(run()) == ["ac", "ad"]


def test_what_is_forgotten_is_nowhere_in_the_file(tmp_path: Path) -> None:
    place = tmp_path / "outbox.db"
    calls = [call(f"{n}", n, n, '"/users/canary"') for n in range(3_000)]
    with_store(place, lambda store: store.save(calls), capacity=3_000)
    assert b"canary" in place.read_bytes()

    with_store(place, lambda store: store.forget(), capacity=3_000)
    assert [file.name for file in tmp_path.iterdir() if b"canary" in file.read_bytes()] == []


def test_calls_are_saved_out_of_a_damaged_file(tmp_path: Path) -> None:
    place = tmp_path / "outbox.db"
    calls = [call(f"{n:04}", n, n, '"' + "x" * 500 + '"') for n in range(1_000)]

    async def fill() -> None:
        outbox = await opened(place)
        await outbox.append([rating(1)], 1.0)
        await SqliteSavedCalls(outbox.database, 1_000).save(calls)
        await outbox.close()

    asyncio.run(fill())
    raw = bytearray(place.read_bytes())
    pages = [at for at in range(0, len(raw), 4096) if b"xxxxxxxx" in raw[at : at + 4096]]
    middle = pages[len(pages) // 2]
    raw[middle : middle + 4096] = b"\xff" * 4096
    place.write_bytes(raw)

    found = with_store(place, lambda store: store.load(), capacity=1_000)
    assert 100 < len(found) < 1_000
    assert set(found) < set(calls)
    assert calls[-1] in found
    assert len(list(tmp_path.glob("outbox.db.corrupt-*"))) >= 1
