"""People and their own pages get in: the address bar, the sidecar's own origin, origins that are listed."""

import json
from functools import partial

import pytest

from browsers.chromium import Profile, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import Server
from harness.benches import CHAT_PATH, MODEL, Bench, StartBench
from proxy.demo.journal import Received

pytestmark = [pytest.mark.system, needs_chromium]

TOKEN = "a-token-of-forty-letters-for-this-sidecar"
CHAT = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]})
STREAM = json.dumps({**json.loads(CHAT), "stream": True})
FETCH = """async ([url, method, body, headers]) => {
  try {
    const answer = await fetch(url, { method, body, headers: { "Content-Type": "application/json", ...headers } });
    return {
      status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text(),
    };
  } catch (error) {
    return { status: 0, headers: {}, text: "" };
  }
}"""


def test_a_person_reads_what_the_address_bar_asks_for(
    profile: Profile, bench: Bench, start_relay: StartRelay
) -> None:
    relay = start_relay(bench.sidecar.address)
    for path in ("/feedback/health", "/feedback", "/feedback/metrics", "/feedback/openapi.json"):
        assert profile.open(f"http://localhost:{relay.port}{path}").status == 200
    asked = relay.exchanges
    assert {each.request.value(b"sec-fetch-site") for each in asked} == {b"none", b"same-origin"}
    # No /favicon.ico, which is no path of ours.
    assert bench.standin.gateway.all() == []


def test_our_own_page_calls_and_rates(lax_profile: Profile, bench: Bench) -> None:
    base = f"http://localhost:{bench.sidecar.address[1]}"
    # Our documents allow no script of theirs to connect, and the gateway's are not opened: hence the lax profile.
    tab = lax_profile.open(f"{base}/feedback/health")
    assert tab.run(FETCH, [f"{base}/v1/models", "GET", None, {}])["status"] == 200
    assert tab.run(FETCH, [base + CHAT_PATH, "POST", CHAT, {}])["status"] == 200
    rated = tab.run(FETCH, [f"{base}/feedback/last", "POST", '{"rating": true}', {}])
    assert rated["status"] in (200, 202), rated
    bench.standin.api.wait_for(lambda each: b"true" in each.body)


def _is_thumb_down_for(call_id: str, received: Received) -> bool:
    return call_id in received.target and b"false" in received.body


def test_a_page_of_a_listed_origin_calls_reads_the_id_and_rates(
    profile: Profile, pages: Server, start_bench: StartBench
) -> None:
    origin = f"http://app.test:{pages.port}"
    bench = start_bench(**{"guard.allowed_origins": [origin]})
    base = f"http://localhost:{bench.sidecar.address[1]}"
    tab = profile.open(f"{origin}/app.html")
    for body in (CHAT, STREAM):
        said = {"Authorization": "Bearer sk-x", "X-Stainless-Lang": "js", "Helicone-User-Id": "ann"}
        answer = tab.run(FETCH, [base + CHAT_PATH, "POST", body, said])
        assert answer["status"] == 200
        call_id = answer["headers"]["feedback-id"]
        assert answer["headers"]["helicone-id"] == call_id
        rated = tab.run(FETCH, [f"{base}/feedback/{call_id}", "POST", '{"rating": false}', {}])
        assert rated["status"] in (200, 202), rated
        assert call_id in rated["text"]
        bench.standin.api.wait_for(partial(_is_thumb_down_for, call_id))
    unrated = tab.run(FETCH, [f"{base}/feedback/nothing", "POST", "{}", {}])
    assert unrated["status"] >= 400
    assert "error" in unrated["text"]


def test_a_page_of_an_origin_that_is_not_listed_gets_nothing_of_that(
    profile: Profile, pages: Server, start_bench: StartBench
) -> None:
    bench = start_bench(**{"guard.allowed_origins": [f"http://app.test:{pages.port}"]})
    base = f"http://localhost:{bench.sidecar.address[1]}"
    tab = profile.open(f"http://other.test:{pages.port}/app.html")
    for path, body in ((CHAT_PATH, CHAT), ("/feedback/last", '{"rating": true}')):
        assert tab.run(FETCH, [base + path, "POST", body, {}])["status"] == 0
    assert bench.standin.gateway.all() == []
    assert bench.posted == []


def test_who_signs_in_by_the_address_bar_stays_signed_in_and_no_other_page_is(
    profile: Profile, pages: Server, start_bench: StartBench, start_relay: StartRelay
) -> None:
    bench = start_bench(**{"guard.token": TOKEN})
    relay = start_relay(bench.sidecar.address)
    base = f"http://localhost:{relay.port}"
    tab = profile.open(f"{base}/feedback/health")
    assert (tab.status, tab.headers["feedback-error"]) == (401, "token_missing")
    tab.go(f"{base}/feedback/health?token={TOKEN}")
    assert (tab.status, tab.url) == (200, f"{base}/feedback/health")
    assert [name for name in profile.cookies if name.startswith("helicone-proxy-")]
    assert TOKEN not in profile.cookies.values()
    assert profile.open(f"{base}/feedback/health").status == 200

    # Another port is the same site to the browser, so the session comes along; the origin tells.
    relay.forget()
    stranger = profile.open(f"http://localhost:{pages.port}/attack.html")
    stranger.run("attack", ["fetch POST text", [[f"{base}/feedback/last", '{"rating": true}']]])
    (exchange,) = relay.wait_for(1)
    assert b"helicone-proxy-" in (exchange.request.value(b"cookie") or b"")
    assert exchange.answer is not None
    assert exchange.answer.value(b"feedback-error") == b"origin_not_allowed"
    assert bench.posted == []
