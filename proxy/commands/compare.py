"""`helicone-proxy compare`: versions side by side, as they are rated, as a table."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.commands.asking import asking_options, json_text, running_sidecar, with_query
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.remote import LONG_SECONDS
from proxy.watch.lines import printable

_PIPE = 200
_BAR_COLUMNS = 31
"""An odd number, so that a half has a column of its own."""
_WIDE = 100
"""Columns of a terminal that has room for bars."""
_LONGEST_VALUE = 40


@click.command()
@click.option(
    "--by",
    required=True,
    metavar="NAME",
    help="What tells versions apart: property.<Name>, model, user, session or route.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only calls of which that holds, as in property.Experiment=prompt-test-1; may be given several times.",
)
@click.option("--since", default="30d", show_default=True, help="How far back: 12h, 30d, or a date.")
@click.option("--until", help="Only calls before that: 1d, or a date.")
@asking_options
def compare(config_file: Path | None, *, as_json: bool, **asked: Any) -> None:  # noqa: ANN401
    """Compare versions of a prompt, models or users by their ratings."""
    path = with_query("/feedback/compare", {name: said for name, said in asked.items() if said})
    with sentences_instead_of_tracebacks():
        said = running_sidecar(config_file, os.environ).get(path, having="verdict", within=LONG_SECONDS)
    if as_json:
        click.echo(json_text(said))
        return
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE)
    if said["variants"]:
        has_bars = console.is_terminal and console.width >= _WIDE and console.encoding.startswith("utf")
        console.print(table(asked["by"], said["variants"], has_bars=has_bars))
        click.echo()
    click.echo(printable(said["verdict"]["sentence"]))
    why = [f"From what is remembered here: {said['why_local']}"] if "why_local" in said else []
    for note in [*why, *said["notes"]]:
        click.echo(f"- {printable(note)}")


def table(by: str, variants: Sequence[Mapping[str, Any]], *, has_bars: bool) -> Table:
    """The versions for a terminal, the best first."""
    scores = sorted({name for each in variants for name in each["scores"]})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(printable(by.removeprefix("property.")), no_wrap=True, max_width=_LONGEST_VALUE)
    if has_bars:
        table.add_column("0%" + "50%".center(_BAR_COLUMNS - 6) + "100%", no_wrap=True)
    for name in ("thumbs up", "95% interval", "calls", *scores):
        table.add_column(printable(name), no_wrap=True, justify="right")
    for each in variants:
        interval = each["interval"]
        table.add_row(
            Text(printable(each["value"])),
            *([bar(each["share"], interval)] if has_bars else []),
            f"{_share(each['share'])} of {each['rated']}" if each["rated"] else "not rated",
            f"{interval['low'] * 100:.0f}-{_percent(interval['high'])}" if interval else "",
            "" if each["calls"] is None else str(each["calls"]),
            *(_mean(each["scores"].get(name)) for name in scores),
        )
    return table


def bar(share: float | None, interval: Mapping[str, float] | None) -> Text:
    """Where the share is, and where it is likely to be, between nothing and all: `·····├──●─┤···`."""
    columns = ["·"] * _BAR_COLUMNS
    if share is not None and interval is not None:
        low, here, high = map(_column, (interval["low"], share, interval["high"]))
        columns[low : high + 1] = "─" * (high + 1 - low)
        columns[low], columns[high] = "├", "┤"
        columns[here] = "●"
    return Text("".join(columns))


def _column(share: float) -> int:
    return round(share * (_BAR_COLUMNS - 1))


def _share(share: float) -> str:
    """Nothing but none is 0%, and nothing but all 100%."""
    return _percent(share if share in (0, 1) else min(max(share, 0.01), 0.99))


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"


def _mean(score: Mapping[str, Any] | None) -> str:
    return "" if score is None else f"{score['mean']:.4g} of {score['number']}"
