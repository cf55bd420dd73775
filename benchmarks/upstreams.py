"""What stands behind every target: nginx for small calls, our own mock for streams."""

import contextlib
import http.client
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import nginx_command
from benchmarks.processes import LOOPBACK, ROOT, Cores, Program, ProgramFailed, free_port
from benchmarks.programs import configuration, find_program
from benchmarks.targets import Site

_START_SECONDS = 20
_QUIET_SECONDS = 0.4
_QUIET_TRIES = 100
_STREAM_TRIES = 20
_REQUESTS = re.compile(r"^ \d+ \d+ (\d+)", re.MULTILINE)


@contextlib.contextmanager
def small_calls_upstream(folder: Path, cores: Cores) -> Iterator[int]:
    """An nginx that answers chats from memory; gives its port."""
    with _nginx(folder / "upstream", "upstream.conf", cores) as port:
        yield port


@contextlib.contextmanager
def helicones_api(folder: Path, cores: Cores) -> Iterator[int]:
    """An API that accepts every rating; gives its port. Not the same nginx, which counts its calls."""
    with _nginx(folder / "api", "api.conf", cores) as port:
        yield port


@contextlib.contextmanager
def _nginx(folder: Path, configured: str, cores: Cores) -> Iterator[int]:
    program = find_program("nginx")
    if program is None:
        raise FileNotFoundError("nginx is needed: it is the upstream for small calls")
    site = Site(folder, free_port(), 0)
    site.folder.mkdir(exist_ok=True)
    command = nginx_command(program, site, configuration(configured, port=site.port))
    with Program(command, log=site.folder / "log", cores=cores.rest) as running:
        running.wait_until_listening(site.port, _START_SECONDS)
        yield site.port


def calls_counted(port: int) -> int:
    """How many requests the upstream for small calls has seen, with this one."""
    found = _REQUESTS.search(_get(port, "/calls"))
    if found is None:
        raise RuntimeError("The upstream does not count its calls: this nginx is built without stub_status")
    return int(found[1])


def wait_until_quiet(port: int) -> int:
    """Wait until no call comes any more to the upstream for small calls; gives what it has counted.

    A slow proxy goes on with calls of a client that has left, and would disturb whoever is measured next.
    """
    counted = calls_counted(port)
    for _ in range(_QUIET_TRIES):
        time.sleep(_QUIET_SECONDS)
        before, counted = counted, calls_counted(port)
        if counted == before + 1:
            return counted
    raise ProgramFailed("calls still come, though nobody makes any")


class StreamsKept(ProgramFailed):
    """A proxy keeps its streams to the gateway though their clients have left."""


def wait_until_no_streams(port: int) -> None:
    """Wait until our mock has no open stream. Raises StreamsKept."""
    kept = 0
    for _ in range(_STREAM_TRIES):
        kept = int(_get(port, "/streams"))
        if not kept:
            return
        time.sleep(_QUIET_SECONDS)
    raise StreamsKept(f"{kept} streams are kept open to the gateway, though their clients have left")


def _get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read().decode()


@contextlib.contextmanager
def streaming_upstream(folder: Path, cores: Cores, interval_seconds: float) -> Iterator[int]:
    """Our mock, which streams one event each `interval_seconds` (0: one, then silence); gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.mock", str(port), str(interval_seconds)]
    log = folder / f"mock-{port}.log"
    with Program(command, log=log, cores=cores.rest, environment={"PYTHONPATH": str(ROOT)}) as running:
        running.wait_until_listening(port, _START_SECONDS)
        yield port
