"""`helicone-proxy serve`: the sidecar itself. What is imported here is what a running sidecar holds in memory."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from proxy import logs
from proxy.app import Sidecar
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.commands.options import Flag, as_settings, setting_options
from proxy.config.loading import advice, load_settings
from proxy.config.permissions import permission_advice
from proxy.config.secrets import secrets_of
from proxy.config.settings import Settings
from proxy.event_loop import run, stop_signals
from proxy.redaction import Redaction, keep_out_of_last_words, passwords_of_proxies

logger = logging.getLogger(__name__)

_THREAD_SWITCH_SECONDS = 0.0005


@click.command()
@setting_options
def serve(config_file: Path | None, **flags: Flag) -> None:
    """Start the sidecar.

    Your Helicone key is read from HELICONE_API_KEY. Other settings come from a file, from the environment, and
    from these options.
    """
    with sentences_instead_of_tracebacks():
        settings = load_settings(config_file, os.environ, as_settings(flags))
        redaction = Redaction((*secrets_of(settings), *passwords_of_proxies(os.environ)))
        keep_out_of_last_words(redaction)
        logs.set_up(sys.stderr, settings.log.format, settings.log.level, redaction)
        for said in (*advice(settings, os.environ), *permission_advice(config_file, settings)):
            logger.warning(said)
        # What is loaded by now never becomes garbage. Without this, a full collection stops all calls for 30 ms.
        gc.freeze()
        # The outbox's thread comes back from the disk while calls are being relayed: Python's usual 5 ms until the
        # loop lets it on would be most of what a rating takes.
        sys.setswitchinterval(_THREAD_SWITCH_SECONDS)
        run(lambda: _serve(settings, os.environ, redaction))


async def _serve(settings: Settings, environ: Mapping[str, str], redaction: Redaction) -> None:
    async with Sidecar(settings, environ=environ, redaction=redaction) as sidecar:
        told_to_stop = stop_signals(sidecar.cut_now)
        # Into a file on a full disk, say, which must not keep calls from being relayed.
        with contextlib.suppress(OSError):
            click.echo("\n".join(_greeting(sidecar)))
        await told_to_stop.wait()


def _greeting(sidecar: Sidecar) -> Iterator[str]:
    """What is said at the start, line by line."""
    settings, (first, *others) = sidecar.settings, sidecar.routes
    yield f"helicone-proxy listens on {sidecar.listening} and relays to {first.url}"
    for route in others:
        yield f"   {route.path} goes to {route.url}"
    if sidecar.before_app is not None:
        yield f"   {settings.inject.upstream} is opened with thumbs at {sidecar.before_app}"
    if settings.helicone.api_key is None:
        yield "No Helicone key is configured (HELICONE_API_KEY): only calls with the app's own can be rated."
    if settings.guard.named_tokens:
        yield "Calls need a token (guard.token): apps send it in the place of their API key."
