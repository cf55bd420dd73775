"""python -m benchmarks.event_listeners PORT COUNT: listens to the sidecar's events, and reads all that comes.

Says `begin` when all streams are open, and reads until it is ended.
"""

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.processes import LOOPBACK


class _Reader(asyncio.Protocol):
    def __init__(self, begun: asyncio.Event, port: int) -> None:
        self._begun = begun
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        asked = b"GET /feedback/events HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % self._port
        cast("asyncio.Transport", transport).write(asked)

    def data_received(self, data: bytes) -> None:
        del data
        self._begun.set()


async def _listen(port: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(count):
        begun = asyncio.Event()
        await loop.create_connection(lambda begun=begun: _Reader(begun, port), LOOPBACK, port)  # type: ignore[misc]
        await begun.wait()
    print("begin", flush=True)  # noqa: T201  # it is a program
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_listen(int(sys.argv[1]), int(sys.argv[2])))
