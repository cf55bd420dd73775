"""The run as one picture: four panels of bars, the same proxies in the same order in each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import call_figures, memory_of, stream_figures
from benchmarks.report import machine_in_words
from benchmarks.results import Results, TargetInfo

_OURS = "#0f766e"
_OTHERS = "#cbd5e1"
_INK = "#0f172a"
_SOFT = "#64748b"
_STREAMS = 50
_INCHES_WIDE = 10.0
_PIXELS_PER_INCH = 160
_ROW_INCHES = 0.3
_TOP_INCHES = 1.25
_GAP_INCHES = 0.85
_BOTTOM_INCHES = 0.5

_ROOM = 14.0
"""Of a logarithmic axis to the right of the longest bar, as a factor: the figure stands there."""

_LEAST_ROOT = 2.2
"""The shortest bar begins so far, as a factor, to the left of its end: a logarithmic bar has no natural root."""


@dataclass(frozen=True)
class Panel:
    """One quantity. `value` gives None where it was not measured; `written` or `absent` is at the bar."""

    title: str
    subtitle: str
    value: Callable[[Results, TargetInfo], float | None]
    written: Callable[[Results, TargetInfo, float], str]
    absent: Callable[[Results, TargetInfo], str] = lambda _results, _target: "not measured"


def draw(results: Results, path: Path) -> None:
    """Draw `results`, opaque, for light pages and dark ones."""
    targets = _ordered(results)
    panel_inches = _ROW_INCHES * len(targets)
    height = _TOP_INCHES + 2 * panel_inches + _GAP_INCHES + _BOTTOM_INCHES
    figure = Figure(figsize=(_INCHES_WIDE, height), dpi=_PIXELS_PER_INCH, facecolor="white")
    grid = figure.subplots(2, 2)
    for axes, panel in zip(grid.flat, _PANELS, strict=True):
        _draw_panel(axes, panel, results, targets)
    for axes in grid[:, 1]:
        axes.set_yticklabels([])
    figure.subplots_adjust(
        left=0.205,
        right=0.985,
        top=1 - _TOP_INCHES / height,
        bottom=_BOTTOM_INCHES / height,
        wspace=0.1,
        hspace=_GAP_INCHES / panel_inches,
    )
    figure.text(
        *(0.02, 1 - 0.33 / height), "What a proxy adds to an LLM call", size=16, weight="bold", color=_INK
    )
    figure.text(
        *(0.02, 1 - 0.60 / height),
        "One worker on one core each, the same calls for all; shorter is better. Bars are on a logarithmic scale.",
        size=10,
        color=_SOFT,
    )
    figure.text(0.02, 0.17 / height, _footer(results, targets), size=8.5, color=_SOFT)
    figure.savefig(path)


def _footer(results: Results, targets: Sequence[TargetInfo]) -> str:
    builds = sorted({target.interpreter.version for target in targets if target.interpreter})
    return f"{machine_in_words(results)}; CPython {', '.join(builds)}"


def _draw_panel(axes: Axes, panel: Panel, results: Results, targets: Sequence[TargetInfo]) -> None:
    values = [panel.value(results, target) for target in targets]
    # A latency may come out at nothing, or below; a logarithm cannot show that.
    shown = [value for value in values if value is not None and value > 0]
    least, most = (min(shown), max(shown)) if shown else (1.0, 1.0)
    root = least / _LEAST_ROOT
    for row, (target, value) in enumerate(zip(targets, values, strict=True)):
        ours = target.interpreter is not None
        drawn = max(value or 0.0, root)
        axes.barh(row, drawn - root, left=root, height=0.68, color=_OURS if ours else _OTHERS)
        axes.annotate(
            panel.absent(results, target) if value is None else panel.written(results, target, value),
            (drawn, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=10,
            weight="bold" if ours else "normal",
            color=_SOFT if value is None else _OURS if ours else _INK,
        )
    axes.set_xscale("log")
    axes.set_xlim(root, most * (most / root) ** 0.5 if most > root * _ROOM else most * _ROOM / 4)
    axes.set_ylim(len(targets) - 0.5, -0.5)
    axes.set_yticks(
        range(len(targets)), [_label(target, targets) for target in targets], size=10.5, color=_INK
    )
    for tick, target in zip(axes.get_yticklabels(), targets, strict=True):
        if target.interpreter is not None:
            tick.set(weight="bold", color=_OURS)
    axes.tick_params(axis="both", which="both", length=0)
    axes.set_xticks([], minor=True)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(_OTHERS)
    axes.set_title(panel.title, loc="left", size=12, weight="bold", color=_INK, pad=20)
    axes.annotate(
        panel.subtitle,
        (0, 1),
        xytext=(0, 7),
        xycoords="axes fraction",
        textcoords="offset points",
        size=9.5,
        color=_SOFT,
    )


def _ordered(results: Results) -> list[TargetInfo]:
    """The proxies that were measured, the cheapest first."""
    cost = {target.name: call_figures(results, target.name).cpu_seconds for target in results.targets}
    measured = results.measured()
    proxies = [target for target in results.targets if target.name in measured and target.version]
    return sorted(proxies, key=lambda target: cost[target.name] or 0.0)


def _label(target: TargetInfo, targets: Sequence[TargetInfo]) -> str:
    build = target.interpreter
    if build is None:
        return target.title
    if sum(other.interpreter is not None for other in targets) == 1:
        return "this sidecar"
    name = "sidecar, compiled" if target.compiled else "sidecar"
    if len({other.interpreter.optimised for other in targets if other.interpreter is not None}) == 1:
        return name
    return f"{name}, {'optimised' if build.optimised else 'plain build'}"


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"  ·  {ratio:.1f}×" if ratio < 10 else f"  ·  {ratio:,.0f}×"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def _idle(results: Results, target: TargetInfo) -> float | None:
    memory = memory_of(results, target.name)
    return memory.idle_rss if memory else None


_PANELS = (
    Panel(
        "Processor time per call",
        "small chat completion, 32 connections; × is to nginx",
        lambda results, target: call_figures(results, target.name).cpu_seconds,
        lambda results, target, value: (
            _microseconds(value) + _ratio(call_figures(results, target.name).ratio)
        ),
    ),
    Panel(
        "Added latency per call",
        "median, 1 connection, on top of going direct",
        lambda results, target: call_figures(results, target.name).added_p50_one,
        lambda _results, _target, value: f"{value * 1e3:.2f} ms" if value < 0.01 else f"{value * 1e3:.0f} ms",
    ),
    Panel(
        "Processor time per streamed chunk",
        f"{_STREAMS} event streams, 50 chunks a second each; × is to nginx",
        lambda results, target: stream_figures(results, target.name, _STREAMS).cpu_seconds,
        lambda results, target, value: (
            _microseconds(value) + _ratio(stream_figures(results, target.name, _STREAMS).ratio)
        ),
        lambda results, target: (
            "overloaded" if (target.name, _STREAMS) in results.overloaded else "not measured"
        ),
    ),
    Panel(
        "Memory",
        "resident, idle after start",
        _idle,
        lambda _results, _target, value: f"{value / 2**20:,.0f} MiB",
    ),
)
