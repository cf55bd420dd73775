"""The local API, tried by schemathesis with what its description allows and with what it does not.

For as long as one likes: `python -m fuzz.api --max-time 600`; it hands options on.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fuzz.api_hooks import CALLS
from harness.benches import bench_starter
from harness.loops import LoopThread

_TESTS = Path(__file__).parent.parent
_LONGEST_REQUEST_SECONDS = "10"


@dataclass(frozen=True)
class Tried:
    """What came of it: whether all was as described, and schemathesis' report."""

    passed: bool
    report: str


def try_api(loop: LoopThread, *options: str) -> Tried:
    """Run schemathesis, with these options, against a sidecar that has relayed a few calls."""
    with contextlib.ExitStack() as scope:
        bench = bench_starter(loop, scope.enter_context)()
        for request_id in CALLS:
            bench.chat(b"Helicone-Request-Id: " + request_id.encode())
        url = f"http://127.0.0.1:{bench.sidecar.sidecar.port}/feedback/openapi.json"
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            url,
            "--no-color",
            "--continue-on-failure",
        ]
        command += ["--request-timeout", _LONGEST_REQUEST_SECONDS, "--warnings", "off", *options]
        ran = subprocess.run(
            command,
            # What it finds depends on nothing that an earlier run has left behind.
            cwd=scope.enter_context(tempfile.TemporaryDirectory()),
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "fuzz.api_hooks",
                "PYTHONPATH": str(_TESTS),
                "NO_PROXY": "*",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    return Tried(ran.returncode == 0, ran.stdout + ran.stderr)


def main() -> int:
    """Try it at random. Gives the exit code: 1 when something is not as described."""
    with LoopThread() as loop:
        tried = try_api(loop, *(sys.argv[1:] or ["--max-time", "300"]))
    print(tried.report)  # noqa: T201  # it is a program
    return int(not tried.passed)


if __name__ == "__main__":
    sys.exit(main())
