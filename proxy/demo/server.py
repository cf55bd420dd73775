"""Both sides of the stand-in, listening."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random, SystemRandom
from types import TracebackType
from typing import Self, cast

from aiohttp import web

from .api import Api
from .api_server import ApiServer
from .faults import Faults
from .gateway import Gateway
from .journal import Journal
from .ledger import Ledger
from .settings import StandInSettings

SHUTDOWN_SECONDS = 0.05
"""An open connection is no reason to wait: nothing here is worth finishing."""

HEAD_LIMIT_BYTES = 1024 * 1024
"""Tests send large heads to see what the product does with them, not what aiohttp does."""


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class StandIn:
    """An embedded Helicone: a gateway and an API on loopback.

    `async with StandIn(StandInSettings(...)) as standin`, or `start()` and `close()` on one loop. The ledger,
    the journals and the faults may be used from any thread. `steady` and `wall` say how late it is at Helicone: a
    clock that runs faster shortens its delays and windows, and nothing on the wire.
    """

    def __init__(
        self,
        settings: StandInSettings | None = None,
        *,
        chance: Random | None = None,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or StandInSettings()
        self.faults = Faults()
        self.ledger = Ledger(
            ingestion_delay_seconds=self.settings.ingestion_delay_seconds,
            scoring_delay_seconds=self.settings.scoring_delay_seconds,
            replay_seconds=self.settings.replay_seconds,
            unmerged=self.settings.unmerged,
            steady=steady,
            wall=wall,
        )
        api = Api(self.settings, self.ledger, steady)
        self._api = ApiServer(api, self.faults.api)
        self._gateway = Gateway(
            self.settings, self.ledger, api, self.faults.gateway, chance or SystemRandom(), wall
        )
        self._runners: list[web.ServerRunner] = []
        self._handlers: set[asyncio.Task[object]] = set()
        self.gateway_port = 0
        self.api_port = 0

    def __repr__(self) -> str:
        return f"<StandIn gateway={self.gateway_url} api={self.api_url} {self.ledger!r}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def gateway_url(self) -> str:
        """Where the gateway listens, without a path: `http://127.0.0.1:…`."""
        return f"http://{self.settings.host}:{self.gateway_port}"

    @property
    def api_url(self) -> str:
        """Where the API listens, without a path."""
        return f"http://{self.settings.host}:{self.api_port}"

    @property
    def gateway(self) -> Journal:
        """What the gateway was sent."""
        return self._gateway.journal

    @property
    def api(self) -> Journal:
        """What the API was sent."""
        return self._api.journal

    async def start(self) -> None:
        """Listen on both ports; raises `OSError` when one is taken."""
        try:
            self.gateway_port = await self._listen(self._gateway.handle, self.settings.gateway_port)
            self.api_port = await self._listen(self._api.handle, self.settings.api_port)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        self.gateway.closing = self.api.closing = True
        while self._runners:
            await self._runners.pop().cleanup()
        if self._handlers:
            # aiohttp cancels them and does not wait.
            await asyncio.wait(set(self._handlers))

    async def _listen(self, handle: Handler, port: int) -> int:
        async def owned(request: web.BaseRequest) -> web.StreamResponse:
            task = cast("asyncio.Task[object]", asyncio.current_task())
            self._handlers.add(task)
            try:
                return await handle(request)
            finally:
                self._handlers.discard(task)

        server = web.Server(
            owned,
            # A client that leaves cancels its handler, so that even a silent one notices.
            handler_cancellation=True,
            # The journal's bodies are those of the wire.
            auto_decompress=False,
            access_log=None,
            max_line_size=HEAD_LIMIT_BYTES,
            max_field_size=HEAD_LIMIT_BYTES,
            max_headers=10_000,
            lingering_time=2.0,
        )
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self.settings.host, port).start()
        return int(runner.addresses[0][1])
