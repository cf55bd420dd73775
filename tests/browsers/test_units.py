"""The parts of the page that need no browser, by Node's own test runner."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import proxy

UNITS = Path(__file__).parent / "units"
PAGE = Path(proxy.__file__).parent / "web" / "static" / "page"


@pytest.mark.system
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_pages_modules(tmp_path: Path) -> None:
    # Node takes files for modules by the package.json above them, and the package has none.
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copytree(PAGE, tmp_path / "page")
    ran = subprocess.run(
        ["node", "--test", *map(str, sorted(UNITS.glob("*.mjs")))],
        env={**os.environ, "PAGE": str(tmp_path / "page")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
