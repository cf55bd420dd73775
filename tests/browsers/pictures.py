"""`make pictures`: what the README shows, taken of a real sidecar before the stand-in for Helicone."""

import contextlib
import json
import random
import sys
import time
from pathlib import Path

from browsers import picture_of_comparison, picture_of_watch, picture_of_widget
from browsers.chromium import Chromium
from browsers.feedback_page import FeedbackPage
from harness.benches import JSON, Bench, id_of
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, settings_of
from harness.standins import running_standin
from proxy.demo import DEMO_KEY, StandInSettings

FOLDER = Path(__file__).parent.parent.parent / "docs" / "pictures"
CALLS = 90
SECONDS_BETWEEN = 0.12
_MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4o-mini", "o4-mini")
_CLAUDE = "claude-sonnet-4-5"
_PEOPLE = (b"ann", b"ben", b"chiara")
_WORDS = ("Names the right file at once", "Too long, and it never says which file", "Wrong language")
_QUESTION = "Which file holds the settings, and what has to be in it?"


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as scope:
        loop = scope.enter_context(LoopThread())
        browser = scope.enter_context(Chromium(public_port=1))
        bench = _bench(loop, scope)
        ids = _talk(bench, random.Random(7))  # the same pictures each time
        with browser.open_profile() as profile:
            page = FeedbackPage.open(profile, bench.sidecar.address[1])
            page.wait_for_count(f"{CALLS} calls")
            _rate(bench, ids, random.Random(3))
            page.tab.wait("() => document.querySelectorAll('[data-state=verified]').length > 6")
            stream = bench.stream(b"Helicone-Session-Id: review-31", b"Helicone-User-Id: ann", model="gpt-4o")
            page.wait_for_count(f"{CALLS + 1} calls")
            page.tab.press("j", "j", "j", "u")
            page.tab.wait("() => document.querySelector('[data-state=held]') !== null")
            for name, width, height, is_dark in (("light", 1280, 760, False), ("dark", 1280, 760, True)):
                page.tab.look(width=width, height=height, is_dark=is_dark)
                page.tab.picture(folder / f"page-{name}.png")
            page.tab.run("() => { document.getElementById('summary').open = false; }")
            page.tab.look(width=360, height=760)
            page.tab.picture(folder / "page-phone.png")
            stream.close()
        picture_of_watch.take(folder / "watch.svg", bench.sidecar.sidecar.url)
    picture_of_widget.take(folder / "widget.png")
    picture_of_comparison.take(folder / "page-comparison.png")


def _bench(loop: LoopThread, scope: contextlib.ExitStack) -> Bench:
    standin = scope.enter_context(
        running_standin(loop, StandInSettings(ingestion_delay_seconds=0.3, token_interval_seconds=0.08))
    )
    settings = {
        "helicone.api_key": DEMO_KEY,
        "helicone.api_url": standin.api_url,
        "delivery.first_look_seconds": 1.0,
        "delivery.burst": 1000,
        "routes.anthropic.url": standin.gateway_url,
    }
    sidecar = scope.enter_context(RunningSidecar(loop, settings_of(standin.gateway_url, **settings)))
    return Bench(standin, sidecar)


def _talk(bench: Bench, chance: random.Random) -> list[str]:
    """Calls as a few people make them; gives their ids."""
    ids = []
    for number in range(CALLS):
        said = [
            b"Helicone-Session-Id: review-%d" % (23 + number // 12),
            b"Helicone-User-Id: " + chance.choice(_PEOPLE),
        ]
        question = [{"role": "user", "content": _QUESTION}]
        if chance.random() < 0.3:
            body = json.dumps({"model": _CLAUDE, "max_tokens": 300, "messages": question}).encode()
            ids.append(
                id_of(bench.ask("POST", "/anthropic/v1/messages", body, JSON, b"x-api-key: any", *said))
            )
        else:
            ids.append(id_of(bench.chat(*said, model=chance.choice(_MODELS), messages=question)))
        time.sleep(SECONDS_BETWEEN)
    return ids


def _rate(bench: Bench, ids: list[str], chance: random.Random) -> None:
    """Thumbs, some with words; better ones as time goes on."""
    for number, call_id in enumerate(ids):
        if chance.random() < 0.35:
            continue
        up = chance.random() < 0.55 + 0.4 * number / len(ids)
        said: dict[str, object] = {"rating": up}
        if chance.random() < 0.2:
            said["comment"] = _WORDS[0] if up else chance.choice(_WORDS[1:])
        bench.rate(f"/feedback/{call_id}", json.dumps(said).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
