"""What SQLite's errors mean to us: no room, a damaged file, a file in use, a failing disk, or a bug of ours."""

import sqlite3
from enum import Enum, auto
from types import MappingProxyType

from proxy.errors import OutboxFailed, OutboxFull


class Fault(Enum):
    """What kind of trouble an error of SQLite tells of."""

    FULL = auto()
    """The disk has no room, or the file has reached its bound."""
    DAMAGED = auto()
    """What is in the file cannot be understood."""
    IN_USE = auto()
    DISK = auto()
    """It cannot be written or read, for now or for good. Nobody knows what has become of the last write."""
    OURS = auto()
    """A statement that is wrong: a bug."""


FAULTS = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: Fault.FULL,
        sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
        sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
        sqlite3.SQLITE_BUSY: Fault.IN_USE,
        sqlite3.SQLITE_LOCKED: Fault.IN_USE,
        sqlite3.SQLITE_PROTOCOL: Fault.IN_USE,
        sqlite3.SQLITE_IOERR: Fault.DISK,
        sqlite3.SQLITE_READONLY: Fault.DISK,
        sqlite3.SQLITE_CANTOPEN: Fault.DISK,
        sqlite3.SQLITE_PERM: Fault.DISK,
        sqlite3.SQLITE_AUTH: Fault.DISK,
        sqlite3.SQLITE_NOLFS: Fault.DISK,
        sqlite3.SQLITE_NOMEM: Fault.DISK,
    }
)
"""By SQLite's primary result codes."""

PRIMARY_CODE = 0xFF
"""The rest of an extended result code says where it happened."""


Trouble = sqlite3.Error | UnicodeDecodeError
"""What running a statement can raise. The second: SQLite quotes a damaged schema, and that is no UTF-8."""
TROUBLES = (sqlite3.Error, UnicodeDecodeError)


class DamagedRow(sqlite3.DatabaseError):
    """A row that SQLite could read and we cannot: a byte of it has changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def fault_of(error: Trouble) -> Fault:
    """What an error means."""
    if isinstance(error, UnicodeDecodeError):
        return Fault.DAMAGED
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return FAULTS.get(code & PRIMARY_CODE, Fault.OURS)
    # Python's own: a text that is no UTF-8 has no code.
    return Fault.DAMAGED if isinstance(error, sqlite3.OperationalError) else Fault.OURS


def words_of(error: Trouble) -> str:
    """What an error says. Python's own, of a text that is no UTF-8, quotes what somebody wrote."""
    return str(error) if hasattr(error, "sqlite_errorcode") else "a text is not readable"


def translated(error: Trouble, where: str) -> OutboxFailed | Trouble:
    """The error that callers see; a bug of ours stays what it is."""
    match fault_of(error):
        case Fault.OURS:
            return error
        case Fault.FULL:
            return OutboxFull(f"There is no room for it in the outbox ({where}): {words_of(error)}.")
        case Fault.DAMAGED:
            return OutboxFailed(
                f"The outbox ({where}) is damaged: {words_of(error)}. It is set aside, and a new one begun."
            )
        case Fault.IN_USE | Fault.DISK:
            return OutboxFailed(f"The outbox ({where}) cannot be written or read: {words_of(error)}.")
