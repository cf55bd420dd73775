"""Somebody's own functions, which rate."""

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_PLAIN = (bool, str, dict)
Function = Callable[[dict[str, Any], str | None], object]


class Failed(Exception):
    """One could not be called, or gave what is no rating. It is told by a type's name alone: the words of what was
    raised may be the answer's."""


def look_where_it_was_started() -> None:
    """Have modules found in the folder of the start; last, so that they are taken for no others."""
    # The folder may be gone.
    with contextlib.suppress(OSError):
        sys.path.append(str(Path.cwd()))


class Functions:
    """Those that were imported so far, each as `package.module:function`."""

    def __init__(self) -> None:
        self._known: dict[str, Function] = {}

    def load(self, call: str) -> Function:
        """Import one. Raises whatever its module does."""
        known = self._known.get(call)
        if known is None:
            module, _, name = call.partition(":")
            known = self._known[call] = getattr(importlib.import_module(module), name)
        return known

    def load_all(self, calls: Iterable[str]) -> None:
        """Import these: what they load takes none of their time."""
        for call in calls:
            # Asked for again when it is called, which says what is wrong with it.
            with contextlib.suppress(Exception, SystemExit):
                self.load(call)

    def ask(self, call: str, facts: dict[str, Any], text: str | None) -> object:
        """What it says of an answer; None for nothing. Raises Failed."""
        try:
            said = self.load(call)(facts, text)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it does, the next one is called
            raise Failed(type(error).__name__) from None
        if said is not None and not isinstance(said, _PLAIN):
            raise Failed(f"it gave a {type(said).__name__}")
        try:
            # What is read of it is made for JSON: a name that is no text would stop all rules.
            return json.loads(json.dumps(said))
        except (TypeError, ValueError, RecursionError):
            raise Failed("it gave no plain data") from None
