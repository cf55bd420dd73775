"""The commands: parse, call, print, exit code."""

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy import __version__, logs
from proxy.app import Sidecar, run, stop_signals
from proxy.config import FLAGS, Settings
from proxy.config_loading import advice, load_settings
from proxy.config_sources import CLIENT_URL_NAME
from proxy.demo.ledger import RATING, ScoreEvent
from proxy.demo.server import StandIn
from proxy.demo.settings import DEMO_KEY, StandInSettings
from proxy.errors import CannotStart, ConfigurationError
from proxy.model import duration_in_words
from proxy.remote import RemoteError, RemoteSidecar

_WIDE = 150
"""Columns of a terminal that has room for everything."""
_PIPE = 200
_ID_COLUMNS = 36
_LONG_COLUMNS = 40
_SHORT_COLUMNS = 8
_OTHER_COLUMNS = 34
"""What age, rating and status take on a narrow terminal, with the gaps between all columns."""

EXIT_FAILED = 1
EXIT_USAGE = 2

_CONFIG_HERE = Path("config.toml")
_CHAT = """{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"""
_STREAMED_CHAT = _CHAT.replace('"messages"', '"stream": true, "messages"')

Flag = str | tuple[str, ...] | None
logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="helicone-proxy")
def main() -> None:
    """Rate LLM answers that went through Helicone: a local, transparent proxy.

    Set your app's base URL to http://localhost:8747/v1, change nothing else, and rate the latest answer with
    `helicone-proxy rate up`.
    """
    # A thumb that the terminal cannot show must not undo the rating of which it tells.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _config_option(command: F) -> F:
    return click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        default=lambda: _CONFIG_HERE if _CONFIG_HERE.exists() else None,
        help="Configuration file (TOML); config.toml in this folder is taken when it is there.",
    )(command)


def _setting_options(command: F) -> F:
    """The flags that stand for settings."""
    for option in (
        click.option("--log-format", help="text, or json."),
        click.option("--api-url", help="Helicone's API; the default follows from the key."),
        click.option("--upstream", help="The gateway that calls go to."),
        click.option("--port", help="Port to listen on; 0 picks a free one."),
        click.option("--host", multiple=True, help="Address to listen on; may be given several times."),
        _config_option,
    ):
        command = option(command)
    return command


def _as_settings(flags: Mapping[str, Flag]) -> dict[str, object]:
    """The flags under the names of the settings that they stand for; None where one was not given."""
    keys = {flag.removeprefix("--").replace("-", "_"): key for key, flag in FLAGS.items()}
    return {
        keys[name]: (list(value) if isinstance(value, tuple) else value) or None
        for name, value in flags.items()
    }


@contextlib.contextmanager
def _sentences_instead_of_tracebacks() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(EXIT_USAGE)
    except (CannotStart, RemoteError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_FAILED)


@main.command()
@_setting_options
def serve(config_file: Path | None, **flags: Flag) -> None:
    """Start the sidecar."""
    with _sentences_instead_of_tracebacks():
        settings = load_settings(config_file, os.environ, _as_settings(flags))
        logs.set_up(sys.stderr, settings.log.format, settings.log.level)
        for said in advice(settings, os.environ):
            logger.warning(said)
        run(lambda: _serve(settings, os.environ))


async def _serve(settings: Settings, environ: Mapping[str, str]) -> None:
    async with Sidecar(settings, environ=environ) as sidecar:
        told_to_stop = stop_signals(sidecar)
        where = ", ".join(sidecar.listening_on)
        click.echo(
            f"helicone-proxy listens on {sidecar.url} ({where}) and relays to {settings.routes.default.url}"
        )
        await told_to_stop.wait()


@main.command()
@_setting_options
def check(config_file: Path | None, **flags: Flag) -> None:
    """Check the configuration, and start nothing."""
    with _sentences_instead_of_tracebacks():
        settings = load_settings(config_file, os.environ, _as_settings(flags))
    key = "a Helicone key is configured" if settings.helicone.api_key else "no Helicone key is configured"
    click.echo(
        f"The configuration is fine: {settings.routes.default.url}, port {settings.server.port}, {key}; "
        f"ratings go to {settings.helicone.resolved_api_url}."
    )
    for said in advice(settings, os.environ):
        click.echo(f"Note: {said}")


@main.command()
@click.option("--port", default="8747", show_default=True, help="Port of the sidecar; 0 picks a free one.")
@click.option(
    "--ingestion-delay",
    default=0.3,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds until the stand-in knows a call. A rating that comes earlier is lost there, as at Helicone.",
)
def demo(port: str, ingestion_delay: float) -> None:
    """Try everything here: no account, no key, no network."""
    with _sentences_instead_of_tracebacks():
        load_settings(None, {}, {"server.port": port})
        logs.set_up(sys.stderr, "text", "info")
        # The stand-in's own server has nothing to say to somebody who tries the sidecar.
        logging.getLogger("aiohttp").setLevel(logging.ERROR)
        run(lambda: _demo(port, ingestion_delay))


async def _demo(port: str, ingestion_delay_seconds: float) -> None:
    standin = StandIn(
        StandInSettings(ingestion_delay_seconds=ingestion_delay_seconds, token_interval_seconds=0.05)
    )
    async with standin:
        settings = load_settings(
            None,
            {"HELICONE_API_KEY": DEMO_KEY},
            {
                "server.port": port,
                "routes.default.url": standin.gateway_url,
                "helicone.api_url": standin.api_url,
            },
        )
        standin.ledger.listeners.append(_show_rating)
        async with Sidecar(settings) as sidecar:
            told_to_stop = stop_signals(sidecar)
            click.echo(_demo_text(sidecar.url))
            await told_to_stop.wait()


def _demo_text(url: str) -> str:
    json_label = "-H 'Content-Type: application/json'"
    return f"""\
The demo runs: a stand-in for Helicone, and the sidecar in front of it at {url}. Ctrl-C ends it.

Type these into another terminal:

  a chat           curl {url}/v1/chat/completions {json_label} -d '{_CHAT}'
  a streamed chat  curl -N {url}/v1/chat/completions {json_label} -d '{_STREAMED_CHAT}'
  a thumb          curl -d '{{"rating": true}}' {url}/feedback/last

What the stand-in stores is shown here. Like Helicone, it loses a rating that comes before it has stored the
call, which takes it a moment after the answer's last word.
"""


def _show_rating(event: ScoreEvent) -> None:
    thumb = {1: "👍", 0: "👎"}.get(event.scores.get(RATING, -1), "a score")
    if event.loss is None:
        click.echo(f"         stored at the stand-in: {thumb} for {event.request_id}")
    else:
        click.echo(f"         LOST at the stand-in: {thumb} for {event.request_id}: {event.loss.value}")


def _remote_options(command: F) -> F:
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)
    return _config_option(command)


def _running_sidecar(config_file: Path | None, environ: Mapping[str, str]) -> RemoteSidecar:
    url = environ.get(CLIENT_URL_NAME)
    if url:
        return RemoteSidecar(url)
    server = load_settings(config_file, environ, {}).server
    host = "localhost" if "127.0.0.1" in server.host else server.host[0]
    return RemoteSidecar(f"http://{f'[{host}]' if ':' in host else host}:{server.port}")


@main.command()
@click.argument("thumb", type=click.Choice(["up", "down"], case_sensitive=False))
@click.argument("request_id", metavar="[ID]", required=False)
@click.option(
    "--back", type=click.IntRange(min=0), default=0, help="Rate the answer so many before the newest."
)
@_remote_options
def rate(thumb: str, request_id: str | None, back: int, config_file: Path | None, *, as_json: bool) -> None:
    """Rate the newest answer, or the call with that ID."""
    if request_id is not None and back:
        raise click.UsageError("--back counts from the newest answer, so it goes without an ID.")
    path = f"/feedback/last?back={back}" if request_id is None else f"/feedback/{quote(request_id, safe='')}"
    with _sentences_instead_of_tracebacks():
        said = _running_sidecar(config_file, os.environ).post(path, {"rating": thumb}, having="rated")
    click.echo(_as_json(said) if as_json else f"{said['message']}\n   {said['rated']['id']}")


@main.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many calls.")
@_remote_options
def recent(limit: int, config_file: Path | None, *, as_json: bool) -> None:
    """Show the newest calls and their ratings."""
    with _sentences_instead_of_tracebacks():
        said = _running_sidecar(config_file, os.environ).get(f"/feedback?limit={limit}", having="calls")
    if as_json:
        click.echo(_as_json(said))
    elif said["calls"]:
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE)
        console.print(_table(said["calls"], columns=console.width))
    else:
        click.echo("No call has come through the sidecar yet.")


def _as_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


def _table(calls: list[Mapping[str, Any]], *, columns: int) -> Table:
    """The calls for a terminal. On a narrow one the id, which a person has to copy, goes before all else."""
    wide = columns >= _WIDE
    long_columns = _LONG_COLUMNS if wide else max(_SHORT_COLUMNS, columns - _ID_COLUMNS - _OTHER_COLUMNS)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("age", "rating", "status", "model", *(("path", "first", "total") if wide else ()), "id"):
        table.add_column(
            name,
            no_wrap=True,
            justify="right" if name in ("age", "first", "total") else "left",
            min_width=_ID_COLUMNS if name == "id" else None,
            max_width=long_columns if name in ("model", "path") else None,
        )
    for call in calls:
        # As text: a model's name is somebody else's, and may look like rich's markup.
        status = "-" if call["status"] is None else str(call["status"])
        rating = call["rating"]
        thumb = "" if rating is None else rating["thumb"]
        times = (_milliseconds(call["first_byte_ms"]), _milliseconds(call["duration_ms"]))
        table.add_row(
            duration_in_words(call["age_seconds"]),
            f"{thumb} {rating['state']}" if wide and rating else thumb,
            status if call["state"] == "complete" else f"{status} {call['state']}",
            Text(call["model"] or "-"),
            *((Text(call["path"]), *times) if wide else ()),
            call["id"],
        )
    return table


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"
