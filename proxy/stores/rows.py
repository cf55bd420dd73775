"""Ratings as rows, and back."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from proxy.model import Entry, Progress, Rating, RatingState
from proxy.stores.faults import DamagedRow

Row = tuple[Any, ...]

PROGRESS_COLUMNS = (
    "state",
    "since",
    "due_at",
    "posts",
    "accepts",
    "looks",
    "failures",
    "posted_at",
    "accepted_at",
    "settled_at",
    "reason",
)
"""The fields of a Progress, by their names."""

COLUMNS = (
    "seq",
    "request_id",
    "key_fingerprint",
    "rating",
    "rated_at",
    "changes_another",
    *PROGRESS_COLUMNS,
)
"""The fields of an Entry, in the order in which rows are read. Besides there is `is_current`."""

SELECT = f"SELECT {', '.join(COLUMNS)} FROM rating"  # noqa: S608  # our own names
INSERT = f"INSERT INTO rating (is_current, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})"  # noqa: S608
ADVANCE = f"UPDATE rating SET {' = ?, '.join(PROGRESS_COLUMNS)} = ? WHERE seq = ? AND state = ? AND posts = ?"  # noqa: S608


def entry_of(row: Row) -> Entry:
    """The entry that a row, read by SELECT, holds. Raises DamagedRow."""
    seq, request_id, key_fingerprint, rating, rated_at, changes_another, *progress = row
    try:
        return Entry(
            seq=seq,
            request_id=_text(request_id),
            key_fingerprint=_text(key_fingerprint),
            rating=Rating.from_document(json.loads(rating)),
            rated_at=float(rated_at),
            changes_another=bool(changes_another),
            progress=_progress_of(progress),
        )
    except (ValueError, TypeError, AttributeError) as error:
        # Not the error's own words: they may quote what somebody wrote.
        raise DamagedRow(f"row {seq} is not readable ({type(error).__name__})") from None


def values_of(entry: Entry) -> Row:
    """What is written for an entry, in the order of COLUMNS. Without a `seq` of its own (0) it gets the next."""
    return (
        entry.seq or None,
        entry.request_id,
        entry.key_fingerprint,
        # Escaped: a lone surrogate in somebody's comment is no UTF-8.
        json.dumps(entry.rating.as_document(), separators=(",", ":")),
        entry.rated_at,
        int(entry.changes_another),
        *progress_values(entry.progress),
    )


def progress_values(progress: Progress) -> Row:
    """What is written for a progress, in the order of PROGRESS_COLUMNS."""
    return tuple(getattr(progress, column) for column in PROGRESS_COLUMNS)


def _progress_of(values: Sequence[Any]) -> Progress:
    state, since, due_at, posts, accepts, looks, failures, posted_at, accepted_at, settled_at, reason = values
    return Progress(
        state=RatingState(state),
        since=float(since),
        due_at=_time(due_at),
        posts=int(posts),
        accepts=int(accepts),
        looks=int(looks),
        failures=int(failures),
        posted_at=_time(posted_at),
        accepted_at=_time(accepted_at),
        settled_at=_time(settled_at),
        reason=None if reason is None else _text(reason),
    )


def _time(value: Any) -> float | None:  # noqa: ANN401  # whatever stands in a damaged file
    return None if value is None else float(value)


def _text(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise TypeError
    return value


def find_current(connection: sqlite3.Connection, request_id: str) -> Entry | None:
    """The current entry of a call."""
    row = connection.execute(f"{SELECT} WHERE request_id = ? AND is_current = 1", (request_id,)).fetchone()
    return None if row is None else entry_of(row)


def find(connection: sqlite3.Connection, seq: int) -> Entry | None:
    """The entry with that number."""
    row = connection.execute(f"{SELECT} WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else entry_of(row)
