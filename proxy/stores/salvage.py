"""Reads what can be read of a damaged database into a new one, row by row."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.stores.faults import TROUBLES, DamagedRow
from proxy.stores.rows import COLUMNS, INSERT, SELECT, Row, entry_of

MAX_HOLES = 1_000_000
"""Row numbers that are tried one by one, which takes some seconds: against a counter that is damaged itself."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """What came of a damaged file. `given_up`: None if nobody can tell how much it was."""

    saved: int
    given_up: int | None
    kept: str
    """Where the damaged file is."""


def salvage(damaged: sqlite3.Connection, target: sqlite3.Connection) -> tuple[int, int | None]:
    """Copy all ratings that can be read, under their numbers. Gives how many, and how many could not be read."""
    rescue = _Rescue(damaged)
    rows = rescue.rows()
    target.execute("BEGIN IMMEDIATE")
    saved: set[int] = set()
    for seq, row in rows.items():
        # Not current yet: which one is shows when all are there. A disk that fails now ends the salvage, which
        # begins again: only what no row can be is given up.
        with contextlib.suppress(DamagedRow, sqlite3.IntegrityError):
            entry_of(row)
            target.execute(INSERT, (0, *row))
            saved.add(seq)
    _make_current(target)
    _copy_the_rest(damaged, target)
    highest = max((rescue.highest, *saved), default=0)
    target.execute("DELETE FROM sqlite_sequence WHERE name = 'rating'")
    target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('rating', ?)", (highest,))
    target.execute("COMMIT")
    lost = (rescue.known | rescue.unreadable | set(rows)) - saved
    return len(saved), len(lost) if rescue.is_counted else None


def mend_schema(damaged: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Declare in a damaged file what a new one declares, where that can be done: without it no row can be read.

    Where a table begins is taken from the damaged file; from the new one, in which it was made in the same order,
    if that is not to be had.
    """
    wanted = target.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master").fetchall()
    roots: dict[str, int] = dict(_readable(damaged, "SELECT name, rootpage FROM sqlite_master"))
    with contextlib.suppress(*TROUBLES):
        damaged.execute("BEGIN IMMEDIATE")
        damaged.execute("DELETE FROM sqlite_master")
        damaged.executemany(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)",
            [(kind, name, table, roots.get(name, root), sql) for kind, name, table, root, sql in wanted],
        )
        damaged.execute("COMMIT")


class _Rescue:
    """The ratings of a damaged file.

    `known`: numbers that an index tells of. `unreadable`: numbers at which reading fails; without an index nobody
    knows whether there were rows.
    """

    def __init__(self, damaged: sqlite3.Connection) -> None:
        self._damaged = damaged
        self.unreadable: set[int] = set()
        self.known = {
            row[0]
            for order in ("ASC", "DESC")
            for row in _readable(
                damaged,
                "SELECT seq FROM rating INDEXED BY rating_by_call "  # noqa: S608  # our own words
                f"WHERE request_id > '' ORDER BY request_id {order}, seq {order}",
            )
        }
        self.highest = max(
            (
                *self.known,
                *(
                    row[0]
                    for row in _readable(damaged, "SELECT seq FROM sqlite_sequence WHERE name = 'rating'")
                    if isinstance(row[0], int)
                ),
            ),
            default=0,
        )
        self.is_counted = True

    def rows(self) -> dict[int, Row]:
        """All that can be read: from both ends up to the damage, and between them one by one."""
        forward = {row[0]: row for row in _readable(self._damaged, f"{SELECT} ORDER BY seq")}
        backward = {row[0]: row for row in _readable(self._damaged, f"{SELECT} ORDER BY seq DESC")}
        found = forward | backward
        if forward.keys() != backward.keys() or not found:
            lowest = max(forward, default=0) + 1
            end = min(backward, default=self.highest + 1)
            self.is_counted = bool(self.highest or found)
            for seq in self._holes(lowest, end):
                try:
                    row = self._damaged.execute(f"{SELECT} WHERE seq = ?", (seq,)).fetchone()
                except TROUBLES:
                    self.unreadable.add(seq)
                else:
                    if row is not None:
                        found[seq] = row
        return {seq: row for seq, row in sorted(found.items()) if len(row) == len(COLUMNS)}

    def _holes(self, lowest: int, end: int) -> Iterator[int]:
        if end - lowest <= MAX_HOLES:
            yield from range(lowest, end)
        else:
            yield from (seq for seq in sorted(self.known) if lowest <= seq < end)


def _readable(connection: sqlite3.Connection, statement: str) -> Iterator[Row]:
    """The rows of a query as far as it gets."""
    try:
        yield from connection.execute(statement)
    except TROUBLES:
        return


def _make_current(target: sqlite3.Connection) -> None:
    """Of each call the newest that was not withdrawn; older ones that seem open are not."""
    target.execute(
        "UPDATE rating SET is_current = 1 WHERE seq IN "
        "(SELECT max(seq) FROM rating WHERE state != 'withdrawn' GROUP BY request_id)"
    )
    target.execute(
        "UPDATE rating SET state = 'superseded', due_at = NULL, settled_at = since "
        "WHERE is_current = 0 AND state IN ('held', 'queued', 'accepted')"
    )


def _copy_the_rest(damaged: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Calls, and what repeated requests are known by: losing that costs a second, equal rating."""
    for statement, insert in (
        (
            # The newest first, as far as it gets.
            "SELECT place, arrived, used, request_id, document FROM call ORDER BY place DESC",
            "INSERT OR IGNORE INTO call (place, arrived, used, request_id, document) VALUES (?, ?, ?, ?, ?)",
        ),
        ("SELECT key, digest, taken_at FROM once", "INSERT OR IGNORE INTO once VALUES (?, ?, ?)"),
        (
            "SELECT key, place, seq FROM once_rating",
            "INSERT OR IGNORE INTO once_rating VALUES (?, ?, ?)",
        ),
    ):
        for row in _readable(damaged, statement):
            with contextlib.suppress(sqlite3.IntegrityError):
                target.execute(insert, row)
