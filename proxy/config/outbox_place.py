"""Where the outbox's file lies, and whether it can lie there. Looks, and makes nothing."""

import os
from pathlib import Path

import platformdirs

from proxy.config.problems import IN_MEMORY
from proxy.config.settings import OutboxSettings


def place_of(settings: OutboxSettings, port: int) -> Path | None:
    """The file, named after the port, so that two sidecars do not meet; None where it is memory."""
    if settings.path == IN_MEMORY:
        return None
    if settings.path is not None:
        return Path(settings.path)
    folder = settings.state_dir or platformdirs.user_state_path("helicone-feedback-proxy", appauthor=False)
    return Path(folder) / f"outbox-{port}.db"


def state_folder(settings: OutboxSettings) -> Path | None:
    """Where else state may lie: in the outbox's folder; None where nothing is kept on disk."""
    path = place_of(settings, 0)
    return None if path is None else path.parent


def why_unusable(settings: OutboxSettings, port: int) -> str | None:
    """Why no outbox can be made or written there, as a sentence that names the setting; None if it can."""
    path = place_of(settings, port)
    if path is None or (why := _obstacle(path)) is None:
        return None
    if settings.path is not None:
        remedy = "Choose another file with [outbox] path."
    elif settings.state_dir is not None:
        remedy = "Choose another folder with [outbox] state_dir, or --state-dir."
    else:
        remedy = "That is the system's own folder for such files; choose another one with --state-dir."
    return f"The outbox {path} cannot be made or written: {why}. {remedy}"


def _obstacle(path: Path) -> str | None:
    """What stands in the way of writing a file."""
    if os.path.lexists(path):
        if path.is_dir():
            return "it is a folder"
        return None if os.access(path, os.R_OK | os.W_OK) else "it may not be read and written by this user"
    there = next(each for each in path.parents if os.path.lexists(each))
    if not there.is_dir():
        return f"{there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written by this user"
