"""Fixtures that more than one folder of tests uses."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from harness.benches import Bench, StartBench, bench_starter
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar, settings_of
from harness.upstreams import Script, ScriptedUpstream, StartUpstream

# How long a case takes is no verdict: a busy machine makes anything slow now and then.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """The loop that the product under test runs on."""
    with LoopThread() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs under test keep their state in a folder of this run, never in that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def scope() -> Iterator[contextlib.ExitStack]:
    """What ends with the test, in the order of opening reversed."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def sound_loop(loop: LoopThread) -> Iterator[LoopThread]:
    """The loop, on which no callback may fail before the test ends."""
    failures: list[dict[str, Any]] = []
    loop.loop.set_exception_handler(lambda _, context: failures.append(context))
    yield loop
    loop.loop.set_exception_handler(None)
    assert failures == []


@pytest.fixture
def start_sidecar(sound_loop: LoopThread, scope: contextlib.ExitStack) -> StartSidecar:
    """Start a sidecar with settings of the test's choice."""

    def start(upstream_url: str, **dotted: object) -> RunningSidecar:
        return scope.enter_context(RunningSidecar(sound_loop, settings_of(upstream_url, **dotted)))

    return start


@pytest.fixture
def start_upstream(scope: contextlib.ExitStack) -> StartUpstream:
    """Start a gateway that runs a script."""

    def start(script: Script, *, receive_buffer_bytes: int | None = None) -> ScriptedUpstream:
        return scope.enter_context(ScriptedUpstream(script, receive_buffer_bytes=receive_buffer_bytes))

    return start


@pytest.fixture
def start_bench(sound_loop: LoopThread, scope: contextlib.ExitStack) -> StartBench:
    """Start a stand-in for Helicone, and a sidecar before it."""
    return bench_starter(sound_loop, scope.enter_context)


@pytest.fixture
def bench(start_bench: StartBench) -> Bench:
    """A sidecar as it comes, with the stand-in's key, before a stand-in that ingests at once."""
    return start_bench()


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Puts the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
