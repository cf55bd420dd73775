"""`helicone-proxy search`: calls by how they were rated, as a table or as an export."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from proxy.commands.asking import asking_options, json_text, running_sidecar, with_query
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.errors import CannotStart
from proxy.remote import LONG_SECONDS, Export
from proxy.watch.lines import printable

_PIPE = 200
_WIDE = 150
_USUAL_LIMIT = 100
_LARGEST_LIMIT = 1000
_THUMBS = ("up", "down", "any", "none")
_WIDE_NAMES = ("latency", "tokens", "cost", "user", "scores")
_TIME = "time (UTC)"
_NUMBERS = frozenset({"status", "latency", "tokens", "cost"})


@click.command()
@click.option("--rating", type=click.Choice(_THUMBS), help="Only calls that are rated so; any: with a thumb.")
@click.option("--since", metavar="WHEN", help="From when on: 45m, 36h, 7d, 4w, or a date. Default: 7d.")
@click.option("--until", metavar="WHEN", help="Until when, likewise.")
@click.option("--model", help="Only calls of that model.")
@click.option("--user", help="Only calls for that user.")
@click.option("--session", help="Only calls of that session.")
@click.option("--route", help="Only calls that went that way; of these only what is remembered is found.")
@click.option(
    "--property", "properties", multiple=True, metavar="NAME=VALUE", help="Only calls with that property."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"How many calls. Default: {_USUAL_LIMIT}; of an export, all.",
)
@click.option("--csv", "form", flag_value="csv", help="Export all as CSV.")
@click.option("--ndjson", "form", flag_value="ndjson", help="Export all as JSON, one line for each call.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where an export goes; the file is there when all has come.",
)
@asking_options
def search(
    config_file: Path | None,
    properties: tuple[str, ...],
    form: str | None,
    output: Path | None,
    *,
    as_json: bool,
    **asked: Any,  # noqa: ANN401  # what stands in a query as it is
) -> None:
    """Find calls by how they were rated, and export them."""
    if not all("=" in pair for pair in properties):
        raise click.UsageError("--property takes NAME=VALUE, as in app=shop.")
    if as_json and form is not None:
        raise click.UsageError("Of --json, --ndjson and --csv only one can be had.")
    if output is not None and form is None:
        raise click.UsageError("--output is for an export: say --csv or --ndjson, too.")
    if form is None and (asked["limit"] or 0) > _LARGEST_LIMIT:
        raise click.UsageError(f"More than {_LARGEST_LIMIT} calls are an export: say --csv or --ndjson.")
    said = {name: value for name, value in asked.items() if value is not None}
    said |= {f"property.{name}": value for name, _, value in (pair.partition("=") for pair in properties)}
    with sentences_instead_of_tracebacks():
        if form is not None:
            _export(with_query("/feedback/search", {**said, "format": form}), config_file, output)
            return
        found = running_sidecar(config_file, os.environ).get(
            with_query("/feedback/search", said), having="calls", within=LONG_SECONDS
        )
    if as_json:
        click.echo(json_text(found))
        return
    if "why_local" in found:
        click.echo(_local(found["why_local"]), err=True)
    if not found["calls"]:
        click.echo("No such call is found.")
        return
    console = Console() if sys.stdout.isatty() else Console(width=_PIPE)
    console.print(table(found["calls"], columns=console.width))
    if found["more"]:
        click.echo("There are more: say --limit, or export them with --csv or --ndjson.", err=True)


def _local(why: str) -> str:
    return f"Only what is remembered here was searched: {printable(why)}"


# --- exports -------------------------------------------------------------------------------------------------


def _export(path: str, config_file: Path | None, output: Path | None) -> None:
    with running_sidecar(config_file, os.environ).export(path) as export:
        if export.why_local is not None:
            click.echo(_local(export.why_local), err=True)
        if output is None:
            _write(export, sys.stdout.buffer, is_shown=not sys.stdout.isatty())
        else:
            with _whole_file(output) as file:
                _write(export, file, is_shown=True)


def _write(export: Export, file: IO[bytes], *, is_shown: bool) -> None:
    """Write an export; `is_shown`: how far it is may be shown, since nothing else is."""
    if not (is_shown and sys.stderr.isatty()):
        file.writelines(export.pieces)
        file.flush()
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} lines"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        for piece in export.pieces:
            file.write(piece)
            progress.advance(task, piece.count(b"\n"))
    file.flush()


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there when it is whole, and not before. Raises CannotStart."""
    try:
        if path.exists() and not path.is_file():
            # A device or a pipe takes it as it comes; root would put a file in the place of /dev/null.
            with path.open("wb") as file:
                yield file
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise CannotStart(f"{path} cannot be written: {error.strerror}.") from None


# --- the table -----------------------------------------------------------------------------------------------


def table(calls: list[Mapping[str, Any]], *, columns: int) -> Table:
    """The calls for a terminal. On a narrow one the id goes before all else but time and rating."""
    wide = columns >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (_TIME, "rating", "status", "model", *(_WIDE_NAMES if wide else ()), "id"):
        table.add_column(
            name,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if name in _NUMBERS else "left",
            min_width=36 if name == "id" else None,
        )
    for call in calls:
        # As text: names are somebody else's, and may look like rich's markup.
        table.add_row(
            call["time"][:16].replace("T", " "),
            {"up": "👍", "down": "👎"}.get(call["rating"], ""),
            _text(call["status"]),
            Text(printable(call["model"] or "-")),
            *(_wide_cells(call) if wide else ()),
            Text(printable(call["id"])),
        )
    return table


def _wide_cells(call: Mapping[str, Any]) -> Iterator[str | Text]:
    yield "" if call["latency_ms"] is None else f"{call['latency_ms']:.0f} ms"
    tokens = (call["input_tokens"], call["output_tokens"])
    yield "" if tokens == (None, None) else " → ".join("?" if each is None else str(each) for each in tokens)
    yield "" if call["cost"] is None else f"${call['cost']:.4f}"
    yield Text(printable(call["user"] or ""))
    yield Text(printable(" ".join(f"{name}={value}" for name, value in call["scores"].items())))


def _text(value: object) -> str:
    return "" if value is None else str(value)
