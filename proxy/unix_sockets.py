"""A Unix socket that only this user may connect to, where no other sidecar listens."""

import contextlib
import errno
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from proxy.errors import CannotStart

if sys.platform != "win32":
    import fcntl

_OURS_ALONE = 0o600
_ANSWER_SECONDS = 1.0
"""How long a connection to whoever listens there may take: its queue may be full."""
_TRIES = 20
_PAUSE_SECONDS = 0.1
_NO_SOCKET = "something that is no socket is there, and stays as it is"
_NOBODY = frozenset({errno.ECONNREFUSED, errno.ENOENT})


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A listening one. `identity`: device and inode of its name on disk."""

    path: Path
    sock: socket.socket
    identity: tuple[int, int]

    @classmethod
    def bind(cls, path: Path, backlog: int, pause: Callable[[float], None] = time.sleep) -> Self:
        """Listen at `path`, in place of a socket that nobody listens on any more. Raises CannotStart.

        `pause` lets other sidecars finish that start in the same folder just now.
        """
        if (why := obstacle(path)) is not None:
            raise CannotStart(why)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _alone_in(path.parent, pause):
                _make_room(path)
                # Linux makes the name with the mode that the socket has; elsewhere that says nothing.
                with contextlib.suppress(OSError):
                    os.fchmod(sock.fileno(), _OURS_ALONE)
                sock.bind(str(path))
                # Nobody can connect before `listen`, whatever the mode was until now.
                path.chmod(_OURS_ALONE)
                sock.listen(backlog)
            sock.setblocking(False)  # noqa: FBT003
            return cls(path, sock, _identity(path))
        except CannotStart:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            raise CannotStart(_sentence(path, error.strerror or type(error).__name__)) from None

    def forget(self) -> None:
        """Take the name off the disk, if it still is ours."""
        with contextlib.suppress(OSError):
            if _identity(self.path) == self.identity:
                self.path.unlink()

    def close(self) -> None:
        """Listen no longer."""
        self.forget()
        self.sock.close()


def _sentence(path: Path, why: str) -> str:
    return (
        f"Listening on the Unix socket {path} failed: {why}. Choose another path with [server] unix_socket."
    )


def obstacle(path: Path) -> str | None:
    """Why no socket can be made there, as far as a look tells, as a sentence; None if nothing is in the way."""
    folder = path.parent
    if not os.path.lexists(folder):
        return _sentence(path, f"the folder {folder} does not exist: make it (mkdir -p -m 700 {folder})")
    try:
        is_other = not stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return None
    return _sentence(path, _NO_SOCKET) if is_other else None


@contextlib.contextmanager
def _alone_in(folder: Path, pause: Callable[[float], None]) -> Iterator[None]:
    """Keep other sidecars from making a socket in that folder, so that two do not replace each other's."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Held for a moment by whoever is honest. Whoever may read the folder could keep it, so that
                # we go on without it in the end.
                pause(_PAUSE_SECONDS)
            except OSError:
                break  # Some file systems know no locks.
        yield
    finally:
        os.close(descriptor)


def _make_room(path: Path) -> None:
    """Take away a socket that a dead program left at `path`. Raises CannotStart for anything else there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotStart(_sentence(path, _NO_SOCKET))
    if _is_anybody_there(path):
        raise CannotStart(
            f"Somebody listens on the Unix socket {path} already, perhaps another sidecar. Stop that program, or "
            "choose another path with [server] unix_socket."
        )
    path.unlink(missing_ok=True)


def _is_anybody_there(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ANSWER_SECONDS)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EPROTOTYPE):
                return True
            if error.errno not in _NOBODY:
                raise
            return False
    return True


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
