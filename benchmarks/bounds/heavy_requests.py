"""Bound: the dearest local requests, and how long a relayed call has to wait while one of them is answered."""

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bounds.stand import Stand, milliseconds
from benchmarks.goals import Verdict
from benchmarks.processes import LOOPBACK
from benchmarks.rater import Callers, Line, Timetable
from benchmarks.upstreams import small_calls_upstream

_CALLS = 10_000
"""As many as are remembered by default."""
_RATINGS = 1000
"""The most that a batch may hold, and that a listing gives."""
_CALLS_PER_SECOND = 500
_TIMES = 8
_PAUSE_SECONDS = 0.2
_LONGEST_SECONDS = 0.050

Ask = Callable[[], object]


async def measure(stand: Stand) -> list[Verdict]:
    """In a thread of its own, since the dear requests block."""
    return await asyncio.to_thread(_measure, stand)


def _measure(stand: Stand) -> list[Verdict]:
    with small_calls_upstream(stand.folder, stand.cores) as port, stand.before(port) as running:
        there = running.site.port
        stand.say(f"{_CALLS} calls, to be remembered")
        ids = asyncio.run(_calls(there))
        verdicts = []
        for name, ask in _requests(there, ids[-_RATINGS:]).items():
            longest, took = _longest_meanwhile(there, ask, 2 if stand.quick else _TIMES)
            goal = f"while {name}, a relayed call waits ≤ {milliseconds(_LONGEST_SECONDS)}"
            said = f"{milliseconds(longest)}; the answer took {milliseconds(took)}"
            verdicts.append(Verdict(goal, said, longest <= _LONGEST_SECONDS))
            stand.say(f"{goal}: {said}")
        return verdicts


async def _calls(port: int) -> list[str]:
    """Make the calls; gives their ids."""
    apps = Callers(port)
    return [await apps.called() for _ in range(_CALLS)]


def _requests(port: int, ids: Sequence[str]) -> Mapping[str, Ask]:
    batch = json.dumps([{"id": each, "rating": True, "comment": "It is fine." * 5} for each in ids])

    def asking(method: str, target: str, body: str | None = None) -> Ask:
        return lambda: _ask(port, method, target, body)

    return {
        "nothing else goes on": lambda: None,
        "1,000 ratings come as a batch": asking("POST", "/feedback/batch?wait=queued", batch),
        "1,000 ratings are listed": asking("GET", "/feedback/outbox?limit=1000"),
        "1,000 ratings are listed with their history": asking(
            "GET", "/feedback/outbox?limit=1000&history=true"
        ),
        "1,000 calls are listed": asking("GET", "/feedback?limit=1000"),
    }


def _ask(port: int, method: str, target: str, body: str | None) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    connection.request(method, target, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise ConnectionError(f"{target}: {answer.status} {said[:200]!r}")


def _longest_meanwhile(port: int, ask: Ask, times: int) -> tuple[float, float]:
    """The longest relayed call, and the median of what the request itself took."""
    asking: list[float] = []

    def work() -> None:
        for _ in range(times):
            time.sleep(_PAUSE_SECONDS)
            began = time.perf_counter()
            ask()
            asking.append(time.perf_counter() - began)

    with ThreadPoolExecutor(1) as asker:
        asked = asker.submit(work)
        longest = 0.0
        while not asked.done():
            longest = max(longest, _longest_call(port))
        asked.result()
    return longest, sorted(asking)[len(asking) // 2]


def _longest_call(port: int) -> float:
    """Of half a second."""
    start = time.perf_counter() + 0.01
    table = Timetable(start, 1 / _CALLS_PER_SECOND, _CALLS_PER_SECOND // 2, start)
    calls = Line(table, Callers(port).call)
    asyncio.run(calls.run())
    return calls.latencies[-1]
