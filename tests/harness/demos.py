"""The examples as programs of their own, beside a demo that runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.loops import DEADLINE_SECONDS
from harness.programs import Program, environment

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
LONG_SECONDS = DEADLINE_SECONDS * 3
"""Importing an SDK takes seconds on a busy machine, and so does being verified."""


@dataclass(frozen=True)
class Demo:
    """`helicone-proxy demo`, running."""

    program: Program
    url: str
    api: dict[str, str]
    """What it says that programs need which ask Helicone itself."""

    @property
    def environment(self) -> dict[str, str]:
        """What an example is started with."""
        return {
            **environment(),
            **self.api,
            "HELICONE_PROXY_URL": self.url,
            "NO_PROXY": "localhost,127.0.0.1",
        }

    def run(self, *command: str | os.PathLike[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run an example to its end, from a folder that has nothing of ours."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            encoding="utf-8",
            timeout=LONG_SECONDS,
            check=False,
        )

    def run_python(self, name: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run an example in Python."""
        return self.run(sys.executable, "-P", EXAMPLES / name, *arguments, cwd=cwd)

    def stored(self, request_id: str) -> str:
        """Wait until the stand-in has a thumb for that call; gives it."""
        return self.program.wait_for(rf"stored at the stand-in: (\S+) for {request_id}$")[1]


@contextmanager
def running_demo(*arguments: str) -> Iterator[Demo]:
    """A demo in which calls are ingested at once, until the block ends."""
    with Program("demo", "--port", "0", "--ingestion-delay", "0", *arguments) as program:
        url = program.wait_for(r"in front of it at (http://localhost:\d+)\.")[1]
        program.wait_for("What the stand-in stores is shown here")
        api = dict(re.findall(r"\b(HELICONE_API_\w+)=(\S+)", program.stdout))
        yield Demo(program, url, api)
