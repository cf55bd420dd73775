"""Recent calls in the outbox's file."""

import sqlite3
from collections.abc import Sequence

from proxy.errors import OutboxFull
from proxy.stores.contract import SavedCall
from proxy.stores.database import Database, is_nearly_full

RATINGS_SHARE = 2
"""One part in so many of the file's bound is what calls leave to ratings."""

SAVE = """
INSERT INTO call (request_id, arrived, used, document) VALUES (?, ?, ?, ?)
ON CONFLICT (request_id) DO UPDATE SET
    arrived = excluded.arrived, used = max(used, excluded.used), document = excluded.document
WHERE excluded.arrived >= arrived
"""

TRIM = "DELETE FROM call WHERE used <= (SELECT used FROM call ORDER BY used DESC LIMIT 1 OFFSET ?)"


class SqliteSavedCalls:
    """See `stores.contract.SavedCalls`."""

    def __init__(self, database: Database, capacity: int) -> None:
        self._database = database
        self._capacity = capacity

    def __repr__(self) -> str:
        return f"<SqliteSavedCalls, at most {self._capacity}, in {self._database!r}>"

    async def save(self, calls: Sequence[SavedCall]) -> None:
        """Keep these; the longest unused make room."""
        rows = [(call.request_id, call.arrived, call.used, call.document) for call in calls]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(SAVE, rows)
            connection.execute(TRIM, (self._capacity,))
            if is_nearly_full(connection, RATINGS_SHARE):
                _halve(connection)

        await self._database.run(job)

    async def load(self) -> list[SavedCall]:
        """All that are kept, in the order of their arrival."""

        def job(connection: sqlite3.Connection) -> list[SavedCall]:
            connection.execute(TRIM, (self._capacity,))
            rows = connection.execute(
                # As they should be, whatever stands in a file that was damaged.
                "SELECT CAST(request_id AS TEXT), CAST(arrived AS INTEGER), CAST(used AS INTEGER), "
                "CAST(document AS TEXT) FROM call ORDER BY arrived, place"
            ).fetchall()
            return [
                SavedCall(request_id=request_id, arrived=arrived, used=used, document=document)
                for request_id, arrived, used, document in rows
            ]

        return await self._database.run(job)

    async def forget(self) -> int:
        """Forget all, and overwrite what they took."""

        def job(connection: sqlite3.Connection) -> int:
            connection.execute("PRAGMA secure_delete = 1")
            return connection.execute("DELETE FROM call").rowcount

        return await self._database.run(job)


def _halve(connection: sqlite3.Connection) -> None:
    """Forget the longer unused half; raises OutboxFull where even that makes too little room."""
    (count,) = connection.execute("SELECT count(*) FROM call").fetchone()
    connection.execute(TRIM, (count // 2,))
    if is_nearly_full(connection, RATINGS_SHARE):
        raise OutboxFull("The outbox is so full that no calls are saved. Raise [outbox] max_size_mib.")
