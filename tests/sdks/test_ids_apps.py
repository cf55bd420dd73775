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
    requests_with,
    run_app,
    run_python_app,
)

NOT_THERE = missing_programs("node", "npm")


def test_what_the_agents_sdk_tells_its_app_finds_the_call(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    held = run_python_app("with_agents.py", url_of(sidecar))
    assert len(held) == 13
    assert_each_is_found(standin, feedback, held)
    in_session = {each.words: each.id for each in held}["agent: named"]
    run = requests_with(standin, "agent: named")
    assert len(run) == 2
    assert feedback.session(in_session) == ("agent-session-1", run)


def test_what_langchain_tells_its_app_finds_the_call(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    held = run_python_app("with_langchain.py", url_of(sidecar))
    assert len(held) == 10
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
