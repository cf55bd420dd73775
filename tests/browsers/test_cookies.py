"""Cookies know no ports: those of other apps on localhost come along to us, and ours would go to them.

The stand-in sets `__cf_bm` with every answer, as Helicone does.
"""

import pytest

from browsers.chromium import Profile, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import Server
from harness.benches import CHAT_PATH, Bench

pytestmark = [pytest.mark.system, needs_chromium]

GET = """async (url) => (await fetch(url, { credentials: "include" })).status"""
POST = """async (url) => {
  const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"messages": []}' };
  return (await fetch(url, { ...init, credentials: "include" })).status;
}"""


def test_cookies_of_other_apps_stay_here_and_the_gateways_stay_there(
    lax_profile: Profile, pages: Server, bench: Bench, start_relay: StartRelay
) -> None:
    lax_profile.open(f"http://localhost:{pages.port}/attack.html")
    assert lax_profile.cookies == {"session": "of-another-app"}
    relay = start_relay(bench.sidecar.address)
    base = f"http://localhost:{relay.port}"

    tab = lax_profile.open(f"{base}/feedback/health")
    assert tab.run(GET, f"{base}/v1/models") == 200
    assert tab.run(POST, base + CHAT_PATH) > 0

    asked = {each.path: each for each in relay.exchanges}
    for path in ("/v1/models", CHAT_PATH):
        assert asked[path].request.value(b"cookie") == b"session=of-another-app"
        answer = asked[path].answer
        assert answer is not None
        assert b"set-cookie" not in answer.names
    sent = bench.standin.gateway.all()
    assert {each.target for each in sent} >= {"/v1/models", CHAT_PATH}
    assert all(each.header("Cookie") is None for each in sent)
    assert lax_profile.cookies == {"session": "of-another-app"}


def test_straight_at_the_gateway_the_cookies_go_both_ways(
    profile: Profile, pages: Server, bench: Bench
) -> None:
    profile.open(f"http://localhost:{pages.port}/attack.html")
    profile.open(f"http://localhost:{bench.standin.gateway_port}/v1/models")
    assert "session=of-another-app" in (bench.standin.gateway.all("/v1/models")[0].header("Cookie") or "")
    assert profile.cookies["__cf_bm"] == "demo"
