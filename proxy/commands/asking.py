"""What the commands share that ask a running sidecar: where it is, and how its answer is printed for scripts."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from proxy.commands.options import config_option
from proxy.config_loading import load_settings
from proxy.config_sources import CLIENT_URL_NAME
from proxy.relay.names import bracketed
from proxy.remote import RemoteSidecar

_URL = "proxy.url"

F = TypeVar("F", bound=Callable[..., Any])


def sidecar_options(command: F) -> F:
    """Where the sidecar is: its address, or the configuration that says it."""
    option = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        callback=_keep_url,
        help=f"Where the sidecar is, as in localhost:9000; {CLIENT_URL_NAME} in the environment says it, too. "
        "Without either, the configured port.",
    )
    return config_option(option(command))


def _keep_url(context: click.Context, _: click.Parameter, url: str | None) -> None:
    """Where `running_sidecar` finds it: commands need not hand it on."""
    context.meta[_URL] = url


def asking_options(command: F) -> F:
    """Where the sidecar is, and `--json`."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)
    return sidecar_options(command)


def running_sidecar(config_file: Path | None, environ: Mapping[str, str]) -> RemoteSidecar:
    """The sidecar that `--url` names, or the environment, else the one of the configured port."""
    url = click.get_current_context().meta.get(_URL) or environ.get(CLIENT_URL_NAME)
    if url:
        return RemoteSidecar(url)
    server = load_settings(config_file, environ, {}).server
    host = "localhost" if "127.0.0.1" in server.host else server.host[0]
    return RemoteSidecar(f"http://{bracketed(host)}:{server.port}")


def back_option(command: F) -> F:
    """Which answer is meant where no id is given."""
    return click.option(
        "--back", type=click.IntRange(min=0), default=0, help="Mean the answer so many before the newest."
    )(command)


def path_of(request_id: str | None, back: int = 0) -> str:
    """Where the call with that id is, or the newest answer, or one before it. Raises UsageError."""
    if request_id is None:
        return f"/feedback/last?back={back}" if back else "/feedback/last"
    if back:
        raise click.UsageError("--back counts from the newest answer, so it goes without an ID.")
    return f"/feedback/{quote(request_id, safe='')}"


def json_text(document: Mapping[str, Any]) -> str:
    """An answer as `--json` prints it."""
    return json.dumps(document, ensure_ascii=False, indent=2)
