"""`helicone-proxy check`: is the configuration fine?"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from proxy.commands.endings import EXIT_FAILED, sentences_instead_of_tracebacks
from proxy.commands.options import Flag, as_settings, setting_options
from proxy.config.loading import advice, load_settings
from proxy.config.outbox_place import why_unusable
from proxy.config.permissions import permission_advice
from proxy.config.settings import Server, Settings
from proxy.connecting import explore
from proxy.errors import CannotStart
from proxy.guard.hosts import is_loopback
from proxy.routing import ResolvedRoute, resolve


@click.command()
@setting_options
@click.option("--connect", is_flag=True, help="Try each gateway, and Helicone's API with the key, too.")
def check(config_file: Path | None, *, connect: bool, **flags: Flag) -> None:
    """Check the configuration, and start nothing."""
    with sentences_instead_of_tracebacks():
        settings = load_settings(config_file, os.environ, as_settings(flags))
        if (why := why_unusable(settings.outbox, settings.server.port)) is not None:
            raise CannotStart(why)
    key = "a Helicone key is configured" if settings.helicone.api_key else "no Helicone key is configured"
    source = "no file was read" if config_file is None else f"read from {config_file}"
    routes = resolve(settings)
    click.echo(
        f"The configuration is fine ({source}): {_where(settings.server)}, {key}; ratings go to "
        f"{routes[0].api_url or settings.helicone.resolved_api_url}."
    )
    for route in routes:
        click.echo(f"   {_told(route)}")
    for said in (*advice(settings, os.environ), *permission_advice(config_file, settings)):
        click.echo(f"Note: {said}")
    if connect:
        with sentences_instead_of_tracebacks():
            all_is_fine = asyncio.run(_connect(settings, routes))
        if not all_is_fine:
            sys.exit(EXIT_FAILED)


async def _connect(settings: Settings, routes: Sequence[ResolvedRoute]) -> bool:
    """Try all that calls and ratings go to, and tell what comes of it. Gives whether all is fine."""
    findings = await explore(settings, routes, os.environ)
    for finding in findings:
        click.echo(str(finding))
    return all(finding.is_fine for finding in findings)


def _where(server: Server) -> str:
    """What is listened on: the port alone, where that is at this machine's own addresses."""
    others = [address for address in server.host if not is_loopback(address)]
    at = f" at {', '.join(server.host)}" if others else ""
    places = [f"port {server.port}{at}"] if server.host else []
    return ", ".join([*places, *([f"the Unix socket {server.unix_socket}"] if server.unix_socket else [])])


def _told(route: ResolvedRoute) -> str:
    """A route in one line: which calls, where to, and where our Helicone key stands then."""
    if route.key_name is None or not route.may_have_key:
        key = "without the Helicone key"
    else:
        key = f"the Helicone key in {route.key_name.decode().title()}"
    own = "" if route.api_url is None else f"; ratings go to {route.api_url}"
    sessions = "" if route.realtime_url is None else f"; realtime sessions to {route.realtime_url}"
    return f"{route.shown_path} goes to {route.url}, {key}{own}{sessions}"
