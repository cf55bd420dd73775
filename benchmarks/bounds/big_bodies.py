"""Bound: one GiB up and one GiB down, unbuffered and unharmed."""

import asyncio
import hashlib
import json
import time
from typing import Self

from benchmarks.bounds.gateway import block, digest
from benchmarks.bounds.stand import MEBIBYTE, Stand, mebibytes, rss
from benchmarks.bounds.wire import answered, begin, get, post
from benchmarks.goals import Verdict
from benchmarks.processes import Program

_GROWTH_BYTES = 4 * MEBIBYTE
_READ = 256 * 1024
_LOOK_SECONDS = 0.05


class Peak:
    """The most that a program has held while the block ran: `async with Peak(program) as peak`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.before = rss(program)
        self.most = self.before
        self._watching: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch(), name="peak")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        self.most = max(self.most, rss(self._program))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.most = max(self.most, rss(self._program))

    @property
    def growth(self) -> int:
        """In bytes, over what it held before."""
        return self.most - self.before


async def measure(stand: Stand) -> list[Verdict]:
    """Up, then down, after a call of each kind that brings in what every later one shares."""
    size = 32 if stand.quick else 1024
    expected = digest(size)
    async with stand.before_gateway() as (running, _):
        port, program = running.site.port, running.program
        await _upload(port, 1)
        await _download(port, 1)
        verdicts = []
        for name, transfer in (("up", _upload), ("down", _download)):
            stand.say(f"{size} MiB {name}")
            began = time.perf_counter()
            async with Peak(program) as peak:
                seen = await transfer(port, size)
            rate = size / (time.perf_counter() - began)
            verdicts.append(
                Verdict(
                    f"{size} MiB {name}: memory grows by at most {mebibytes(_GROWTH_BYTES)}, sha256 equal",
                    f"{mebibytes(peak.growth)}, sha256 {'equal' if seen == expected else 'DIFFERS'}, "
                    f"{rate:,.0f} MiB/s",
                    peak.growth <= _GROWTH_BYTES and seen == expected,
                )
            )
    return verdicts


async def _upload(port: int, size: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(port, "/up", size * MEBIBYTE))
    for number in range(size):
        writer.write(block(number))
        await writer.drain()
    call = await answered(reader, writer)
    said: str = json.loads(await call.reader.readexactly(call.length))["sha256"]
    writer.close()
    return said


async def _download(port: int, size: int) -> str:
    call = await begin(port, get(port, f"/down/{size}"))
    whole, left = hashlib.sha256(), call.length
    while left and (data := await call.reader.read(_READ)):
        whole.update(data)
        left -= len(data)
    call.writer.close()
    return whole.hexdigest()
