"""A chat app that knows nothing of all this, opened through the sidecar: its people get thumbs."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from browsers.chromium import Profile, Tab, needs_chromium
from harness.apps import port_of
from harness.benches import Bench, StartBench
from harness.loops import DEADLINE_SECONDS
from harness.wire import wait_until

HERE = Path(__file__).parent
PYTHON = HERE.parent.parent / ".venv-chat-app" / "bin" / "python"
_START_SECONDS = 90
_BARS = """
() => Array.from(document.querySelectorAll("helicone-feedback"), bar => [bar.hidden, bar.getAttribute("call")])
"""
_HAS_GRADIO = PYTHON.exists() and any(
    PYTHON.parent.parent.glob("lib*/python*/site-packages/gradio/__init__.py")
)

pytestmark = [
    pytest.mark.system,
    needs_chromium,
    pytest.mark.skipif(not _HAS_GRADIO, reason="Gradio is not installed: make chat-app"),
]


class ChatApp:
    """Gradio, with a sidecar between it and the gateway, and the same one between it and its people."""

    def __init__(self, bench: Bench, port: int) -> None:
        self.bench = bench
        self.own_url = f"http://127.0.0.1:{port}/"
        self.url = f"http://localhost:{port_of(bench.sidecar)}/"


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def app(start_bench: StartBench, tmp_path: Path) -> Iterator[ChatApp]:
    """A chat app that calls the stand-in through the sidecar, and is opened through it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    bench = start_bench(
        **{"inject.upstream": f"http://127.0.0.1:{port}", "inject.port": 0, "inject.host": ["127.0.0.1"]}
    )
    base_url = f"http://127.0.0.1:{bench.sidecar.sidecar.port}/v1"
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, HERE / "apps" / "with_gradio.py", base_url, str(port)],
            env=kept | quiet,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(
            lambda: is_open(port) or process.poll() is not None, "the app listens", seconds=_START_SECONDS
        )
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield ChatApp(bench, port)
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


class Chat:
    """The app's page in a browser, as a person uses it."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    def ask(self, question: str) -> str:
        """Ask, and wait for the whole answer; gives it."""
        page, run = self._tab._page, self._tab._loop.run
        before = run(page.locator(".bot.message").count())
        run(page.get_by_role("textbox").last.fill(question))
        run(page.get_by_role("textbox").last.press("Enter"))
        answer = page.locator(".bot.message").nth(before)
        run(answer.wait_for())
        # While it streams, the app shows a button that stops it.
        run(page.locator("button.stop-button").wait_for(state="hidden"))
        wait_until(lambda: bool(run(answer.inner_text()).strip()), "an answer has come")
        return str(run(answer.inner_text()))

    def bar(self) -> str | None:
        """The call that the bar is for; None while there is no bar to be seen."""
        found = self._tab.run(_BARS)
        assert len(found) <= 1
        return None if not found or found[0][0] else str(found[0][1])

    def click(self, thumb: str) -> None:
        """Click a thumb of the bar."""
        run, page = self._tab._loop.run, self._tab._page
        run(page.locator(f"helicone-feedback .{thumb}").click())
        # The bar does not change under somebody's hand.
        run(page.mouse.move(5, 5))


def newest_id(bench: Bench) -> str:
    """The id of the newest answer."""
    for call in bench.sidecar.sidecar.parts.store.newest(1):
        return call.request_id
    return ""


@pytest.mark.timeout(300)
def test_the_bar_appears_by_itself_and_a_click_rates_the_answer_just_given(
    app: ChatApp, profile: Profile
) -> None:
    bench = app.bench
    tab = profile.open(app.url)
    chat = Chat(tab)
    assert chat.bar() is None, "there is nothing to rate yet"
    assert chat.ask("Hello")
    wait_until(lambda: chat.bar() == newest_id(bench), "the bar is there for the answer")
    first = newest_id(bench)
    chat.click("up")
    wait_until(lambda: bool(bench.events), "the rating has come to Helicone")
    [event] = bench.events
    assert (event.request_id, [*event.scores.values()]) == (first, [1])
    # The conversation goes on as it does without us, and the bar with it.
    assert chat.ask("And again?")
    # A busy machine shows the answer's place before the call has come.
    wait_until(lambda: newest_id(bench) != first, "the second call has come")
    second = newest_id(bench)
    wait_until(lambda: chat.bar() == second, "the bar is there for the next answer")
    chat.click("down")
    wait_until(lambda: len(bench.events) == 2, "its rating has come, too")
    assert (bench.events[1].request_id, [*bench.events[1].scores.values()]) == (second, [0])
    assert len(bench.sidecar.sidecar.parts.store) == 2, "what the page asks is no call"
    plain = Chat(profile.open(app.own_url))
    assert plain.ask("Hello")
    assert plain.bar() is None, "without us there is none"
