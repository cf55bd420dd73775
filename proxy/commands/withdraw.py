"""`helicone-proxy withdraw`: a rating is taken back."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from proxy.commands.asking import (
    asking_options,
    back_option,
    json_text,
    path_of,
    running_sidecar,
    scope_options,
    strict_option,
)
from proxy.commands.endings import sentences_instead_of_tracebacks


@click.command()
@click.argument("request_id", metavar="[ID]", required=False)
@back_option
@strict_option
@scope_options
@asking_options
def withdraw(
    request_id: str | None,
    config_file: Path | None,
    *,
    as_json: bool,
    scope: Mapping[str, str],
    **given: Any,  # noqa: ANN401
) -> None:
    """Take back the rating of the newest answer, or of that ID.

    That works as long as it has not left: Helicone cannot remove a rating, only change it.
    """
    path = path_of(request_id, {**given, **scope})
    with sentences_instead_of_tracebacks():
        answer = running_sidecar(config_file, os.environ).delete(path, having="stands")
    click.echo(json_text(answer) if as_json else f"{answer['message']}\n   {answer['rated']['id']}")
