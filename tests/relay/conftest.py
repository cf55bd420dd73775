"""A sidecar for each test, in front of a gateway that the test plays."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness.authorities import Authority
from harness.clients import Client
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar, settings_of
from harness.upstreams import Upstream


@pytest.fixture(scope="session")
def loop(request: pytest.FixtureRequest) -> Iterator[LoopThread]:
    """The loop that the product runs on: uvloop, unless a test asks for others by `on_both_loops`."""
    factory = asyncio.new_event_loop if getattr(request, "param", "uvloop") == "asyncio" else None
    with LoopThread(factory) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left(loop: LoopThread) -> Iterator[None]:
    """No callback on the product's loop may fail, and no thread or task may outlive its test."""
    failures: list[dict[str, Any]] = []
    threads = set(threading.enumerate())
    loop.loop.set_exception_handler(lambda _, context: failures.append(context))
    yield
    left = [task for task in loop.call(asyncio.all_tasks, loop.loop) if task.get_name() != "asking"]
    loop.loop.set_exception_handler(None)
    assert failures == []
    # The loop's own executor, which resolves names, stays.
    new = {thread.name for thread in set(threading.enumerate()) - threads}
    assert {name for name in new if not name.startswith(("asyncio_", "uvloop_"))} == set()
    assert len(left) <= 1, left  # the one that asks


@pytest.fixture
def start_sidecar(scope: contextlib.ExitStack, loop: LoopThread) -> StartSidecar:
    """Start a sidecar with settings of the test's choice."""

    def start(upstream_url: str, **dotted: object) -> RunningSidecar:
        return scope.enter_context(RunningSidecar(loop, settings_of(upstream_url, **dotted)))

    return start


@pytest.fixture
def upstream(scope: contextlib.ExitStack) -> Upstream:
    """A gateway that the test plays by hand."""
    return scope.enter_context(Upstream())


@pytest.fixture
def sidecar(start_sidecar: StartSidecar, upstream: Upstream) -> RunningSidecar:
    """A sidecar as it comes, in front of `upstream`."""
    return start_sidecar(upstream.url)


@pytest.fixture
def client(sidecar: RunningSidecar) -> Client:
    """A client of `sidecar`."""
    return sidecar.connect()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts yet."""
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def unconnected(scope: contextlib.ExitStack) -> str:
    """The URL of an upstream that never accepts: its queue is full."""
    listener = scope.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        filler = scope.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
