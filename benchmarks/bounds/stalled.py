"""Bound: one who stops reading in the middle of a big answer costs nobody anything."""

import asyncio

from benchmarks.bounds.big_bodies import Peak
from benchmarks.bounds.stand import MEBIBYTE, Stand, mebibytes, milliseconds
from benchmarks.bounds.wire import begin, get, latencies, p50_and_p99
from benchmarks.figures import percentile
from benchmarks.goals import Verdict

_ANSWER = 200
_STALL_SECONDS = 60.0
_GROWTH_BYTES = 4 * MEBIBYTE
_NOISE = 1.5
_NOISE_SECONDS = 0.001
"""By so much, times and plus, may p99 differ and still count as unaffected: two runs without any stall do."""


async def measure(stand: Stand) -> list[Verdict]:
    """Calls alone, then calls while the reader stalls; then it reads on."""
    seconds = 3.0 if stand.quick else _STALL_SECONDS
    # It remembers few calls here, lest the memory that fills with them be taken for growth.
    target = stand.target({"HELICONE_PROXY_CALLS__CAPACITY": "100"})
    async with stand.before_gateway(target) as (running, _):
        port = running.site.port
        stand.say(f"calls alone, then beside a reader that stalls for {seconds:.0f} s")
        await latencies(port, 1.0)
        alone = await latencies(port, seconds / 3)
        async with Peak(running.program) as peak:
            call = await begin(port, get(port, f"/down/{_ANSWER}"))
            await call.reader.readexactly(MEBIBYTE)
            beside = await latencies(port, seconds)
        left = call.length - MEBIBYTE
        while left and (data := await call.reader.read(MEBIBYTE)):
            left -= len(data)
        call.writer.close()
        await asyncio.sleep(0)
    before, during = percentile(alone, 99), percentile(beside, 99)
    return [
        Verdict(
            f"a reader that stalls for {seconds:.0f} s within {_ANSWER} MiB: memory grows by at most "
            f"{mebibytes(_GROWTH_BYTES)}",
            mebibytes(peak.growth),
            peak.growth <= _GROWTH_BYTES,
        ),
        Verdict(
            "… and the others' p99 stays as it is",
            f"{p50_and_p99(beside)}; before: {p50_and_p99(alone)}",
            during <= before * _NOISE + _NOISE_SECONDS,
        ),
        Verdict(
            "… and the answer arrives whole when it reads on",
            "whole" if not left else f"{left} bytes are missing after {milliseconds(seconds)}",
            not left,
        ),
    ]
