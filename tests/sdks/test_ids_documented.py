"""README's table of ids says what the tests do."""

import re
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent.parent / "README.md"
SOURCES = {
    "`openai`, Python and Node": ("test_ids.py", "node/app.mjs"),
    "`anthropic`": ("test_ids.py",),
    "`openai-agents`": ("apps/with_agents.py",),
    "`langchain-openai`": ("apps/with_langchain.py",),
    "any other": ("test_ids.py", "node/app.mjs"),
}
"""Each row's expressions stand in these files; an empty first cell means the row before."""


def documented() -> list[tuple[str, list[str]]]:
    """The table's rows: the package, and the pieces of code that it says to read."""
    table = README.read_text("utf-8").partition("<!-- ids -->")[2].partition("<!-- /ids -->")[0]
    rows: list[tuple[str, list[str]]] = []
    for line in table.strip().splitlines()[2:]:
        package, read, _ = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append((package or rows[-1][0], re.findall(r"`([^`]+)`", read)))
    return rows


def test_every_package_has_its_rows() -> None:
    assert {package for package, _ in documented()} == set(SOURCES)


def test_what_the_table_says_to_read_is_what_the_tests_read() -> None:
    unread = [
        (package, code, source)
        for package, codes in documented()
        for code in codes
        for source in SOURCES[package]
        # An ellipsis stands for what is the reader's own.
        if any(part not in (HERE / source).read_text("utf-8") for part in code.split("..."))
    ]
    assert unread == []
