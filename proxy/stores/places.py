"""What is worth saying of where an outbox lies, when it has been opened."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from proxy.stores.schema import APPLICATION_ID
from proxy.volumes import volatile_kind

_MOST_OTHERS = 50
"""Whoever lets a free port be picked has a file of each start. The newest are looked at."""
_OPEN = """
SELECT count(*) FROM rating
WHERE is_current = 1 AND state IN ('held', 'queued', 'accepted') AND (due_at IS NOT NULL OR state = 'held')
"""


def worth_saying(path: Path, *, is_named_after_port: bool) -> Iterator[str]:
    """Sentences for the log."""
    kind = volatile_kind(path.parent)
    if kind is not None:
        yield (
            f"The outbox {path} lies on {kind}, which may not outlast a restart of the machine or container. Put "
            "it onto a disk with --state-dir, or [outbox] path."
        )
    others = left_behind(path) if is_named_after_port else {}
    if others:
        listed = ", ".join(f"{number} in {other}" for other, number in others.items())
        yield (
            f"Ratings that have not arrived wait in outboxes of other ports: {listed}. Each leaves when a sidecar "
            "runs on the port in its name again."
        )


def left_behind(path: Path) -> dict[Path, int]:
    """The other outboxes beside `path` that nobody uses, and how many ratings wait in each, where any do."""
    try:
        others = [each for each in path.parent.glob("outbox-*.db") if each.name != path.name]
        newest = sorted(others, key=lambda each: each.stat().st_mtime, reverse=True)[:_MOST_OTHERS]
    except OSError:
        return {}
    counted = {each: _open_ratings(each) for each in newest}
    return {each: number for each, number in counted.items() if number}


def _open_ratings(path: Path) -> int:
    """How many ratings wait in a file that nobody uses; 0 for any other, which is left alone.

    A running sidecar has a journal beside its file, and so has one that was killed: those are not touched. Others
    are read without a lock and without a trace (`immutable`), so a sidecar that is just starting is not kept out.
    Should it write meanwhile, our number is wrong, and nothing else.
    """
    if any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal")):
        return 0
    with contextlib.suppress(sqlite3.Error):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, timeout=0)
        with contextlib.closing(connection):
            if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                return int(connection.execute(_OPEN).fetchone()[0])
    return 0
