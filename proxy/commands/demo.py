"""`helicone-proxy demo`: the sidecar in front of the stand-in for Helicone."""

import logging
import sys
from pathlib import Path
from types import MappingProxyType

import click

from proxy import logs
from proxy.app import Sidecar
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.config.loading import load_settings
from proxy.config.problems import IN_MEMORY
from proxy.config.secrets import secrets_of
from proxy.config.settings import Settings
from proxy.demo.ledger import RATING, ScoreEvent
from proxy.demo.server import StandIn
from proxy.demo.settings import DEMO_KEY, StandInSettings
from proxy.event_loop import run, stop_signals
from proxy.redaction import Redaction

_CHAT = """{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"""
_NOWHERE = "http://127.0.0.1:9"
_QUICK = MappingProxyType(
    {
        "HELICONE_PROXY_DELIVERY__FIRST_LOOK_SECONDS": "1",
        "HELICONE_PROXY_DELIVERY__BURST": "1000",
        "HELICONE_PROXY_DELIVERY__PER_SECOND": "20",
    }
)
"""Where Helicone is this machine: it knows calls at once, and nobody else shares its limit."""
_STREAMED_CHAT = _CHAT.replace('"messages"', '"stream": true, "messages"')


@click.command()
@click.option("--port", default="8747", show_default=True, help="Port of the sidecar; 0 picks a free one.")
@click.option(
    "--ingestion-delay",
    default=0.3,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds until the stand-in knows a call. A rating that comes earlier is lost there, as at Helicone.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration file (TOML) to try; gateway, API, key and outbox stay the demo's own.",
)
def demo(port: str, ingestion_delay: float, config_file: Path | None) -> None:
    """Try everything here: no account, no key, no network."""
    with sentences_instead_of_tracebacks():
        # Before anything listens: what is wrong with them.
        settings = _settings(port, config_file, _NOWHERE, _NOWHERE)
        redaction = Redaction(secrets_of(settings))
        logs.set_up(sys.stderr, "text", "info", redaction)
        # The stand-in's own server has nothing to say to somebody who tries the sidecar.
        logging.getLogger("aiohttp").setLevel(logging.ERROR)
        run(lambda: _demo(port, ingestion_delay, config_file, redaction))


async def _demo(
    port: str, ingestion_delay_seconds: float, config_file: Path | None, redaction: Redaction
) -> None:
    standin = StandIn(
        StandInSettings(ingestion_delay_seconds=ingestion_delay_seconds, token_interval_seconds=0.05)
    )
    async with standin:
        settings = _settings(port, config_file, standin.gateway_url, standin.api_url)
        standin.ledger.listeners.append(_show_rating)
        async with Sidecar(settings, redaction=redaction) as sidecar:
            told_to_stop = stop_signals(sidecar.cut_now)
            click.echo(_text(sidecar.url, standin.api_url))
            await told_to_stop.wait()


def _settings(port: str, config_file: Path | None, gateway_url: str, api_url: str) -> Settings:
    """The demo's own: nobody has to wait to see ratings arrive, and nothing outlasts the demo."""
    return load_settings(
        config_file,
        {**_QUICK, "HELICONE_API_KEY": DEMO_KEY},
        {
            "server.port": port,
            "routes.default.url": gateway_url,
            "helicone.api_url": api_url,
            "outbox.path": IN_MEMORY,
        },
    )


def _text(url: str, api_url: str) -> str:
    json_label = "-H 'Content-Type: application/json'"
    return f"""\
The demo runs: a stand-in for Helicone, and the sidecar in front of it at {url}. Ctrl-C ends it.

Type these into another terminal:

  a chat           curl {url}/v1/chat/completions {json_label} -d '{_CHAT}'
  a streamed chat  curl -N {url}/v1/chat/completions {json_label} -d '{_STREAMED_CHAT}'
  a thumb          curl -d '{{"rating": true}}' {url}/feedback/last
  what came of it  curl {url}/feedback/last

or open {url}/feedback in a browser: what you send appears there, with thumbs to click.
Programs that ask Helicone itself find the stand-in's API with these before their command:

  HELICONE_API_URL={api_url} HELICONE_API_KEY={DEMO_KEY}

What the stand-in stores is shown here. Like Helicone, it loses a rating that comes before it has stored the
call, which takes it a moment after the answer's last word. The sidecar looks, and sends a lost one again.
"""


def _show_rating(event: ScoreEvent) -> None:
    thumb = {1: "👍", 0: "👎"}.get(event.scores.get(RATING, -1), "a score")
    if event.loss is None:
        click.echo(f"         stored at the stand-in: {thumb} for {event.request_id}")
    else:
        click.echo(f"         LOST at the stand-in: {thumb} for {event.request_id}: {event.loss.value}")
