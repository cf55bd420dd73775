"""A chat app, and a sidecar before it."""

import pytest

from harness.apps import StartApp
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import ScriptedUpstream, StartUpstream, answering


@pytest.fixture
def start_app(start_upstream: StartUpstream, start_sidecar: StartSidecar) -> StartApp:
    """Start an app that gives these answers, and a sidecar before it."""

    def start(*answers: bytes, **dotted: object) -> tuple[RunningSidecar, ScriptedUpstream]:
        app = start_upstream(answering(*answers))
        given = {"inject.upstream": app.url, "inject.port": 0, "inject.host": ["127.0.0.1"], **dotted}
        return start_sidecar("http://127.0.0.1:9", **given), app

    return start
