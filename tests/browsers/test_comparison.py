"""Versions of a prompt, side by side on the page under /feedback, as a person sees them in Chromium."""

from typing import Any

import pytest

from browsers.chromium import Profile, Tab, needs_chromium
from browsers.feedback_page import FeedbackPage
from browsers.pages import MODULES
from browsers.prompt_tests import hold
from harness.benches import Bench, StartBench

pytestmark = [pytest.mark.system, needs_chromium]

QUICK = {"delivery.burst": 1_000}
AXE = MODULES / "axe-core" / "axe.min.js"
OPEN = "#comparison > summary"
_ROWS = """() => [...document.querySelectorAll("#comparison tbody tr")].map((row) => ({
  cells: [...row.children].map((cell) => cell.textContent),
  share: row.querySelector(".up")?.getAttribute("width") ?? null,
  ends: [...row.querySelectorAll("line.reach")].slice(1).map((line) => line.getAttribute("x1")),
}))"""


def opened(profile: Profile, bench: Bench, calls: int, more: str = "") -> Tab:
    """The page, with all calls that are remembered on it."""
    page = FeedbackPage.open(profile, bench.sidecar.address[1], more=more)
    page.wait_for_count(f"{calls} calls")
    return page.tab


def wait_for_verdict(tab: Tab, text: str) -> None:
    """Wait until it is said what can be said."""
    tab.wait("(text) => document.querySelector('[data-verdict]').textContent.includes(text)", text)


def rows(tab: Tab) -> list[dict[str, Any]]:
    """The versions as they are shown."""
    found: list[dict[str, Any]] = tab.run(_ROWS)
    return found


def test_the_better_version_is_named_and_its_interval_drawn(
    profile: Profile, start_bench: StartBench
) -> None:
    bench = start_bench(**QUICK)
    hold(bench, {"A": (10, 14, 2), "B": (22, 2, 0)}, quality=4)
    tab = opened(profile, bench, 50)
    tab.click(OPEN)
    wait_for_verdict(tab, "“B” is better than “A”: 92% thumbs up of 24, against 42% thumbs up of 24.")
    better, worse = rows(tab)
    assert better["cells"] == ["B", "", "92% of 24", "74–98%", "24", "4 of 22"]
    assert worse["cells"] == ["A", "", "42% of 24", "24–61%", "26", "4 of 10"]
    # Newcombe's table has none of these: Wilson's interval of 22 of 24, to four places.
    assert (better["share"], better["ends"]) == ("91.67%", ["74.15%", "97.68%"])
    assert tab.url.endswith("#compare=property.prompt-version&since=30d")
    assert "From what is remembered here" not in tab.text
    # By something else.
    tab.choose("[data-by]", "model")
    wait_for_verdict(tab, "“gpt-4o-mini” is the only one: 67% thumbs up of 48.")
    tab.choose("[data-by]", "property.experiment")
    wait_for_verdict(tab, "“prompt-test-1” is the only one")
    tab.choose("[data-by]", "route")
    wait_for_verdict(tab, "“default” is the only one")
    assert "From what is remembered here:" in tab.text
    assert tab.complaints == []


def test_it_is_said_that_it_is_too_early_and_ratings_that_come_are_seen(
    profile: Profile, start_bench: StartBench
) -> None:
    bench = start_bench(**QUICK)
    hold(bench, {"A": (1, 2, 0), "B": (3, 0, 0)})
    tab = opened(profile, bench, 6, "#compare=property.prompt-version&since=7d")
    wait_for_verdict(tab, "It is too early to tell: “B” has 100% thumbs up of 3, “A” 33% thumbs up of 3.")
    assert tab.run("() => document.querySelector('[data-since]').value") == "7d"
    hold(bench, {"A": (4, 11, 0), "B": (14, 1, 0)})
    tab.click("[data-again]")
    wait_for_verdict(tab, "“B” is better than “A”")


def test_the_pages_filters_say_of_which_calls(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(**QUICK)
    hold(bench, {"A": (2, 1, 0), "B": (3, 0, 0)})
    bench.chat(b"Helicone-Property-Prompt-Version: A", model="gpt-4o")
    tab = opened(profile, bench, 7)
    tab.click(OPEN)
    wait_for_verdict(tab, "It is too early")
    assert [each["cells"][4] for each in rows(tab)] == ["3", "4"]
    tab.choose("#property", "experiment=prompt-test-1")
    tab.wait(
        "() => document.querySelector('[data-where]').textContent.includes('property.experiment=prompt-test-1')"
    )
    assert [each["cells"][4] for each in rows(tab)] == ["3", "3"]
    tab.wait("() => document.getElementById('count').textContent === '6 of 7 calls'")
    tab.choose("#model", "gpt-4o")
    wait_for_verdict(tab, "There is no such call.")
    assert rows(tab) == []


def test_without_a_key_it_compares_what_is_remembered_and_says_so(
    profile: Profile, start_bench: StartBench
) -> None:
    bench = start_bench(**{"helicone.api_key": None})
    for version in (b"A", b"B", b"B"):
        bench.chat(b"Helicone-Property-Prompt-Version: " + version)
    tab = opened(profile, bench, 3)
    tab.click(OPEN)
    wait_for_verdict(tab, "Nobody has given one of these calls a thumb yet.")
    assert "From what is remembered here:" in tab.text
    assert sorted(each["cells"][4] for each in rows(tab)) == ["1", "2"]


def test_the_keyboard_opens_it_and_asks_for_something_else(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(**QUICK)
    hold(bench, {"A": (1, 0, 0), "B": (0, 1, 0)})
    tab = opened(profile, bench, 2)
    tab.run("() => document.querySelector('#summary > summary').focus()")
    for _ in range(4):
        tab.press("Tab")
        if tab.run("() => document.activeElement.closest('#comparison') !== null"):
            break
    tab.press("Enter")
    wait_for_verdict(tab, "It is too early")
    tab.press("Tab")
    assert tab.run("() => document.activeElement.matches('[data-by]')")
    tab.press("ArrowDown")
    wait_for_verdict(tab, "“gpt-4o-mini” is the only one")
    tab.press("Tab", "Tab", "Enter")
    wait_for_verdict(tab, "“gpt-4o-mini” is the only one")
    # It closes, and the address forgets it.
    tab.run("() => document.querySelector('#comparison > summary').focus()")
    tab.press("Enter")
    tab.wait("() => !location.hash")
    assert tab.complaints == []


def test_a_version_is_text_whatever_it_is_called(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(**QUICK)
    name = '<img src=x onerror="document.title=1"><b>bold</b>'
    hold(bench, {name: (2, 0, 0), "B": (1, 0, 0)})
    tab = opened(profile, bench, 3)
    tab.click(OPEN)
    wait_for_verdict(tab, f"“{name}” has 100% thumbs up of 2")
    assert name in [each["cells"][0] for each in rows(tab)]
    assert tab.run("() => document.querySelectorAll('main img, main b:not(#only-user-name)').length") == 0
    assert tab.complaints == []


def test_a_sidecar_that_is_gone_is_said(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(**QUICK)
    tab = opened(profile, bench, 0)
    profile.set_offline(True)
    tab.click(OPEN)
    wait_for_verdict(tab, "The sidecar cannot be reached.")
    profile.set_offline(False)
    tab.click("[data-again]")
    wait_for_verdict(tab, "There is no such call.")


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed")
def test_nothing_keeps_anybody_from_reading_it(profile: Profile, start_bench: StartBench) -> None:
    bench = start_bench(**QUICK)
    hold(bench, {"A": (10, 14, 2), "B": (22, 2, 0), "the one with a name that is long": (0, 1, 1)}, quality=4)
    tab = opened(profile, bench, 52)
    tab.run(AXE.read_text("utf-8"))
    tab.click(OPEN)
    wait_for_verdict(tab, "is better than")
    found = {}
    for name, width, is_dark in (("light", 1280, False), ("dark", 1280, True), ("phone", 360, False)):
        tab.look(width=width, height=800, is_dark=is_dark)
        found[name] = tab.run(
            """async () => (await axe.run({ resultTypes: ["violations"] })).violations.map(
              ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target + " " + node.failureSummary)}`)"""
        )
        assert tab.run("() => document.documentElement.scrollWidth") <= width, name
        # The list below is still there.
        assert tab.run("() => document.getElementById('grid').clientHeight") > 100, name
    assert found == {"light": [], "dark": [], "phone": []}
