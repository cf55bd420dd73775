"""README's picture of `helicone-proxy watch`: what the command shows in a real terminal, as SVG."""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.terminals import Terminal
from harness.wire import wait_until

_LINES, _COLUMNS = 17, 128
_NEW_FRAME = b"\x1b[H"
_SHAPE = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""As rich has it, without the fonts that it would load from another host."""


def take(path: Path, url: str) -> None:
    """Watch the sidecar at `url`, choose a call, rate it, and write the picture."""
    colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with Terminal("watch", "--url", url, env=colours, lines=_LINES, columns=_COLUMNS) as terminal:
        _shown(terminal, "q: quit", "verified")
        terminal.press(b"jju")
        screen = _shown(terminal, "👍 for")
        terminal.press(b"q")
        terminal.ended()
    path.write_text(_drawn(screen), encoding="utf-8")


def _shown(terminal: Terminal, *words: str) -> str:
    """The newest screen once all of that is on it, escape sequences included."""

    def screen() -> str:
        terminal.read()
        return terminal.raw.rpartition(_NEW_FRAME)[2].decode("utf-8", "replace")

    wait_until(lambda: all(word in screen() for word in words), f"{words} are shown")
    return screen()


def _drawn(screen: str) -> str:
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, emoji=False)
    for line in screen.replace("\r", "").split("\n")[:_LINES]:
        console.print(Text.from_ansi(line.rstrip()), highlight=False, no_wrap=True)
    drawn = console.export_svg(title="helicone-proxy watch", code_format=_SHAPE, unique_id="watch")
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines() if line.strip())
