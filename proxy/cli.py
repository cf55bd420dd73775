"""`helicone-proxy`: which commands there are. Each is loaded when it is asked for: none pays for another."""

import gc
import importlib.util
import io
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType

import click

from proxy import __version__
from proxy.redaction import Redaction, keep_out_of_last_words, secrets_of_environment

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "check": "Check the configuration, and start nothing.",
        "compare": "Compare versions of a prompt, models or users by their ratings.",
        "demo": "Try everything here: no account, no key, no network.",
        "outbox": "Show the ratings that are kept, and send refused ones again.",
        "rate": "Rate the newest answer, or the call with that ID.",
        "recent": "Show the newest calls and their ratings.",
        "rules": "Show the rules that rate calls, and try them.",
        "search": "Find calls by how they were rated, and export them.",
        "serve": "Start the sidecar.",
        "watch": "Show calls and ratings as they happen, and rate with single keys.",
        "withdraw": "Take back the rating of the newest answer, or of that ID.",
    }
)
"""Each is a module of `proxy/commands/` with a click command of the same name, whose help begins like this."""


class LazyCommand(click.Command):
    """A command of which `--help` and a shell need the name and one sentence; running it loads the rest."""

    def load(self) -> click.Command:
        """The command itself."""
        # What a module makes is there for good: looking through it for garbage, again and again while it grows,
        # takes 7 % of the start.
        gc.disable()
        try:
            # By name: with an import at the top `serve` would hold the demo and rich as long as it runs.
            module = importlib.import_module(f"proxy.commands.{self.name}")
        finally:
            gc.enable()
        command: click.Command = getattr(module, str(self.name))
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """Hand over to the command itself: click goes on with the command of the context that it gets here."""
        return self.load().make_context(info_name, args, parent, **extra)


def _version() -> str:
    """Which version this is, and whether what runs with every call is compiled (`make wheel`)."""
    spec = importlib.util.find_spec("proxy.calls.recorder")
    compiled = spec is not None and spec.origin is not None and not spec.origin.endswith(".py")
    return f"{__version__}, compiled" if compiled else __version__


@click.group(
    commands=[LazyCommand(name, help=sentence) for name, sentence in COMMANDS.items()],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(_version(), prog_name="helicone-proxy")
def main() -> None:
    """Rate LLM answers that went through Helicone: a local, transparent proxy.

    Set your app's base URL to http://localhost:8747/v1, change nothing else, and rate the newest answer with
    `helicone-proxy rate up`.
    """
    # A thumb that the terminal cannot show must not undo the rating of which it tells.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    keep_out_of_last_words(Redaction(secrets_of_environment(os.environ)))
