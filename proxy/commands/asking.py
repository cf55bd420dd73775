"""What the commands share that ask a running sidecar: where it is, and how its answer is printed for scripts."""

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

import click

from proxy.commands.options import config_option
from proxy.config.loading import load_settings
from proxy.config.settings import Server, Settings
from proxy.config.sources import CLIENT_URL_NAME
from proxy.errors import ConfigurationError
from proxy.relay.names import bracketed
from proxy.remote import RemoteSidecar

_URL = "proxy.url"
_TOKEN_SETTING = re.compile(r"(?:\A|: )guard\.token(?:s|_file)?: |\AHELICONE_PROXY_GUARD__TOKEN")
"""Begins a problem of a setting that says a token."""

F = TypeVar("F", bound=Callable[..., Any])

_NO_QUERY: Mapping[str, object] = MappingProxyType({})
_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "user": "Mean calls for that user.",
        "session": "Mean calls of that session.",
        "model": "Mean calls to that model.",
        "path": "Mean calls to that path, or to one below it.",
        "client": "Mean calls with the token of that name, from that address, or from an app whose "
        "User-Agent begins so.",
    }
)


def sidecar_options(command: F) -> F:
    """Where the sidecar is: its address, or the configuration that says it."""
    option = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        callback=_keep_url,
        help=f"Where the sidecar is, as in localhost:9000 or unix:/run/proxy.sock; {CLIENT_URL_NAME} in the "
        "environment says it, too. Without either, where the configuration has it.",
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
    """The sidecar that `--url` names, or the environment, else the one of the configured port; with its token."""
    url = click.get_current_context().meta.get(_URL) or environ.get(CLIENT_URL_NAME)
    if url:
        return RemoteSidecar(url, _token_for_another(config_file, environ))
    settings = load_settings(config_file, environ, {})
    return RemoteSidecar(address_of(settings.server), _token_of(settings))


def _token_for_another(config_file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The token for a sidecar elsewhere. Where our settings cannot be used, that is no obstacle to asking it,
    unless it is the token that cannot. Raises ConfigurationError.
    """
    wrong: list[str] = []
    for file in (config_file, None):
        try:
            token = _token_of(load_settings(file, environ, {}))
        except ConfigurationError as error:
            wrong += [each for each in error.problems if _TOKEN_SETTING.search(each)]
        else:
            if token is not None or not wrong:
                return token
    if wrong:
        raise ConfigurationError(list(dict.fromkeys(wrong)))
    return None


def _token_of(settings: Settings) -> str | None:
    return next(iter(settings.guard.named_tokens.values()), None)


def address_of(server: Server) -> str:
    """Where commands on this machine find a sidecar with these settings, as `--url` takes it."""
    if not server.host:
        return f"unix:{server.unix_socket}"
    if not {"127.0.0.1", "0.0.0.0"}.isdisjoint(server.host):  # noqa: S104  # compared, not bound
        return f"http://localhost:{server.port}"
    host = "::1" if "::" in server.host else server.host[0]
    return f"http://{bracketed(host)}:{server.port}"


def back_option(command: F) -> F:
    """Which answer is meant where no id is given."""
    return click.option(
        "--back", type=click.IntRange(min=0), help="Mean the answer so many before the newest."
    )(command)


def scope_options(command: F) -> F:
    """Which calls are meant; the command gets it as `scope`, the way a query has it."""

    @functools.wraps(command)
    def scoped(*arguments: Any, **given: Any) -> Any:  # noqa: ANN401
        pairs = given.pop("properties")
        if not all("=" in pair for pair in pairs):
            raise click.UsageError("--property takes NAME=VALUE, as in app=shop.")
        scope = {name: given.pop(name) for name in _SCOPES}
        scope |= {f"property.{name}": value for name, _, value in (pair.partition("=") for pair in pairs)}
        scope = {name: value for name, value in scope.items() if value is not None}
        return command(*arguments, scope=scope, **given)

    wanted = click.option(
        "--property",
        "properties",
        multiple=True,
        metavar="NAME=VALUE",
        help="Mean calls with that Helicone property; may be given several times.",
    )(scoped)
    for name, sentence in reversed([*_SCOPES.items()]):
        wanted = click.option(f"--{name}", help=sentence)(wanted)
    return cast("F", wanted)


def strict_option(command: F) -> F:
    """Whether to guess between conversations."""
    return click.option(
        "--strict/--no-strict",
        default=None,
        callback=lambda _context, _option, given: None if given is None else str(int(given)),
        help="Do not guess when several conversations were active in the last minute.",
    )(command)


def path_of(request_id: str | None, query: Mapping[str, object] = _NO_QUERY) -> str:
    """Where the call with that id is, or the newest answer that the query means. Raises UsageError."""
    said = {name: value for name, value in query.items() if value is not None}
    if request_id is None:
        return with_query("/feedback/last", said)
    if said:
        raise click.UsageError(
            "--back, --strict, --user and the like say which answer is the newest, so they go without an ID."
        )
    if not request_id.strip():
        raise click.UsageError("The ID is empty.")
    with _as_text():
        return f"/feedback/{quote(request_id, safe='')}"


def with_query(path: str, said: Mapping[str, object]) -> str:
    """A path, with what is said put behind it. Raises UsageError."""
    if not said:
        return path
    with _as_text():
        return f"{path}{'&' if '?' in path else '?'}{urlencode(said, doseq=True)}"


@contextlib.contextmanager
def _as_text() -> Iterator[None]:
    """Refuse bytes that are no text in the encoding that this system's arguments have."""
    try:
        yield
    except UnicodeEncodeError:
        raise click.UsageError("An ID, or what an option says, is not valid text.") from None


def json_text(document: Mapping[str, Any]) -> str:
    """An answer as `--json` prints it."""
    return json.dumps(document, ensure_ascii=False, indent=2)
