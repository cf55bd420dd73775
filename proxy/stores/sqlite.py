"""The outbox in one SQLite file."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Self

from proxy.model import Entry, Progress, RatingState
from proxy.stores.contract import Depth, Due, NewRating, OnceOnly
from proxy.stores.database import Database, refuse_when_nearly_full
from proxy.stores.opening import Connect, Opening, Place, Stamp
from proxy.stores.rows import ADVANCE, SELECT, entry_of, find_current, progress_values
from proxy.stores.taking import (
    DAY_SECONDS,
    KEPT,
    forget_keys,
    keep_once,
    recall,
    take,
    take_back,
    trim,
)

AT_ONCE = 1_000
"""Rows that are forgotten in one transaction: ratings wait no longer than that takes."""

# Hops from one fingerprint to the next, instead of passing each of its ratings.
KEYS = """
WITH RECURSIVE known(fingerprint) AS (
    SELECT min(key_fingerprint) FROM rating WHERE is_current = 1 AND due_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(key_fingerprint) FROM rating
        WHERE is_current = 1 AND due_at IS NOT NULL AND key_fingerprint > fingerprint
    )
    FROM known WHERE fingerprint IS NOT NULL
)
SELECT fingerprint FROM known WHERE fingerprint IS NOT NULL
"""

DUE = f"""
{SELECT} WHERE is_current = 1 AND due_at IS NOT NULL AND key_fingerprint = ? AND state = ?
ORDER BY due_at, seq LIMIT ?
"""

# What is queued has a time; that condition lets the index serve.
QUEUED = """
SELECT count(*) FROM rating
WHERE is_current = 1 AND due_at IS NOT NULL AND key_fingerprint = ? AND state = 'queued'
"""

# A rating that has left stays as long as the one that lies over it can be taken back.
PRUNE = """
DELETE FROM rating WHERE seq IN (
    SELECT seq FROM rating AS old
    WHERE settled_at IS NOT NULL AND (is_current = 0 OR state != 'refused')
        AND settled_at < :before AND due_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM once_rating WHERE once_rating.seq = old.seq)
        AND NOT (is_current = 0 AND (posts > 0 OR accepted_at IS NOT NULL) AND EXISTS (
            SELECT 1 FROM rating AS newer
            WHERE newer.request_id = old.request_id AND newer.is_current = 1
                AND newer.posts = 0 AND newer.accepted_at IS NULL
        ))
    ORDER BY settled_at LIMIT :at_once
)
"""


class SqliteOutbox:
    """See `stores.contract.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return f"<SqliteOutbox in {self._database!r}>"

    @classmethod
    async def open(
        cls, place: Place, *, max_bytes: int, stamp: Stamp, connect: Connect = sqlite3.connect
    ) -> Self:
        """Open or make the file; `:memory:` lasts as long as the process. Raises CannotStart.

        `stamp` gives words for the present moment: a damaged file is named after it.
        """
        opening = Opening(place=place, max_bytes=max_bytes, stamp=stamp, connect=connect)
        return cls(await Database.open(opening, first=count_anew))

    @property
    def description(self) -> Mapping[str, object]:
        """What it is and how safe."""
        return self._database.description

    @property
    def database(self) -> Database:
        """For what else is kept in the same file."""
        return self._database

    async def append(
        self, ratings: Sequence[NewRating], now: float, once: OnceOnly | None = None
    ) -> list[Entry]:
        """Take ratings, all of them or none, in this order."""

        def job(connection: sqlite3.Connection) -> list[Entry]:
            if once is not None and (known := recall(connection, once, now)) is not None:
                return known
            taken = take(connection, ratings, now)
            if once is not None:
                keep_once(connection, once, taken.entries, now)
            trim(connection, taken.crowded)
            refuse_when_nearly_full(connection)
            return taken.entries

        return await self._database.run(job)

    async def recall(self, once: OnceOnly, now: float) -> list[Entry] | None:
        """What was taken with that key within a day."""
        return await self._database.run(lambda connection: recall(connection, once, now))

    async def advance(self, entry: Entry, before: Progress, after: Progress) -> bool:
        """Move on an entry that still is where the caller believes it to be."""
        values = (*progress_values(after), entry.seq, before.state, before.posts)
        changed = await self._database.run(lambda connection: connection.execute(ADVANCE, values).rowcount)
        return changed > 0

    async def let_go(self, request_id: str | None, due_at: float) -> int:
        """HELD entries without a time get one."""
        return await self._change(
            "UPDATE rating SET due_at = :due_at WHERE is_current = 1 AND state = 'held' AND due_at IS NULL",
            {"due_at": due_at},
            of=request_id,
        )

    async def due(
        self, key_fingerprint: str, now: float, limit: int, states: Sequence[RatingState] = ()
    ) -> Due:
        """What is to be done now."""

        def job(connection: sqlite3.Connection) -> Due:
            # State by state: each is a short walk along an index. One more than asked for tells of more.
            found = [
                entry_of(row)
                for state in sorted(set(states or RatingState))
                for row in connection.execute(DUE, (key_fingerprint, state, limit + 1)).fetchall()
            ]
            timed = sorted((entry.progress.due_at or 0.0, entry.seq, entry) for entry in found)
            ripe = sum(1 for time, _, _ in timed[:limit] if time <= now)
            return Due([entry for _, _, entry in timed[:ripe]], timed[ripe][0] if ripe < len(timed) else None)

        return await self._database.run(job)

    async def bring_forward(self, latest: float) -> int:
        """What is due later than that is due then."""
        return await self._change(
            "UPDATE rating SET due_at = :latest WHERE is_current = 1 AND due_at IS NOT NULL AND due_at > :latest",
            {"latest": latest},
        )

    async def keys(self) -> list[str]:
        """The fingerprints under which anything is due, now or later."""
        return await self._database.run(lambda connection: [row[0] for row in connection.execute(KEYS)])

    async def queued(self, key_fingerprints: Sequence[str]) -> int:
        """How many current entries are QUEUED under one of these keys."""
        return await self._database.run(
            lambda connection: sum(
                connection.execute(QUEUED, (fingerprint,)).fetchone()[0] for fingerprint in key_fingerprints
            )
        )

    async def release(self, key_fingerprint: str, now: float) -> None:
        """What waits after a failure is due now."""
        await self._change(
            "UPDATE rating SET due_at = :now WHERE is_current = 1 AND due_at IS NOT NULL AND due_at > :now "
            "AND key_fingerprint = :key_fingerprint AND state = 'queued' AND failures > 0",
            {"key_fingerprint": key_fingerprint, "now": now},
        )

    async def current(self, request_ids: Sequence[str]) -> dict[str, Entry]:
        """The current entries of these calls."""

        def job(connection: sqlite3.Connection) -> dict[str, Entry]:
            found = {request_id: find_current(connection, request_id) for request_id in request_ids}
            return {request_id: entry for request_id, entry in found.items() if entry is not None}

        return await self._database.run(job)

    async def history(self, request_id: str) -> list[Entry]:
        """The entries of a call, the newest first."""
        return await self._entries(
            f"{SELECT} WHERE request_id = ? ORDER BY seq DESC LIMIT ?", (request_id, KEPT)
        )

    async def listing(
        self, states: Sequence[RatingState] = (), *, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Current entries, the newest first."""

        def job(connection: sqlite3.Connection) -> list[Entry]:
            # State by state: each is a short walk along an index, however many rows there are.
            entries = [
                entry_of(row)
                for state in sorted(set(states or RatingState))
                for row in connection.execute(
                    f"{SELECT} WHERE is_current = 1 AND state = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
                    (state, 2**63 - 1 if before is None else before, limit),
                ).fetchall()
            ]
            return sorted(entries, key=lambda entry: entry.seq, reverse=True)[:limit]

        return await self._database.run(job)

    async def withdraw(self, request_id: str, now: float) -> Entry | None:
        """Take the current rating back if it has never left."""
        return await self._database.run(lambda connection: take_back(connection, request_id, now))

    async def retry(self, request_id: str | None, now: float) -> int:
        """REFUSED entries are QUEUED again. What has happened to them stays: how often they left, and when."""
        return await self._change(
            "UPDATE rating SET state = 'queued', since = :now, due_at = :now, looks = 0, failures = 0, "
            "settled_at = NULL, reason = NULL WHERE is_current = 1 AND state = 'refused'",
            {"now": now},
            of=request_id,
        )

    async def depth(self) -> Depth:
        """How much there is."""

        def job(connection: sqlite3.Connection) -> Depth:
            by_state: dict[RatingState, int] = {
                state: 0 for state in RatingState if state is not RatingState.PAUSED
            }
            for state in by_state:
                row = connection.execute("SELECT ratings FROM tally WHERE state = ?", (state,)).fetchone()
                by_state[state] = 0 if row is None else row[0]
            (oldest_since,) = connection.execute(
                "SELECT min(since) FROM rating WHERE is_current = 1 AND state IN ('held', 'queued', 'accepted')"
            ).fetchone()
            return Depth(by_state, oldest_since)

        return await self._database.run(job)

    async def prune(self, before: float) -> int:
        """Forget what was settled before then, some at a time."""
        await self._database.run(lambda connection: forget_keys(connection, before - DAY_SECONDS))
        gone = 0
        while some := await self._change(PRUNE, {"before": before, "at_once": AT_ONCE}):
            gone += some
        return gone

    async def close(self) -> None:
        """Finish what was asked for, and let go of the file."""
        await self._database.close()

    async def _change(self, statement: str, values: Mapping[str, object], of: str | None = None) -> int:
        """Run one statement, for the rows of one call if it is `of` one; how many it changed."""
        if of is not None:
            statement, values = f"{statement} AND request_id = :request_id", {**values, "request_id": of}
        return await self._database.run(lambda connection: connection.execute(statement, values).rowcount)

    async def _entries(self, statement: str, values: Sequence[object]) -> list[Entry]:
        """Read entries."""
        return await self._database.run(
            lambda connection: [entry_of(row) for row in connection.execute(statement, values).fetchall()]
        )


def count_anew(connection: sqlite3.Connection) -> None:
    """Put numbers right that a damaged page changed: no check would find them."""
    counted = dict(
        connection.execute(
            "SELECT state, count(*) FROM rating WHERE is_current = 1 GROUP BY state"
        ).fetchall()
    )
    tallied = dict(connection.execute("SELECT state, ratings FROM tally WHERE ratings != 0").fetchall())
    if counted != tallied:
        connection.execute("DELETE FROM tally")
        connection.executemany("INSERT INTO tally VALUES (?, ?)", counted.items())
