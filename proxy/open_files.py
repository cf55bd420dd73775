"""How many files, and with them connections, this process may have open."""

import contextlib
import logging
import sys

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

_UNLIMITED = 1 << 20
_MACOS_MOST = 10_240
"""Its OPEN_MAX: it names no limit, and takes none above this."""
_OWN = 128
"""For what is open besides calls: listeners, the log, ratings on their way, people who look."""


def raise_limit() -> int:
    """Raise the limit on open files as far as it may be raised. Gives what it is now."""
    if sys.platform == "win32":
        return _UNLIMITED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, _MACOS_MOST):
        if _count(soft) >= min(_count(wanted), _count(hard)):
            break
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _count(soft)


def _count(limit: int) -> int:
    return _UNLIMITED if limit == resource.RLIM_INFINITY else limit


def connections(open_files: int, *, besides: int) -> int:
    """How many connections so many open files allow, each with one to the gateway; `besides`: what lies idle."""
    return max(1, (open_files - _OWN - min(besides, open_files // 4)) // 2)


def possible_connections(wanted: int, *, besides: int) -> int:
    """As many connections as are wanted, or, with a warning, as this process may have open files for."""
    allowed = raise_limit()
    possible = connections(allowed, besides=besides)
    if possible >= wanted:
        return wanted
    logger.warning(
        "Only %d files may be open here, which is enough for %d connections at a time; [server] "
        "max_connections says %d. Raise the limit (ulimit -n), or lower the setting.",
        allowed, possible, wanted,
    )  # fmt: skip
    return possible
