"""The run as Markdown: one table for everybody, one for each part, and the goals."""

from collections.abc import Sequence

from benchmarks.figures import (
    beside_ratio,
    call_figures,
    median,
    memory_of,
    rating_figures,
    start_seconds,
    stream_figures,
)
from benchmarks.goals import Verdict, verdicts
from benchmarks.ratings import BESIDE_CALLS_PER_SECOND, CALLS_PER_SECOND, PER_SECOND
from benchmarks.results import Results, TargetInfo
from benchmarks.targets import DIRECT

UNKNOWN = "–"
_STREAMS = 50
_SATURATED = 0.95
_WORDS = {True: "reached", False: "**not reached**", None: "not measured"}


def markdown(results: Results) -> str:
    """Everything."""
    proxies = [target for target in results.targets if target.name != DIRECT]
    measured = [target for target in proxies if not _starts_only(results, target)]
    parts = [setting(results), summary(results, measured)]
    if results.calls:
        parts.append(_calls(results, measured))
    if results.streams:
        parts.append(_streams(results, measured))
    if results.ratings:
        parts.append(_ratings(results, measured))
    if results.memory:
        parts.append(_memory(results, measured))
    if results.starts:
        parts.append(_starts(results, proxies))
    parts += [_goals(results, target) for target in measured if target.interpreter is not None]
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def setting(results: Results) -> str:
    """Where and how this was measured."""
    pinned = (
        "The measured proxy has one core for itself; load and upstream share the rest."
        if results.pinned
        else "One core for everything: nothing was pinned."
    )
    tools = ", ".join(f"{name} {version}" for name, version in results.tools.items())
    return (
        f"{machine_in_words(results)}, {tools}. {pinned} One worker each; the sidecar has its memory, guard, "
        "hooks and log on, the others log nothing. Ratios are medians of each round's ratio."
    )


def machine_in_words(results: Results) -> str:
    """The machine, the date, the number of rounds."""
    machine = results.machine
    rounds = 1 + max(results.rounds(), default=0)
    return (
        f"{machine.processor}, {machine.cores} cores, Linux {machine.kernel}, {machine.system}; "
        f"{results.taken_at[:10]}; medians of {rounds} interleaved rounds"
    )


def summary(results: Results, targets: Sequence[TargetInfo]) -> str:
    """The one table for README."""
    head = (
        *("proxy", "CPU per call", "× nginx", "calls/s on one core", "added latency, p50"),
        *("CPU per SSE chunk", "× nginx", "idle memory", "per open stream", "start-up"),
    )
    rows = []
    for target in targets:
        calls, stream = call_figures(results, target.name), stream_figures(results, target.name, _STREAMS)
        memory = memory_of(results, target.name)
        rows.append(
            [
                _name(target),
                _microseconds(calls.cpu_seconds),
                _times(calls.ratio),
                _count(calls.per_core),
                _milliseconds(calls.added_p50_one),
                _microseconds(stream.cpu_seconds),
                _times(stream.ratio),
                _mebibytes(memory.idle_rss if memory else None),
                _kibibytes(memory.per_stream if memory else None),
                _seconds(start_seconds(results, target.name)),
            ]
        )
    return table(head, rows)


def _calls(results: Results, targets: Sequence[TargetInfo]) -> str:
    head = (
        *("proxy", "CPU per call", "× nginx", "calls/s", "its core: used", "by others", "calls/s per core"),
        *("+p50, 1 conn.", "+p99, 1 conn.", "+p50, 32 conn.", "+p99, 32 conn."),
    )
    rows = []
    for target in targets:
        own = call_figures(results, target.name)
        rows.append(
            [
                _name(target),
                _microseconds(own.cpu_seconds),
                _times(own.ratio),
                _count(own.calls_per_second),
                _percent(own.busy),
                _percent(own.others),
                _count(own.per_core),
                _milliseconds(own.added_p50_one),
                _milliseconds(own.added_p99_one),
                _milliseconds(own.added_p50_many),
                _milliseconds(own.added_p99_many),
            ]
        )
    note = (
        f"Where a proxy uses less than {_SATURATED:.0%} of its core, load and upstream were the bottleneck, or "
        "other programs on the machine (`by others`) were in its way; then calls/s per core (one second by the "
        "CPU per call) is the figure. Latency is what comes on top of going direct. Over 32 connections each call "
        "waits for the 31 others, direct and proxied alike: those columns show throughput once more, and only one "
        "connection shows what one call waits for."
    )
    return f"### Small calls\n\n{table(head, rows)}\n\n{note}"


def _streams(results: Results, targets: Sequence[TargetInfo]) -> str:
    levels = sorted({sample.streams for sample in results.streams})
    head = ["proxy"]
    for level in levels:
        head += [f"{level}: CPU per chunk", "× nginx", "+p50", "+p99"]
    rows = []
    for target in targets:
        row = [_name(target)]
        for level in levels:
            own = stream_figures(results, target.name, level)
            overloaded = "overloaded" if (target.name, level) in results.overloaded else UNKNOWN
            late = overloaded if own.relayed is None else f"{own.relayed:.0%} relayed"
            row += [
                _microseconds(own.cpu_seconds),
                _times(own.ratio),
                late if own.added_p50 is None else _milliseconds(own.added_p50),
                _milliseconds(own.added_p99),
            ]
        rows.append(row)
    note = (
        f"{', '.join(map(str, levels))} streams, 50 chunks a second on each. Delay per chunk, from the gateway's "
        "write to the app's read, on top of going direct. Who does not keep up has no delay worth naming; where "
        "not even all streams open, it is overloaded."
    )
    if results.leaking:
        titles = [target.title for target in targets if target.name in results.leaking]
        note += f" Kept streams to the gateway open though their apps had left: {', '.join(titles)}."
    return f"### Event streams\n\n{table(head, rows)}\n\n{note}"


def _ratings(results: Results, targets: Sequence[TargetInfo]) -> str:
    head = (
        *("proxy", "Helicone's API", "p50", "p99", "longest", "CPU per rating"),
        *("a call meanwhile, p50", "p99", "longest"),
    )
    rows = []
    for api in sorted({sample.api for sample in results.ratings}, reverse=True):
        for target in targets:
            own = rating_figures(results, target.name, api)
            if own.p50 is None:
                continue
            rows.append(
                [
                    *(_name(target), api, _milliseconds(own.p50), _milliseconds(own.p99)),
                    *(_milliseconds(own.longest), _microseconds(own.cpu_seconds)),
                    *(_milliseconds(own.calls_p50), _milliseconds(own.calls_p99)),
                    _milliseconds(own.calls_longest),
                ]
            )
    return f"### Ratings\n\n{table(head, rows)}\n\n{_about_ratings(results, targets)}"


def _about_ratings(results: Results, targets: Sequence[TargetInfo]) -> str:
    bare = [median(getattr(it, f"{what}_seconds") for it in results.disk) for what in ("p50", "p99")]
    longest = max((it.max_seconds for it in results.disk), default=None)
    alone = f"p50 {_milliseconds(bare[0])}, p99 {_milliseconds(bare[1])}, longest {_milliseconds(longest)}"
    note = (
        f"{PER_SECOND} ratings a second with `?wait=queued`, a connection each, from the moment at which each was "
        "due until its answer has ended; the outbox is a file, delivery is on as by default. Meanwhile "
        f"{CALLS_PER_SECOND} relayed calls a second, measured the same way; their CPU is in that of the ratings. "
        f"A bare commit on that disk, with nothing around it: {alone}."
    )
    for target in targets:
        ratio = beside_ratio(results, target.name)
        if ratio is not None:
            note += (
                f" CPU per small call of {target.title} while {BESIDE_CALLS_PER_SECOND} ratings a second come in, "
                f"theirs included: {ratio:.2f} times what it is without."
            )
    return note


def _memory(results: Results, targets: Sequence[TargetInfo]) -> str:
    head = ("proxy", "idle", "idle (PSS)", "after the calls", "after (PSS)", "calls", "per open stream")
    rows = []
    for target in targets:
        own = memory_of(results, target.name)
        if own is None:
            continue
        rows.append(
            [
                _name(target),
                _mebibytes(own.idle_rss),
                _mebibytes(own.idle_pss),
                _mebibytes(own.after_calls_rss),
                _mebibytes(own.after_calls_pss),
                _count(own.calls),
                _kibibytes(own.per_stream),
            ]
        )
    return f"### Memory\n\n{table(head, rows)}"


def _starts(results: Results, targets: Sequence[TargetInfo]) -> str:
    rows = [
        [
            _name(target),
            _seconds(start_seconds(results, target.name)),
            _seconds(start_seconds(results, target.name, lambda it: it.answering_seconds)),
        ]
        for target in targets
    ]
    return f"### Start-up\n\n{table(('proxy', 'takes a connection', 'has answered a call'), rows)}"


def _goals(results: Results, target: TargetInfo) -> str:
    return f"### Goals: {target.title}\n\n{verdict_table(verdicts(results, target))}"


def verdict_table(judged: Sequence[Verdict]) -> str:
    """Goals, what was measured, and whether that is enough."""
    rows = [[verdict.goal, verdict.measured, _WORDS[verdict.reached]] for verdict in judged]
    return table(("goal", "measured", ""), rows)


def _starts_only(results: Results, target: TargetInfo) -> bool:
    return target.name not in results.measured()


def _name(target: TargetInfo) -> str:
    return f"**{target.title}**" if target.interpreter else f"{target.title} {target.version}"


def _microseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value * 1e6:,.0f} µs"


def _milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value * 1e3:.2f} ms"


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f} s"


def _times(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0%}"


def _mebibytes(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value / 2**20:.0f} MiB"


def _kibibytes(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value / 1024:.1f} KiB"
