"""The prompt test: too early at first, then the better prompt by name, from what Helicone has."""

import re
from pathlib import Path

from harness.demos import Demo


def test_a_prompt_test_ends_with_the_better_prompt(demo: Demo, tmp_path: Path) -> None:
    done = demo.run_python("prompt_test.py", "a-test", "160", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    early, late = re.split(r"^a-test: all 160$", done.stdout, flags=re.MULTILINE)
    assert early.startswith("a-test: the first 10 calls\n")
    assert "It is too early to tell" in early
    assert "“B” is better than “A”" in late
    assert "have not arrived" not in done.stdout
    rows = re.findall(r"^([AB]) +80 +80 +(\d+) +(\d+)%   (\d+)% to (\d+)%$", late, re.MULTILINE)
    assert [row[0] for row in rows] == ["B", "A"]
    for up, share, low, high in (map(int, row[1:]) for row in rows):
        assert low < share == round(100 * up / 80) < high
