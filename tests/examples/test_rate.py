"""The examples that rate one answer, in Python and with Node: the thumb is where they say that it is."""

import json
import re
import urllib.request
from pathlib import Path

import pytest

from harness.demos import EXAMPLES, Demo
from sdks.finding import NODE, missing_programs

NOT_THERE = missing_programs("node", "npm")


def assert_rated(demo: Demo, printed: str, rater: str) -> None:
    """What was printed is an answer, its id, and that it was verified; and Helicone has the thumb."""
    answer, rating, verified = printed.rstrip().split("\n\n")[0], *printed.rstrip().splitlines()[-2:]
    assert "“Why is the sky blue?”" in answer
    found = re.fullmatch(r"rating (chatcmpl-\w+) \.\.\.", rating)
    assert found
    assert verified.startswith("verified: 👍 for the answer of gpt-4o-mini")
    with urllib.request.urlopen(f"{demo.url}/feedback/{found[1]}") as known:
        document = json.load(known)
    assert demo.stored(document["id"]) == "👍"
    assert document["rating"]["rater"] == rater


def test_python_rates_the_answer_that_it_streamed(demo: Demo, tmp_path: Path) -> None:
    done = demo.run_python("rate_openai.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert_rated(demo, done.stdout, "rate_openai.py")


@pytest.mark.system
@pytest.mark.skipif(bool(NOT_THERE), reason=f"not installed: {' and '.join(NOT_THERE)}")
def test_node_rates_the_answer_that_it_streamed(demo: Demo, tmp_path: Path) -> None:
    assert (NODE / "node_modules" / "openai").exists(), "`make test` installs the app's packages"
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    copy = tmp_path / "rate_openai.mjs"
    copy.write_bytes((EXAMPLES / copy.name).read_bytes())
    done = demo.run("node", copy, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert_rated(demo, done.stdout, "rate_openai.mjs")
