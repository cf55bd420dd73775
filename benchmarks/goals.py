"""What the project promised itself, beside what was measured."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import call_figures, memory_of, rating_figures, start_seconds, stream_figures
from benchmarks.results import Results, TargetInfo

_OPTIMISED_RATIO = 2.5
_OTHER_RATIO = 3.0
_STRETCH_RATIO = 2.0
_CHUNK_RATIO = 1.4
_CHUNK_STREAMS = 50
_ADDED_SECONDS = 0.25e-3
_START_SECONDS = 0.6
_IDLE_BYTES = 50_000_000
_CADDY_SHARE = 0.5
_RATING_SECONDS = 5e-3


@dataclass(frozen=True)
class Verdict:
    """One goal. `reached` is None where something that it needs was not measured."""

    goal: str
    measured: str
    reached: bool | None


def verdicts(results: Results, ours: TargetInfo) -> list[Verdict]:
    """All goals for one of our targets."""
    return [
        *_cost(results, ours),
        *_chunks(results, ours),
        *_latency(results, ours),
        *_ratings(results, ours),
        *_frame(results, ours),
    ]


def _judge(
    goal: str, value: float | None, limit: float | None, unit: Callable[[float], str], *, less: bool = True
) -> Verdict:
    if value is None:
        return Verdict(goal, "–", None)
    if limit is None:
        return Verdict(goal, unit(value), None)
    return Verdict(goal, unit(value), value <= limit if less else value >= limit)


def _times(value: float) -> str:
    return f"{value:.2f}"


def _microseconds(value: float) -> str:
    return f"{value * 1e6:.0f} µs"


def _milliseconds(value: float) -> str:
    return f"{value * 1e3:.2f} ms"


def _cost(results: Results, ours: TargetInfo) -> list[Verdict]:
    own, envoy, caddy = (call_figures(results, name) for name in (ours.name, "envoy", "caddy"))
    optimised = ours.interpreter is not None and ours.interpreter.optimised
    limit = _OPTIMISED_RATIO if optimised else _OTHER_RATIO
    build = "an optimised" if optimised else "a plain build of"
    half = None if caddy.cpu_seconds is None else caddy.cpu_seconds * _CADDY_SHARE
    return [
        _judge(f"CPU per call ≤ {limit} × nginx ({build} CPython)", own.ratio, limit, _times),
        _judge(f"stretch: CPU per call ≤ {_STRETCH_RATIO} × nginx", own.ratio, _STRETCH_RATIO, _times),
        _judge(
            f"CPU per call below Envoy's{_of(envoy.cpu_seconds, _microseconds)}",
            own.cpu_seconds,
            envoy.cpu_seconds,
            _microseconds,
        ),
        _judge(
            f"CPU per call at most half of Caddy's{_of(half, _microseconds)}",
            own.cpu_seconds,
            half,
            _microseconds,
        ),
        *(
            _judge(
                f"more calls/s than {name}{_of(peer.calls_per_second, '{:,.0f}'.format)}",
                own.calls_per_second,
                peer.calls_per_second,
                "{:,.0f}".format,
                less=False,
            )
            for name, peer in (("Envoy", envoy), ("Caddy", caddy))
        ),
    ]


def _of(value: float | None, unit: Callable[[float], str]) -> str:
    return "" if value is None else f" ({unit(value)})"


def _chunks(results: Results, ours: TargetInfo) -> list[Verdict]:
    own = stream_figures(results, ours.name, _CHUNK_STREAMS)
    goal = f"CPU per SSE chunk ≤ {_CHUNK_RATIO} × nginx ({_CHUNK_STREAMS} streams)"
    return [_judge(goal, own.ratio, _CHUNK_RATIO, _times)]


def _latency(results: Results, ours: TargetInfo) -> list[Verdict]:
    own, envoy, caddy = (call_figures(results, name).added_p50_one for name in (ours.name, "envoy", "caddy"))
    return [
        _judge("added p50, 1 connection ≤ 0.25 ms", own, _ADDED_SECONDS, _milliseconds),
        _judge(f"added p50 below Envoy's{_of(envoy, _milliseconds)}", own, envoy, _milliseconds),
        _judge(f"added p50 below Caddy's{_of(caddy, _milliseconds)}", own, caddy, _milliseconds),
    ]


def _ratings(results: Results, ours: TargetInfo) -> list[Verdict]:
    return [
        _judge(
            f"a rating is on disk within 5 ms, p99, while Helicone's API {api}",
            rating_figures(results, ours.name, api).p99,
            _RATING_SECONDS,
            _milliseconds,
        )
        for api in sorted({sample.api for sample in results.ratings}, reverse=True)
    ]


def _frame(results: Results, ours: TargetInfo) -> list[Verdict]:
    memory = memory_of(results, ours.name)
    return [
        _judge("start-up < 0.6 s", start_seconds(results, ours.name), _START_SECONDS, "{:.2f} s".format),
        _judge(
            "idle memory < 50 MB",
            memory.idle_rss if memory else None,
            _IDLE_BYTES,
            lambda value: f"{value / 1e6:.0f} MB",
        ),
    ]
