"""`helicone-proxy check`: is the configuration fine?"""

import os
from pathlib import Path

import click

from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.commands.options import Flag, as_settings, setting_options
from proxy.config_loading import advice, load_settings


@click.command()
@setting_options
def check(config_file: Path | None, **flags: Flag) -> None:
    """Check the configuration, and start nothing."""
    with sentences_instead_of_tracebacks():
        settings = load_settings(config_file, os.environ, as_settings(flags))
    key = "a Helicone key is configured" if settings.helicone.api_key else "no Helicone key is configured"
    source = "no file was read" if config_file is None else f"read from {config_file}"
    click.echo(
        f"The configuration is fine ({source}): {settings.routes.default.url}, port {settings.server.port}, "
        f"{key}; ratings go to {settings.helicone.resolved_api_url}."
    )
    for said in advice(settings, os.environ):
        click.echo(f"Note: {said}")
