"""Who else on this machine may read what holds a secret, or write where ratings lie. Only looks."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from proxy.config.kinds import declared_settings
from proxy.config.outbox_place import place_of, state_folder
from proxy.config.settings import Settings
from proxy.config.sources import from_file
from proxy.signing_secret import FILE_NAME
from proxy.volumes import mount_kind

_SECRETS: Final = frozenset({"api_key", "open_webui_secret", "provider_key", "secret", "token", "tokens"})
"""The last words of settings that are secrets."""
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTED: Final = PurePosixPath("/run/secrets")
_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
_WRITTEN_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def permission_advice(
    config_file: Path | None, settings: Settings, kind_of: Callable[[Path], str | None] = mount_kind
) -> Iterator[str]:
    """Say which of these are open to others. `kind_of` tells a folder's kind of file system.

    Not of files in memory and below /run/secrets: how those look to whom is up to whatever mounts them.
    """
    if os.name != "posix":
        return
    for file in _secret_files(config_file, settings):
        found = _status(file)
        if found is None or _is_mounted(file, kind_of):
            continue
        if _is_open(found):
            yield f"{file} holds a secret, and others on this machine may read it: chmod 600 {file}"
        place = file.absolute().parent
        if _may_be_replaced_in(place):
            yield (
                f"{file} holds a secret, and others on this machine may put another one in its place: "
                f"chmod go-w {place}"
            )
    outbox = place_of(settings.outbox, settings.server.port)
    folder = None if outbox is None else outbox.parent
    found = None if folder is None else _status(folder)
    if found is not None and found.st_mode & _WRITTEN_BY_OTHERS:
        yield (
            f"{folder}, where ratings are kept, may be written by others on this machine, who can take them away: "
            f"chmod 700 {folder}, or choose another folder with --state-dir."
        )


def _secret_files(config_file: Path | None, settings: Settings) -> Iterator[Path]:
    if config_file is not None:
        given = from_file(config_file, declared_settings(Settings)).values
        if any(_holds_secret(key.rpartition(".")[2], value) for key, value in given.items()):
            yield config_file
    named = [settings.helicone.api_key_file, settings.guard.token_file]
    named += [settings.hooks.secret_file, settings.webhooks.open_webui_secret_file]
    named += [route.provider_key_file for route in settings.routes.values()]
    for name in dict.fromkeys(named):
        if name is not None:
            yield Path(name)
    folder = state_folder(settings.outbox)
    if settings.hooks.token and settings.hooks.secret is None and folder is not None:
        yield folder / FILE_NAME


def _holds_secret(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return False  # hooks.token says only whether there are tokens.
    # What of a header's value is a secret nobody knows but who wrote it.
    return name in _SECRETS or (name == "headers" and bool(value))


def _may_be_replaced_in(folder: Path) -> bool:
    """Whether others may put a file in another's place there; where the sticky bit is, only its owner may."""
    found = _status(folder)
    return found is not None and bool(found.st_mode & _WRITTEN_BY_OTHERS) and not found.st_mode & stat.S_ISVTX


def _is_open(found: os.stat_result) -> bool:
    # What belongs to another user, root say, is ours to read by its group alone.
    is_theirs = found.st_uid != os.geteuid()
    return bool(found.st_mode & (stat.S_IROTH if is_theirs else _READ_BY_OTHERS))


def _is_mounted(file: Path, kind_of: Callable[[Path], str | None]) -> bool:
    there = file.absolute()
    return there.is_relative_to(_MOUNTED) or kind_of(there.parent) in _IN_MEMORY


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
