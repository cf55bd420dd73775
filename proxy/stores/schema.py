"""What is in the database file, and how an older one becomes a newer one.

A file's `user_version` is the number of migrations that it has been through. One that was released is never
changed: what is to be different is another migration, at the end.
"""

import sqlite3
from collections.abc import Callable

APPLICATION_ID = 0x48464250
"""Tells our files from other programs': HFBP, for helicone-feedback-proxy."""

Migration = tuple[str, ...] | Callable[[sqlite3.Connection], None]
"""Statements, or what is to be done where statements do not suffice."""

RATINGS: Migration = (
    # AUTOINCREMENT: a number is never given twice, also when the newest row has been forgotten.
    """
    CREATE TABLE rating (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        request_id TEXT NOT NULL,
        key_fingerprint TEXT NOT NULL,
        rating TEXT NOT NULL,
        rated_at REAL NOT NULL,
        changes_another INTEGER NOT NULL,
        is_current INTEGER NOT NULL,
        state TEXT NOT NULL,
        since REAL NOT NULL,
        due_at REAL,
        posts INTEGER NOT NULL,
        accepts INTEGER NOT NULL,
        looks INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        posted_at REAL,
        accepted_at REAL,
        settled_at REAL,
        reason TEXT,
        CHECK (state IN ('held', 'queued', 'accepted', 'verified', 'refused', 'superseded', 'withdrawn')),
        CHECK (is_current IN (0, 1)),
        CHECK (is_current = 0 OR state != 'withdrawn')
    )
    """,
    "CREATE INDEX rating_by_call ON rating (request_id, seq)",
    "CREATE UNIQUE INDEX rating_current ON rating (request_id) WHERE is_current = 1",
    """
    CREATE INDEX rating_due ON rating (key_fingerprint, state, due_at, seq)
    WHERE is_current = 1 AND due_at IS NOT NULL
    """,
    "CREATE INDEX rating_by_state ON rating (state, seq) WHERE is_current = 1",
    """
    CREATE INDEX rating_waiting ON rating (since)
    WHERE is_current = 1 AND state IN ('held', 'queued', 'accepted')
    """,
    """
    CREATE INDEX rating_settled ON rating (settled_at)
    WHERE settled_at IS NOT NULL AND (is_current = 0 OR state != 'refused')
    """,
    # Counting 100,000 rows takes milliseconds, which all others would wait for.
    "CREATE TABLE tally (state TEXT NOT NULL PRIMARY KEY, ratings INTEGER NOT NULL)",
    """
    CREATE TRIGGER tally_more AFTER INSERT ON rating WHEN NEW.is_current BEGIN
        INSERT OR IGNORE INTO tally VALUES (NEW.state, 0);
        UPDATE tally SET ratings = ratings + 1 WHERE state = NEW.state;
    END
    """,
    """
    CREATE TRIGGER tally_less AFTER DELETE ON rating WHEN OLD.is_current BEGIN
        UPDATE tally SET ratings = ratings - 1 WHERE state = OLD.state;
    END
    """,
    """
    CREATE TRIGGER tally_moved AFTER UPDATE OF state, is_current ON rating
    WHEN OLD.state != NEW.state OR OLD.is_current != NEW.is_current BEGIN
        INSERT OR IGNORE INTO tally VALUES (NEW.state, 0);
        UPDATE tally SET ratings = ratings - OLD.is_current WHERE state = OLD.state;
        UPDATE tally SET ratings = ratings + NEW.is_current WHERE state = NEW.state;
    END
    """,
    "CREATE TABLE once (key TEXT NOT NULL PRIMARY KEY, digest TEXT NOT NULL, taken_at REAL NOT NULL)",
    "CREATE INDEX once_by_time ON once (taken_at)",
    """
    CREATE TABLE once_rating (
        key TEXT NOT NULL, place INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, place)
    )
    """,
    "CREATE INDEX once_rating_by_seq ON once_rating (seq)",
)

MIGRATIONS: tuple[Migration, ...] = (RATINGS,)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has been through."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def schema_of(connection: sqlite3.Connection) -> set[tuple[str, str, str, str | None]]:
    """All that is declared in a file."""
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
    """Bring a file up to date, all of it or nothing."""
    version = version_of(connection)
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    for migration in migrations[version:]:
        if isinstance(migration, tuple):
            for statement in migration:
                connection.execute(statement)
        else:
            migration(connection)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute("COMMIT")
