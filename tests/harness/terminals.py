"""A real terminal (a pty) with a command of ours in it."""

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from harness.loops import DEADLINE_SECONDS
from harness.programs import COMMAND, environment
from harness.wire import wait_until

_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|\([A-Z])")


class Terminal:
    """A command of ours in a terminal of its own."""

    def __init__(
        self, *arguments: str, env: Mapping[str, str] | None = None, lines: int = 30, columns: int = 140
    ) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (lines, columns))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.raw = b""
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment({"TERM": "xterm", **(env or {})}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_SECONDS)
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def text(self) -> str:
        """All that was shown since the last key, without escape sequences."""
        return _ESCAPES.sub(b"", self.raw).decode("utf-8", "replace")

    def read(self, seconds: float = 0.05) -> None:
        """What has been shown by now."""
        while select.select([self._ours], [], [], seconds)[0]:
            self.raw += os.read(self._ours, 65536)

    def wait_for(self, *words: str) -> None:
        """Wait until it has shown all of that."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not all(each in self.text for each in words):
            assert time.monotonic() < deadline, f"{words} are not all shown:\n{self.text}"
            self.read()

    def press(self, keys: bytes) -> None:
        """Press keys; what was shown before is forgotten."""
        self.read()
        self.raw = b""
        os.write(self._ours, keys)

    def ended(self) -> int:
        """Wait for its end; the terminal has to be as it was. Gives the exit status."""

        def is_over() -> bool:
            # Whoever does not read what it shows would keep it from ending.
            self.read(0.01)
            return self.process.poll() is not None

        wait_until(is_over, "it ends")
        assert termios.tcgetattr(self._theirs) == self.before
        # The cursor is shown, and the other screen is left.
        assert self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        assert self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        assert "Traceback" not in self.text
        return self.process.returncode
