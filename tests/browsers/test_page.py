"""The page under /feedback, used by a person in Chromium."""

import json

import pytest

from browsers.chromium import Profile, needs_chromium
from browsers.feedback_page import FeedbackPage
from browsers.pages import MODULES
from harness.benches import Bench, StartBench, document, id_of
from harness.fast_time import FastTime
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, settings_of
from harness.wire import wait_until
from proxy.calls.live_call import LiveCall
from proxy.demo import StandInSettings

pytestmark = [pytest.mark.system, needs_chromium]

TOKEN = "a-token-of-forty-letters-for-this-sidecar"
QUICK = {"delivery.first_look_seconds": 1.0}
SLOW_STREAM = StandInSettings(ingestion_delay_seconds=0.0, token_interval_seconds=0.03)
AXE = MODULES / "axe-core" / "axe.min.js"


def port_of(bench: Bench) -> int:
    """Where the page is."""
    return bench.sidecar.address[1]


def thumbs(bench: Bench) -> list[bool]:
    """The thumbs that the stand-in's API was sent, in their order."""
    return [json.loads(each.body)["rating"] for each in bench.posted if each.target.endswith("/feedback")]


def streams(bench: Bench) -> int:
    """How many streams of events are open."""
    return len(bench.sidecar.sidecar.parts.streams)


def test_a_live_streamed_call_appears_is_rated_and_becomes_verified(
    profile: Profile, start_bench: StartBench
) -> None:
    # A rating is held for 4 s, in which it can be taken back; here they pass in half a second.
    bench = start_bench(SLOW_STREAM, FastTime(8.0), **QUICK)
    page = FeedbackPage.open(profile, port_of(bench))
    client = bench.stream(b"Helicone-Session-Id: chat-7", b"Helicone-User-Id: ann")
    page.tab.wait('() => document.querySelector(".trouble[data-kind=open]")?.textContent === "streaming"')
    page.tab.click(".row .act.up")
    page.tab.wait('() => document.querySelector(".chip").textContent === "Held"')
    call_id = id_of(client.read_answer(to=b"POST"))
    page.wait_for_state(call_id, "Verified")
    assert page.row(call_id) == {
        "id": call_id,
        "model": "gpt-4o-mini",
        "state": "Verified",
        "trouble": "",
        "detail": "Stored at Helicone.",
        "up": True,
        "down": False,
        "hasFocus": True,
    }
    page.wait_until_said("verified")
    text = page.tab.text
    assert "chat-7" in text
    assert "ann" in text
    assert thumbs(bench) == [True]
    # What has left is not taken back, and the page says so.
    page.tab.press("x")
    page.wait_until_said("left already")
    assert page.tab.complaints == []


def test_the_keyboard_alone_does_everything(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench()
    older, newer = id_of(bench.chat()), id_of(bench.chat(model="gpt-4o"))
    page = FeedbackPage.open(profile, port_of(bench))
    page.wait_for_count("2 calls")
    tab = page.tab
    tab.press("j")
    assert page.focused == newer
    tab.press("j")
    assert page.focused == older
    tab.press("j", "k")
    assert page.focused == newer
    # A thumb, and back.
    tab.press("u")
    page.wait_for_state(newer, "Held")
    tab.press("x")
    page.wait_for_state(newer, "Not rated")
    page.wait_until_said("Taken back")
    # The other thumb, with words.
    tab.press("d")
    page.wait_for_state(newer, "Held")
    tab.press("c")
    tab.type("j is no key here: ümläut & <b>")
    tab.press("Control+Enter")
    tab.wait('() => document.querySelector(".comment-said").textContent !== ""')
    assert page.focused == newer
    # All of one call, and the keys.
    for key, dialog in (("Enter", "details"), ("?", "help")):
        tab.press(key)
        tab.wait(f'() => document.getElementById("{dialog}").open')
        tab.press("Escape")
        tab.wait(f'() => !document.getElementById("{dialog}").open')
    # Filters, and back to the list.
    tab.press("/", "ArrowDown", "Escape")
    page.wait_for_count("1 of 2 calls")
    assert tab.url.endswith("#model=gpt-4o")
    assert page.focused == newer
    # By the tab key a row leads to its buttons.
    tab.press("Tab", "Tab")
    assert tab.run("() => document.activeElement.dataset.do") == "down"
    rating = document(bench.get(f"/feedback/{newer}"))["rating"]
    assert (rating["rating"], rating["comment"]) == (False, "j is no key here: ümläut & <b>")
    assert document(bench.get(f"/feedback/{older}"))["rating"] is None
    assert tab.complaints == []


def test_ten_thousand_calls_are_few_rows(profile: Profile, bench: Bench, loop: LoopThread) -> None:
    first = id_of(bench.chat())
    store = bench.sidecar.sidecar.parts.store

    def fill() -> None:
        made = store.find(first)
        assert made is not None
        for number in range(1, 10_000):
            # Not by `copy`: what is compiled cannot be made without its arguments.
            call = LiveCall(made.method, made.path, made.started)
            call.answered, call.ended, call.status, call.ending = (
                made.answered,
                made.ended,
                made.status,
                made.ending,
            )
            call.counts_as_last, call.key_fingerprint = made.counts_as_last, made.key_fingerprint
            call.request_id = f"00000000-0000-4000-8000-{number:012d}"
            call.started_at = made.started_at - number
            store.remember(call)

    loop.call(fill)
    page = FeedbackPage.open(profile, port_of(bench))
    page.wait_for_count("10000 calls")
    tab = page.tab
    seen = len(page.rows)
    assert 5 < seen < 60
    assert tab.run('() => document.getElementById("grid").getAttribute("aria-rowcount")') == "10001"
    tab.press("j", "j", "End")
    assert page.focused == "00000000-0000-4000-8000-000000009999"
    assert tab.run("() => document.activeElement.getAttribute('aria-rowindex')") == "10001"
    # Scrolled out of sight the focus stays where it was, and keys go on from there.
    tab.run('() => { document.getElementById("grid").scrollTop = 200000; }')
    tab.wait("() => document.querySelectorAll('.row').length > 5")
    assert page.focused == "00000000-0000-4000-8000-000000009999"
    assert len(page.rows) < 60
    tab.press("k")
    assert page.focused == "00000000-0000-4000-8000-000000009998"
    # What comes meanwhile moves nothing that somebody looks at.
    tab.press("PageUp", "PageUp")
    place = int(tab.run("() => document.activeElement.getAttribute('aria-rowindex')"))
    top = "() => Math.round(document.activeElement.getBoundingClientRect().top)"
    before = tab.run(top)
    bench.chat()
    page.wait_for_count("10000 calls")
    tab.wait("(place) => document.activeElement.getAttribute('aria-rowindex') === String(place)", place + 1)
    assert abs(tab.run(top) - before) <= 1
    slowest = tab.run(
        """async () => {
          const grid = document.getElementById("grid");
          let slowest = 0;
          for (let place = 0; place < 60; place += 1) {
            const began = performance.now();
            grid.scrollTop = (place * 7919) % 10000 * 50;
            await new Promise(requestAnimationFrame);
            slowest = Math.max(slowest, performance.now() - began);
          }
          return slowest;
        }"""
    )
    assert slowest < 2000, "a hang, not a verdict on speed"


def test_the_page_comes_back_when_the_sidecar_does(profile: Profile, bench: Bench, loop: LoopThread) -> None:
    settings = {"helicone.api_key": None, "server.port": 0}
    with RunningSidecar(loop, settings_of(bench.standin.gateway_url, **settings)) as sidecar:
        port = sidecar.address[1]
        page = FeedbackPage.open(profile, port)
        page.wait_for_count("0 calls")
        page.note_what_is_said()
    page.wait_until_connection("waiting")
    page.wait_until_was_said("lost")
    with RunningSidecar(
        loop, settings_of(bench.standin.gateway_url, **{**settings, "server.port": port})
    ) as sidecar:
        page.wait_until_connection("live")
        page.wait_until_was_said("Connected again")
        answer = Bench(bench.standin, sidecar).chat()
        page.wait_for_row(id_of(answer))
        page.hide()


def test_a_page_that_has_asked_nobody_yet_does_not_say_that_there_are_no_calls(
    profile: Profile, bench: Bench
) -> None:
    page = FeedbackPage(profile.open(f"http://localhost:{port_of(bench)}/feedback/health"))
    never_connects = "EventSource = class { addEventListener() {} close() {} }"
    page.tab.use(lambda tab: tab.add_init_script(never_connects))
    page.tab.go(f"http://localhost:{port_of(bench)}/feedback")
    page.wait_for_count("0 calls, reading more …")
    assert page.tab.run('() => document.getElementById("empty").hidden')


def test_a_hidden_page_holds_no_connection_and_catches_up(profile: Profile, bench: Bench) -> None:
    page = FeedbackPage.open(profile, port_of(bench))
    wait_until(lambda: streams(bench) == 1, "the page has one stream")
    page.hide()
    page.wait_until_connection("asleep")
    wait_until(lambda: streams(bench) == 0, "the page has none")
    missed = id_of(bench.chat())
    page.hide(hidden=False)
    page.wait_for_row(missed)


def test_filters_are_kept_in_the_address_and_a_rated_call_stays_under_the_eye(
    profile: Profile, bench: Bench
) -> None:
    ours = id_of(bench.chat(b"Helicone-Session-Id: ours"))
    bench.chat(b"Helicone-Session-Id: theirs")
    page = FeedbackPage.open(profile, port_of(bench), more="#session=ours&rated=no")
    page.wait_for_count("1 of 2 calls")
    page.tab.press("j", "u")
    page.wait_for_state(ours, "Held")
    page.wait_for_count("1 of 2 calls")
    assert page.focused == ours
    page.tab.press("/")
    page.wait_for_count("0 of 2 calls")
    assert "No call is as the filters ask." in page.tab.text
    page.tab.click("#clear")
    page.wait_for_count("2 calls")
    assert page.tab.url.endswith("/feedback")


def test_what_comes_from_upstream_is_text(profile: Profile, bench: Bench) -> None:
    name = '<img src=x onerror="document.title=1"><b>model</b>'
    bench.chat(b"Helicone-Session-Id: <script>document.title=2</script>", model=name)
    page = FeedbackPage.open(profile, port_of(bench))
    page.wait_for_count("1 call")
    assert [row["model"] for row in page.rows] == [name]
    page.tab.press("j", "u")
    page.wait_for_state(page.rows[0]["id"], "Held")
    page.tab.press("Enter")
    page.tab.wait('() => document.getElementById("details").open')
    assert "<script>document.title=2</script>" in page.tab.text
    assert (
        page.tab.run("() => document.querySelectorAll('main img, main b, main script, dialog img').length")
        == 1
    )
    assert page.tab.run("() => document.title") == "Feedback"
    assert page.tab.complaints == []


def test_no_script_runs_that_is_not_a_file_of_ours(profile: Profile, bench: Bench) -> None:
    page = FeedbackPage.open(profile, port_of(bench))
    assert page.tab.complaints == []
    ran = page.tab.run(
        """async () => {
          const script = document.createElement("script");
          try { script.textContent = "window.ran = true"; } catch {}
          document.body.append(script);
          try { document.body.setAttribute("onclick", "window.ran = true"); } catch {}
          document.body.click();
          const elsewhere = await fetch("http://127.0.0.1:9/").then(() => true, () => false);
          let html = true;
          try { document.body.insertAdjacentHTML("beforeend", "<i></i>"); } catch { html = false; }
          return [window.ran === true, elsewhere, html];
        }"""
    )
    assert ran == [False, False, False]
    assert any("Content Security Policy" in each for each in page.tab.complaints)


def test_a_person_signs_in_and_no_address_keeps_the_token(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(**{"guard.token": TOKEN})
    tab = profile.open(f"http://localhost:{port_of(bench)}/feedback#rated=no")
    assert tab.status == 401
    tab.type("not-the-token-of-this-sidecar")
    tab.press("Enter")
    tab.wait('() => document.getElementById("wrong").textContent.includes("no token")')
    tab.type(TOKEN)
    tab.press("Enter")
    tab.wait('() => document.body.dataset.connection === "live"')
    assert tab.url.endswith("/feedback#rated=no")
    assert [name for name in profile.cookies if name.startswith("helicone-proxy-")]


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed")
def test_nothing_keeps_anybody_from_using_it(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(), FastTime(8.0), **QUICK)
    for number in range(30):
        bench.chat(b"Helicone-Session-Id: chat-%d" % (number // 4), b"Helicone-User-Id: ann")
    bench.rate("/feedback/last?back=1", b'{"rating": false, "comment": "Too long"}')
    bench.rate("/feedback/last?back=2")
    bench.rate("/feedback/last?back=3&hold=60s")
    page = FeedbackPage.open(profile, port_of(bench))
    page.wait_for_count("30 calls")
    page.tab.press("j", "j")
    page.tab.run(AXE.read_text("utf-8"))
    found = {}
    views = (
        ("light", 1280, False, ("", "Enter")),
        ("dark", 1280, True, ("", "?", "c", "Enter")),
        ("phone", 360, False, ("", "c")),
    )
    for name, width, is_dark, opened in views:
        page.tab.look(width=width, height=800, is_dark=is_dark)
        for key in opened:
            if key:
                page.tab.press(key)
            found[name, key] = page.tab.run(
                """async () => (await axe.run({ resultTypes: ["violations"] })).violations.map(
                  ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target + " " + node.failureSummary)}`)"""
            )
            if key:
                page.tab.press("Escape")
        assert page.tab.run("() => document.documentElement.scrollWidth") <= width, name
    assert {where: what for where, what in found.items() if what} == {}
    assert len(found) == 8


def test_the_page_says_which_rule_rated_a_call_until_a_person_does(
    profile: Profile, start_bench: StartBench
) -> None:
    bench = start_bench(rules=[{"name": "greets", "when": {"text_min_length": 1}, "rating": "down"}])
    page = FeedbackPage.open(profile, port_of(bench))
    call_id = id_of(bench.chat())
    page.tab.wait('() => document.querySelector(".row")?.textContent.includes("by rule greets")')
    assert page.row(call_id)["down"]
    page.tab.click(".row .act.up")
    page.tab.wait('() => !document.querySelector(".row").textContent.includes("by rule")')
    assert page.row(call_id)["up"]
