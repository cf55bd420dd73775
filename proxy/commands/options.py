"""The options that stand for settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from proxy.config.settings import FLAGS

_CONFIG_HERE = Path("config.toml")

Flag = str | tuple[str, ...] | None
F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """The file with the settings."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        default=lambda: _CONFIG_HERE if _CONFIG_HERE.exists() else None,
        help="Configuration file (TOML); config.toml in this folder is taken when it is there.",
    )(command)


def setting_options(command: F) -> F:
    """That file, and the flags that stand for single settings."""
    for option in (
        click.option("--log-format", help="text, or json."),
        click.option("--state-dir", help="The folder for what has to outlast a restart."),
        click.option("--api-url", help="Helicone's API; the default follows from the key."),
        click.option(
            "--route",
            multiple=True,
            metavar="NAME[=PRESET|=URL]",
            help="One more gateway, at /NAME, such as anthropic; may be given several times.",
        ),
        click.option("--upstream", help="The gateway that calls go to."),
        click.option("--port", help="Port to listen on; 0 picks a free one."),
        click.option("--host", multiple=True, help="Address to listen on; may be given several times."),
        config_option,
    ):
        command = option(command)
    return command


def as_settings(flags: Mapping[str, Flag]) -> dict[str, object]:
    """The flags under the names of the settings that they stand for; None where one was not given."""
    keys = {flag.removeprefix("--").replace("-", "_"): key for key, flag in FLAGS.items()}
    return {
        keys[name]: (list(value) if isinstance(value, tuple) else value) or None
        for name, value in flags.items()
    }
