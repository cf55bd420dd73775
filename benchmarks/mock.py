"""The gateway for streams, a program of its own: python -m benchmarks.mock PORT INTERVAL_SECONDS

Each streamed chat gets an event every INTERVAL_SECONDS (0: one event, then silence), its chunk as OpenAI sends it.
In it stand the moment of its writing, by the clock that all processes share, and its number:
`@@<nanoseconds>#<number>`. Streams are spread over the interval, so that the load is even. A chat that is not
streamed gets a small answer; GET /streams gets the number of streams that are open.
"""

import asyncio
import heapq
import sys
import time
from typing import cast

import uvloop

_EVENT = (
    b'data: {"id":"chatcmpl-9a8b7c6d5e","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"@@%019d#%08d"},"finish_reason":null}]}\n\n'
)
_SIZE = len(_EVENT % (0, 0))
_CHUNK = b"%x\r\n" % _SIZE + _EVENT + b"\r\n"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
    b"helicone-id: 3f2a5c0e-5c7b-4a3f-9c1e-2f4b5a6c7d8e\r\nx-request-id: req_5d2f0c3a9b8e4f17\r\n\r\n"
)
_JSON = (
    b'{"id":"chatcmpl-9a8b7c6d5e","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_LAST_CHUNK = b"0\r\n\r\n"
_GOLDEN = 0.618034
"""Its multiples, modulo one, spread any number of streams evenly."""
_BACKLOG = 4096


class Schedule:
    """Which stream is due when."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._due: list[tuple[float, int, MockConnection]] = []
        self._taken = 0
        self.open = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: "MockConnection") -> None:
        """From now on events go to `stream`, until it is closed."""
        self.open += 1
        if not self._interval:
            return
        self._taken += 1
        phase = self._taken * _GOLDEN % 1.0
        heapq.heappush(self._due, (self._loop.time() + self._interval * (1 + phase), self._taken, stream))
        self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0][0], self._send) if self._due else None

    def _send(self) -> None:
        now = self._loop.time()
        due = self._due
        while due and due[0][0] <= now:
            at, number, stream = due[0]
            if stream.send_event():
                # Who is late by more than an interval does not catch up: no burst that no gateway would send.
                heapq.heapreplace(due, (max(at, now - self._interval) + self._interval, number, stream))
            else:
                heapq.heappop(due)
        self._wait()


class MockConnection(asyncio.Protocol):
    """One connection of a proxy, or of a client that goes direct."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._received = b""
        self._number = 0
        self._paused = False
        self._streams = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer, once the request is complete."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or not _is_complete(head, body):
            return
        self._received = b""
        if b'"stream":true' in body or b'"stream": true' in body:
            self._transport.write(_HEAD)
            self.send_event()
            self._streams = True
            self._schedule.add(self)
        else:
            answer = b"%d" % self._schedule.open if head.startswith(b"GET /streams ") else _JSON
            self._transport.write(_ANSWER % (len(answer), answer))

    def connection_lost(self, _error: Exception | None) -> None:
        """The other side has gone."""
        self._schedule.open -= self._streams

    def send_event(self) -> bool:
        """Send the next event, unless the other side is behind with reading. Gives False once it has gone."""
        if self._transport.is_closing():
            return False
        if not self._paused:
            self._transport.write(_CHUNK % (time.perf_counter_ns(), self._number))
            self._number += 1
        return True

    def pause_writing(self) -> None:
        """The other side is behind with reading."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False


def _is_complete(head: bytes, body: bytes) -> bool:
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
        if name == b"transfer-encoding":
            return body.endswith(_LAST_CHUNK)
    return True


async def _serve(port: int, interval_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    schedule = Schedule(interval_seconds)
    server = await loop.create_server(
        lambda: MockConnection(schedule), "127.0.0.1", port, backlog=_BACKLOG, reuse_address=True
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
