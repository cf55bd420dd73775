"""People who rate and apps that call, a program of its own: python -m benchmarks.rater JSON

JSON is an `Order`. It makes as many calls as it will rate, then rates and calls on a schedule that waits for
nobody: a latency counts from the moment at which the request was due, so that a slow answer makes those behind it
late, and not fewer. It says `begin` when the warm-up is over, `end`, and then a `Report` as one line of JSON.
"""

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from benchmarks.figures import percentile
from benchmarks.sdk_call import chat_body, request_bytes

_HOST = "127.0.0.1"
_LEAD_SECONDS = 0.2
_TIMEOUT_SECONDS = 30
_MODEL = "gpt-4o-mini"


@dataclass(frozen=True)
class Order:
    """What to do. `calls_per_second`: relayed calls that go on meanwhile."""

    port: int
    ratings_per_second: float
    calls_per_second: float
    seconds: float
    settle_seconds: float = 1.0


@dataclass(frozen=True)
class Report:
    """What came of it, without the warm-up. `failed`: ratings that were not answered with 202.

    `late_p99_seconds`: how much later than due a rating was sent, for which the machine and this program answer.
    """

    ratings: int
    failed: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    max_seconds: float
    late_p99_seconds: float
    calls: int
    calls_p50_seconds: float
    calls_p99_seconds: float
    calls_max_seconds: float


@dataclass(frozen=True)
class Timetable:
    """`count` moments, `interval` seconds apart from `start` on; those before `counted_from` are the warm-up."""

    start: float
    interval: float
    count: int
    counted_from: float


class Line:
    """Requests that begin at the moments of a timetable, however many are under way."""

    def __init__(self, timetable: Timetable, request: Callable[[int], Awaitable[bool]]) -> None:
        """`request` carries out the one with that number, and says whether that went well."""
        self._timetable = timetable
        self._request = request
        self.latencies: list[float] = []
        self.late: list[float] = []
        self.failed = 0

    async def run(self) -> None:
        """Carry them all out."""
        table = self._timetable
        async with asyncio.TaskGroup() as under_way:
            for number in range(table.count):
                due = table.start + number * table.interval
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                under_way.create_task(self._carry_out(number, due))
        self.latencies.sort()
        self.late.sort()

    async def _carry_out(self, number: int, due: float) -> None:
        late = time.perf_counter() - due
        is_fine = await self._request(number)
        took = time.perf_counter() - due
        if due >= self._timetable.counted_from:
            self.latencies.append(took)
            self.late.append(late)
            self.failed += not is_fine


class Exchange(asyncio.Protocol):
    """One connection: sends a request, and gives what comes back when `is_whole` says that this is all, or at the
    connection's end."""

    def __init__(self, is_whole: Callable[[bytes], bool] = lambda _: False) -> None:
        self._is_whole = is_whole
        self._got = b""
        self._done: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by its class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._is_whole(self._got):
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._end()

    def _end(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(self._got)

    async def ask(self, request: bytes) -> bytes:
        """Send a request; gives its answer."""
        assert self._transport is not None  # noqa: S101  # `connection_made` comes first
        self._got, self._done = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await asyncio.wait_for(self._done, _TIMEOUT_SECONDS)


async def connect(port: int, is_whole: Callable[[bytes], bool] = lambda _: False) -> Exchange:
    """A new connection to the sidecar."""
    _, exchange = await asyncio.get_running_loop().create_connection(lambda: Exchange(is_whole), _HOST, port)
    return exchange


def is_whole_answer(got: bytes) -> bool:
    """Whether these bytes are an answer of known length, from its first byte to its last."""
    head, end, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


class Callers:
    """Apps with connections that are kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._request = request_bytes(f"{_HOST}:{port}", chat_body(_MODEL, stream=False), {})
        self._idle: list[Exchange] = []

    async def call(self, _number: int = 0) -> bool:
        """Make a call."""
        return (await self._answer()).startswith(b"HTTP/1.1 200 ")

    async def called(self) -> str:
        """Make a call; gives the id to rate it by."""
        found = re.search(rb"\r\nFeedback-Id: (\S+)\r\n", await self._answer())
        if found is None:
            raise ConnectionError("a call was answered without an id to rate it by")
        return found[1].decode()

    async def _answer(self) -> bytes:
        connection = self._idle.pop() if self._idle else await connect(self._port, is_whole_answer)
        answer = await connection.ask(self._request)
        self._idle.append(connection)
        return answer


def rater(port: int, ids: Sequence[str]) -> Callable[[int], Awaitable[bool]]:
    """Gives what rates the call with that number, over a connection of its own as the sidecar will have it."""
    requests = [_rating(port, request_id) for request_id in ids]

    async def rate(number: int) -> bool:
        answer = await (await connect(port)).ask(requests[number])
        return answer.startswith(b"HTTP/1.1 202 ") and b'"state": "' in answer

    return rate


def _rating(port: int, request_id: str) -> bytes:
    body = b'{"rating": true}'
    return (
        f"POST /feedback/{request_id}?wait=queued HTTP/1.1\r\nHost: {_HOST}:{port}\r\nUser-Agent: rater\r\n"
        f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def carry_out(order: Order) -> Report:
    """Do it."""
    whole = order.settle_seconds + order.seconds
    apps = Callers(order.port)
    ids = [await apps.called() for _ in range(int(order.ratings_per_second * whole))]
    # Nothing of it is garbage: looking for some would make requests late.
    gc.freeze()
    start = time.perf_counter() + _LEAD_SECONDS
    begin = start + order.settle_seconds
    ratings = Line(_timetable(order.ratings_per_second, start, whole, begin), rater(order.port, ids))
    calls = Line(_timetable(order.calls_per_second, start, whole, begin), apps.call)
    both = asyncio.gather(ratings.run(), calls.run())
    await asyncio.sleep(max(0.0, begin - time.perf_counter()))
    _say("begin")
    await both
    await asyncio.sleep(max(0.0, begin + order.seconds - time.perf_counter()))
    ended = time.perf_counter()
    _say("end")
    if calls.failed:
        raise ConnectionError(f"{calls.failed} relayed calls were not answered with 200")
    return Report(
        len(ratings.latencies),
        ratings.failed,
        ended - begin,
        *_spread(ratings.latencies),
        _spread(ratings.late)[1],
        len(calls.latencies),
        *_spread(calls.latencies),
    )


def _timetable(per_second: float, start: float, seconds: float, counted_from: float) -> Timetable:
    count = int(per_second * seconds)
    return Timetable(start, 1 / per_second if per_second else 0.0, count, counted_from)


def _spread(latencies: Sequence[float]) -> tuple[float, float, float]:
    if not latencies:
        return 0.0, 0.0, 0.0
    return percentile(latencies, 50), percentile(latencies, 99), latencies[-1]


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        _say(json.dumps(asdict(runner.run(carry_out(Order(**json.loads(sys.argv[1])))))))
