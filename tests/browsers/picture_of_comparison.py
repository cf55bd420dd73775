"""README's picture of a comparison: three versions of a prompt on the page."""

import contextlib
from pathlib import Path

from browsers.chromium import Chromium
from browsers.feedback_page import FeedbackPage
from browsers.prompt_tests import hold
from harness.benches import bench_starter
from harness.loops import LoopThread

_VERSIONS = {
    "C: one sentence, with source": (61, 5, 40),
    "A: as it was": (37, 30, 46),
    "B: friendlier": (38, 25, 44),
}
_WIDTH, _HEIGHT = 1280, 560


def take(path: Path) -> None:
    """Start a sidecar and a browser, let people rate, and write the picture."""
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        bench = bench_starter(loop, stack.enter_context)(
            **{"delivery.burst": 1_000, "delivery.first_look_seconds": 1.0}
        )
        hold(bench, _VERSIONS)
        chromium = stack.enter_context(Chromium(public_port=1))
        profile = stack.enter_context(chromium.open_profile())
        chosen = "#property=experiment%3Dprompt-test-1&compare=property.prompt-version"
        page = FeedbackPage.open(profile, bench.sidecar.address[1], more=chosen)
        page.wait_for_count(f"{sum(map(sum, _VERSIONS.values()))} calls")
        page.tab.look(width=_WIDTH, height=_HEIGHT)
        page.tab.wait("() => document.querySelector('[data-state=better] table') !== null")
        page.tab.wait("() => document.querySelector('.sum').textContent.endsWith('rated')")
        page.tab.picture(path)
