"""Programs under test: started, looked at from outside, and ended, by their process ids."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parent.parent

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
"""Of the environment: nothing that configures a program, and no HTTP proxy."""

LOOPBACK = "127.0.0.1"
_BELOW_EPHEMERAL = range(20_000, 32_000)
"""Ports that the kernel does not hand out to connections that go out."""

_POLITE_SECONDS = 5.0
_END_SECONDS = 30
_POLL_SECONDS = 0.001
_TICKS = os.sysconf("SC_CLK_TCK")


class ProgramFailed(Exception):
    """A program ended, or did not begin to listen."""


@dataclass(frozen=True)
class Cores:
    """Who runs where: the program that is measured, and everything else."""

    measured: frozenset[int]
    rest: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Self:
        """One core for what is measured, the others for load and upstream; a single core is shared."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(frozenset(cores[:1]), frozenset(cores[1:] or cores))


def free_port() -> int:
    """A port that is free on both loopback addresses."""
    while True:
        port = random.SystemRandom().choice(_BELOW_EPHEMERAL)
        with contextlib.suppress(OSError), socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            four.bind((LOOPBACK, port))
            # A machine without IPv6 has only the one address to ask for.
            with contextlib.suppress(OSError):
                six.bind(("::1", port))
            return port


@contextlib.contextmanager
def running_on(cores: frozenset[int]) -> Iterator[None]:
    """Children that are started meanwhile inherit these cores, from their first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Program:
    """A running program with all its children: `with Program(...) as program`. Leaving ends it.

    It is no member of our process group: Ctrl-C reaches us alone, and we end it. What it says goes to the file
    `log`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        cores: frozenset[int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self.started = time.perf_counter()
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        with running_on(cores), log.open("ab") as sink:
            self._process = subprocess.Popen(
                command,
                env=kept | dict(environment or {}),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that we started."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process that we started has not ended yet."""
        return self._process.poll() is None

    def pids(self) -> list[int]:
        """The process that we started, and all that descend from it."""
        found = [self._process.pid]
        for pid in found:
            found += _children(pid)
        return found

    def cpu_seconds(self) -> float:
        """Processor time, user and system, of the whole tree since it began."""
        return sum(_cpu_seconds(pid) for pid in self.pids())

    def memory(self) -> "Memory":
        """What the whole tree holds in memory."""
        parts = [_memory(pid) for pid in self.pids()]
        return Memory(sum(part.rss_bytes for part in parts), sum(part.pss_bytes for part in parts))

    def forget_log(self) -> None:
        """Empty the log, lest many million lines fill the disk. The program goes on writing at its end."""
        os.truncate(self.log, 0)

    def said(self) -> str:
        """The end of what it said."""
        return self.log.read_text("utf-8", "replace")[-2000:]

    def wait_until_listening(self, port: int, deadline_seconds: float) -> float:
        """Wait until a connection is taken; gives the seconds since the start. Raises ProgramFailed."""
        while time.perf_counter() - self.started < deadline_seconds:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
                return time.perf_counter() - self.started
            if not self.is_running():
                raise ProgramFailed(f"{self._process.args!r} ended:\n{self.said()}")
            time.sleep(_POLL_SECONDS)
        raise ProgramFailed(f"{self._process.args!r} does not listen on port {port}:\n{self.said()}")

    def stop(self) -> None:
        """End it and all its children: politely, then not."""
        if self.is_running():
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_POLITE_SECONDS)
        # What outlived it is in the session that we gave it, which no process of anybody else can join.
        for pid in _in_session(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def follow(
    module: str, order: str, cores: Cores, moments: Mapping[str, Callable[[], object]], *, also: str = "{"
) -> str:
    """Run a load program of ours; gives the line that begins with `{` or is `also`, which ends it.

    When it says the name of one of the `moments`, that is called. Raises ProgramFailed.
    """
    with (
        running_on(cores.rest),
        subprocess.Popen(
            [sys.executable, "-m", module, order],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as program,
    ):
        try:
            for said in program.stdout or ():
                line = said.strip()
                if line in moments:
                    moments[line]()
                elif line.startswith(("{", also)):
                    return line
            _, errors = program.communicate(timeout=_END_SECONDS)
        finally:
            program.kill()
    raise ProgramFailed(errors[-1500:])


@dataclass(frozen=True)
class Memory:
    """Resident memory in bytes; `pss` counts a page that several processes share once."""

    rss_bytes: int
    pss_bytes: int


def busy_seconds(cores: frozenset[int]) -> float:
    """Time that these cores have worked since they began, for whomever; the hypervisor's thefts are in it."""
    names = {f"cpu{core}" for core in cores}
    rows = [line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu")]
    # The fields (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal.
    return sum(sum(map(int, row[1:4] + row[6:9])) for row in rows if row[0] in names) / _TICKS


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the program's name, which may hold spaces and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _in_session(leader: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[3]) == leader]


def _cpu_seconds(pid: int) -> float:
    """By the scheduler's clock, thread by thread, in nanoseconds; else by /proc/PID/stat, in ticks of 10 ms.

    The kernel scales the ticks to the same sum, so that the two differ in nothing but their grain.
    """
    nanoseconds = 0
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    if nanoseconds:
        return nanoseconds / 1e9
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _memory(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return Memory(0, 0)
    kibibytes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return Memory(kibibytes["Rss"] * 1024, kibibytes["Pss"] * 1024)
