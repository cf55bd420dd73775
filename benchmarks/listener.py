"""The app that listens to streams, a program of its own: python -m benchmarks.listener JSON

JSON is an `Order`. It opens the streams, waits until events come on all of them, says `begin`, counts for as
long as it is told, says `end`, and then a `Report` as one line of JSON.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

from benchmarks.figures import percentile
from benchmarks.sdk_call import chat_body, request_bytes

_MARK = b"@@"
_MARKED = 30
"""Bytes of `@@<19 digits>#<8 digits>`."""
_SETTLE_SECONDS = 0.5
OPENING_SECONDS = 30
OVERLOADED = "the streams did not all open"
_OPENING_AT_ONCE = 50
_OK = b"HTTP/1.1 200"


@dataclass(frozen=True)
class Order:
    """What to do."""

    port: int
    streams: int
    seconds: float
    model: str = "gpt-4o-mini"
    headers: Mapping[str, str] = field(default_factory=dict)
    settle_seconds: float = _SETTLE_SECONDS
    opening_seconds: float = OPENING_SECONDS


@dataclass(frozen=True)
class Report:
    """What was heard while it counted; `lost`: events left out, and streams that ended, at any time."""

    chunks: int
    seconds: float
    lost: int
    p50_seconds: float
    p99_seconds: float


class Tally:
    """What all streams have heard."""

    def __init__(self) -> None:
        self.counting = False
        self.closing = False
        self.delays: list[int] = []
        self.lost = 0


class Stream(asyncio.Protocol):
    """One stream. `heard` is set with its first event."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request = request
        self._tally = tally
        self._rest = b""
        self._next = 0
        self._begun = False
        self._failure: str | None = None
        self.heard = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Find the events in it, wherever the reads divide them."""
        now = time.perf_counter_ns()
        if not self._begun:
            self._begun = True
            if not data.startswith(_OK):
                self._failure = data[:500].decode("utf-8", "replace")
        data = self._rest + data
        at = data.find(_MARK)
        while 0 <= at <= len(data) - _MARKED:
            sent, number = int(data[at + 2 : at + 21]), int(data[at + 22 : at + _MARKED])
            self._tally.lost += number - self._next
            self._next = number + 1
            if self._tally.counting:
                self._tally.delays.append(now - sent)
            elif not self.heard.is_set():
                self.heard.set()
            at = data.find(_MARK, at + _MARKED)
        self._rest = data[at:] if at >= 0 else data[-1:] if data.endswith(b"@") else b""

    def connection_lost(self, _error: Exception | None) -> None:
        """A stream of the mock never ends: whoever ends it has lost the rest."""
        if not self._tally.closing:
            self._tally.lost += 1
            self._failure = self._failure or "the connection was closed"
            self.heard.set()

    def raise_if_failed(self) -> None:
        """Raise ConnectionError where it was refused."""
        if self._failure is not None:
            raise ConnectionError(self._failure)


async def _open(order: Order, tally: Tally) -> list[Stream]:
    loop = asyncio.get_running_loop()
    body = chat_body(order.model, stream=True)
    request = request_bytes(f"127.0.0.1:{order.port}", body, order.headers)
    at_once = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def one() -> Stream:
        async with at_once:
            _, stream = await loop.create_connection(lambda: Stream(request, tally), "127.0.0.1", order.port)
            await stream.heard.wait()
            stream.raise_if_failed()
            return stream

    async with asyncio.timeout(order.opening_seconds), asyncio.TaskGroup() as group:
        opening = [group.create_task(one(), name=f"stream {number}") for number in range(order.streams)]
    return [task.result() for task in opening]


async def listen(order: Order) -> Report:
    """Do it."""
    tally = Tally()
    streams = await _open(order, tally)
    await asyncio.sleep(order.settle_seconds)
    print("begin", flush=True)  # noqa: T201
    began, tally.counting = time.perf_counter(), True
    await asyncio.sleep(order.seconds)
    ended, tally.counting = time.perf_counter(), False
    print("end", flush=True)  # noqa: T201
    tally.closing = True
    for stream in streams:
        stream.transport.abort()
    delays = sorted(tally.delays)
    return Report(
        chunks=len(delays),
        seconds=ended - began,
        lost=tally.lost,
        p50_seconds=percentile(delays, 50) / 1e9 if delays else 0.0,
        p99_seconds=percentile(delays, 99) / 1e9 if delays else 0.0,
    )


def _main() -> None:
    try:
        report = uvloop.run(listen(Order(**json.loads(sys.argv[1]))))
    except TimeoutError:
        print(OVERLOADED, flush=True)  # noqa: T201
        return
    print(json.dumps(asdict(report)), flush=True)  # noqa: T201


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _main()
