"""Secrets that stand in files of their own, as Docker and Kubernetes give them: `api_key_file` for `api_key`.

A setting that ends in `_file`, beside one of the same name without that, is such a file; there is nothing else to
declare.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from proxy.config.kinds import Declared
from proxy.config.problems import shown, shown_path
from proxy.config.sources import Layer

_SUFFIX: Final = "_file"
_LIMIT_BYTES: Final = 65_536
"""More than any key; a path to the wrong file must not fill the memory."""


def pair_of(key: str, declared: Declared) -> tuple[str, str] | None:
    """The keys of a secret and of its file, where `key` is either; None for any other setting."""
    secret = key.removesuffix(_SUFFIX)
    file = secret + _SUFFIX
    return (secret, file) if declared.is_setting(secret) and declared.is_setting(file) else None


def said_twice(layer: Layer, declared: Declared) -> Iterator[str]:
    """Say where one source gives a secret and a file for it: which of them is meant?"""
    for key in layer.values:
        pair = pair_of(key, declared)
        if pair is not None and key == pair[1] and pair[0] in layer.values:
            yield f"{layer.name(key)}: means the same as {layer.name(pair[0])}; set one of them"


def with_secrets(
    values: Mapping[str, object], names: Mapping[str, str], declared: Declared
) -> tuple[dict[str, object], dict[str, str], dict[str, str]]:
    """Values and names with what stands in the files that they name, and what is wrong, by the secret's key.

    A file is read only if nothing overrides it, so that its path may be one of another machine. No sentence holds
    anything of its content.
    """
    read, called, problems = dict(values), dict(names), dict[str, str]()
    for key, path in values.items():
        pair = pair_of(key, declared)
        if pair is None or key != pair[1] or not isinstance(path, str):
            continue
        secret, name = pair[0], names[key]
        try:
            read[secret] = declared[secret].kind.accept(_content(Path(path)))
            called[secret] = name
        except ValueError as error:
            problems[secret] = f"{name}: the file {_shown(path)} {error}"
    return read, called, problems


def _shown(path: str) -> str:
    """A path for an error, unless it is a token that begins with a slash.

    Nothing lies at the top of a machine that is not there: a path of which nothing is there is not shown.
    """
    absolute = Path(path)
    top = Path(*absolute.parts[:2])
    if not os.path.lexists(top):
        return "***"
    return "/".join(
        part if os.path.lexists(Path(*absolute.parts[: depth + 1])) or shown(part) == part else "***"
        for depth, part in enumerate(shown_path(path).split("/"))
    )


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; of a pipe nobody needs to be at the other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _content(file: Path) -> str:
    """What stands in a file. Raises ValueError, with the end of a sentence about it."""
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise ValueError("must be a file: a pipe or a device could keep the start waiting")
            content = opened.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    if len(content) > _LIMIT_BYTES:
        raise ValueError(f"must hold the secret alone, and has more than {_LIMIT_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("must hold the secret alone, as text in UTF-8") from None
    if not text:
        raise ValueError("is empty: it must hold the secret")
    return text
