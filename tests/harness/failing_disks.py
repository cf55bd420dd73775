"""Connections to a database on a disk that fails when it is told to."""

import sqlite3
from collections.abc import Callable
from typing import Any


class FailingDisk:
    """`connect` gives connections whose statements fail with a code of SQLite's, by their beginnings."""

    def __init__(self) -> None:
        self.failing: dict[str, int] = {}
        """What fails: the first words of statements, and with which code."""
        self.fails_late = False
        """Whether a statement fails after it had its effect, as an fsync can."""
        self.connections: list[sqlite3.Connection] = []
        self.before: Callable[[str], None] = lambda _: None
        """Called with each statement before it is run."""

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401  # sqlite3's own
        if "connect" in self.failing:
            raise failure(self.failing["connect"])
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401
                disk.before(statement)
                code = next(
                    (code for words, code in disk.failing.items() if statement.startswith(words)), None
                )
                if code is not None and not disk.fails_late:
                    raise failure(code)
                cursor = super().execute(statement, *values)
                if code is not None:
                    raise failure(code)
                return cursor

        connection = sqlite3.connect(*arguments, factory=Connection, **options)
        self.connections.append(connection)
        return connection


def failure(code: int) -> sqlite3.OperationalError:
    """The error that SQLite raises with that code."""
    error = sqlite3.OperationalError(f"failed with {code}")
    error.sqlite_errorcode = code
    return error
