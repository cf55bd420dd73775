"""How ratings come into the outbox and are taken back: what happens to the older ones of the same call."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.errors import KeyReused
from proxy.model import Entry, Progress, RatingState
from proxy.stores.contract import NewRating, OnceOnly
from proxy.stores.rows import INSERT, SELECT, entry_of, find, find_current, values_of

KEPT = 20
"""Entries of one call."""
DAY_SECONDS = 86_400.0

HAS_LEFT = "(posts > 0 OR accepted_at IS NOT NULL)"
"""`Progress.has_left`, for SQLite."""

SUPERSEDE = """
UPDATE rating SET
    is_current = 0,
    due_at = NULL,
    settled_at = CASE WHEN state IN ('held', 'queued', 'accepted') THEN :now ELSE settled_at END,
    state = CASE WHEN state IN ('held', 'queued', 'accepted') THEN 'superseded' ELSE state END
WHERE request_id = :request_id AND is_current = 1
"""

# The newest that has left stays: it is the current one again when those after it are taken back. What an
# Idempotency-Key still stands for stays, too.
TRIM = f"""
DELETE FROM rating
WHERE request_id = :request_id AND is_current = 0
    AND seq <= (SELECT seq FROM rating WHERE request_id = :request_id ORDER BY seq DESC LIMIT 1 OFFSET :kept)
    AND seq != ifnull((SELECT max(seq) FROM rating WHERE request_id = :request_id AND {HAS_LEFT}), 0)
    AND NOT EXISTS (SELECT 1 FROM once_rating WHERE once_rating.seq = rating.seq)
"""  # noqa: S608  # our own words

BEFORE = f"SELECT count(*), max({HAS_LEFT} OR changes_another) FROM rating WHERE request_id = ?"  # noqa: S608
NEWEST_THAT_LEFT = f"""
SELECT ifnull(max(seq), 0) FROM rating WHERE request_id = ? AND {HAS_LEFT} AND state != 'withdrawn'
"""  # noqa: S608

WITHDRAW = """
UPDATE rating SET is_current = 0, state = 'withdrawn', due_at = NULL, settled_at = :now
WHERE request_id = :request_id AND seq > :left AND state != 'withdrawn'
"""

RESTORE = """
UPDATE rating SET
    is_current = 1,
    due_at = CASE state WHEN 'superseded' THEN :now ELSE due_at END,
    settled_at = CASE state WHEN 'superseded' THEN NULL ELSE settled_at END,
    state = CASE state WHEN 'superseded' THEN 'accepted' ELSE state END
WHERE seq = :left
"""

RESTORE_UNSENT = """
UPDATE rating SET is_current = 1, due_at = :now, settled_at = NULL, state = 'queued' WHERE seq = :left
"""


@dataclass(slots=True)
class Taken:
    """What was appended, as it stands when all has been; and calls that may have too many entries by now."""

    entries: list[Entry]
    crowded: set[str]


def take(connection: sqlite3.Connection, ratings: Sequence[NewRating], now: float) -> Taken:
    """Append ratings.

    Each statement lets go of Python's lock, and may wait until the loop gives it back: as few as will do.
    """
    taken = Taken([], set())
    for each in ratings:
        _append(connection, each, now, taken)
    if len({each.request_id for each in ratings}) < len(ratings):
        # One of them lies over another.
        found = [find(connection, entry.seq) for entry in taken.entries]
        taken.entries = [entry for entry in found if entry is not None]
    return taken


def trim(connection: sqlite3.Connection, request_ids: set[str]) -> None:
    """Forget the oldest entries of these calls where there are too many."""
    for request_id in request_ids:
        connection.execute(TRIM, {"request_id": request_id, "kept": KEPT})


def _append(connection: sqlite3.Connection, new: NewRating, now: float, taken: Taken) -> None:
    count, left_before = connection.execute(BEFORE, (new.request_id,)).fetchone()
    rating = new.rating
    if count:
        current = find_current(connection, new.request_id)
        if current is not None and rating.is_automated and not current.rating.is_automated:
            # A person's stands, whichever came first.
            taken.entries.append(current)
            return
        if current is not None and current.progress.state is not RatingState.REFUSED:
            rating = rating.over(current.rating)
        connection.execute(SUPERSEDE, {"request_id": new.request_id, "now": now})
    if count >= KEPT:
        taken.crowded.add(new.request_id)
    entry = Entry(
        seq=0,
        request_id=new.request_id,
        key_fingerprint=new.key_fingerprint,
        rating=rating,
        rated_at=now,
        changes_another=bool(left_before),
        progress=Progress(state=new.state, since=now, due_at=new.due_at),
    )
    seq = connection.execute(INSERT, (1, *values_of(entry))).lastrowid
    if seq is None:  # pragma: no cover  # SQLite gives every row a number
        raise AssertionError
    taken.entries.append(replace(entry, seq=seq))


def take_back(connection: sqlite3.Connection, request_id: str, now: float) -> Entry | None:
    """Withdraw the current rating of a call if it has never left."""
    current = find_current(connection, request_id)
    if current is None or current.progress.has_left:
        return None
    (left,) = connection.execute(NEWEST_THAT_LEFT, (request_id,)).fetchone()
    automated = None if current.rating.is_automated else _automated_below(connection, current, left)
    if automated is not None:
        left = automated.seq
    named = {"request_id": request_id, "now": now, "left": left}
    connection.execute(WITHDRAW, named)
    connection.execute(RESTORE if automated is None else RESTORE_UNSENT, named)
    return find(connection, current.seq)


def _automated_below(connection: sqlite3.Connection, current: Entry, left: int) -> Entry | None:
    """The automated rating that a person's kept from leaving: it is not theirs to take back."""
    older = connection.execute(
        f"{SELECT} WHERE request_id = ? AND seq > ? AND seq < ? AND state = 'superseded' ORDER BY seq DESC",
        (current.request_id, left, current.seq),
    )
    entries = (entry_of(row) for row in older.fetchall())
    return next((entry for entry in entries if entry.rating.is_automated), None)


def recall(connection: sqlite3.Connection, once: OnceOnly, now: float) -> list[Entry] | None:
    """What was taken with that key within a day, as it stands now."""
    row = connection.execute(
        "SELECT digest FROM once WHERE key = ? AND taken_at > ?", (once.key, now - DAY_SECONDS)
    ).fetchone()
    if row is None:
        return None
    if row[0] != once.digest:
        raise KeyReused("That Idempotency-Key came within the last day with another request. Use a new one.")
    taken = connection.execute("SELECT seq FROM once_rating WHERE key = ? ORDER BY place", (once.key,))
    entries = [entry for (seq,) in taken.fetchall() if (entry := find(connection, seq)) is not None]
    # A damaged file may have lost them: then it is a first time again.
    return entries or None


def keep_once(connection: sqlite3.Connection, once: OnceOnly, entries: Sequence[Entry], now: float) -> None:
    """Remember what was taken with a key; that it was taken with older ones is forgotten."""
    forget_keys(connection, now - DAY_SECONDS)
    connection.execute("DELETE FROM once_rating WHERE key = ?", (once.key,))
    connection.execute("INSERT OR REPLACE INTO once VALUES (?, ?, ?)", (once.key, once.digest, now))
    connection.executemany(
        "INSERT INTO once_rating VALUES (?, ?, ?)",
        [(once.key, place, entry.seq) for place, entry in enumerate(entries)],
    )


def forget_keys(connection: sqlite3.Connection, until: float) -> None:
    """Forget the keys that came until then."""
    connection.execute(
        "DELETE FROM once_rating WHERE key IN (SELECT key FROM once WHERE taken_at <= ?)", (until,)
    )
    connection.execute("DELETE FROM once WHERE taken_at <= ?", (until,))
