"""How many files, and with them connections, this process may have open."""

import sys

if sys.platform != "win32":
    import resource

_UNLIMITED = 1 << 20
_OWN = 128
"""For what is open besides calls: listeners, the log, ratings on their way, people who look."""


def raise_limit() -> int:
    """Raise the limit on open files as far as it may be raised. Gives what it is now."""
    if sys.platform == "win32":
        return _UNLIMITED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # macOS names no limit, and then does not take that one.
            return soft
        soft = hard
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft


def connections(open_files: int, *, besides: int) -> int:
    """How many connections so many open files allow, each with one to the gateway; `besides`: what lies idle."""
    return max(1, (open_files - _OWN - min(besides, open_files // 4)) // 2)
