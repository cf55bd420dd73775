"""What the browser's own check of local addresses leaves to the sidecar: Chromium 156 as it comes, before a site
of the internet. It stops what pages send from their own documents, and lets top-level navigations and forms
pass, as the draft says it would. So the guard is needed with it, too.
"""

from collections.abc import Iterator

import pytest

from browsers.chromium import Chromium, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import Server
from browsers.test_attacks import arrived, attack
from browsers.vectors import VECTORS, assert_nothing_happened, leave_a_trace, refusal_of
from harness.benches import Bench

pytestmark = [pytest.mark.system, needs_chromium]


@pytest.fixture
def usual_chromium(pages: Server) -> Iterator[Chromium]:
    """A browser that checks for itself."""
    with Chromium(public_port=pages.port, checks_local_access=True) as browser:
        yield browser


def test_forms_and_navigations_pass_the_browsers_own_check_and_have_no_effect(
    usual_chromium: Chromium, pages: Server, bench: Bench, start_relay: StartRelay
) -> None:
    call_id = leave_a_trace(bench)
    relay = start_relay(bench.sidecar.address)
    with usual_chromium.open_profile() as profile:
        tab = profile.open(f"http://attacker.test:{pages.port}/attack.html")
        for vector in VECTORS:
            seen = attack(tab, vector, f"http://localhost:{relay.port}", call_id)
            assert not any(seen), (vector, seen)
            if vector.passes_local_access:
                for exchange in arrived(relay, vector, vector.arrives, call_id):
                    assert refusal_of(exchange)[0] == 403, exchange
            else:
                assert relay.exchanges == [], vector
            relay.forget()
    assert_nothing_happened(bench)
