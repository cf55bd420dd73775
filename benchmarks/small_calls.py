"""Small calls: wrk posts chats over some connections for a while, and we read what the proxy spent on it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import LOOPBACK, Cores, Program, busy_seconds, running_on
from benchmarks.programs import configuration
from benchmarks.sdk_call import HEADERS, PATH, chat_body
from benchmarks.upstreams import calls_counted, wait_until_quiet

CONNECTIONS = (1, 32)
_FAILURES = ("connect", "read", "write", "timeout", "status")


class LoadFailed(Exception):
    """Calls were not answered with 2xx, or did not reach the upstream: no figure of them would count."""


@dataclass(frozen=True)
class Load:
    """What wrk has seen."""

    calls: int
    seconds: float
    cpu_seconds: float
    others_seconds: float
    p50_seconds: float
    p99_seconds: float


@dataclass(frozen=True)
class Destination:
    """Where wrk posts to. `program` is the proxy there; None going direct."""

    name: str
    port: int
    upstream_port: int
    program: Program | None
    headers: Mapping[str, str]
    model: str


def post_for(there: Destination, connections: int, seconds: int, folder: Path, cores: Cores) -> Load:
    """Post for so long. Raises LoadFailed when calls failed or did not go where they should."""
    script = folder / f"{there.name}.lua"
    script.write_text(_script(there), "utf-8")
    before = wait_until_quiet(there.upstream_port)
    began, busy = (there.program.cpu_seconds() if there.program else 0.0), busy_seconds(cores.measured)
    said = _run_wrk(there, connections, seconds, script, cores)
    spent = (there.program.cpu_seconds() if there.program else 0.0) - began
    worked = busy_seconds(cores.measured) - busy
    arrived = calls_counted(there.upstream_port) - before - 1
    failed = {kind: said[kind] for kind in _FAILURES if said[kind]}
    if failed or not said["calls"]:
        raise LoadFailed(f"{there.name}: {said['calls']} calls, of which failed: {failed or 'all'}")
    # wrk leaves with calls under way, one for each connection.
    if not said["calls"] <= arrived <= said["calls"] + connections:
        raise LoadFailed(f"{there.name}: {said['calls']} calls were answered, {arrived} reached the upstream")
    return Load(
        calls=int(said["calls"]),
        seconds=said["microseconds"] / 1e6,
        cpu_seconds=spent,
        others_seconds=max(0.0, worked - spent),
        p50_seconds=said["p50"] / 1e6,
        p99_seconds=said["p99"] / 1e6,
    )


def _script(there: Destination) -> str:
    headers = "".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
        for name, value in (HEADERS | dict(there.headers)).items()
    )
    return configuration("small_calls.lua", body=chat_body(there.model, stream=False), headers=headers)


def _run_wrk(
    there: Destination, connections: int, seconds: int, script: Path, cores: Cores
) -> dict[str, float]:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise FileNotFoundError("wrk is needed: it makes the small calls")
    command = [
        *(wrk, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--latency", "--timeout", "30s", "--script", str(script)),
        f"http://{LOOPBACK}:{there.port}{PATH}",
    ]
    with running_on(cores.rest):
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise LoadFailed(f"{there.name}: wrk said {done.stdout}{done.stderr}")
    said: dict[str, float] = json.loads(lines[-1])
    return said
