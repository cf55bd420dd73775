"""A page whose own name comes to mean the sidecar. Then it has the sidecar's origin, and only `Host` tells.

The name's new address is played by a relay: its next connections end elsewhere. To Chromium that is one and the
same, and what comes to the sidecar is, too. As measured with Chromium 156: GETs of such a page have neither
`Origin` nor `Sec-Fetch-*` (the latter because `http://attacker.test` is no place that can be trusted), so
nothing about them but `Host` is odd. Its POSTs carry an `Origin` that equals `Host`. The page can read the
refusals, for they are its own origin's; nothing else.
"""

import pytest

from browsers.chromium import Profile, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import Server
from browsers.test_attacks import arrived, attack, each_kind
from browsers.vectors import CANARY, Vector, assert_nothing_happened, leave_a_trace, refusal_of
from harness.benches import Bench, StartBench

pytestmark = [pytest.mark.system, needs_chromium]

FRAMED = "form in a sandboxed iframe"


@each_kind
def test_a_page_that_is_rebound_has_no_effect_and_reads_nothing(
    profile: Profile, pages: Server, bench: Bench, start_relay: StartRelay, vectors: tuple[Vector, ...]
) -> None:
    call_id = leave_a_trace(bench)
    relay = start_relay(("127.0.0.1", pages.port))
    base = f"http://attacker.test:{relay.port}"
    tab = profile.open(f"{base}/attack.html")
    relay.rebind(bench.sidecar.address)
    for vector in vectors:
        seen = attack(tab, vector, base, call_id)
        for exchange in arrived(relay, vector, vector.own, call_id):
            assert refusal_of(exchange) == (403, "host_not_allowed"), exchange
            assert exchange.request.value(b"host") == f"attacker.test:{relay.port}".encode()
            assert not [name for name in exchange.request.names if name.startswith(b"sec-fetch-")]
            own = (None, base.encode()) if vector.name != FRAMED else (b"null",)
            assert exchange.request.value(b"origin") in own
        assert CANARY not in repr(seen)
        relay.forget()
    assert_nothing_happened(bench)


@each_kind
def test_where_its_name_is_allowed_a_page_that_is_rebound_does_all_that_it_likes(
    profile: Profile,
    pages: Server,
    start_bench: StartBench,
    start_relay: StartRelay,
    vectors: tuple[Vector, ...],
) -> None:
    """It is `allowed_hosts` that stands between them, and nothing else."""
    bench = start_bench(**{"guard.allowed_hosts": ["attacker.test"]})
    call_id = leave_a_trace(bench)
    relay = start_relay(("127.0.0.1", pages.port))
    base = f"http://attacker.test:{relay.port}"
    tab = profile.open(f"{base}/attack.html")
    relay.rebind(bench.sidecar.address)
    seen = {vector.name: repr(attack(tab, vector, base, call_id)) for vector in vectors}
    if "fetch" in seen:
        assert CANARY in seen["fetch"]
        assert "chat.completion" in seen["fetch POST JSON"]
        assert [each for each in bench.posted if each.method == "POST"]
    elif "WebSocket" in seen:
        assert "session.created" in seen["WebSocket"]
    else:
        assert CANARY in seen["navigation"]


def test_an_attackers_name_in_the_address_bar_shows_a_refusal(
    profile: Profile, bench: Bench, start_relay: StartRelay
) -> None:
    leave_a_trace(bench)
    relay = start_relay(bench.sidecar.address)
    tab = profile.open(f"http://attacker.test:{relay.port}/feedback/last")
    assert (tab.status, tab.headers["feedback-error"]) == (403, "host_not_allowed")
    assert CANARY not in tab.text
    # No picture for the tab is asked for: that request would be one for the gateway.
    assert [each.path for each in relay.exchanges] == ["/feedback/last"]
    assert_nothing_happened(bench)
