"""One SQLite file, worked on by one thread: what several callers want at the same time shares one commit."""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from proxy.errors import CannotStart, OutboxFailed, OutboxFull
from proxy.stores.faults import TROUBLES, Fault, Trouble, fault_of, translated, words_of
from proxy.stores.opening import Opening
from proxy.stores.salvage import Salvage

log = logging.getLogger(__name__)

T = TypeVar("T")

Job = Callable[[sqlite3.Connection], T]
"""Statements of one caller. It may run twice, when the first time was undone."""

GROUP = 256
"""Jobs that share a commit: enough that the disk is not what limits us, few enough that none waits for long."""
RESERVED_SHARE = 8
"""Of the file's bound one part in so many is kept for what happens to ratings that were taken already."""


@dataclass(slots=True)
class _Asked:
    job: Job[Any]
    future: asyncio.Future[Any]


@dataclass(slots=True)
class _Outcome:
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Database:
    """The file, its connection and the thread that both belong to.

    `description` says where it is and how safe, for the health answer.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._is_closing = False
        self._connection: sqlite3.Connection | None = None
        self._identity: object = None
        self._is_known_damaged = False
        self._is_new = True
        self._salvages: list[Salvage] = []
        self.description: Mapping[str, object] = {}
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)

    def __repr__(self) -> str:
        return f"<Database {self._opening.place}>"

    @classmethod
    async def open(cls, opening: Opening, first: Job[None] = lambda _: None) -> Self:
        """Open the file, start its thread, and run the `first` job. Raises CannotStart."""
        database = cls(opening)
        database._thread.start()
        is_open = False
        try:
            await database.run(first)
            is_open = True
        except OutboxFailed as error:
            raise CannotStart(error.message) from error
        finally:
            if not is_open:
                await database.close()
        return database

    async def run(self, job: Job[T]) -> T:
        """Run a job in a transaction; it is committed when this returns.

        Raises OutboxFull, OutboxFailed, and whatever the job itself raises; then nothing of it has happened.
        Who stops waiting does not stop the job.
        """
        if self._is_closing:
            raise OutboxFailed("The outbox is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Asked(job, future))
        return await future

    async def close(self) -> None:
        """Finish what was asked for, and let go of the file."""
        if not self._is_closing:
            self._is_closing = True
            self._queue.put(None)
        # Shielded, since others may wait for it, too.
        await asyncio.shield(self._ended)
        self._thread.join()

    # --- in the thread ----------------------------------------------------------------------------------

    def _work(self) -> None:
        is_last = False
        while not is_last:
            group, is_last = self._next_group()
            self._settle(self._outcomes(group))
        self._disconnect(checkpoint=True)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(_end, self._ended)

    def _next_group(self) -> tuple[list[_Asked], bool]:
        """All that is waiting, but not too much; and whether it is the end."""
        group: list[_Asked] = []
        asked = self._queue.get()
        while asked is not None:
            group.append(asked)
            if len(group) == GROUP:
                return group, False
            try:
                asked = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _outcomes(self, group: Sequence[_Asked]) -> list[_Outcome]:
        """Run a group. If one of its jobs fails, each gets a transaction of its own, and only that one fails."""
        if not group:
            return []
        try:
            results = self._transact([each.job for each in group])
        except Exception as error:  # it goes to whoever asked  # noqa: BLE001
            if is_for_all(error):
                # Not one exception for all: each traceback grows where it is raised.
                return [_Outcome(each.future, error=OutboxFailed(str(error))) for each in group]
            if len(group) == 1:
                return [_Outcome(group[0].future, error=error)]
            return [outcome for each in group for outcome in self._outcomes([each])]
        return [_Outcome(each.future, result) for each, result in zip(group, results, strict=True)]

    def _transact(self, jobs: Sequence[Job[Any]]) -> list[Any]:
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [job(connection) for job in jobs]
            connection.execute("COMMIT")
        except TROUBLES as error:
            self._learn_from(connection, error)
            raise translated(error, str(self._opening.place)) from None
        finally:
            _roll_back(connection)
        return results

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity != self._opening.identity():
            log.warning(
                "The outbox %s was moved or deleted while it was in use. A new one is begun; what was waiting "
                "in the other is no longer delivered.",
                self._opening.place,
            )
            # SQLite itself leaves the log of a file that has moved where it is.
            self._disconnect(checkpoint=True)
        if self._connection is None:
            try:
                if self._is_known_damaged:
                    connection, salvaged = self._opening.open_damaged()
                else:
                    connection, salvaged = self._opening.open(check=self._is_new)
            except CannotStart as error:
                raise OutboxFailed(error.message) from error
            self._is_known_damaged = self._is_new = False
            if salvaged is not None:
                self._salvages.append(salvaged)
            self.description = self._described(connection)
            self._identity = self._opening.identity()
            self._connection = connection
        return self._connection

    def _learn_from(self, connection: sqlite3.Connection, error: Trouble) -> None:
        """After a failure of the disk the next job gets a new connection.

        A failed fsync is never repeated on the same descriptor: the second one may say yes to data that is lost.
        """
        fault = fault_of(error)
        if fault in (Fault.FULL, Fault.OURS):
            return
        log.warning("The outbox %s failed: %s. It is opened anew.", self._opening.place, words_of(error))
        _roll_back(connection)
        self._is_known_damaged = fault is Fault.DAMAGED
        self._disconnect(checkpoint=False)

    def _disconnect(self, *, checkpoint: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(*TROUBLES):
            if checkpoint:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(*TROUBLES):
            connection.close()

    def _described(self, connection: sqlite3.Connection) -> Mapping[str, object]:
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        return {
            "engine": f"SQLite {sqlite3.sqlite_version}",
            "path": str(self._opening.place),
            "journal": journal,
            "synchronous": ("off", "normal", "full", "extra")[synchronous],
            "max_bytes": self._opening.max_bytes,
            "salvages": [
                {"saved": each.saved, "given_up": each.given_up, "kept": each.kept} for each in self._salvages
            ],
        }

    def _settle(self, outcomes: Sequence[_Outcome]) -> None:
        if outcomes:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(_tell, outcomes)


def is_for_all(error: Exception) -> bool:
    """Whether it is the disk that failed, and no single job's fault."""
    return isinstance(error, OutboxFailed) and not isinstance(error, OutboxFull)


def is_nearly_full(connection: sqlite3.Connection, reserved_share: int = RESERVED_SHARE) -> bool:
    """Whether what is left of the bound is less than one part in so many."""
    (most,) = connection.execute("PRAGMA max_page_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    usual = most - most // reserved_share
    if pages <= usual:
        return False
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return bool(pages - free > usual)


def refuse_when_nearly_full(connection: sqlite3.Connection) -> None:
    """Raises OutboxFull when what is left of the bound is needed for what is there already."""
    if is_nearly_full(connection):
        raise OutboxFull("The outbox has reached the size that it may have. Raise [outbox] max_size_mib.")


def _roll_back(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(*TROUBLES):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _tell(outcomes: Sequence[_Outcome]) -> None:
    for outcome in outcomes:
        if outcome.future.done():
            continue  # whoever asked has gone
        if outcome.error is None:
            outcome.future.set_result(outcome.result)
        else:
            outcome.future.set_exception(outcome.error)


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
