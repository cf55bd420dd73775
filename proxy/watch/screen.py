"""The board on a terminal."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rich.console import Console, Group
from rich.style import Style
from rich.table import Table
from rich.text import Text

from proxy.watch.board import Board
from proxy.watch.lines import clock_time, milliseconds, printable, rating_of, status_of

_WIDE = 120
"""Columns of a terminal that has room for times and for whom a call was."""
_AROUND = 3
"""Lines besides those of calls, the title and what was said: the table's head, an empty one, the keys."""
_HELP = "↑ ↓ or j k: choose   u: 👍   d: 👎   x: take back   g: newest   q: quit"
_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "held": "yellow",
        "queued": "yellow",
        "paused": "magenta",
        "accepted": "cyan",
        "verified": "green",
        "refused": "red",
    }
)


def picture(board: Board, console: Console, title: Text, said: str) -> Group:
    """All that is shown, as high as the terminal."""
    columns, lines = console.size
    above = _wrapped(title, console)
    spoken = _wrapped(Text(printable(said)), console)
    rows = max(1, lines - _AROUND - len(above) - len(spoken))
    window = board.window(rows)
    below: list[Text] = [Text()] * (rows - len(window))
    middle: Table | Text = _table(window, columns) if window else Text("No call has come yet.", style="dim")
    return Group(
        *above,
        middle,
        *below,
        *spoken,
        Text(_HELP, style="dim", no_wrap=True, overflow="ellipsis"),
    )


def _wrapped(text: Text, console: Console) -> list[Text]:
    """A sentence in as many lines as it takes: its end often says what to do. Calls keep half the screen."""
    columns, lines = console.size
    wrapped = list(text.wrap(console, columns)) or [Text()]
    return wrapped[: max(1, lines // 4)]


def _table(window: list[tuple[Mapping[str, Any], bool]], columns: int) -> Table:
    is_wide = columns >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("", width=1)
    for name in ("time", "rating", "status", "model"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    if is_wide:
        table.add_column("first", no_wrap=True, justify="right")
        table.add_column("total", no_wrap=True, justify="right")
        table.add_column("for", no_wrap=True, overflow="ellipsis")
    # It takes what the others leave: a terminal of 80 columns has no room for all of it.
    table.add_column("id", no_wrap=True, overflow="ellipsis", ratio=1)
    for call, is_chosen in window:
        rating = call["rating"]
        colour = "" if rating is None else _COLOURS.get(rating["state"], "")
        # As text: a model's name is somebody else's, and may look like rich's markup.
        cells = [
            Text("▶" if is_chosen else " "),
            Text(clock_time(call["started_at"])),
            Text(rating_of(rating), style=colour),
            Text(status_of(call)),
            Text(printable(call["model"] or "-")),
        ]
        if is_wide:
            whom = " ".join(printable(each) for each in (call["user"], call["session"]) if each)
            cells += [
                Text(milliseconds(call["first_byte_ms"])),
                Text(milliseconds(call["duration_ms"])),
                Text(whom),
            ]
        table.add_row(*cells, Text(call["id"]), style=Style(reverse=True) if is_chosen else None)
    return table
