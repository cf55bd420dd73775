"""Event streams: the listener counts what comes of the mock's events; we read what the proxy spent meanwhile."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks.listener import OPENING_SECONDS, OVERLOADED, Order, Report
from benchmarks.processes import Cores, Program, ProgramFailed, follow

LEVELS = (1, 50, 200)
"""Streams at a time."""

INTERVAL_SECONDS = 0.02
"""Fifty chunks a second on each stream: a fast model."""


class ListeningFailed(Exception):
    """Not every stream came through."""


class Overloaded(ListeningFailed):
    """The streams were not open in time: so many are too many there."""


@dataclass(frozen=True)
class Heard:
    """What the listener reported, and the processor time that the proxy spent on it."""

    report: Report
    cpu_seconds: float


def listen_through(program: Program | None, order: Order, cores: Cores) -> Heard:
    """Listen as ordered. `program` is the proxy there; None going direct. Raises ListeningFailed."""
    read = program.cpu_seconds if program else lambda: 0.0
    spent: list[float] = []
    report = while_listening(
        order, cores, on_begin=lambda: spent.append(read()), on_end=lambda: spent.append(read())
    )
    return Heard(report, spent[1] - spent[0])


def while_listening(
    order: Order, cores: Cores, *, on_begin: Callable[[], object], on_end: Callable[[], object] = lambda: None
) -> Report:
    """Listen as ordered; `on_begin` is called when all streams are open. Raises ListeningFailed."""
    moments = {"begin": on_begin, "end": on_end}
    try:
        said = follow("benchmarks.listener", json.dumps(asdict(order)), cores, moments, also=OVERLOADED)
    except ProgramFailed as failure:
        raise ListeningFailed(str(failure)) from failure
    if said == OVERLOADED:
        raise Overloaded(f"{said} within {OPENING_SECONDS} s")
    return Report(**json.loads(said))
