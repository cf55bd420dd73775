"""`helicone-proxy recent`: the newest calls, as a table."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.commands.asking import asking_options, json_text, running_sidecar, scope_options, with_query
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.model import duration_in_words
from proxy.watch.lines import by_rule

_WIDE = 150
"""Columns of a terminal that has room for everything."""
_PIPE = 200
_ID_COLUMNS = 36
_LONG_COLUMNS = 40
_SHORT_COLUMNS = 8
_OTHER_COLUMNS = 34
"""What age, rating and status take on a narrow terminal, with the gaps between all columns."""
_WIDE_COLUMNS = 72
"""What all but model, path and id take on a wide one."""
_WIDE_NAMES = ("path", "first", "total", "tokens")
_NUMBERS = frozenset({"age", "first", "total", "tokens"})


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many calls.")
@scope_options
@asking_options
def recent(limit: int, config_file: Path | None, *, as_json: bool, scope: Mapping[str, str]) -> None:
    """Show the newest calls and their ratings."""
    path = with_query(f"/feedback?limit={limit}", scope)
    with sentences_instead_of_tracebacks():
        said = running_sidecar(config_file, os.environ).get(path, having="calls")
    if as_json:
        click.echo(json_text(said))
    elif said["calls"]:
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE)
        console.print(table(said["calls"], columns=console.width))
    else:
        click.echo(
            "No such call is remembered."
            if said["remembered"]
            else "No call has come through the sidecar yet."
        )


def table(calls: list[Mapping[str, Any]], *, columns: int) -> Table:
    """The calls for a terminal. On a narrow one the id, which a person has to copy, goes before all else."""
    wide = columns >= _WIDE
    if wide:
        long_columns = min(_LONG_COLUMNS, (columns - _ID_COLUMNS - _WIDE_COLUMNS) // 2)
    else:
        long_columns = max(_SHORT_COLUMNS, columns - _ID_COLUMNS - _OTHER_COLUMNS)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("age", "rating", "status", "model", *(_WIDE_NAMES if wide else ()), "id"):
        table.add_column(
            name,
            no_wrap=True,
            justify="right" if name in _NUMBERS else "left",
            min_width=_ID_COLUMNS if name == "id" else None,
            max_width=long_columns if name in ("model", "path") else None,
        )
    previews_on = any("preview" in call for call in calls)
    if wide and previews_on:
        # It alone may be narrowed, so that it gives way to all others.
        table.add_column("preview")
    for call in calls:
        # As text: a model's name is somebody else's, and may look like rich's markup.
        status = "-" if call["status"] is None else str(call["status"])
        rating = call["rating"]
        thumb = "" if rating is None else rating["thumb"]
        figures = (
            _milliseconds(call["first_byte_ms"]),
            _milliseconds(call["duration_ms"]),
            _tokens(call["tokens"]),
        )
        table.add_row(
            duration_in_words(call["age_seconds"]),
            f"{thumb} {rating['state']}{by_rule(rating)}" if wide and rating else thumb,
            status if call["state"] == "complete" else f"{status} {call['state']}",
            Text(call["model"] or "-"),
            *((Text(call["path"]), *figures) if wide else ()),
            call["id"],
            *((_preview(call.get("preview")),) if wide and previews_on else ()),
        )
    return table


def _tokens(tokens: Mapping[str, int | None] | None) -> str:
    """What went in, and what came out; what the answer did not say is a question mark."""
    if tokens is None:
        return ""
    return " → ".join("?" if tokens[name] is None else str(tokens[name]) for name in ("input", "output"))


def _preview(preview: Mapping[str, str | None] | None) -> Text:
    """The question and the answer, on one line, as far as there is room."""
    said = "" if preview is None else " → ".join(filter(None, (preview["prompt"], preview["answer"])))
    return Text(said, no_wrap=True, overflow="ellipsis")


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"
