"""The rules of the example, at work in a demo that was started with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.demos import EXAMPLES, Demo, running_demo

RULES = EXAMPLES / "rules.toml"


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """A demo with these rules."""
    pytest.importorskip("re2", reason="google-re2 is not installed")
    with running_demo("--config", str(RULES)) as running:
        yield running


def test_each_answer_is_rated_by_the_rule_that_is_meant(demo: Demo, tmp_path: Path) -> None:
    done = demo.run_python("automated_rules.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    said = [line.split("(")[0].split("?  ")[-1].strip() for line in done.stdout.splitlines()]
    assert said == [
        "no rule has a say",
        "👎 by the rule “an error inside”",
        "Is it night? In one word.    👎 by the rule “nothing said”",
        "👍 by the rule “a tool was called”",
    ]
