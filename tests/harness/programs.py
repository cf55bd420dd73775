"""The product as a program: its own process, its output as it comes."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from harness.loops import DEADLINE_SECONDS

# -P: what is installed, not what lies in the folder from which it is started (see `make compiled`).
COMMAND = (sys.executable, "-P", "-W", "error", "-m", "proxy")
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV", "XDG_STATE_HOME")
"""Of the environment: nothing that configures the product, and no HTTP proxy."""


def environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program of ours gets for an environment."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | dict(added or {})


def run_command(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(env),
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE_SECONDS,
        check=False,
    )


class Program:
    """A command of ours that runs until it is told to stop; a program that is left running is killed.

    `open_files`: how many it may have at most.
    """

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        open_files: int | None = None,
    ) -> None:
        limited = () if open_files is None else ("sh", "-c", 'ulimit -n "$0" && exec "$@"', str(open_files))
        self._process = subprocess.Popen(
            [*limited, *COMMAND, *arguments],
            env=environment(env),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._changed = threading.Condition()
        self._said = {"stdout": "", "stderr": ""}
        self._readers = [
            threading.Thread(target=self._read, args=(name, getattr(self._process, name)), daemon=True)
            for name in self._said
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()

    def _read(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._said[name] += line
                    self._changed.notify_all()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return self._said["stdout"]

    @property
    def stderr(self) -> str:
        """What it has logged and complained of."""
        return self._said["stderr"]

    def wait_for(self, pattern: str, *, where: str = "stdout") -> re.Match[str]:
        """Wait until it has said that, and give the match."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: re.search(pattern, self._said[where], re.MULTILINE), DEADLINE_SECONDS
            )
        assert found, f"{pattern!r} was not said, but:\n{self.stdout}\n{self.stderr}"
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for its end; gives its exit status."""
        status = self._process.wait(DEADLINE_SECONDS)
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        return status

    def stop(self) -> int:
        """Have it stop in good order; gives its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()
