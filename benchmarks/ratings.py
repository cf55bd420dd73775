"""Ratings, so many a second: how long a person waits until one is on disk, with an API that works and without."""

import contextlib
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from benchmarks.figures import percentile
from benchmarks.memory import destination
from benchmarks.processes import LOOPBACK, Cores, ProgramFailed, follow, free_port
from benchmarks.rater import Order, Report
from benchmarks.small_calls import Load, post_for
from benchmarks.targets import Running, Target
from benchmarks.upstreams import helicones_api

PER_SECOND = 200
CALLS_PER_SECOND = 100
"""Relayed calls that go on meanwhile, to see what they wait for."""
BESIDE_CALLS_PER_SECOND = 20
"""Ratings while the CPU of calls is measured: already far more than people give."""
CONNECTIONS = 32

_STATEMENT = "INSERT INTO rating (id, document) VALUES (?, ?)"
_ROW = "x" * 300


class Api(StrEnum):
    """How Helicone's API is meanwhile."""

    WORKS = "works"
    REFUSES = "refuses connections"
    SILENT = "takes connections and is silent"


class RatingsFailed(Exception):
    """A rating was not taken."""


@dataclass(frozen=True)
class Rated:
    """What the rater reported, and the processor time that the sidecar spent on it."""

    report: Report
    cpu_seconds: float


@dataclass(frozen=True)
class Commits:
    """What one commit after the other takes on a disk, with nothing around it."""

    commits: int
    p50_seconds: float
    p99_seconds: float
    max_seconds: float


@contextlib.contextmanager
def api_that(behaves: Api, folder: Path, cores: Cores) -> Iterator[int]:
    """Such an API; gives its port."""
    match behaves:
        case Api.WORKS:
            with helicones_api(folder, cores) as port:
                yield port
        case Api.REFUSES:
            yield free_port()
        case Api.SILENT:
            # The kernel takes the connections, and nobody ever reads.
            with socket.create_server((LOOPBACK, 0), backlog=1000) as silent:
                yield silent.getsockname()[1]


def with_api(target: Target, port: int) -> Target:
    """The sidecar with its API there."""
    url = {"HELICONE_PROXY_HELICONE__API_URL": f"http://{LOOPBACK}:{port}"}
    return replace(target, environment={**target.environment, **url})


def rate_for(running: Running, order: Order, cores: Cores) -> Rated:
    """Rate as ordered. Raises RatingsFailed."""
    spent: list[float] = []

    def read() -> None:
        spent.append(running.program.cpu_seconds())

    said = follow("benchmarks.rater", json.dumps(asdict(order)), cores, {"begin": read, "end": read})
    report = Report(**json.loads(said))
    if report.failed:
        raise RatingsFailed(f"{running.name}: {report.failed} of {report.ratings} ratings were not taken")
    return Rated(report, spent[1] - spent[0])


def post_while_rating(running: Running, seconds: int, folder: Path, cores: Cores) -> Load:
    """Small calls for so long while some ratings come in. Raises LoadFailed, RatingsFailed."""
    order = Order(running.site.port, BESIDE_CALLS_PER_SECOND, 0, seconds + 1.5, settle_seconds=0.5)
    failed: list[Exception] = []

    def rate() -> None:
        try:
            rate_for(running, order, cores)
        except (RatingsFailed, ProgramFailed) as error:
            failed.append(error)

    rating = threading.Thread(target=rate, name="rate")
    rating.start()
    # By then the calls to be rated have been made: post_for waits until nobody else calls.
    time.sleep(1.0)
    load = post_for(destination(running), CONNECTIONS, seconds, folder, cores)
    rating.join()
    if failed:
        raise failed[0]
    return load


def commit_for(seconds: float, folder: Path) -> Commits:
    """Commit a row of a rating's size, as safely as the outbox does it, one after the other."""
    file = folder / "probe.db"
    taken: list[float] = []
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS rating (id INTEGER, document TEXT)")
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            connection.execute(_STATEMENT, (len(taken), _ROW))
            taken.append(time.perf_counter() - began)
    for part in folder.glob("probe.db*"):
        part.unlink()
    taken.sort()
    return Commits(len(taken), percentile(taken, 50), percentile(taken, 99), taken[-1])
