"""Figures from samples: medians, percentiles, and ratios within a round."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from benchmarks.results import CallSample, MemorySample, RatingSample, Results, StartSample, StreamSample
from benchmarks.targets import DIRECT

BASE = "nginx"
"""What ratios are to."""

_KEEPING_UP = 0.95
"""Who relays less than that of the chunks is overloaded: its delay says how long the run was, and nothing else."""


class _OfARound(Protocol):
    @property
    def round(self) -> int: ...
    @property
    def target(self) -> str: ...


S = TypeVar("S", bound=_OfARound)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that `percent` of `ordered` are at most (nearest rank)."""
    rank = max(0, -(-len(ordered) * percent // 100) - 1)
    return ordered[int(rank)]


def median(values: Iterable[float]) -> float | None:
    """The median; None of nothing."""
    known = list(values)
    return statistics.median(known) if known else None


def median_ratio(ours: Mapping[int, float], base: Mapping[int, float]) -> float | None:
    """The median of the rounds' ratios. Both by round: what drifts with the machine drifts out of a ratio."""
    return median(ours[number] / base[number] for number in ours if base.get(number))


@dataclass(frozen=True)
class CallFigures:
    """Small calls to one target. `added` is to going direct with as many connections, in seconds."""

    cpu_seconds: float | None
    ratio: float | None
    calls_per_second: float | None
    busy: float | None
    others: float | None
    per_core: float | None
    added_p50_one: float | None
    added_p99_one: float | None
    added_p50_many: float | None
    added_p99_many: float | None


@dataclass(frozen=True)
class StreamFigures:
    """Streams through one target. Delays are None where it does not keep up."""

    cpu_seconds: float | None
    ratio: float | None
    added_p50: float | None
    added_p99: float | None
    relayed: float | None
    """Of the chunks that should have come."""

    lost: int


def _by_round(samples: Iterable[S], target: str, value: Callable[[S], float]) -> dict[int, float]:
    return {sample.round: value(sample) for sample in samples if sample.target == target}


def _added(samples: list[S], target: str, value: Callable[[S], float]) -> float | None:
    ours, direct = _by_round(samples, target, value), _by_round(samples, DIRECT, value)
    return median(ours[number] - direct[number] for number in ours if number in direct)


def call_figures(results: Results, target: str, many: int = 32) -> CallFigures:
    """The figures of small calls to `target`."""
    one = [sample for sample in results.calls if sample.connections == 1]
    crowd = [sample for sample in results.calls if sample.connections == many]

    def cpu(sample: CallSample) -> float:
        return sample.cpu_seconds / sample.calls

    spent = _by_round(crowd, target, cpu)
    cpu_seconds = median(spent.values())
    return CallFigures(
        cpu_seconds=cpu_seconds,
        ratio=median_ratio(spent, _by_round(crowd, BASE, cpu)),
        calls_per_second=median(_by_round(crowd, target, lambda it: it.calls / it.seconds).values()),
        busy=median(_by_round(crowd, target, lambda it: it.cpu_seconds / it.seconds).values()),
        others=median(_by_round(crowd, target, lambda it: it.others_seconds / it.seconds).values()),
        per_core=1 / cpu_seconds if cpu_seconds else None,
        added_p50_one=_added(one, target, lambda it: it.p50_seconds),
        added_p99_one=_added(one, target, lambda it: it.p99_seconds),
        added_p50_many=_added(crowd, target, lambda it: it.p50_seconds),
        added_p99_many=_added(crowd, target, lambda it: it.p99_seconds),
    )


def stream_figures(results: Results, target: str, streams: int) -> StreamFigures:
    """The figures of so many streams through `target`."""
    samples = [sample for sample in results.streams if sample.streams == streams]

    def cpu(sample: StreamSample) -> float:
        return sample.cpu_seconds / max(1, sample.chunks)

    spent = _by_round(samples, target, cpu)
    relayed = median(_by_round(samples, target, lambda it: it.chunks / it.expected).values())
    keeps_up = relayed is not None and relayed >= _KEEPING_UP
    return StreamFigures(
        cpu_seconds=median(spent.values()),
        ratio=median_ratio(spent, _by_round(samples, BASE, cpu)),
        added_p50=_added(samples, target, lambda it: it.p50_seconds) if keeps_up else None,
        added_p99=_added(samples, target, lambda it: it.p99_seconds) if keeps_up else None,
        relayed=relayed,
        lost=sum(sample.lost for sample in samples if sample.target == target),
    )


@dataclass(frozen=True)
class RatingFigures:
    """Ratings while Helicone's API is in one way: medians of the rounds, but for the longest of all."""

    cpu_seconds: float | None
    p50: float | None
    p99: float | None
    longest: float | None
    calls_p50: float | None
    calls_p99: float | None
    calls_longest: float | None


def rating_figures(results: Results, target: str, api: str) -> RatingFigures:
    """The figures of ratings taken by `target` while the API is like that."""
    samples = [sample for sample in results.ratings if (sample.target, sample.api) == (target, api)]

    def middle(value: Callable[[RatingSample], float]) -> float | None:
        return median(map(value, samples))

    return RatingFigures(
        cpu_seconds=middle(lambda it: it.cpu_seconds / max(1, it.ratings)),
        p50=middle(lambda it: it.p50_seconds),
        p99=middle(lambda it: it.p99_seconds),
        longest=max((sample.max_seconds for sample in samples), default=None),
        calls_p50=middle(lambda it: it.calls_p50_seconds),
        calls_p99=middle(lambda it: it.calls_p99_seconds),
        calls_longest=max((sample.calls_max_seconds for sample in samples), default=None),
    )


def beside_ratio(results: Results, target: str) -> float | None:
    """How many times the CPU per call is what it is without ratings, theirs included."""
    spent = [
        {
            it.round: it.cpu_seconds / max(1, it.calls)
            for it in results.beside
            if it.target == target and (it.ratings_per_second > 0) is with_ratings
        }
        for with_ratings in (True, False)
    ]
    return median_ratio(*spent)


def memory_of(results: Results, target: str) -> MemorySample | None:
    """What `target` held in memory; None where it was not measured."""
    return next((sample for sample in results.memory if sample.target == target), None)


def start_seconds(
    results: Results, target: str, value: Callable[[StartSample], float] = lambda it: it.listening_seconds
) -> float | None:
    """How long `target` takes to start."""
    return median(_by_round(results.starts, target, value).values())
