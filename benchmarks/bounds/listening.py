"""Bound: 200 streams of events and 10,000 remembered calls, and calls are relayed as without."""

import statistics
import sys
import time

from benchmarks.bounds.stand import Stand, milliseconds
from benchmarks.goals import Verdict
from benchmarks.memory import destination
from benchmarks.processes import ROOT, Program, ProgramFailed
from benchmarks.small_calls import Load, post_for
from benchmarks.targets import Running
from benchmarks.upstreams import small_calls_upstream

_STREAMS = 200
_REMEMBERED = 10_000
_CONNECTIONS = 32
_PAIRS = 5
_SECONDS = 3
_OPENING_SECONDS = 30
_MOST = 1.10
"""What sending to listeners may take, and the noise of a machine."""


async def measure(stand: Stand) -> list[Verdict]:
    """With and without, turn by turn, so that a machine that grows slower does so for both."""
    pairs, seconds = (1, 1) if stand.quick else (_PAIRS, _SECONDS)
    alone: list[Load] = []
    beside: list[Load] = []
    with small_calls_upstream(stand.folder, stand.cores) as port, stand.before(port) as running:
        made = 0
        while made < _REMEMBERED:
            made += _post(stand, running, seconds).calls
        for number in range(pairs):
            stand.say(f"{_STREAMS} streams of events, pair {number + 1} of {pairs}")
            alone.append(_post(stand, running, seconds))
            with _listeners(stand, running):
                beside.append(_post(stand, running, seconds))
    costs = [
        one.cpu_seconds / one.calls / (two.cpu_seconds / two.calls) for one, two in _pairs(beside, alone)
    ]
    rates = [one.calls / one.seconds / (two.calls / two.seconds) for one, two in _pairs(beside, alone)]
    p99s = [one.p99_seconds for one in beside], [two.p99_seconds for two in alone]
    return [
        Verdict(
            f"{_STREAMS} streams of events, {_REMEMBERED:,} calls remembered: CPU per call ≤ {_MOST:g} × without",
            f"{statistics.median(costs):.2f} × ({min(costs):.2f} to {max(costs):.2f}); "
            f"calls/s {statistics.median(rates):.2f} ×; p99 {milliseconds(statistics.median(p99s[0]))}, "
            f"without {milliseconds(statistics.median(p99s[1]))}",
            statistics.median(costs) <= _MOST,
        )
    ]


def _pairs(beside: list[Load], alone: list[Load]) -> list[tuple[Load, Load]]:
    return list(zip(beside, alone, strict=True))


def _post(stand: Stand, running: Running, seconds: int) -> Load:
    return post_for(destination(running), _CONNECTIONS, seconds, stand.folder, stand.cores)


def _listeners(stand: Stand, running: Running) -> Program:
    """Who listens, when all of them do."""
    log = stand.folder / f"listeners-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "benchmarks.event_listeners", str(running.site.port), str(_STREAMS)]
    program = Program(command, log=log, cores=stand.cores.rest, environment={"PYTHONPATH": str(ROOT)})
    until = time.monotonic() + _OPENING_SECONDS
    while "begin" not in log.read_text("utf-8"):
        if time.monotonic() > until:
            program.stop()
            raise ProgramFailed(f"{_STREAMS} streams of events did not open")
        time.sleep(0.05)
    return program
