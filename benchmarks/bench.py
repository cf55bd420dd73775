"""The whole run: every part, in rounds that measure each target once."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks import rater, ratings, small_calls, streams
from benchmarks.listener import Order
from benchmarks.machine import this_machine
from benchmarks.memory import destination, measure_memory
from benchmarks.processes import Cores, Program, ProgramFailed
from benchmarks.programs import version_of
from benchmarks.ratings import Api, RatingsFailed
from benchmarks.results import (
    BesideSample,
    CallSample,
    DiskSample,
    Machine,
    MemorySample,
    RatingSample,
    Results,
    StartSample,
    StreamSample,
    TargetInfo,
)
from benchmarks.small_calls import Destination, LoadFailed
from benchmarks.startup import measure_start
from benchmarks.streams import INTERVAL_SECONDS, ListeningFailed, Overloaded
from benchmarks.targets import DIRECT, Running, Target, start
from benchmarks.upstreams import StreamsKept, small_calls_upstream, streaming_upstream, wait_until_no_streams

CALLS, STREAMS, RATINGS, MEMORY, START = PARTS = ("calls", "streams", "ratings", "memory", "startup")
FAILURES = (LoadFailed, ListeningFailed, ProgramFailed, RatingsFailed)

_SLOW_START_SECONDS = 3.0
"""Who takes longer is started once, not in every round."""

Say = Callable[[str], object]
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What to measure, and for how long; warming up may take none.

    `module_start` is ours by `python -m`, for the start alone."""

    targets: Sequence[Target]
    rounds: int = 5
    call_seconds: int = 3
    connections: Sequence[int] = small_calls.CONNECTIONS
    warm_seconds: int = 2
    stream_seconds: float = 2.0
    settle_seconds: float = 0.5
    levels: Sequence[int] = streams.LEVELS
    rating_seconds: float = 10.0
    memory_calls: int = 100_000
    memory_streams: int = 1000
    parts: Sequence[str] = PARTS
    module_start: Target | None = None


def _level(at_once: int) -> str:
    return f"{at_once} streams"


def _rotated(items: list[T], number: int) -> list[T]:
    """In another order each round: nobody always follows the same neighbour."""
    at = number % len(items) if items else 0
    return items[at:] + items[:at]


@dataclass
class Run:
    """A run under way. `keep` gets, after each part, what there is so far.

    `failed`: a target that fails at something is told of, and left out there, with what was measured before. Keys
    are the target's name and what it failed at: a part, or a number of streams.
    """

    plan: Plan
    folder: Path
    say: Say
    keep: Callable[[Results], object] = lambda _results: None
    cores: Cores = field(default_factory=Cores.of_this_machine)
    machine: Machine = field(default_factory=this_machine)
    failed: dict[tuple[str, str], Exception] = field(default_factory=dict)
    calls: list[CallSample] = field(default_factory=list)
    streams: list[StreamSample] = field(default_factory=list)
    ratings: list[RatingSample] = field(default_factory=list)
    beside: list[BesideSample] = field(default_factory=list)
    disk: list[DiskSample] = field(default_factory=list)
    memory: list[MemorySample] = field(default_factory=list)
    starts: list[StartSample] = field(default_factory=list)
    leaking: set[str] = field(default_factory=set)

    def measure(self) -> Results:
        """Measure everything that was planned."""
        parts = {
            CALLS: self._calls,
            STREAMS: self._streams,
            RATINGS: self._ratings,
            MEMORY: self._memory,
            START: self._startup,
        }
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cores.rest)
        try:
            for part in self.plan.parts:
                parts[part]()
                self.keep(self._results())
        finally:
            os.sched_setaffinity(0, before)
        return self._results()

    def _results(self) -> Results:
        targets = [target.info for target in self.plan.targets]
        if self.plan.module_start is not None:
            targets.append(self.plan.module_start.info)
        return Results(
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=self.machine,
            pinned=self.cores.measured != self.cores.rest,
            tools={"wrk": version_of(["wrk", "-v"])},
            targets=[TargetInfo(name=DIRECT, title="direct", version=""), *targets],
            calls=[it for it in self.calls if (it.target, CALLS) not in self.failed],
            streams=[it for it in self.streams if (it.target, _level(it.streams)) not in self.failed],
            ratings=self.ratings,
            beside=self.beside,
            disk=self.disk,
            memory=self.memory,
            starts=self.starts,
            overloaded=[
                (target.name, level)
                for target in self.plan.targets
                for level in self.plan.levels
                if isinstance(self.failed.get((target.name, _level(level))), Overloaded)
            ],
            leaking=sorted(self.leaking),
        )

    @contextlib.contextmanager
    def _or_left_out(self, name: str, what: str, program: Program | None = None) -> Iterator[None]:
        try:
            yield
        except FAILURES as failure:
            if name == DIRECT:
                raise
            self.failed[name, what] = failure
            if program is not None:
                program.stop()
            self.say(f"left out of {what}: {name}: {failure}")

    def _start_all(self, what: str, stack: contextlib.ExitStack, upstream_port: int) -> list[Running]:
        running = []
        for target in self.plan.targets:
            with self._or_left_out(target.name, what):
                self.say(f"starting {target.name}")
                running.append(start(target, self.folder, upstream_port, self.cores))
                stack.enter_context(running[-1].program)
        return running

    # -- small calls

    def _calls(self) -> None:
        with small_calls_upstream(self.folder, self.cores) as port, contextlib.ExitStack() as stack:
            there = [Destination(DIRECT, port, port, None, {}, "gpt-4o-mini")]
            there += [destination(running) for running in self._start_all(CALLS, stack, port)]
            for each in there if self.plan.warm_seconds else []:
                with self._or_left_out(each.name, CALLS, each.program):
                    self.say(f"small calls: warming up {each.name}")
                    small_calls.post_for(each, 1, self.plan.warm_seconds, self.folder, self.cores)
            for number in range(self.plan.rounds):
                for each in _rotated(there, number):
                    for connections in self.plan.connections:
                        self._post(each, number, connections)

    def _post(self, there: Destination, number: int, connections: int) -> None:
        if (there.name, CALLS) in self.failed:
            return
        with self._or_left_out(there.name, CALLS, there.program):
            seconds = self.plan.call_seconds
            load = small_calls.post_for(there, connections, seconds, self.folder, self.cores)
            sample = CallSample(round=number, target=there.name, connections=connections, **vars(load))
            self.calls.append(sample)
            self.say(
                f"small calls, round {number + 1} of {self.plan.rounds}: {there.name}, {connections} at a time: "
                f"{load.calls} calls, {load.cpu_seconds / load.calls * 1e6:.1f} µs each, "
                f"p50 {load.p50_seconds * 1e3:.2f} ms"
            )
        if there.program is not None:
            there.program.forget_log()

    # -- streams

    def _streams(self) -> None:
        interval = INTERVAL_SECONDS
        with streaming_upstream(self.folder, self.cores, interval) as port, contextlib.ExitStack() as stack:
            running = self._start_all(STREAMS, stack, port)
            anew = partial(self._start_anew, running, stack)
            for number in range(self.plan.rounds):
                for level in self.plan.levels:
                    order = Order(
                        port, level, self.plan.stream_seconds, settle_seconds=self.plan.settle_seconds
                    )
                    self._hear(DIRECT, None, number, order)
                    for each in _rotated(running, number):
                        self._listen(each, number, order, anew)

    def _listen(
        self, running: Running, number: int, direct: Order, anew: Callable[[Running], object]
    ) -> None:
        name, level = running.name, _level(direct.streams)
        if (name, STREAMS) in self.failed or (name, level) in self.failed:
            return
        order = replace(
            direct, port=running.site.port, model=running.target.model, headers=dict(running.headers)
        )
        with self._or_left_out(name, level):
            self._hear(name, running.program, number, order)
        with self._or_left_out(name, STREAMS, running.program):
            try:
                wait_until_no_streams(running.site.upstream_port)
            except StreamsKept as kept:
                self.say(f"{name}: {kept}")
                self.leaking.add(name)
                anew(running)

    def _start_anew(self, all_running: list[Running], stack: contextlib.ExitStack, old: Running) -> None:
        old.program.stop()
        new = start(old.target, self.folder, old.site.upstream_port, self.cores)
        stack.enter_context(new.program)
        all_running[all_running.index(old)] = new
        wait_until_no_streams(old.site.upstream_port)

    def _hear(self, name: str, program: Program | None, number: int, order: Order) -> None:
        heard = streams.listen_through(program, order, self.cores)
        report = heard.report
        sample = StreamSample(
            round=number,
            target=name,
            streams=order.streams,
            expected=order.streams / INTERVAL_SECONDS * report.seconds,
            cpu_seconds=heard.cpu_seconds,
            **vars(report),
        )
        self.streams.append(sample)
        self.say(
            f"streams, round {number + 1} of {self.plan.rounds}: {name}, {order.streams} at a time: "
            f"{report.chunks} chunks ({report.chunks / sample.expected:.0%}), "
            f"{heard.cpu_seconds / max(1, report.chunks) * 1e6:.1f} µs each, "
            f"p50 {report.p50_seconds * 1e3:.2f} ms, p99 {report.p99_seconds * 1e3:.2f} ms"
        )

    # -- ratings

    def _ratings(self) -> None:
        ours = [target for target in self.plan.targets if target.info.interpreter is not None]
        if not ours:
            return
        with small_calls_upstream(self.folder, self.cores) as port:
            for number in range(self.plan.rounds):
                self._commit(number)
                for behaves in Api:
                    with ratings.api_that(behaves, self.folder, self.cores) as api_port:
                        for target in _rotated(ours, number):
                            self._rate(ratings.with_api(target, api_port), number, behaves, port)

    def _commit(self, number: int) -> None:
        commits = ratings.commit_for(self.plan.stream_seconds, self.folder)
        self.disk.append(DiskSample(round=number, **vars(commits)))
        self.say(
            f"disk: {commits.commits} bare commits, p50 {commits.p50_seconds * 1e3:.2f} ms, "
            f"p99 {commits.p99_seconds * 1e3:.2f} ms"
        )

    def _rate(self, target: Target, number: int, behaves: Api, upstream_port: int) -> None:
        if (target.name, RATINGS) in self.failed:
            return
        with self._or_left_out(target.name, RATINGS), contextlib.ExitStack() as stack:
            running = start(target, self.folder, upstream_port, self.cores)
            stack.enter_context(running.program)
            order = rater.Order(
                running.site.port, ratings.PER_SECOND, ratings.CALLS_PER_SECOND, self.plan.rating_seconds
            )
            rated = ratings.rate_for(running, order, self.cores)
            report = rated.report
            self.ratings.append(
                RatingSample(
                    round=number,
                    target=target.name,
                    api=behaves,
                    cpu_seconds=rated.cpu_seconds,
                    **{name: value for name, value in vars(report).items() if name != "failed"},
                )
            )
            self.say(
                f"ratings, round {number + 1} of {self.plan.rounds}: {target.name}, the API {behaves}: "
                f"{report.ratings} ratings, p50 {report.p50_seconds * 1e3:.2f} ms, "
                f"p99 {report.p99_seconds * 1e3:.2f} ms, longest {report.max_seconds * 1e3:.2f} ms; "
                f"calls meanwhile p99 {report.calls_p99_seconds * 1e3:.2f} ms"
            )
            if behaves is Api.WORKS:
                self._call_beside(running, number)

    def _call_beside(self, running: Running, number: int) -> None:
        for per_second in (0, ratings.BESIDE_CALLS_PER_SECOND):
            seconds, at = self.plan.call_seconds, (self.folder, self.cores)
            if per_second:
                load = ratings.post_while_rating(running, seconds, *at)
            else:
                load = small_calls.post_for(destination(running), ratings.CONNECTIONS, seconds, *at)
            self.beside.append(
                BesideSample(
                    round=number,
                    target=running.name,
                    ratings_per_second=per_second,
                    calls=load.calls,
                    cpu_seconds=load.cpu_seconds,
                )
            )
            self.say(
                f"small calls beside {per_second} ratings a second: {running.name}: "
                f"{load.cpu_seconds / load.calls * 1e6:.1f} µs each"
            )

    # -- memory and start

    def _memory(self) -> None:
        for target in self.plan.targets:
            with self._or_left_out(target.name, MEMORY):
                sample = measure_memory(
                    target,
                    self.folder,
                    self.cores,
                    calls=self.plan.memory_calls,
                    streams=self.plan.memory_streams,
                )
                self.memory.append(sample)
                self.say(
                    f"memory: {target.name}: idle {sample.idle_rss / 2**20:.1f} MiB, after {sample.calls} calls "
                    f"{sample.after_calls_rss / 2**20:.1f} MiB, "
                    f"per stream {(sample.per_stream or 0) / 1024:.1f} KiB"
                )

    def _startup(self) -> None:
        slow: set[str] = set()
        with small_calls_upstream(self.folder, self.cores) as port:
            for number in range(self.plan.rounds):
                more = [self.plan.module_start] if self.plan.module_start else []
                for target in [*self.plan.targets, *more]:
                    if target.name in slow or (target.name, START) in self.failed:
                        continue
                    with self._or_left_out(target.name, START):
                        sample = measure_start(target, number, self.folder, port, self.cores)
                        self.starts.append(sample)
                        if sample.listening_seconds > _SLOW_START_SECONDS:
                            slow.add(target.name)
                        self.say(
                            f"start, round {number + 1} of {self.plan.rounds}: {target.name}: "
                            f"listens after {sample.listening_seconds:.3f} s, answers after "
                            f"{sample.answering_seconds:.3f} s"
                        )
