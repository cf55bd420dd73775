"""Resident memory: of an idle proxy, after many calls, and for each stream that is open and silent."""

from pathlib import Path

from benchmarks.listener import Order
from benchmarks.processes import Cores, Memory
from benchmarks.results import MemorySample
from benchmarks.small_calls import Destination, post_for
from benchmarks.streams import ListeningFailed, while_listening
from benchmarks.targets import Running, Target, start
from benchmarks.upstreams import small_calls_upstream, streaming_upstream

_CONNECTIONS = 32
_SLICE_SECONDS = 5
_LONGEST_SECONDS = 40
"""Who does not get through the calls by then has had enough of them to show where its memory goes."""

_HOLD_SECONDS = 1.0


def destination(running: Running) -> Destination:
    """Where small calls to a running target go."""
    site = running.site
    return Destination(
        running.name, site.port, site.upstream_port, running.program, running.headers, running.target.model
    )


def measure_memory(target: Target, folder: Path, cores: Cores, *, calls: int, streams: int) -> MemorySample:
    """Start a target twice: for calls, and for streams."""
    idle, after, made = _around_calls(target, folder, cores, calls)
    per_stream = _per_stream(target, folder, cores, streams) if streams else None
    return MemorySample(
        target=target.name,
        idle_rss=idle.rss_bytes,
        idle_pss=idle.pss_bytes,
        calls=made,
        after_calls_rss=after.rss_bytes,
        after_calls_pss=after.pss_bytes,
        streams=None if per_stream is None else streams,
        per_stream=per_stream,
    )


def _around_calls(target: Target, folder: Path, cores: Cores, calls: int) -> tuple[Memory, Memory, int]:
    with small_calls_upstream(folder, cores) as upstream_port:
        running = start(target, folder, upstream_port, cores)
        with running.program as program:
            idle = program.memory()
            made = spent = 0
            while made < calls and spent < _LONGEST_SECONDS:
                slice_seconds = 1 if calls < 10_000 else _SLICE_SECONDS
                made += post_for(destination(running), _CONNECTIONS, slice_seconds, folder, cores).calls
                spent += slice_seconds
            return idle, program.memory(), made


def _per_stream(target: Target, folder: Path, cores: Cores, streams: int) -> float | None:
    with streaming_upstream(folder, cores, interval_seconds=0) as upstream_port:
        running = start(target, folder, upstream_port, cores)
        with running.program as program:
            order = Order(
                port=running.site.port,
                streams=1,
                seconds=0.1,
                model=target.model,
                headers=dict(running.headers),
            )
            # The first one brings in what every later one shares.
            while_listening(order, cores, on_begin=lambda: None)
            idle = program.memory()
            held: list[Memory] = []
            many = Order(
                **{**vars(order), "streams": streams, "seconds": _HOLD_SECONDS},
            )
            try:
                while_listening(many, cores, on_begin=lambda: held.append(program.memory()))
            except ListeningFailed:
                return None
            return (held[0].rss_bytes - idle.rss_bytes) / streams
