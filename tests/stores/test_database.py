"""The outbox's file: shared commits, who may read it, who else has it, and disks that fail."""

import asyncio
import contextlib
import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.failing_disks import FailingDisk
from harness.loops import LoopThread
from proxy.errors import CannotStart, OutboxFailed, OutboxFull, SidecarError
from proxy.model import Progress, Rating, RatingState
from proxy.stores.contract import NewRating
from proxy.stores.database import Database
from proxy.stores.opening import Opening, Place
from proxy.stores.schema import MIGRATIONS, Migration
from proxy.stores.sqlite import SqliteOutbox

MIB = 1024 * 1024
KIB = 1024

OpenOutbox = Callable[..., SqliteOutbox]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def open_outbox(sound_loop: LoopThread, scope: contextlib.ExitStack) -> OpenOutbox:
    """Open an outbox that is closed when the test ends."""

    def start(place: Place, *, max_bytes: int = 64 * MIB, **more: Any) -> SqliteOutbox:  # noqa: ANN401
        opened = SqliteOutbox.open(place, max_bytes=max_bytes, stamp=lambda: "20300102-030405", **more)
        outbox = sound_loop.run(opened)
        scope.callback(lambda: sound_loop.run(outbox.close()))
        return outbox

    return start


@pytest.fixture
def open_database(sound_loop: LoopThread, scope: contextlib.ExitStack) -> Callable[..., Database]:
    """Open a database that is closed when the test ends."""

    def start(place: Place, migrations: tuple[Migration, ...] = MIGRATIONS, **more: Any) -> Database:  # noqa: ANN401
        opening = Opening(place=place, max_bytes=64 * MIB, stamp=lambda: "now", migrations=migrations, **more)
        database = sound_loop.run(Database.open(opening))
        scope.callback(lambda: sound_loop.run(database.close()))
        return database

    return start


def new(request_id: str, rating: Rating | None = None) -> NewRating:
    return NewRating(
        request_id=request_id,
        key_fingerprint="k",
        rating=rating or Rating(up=True),
        state=RatingState.QUEUED,
        due_at=0.0,
    )


async def add(outbox: SqliteOutbox, *request_ids: str) -> list[int]:
    """Take a rating for each; their numbers."""
    return [entry.seq for entry in await outbox.append([new(each) for each in request_ids], 1.0)]


async def kept(outbox: SqliteOutbox) -> list[str]:
    """The calls whose ratings are there, the oldest first."""
    return [entry.request_id for entry in reversed(await outbox.listing(limit=100_000))]


class Gate:
    """Keeps the database's thread busy, so that what is asked for meanwhile waits together."""

    def __init__(self, database: Database) -> None:
        self._entered, self._opened = threading.Event(), threading.Event()
        self._database = database

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._database.run(self._wait))
        await asyncio.to_thread(self._entered.wait, 30)

    async def __aexit__(self, *_: object) -> None:
        # One turn of the loop: whoever was started before has asked by then.
        await asyncio.sleep(0)
        self._opened.set()
        await self._task

    def _wait(self, _: sqlite3.Connection) -> None:
        self._entered.set()
        self._opened.wait(30)


# --- commits ------------------------------------------------------------------------------------------------


def test_those_who_wait_at_the_same_time_share_a_commit(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    disk, commits = FailingDisk(), []
    disk.before = lambda statement: commits.append(statement) if statement == "COMMIT" else None
    outbox = open_outbox(path, connect=disk.connect)

    async def story() -> int:
        async with Gate(outbox.database):
            before = len(commits)
            waiting = [asyncio.create_task(add(outbox, str(number))) for number in range(200)]
        seqs = [seq for (seq,) in await asyncio.gather(*waiting)]
        assert seqs == sorted(seqs)
        return len(commits) - before

    # The gate's own, and one for all.
    assert loop.run(story()) == 2
    assert len(loop.run(kept(outbox))) == 200


def test_nobody_hears_of_a_success_before_the_commit(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    disk = FailingDisk()
    outbox = open_outbox(path, connect=disk.connect)

    async def story() -> None:
        committing, go_on = threading.Event(), threading.Event()

        def hold(statement: str) -> None:
            if statement == "COMMIT":
                committing.set()
                go_on.wait(30)

        disk.before = hold
        waiting = asyncio.create_task(add(outbox, "a"))
        await asyncio.to_thread(committing.wait, 30)
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        assert await waiting == [1]

    loop.run(story())


def test_of_a_group_only_the_guilty_one_fails(path: Path, open_outbox: OpenOutbox, loop: LoopThread) -> None:
    outbox = open_outbox(path)

    def wrong(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM rating")
        raise ZeroDivisionError

    async def story() -> None:
        async with Gate(outbox.database):
            waiting = [
                asyncio.create_task(work)
                for work in (add(outbox, "a"), outbox.database.run(wrong), add(outbox, "b"), add(outbox, "c"))
            ]
        first, failed, *others = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(failed, ZeroDivisionError)
        assert [first, *others] == [[1], [2], [3]]
        assert await kept(outbox) == ["a", "b", "c"]

    loop.run(story())


def test_who_stops_waiting_disturbs_nobody_and_stops_nothing(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    outbox = open_outbox(path)

    def wrong(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    async def story() -> None:
        async with Gate(outbox.database):
            waiting = [asyncio.create_task(add(outbox, each)) for each in "abc"]
            failing = asyncio.create_task(outbox.database.run(wrong))
            await asyncio.sleep(0)
            waiting[1].cancel()
            failing.cancel()
        results = await asyncio.gather(*waiting, failing, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in results] == [False, True, False, True]
        assert await kept(outbox) == ["a", "b", "c"]

    loop.run(story())


def test_what_was_asked_for_is_finished_before_the_file_is_closed(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    outbox = open_outbox(path)

    async def story() -> None:
        async with Gate(outbox.database):
            waiting = [asyncio.create_task(add(outbox, str(number))) for number in range(300)]
            await asyncio.sleep(0)
            closing = [asyncio.create_task(outbox.close()) for _ in range(2)]
        await asyncio.gather(*waiting, *closing)
        with pytest.raises(OutboxFailed, match="closed"):
            await outbox.keys()

    loop.run(story())
    assert sorted(each.name for each in path.parent.iterdir()) == ["outbox.db"]
    assert "outbox" not in [each.name for each in threading.enumerate()]
    assert len(loop.run(kept(open_outbox(path)))) == 300


# --- the file -----------------------------------------------------------------------------------------------


def test_the_file_is_for_its_owners_eyes_only(path: Path, open_outbox: OpenOutbox, loop: LoopThread) -> None:
    mask = os.umask(0)
    try:
        outbox = open_outbox(path)
        loop.run(add(outbox, "a"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"outbox.db": 0o600, "outbox.db-wal": 0o600}


def test_a_folder_that_is_there_stays_as_it_is_and_an_open_file_is_closed_to_others(
    tmp_path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "outbox.db"
    loop.run(open_outbox(path).close())
    path.chmod(0o644)
    open_outbox(path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_description_says_what_it_is_and_how_safe(path: Path, open_outbox: OpenOutbox) -> None:
    assert open_outbox(path, max_bytes=MIB).description == {
        "engine": f"SQLite {sqlite3.sqlite_version}",
        "path": str(path),
        "journal": "wal",
        "synchronous": "full",
        "max_bytes": MIB,
        "salvages": [],
    }
    assert open_outbox(":memory:").description["journal"] == "memory"


def test_every_setting_that_safety_rests_on_is_in_force(
    path: Path, open_database: Callable[..., Database], loop: LoopThread
) -> None:
    database = open_database(path)

    def setting(name: str, connection: sqlite3.Connection) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    for name, value in {
        "locking_mode": "exclusive",
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "wal_autocheckpoint": 1000,
        "journal_size_limit": 4 * MIB,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "max_page_count": 64 * MIB // 4096,
        "application_id": 0x48464250,
        "user_version": len(MIGRATIONS),
    }.items():
        assert loop.run(database.run(partial(setting, name))) == value, name


def test_where_a_write_ahead_log_is_refused_a_journal_is_kept(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    class NoLog(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401
            return super().execute(statement.replace("journal_mode = WAL", "journal_mode"), *values)

    outbox = open_outbox(path, connect=partial(sqlite3.connect, factory=NoLog))
    assert outbox.description["journal"] == "truncate"
    assert outbox.description["synchronous"] == "extra"
    loop.run(add(outbox, "a"))
    loop.run(outbox.close())
    assert loop.run(kept(open_outbox(path))) == ["a"]


def test_ratings_are_there_after_a_restart(path: Path, open_outbox: OpenOutbox, loop: LoopThread) -> None:
    outbox = open_outbox(path)
    loop.run(add(outbox, "a", "b"))
    before = loop.run(outbox.listing())
    loop.run(outbox.close())
    after = open_outbox(path)
    assert loop.run(after.listing()) == before
    assert loop.run(add(after, "c")) == [3]


def test_no_number_is_given_twice(path: Path, open_outbox: OpenOutbox, loop: LoopThread) -> None:
    outbox = open_outbox(path)
    loop.run(add(outbox, "a"))
    loop.run(outbox.withdraw("a", 1.0))
    assert loop.run(outbox.prune(2.0)) == 1
    loop.run(outbox.close())
    assert loop.run(add(open_outbox(path), "b")) == [2]


@pytest.mark.parametrize("where", ["file/outbox.db", "folder"])
def test_a_path_that_cannot_be_is_a_sentence(tmp_path: Path, open_outbox: OpenOutbox, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotStart, match=re.escape(str(tmp_path / where))) as caught:
        open_outbox(tmp_path / where)
    assert "[outbox] path" in caught.value.message


def test_a_file_moved_away_under_our_hands_is_noticed(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox(path)
    loop.run(add(outbox, "a"))
    path.rename(path.with_name("moved.db"))
    loop.run(add(outbox, "b"))
    assert "moved or deleted" in caplog.text
    loop.run(outbox.close())
    assert loop.run(kept(open_outbox(path))) == ["b"]
    assert loop.run(kept(open_outbox(path.with_name("moved.db")))) == ["a"]


# --- other programs -----------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from pathlib import Path
from proxy.errors import CannotStart
from proxy.model import Rating, RatingState
from proxy.stores.contract import NewRating
from proxy.stores.sqlite import SqliteOutbox

def new(number):
    return NewRating(
        request_id=number, key_fingerprint="k", rating=Rating(up=True), state=RatingState.QUEUED, due_at=0.0
    )

async def main(path):
    try:
        outbox = await SqliteOutbox.open(Path(path), max_bytes=2**26, stamp=lambda: "then")
    except CannotStart as error:
        print("refused", error.message, flush=True)
        return
    print("open", flush=True)

    async def rate(which):
        for number in range(10**9):
            await outbox.append([new(f"{which}-{number}")], 1.0)
            print("taken", f"{which}-{number}", flush=True)

    if "append" in sys.argv:
        await asyncio.gather(*map(rate, range(8)))
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(sys.argv[1]))
"""


@contextlib.contextmanager
def another_process(path: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A second program that opens the file."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_second_sidecar_on_the_same_file_is_told_so_at_once(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    with another_process(path) as first:
        assert line_of(first) == "open\n"
        began = time.monotonic()
        with pytest.raises(CannotStart) as caught:
            open_outbox(path)
        # SQLite's usual patience is 5 s.
        assert time.monotonic() - began < 4
        for words in (str(path), "Another sidecar", "[outbox] path", "port"):
            assert words in caught.value.message
    outbox = open_outbox(path)
    loop.run(add(outbox, "a"))
    with another_process(path) as second:
        assert line_of(second).startswith(f"refused Another sidecar uses the outbox {path}.")


def test_every_rating_that_was_taken_survives_kill_9(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    taken: set[str] = set()
    for count in (1, 150, 400):
        path.unlink(missing_ok=True)
        taken.clear()
        with another_process(path, "append") as process:
            assert line_of(process) == "open\n"
            for _ in range(count):
                taken.add(line_of(process).removeprefix("taken ").strip())
            process.send_signal(signal.SIGKILL)
            # What it had said before it died.
            assert process.stdout is not None
            taken |= {line.split()[1] for line in process.stdout if line.endswith("\n")}
        outbox = open_outbox(path)
        assert outbox.description["salvages"] == []
        assert taken <= set(loop.run(kept(outbox)))
        assert len(taken) >= count
        loop.run(outbox.close())


def another_programs(path: Path, *statements: str) -> bytes:
    """Make a database that is not ours; its bytes."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path.read_bytes()


@pytest.mark.parametrize("application_id", [0, 77])
def test_another_programs_database_is_left_as_it_is(
    path: Path, open_outbox: OpenOutbox, application_id: int
) -> None:
    before = another_programs(path, f"PRAGMA application_id = {application_id}", "CREATE TABLE precious (x)")
    with pytest.raises(CannotStart, match="another program's database"):
        open_outbox(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_newer_versions_file_is_left_as_it_is(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    loop.run(open_outbox(path).close())
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(CannotStart, match="newer version"):
        open_outbox(path)
    assert path.read_bytes() == before


# --- versions -----------------------------------------------------------------------------------------------


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_an_older_file_is_brought_up_to_date_and_keeps_its_ratings(
    path: Path, open_outbox: OpenOutbox, open_database: Callable[..., Database], loop: LoopThread
) -> None:
    outbox = open_outbox(path)
    loop.run(add(outbox, "a"))
    loop.run(outbox.close())

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO later SELECT request_id FROM rating")

    database = open_database(path, (*MIGRATIONS, ("CREATE TABLE later (x)",), fill))
    version = loop.run(database.run(lambda each: each.execute("PRAGMA user_version").fetchone()[0]))
    assert version == len(MIGRATIONS) + 2
    assert loop.run(database.run(lambda each: each.execute("SELECT x FROM later").fetchall())) == [("a",)]
    assert loop.run(kept(SqliteOutbox(database))) == ["a"]


def test_a_migration_that_fails_changes_nothing(
    path: Path, open_database: Callable[..., Database], loop: LoopThread
) -> None:
    loop.run(open_database(path).close())
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        open_database(path, (*MIGRATIONS, ("CREATE TABLE later (x)", "CREATE nonsense")))
    assert "later" not in loop.run(open_database(path).run(tables))


# --- disks that fail ----------------------------------------------------------------------------------------


def test_a_file_that_has_reached_its_bound_takes_ratings_again_when_old_ones_are_forgotten(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    outbox = open_outbox(path, max_bytes=256 * KIB)

    async def story() -> None:
        taken = 0
        try:
            while taken < 10_000:
                await outbox.append([new(str(taken), Rating(comment="x" * 500))], 1.0)
                taken += 1
        except OutboxFull as error:
            assert "max_size_mib" in error.message  # noqa: PT017  # how many were taken counts, too
        assert 100 < taken < 600
        entries = await outbox.listing(limit=10_000)
        assert len(entries) == taken
        # What was taken can go its way all the same.
        for entry in entries:
            accepted = Progress(
                state=RatingState.ACCEPTED, since=1.0, posts=1, posted_at=2.0, accepted_at=2.0
            )
            assert await outbox.advance(entry, entry.progress, accepted)
        for entry in entries:
            verified = Progress(state=RatingState.VERIFIED, since=1.0, posts=1, settled_at=3.0)
            assert await outbox.advance(entry, accepted, verified)
        assert await outbox.prune(4.0) == taken
        await add(outbox, "again")
        assert await kept(outbox) == ["again"]

    loop.run(story())
    assert path.stat().st_size <= 256 * KIB


FAILURES: list[tuple[int, type[SidecarError]]] = [
    (sqlite3.SQLITE_FULL, OutboxFull),
    (sqlite3.SQLITE_IOERR_WRITE, OutboxFailed),
    (sqlite3.SQLITE_IOERR_FSYNC, OutboxFailed),
    (sqlite3.SQLITE_READONLY, OutboxFailed),
    (sqlite3.SQLITE_CANTOPEN, OutboxFailed),
    (sqlite3.SQLITE_CORRUPT, OutboxFailed),
]


@pytest.mark.parametrize(("code", "kind"), FAILURES)
@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "INSERT INTO rating", "COMMIT"])
def test_when_the_disk_fails_nothing_has_happened_and_later_all_is_well(
    path: Path,
    open_outbox: OpenOutbox,
    loop: LoopThread,
    statement: str,
    code: int,
    kind: type[SidecarError],
) -> None:
    disk = FailingDisk()
    outbox = open_outbox(path, connect=disk.connect)

    async def story() -> None:
        await add(outbox, "before")
        disk.failing[statement] = code
        results = await asyncio.gather(*(add(outbox, each) for each in "abc"), return_exceptions=True)
        assert [type(each) for each in results] == [kind] * 3
        disk.failing.clear()
        assert await kept(outbox) == ["before"]
        await add(outbox, "after")
        assert await kept(outbox) == ["before", "after"]

    loop.run(story())
    assert (outbox.description["salvages"] != []) is (code == sqlite3.SQLITE_CORRUPT)


def test_a_disk_that_fails_while_a_damaged_file_is_saved_loses_nothing_that_could_be_read(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    disk = FailingDisk()
    outbox = open_outbox(path, connect=disk.connect)

    async def story() -> None:
        await add(outbox, "before")
        disk.failing["INSERT INTO rating"] = sqlite3.SQLITE_CORRUPT
        for each in "abc":
            with pytest.raises(OutboxFailed):
                await add(outbox, each)
        disk.failing.clear()
        assert await kept(outbox) == ["before"]

    loop.run(story())


def test_a_failed_fsync_is_not_repeated_on_the_same_connection(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    disk = FailingDisk()
    outbox = open_outbox(path, connect=disk.connect)
    used = len(disk.connections)
    disk.failing["COMMIT"] = sqlite3.SQLITE_IOERR_FSYNC
    for _ in range(2):
        with pytest.raises(OutboxFailed):
            loop.run(add(outbox, "a"))
    assert len(disk.connections) == used + 1
    disk.failing["connect"] = sqlite3.SQLITE_CANTOPEN
    for _ in range(2):
        with pytest.raises(OutboxFailed, match=re.escape(str(path))):
            loop.run(outbox.keys())
    disk.failing.clear()
    loop.run(add(outbox, "b"))
    assert loop.run(kept(outbox)) == ["b"]


def test_a_commit_that_fails_late_is_never_called_a_success(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    disk = FailingDisk()
    outbox = open_outbox(path, connect=disk.connect)
    disk.failing["COMMIT"], disk.fails_late = sqlite3.SQLITE_IOERR_FSYNC, True
    with pytest.raises(OutboxFailed):
        loop.run(add(outbox, "a"))
    disk.failing.clear()
    loop.run(add(outbox, "a"))
    assert loop.run(kept(outbox)) == ["a"]


def test_a_disk_that_really_refuses_to_be_written(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    outbox = open_outbox(path)
    comment = Rating(comment="x" * 4000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 * KIB, hard))
    taken: list[str] = []
    try:
        while len(taken) < 1000:
            loop.run(outbox.append([new(str(len(taken)), comment)], 1.0))
            taken.append(str(len(taken)))
    except OutboxFailed as error:
        assert "cannot be written" in error.message  # noqa: PT017  # how many were taken counts, too
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert 0 < len(taken) < 1000
    assert loop.run(kept(outbox)) == taken
    loop.run(add(outbox, "after"))
    loop.run(outbox.close())
    assert loop.run(kept(open_outbox(path))) == [*taken, "after"]


def test_a_failure_while_it_is_opened_is_a_sentence_and_can_be_tried_again(
    path: Path, open_outbox: OpenOutbox, loop: LoopThread
) -> None:
    disk = FailingDisk()
    for statement, code in (
        ("connect", sqlite3.SQLITE_CANTOPEN),
        ("PRAGMA journal_mode", sqlite3.SQLITE_IOERR),
        ("CREATE TABLE", sqlite3.SQLITE_FULL),
    ):
        disk.failing = {statement: code}
        with pytest.raises(CannotStart, match=re.escape(str(path))):
            open_outbox(path, connect=disk.connect)
    disk.failing.clear()
    assert loop.run(add(open_outbox(path, connect=disk.connect), "a")) == [1]
