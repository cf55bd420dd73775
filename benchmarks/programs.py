"""Where installed programs are: on PATH, beside our interpreter, or where `make bench-peers` puts them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks.processes import ROOT

PEERS = ROOT / ".venv-peers"
_CONFIGURATIONS = Path(__file__).parent / "configurations"
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")
_SYSTEM_FOLDERS = (Path("/usr/sbin"), Path("/usr/local/sbin"))
"""Where Debian puts servers; it is not on everybody's PATH."""


def find_program(name: str) -> str | None:
    """The path of a program; None where it is not installed."""
    folders = [Path(sys.executable).parent, *_SYSTEM_FOLDERS]
    if PEERS.is_dir():
        folders += [PEERS / "bin", *sorted(PEERS.glob("*/bin"))]
    return shutil.which(name) or next(
        (found for folder in folders if (found := shutil.which(name, path=str(folder)))), None
    )


def version_of(command: Sequence[str]) -> str:
    """The first thing that looks like a version in what a command prints."""
    return version_in(output_of(command))


def version_in(said: str) -> str:
    """The first thing that looks like a version in a text."""
    found = _VERSION.search(said)
    return found[0] if found else "?"


def output_of(command: Sequence[str]) -> str:
    """All that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def configuration(name: str, **values: object) -> str:
    """A configuration of ours, filled in."""
    return Template((_CONFIGURATIONS / name).read_text("utf-8")).substitute(values)
