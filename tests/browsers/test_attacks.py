"""A page of somebody else's has no effect and reads nothing, whatever it sends.

The browser's own check of sites that reach for local addresses is off, so that all of it comes to the sidecar; the
relay before it has seen it come. What Chromium 156 sends is what table 1.1 of the rules says, and besides:

- a page in a sandboxed iframe sends `Origin: null` with everything that has an origin at all;
- a plain cross-origin `fetch` has an `Origin` on its GET, and EventSource too; `<img>`, `<script>`, `<link>`,
  `<iframe>`, `fetch` with `no-cors` and navigations have none, and `Sec-Fetch-Site` is all that tells of them;
- a tab or a frame that shows a refusal asks for `/favicon.ico` next, as a page of the sidecar's own origin
  (`Sec-Fetch-Site: same-origin`), which would go to the gateway: any site could make a browser send that call.
  So our answers have a Content-Security-Policy that loads nothing, and then it is not asked for.
"""

import pytest

from browsers.chromium import Profile, Tab, needs_chromium
from browsers.conftest import StartRelay
from browsers.pages import SPOILS, Server
from browsers.relay import Exchange, Relay
from browsers.vectors import (
    ELEMENTS,
    FETCHES,
    VECTORS,
    WINDOWS,
    Vector,
    assert_nothing_happened,
    assert_they_would_have_had_effects,
    leave_a_trace,
    refusal_of,
    targets_of,
)
from harness.benches import Bench

pytestmark = [pytest.mark.system, needs_chromium]

each_kind = pytest.mark.parametrize(
    "vectors", [FETCHES, ELEMENTS, WINDOWS], ids=["fetches", "elements", "windows"]
)


def attack(tab: Tab, vector: Vector, base: str, call_id: str, *, framed: bool = False) -> list[list[str]]:
    """Have the page try one vector at every target; gives what it could read, target by target."""
    run = tab.run_framed if framed else tab.run
    targets = [(base + path, body) for path, body in targets_of(vector, call_id)]
    seen = run("attack", [vector.name, targets])
    assert isinstance(seen, list)
    return seen


def arrived(relay: Relay, vector: Vector, method: str, call_id: str) -> list[Exchange]:
    """What the relay has seen come of a vector: all of it."""
    targets = {path for path, _ in targets_of(vector, call_id)}
    exchanges = relay.wait_for(len(targets))
    assert {each.path for each in exchanges} == targets, vector
    assert {each.method for each in exchanges} == {method}, vector
    return exchanges


@each_kind
@pytest.mark.parametrize("where", ["another host", "another port of localhost", "a sandboxed iframe"])
def test_a_foreign_page_has_no_effect_and_reads_nothing(
    profile: Profile,
    pages: Server,
    bench: Bench,
    start_relay: StartRelay,
    vectors: tuple[Vector, ...],
    where: str,
) -> None:
    call_id = leave_a_trace(bench)
    relay = start_relay(bench.sidecar.address)
    host = "localhost" if where == "another port of localhost" else "attacker.test"
    framed = where == "a sandboxed iframe"
    tab = profile.open(f"http://{host}:{pages.port}/{'framing' if framed else 'attack'}.html")

    sent: list[Exchange] = []
    for vector in vectors:
        seen = attack(tab, vector, f"http://localhost:{relay.port}", call_id, framed=framed)
        exchanges = arrived(relay, vector, vector.arrives, call_id)
        for exchange in exchanges:
            assert (exchange.request.value(b"origin") is not None) == vector.says_origin, exchange
            expected = "origin_not_allowed" if vector.says_origin else "cross_site"
            assert refusal_of(exchange) == (403, expected), exchange
        assert not any(seen), (vector, seen)
        relay.forget()
        sent += exchanges

    assert_nothing_happened(bench)
    assert_they_would_have_had_effects(bench, call_id, sent)


@pytest.mark.parametrize("framed", [False, True])
def test_where_nobody_is_on_guard_the_same_page_reads(profile: Profile, pages: Server, framed: bool) -> None:
    """What a page reports is what it read: it would have told of the sidecar's answers, too."""
    tab = profile.open(f"http://attacker.test:{pages.port}/{'framing' if framed else 'attack'}.html")
    run = tab.run_framed if framed else tab.run
    blind = {"fetch no-cors", "fetch POST text", "sendBeacon", "iframe", "navigation"}
    for vector in VECTORS:
        url = f"http://localhost:{pages.port}/careless/{vector.name}"
        seen = run("attack", [vector.name, [(url, "1 = up")]])
        if vector.name in blind or vector.name.startswith("form"):
            assert not any(seen), (vector, seen)
        elif vector.name == "img":
            assert seen[0] == ["7 x 7"]
        elif vector.name == "stylesheet":
            assert seen[0] == ["1"]
        else:
            assert SPOILS in seen[0], vector


@pytest.mark.parametrize("host", ["attacker.test", "localhost"])
def test_a_foreign_page_hears_of_no_events(
    profile: Profile, pages: Server, bench: Bench, start_relay: StartRelay, host: str
) -> None:
    """Apart from the other places: where nobody refuses it, this answer has no end."""
    relay = start_relay(bench.sidecar.address)
    tab = profile.open(f"http://{host}:{pages.port}/attack.html")
    heard = tab.run(
        """(url) => new Promise((resolve) => {
             const stream = new EventSource(url);
             stream.onopen = () => resolve("open");
             stream.onerror = () => resolve("refused");
           })""",
        f"http://localhost:{relay.port}/feedback/events",
    )
    assert heard == "refused"
    (exchange,) = relay.wait_for(1)
    assert refusal_of(exchange) == (403, "origin_not_allowed")
