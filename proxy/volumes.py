"""Folders and disks: what kind of file system a folder lies on, and that what was made there stays."""

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_VOLATILE = frozenset({"tmpfs", "ramfs", "overlay"})
"""What does not outlast the machine, or its container."""


def volatile_kind(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """The kind of file system that `folder` lies on if a restart may empty it, else None."""
    kind = mount_kind(folder, mounts)
    return kind if kind in _VOLATILE else None


def mount_kind(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """The kind of file system that `folder` lies on; None where the system does not tell (proc(5), mountinfo)."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
        wanted = folder.resolve()
    except OSError:
        return None
    kind, depth = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split(" ")[4]))
        # Of two on the same place, the later one hides the earlier.
        if wanted.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = after.split(" ")[0], len(point.parts)
    return kind or None


def _unescaped(text: str) -> str:
    r"""A path as it is: a space is written as \040 there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def sync_folder(folder: Path) -> None:
    """Have what was made in a folder be there after a power failure, which may take a new file's name away."""
    if os.name == "nt":  # pragma: no cover  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
