"""Opens the database file: makes it, locks it, looks for damage, brings it up to date.

A damaged file is set aside under another name, never deleted; what can be read of it goes into a new one.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy.errors import CannotStart
from proxy.stores.faults import TROUBLES, DamagedRow, Fault, fault_of, words_of
from proxy.stores.salvage import Salvage, mend_schema, salvage
from proxy.stores.schema import APPLICATION_ID, MIGRATIONS, Migration, migrate, schema_of, version_of
from proxy.volumes import sync_folder

log = logging.getLogger(__name__)

Connect = Callable[..., sqlite3.Connection]
"""`sqlite3.connect`, or what a test puts in its place."""
Stamp = Callable[[], str]
"""Words for the present moment that can stand in a file's name."""
Place = Path | Literal[":memory:"]

THOROUGH_CHECK_BYTES = 50_000_000
"""Up to here every row and index is looked at when the file is opened; above it would take seconds."""
HEADER_BYTES = 100
APPLICATION_ID_AT = 68
MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How to open a database. `migrations` are those that the schema has, but for a test's."""

    place: Place
    max_bytes: int
    stamp: Stamp
    connect: Connect = sqlite3.connect
    migrations: tuple[Migration, ...] = MIGRATIONS

    def open(self, *, check: bool) -> tuple[sqlite3.Connection, Salvage | None]:
        """A connection that nobody else has, and what was salvaged if the file was damaged. Raises CannotStart.

        `check`: whether to look for damage that does not show by itself.
        """
        with self._in_words():
            if isinstance(self.place, Path):
                _make(self.place)
                _refuse_another_programs(self.place)
            try:
                return self._connected(self.place, check=check), None
            except TROUBLES as error:
                if fault_of(error) is not Fault.DAMAGED or not isinstance(self.place, Path):
                    raise
                return self._replaced(self.place)

    def open_damaged(self) -> tuple[sqlite3.Connection, Salvage | None]:
        """The same for a file that is known to be damaged, whatever a check would say."""
        if not isinstance(self.place, Path) or not self.place.exists():
            return self.open(check=False)
        with self._in_words():
            return self._replaced(self.place)

    def identity(self) -> object:
        """Which file stands under the name now, None if none does."""
        if not isinstance(self.place, Path):
            return None
        try:
            found = self.place.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except TROUBLES as error:
            match fault_of(error):
                case Fault.OURS:
                    raise
                case Fault.IN_USE:
                    sentence = (
                        f"Another sidecar uses the outbox {self.place}. Stop it, or give this one another file "
                        f"([outbox] path) or another port, which its default file is named after."
                    )
                case Fault.FULL:
                    sentence = f"There is no room for the outbox {self.place}: {words_of(error)}."
                case _:
                    sentence = f"The outbox {self.place} cannot be opened: {words_of(error)}."
            raise CannotStart(sentence) from None
        except OSError as error:
            raise CannotStart(
                f"The outbox {self.place} cannot be made or opened: {error.strerror or error}. "
                f"Choose another file with [outbox] path."
            ) from error

    def _connected(self, place: Place, *, check: bool) -> sqlite3.Connection:
        with contextlib.ExitStack() as undo:
            connection = self.connect(str(place), isolation_level=None, timeout=0, cached_statements=256)
            undo.callback(connection.close)
            _lock(connection)
            self._refuse_newer(connection)
            _configure(connection, self.max_bytes)
            if check and isinstance(place, Path):
                _check(connection, place.stat().st_size)
            self._check_schema(connection)
            migrate(connection, self.migrations)
            if isinstance(place, Path):
                place.chmod(0o600)
            undo.pop_all()
        return connection

    def _check_schema(self, connection: sqlite3.Connection) -> None:
        """A changed byte may leave a schema that can be read, and means something else."""
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
            migrate(model, self.migrations[: version_of(connection)])
            if schema_of(connection) != schema_of(model):
                raise DamagedRow("its schema has changed")

    def _refuse_newer(self, connection: sqlite3.Connection) -> None:
        version = version_of(connection)
        if version > len(self.migrations):
            raise CannotStart(
                f"The outbox {self.place} was written by a newer version of this program (schema {version}; "
                f"this one knows {len(self.migrations)}). Upgrade, or choose another file with [outbox] path."
            )

    def _replaced(self, path: Path) -> tuple[sqlite3.Connection, Salvage]:
        """Put a new file in the place of a damaged one.

        The new one is complete before it gets its name: whoever is killed meanwhile begins again.
        """
        fresh = _beside(path, ".salvaging")
        _remove(fresh)
        _make(fresh)
        with contextlib.closing(self._connected(fresh, check=False)) as target:
            saved, given_up = self._salvaged(path, target)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = _set_aside(path, self.stamp())
        fresh.replace(path)
        sync_folder(path.parent)
        result = Salvage(saved=saved, given_up=given_up, kept=str(kept))
        log.warning(
            "The outbox %s was damaged. It is kept as %s; %s ratings were saved, %s given up.",
            path,
            kept,
            saved,
            "an unknown number" if given_up is None else given_up,
        )
        return self._connected(path, check=False), result

    def _salvaged(self, path: Path, target: sqlite3.Connection) -> tuple[int, int | None]:
        """Read from a copy: what is kept stays byte for byte as it was found."""
        with _copy_of(path) as copy:
            with contextlib.closing(self.connect(str(copy), isolation_level=None, timeout=0)) as damaged:
                if not _lock_anyhow(damaged):
                    return 0, None
                mend_schema(damaged, target)
            # Opened anew, it reads the schema anew.
            with contextlib.closing(self.connect(str(copy), isolation_level=None, timeout=0)) as damaged:
                return salvage(damaged, target) if _lock_anyhow(damaged) else (0, None)


def _lock_anyhow(damaged: sqlite3.Connection) -> bool:
    """Lock a damaged file; False if SQLite takes it for no database at all."""
    try:
        # So SQLite passes over what it cannot read of the schema, and reads what is left of a file cut off.
        damaged.execute("PRAGMA writable_schema = 1")
        _lock(damaged)
    except TROUBLES as error:
        if fault_of(error) is not Fault.DAMAGED:
            raise
        return False
    return True


@contextlib.contextmanager
def _copy_of(path: Path) -> Iterator[Path]:
    copy = _beside(path, ".damaged")
    _remove(copy)
    try:
        _make(copy)
        for suffix in ("", "-wal", "-journal"):
            if _beside(path, suffix).exists():
                shutil.copyfile(_beside(path, suffix), _beside(copy, suffix))
        yield copy
    finally:
        _remove(copy)


def _remove(path: Path) -> None:
    """Remove a file of our own making."""
    for suffix in ("", "-wal", "-journal"):
        _beside(path, suffix).unlink(missing_ok=True)


def _make(path: Path) -> None:
    """Make the folder and an empty file where they are missing, for nobody else's eyes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    sync_folder(path.parent)


def _refuse_another_programs(path: Path) -> None:
    """Look at the header without SQLite: merely opening and closing may change a file.

    Not while a connection of ours is open: closing any descriptor gives up this process's lock on the file.
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        return
    (application_id,) = struct.unpack_from(">I", header, APPLICATION_ID_AT)
    if application_id != APPLICATION_ID:
        raise CannotStart(
            f"{path} is another program's database. It was left as it is; choose another file with [outbox] path."
        )


def _lock(connection: sqlite3.Connection) -> None:
    """Take the file for this process alone, at once and until the end."""
    connection.execute("PRAGMA trusted_schema = 0")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("COMMIT")


def _configure(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Every setting that the file's safety rests on."""
    # First, and in a journal that writes the file itself: a file of ours is known by its header from the start.
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if journal == "wal":
        connection.execute("PRAGMA synchronous = FULL")
    else:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = EXTRA")
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    for setting, value in (
        # macOS's fsync leaves the data in the disk's own cache without these.
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("wal_autocheckpoint", 1000),
        ("journal_size_limit", 4 * 1024 * 1024),
        # A read error of a mapped file is a signal, not an error.
        ("mmap_size", 0),
        ("cell_size_check", 1),
        ("max_page_count", max(1, max_bytes // page_bytes)),
    ):
        connection.execute(f"PRAGMA {setting} = {value}")


def _check(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Raises DamagedRow (an error of SQLite's kind) where the file is not as it should be."""
    how = "integrity_check" if size_bytes <= THOROUGH_CHECK_BYTES else "quick_check"
    (verdict,) = connection.execute(f"PRAGMA {how}(1)").fetchone()
    if verdict != "ok":
        raise DamagedRow(str(verdict))


def _set_aside(path: Path, stamp: str) -> Path:
    """Give a damaged file another name. Its log goes first: beside a new file it would be deleted."""
    kept = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while kept.exists() or _beside(kept, "-wal").exists():
        number += 1
        kept = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    for suffix in ("-wal", "-journal", ""):
        part = _beside(path, suffix)
        if part.exists():
            part.rename(_beside(kept, suffix))
    return kept


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
