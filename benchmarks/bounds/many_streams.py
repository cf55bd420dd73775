"""Bound: 9,500 event streams at a time, two thousand events a second over all of them."""

import resource

from benchmarks.bounds.stand import Stand, milliseconds, rss
from benchmarks.goals import Verdict
from benchmarks.listener import Order, Report
from benchmarks.processes import Program
from benchmarks.streams import while_listening
from benchmarks.targets import Running
from benchmarks.upstreams import streaming_upstream, wait_until_no_streams

_STREAMS = 9500
_EVENTS_PER_SECOND = 2000
_SECONDS = 30
_OPENING_SECONDS = 240
_DESCRIPTORS = 2
"""Of the sidecar for each stream: one to the app, one to the gateway."""
_SPARE = 400
_PER_STREAM_BYTES = 10 * 1024
_ADDED_SECONDS = 0.050


async def measure(stand: Stand) -> list[Verdict]:
    """Direct first, then through the sidecar."""
    allowed = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _SPARE) // _DESCRIPTORS
    streams = 500 if stand.quick else min(_STREAMS, allowed)
    interval = streams / _EVENTS_PER_SECOND
    with streaming_upstream(stand.folder, stand.cores, interval) as port, stand.before(port) as running:
        # An interval more than it takes to open: from then on the events are spread evenly.
        order = Order(
            port,
            streams,
            3 if stand.quick else _SECONDS,
            settle_seconds=2 * interval,
            opening_seconds=_OPENING_SECONDS,
        )
        stand.say(f"{streams} streams, going direct")
        direct = while_listening(order, stand.cores, on_begin=lambda: None)
        wait_until_no_streams(port)
        stand.say(f"{streams} streams through the sidecar")
        report, per_stream, cpu = _through(stand, running, order)
    return _verdicts(streams, direct, report, per_stream, cpu)


def _through(stand: Stand, running: Running, order: Order) -> tuple[Report, float, float]:
    program, there = running.program, {**vars(order), "port": running.site.port}
    while_listening(Order(**{**there, "streams": 1, "seconds": 0.1}), stand.cores, on_begin=lambda: None)
    idle = rss(program)
    held: list[int] = []
    spent: list[float] = []

    def begun() -> None:
        held.append(rss(program))
        spent.append(program.cpu_seconds())

    report = while_listening(
        Order(**there), stand.cores, on_begin=begun, on_end=lambda: _ended(program, held, spent)
    )
    return report, (max(held) - idle) / order.streams, (spent[1] - spent[0]) / report.seconds


def _ended(program: Program, held: list[int], spent: list[float]) -> None:
    held.append(rss(program))
    spent.append(program.cpu_seconds())


def _verdicts(streams: int, direct: Report, report: Report, per_stream: float, cpu: float) -> list[Verdict]:
    added = report.p99_seconds - direct.p99_seconds
    rate = report.chunks / report.seconds
    what = f"{streams:,} streams, {_EVENTS_PER_SECOND:,} events/s"
    return [
        Verdict(
            f"{what}: memory per stream ≤ {_PER_STREAM_BYTES // 1024} KiB",
            f"{per_stream / 1024:.1f} KiB",
            per_stream <= _PER_STREAM_BYTES,
        ),
        Verdict(
            f"{what}: added delay, p99 ≤ {milliseconds(_ADDED_SECONDS)}",
            f"{milliseconds(added)} (p99 {milliseconds(report.p99_seconds)}, direct "
            f"{milliseconds(direct.p99_seconds)}; p50 {milliseconds(report.p50_seconds)}, direct "
            f"{milliseconds(direct.p50_seconds)}; {cpu:.0%} of a core)",
            added <= _ADDED_SECONDS,
        ),
        Verdict(
            f"{what}: none lost",
            f"{report.lost} lost of {report.chunks:,} events ({rate:,.0f}/s)",
            report.lost == 0 and rate >= 0.98 * _EVENTS_PER_SECOND,
        ),
    ]
