"""The sidecar as a whole: it listens, runs, and stops. `assembly.py` builds what it is made of."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Self, TextIO

from proxy.assembly import Assembly, Outside
from proxy.clock import Clock
from proxy.config.secrets import secrets_of
from proxy.config.settings import Settings
from proxy.listeners import Listeners
from proxy.redaction import Redaction
from proxy.routing import ResolvedRoute

logger = logging.getLogger(__name__)

_LAST_RATINGS_SECONDS = 5.0
"""How long ratings that could leave at once may hold up a stop; what is left goes on at the next start."""
_LAST_JUDGMENTS_SECONDS = 5.0
"""How long rules may hold up a stop, within the grace period; what is not judged then never is."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Sidecar:
    """A running sidecar: `async with Sidecar(settings) as sidecar`.

    Leaving finishes running calls within the grace period, then cuts them. Raises CannotStart on the way in.
    `environ` may name a proxy, which is used if the settings say so. `clock` is that of delivery. `redaction` is
    told the keys that apps send.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str] = _NOTHING,
        log: TextIO = sys.stderr,
        clock: Clock | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        self.settings = settings
        self._cut_now = asyncio.Event()
        self._resources = contextlib.AsyncExitStack()
        self.before_app: Listeners | None = None
        """What a chat app is opened through, where we stand in front of one."""
        outside = Outside(
            environ,
            log,
            clock or Clock(time.time, _steady_time),
            redaction or Redaction(secrets_of(settings)),
        )
        self.parts = Assembly(settings, outside, self._resources)

    def __repr__(self) -> str:
        return f"<Sidecar for {', '.join(route.url for route in self.routes)}>"

    async def __aenter__(self) -> Self:
        self.listening = Listeners.bind(self.settings.server)
        try:
            self.before_app = self._bind_before_app()
            await self.parts.build(self.port)
            for listening, door in zip(self._all_listening, self.parts.doors, strict=True):
                await listening.serve(door, door.by_socket)
        except BaseException:
            self._close_sockets()
            await self._resources.aclose()
            raise
        for listening in self._all_listening:
            if listening.missing:
                missing = ", ".join(listening.missing)
                logger.warning("Listening without %s, which this machine does not have.", missing)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def _bind_before_app(self) -> Listeners | None:
        """Listen for those who open a chat app through us. Raises CannotStart."""
        inject = self.settings.inject
        if inject.upstream is None:
            return None
        server = replace(self.settings.server, host=inject.host, port=inject.port, unix_socket=None)
        return Listeners.bind(server, "[inject] port")

    @property
    def _all_listening(self) -> list[Listeners]:
        return [self.listening] if self.before_app is None else [self.listening, self.before_app]

    def _close_sockets(self) -> None:
        for listening in self._all_listening:
            listening.close()

    @property
    def routes(self) -> tuple[ResolvedRoute, ...]:
        """Where calls may go."""
        return self.parts.routes

    @property
    def port(self) -> int:
        """The port of every address."""
        return self.listening.port

    @property
    def url(self) -> str:
        """Where an app finds the sidecar."""
        return self.listening.url

    def cut_now(self) -> None:
        """Do not wait for running calls any longer."""
        self._cut_now.set()

    async def _stop(self) -> None:
        parts, grace = self.parts, self.settings.server.grace_seconds
        self._close_sockets()
        # Whoever listens would for as long as the grace period is.
        parts.streams.close()
        for door in parts.doors:
            door.drain()
        busy = sum(door.busy() for door in parts.doors)
        if busy:
            logger.info("Stopping: waiting for open connections (%d), for at most %g s.", busy, grace)
        drained = asyncio.create_task(self._drained(grace), name="drained")
        cut = asyncio.create_task(self._cut_now.wait(), name="told to cut")
        try:
            await asyncio.wait((drained, cut), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            cut.cancel()
            for door in parts.doors:
                door.stop()
            parts.journal.flush()
            if parts.judge is not None:
                await parts.judge.finish(
                    0.0 if self._cut_now.is_set() else min(grace, _LAST_JUDGMENTS_SECONDS)
                )
            await parts.courier.finish(0.0 if self._cut_now.is_set() else _LAST_RATINGS_SECONDS)
            await parts.delivery.say_what_is_left()
            await self._resources.aclose()

    async def _drained(self, grace_seconds: float) -> None:
        """Both planes have finished what they were at."""
        servers = self.parts.local_servers
        for server in servers:
            server.pre_shutdown()
        await asyncio.gather(
            *(door.emptied() for door in self.parts.doors),
            *(server.shutdown(grace_seconds) for server in servers),
        )


def _steady_time() -> float:
    """Seconds that pass steadily, also while the machine sleeps where it can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
