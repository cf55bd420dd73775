"""Frameworks hide the answer's head: the id that they give an app anyway is enough to rate its call."""

import pytest

from harness.sidecars import RunningSidecar
from proxy.demo import StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.finding import (
    NODE,
    assert_each_is_found,
    missing_programs,
    run_app,
    run_python_app,
)

NOT_THERE = missing_programs("node", "npm")


@pytest.mark.parametrize(
    ("app", "count"), [("with_agents.py", 12), ("with_langchain.py", 10)], ids=["agents", "langchain"]
)
def test_what_a_framework_tells_its_app_finds_the_call(
    app: str, count: int, standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    held = run_python_app(app, url_of(sidecar))
    assert len(held) == count
    assert_each_is_found(standin, feedback, held)


@pytest.mark.system
@pytest.mark.skipif(bool(NOT_THERE), reason=f"not installed: {' and '.join(NOT_THERE)}")
def test_what_npms_openai_tells_its_app_finds_the_call(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    assert (NODE / "node_modules" / "openai").exists(), "`make test` installs the app's packages"
    held = run_app(["node", NODE / "app.mjs"], url_of(sidecar))
    assert len(held) == 8
    assert_each_is_found(standin, feedback, held)
