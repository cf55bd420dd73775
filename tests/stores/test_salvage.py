"""Damaged files: set aside, never deleted; what can be read is saved, and counted."""

import contextlib
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.failing_disks import FailingDisk
from harness.loops import LoopThread
from proxy.errors import CannotStart, OutboxFailed
from proxy.model import Entry, Rating, RatingState
from proxy.stores.contract import NewRating, OnceOnly
from proxy.stores.sqlite import SqliteOutbox

RATINGS = 800
HEADER_BYTES = 100
PAGE_BYTES = 4096
ONCE = OnceOnly("key", "digest")

OpenOutbox = Callable[..., SqliteOutbox]


def new(request_id: str) -> NewRating:
    return NewRating(
        request_id=request_id,
        key_fingerprint="k",
        rating=Rating(up=True, comment=f"{request_id} {'word ' * 20}"),
        state=RatingState.QUEUED,
        due_at=5.0,
    )


async def open_at(path: Path, **more: Any) -> SqliteOutbox:  # noqa: ANN401
    return await SqliteOutbox.open(path, max_bytes=2**26, stamp=lambda: "20300102-030405", **more)


@pytest.fixture(scope="module")
def sound(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A file with ratings in it, and what it holds."""
    path = tmp_path_factory.mktemp("sound") / "outbox.db"

    async def fill() -> list[Entry]:
        outbox = await open_at(path)
        await outbox.append([new("first")], 1.0, ONCE)
        await outbox.append([new(f"call-{number}") for number in range(RATINGS - 4)], 1.0)
        await outbox.append([new("changed"), new("taken back")], 1.0)
        await outbox.append([new("changed")], 2.0)
        await outbox.withdraw("taken back", 3.0)
        entries = await outbox.listing(limit=10_000)
        await outbox.close()
        return entries

    entries = loop.run(fill())
    assert len(entries) == RATINGS - 2
    return {"path": path, "entries": {entry.request_id: entry for entry in entries}}


@pytest.fixture
def path(tmp_path: Path, sound: dict[str, Any]) -> Path:
    """A copy of it that the test may damage."""
    copy = tmp_path / "outbox.db"
    shutil.copy(sound["path"], copy)
    return copy


@pytest.fixture
def open_outbox(sound_loop: LoopThread, scope: contextlib.ExitStack) -> OpenOutbox:
    """Open an outbox that is closed when the test ends."""

    def start(path: Path, **more: Any) -> SqliteOutbox:  # noqa: ANN401
        outbox = sound_loop.run(open_at(path, **more))
        scope.callback(lambda: sound_loop.run(outbox.close()))
        return outbox

    return start


def damage(path: Path, *positions: int, seed: int = 1) -> bytes:
    """Change bytes; the file as it is then."""
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for position in positions:
        content[position] ^= chance.randrange(1, 256)
    path.write_bytes(content)
    return bytes(content)


def salvaged(outbox: SqliteOutbox) -> list[Any]:
    found = outbox.description["salvages"]
    assert isinstance(found, list)
    return found


async def read_all(outbox: SqliteOutbox) -> list[Entry]:
    """Everything by every way; damage that shows only now is mended by then, so a second try is one."""
    for _ in range(3):
        with contextlib.suppress(OutboxFailed):
            entries = await outbox.listing(limit=10_000)
            for entry in entries[:20]:
                await outbox.history(entry.request_id)
            await outbox.due("k", 9.0, 10_000)
            await outbox.keys()
            await outbox.depth()
            await outbox.recall(ONCE, 5.0)
            await outbox.append([new("after")], 9.0)
            return entries
    pytest.fail("It did not recover.")


@pytest.mark.parametrize("seed", range(30))
def test_whatever_bytes_change_nearly_everything_is_saved(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread, sound: dict[str, Any], seed: int
) -> None:
    chance = random.Random(seed)
    size = path.stat().st_size
    flips = 1 if seed % 2 else 8
    damaged = damage(path, *(chance.randrange(HEADER_BYTES, size) for _ in range(flips)), seed=seed)
    outbox = open_outbox(path)
    was_found_at_once = bool(salvaged(outbox))
    entries = loop.run(read_all(outbox))
    known = sound["entries"]
    # A byte within somebody's words can change unseen; whole ratings cannot.
    right = [
        entry
        for entry in entries
        if replace(entry, rating=Rating()) == replace(known.get(entry.request_id, entry), rating=Rating())
        and entry.request_id in known
    ]
    rows_of_a_page = 25
    assert (
        len(right) >= len(known) - 2 * flips * rows_of_a_page
        or damaged[100:PAGE_BYTES] != (sound["path"].read_bytes()[100:PAGE_BYTES])
    )
    for each in salvaged(outbox):
        assert each["kept"].startswith(f"{path}.corrupt-20300102-030405")
        assert not was_found_at_once or Path(each["kept"]).read_bytes() == damaged
        assert each["saved"] > 0 or damaged[100:PAGE_BYTES] != sound["path"].read_bytes()[100:PAGE_BYTES]


def test_what_is_saved_is_as_it_was(
    path: Path,
    open_outbox: OpenOutbox,
    loop: LoopThread,
    sound: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # An index that does not fit: nothing of the rows is lost.
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '= 1', '= 0') WHERE name = 'rating_due'"
        )
        connection.commit()
    damaged = path.read_bytes()
    outbox = open_outbox(path)
    (salvage,) = salvaged(outbox)
    assert salvage == {"saved": RATINGS, "given_up": 0, "kept": f"{path}.corrupt-20300102-030405"}
    assert Path(salvage["kept"]).read_bytes() == damaged
    assert f"{RATINGS} ratings were saved, 0 given up" in caplog.text

    async def story() -> None:
        current = await outbox.listing(limit=10_000)
        assert {entry.request_id: entry for entry in current} == sound["entries"]
        assert [entry.progress.state for entry in await outbox.history("changed")] == [
            RatingState.QUEUED,
            RatingState.SUPERSEDED,
        ]
        assert [entry.progress.state for entry in await outbox.history("taken back")] == [
            RatingState.WITHDRAWN
        ]
        assert (await outbox.depth()).by_state[RatingState.QUEUED] == RATINGS - 2
        recalled = await outbox.recall(ONCE, 5.0)
        assert recalled is not None
        assert [entry.request_id for entry in recalled] == ["first"]
        (after,) = await outbox.append([new("after")], 9.0)
        assert after.seq == RATINGS + 1

    loop.run(story())
    assert sorted(each.name for each in path.parent.iterdir() if "corrupt" not in each.name) == [
        "outbox.db",
        "outbox.db-wal",
    ]


def test_a_page_that_is_gone_costs_its_own_rows_and_they_are_counted(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            pages = connection.execute(
                "SELECT pageno FROM dbstat WHERE name = 'rating' AND pagetype = 'leaf' ORDER BY pageno"
            ).fetchall()
        except sqlite3.OperationalError:
            content = path.read_bytes()
            # Leaves of tables begin with 13; those that hold words are those of ratings.
            pages = [
                (number + 1,)
                for number in range(len(content) // PAGE_BYTES)
                if content[number * PAGE_BYTES] == 13
                and b"word word" in content[number * PAGE_BYTES :][:PAGE_BYTES]
            ]
    page = pages[len(pages) // 2][0] - 1
    damaged = bytearray(path.read_bytes())
    lost = damaged[page * PAGE_BYTES : (page + 1) * PAGE_BYTES].count(b'"comment"')
    damaged[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(damaged)
    outbox = open_outbox(path)
    (salvage,) = salvaged(outbox)
    assert 0 < salvage["given_up"] <= lost
    assert salvage["saved"] == RATINGS - salvage["given_up"]
    assert len(loop.run(outbox.listing(limit=10_000))) >= RATINGS - 2 - lost


@pytest.mark.parametrize("changed", [b"loops INTEGER", b"l\xff\xffks INTEGER", b"looks INTEGES"])
def test_where_what_is_declared_has_changed_all_rows_are_saved(
    path: Path, open_outbox: OpenOutbox, changed: bytes
) -> None:
    content = path.read_bytes()
    assert content.count(b"looks INTEGER") == 1
    path.write_bytes(content.replace(b"looks INTEGER", changed))
    outbox = open_outbox(path)
    (salvage,) = salvaged(outbox)
    assert (salvage["saved"], salvage["given_up"]) == (RATINGS, 0)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "outbox.db",
        "outbox.db-wal",
        "outbox.db.corrupt-20300102-030405",
    ]


@pytest.mark.parametrize("content", [b"This is no database. " * 300, bytes(range(256)) * 64, b"short"])
def test_what_is_no_database_at_all_is_set_aside(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread, content: bytes
) -> None:
    path.write_bytes(content)
    outbox = open_outbox(path)
    (salvage,) = salvaged(outbox)
    assert (salvage["saved"], salvage["given_up"]) == (0, None)
    assert Path(salvage["kept"]).read_bytes() == content
    assert [entry.seq for entry in loop.run(outbox.append([new("a")], 1.0))] == [1]


@pytest.mark.parametrize(("share", "at_least"), [(0.9, 0.3), (0.5, 0.15), (0.1, 0.0)])
def test_of_a_file_cut_off_its_beginning_is_saved(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread, share: float, at_least: float
) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    outbox = open_outbox(path)
    (salvage,) = salvaged(outbox)
    assert salvage["saved"] >= RATINGS * at_least
    assert len(loop.run(read_all(outbox))) >= salvage["saved"] - 3


def test_two_damaged_files_of_the_same_second_are_both_kept(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    for content in (b"first" * 100, b"second" * 100):
        path.write_bytes(content)
        loop.run(open_outbox(path).close())
    kept = sorted(each for each in path.parent.iterdir() if "corrupt" in each.name)
    assert [each.read_bytes()[:5] for each in kept] == [b"first", b"secon"]


def test_a_row_that_turns_out_unreadable_is_given_up_while_it_runs(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rating SET rating = '{not json' WHERE request_id = 'call-7'")
        connection.commit()
    outbox = open_outbox(path)
    assert salvaged(outbox) == []
    with pytest.raises(OutboxFailed, match="damaged"):
        loop.run(outbox.due("k", 9.0, 10_000))
    assert len(loop.run(outbox.due("k", 9.0, 10_000)).entries) == RATINGS - 3
    (salvage,) = salvaged(outbox)
    assert (salvage["saved"], salvage["given_up"]) == (RATINGS - 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        "rating = 'private'",
        "state = 'secret'",
        "since = 'secret'",
        "rating = cast(x'7B2270726976617465223AFF' AS TEXT)",
    ],
)
def test_no_words_of_a_damaged_row_get_into_a_message(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")  # A damage asks nobody.
        connection.execute(f"UPDATE rating SET {change} WHERE request_id = 'call-7'")
        connection.commit()
    try:
        outbox = open_outbox(path)
        loop.run(outbox.due("k", 9.0, 10_000))
    except OutboxFailed as error:
        assert not re.search("private|secret", error.message)  # noqa: PT017  # it may show at once, too
    assert "damaged" in caplog.text
    assert not re.search("private|secret", caplog.text)


def test_whoever_is_stopped_while_saving_begins_again(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread, sound: dict[str, Any]
) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '= 1', '= 0') WHERE name = 'rating_due'"
        )
        connection.commit()
    damaged = path.read_bytes()
    disk = FailingDisk()
    disk.failing["UPDATE rating SET is_current"] = sqlite3.SQLITE_IOERR_WRITE
    with pytest.raises(CannotStart):
        open_outbox(path, connect=disk.connect)
    assert path.read_bytes() == damaged
    disk.failing.clear()
    outbox = open_outbox(path, connect=disk.connect)
    assert len(loop.run(outbox.listing(limit=10_000))) == len(sound["entries"])
