"""`[::ffff:127.0.0.1]` leads to the sidecar, though it listens on 127.0.0.1. It is no name for it: a browser takes
pages there for such of the internet, and tells nothing of who asks.
"""

import pytest

from browsers.chromium import Profile, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import Server
from browsers.test_attacks import attack
from browsers.vectors import VECTORS, Vector, assert_nothing_happened, leave_a_trace, refusal_of, targets_of
from harness.benches import Bench, StartBench

pytestmark = [pytest.mark.system, needs_chromium]

TOKEN = "a-token-of-forty-letters-for-this-sidecar"
TRIED = [each for each in VECTORS if each.name in ("img", "iframe", "fetch no-cors", "navigation")]


@pytest.mark.parametrize("vector", TRIED, ids=lambda vector: vector.name)
def test_a_page_has_no_effect_by_the_mapped_address(
    profile: Profile, pages: Server, bench: Bench, start_relay: StartRelay, vector: Vector
) -> None:
    call_id = leave_a_trace(bench)
    relay = start_relay(bench.sidecar.address)
    tab = profile.open(f"http://attacker.test:{pages.port}/attack.html")
    seen = attack(tab, vector, f"http://[::ffff:127.0.0.1]:{relay.port}", call_id)
    exchanges = relay.wait_for(len(targets_of(vector, call_id)))
    for exchange in exchanges:
        assert exchange.request.value(b"host") == f"[::ffff:7f00:1]:{relay.port}".encode()
        assert refusal_of(exchange) == (403, "host_not_allowed"), exchange
    assert not any(seen), seen
    assert_nothing_happened(bench)


def test_nobody_signs_in_by_the_mapped_address(
    profile: Profile, start_bench: StartBench, start_relay: StartRelay
) -> None:
    bench = start_bench(**{"guard.token": TOKEN})
    relay = start_relay(bench.sidecar.address)
    tab = profile.open(f"http://[::ffff:127.0.0.1]:{relay.port}/feedback/last?token={TOKEN}")
    assert (tab.status, tab.headers["feedback-error"]) == (403, "host_not_allowed")
    assert profile.cookies == {}
