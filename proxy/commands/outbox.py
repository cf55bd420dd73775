"""`helicone-proxy outbox`: the ratings that are kept, and how far each has come. Asks the running sidecar."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from proxy.commands.asking import asking_options, json_text, path_of, running_sidecar, sidecar_options
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.model import duration_in_words

_PIPE = 200
_COLUMNS: Mapping[str, int] = MappingProxyType({"rating": 6, "state": 8, "posts": 5, "next": 6, "id": 36})
_GAP = 2
_EXPORT_PAGE = 100
_KEPT = 20
"""How many ratings of one call the outbox keeps."""
_STATES = ("held", "queued", "paused", "accepted", "verified", "refused")


def _chosen(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """States as the local API takes them, with commas between, or one by one."""
    states = tuple(name for text in given for name in text.split(",") if name)
    for name in states:
        if name not in _STATES:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(_STATES)}.", context, parameter)
    return states


@click.group()
def outbox() -> None:
    """Show the ratings that are kept, and send refused ones again."""


@outbox.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE,...",
    callback=_chosen,
    help=f"Only these: {', '.join(_STATES)}.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many ratings."
)
@asking_options
def list_ratings(states: tuple[str, ...], limit: int, config_file: Path | None, *, as_json: bool) -> None:
    """Show the newest ratings."""
    path = f"/feedback/outbox?limit={limit}&state={','.join(states)}"
    with sentences_instead_of_tracebacks():
        said = running_sidecar(config_file, os.environ).get(path, having="ratings")
    if as_json:
        click.echo(json_text(said))
    elif said["ratings"]:
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE)
        console.print(table(said["ratings"], columns=console.width))
    else:
        click.echo("There is no such rating." if states else "Nothing has been rated yet.")


@outbox.command()
@click.argument("request_id", metavar="ID")
@asking_options
def show(request_id: str, config_file: Path | None, *, as_json: bool) -> None:
    """Show the rating of one call, and those before it."""
    with sentences_instead_of_tracebacks():
        said = running_sidecar(config_file, os.environ).get(path_of(request_id), having="history")
    click.echo(json_text(said) if as_json else "\n".join(_lines(said)))


@outbox.command()
@click.argument("request_id", metavar="[ID]", required=False)
@asking_options
def retry(request_id: str | None, config_file: Path | None, *, as_json: bool) -> None:
    """Send what was refused again: of one call, or all."""
    document = {} if request_id is None else {"id": request_id}
    with sentences_instead_of_tracebacks():
        sidecar = running_sidecar(config_file, os.environ)
        said = sidecar.post("/feedback/outbox/retry", document, having="retried")
    click.echo(json_text(said) if as_json else said["message"])


@outbox.command()
@sidecar_options
def export(config_file: Path | None) -> None:
    """Print every call's ratings as JSON, one line for each call."""
    with sentences_instead_of_tracebacks():
        for rating in _all(config_file):
            click.echo(json.dumps(rating, ensure_ascii=False))


def _all(config_file: Path | None) -> Iterator[dict[str, Any]]:
    sidecar = running_sidecar(config_file, os.environ)
    before: int | None = None
    while True:
        path = f"/feedback/outbox?history=true&limit={_EXPORT_PAGE}"
        said = sidecar.get(path if before is None else f"{path}&before={before}", having="ratings")
        yield from said["ratings"]
        before = said["next_before"]
        if before is None:
            return


def table(ratings: list[Mapping[str, Any]], *, columns: int) -> Table:
    """The ratings for a terminal. On a narrow one all goes before the reason, which `show` prints whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in _COLUMNS.items():
        justify: JustifyMethod = "right" if name in ("posts", "next") else "left"
        table.add_column(name, no_wrap=True, min_width=width, justify=justify)
    left = columns - sum(_COLUMNS.values()) - _GAP * len(_COLUMNS)
    table.add_column("why", overflow="ellipsis", no_wrap=True, max_width=max(1, left))
    for rating in ratings:
        table.add_row(
            rating["thumb"],
            rating["state"],
            str(rating["attempts"]),
            _wait(rating),
            rating["id"],
            # As text: Helicone's words may look like rich's markup.
            Text(rating.get("reason", "")),
        )
    return table


def _wait(rating: Mapping[str, Any]) -> str:
    seconds = rating["next_attempt_in_seconds"]
    return "" if seconds is None else duration_in_words(seconds)


def _lines(said: Mapping[str, Any]) -> Iterator[str]:
    """A call's ratings as lines."""
    rating = said["rating"]
    yield f"{said['id']}  {said['model'] or said['path']}" if said["known"] else said["id"]
    if rating is None:
        yield "There is no rating that stands."
    else:
        yield f"{rating['thumb']} {rating['state']}, posted {_times(rating['attempts'])}"
        if "reason" in rating:
            yield rating["reason"]
        if rating["next_attempt_in_seconds"] is not None:
            yield f"next: in {_wait(rating)}"
    for name in ("comment", "scores", "rater", "source", "tags"):
        if rating is not None and name in rating:
            value = rating[name]
            yield f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
    for entry in said["history"]:
        yield f"   {entry['rated_at']}  {entry['thumb']} {entry['state']}"
    if len(said["history"]) >= _KEPT:
        yield f"   (the newest {_KEPT} are kept)"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
