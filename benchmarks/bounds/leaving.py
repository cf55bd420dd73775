"""Bound: an app that goes away stops the call that is being paid for, at once."""

import asyncio
import time

from benchmarks.bounds.stand import Stand, milliseconds
from benchmarks.bounds.wire import begin, chat
from benchmarks.figures import percentile
from benchmarks.goals import Verdict

_TIMES = 500
_P99_SECONDS = 0.010
_PATIENCE_SECONDS = 5.0


async def measure(stand: Stand) -> list[Verdict]:
    """Again and again: open a stream, which falls silent, and leave."""
    times = 50 if stand.quick else _TIMES
    taken: list[float] = []
    missed = 0
    async with stand.before_gateway() as (running, gateway):
        port = running.site.port
        stand.say(f"{times} apps leave a silent stream")
        for _ in range(times):
            call = await begin(port, chat(port, "/silent"))
            await call.reader.readuntil(b"Hello")
            left = time.perf_counter()
            call.writer.transport.abort()
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    taken.append(await gateway.gone.get() - left)
            except TimeoutError:
                missed += 1
    taken.sort()
    measured = f"{missed} never closed" if missed else ""
    if taken:
        p99 = percentile(taken, 99)
        measured = f"p99 {milliseconds(p99)}, p50 {milliseconds(percentile(taken, 50))} {measured}".strip()
    return [
        Verdict(
            f"app gone → gateway's connection closed: p99 of {times} ≤ {milliseconds(_P99_SECONDS)}",
            measured,
            not missed and percentile(taken, 99) <= _P99_SECONDS,
        )
    ]
