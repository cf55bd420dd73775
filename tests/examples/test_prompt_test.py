"""The prompt test: too early at first, then the better prompt by name; and Helicone has what was counted."""

import re
from pathlib import Path

from harness.demos import Demo


def test_a_prompt_test_ends_with_the_better_prompt(demo: Demo, tmp_path: Path) -> None:
    done = demo.run_python("prompt_test.py", "a-test", "160", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    early, late = re.split(r"^a-test: all 160$", done.stdout, flags=re.MULTILINE)
    assert early.startswith("a-test: the first 10 calls\n")
    assert "too early" in early
    assert "“B” is better than “A”" in late or '"B" is better than "A"' in late
    rows = {
        match[1]: match
        for match in re.finditer(r"^([AB]) +80 +80 +(\d+) +(\d+)%   (\d+)% to (\d+)%$", late, re.MULTILINE)
    }
    assert set(rows) == {"A", "B"}
    for row in rows.values():
        up, share, low, high = map(int, row.groups()[1:])
        assert low < share == round(100 * up / 80) < high
    assert "have not arrived" not in done.stdout
    # A test of another name starts anew.
    other = demo.run_python("prompt_test.py", "another-test", "12", cwd=tmp_path)
    assert other.returncode == 0
    assert "is better" not in other.stdout
