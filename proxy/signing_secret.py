"""The file with the secret that Feedback-Tokens are signed with: made once, for this user alone, then read."""

import contextlib
import errno
import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from proxy.config.hooking import SECRET
from proxy.errors import CannotStart
from proxy.volumes import sync_folder

logger = logging.getLogger(__name__)

FILE_NAME: Final = "feedback-secret"

_LONGEST: Final = 1024
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.05
_NOTHING_USABLE: Final = "it holds no secret of 32 to 200 characters"


def signing_secret(folder: Path | None, fresh: str) -> str:
    """What to sign with: what that folder keeps, else `fresh`, which it keeps from now on. Raises CannotStart.

    Without a folder, where nothing is kept on disk, it ends with this process.
    """
    if folder is not None:
        return read_or_make(folder / FILE_NAME, fresh)
    logger.warning(
        "Feedback-Tokens are signed with a secret of this process: nothing is kept on disk, so they end with it. "
        "Set hooks.secret to have them outlast a restart."
    )
    return fresh


def read_or_make(file: Path, fresh: str, pause: Callable[[float], None] = time.sleep) -> str:
    """The secret in `file`; where there is no file, `fresh` is put into a new one. Raises CannotStart.

    Of several sidecars that start at once, one makes the file and all read it. `pause` lets one finish that writes
    on a file system on which a whole file cannot be put in place.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (found := _read(file)) is None:
            _make(file, fresh)
        for _ in range(_TRIES):
            if (found := _read(file)) is not None and SECRET.fullmatch(found):
                return found
            pause(_PAUSE_SECONDS)
    except OSError as error:
        raise CannotStart(_sentence(file, error.strerror or type(error).__name__)) from None
    raise CannotStart(_sentence(file, _NOTHING_USABLE))


def obstacle(file: Path) -> str | None:
    """Why that file cannot be used, as far as a look tells, as a sentence; None if it can, or can be made."""
    try:
        found = _read(file)
    except CannotStart as error:
        return error.message
    except OSError as error:
        return _sentence(file, error.strerror or type(error).__name__)
    return None if found is None or SECRET.fullmatch(found) else _sentence(file, _NOTHING_USABLE)


def _sentence(file: Path, why: str) -> str:
    return (
        f"The secret of Feedback-Tokens, {file}, cannot be used: {why}. Take the file away, so that a new one is "
        "made (tokens that are out then end), or give the secret as hooks.secret or hooks.secret_file."
    )


def _read(file: Path) -> str | None:
    """What stands in the file; None if there is none. Raises CannotStart for one that others may know."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(file, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            # Whoever put it there may know what it leads to.
            raise CannotStart(_sentence(file, "it is a symbolic link")) from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CannotStart(_sentence(file, "it is no file"))
        if os.name == "posix" and status.st_uid not in (0, os.geteuid()):
            raise CannotStart(_sentence(file, "it belongs to another user, who knows what is in it"))
        return os.read(descriptor, _LONGEST).decode("latin-1").strip()
    finally:
        os.close(descriptor)


def _make(file: Path, secret: str) -> None:
    """Put a whole file in place, unless another sidecar was first."""
    # In containers with one folder all may be process 1: a name of chance, which says nothing of the secret.
    begun = file.with_name(f"{file.name}.{hashlib.sha256(secret.encode()).hexdigest()[:16]}")
    _write(begun, secret)
    try:
        os.link(begun, file)
    except FileExistsError:
        return
    except OSError:
        # Some file systems know no links; others then have to wait until it is written.
        with contextlib.suppress(FileExistsError):
            _write(file, secret)
    finally:
        begun.unlink()
    sync_folder(file.parent)


def _write(file: Path, secret: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(file, flags, 0o600), "wb") as opened:
        opened.write(secret.encode("ascii") + b"\n")
        opened.flush()
        os.fsync(opened.fileno())
