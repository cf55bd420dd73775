"""Each example is a file to copy: short, with a head that says how to run it, and in need of openai at most."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.demos import EXAMPLES

PROGRAMS = sorted([*EXAMPLES.rglob("*.py"), *EXAMPLES.glob("*.mjs")])
PROGRAMS = [each for each in PROGRAMS if "node_modules" not in each.parts]
MOST_LINES = 130
NEEDED = {"openai"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_an_example_can_be_copied(program: Path) -> None:
    text = program.read_text("utf-8")
    assert text.count("\n") <= MOST_LINES
    if program.suffix == ".py":
        tree = ast.parse(text)
        head = ast.get_docstring(tree) or ""
        modules = [
            each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
        ]
        modules += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        foreign = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
    else:
        head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("//"))
        foreign = set(re.findall(r'from "([^"]+)"', text))
    assert foreign <= NEEDED
    assert "What it shows: " in head
    assert "You see " in head or "you see " in head or "watch it" in head
    assert program.name in head


def test_the_list_of_examples_is_whole() -> None:
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    for program in (*PROGRAMS, EXAMPLES / "rules.toml"):
        assert f"]({program.relative_to(EXAMPLES)})" in listed


@pytest.mark.parametrize("name", ["automated_rules.py", "prompt_test.py", "rate_openai.py"])
def test_without_a_sidecar_an_example_says_so(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", EXAMPLES / name],
        env=os.environ | {"HELICONE_PROXY_URL": "http://127.0.0.1:9"},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("No sidecar answers at http://127.0.0.1:9: start one")
