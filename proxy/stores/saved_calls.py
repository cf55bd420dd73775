"""Recent calls in the outbox's file."""

import sqlite3
from collections.abc import Sequence

from proxy.errors import OutboxFull
from proxy.stores.contract import SavedCall
from proxy.stores.database import Database, is_nearly_full

RATINGS_SHARE = 2
"""One part in so many of the file's bound is what calls leave to ratings."""
TRIMS = 16
"""So many times calls above the capacity are forgotten while as many come as there may be."""

SAVE = """
INSERT INTO call (place, arrived, used, request_id, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (place) DO UPDATE SET
    arrived = excluded.arrived, used = max(used, excluded.used), document = excluded.document
WHERE excluded.arrived >= arrived
"""

TRIM = "DELETE FROM call WHERE used <= (SELECT used FROM call ORDER BY used DESC LIMIT 1 OFFSET ?)"

# As they should be, whatever stands in a file that was damaged.
LOAD = """
SELECT place, CAST(arrived AS INTEGER), CAST(used AS INTEGER), CAST(request_id AS TEXT), CAST(document AS TEXT)
FROM call WHERE ifnull(used > (SELECT used FROM call ORDER BY used DESC LIMIT 1 OFFSET ?), 1)
ORDER BY arrived, place
"""


class SqliteSavedCalls:
    """See `stores.contract.SavedCalls`."""

    def __init__(self, database: Database, capacity: int) -> None:
        self._database = database
        self._capacity = capacity
        self._saved_since_trim = 0

    def __repr__(self) -> str:
        return f"<SqliteSavedCalls, at most {self._capacity}, in {self._database!r}>"

    async def save(self, calls: Sequence[SavedCall]) -> None:
        """Keep these; the longest unused make room."""
        self._saved_since_trim += len(calls)
        # To look for the one in whose place they are takes a walk past all: not each time.
        is_trimmed = self._saved_since_trim > self._capacity // TRIMS

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(SAVE, calls)
            if is_trimmed:
                connection.execute(TRIM, (self._capacity,))
            if is_nearly_full(connection, RATINGS_SHARE):
                _halve(connection)

        await self._database.run(job)
        if is_trimmed:
            self._saved_since_trim = 0

    async def load(self) -> list[SavedCall]:
        """All that are kept and fit, in the order of their arrival."""
        try:
            await self._database.run(lambda connection: connection.execute(TRIM, (self._capacity,)).rowcount)
        except OutboxFull:
            # To forget takes room, too. A disk that is full must not keep calls from being relayed.
            self._saved_since_trim = self._capacity
        return await self._database.run(
            lambda connection: [
                SavedCall(*row) for row in connection.execute(LOAD, (self._capacity,)).fetchall()
            ]
        )

    async def forget(self) -> int:
        """Forget all, and overwrite what they took."""

        def job(connection: sqlite3.Connection) -> int:
            # Emptying an empty table writes, too, which a full disk refuses.
            if connection.execute("SELECT 1 FROM call LIMIT 1").fetchone() is None:
                return 0
            connection.execute("PRAGMA secure_delete = 1")
            return connection.execute("DELETE FROM call").rowcount

        return await self._database.run(job)


def _halve(connection: sqlite3.Connection) -> None:
    """Forget the longer unused half; raises OutboxFull where even that makes too little room."""
    (count,) = connection.execute("SELECT count(*) FROM call").fetchone()
    connection.execute(TRIM, (count // 2,))
    if is_nearly_full(connection, RATINGS_SHARE):
        raise OutboxFull("The outbox is so full that no calls are saved. Raise [outbox] max_size_mib.")
