"""`helicone-proxy watch`: what happens, live, in a terminal or as lines."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType
from urllib.parse import quote

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from proxy.commands.asking import asking_options, running_sidecar, scope_options, with_query
from proxy.commands.endings import sentences_instead_of_tracebacks
from proxy.errors import RemoteError
from proxy.remote import RemoteSidecar
from proxy.watch.board import Board
from proxy.watch.feed import AWAY, Feed, Told
from proxy.watch.keys import DOWN, HAS_KEYS, PAGE_DOWN, PAGE_UP, TOP, UP, Keys
from proxy.watch.lines import line_of
from proxy.watch.screen import picture

_EVENTS = "/feedback/events"
_LIST = "/feedback?limit=100"
_RATING = "?wait=queued&hold=5s"
"""Kept back for a moment, as on the page: a key is pressed by mistake more easily than a command is typed."""
_LOOK_SECONDS = 0.5
"""How long a terminal waits for keys and events: then it may have another size."""
_STEPS: Mapping[str, int] = MappingProxyType(
    {UP: -1, "k": -1, DOWN: 1, "j": 1, PAGE_UP: -10, PAGE_DOWN: 10, TOP: -1_000_000, "g": -1_000_000}
)
_INTERRUPTED = 130
_TERMINATED = 143


@click.command()
@scope_options
@asking_options
def watch(config_file: Path | None, *, as_json: bool, scope: Mapping[str, str]) -> None:
    """Show calls and ratings as they happen, and rate with single keys.

    Choose a call with the arrow keys (or j and k); u is a thumb up, d a thumb down, x takes the rating back. Where
    output or input is no terminal, each event is one line.
    """
    with sentences_instead_of_tracebacks(), _quiet_endings():
        remote = running_sidecar(config_file, os.environ)
        feed = Feed(remote, with_query(_EVENTS, scope))
        is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        if is_terminal and not HAS_KEYS and not as_json:
            click.echo("This system gives no single keys to programs; each event is one line here.", err=True)
        try:
            if is_terminal and HAS_KEYS and not as_json:
                _Watch(remote, feed, with_query(_LIST, scope)).run()
            else:
                _print(feed, as_json=as_json)
        finally:
            feed.close()


@contextlib.contextmanager
def _quiet_endings() -> Iterator[None]:
    """Ctrl-C, SIGTERM, and a pipe that nobody reads any more are how this command ends."""

    def terminate(_: int, __: FrameType | None) -> None:
        sys.exit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # Python would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        signal.signal(signal.SIGTERM, before)


def _print(feed: Feed, *, as_json: bool) -> None:
    """One line for each event, until interrupted. How the sidecar is goes to standard error."""
    feed.begin()
    is_away = has_begun = False
    while True:
        told = feed.take(_LOOK_SECONDS)
        if told is None:
            continue
        if told.name == AWAY:
            if not is_away:
                click.echo(f"The sidecar is away, and is waited for. {told.data['message']}", err=True)
            is_away = True
            continue
        if told.name == "ready" and has_begun and not as_json:
            back = "The sidecar is back." if is_away else "More happened than could be told."
            missed = "" if told.data["resumed"] else " Some events may be missing here."
            click.echo(f"{back}{missed}", err=True)
        is_away, has_begun = is_away and told.name != "ready", True
        if as_json:
            click.echo(
                json.dumps({"event": told.name, "event_id": told.id or None, **told.data}, ensure_ascii=False)
            )
        elif line := line_of(told.name, told.data):
            click.echo(line)


class _Watch:
    """The live board, and what keys do."""

    def __init__(self, remote: RemoteSidecar, feed: Feed, list_path: str) -> None:
        self._remote = remote
        self._feed = feed
        self._list_path = list_path
        self._board = Board()
        self._away = ""
        self._said = ""
        self._is_over = False

    def run(self) -> None:
        """Show it until q is pressed."""
        self._feed.begin()
        console = Console()
        keys = Keys(sys.stdin.fileno())
        self._feed.wake = keys.wake
        with keys.open(), Live(console=console, screen=True, auto_refresh=False) as live:
            while not self._is_over:
                while (told := self._feed.take(0)) is not None:
                    self._note(told)
                live.update(picture(self._board, console, self._title(), self._said), refresh=True)
                for key in keys.wait(_LOOK_SECONDS):
                    self._press(key)

    def _title(self) -> Text:
        if self._away:
            return Text(f"away: {self._away}", style="bold red")
        return Text(f"{self._remote.place}   {len(self._board)} calls", style="bold")

    def _note(self, told: Told) -> None:
        if told.name == AWAY:
            self._away = str(told.data["message"])
        elif told.name == "ready":
            self._away = ""
            if not told.data["resumed"]:
                self._load()
        else:
            self._board.tell(told.name, told.data)

    def _load(self) -> None:
        try:
            self._board.load(self._remote.get(self._list_path, having="calls")["calls"])
        except RemoteError as error:
            self._said = error.message

    def _press(self, key: str) -> None:
        if key == "q":
            self._is_over = True
        elif key in _STEPS:
            self._board.move(_STEPS[key])
        elif key in ("u", "d", "x"):
            self._rate(key)

    def _rate(self, key: str) -> None:
        call = self._board.chosen
        if call is None:
            self._said = "There is no call to rate yet."
            return
        path = f"/feedback/{quote(call['id'], safe='')}"
        try:
            if key == "x":
                answer = self._remote.delete(path, having="rated")
            else:
                answer = self._remote.post(path + _RATING, {"rating": key == "u"}, having="rated")
            self._said = str(answer["message"])
        except RemoteError as error:
            self._said = error.message
