"""README's picture of the widget, on a page of another origin."""

import contextlib
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from browsers.chromium import Chromium, Tab
from browsers.pages import Server
from harness.benches import AT_ONCE, bench_starter, id_of
from harness.loops import LoopThread

_PAGE = """<!doctype html><html lang="en"><title>A chat</title><link rel="icon" href="data:,"><style>
body { margin: 0; zoom: 2; font: 14px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 1fr 1fr }
section { padding: 16px 20px 64px; min-height: 130px; background: Canvas; color: CanvasText }
section p { margin: 0 0 6px } .dark { color-scheme: dark }
</style><body>"""
_ANSWER = "<p><b>What is a sidecar?</b></p><p>A small program that runs beside yours.</p>"
_WIDTH, _HEIGHT = 1400, 440


async def _serve(request: web.Request) -> web.StreamResponse:
    return web.Response(text=_PAGE + request.query.get("html", ""), content_type="text/html")


def take(path: Path) -> None:
    """Start a sidecar and a browser, rate, and write the picture."""
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        app = stack.enter_context(Server(loop, {"/": _serve}))
        origin = f"http://localhost:{app.port}"
        dotted = {"guard.allowed_origins": [origin], "delivery.first_look_seconds": 0.1}
        bench = bench_starter(loop, stack.enter_context)(AT_ONCE, None, **dotted)
        light, dark, _ = [id_of(bench.chat()) for _ in range(3)]
        script = f'<script src="http://localhost:{bench.sidecar.address[1]}/feedback/widget.js"'
        html = (
            f'<section>{_ANSWER}{script} data-for="{light}" data-hold="0s"></script></section>'
            f'<section class="dark">{_ANSWER}{script} data-for="{dark}"></script></section>'
            f'{script} data-mode="last"></script>'
        )
        chromium = stack.enter_context(Chromium(public_port=app.port))
        profile = stack.enter_context(chromium.open_profile())
        tab = profile.open(f"{origin}/?html={quote(html)}")
        _rate_and_take(tab, path)


def _rate_and_take(tab: Tab, path: Path) -> None:
    tab.use(lambda page: page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT}))
    tab.use(lambda page: page.wait_for_selector("[mode=last]:not([hidden])"))
    tab.use(lambda page: page.click("section:not(.dark) >> button.up"))
    tab.use(lambda page: page.wait_for_selector("text=Stored."))
    tab.use(lambda page: page.click(".dark >> button.down"))
    tab.use(lambda page: page.fill(".dark >> input", "It has no example"))
    tab.use(lambda page: page.wait_for_selector("text=Thank you."))
    tab.use(lambda page: page.screenshot(path=path))
