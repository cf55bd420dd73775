"""`helicone-proxy check`: is the configuration fine?"""

import asyncio
import os
import sys
from pathlib import Path

import click

from proxy.commands.endings import EXIT_FAILED, sentences_instead_of_tracebacks
from proxy.commands.options import Flag, as_settings, setting_options
from proxy.config import Settings
from proxy.config_loading import advice, load_settings
from proxy.connecting import explore


@click.command()
@setting_options
@click.option("--connect", is_flag=True, help="Try each gateway, and Helicone's API with the key, too.")
def check(config_file: Path | None, *, connect: bool, **flags: Flag) -> None:
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
    if connect:
        with sentences_instead_of_tracebacks():
            all_is_fine = asyncio.run(_connect(settings))
        if not all_is_fine:
            sys.exit(EXIT_FAILED)


async def _connect(settings: Settings) -> bool:
    """Try all that calls and ratings go to, and tell what comes of it. Gives whether all is fine."""
    routes = [("default", settings.routes.default.url)]
    findings = await explore(settings, os.environ, routes, [settings.helicone.resolved_api_url])
    for finding in findings:
        click.echo(str(finding))
    return all(finding.is_fine for finding in findings)
