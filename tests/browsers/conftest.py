"""One browser for all tests of a process, and what stands around it."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from browsers.chromium import Chromium, Profile
from browsers.pages import Server, answer_carelessly, serve_module, serve_page
from browsers.relay import Relay
from harness.loops import LoopThread

StartRelay = Callable[[tuple[str, int]], Relay]


@pytest.fixture(scope="session")
def pages(loop: LoopThread) -> Iterator[Server]:
    """The server of all pages that are not the sidecar's."""
    routes = {
        "/modules/{path:.+}": serve_module,
        "/careless/{path:.*}": answer_carelessly,
        "/{name}": serve_page,
    }
    with Server(loop, routes) as server:
        yield server


@pytest.fixture(scope="session")
def chromium(pages: Server) -> Iterator[Chromium]:
    """A browser that lets all requests out, so that the sidecar has to see to itself."""
    with Chromium(public_port=pages.port) as browser:
        yield browser


@pytest.fixture
def profile(chromium: Chromium) -> Iterator[Profile]:
    """A new profile for each test."""
    with chromium.open_profile() as opened:
        yield opened


@pytest.fixture
def lax_profile(chromium: Chromium) -> Iterator[Profile]:
    """One in which a script can use our own documents' origin: what they forbid is done."""
    with chromium.open_profile(obeys_csp=False) as opened:
        yield opened


@pytest.fixture
def start_relay(loop: LoopThread, scope: contextlib.ExitStack) -> StartRelay:
    """Put a relay that takes notes before a server."""
    return lambda destination: scope.enter_context(Relay(loop, destination))
