"""`helicone-proxy rate`: a thumb for an answer."""

import os
from pathlib import Path
from urllib.parse import quote

import click

from proxy.commands.asking import asking_options, json_text, running_sidecar
from proxy.commands.endings import sentences_instead_of_tracebacks


@click.command()
@click.argument("thumb", type=click.Choice(["up", "down"], case_sensitive=False))
@click.argument("request_id", metavar="[ID]", required=False)
@click.option(
    "--back", type=click.IntRange(min=0), default=0, help="Rate the answer so many before the newest."
)
@asking_options
def rate(thumb: str, request_id: str | None, back: int, config_file: Path | None, *, as_json: bool) -> None:
    """Rate the newest answer, or the call with that ID."""
    if request_id is not None and back:
        raise click.UsageError("--back counts from the newest answer, so it goes without an ID.")
    path = f"/feedback/last?back={back}" if request_id is None else f"/feedback/{quote(request_id, safe='')}"
    with sentences_instead_of_tracebacks():
        said = running_sidecar(config_file, os.environ).post(path, {"rating": thumb}, having="rated")
    click.echo(json_text(said) if as_json else f"{said['message']}\n   {said['rated']['id']}")
