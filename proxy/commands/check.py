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
from proxy.config.outbox_place import state_folder, why_unusable
from proxy.config.permissions import permission_advice
from proxy.config.settings import Server, Settings
from proxy.connecting import explore
from proxy.errors import CannotStart
from proxy.guard.hosts import is_loopback
from proxy.routing import ResolvedRoute, resolve
from proxy.signing_secret import FILE_NAME
from proxy.signing_secret import obstacle as secret_obstacle
from proxy.unix_sockets import obstacle


@click.command()
@setting_options
@click.option("--connect", is_flag=True, help="Try each gateway, and Helicone's API with the key, too.")
def check(config_file: Path | None, *, connect: bool, **flags: Flag) -> None:
    """Check the configuration, and start nothing."""
    with sentences_instead_of_tracebacks():
        settings = load_settings(config_file, os.environ, as_settings(flags))
        if (why := why_unusable(settings.outbox, settings.server.port)) is not None:
            raise CannotStart(why)
        folder = state_folder(settings.outbox)
        needs_secret = settings.hooks.token and settings.hooks.secret is None
        if needs_secret and folder is not None and (why := secret_obstacle(folder / FILE_NAME)) is not None:
            raise CannotStart(why)
        socket = settings.server.unix_socket
        if socket is not None and (why := obstacle(Path(socket))) is not None:
            raise CannotStart(why)
    key = "a Helicone key is configured" if settings.helicone.api_key else "no Helicone key is configured"
    source = "no file was read" if config_file is None else f"read from {config_file}"
    routes = resolve(settings)
    click.echo(
        f"The configuration is fine ({source}): {_where(settings.server)}, {key}; ratings go to "
        f"{routes[0].api_url or settings.helicone.resolved_api_url}."
    )
    click.echo(f"   Who may call: {_who(settings)}.")
    for route in routes:
        click.echo(f"   {_told(route)}")
    if settings.inject.upstream is not None:
        click.echo(f"   {_before_app(settings)}.")
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


def _before_app(settings: Settings) -> str:
    """Where a chat app is opened with thumbs, and how it is known whose they are."""
    inject = settings.inject
    said = {
        "user": (inject.user_header, inject.user_cookie),
        "session": (inject.session_header, inject.session_cookie),
    }
    known = [
        f"the {what} in {' or '.join(filter(None, names))}" for what, names in said.items() if any(names)
    ]
    others = [address for address in inject.host if not is_loopback(address)]
    at = f" at {', '.join(others)}" if others else ""
    whose = f"those of {' and '.join(known)}" if known else "the newest one, whoever asked"
    return f"{inject.upstream} is opened with thumbs on port {inject.port}{at}; an answer to rate is {whose}"


def _who(settings: Settings) -> str:
    """Who may call: by which token, from which pages, under which names, through which socket."""
    server, guard = settings.server, settings.guard
    names = [name for name in guard.named_tokens if name]
    if not guard.named_tokens:
        alone = "this user's programs, through the Unix socket alone"
        who = "anybody on this machine" if server.host else alone
    elif not names:
        who = "whoever has the token"
    else:
        nameless = "the token, or " if guard.token is not None else ""
        who = f"whoever has {nameless}a token of its own ({', '.join(names)})"
    said = [who]
    if guard.allowed_origins:
        # With a token it is the one or the other, as for everybody.
        needs_one = settings.hooks.token and not guard.named_tokens
        how = " (for ratings they need a Feedback-Token)" if needs_one else ""
        said.append(f"pages of {', '.join(guard.allowed_origins)}, too{how}")
    if guard.allowed_hosts:
        said.append(f"also under {', '.join(guard.allowed_hosts)}")
    if server.unix_socket is not None and (server.host or guard.named_tokens):
        said.append(f"through the Unix socket this user's programs{'' if server.host else ' alone'}")
    return "; ".join(said)


def _told(route: ResolvedRoute) -> str:
    """A route in one line: which calls, where to, and where our Helicone key stands then."""
    if route.key_name is None or not route.may_have_key:
        key = "without the Helicone key"
    else:
        key = f"the Helicone key in {route.key_name.decode().title()}"
    if route.provider_key is not None and route.provider_key_name is not None:
        key += f", the provider's key in {route.provider_key_name.decode().title()}"
    own = "" if route.api_url is None else f"; ratings go to {route.api_url}"
    sessions = "" if route.realtime_url is None else f"; realtime sessions to {route.realtime_url}"
    return f"{route.shown_path} goes to {route.url}, {key}{own}{sessions}"
