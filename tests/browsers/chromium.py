"""Debian's Chromium, driven by Playwright. Its own loop runs in a thread: tests stay plain functions."""

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Frame,
    Page,
    Playwright,
    async_playwright,
)

from harness.loops import LoopThread

T = TypeVar("T")

PROGRAM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")

_USUALLY_OFF = "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints,MediaRouter"
_LOCAL_NETWORK_ACCESS = (
    "LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebTransport"
)


class Chromium:
    """A browser for which every name below `.test` is 127.0.0.1.

    `public_port`: what listens there counts as a site on the internet. `checks_local_access`: whether the browser
    itself keeps such sites from local addresses, as it does where nothing is set; without that, it is the
    sidecar alone that is tested.
    """

    def __init__(self, *, public_port: int, checks_local_access: bool = False) -> None:
        # uvloop starts programs from the main thread only.
        self._loop = LoopThread(asyncio.new_event_loop)
        off = _USUALLY_OFF if checks_local_access else f"{_USUALLY_OFF},{_LOCAL_NETWORK_ACCESS}"
        self._switches = [
            "--host-resolver-rules=MAP *.test 127.0.0.1",
            f"--ip-address-space-overrides=127.0.0.1:{public_port}=public",
            f"--disable-features={off}",
            "--no-proxy-server",
        ]
        self._playwright: Playwright
        self._browser: Browser

    def __enter__(self) -> Self:
        self._loop.__enter__()
        self._loop.run(self._start(), 60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._stop())
        self._loop.__exit__(kind, error, trace)

    async def _start(self) -> None:
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=PROGRAM, args=self._switches, chromium_sandbox=os.geteuid() != 0
        )

    async def _stop(self) -> None:
        await self._browser.close()
        await self._playwright.stop()

    def open_profile(self, *, obeys_csp: bool = True) -> "Profile":
        """A browser as it is on its first day: no cookies, nothing stored.

        Without `obeys_csp`, scripts do in our own documents what their Content-Security-Policy forbids.
        """
        return Profile(self._loop, self._loop.run(self._browser.new_context(bypass_csp=not obeys_csp)))


class Profile:
    """A person's browser, until the block ends."""

    def __init__(self, loop: LoopThread, context: BrowserContext) -> None:
        self._loop = loop
        self._context = context

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._context.close())

    def open(self, url: str) -> "Tab":
        """Type `url` into the address bar of a new tab, and wait until it is there."""
        tab = Tab(self._loop, self._loop.run(self._context.new_page()))
        self._loop.call(tab.listen)
        tab.go(url)
        return tab

    def set_offline(self, offline: bool) -> None:
        """Pull the plug, or put it back."""
        self._loop.run(self._context.set_offline(offline))

    @property
    def cookies(self) -> dict[str, str]:
        """All that it keeps, by name."""
        return {each["name"]: each["value"] for each in self._loop.run(self._context.cookies())}


class Tab:
    """A page that is open."""

    def __init__(self, loop: LoopThread, page: Page) -> None:
        self._loop = loop
        self._page = page
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complaints: list[str] = []
        """What the console and scripts that failed have said since it was opened."""

    def listen(self) -> None:
        """Write complaints down from now on; on the browser's loop."""
        self._page.on("console", self._note)
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, url: str) -> None:
        """Type an address; `status` and `headers` (lower case) are those of the answer."""
        response = self._loop.run(self._page.goto(url))
        assert response is not None
        self.status = response.status
        self.headers = self._loop.run(response.all_headers())

    @property
    def url(self) -> str:
        """Where it is now."""
        return self._page.url

    @property
    def text(self) -> str:
        """What a person reads there."""
        return self._loop.run(self._page.inner_text("body"))

    def run(self, script: str, argument: object = None) -> Any:  # noqa: ANN401  # whatever the page gives
        """Run a function of JavaScript's in the page, and give what it gives."""
        return self._loop.run(self._page.evaluate(script, argument))

    def use(self, act: Callable[[Page], Coroutine[Any, Any, T]]) -> T:
        """Do as a person does there, as in `tab.use(lambda page: page.click("button"))`."""

        async def acting() -> T:
            return await act(self._page)

        return self._loop.run(acting())

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            self._loop.run(self._page.keyboard.press(key))

    def type(self, text: str) -> None:
        """Type a text, wherever the focus is."""
        self._loop.run(self._page.keyboard.type(text))

    def click(self, selector: str) -> None:
        """Click on the one element that is meant, as soon as it can be clicked."""
        self._loop.run(self._page.click(selector))

    def choose(self, selector: str, value: str) -> None:
        """Choose a value of a select."""
        self._loop.run(self._page.select_option(selector, value))

    def wait(self, script: str, argument: object = None) -> None:
        """Wait until a function of JavaScript's gives something true in the page."""
        self._loop.run(self._page.wait_for_function(script, arg=argument))

    def look(self, *, width: int, height: int, is_dark: bool = False) -> None:
        """Have a window of that size, on a system that is light or dark."""
        self._loop.run(self._page.set_viewport_size({"width": width, "height": height}))
        self._loop.run(self._page.emulate_media(color_scheme="dark" if is_dark else "light"))

    def picture(self, path: Path) -> None:
        """Keep what is seen as a PNG."""
        self._loop.run(self._page.screenshot(path=path))

    def reload(self) -> None:
        """Load it again."""
        self._loop.run(self._page.reload())

    def run_framed(self, script: str, argument: object = None) -> Any:  # noqa: ANN401
        """Run it in the page's one frame."""
        return self._loop.run(self._framed().evaluate(script, argument))

    def _framed(self) -> Frame:
        return self._page.frames[1]
