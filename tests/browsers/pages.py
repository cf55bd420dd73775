"""Where pages come from that are not the sidecar's: files of `pages/`, npm's packages, and a careless server."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import web

from harness.loops import LoopThread, RunningOnLoop

PAGES = Path(__file__).parent / "pages"
MODULES = Path(__file__).parent.parent / "sdks" / "node" / "node_modules"
SPOILS = "spoils-of-a-careless-server"
"""What a page that attacks the careless server gets to read."""

_TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}
_CARELESS = {
    "style": ("text/css", ":root { --spoils: 1 }"),
    "script": ("text/javascript", f"self.spoils = '{SPOILS}'"),
    "document": ("text/html", SPOILS),
    "iframe": ("text/html", SPOILS),
    "image": ("image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"></svg>'),
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server(RunningOnLoop):
    """Serves on a free port of 127.0.0.1, on the tests' loop; `port` says which."""

    def __init__(self, loop: LoopThread, routes: Mapping[str, Handler]) -> None:
        super().__init__(loop)
        self._routes = routes
        self._runner: web.AppRunner
        self.port = 0

    async def _start(self) -> None:
        application = web.Application()
        for path, handler in self._routes.items():
            application.router.add_route("*", path, handler)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self._runner.cleanup()


async def serve_page(request: web.Request) -> web.StreamResponse:
    """A file of `pages/`. Each sets a cookie, as apps on localhost do."""
    response = _file(PAGES / request.match_info["name"])
    response.set_cookie("session", "of-another-app")
    return response


async def serve_module(request: web.Request) -> web.StreamResponse:
    """A file of an npm package; where a bundler would add an ending, the browser is sent there."""
    path = MODULES / request.match_info["path"]
    for ending in (".js", "/index.js"):
        if not path.is_file() and (named := Path(f"{path}{ending}")).is_file():
            raise web.HTTPFound(f"/modules/{named.relative_to(MODULES)}")
    if not path.is_file():
        raise web.HTTPNotFound
    return _file(path)


def _file(path: Path) -> web.Response:
    return web.Response(body=path.read_bytes(), content_type=_TYPES[path.suffix])


async def answer_carelessly(request: web.Request) -> web.StreamResponse:
    """Give everything to everybody: what a page can read and do where nobody is on guard."""
    origin = request.headers.get("Origin", "*")
    shared = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
        "Access-Control-Allow-Methods": "GET, POST, DELETE",
    }
    if origin != "*":
        shared["Access-Control-Allow-Credentials"] = "true"
    if request.headers.get("Upgrade") == "websocket":
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        await socket.send_str(SPOILS)
        await socket.close()
        return socket
    if "text/event-stream" in request.headers.get("Accept", ""):
        stream = web.StreamResponse(headers={**shared, "Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(f"data: {SPOILS}\n\n".encode())
        await asyncio.sleep(0.2)
        return stream
    kind, body = _CARELESS.get(request.headers.get("Sec-Fetch-Dest", ""), ("text/plain", SPOILS))
    return web.Response(text=body, content_type=kind, headers=shared)
