"""README's picture of `helicone-proxy watch`: what the command shows in a real terminal, as SVG."""

import io
import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.loops import DEADLINE_SECONDS
from harness.programs import COMMAND, environment

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
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (_LINES, _COLUMNS))
    watching = subprocess.Popen(
        [*COMMAND, "watch", "--url", url],
        env=environment({"TERM": "xterm-256color", "COLORTERM": "truecolor"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    try:
        _shown(ours, "q: quit", "verified")
        os.write(ours, b"jju")
        screen = _shown(ours, "👍 for")
        os.write(ours, b"q")
        watching.wait(DEADLINE_SECONDS)
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)
        os.close(theirs)
    path.write_text(_drawn(screen), encoding="utf-8")


def _shown(ours: int, *words: str) -> str:
    """The first whole screen with all of that on it, escape sequences included."""
    raw, deadline = b"", time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        while select.select([ours], [], [], 0.1)[0]:
            raw += os.read(ours, 65536)
        screen = raw.rpartition(_NEW_FRAME)[2].decode()
        if all(word in screen for word in words):
            return screen
    raise TimeoutError(f"{words} are not all shown: {screen}")


def _drawn(screen: str) -> str:
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, emoji=False)
    for line in screen.replace("\r", "").split("\n")[:_LINES]:
        console.print(Text.from_ansi(line.rstrip()), highlight=False, no_wrap=True)
    drawn = console.export_svg(title="helicone-proxy watch", code_format=_SHAPE, unique_id="watch")
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines() if line.strip())
