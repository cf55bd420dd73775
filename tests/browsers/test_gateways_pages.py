"""What the gateway answers has the sidecar's origin: fetch() reads it, and no browser runs it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from browsers.chromium import Profile, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import Server
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, settings_of

pytestmark = [pytest.mark.system, needs_chromium]

PAGE = "<!doctype html><body>unrun<script>document.body.textContent = 'run'</script>"
REGISTER = """async (url) => {
  try {
    return (await navigator.serviceWorker.register(url)).scope;
  } catch (error) {
    return error.name;
  }
}"""


@dataclass
class Gateway:
    """Answers with a page, or with a script below /scripts/; `asked` is what came."""

    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path.startswith("/scripts/"):
            return web.Response(text="self.skipWaiting()", content_type="text/javascript")
        return web.Response(text=PAGE, content_type="text/html")


@pytest.fixture
def gateway(loop: LoopThread) -> Iterator[Gateway]:
    """A gateway that anybody's page and script can come from."""
    found = Gateway()
    with Server(loop, {"/{path:.*}": found.answer}) as server:
        found.port = server.port
        yield found


@pytest.fixture
def sidecar(loop: LoopThread, gateway: Gateway) -> Iterator[RunningSidecar]:
    """The sidecar before it."""
    with RunningSidecar(loop, settings_of(f"http://127.0.0.1:{gateway.port}")) as running:
        yield running


def test_a_page_of_the_gateways_does_not_run_in_the_address_bar(
    profile: Profile, gateway: Gateway, sidecar: RunningSidecar
) -> None:
    tab = profile.open(f"http://localhost:{sidecar.address[1]}/anything")
    assert (tab.status, tab.headers["feedback-error"]) == (403, "browser_navigation")
    assert "A browser may not open or load what a gateway answers here" in tab.text
    assert gateway.asked == []
    # By its own address, it does.
    assert profile.open(f"http://localhost:{gateway.port}/anything").text == "run"


def test_a_script_of_the_gateways_becomes_no_service_worker(
    lax_profile: Profile, gateway: Gateway, sidecar: RunningSidecar, start_relay: StartRelay
) -> None:
    relay = start_relay(sidecar.address)
    base = f"http://localhost:{relay.port}"
    tab = lax_profile.open(f"{base}/feedback/health")
    assert tab.run(REGISTER, f"{base}/scripts/worker.js") == "TypeError"
    (exchange,) = (each for each in relay.exchanges if each.path == "/scripts/worker.js")
    assert exchange.request.value(b"service-worker") == b"script"
    assert exchange.answer is not None
    assert exchange.answer.value(b"feedback-error") == b"browser_navigation"
    assert gateway.asked == []
    # Of the gateway's own origin, it does.
    own = f"http://localhost:{gateway.port}"
    assert lax_profile.open(f"{own}/page").run(REGISTER, f"{own}/scripts/worker.js") == f"{own}/scripts/"
