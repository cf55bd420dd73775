"""Bound: an export of 50,000 rows, and the sidecar's memory stays what it was."""

import time

from aiohttp import ClientSession

from benchmarks.bounds.stand import MEBIBYTE, Stand, mebibytes, rss
from benchmarks.goals import Verdict
from benchmarks.processes import LOOPBACK
from proxy.demo import DEMO_KEY, DEMO_ORGANISATION, StandIn, StandInSettings
from proxy.demo.ledger import RATING, Row

_ROWS = 50_000
_QUICK_ROWS = 2_000
_MOST_BYTES = 50 * MEBIBYTE
_LOOK_EVERY_LINES = 500


async def measure(stand: Stand) -> list[Verdict]:
    """The stand-in for Helicone runs in this process, and takes most of the time."""
    rows = _QUICK_ROWS if stand.quick else _ROWS
    standin = StandIn(StandInSettings(ingestion_delay_seconds=0.0))
    await standin.start()
    try:
        _log(standin, rows)
        settings = {"HELICONE_API_KEY": DEMO_KEY, "HELICONE_PROXY_HELICONE__API_URL": standin.api_url}
        stand.say(f"an export of {rows:,} rows")
        with stand.before(standin.gateway_port, stand.target(settings)) as running:
            before = most = rss(running.program)
            lines, began = 0, time.monotonic()
            address = f"http://{LOOPBACK}:{running.site.port}/feedback/search?since=30d&format=ndjson"
            async with ClientSession() as session, session.get(address) as answer:
                async for _ in answer.content:
                    lines += 1
                    if lines % _LOOK_EVERY_LINES == 0:
                        most = max(most, rss(running.program))
            seconds = time.monotonic() - began
    finally:
        await standin.close()
    return [
        Verdict(
            f"an export of {rows:,} rows: ≤ {mebibytes(_MOST_BYTES)} of memory",
            f"{lines:,} rows in {seconds:.0f} s, {mebibytes(most - before)} more than before",
            lines == rows and most - before <= _MOST_BYTES,
        )
    ]


def _log(standin: StandIn, rows: int) -> None:
    now = time.time()
    for number in range(rows):
        at = now - number / 2
        standin.ledger.log(
            Row(
                request_id=f"{number:08x}-0000-4000-8000-000000000000",
                organisation=DEMO_ORGANISATION,
                created_at=at,
                finished_at=at + 1,
                model="gpt-4o-mini",
                user_id=f"user-{number % 100}",
                properties={"app": "shop", "prompt-version": "AB"[number % 2]},
                scores={RATING: number % 2},
            )
        )
