"""Composition root: the only place that builds anything, and that owns what runs in the background."""

import asyncio
import contextlib
import logging
import random
import secrets
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Self, TextIO

from aiohttp import web

from proxy import helicone, open_files
from proxy.admission import Admission, provider_keys
from proxy.api_client import HeliconeApi
from proxy.calls.aliases import Naming
from proxy.calls.attribution import Attribution
from proxy.calls.live_call import LiveCall
from proxy.calls.recorder import CallRecorder, Hooks
from proxy.calls.route_rules import all_rules
from proxy.calls.saving import SavingCalls
from proxy.clock import Clock
from proxy.config.outbox_place import place_of, why_unusable
from proxy.config.secrets import secrets_of
from proxy.config.settings import Settings
from proxy.delivery.courier import Courier, say_why_stopped
from proxy.delivery.errands import Errands, Manner
from proxy.delivery.intake import Delivery
from proxy.delivery.lanes import Budget, Lanes
from proxy.delivery.schedule import Pace
from proxy.errors import CannotStart, OutboxFailed
from proxy.guard.decisions import Guard
from proxy.guard.tokens import Tokens
from proxy.journal import Journal, Reader
from proxy.keys import Keyring
from proxy.listeners import Listeners
from proxy.logs import CallLog
from proxy.metrics import CallMetrics, Metrics, readings
from proxy.network import Network, patience, ways_of
from proxy.redaction import Redaction
from proxy.refused import RefusalBook
from proxy.relay.front_door import FrontDoor, MakeLocal
from proxy.relay.names import NameCache, system_resolve
from proxy.relay.writes import Gatherer
from proxy.routing import resolve
from proxy.stores.contract import Outbox, RecentCalls
from proxy.stores.memory import MemoryCalls
from proxy.stores.places import worth_saying
from proxy.stores.saved_calls import SqliteSavedCalls
from proxy.stores.sqlite import SqliteOutbox
from proxy.web.application import PREFIX, RESERVED, make_application
from proxy.web.context import Context
from proxy.web.protocol import LocalProtocol

logger = logging.getLogger(__name__)

_LAST_MOMENT_SECONDS = 0.1
_LAST_RATINGS_SECONDS = 5.0
"""How long ratings that could leave at once may hold up a stop; what is left goes on at the next start."""

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
        self.routes = resolve(settings)
        self._environ = environ
        self._log_stream = log
        self._redaction = redaction or Redaction(secrets_of(settings))
        self._clock = clock or Clock(time.time, _steady_time)
        self._cut_now = asyncio.Event()
        self._resources = contextlib.AsyncExitStack()

    def __repr__(self) -> str:
        return f"<Sidecar for {', '.join(route.url for route in self.routes)}>"

    async def __aenter__(self) -> Self:
        self.listening = Listeners.bind(self.settings.server)
        try:
            await self._build()
            await self.listening.serve(self._door, self._door.by_socket)
        except BaseException:
            self.listening.close()
            await self._resources.aclose()
            raise
        if self.listening.missing:
            missing = ", ".join(self.listening.missing)
            logger.warning("Listening without %s, which this machine does not have.", missing)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def port(self) -> int:
        """The port of every address."""
        return self.listening.port

    @property
    def url(self) -> str:
        """Where an app finds the sidecar."""
        return self.listening.url

    # -- building

    async def _build(self) -> None:
        settings = self.settings
        keys = self._make_keyring()
        network = Network(settings, self.routes, self._environ)
        outbox = await self._open_outbox()
        self._call_metrics = CallMetrics()
        self._store, readers = await self._make_store(outbox)
        self._delivery = await self._make_delivery(outbox, keys, network)
        readers += [self._call_metrics.count, self._delivery.calls_ended]
        if settings.log.level in ("debug", "info"):
            readers.append(CallLog(self._log_stream, settings.log.format, self._redaction).write)
        self._journal = Journal(readers)
        self._resources.callback(self._journal.flush)
        self._gatherer = Gatherer(asyncio.get_running_loop().call_soon)
        names = NameCache(system_resolve, time.monotonic)
        self._resources.push_async_callback(names.close)
        self._pools = network.pools(names, self._gatherer, time.perf_counter)
        for pool in self._pools.values():
            self._resources.push_async_callback(pool.close)
        ways = ways_of(self.routes, self._pools)
        self._guard = self._make_guard()
        self._refused = RefusalBook(time.monotonic)
        self._recorder = recorder = CallRecorder(
            store=self._store,
            keys=keys,
            rules=all_rules(self.routes, settings.helicone.own_key),
            hooks=Hooks(id=settings.hooks.id, url=settings.hooks.url),
            naming=Naming(settings.feedback.message_id_header.lower().encode(), RESERVED),
            attribution=Attribution((settings.feedback.scope_header or "").lower().encode()),
            wall_clock=time.time,
            on_end=self._journal.add,
            on_refused=self._refused.note,
        )
        self._door = FrontDoor(
            gatherer=self._gatherer,
            admit=Admission(
                self._guard,
                ways,
                self.routes,
                provider_keys(self.routes, settings.guard.allowed_targets),
                page_headers=settings.feedback.headers,
                has_helicone_key=settings.helicone.own_key is not None,
            ),
            route=ways.find,
            observer=recorder,
            clock=time.perf_counter,
            make_local=await self._make_local(keys),
            local_prefix=PREFIX.encode(),
            # Random, so that two sidecars in a row are no loop.
            via=b"helicone-proxy-" + secrets.token_hex(4).encode() if settings.upstream.via else None,
            patience=patience(settings),
            max_connections=self._max_connections(),
        )

    def _make_keyring(self) -> Keyring:
        vendor = self.settings.helicone
        keys = Keyring(
            vendor.own_key,
            helicone.fingerprint,
            helicone.api_url_for,
            {route.api_url for route in self.routes if route.api_may_have_key},
            default_url=vendor.api_url,
        )
        keys.on_key = self._redaction.learn
        return keys

    def _make_guard(self) -> Guard:
        settings = self.settings.guard
        named = settings.named_tokens
        return Guard(
            bound_addresses=self.settings.server.host,
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=settings.allowed_origins,
            tokens=Tokens(named, secrets.token_bytes(32)) if named else None,
        )

    async def _make_store(self, outbox: SqliteOutbox) -> tuple[RecentCalls[LiveCall], list[Reader]]:
        """What remembers calls, and whether it wants to know of their ends."""
        settings = self.settings.calls
        memory: MemoryCalls[LiveCall] = MemoryCalls(settings.capacity)
        disk = SqliteSavedCalls(outbox.database, settings.capacity)
        if not settings.persist:
            # What was saved when it was on is not wanted on disk any more.
            try:
                await disk.forget()
            except OutboxFailed as error:
                # That must not keep calls from being relayed; the next start tries again.
                logger.warning("[calls] persist is off, but saved calls are still on disk: %s", error.message)
            return memory, []
        saving = SavingCalls(memory, disk, self._clock)
        await saving.read_back(now=time.perf_counter(), wall_now=time.time())
        return await self._resources.enter_async_context(saving), [saving.calls_ended]

    async def _make_delivery(self, outbox: Outbox, keys: Keyring, network: Network) -> Delivery:
        """Have a courier work on the outbox from now on."""
        settings, chance = self.settings.delivery, random.random
        session = await self._resources.enter_async_context(network.api_session())
        vendor = self.settings.helicone
        api = HeliconeApi(
            session,
            network.proxy_for,
            timeout_seconds=vendor.timeout_seconds,
            wall_clock=time.time,
            own_key=vendor.own_key,
        )
        lanes = Lanes(Budget(settings.burst, settings.per_second), chance)
        manner = Manner(Pace(settings.first_look_seconds), chance)
        errands = Errands(outbox, api, lanes, self._clock, manner)
        self._courier = courier = Courier(outbox, errands, keys, lanes, self._clock)
        keys.on_new = courier.key_known
        await courier.load()
        self._resources.push_async_callback(courier.close)
        running = asyncio.create_task(courier.run(), name="courier")
        running.add_done_callback(say_why_stopped)
        self._resources.callback(running.cancel)
        delivery = Delivery(outbox, courier, lanes, keys, self._clock)
        await delivery.say_what_waits()
        return delivery

    async def _open_outbox(self) -> SqliteOutbox:
        settings = self.settings.outbox
        if (why := why_unusable(settings, self.port)) is not None:
            raise CannotStart(why)
        path = place_of(settings, self.port)
        outbox = await SqliteOutbox.open(
            ":memory:" if path is None else path,
            max_bytes=settings.max_size_mib * 1024 * 1024,
            stamp=lambda: time.strftime("%Y%m%d-%H%M%S"),
        )
        self._resources.push_async_callback(outbox.close)
        if path is not None:
            for said in worth_saying(path, is_named_after_port=settings.path is None):
                logger.warning(said)
        return outbox

    def _max_connections(self) -> int:
        """As configured, or as many as this process may have open files for."""
        idle = self.settings.upstream.max_idle_connections * len(self._pools)
        return open_files.possible_connections(self.settings.server.max_connections, besides=idle)

    async def _make_local(self, keys: Keyring) -> MakeLocal:
        """Build the local application. Gives what makes a protocol for a connection that is handed over."""
        context = Context(
            store=self._store,
            delivery=self._delivery,
            keys=keys,
            guard=self._guard,
            refused=self._refused,
            clock=time.perf_counter,
            wall_clock=self._clock.now,
            feedback=self.settings.feedback,
            metrics=Metrics(
                calls=self._call_metrics,
                refusals=self._refused.counts,
                # The door is built last, since it hands connections over to what is built here.
                readings=readings([*self._pools.values()], self._store, self._gatherer, lambda: self._door),
                catch_up=self._journal.flush,
            ),
            open_calls=lambda: self._gatherer.open_calls,
            routes=self.routes,
            api_url=self.settings.helicone.resolved_api_url,
            started=time.perf_counter(),
            body_timeout_seconds=self.settings.server.body_timeout_seconds,
        )
        runner = web.AppRunner(
            make_application(context),
            handle_signals=False,
            # Whoever is still there then has had the whole grace period: see `_stop`.
            shutdown_timeout=_LAST_MOMENT_SECONDS,
        )
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        server = runner.server
        if server is None:
            raise RuntimeError("aiohttp's runner made no server")
        self._local_server = server
        return lambda on_lost, by_socket: LocalProtocol(
            server, on_lost, by_socket=by_socket, on_refused=self._refused.note
        )

    # -- stopping

    def cut_now(self) -> None:
        """Do not wait for running calls any longer."""
        self._cut_now.set()

    async def _stop(self) -> None:
        self.listening.close()
        self._door.drain()
        grace = self.settings.server.grace_seconds
        if self._door.busy():
            logger.info(
                "Stopping: waiting for open connections (%d), for at most %g s.", self._door.busy(), grace
            )
        drained = asyncio.create_task(self._drained(grace), name="drained")
        cut = asyncio.create_task(self._cut_now.wait(), name="told to cut")
        try:
            await asyncio.wait((drained, cut), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            cut.cancel()
            self._door.stop()
            self._journal.flush()
            await self._courier.finish(0.0 if self._cut_now.is_set() else _LAST_RATINGS_SECONDS)
            await self._delivery.say_what_is_left()
            await self._resources.aclose()

    async def _drained(self, grace_seconds: float) -> None:
        """Both planes have finished what they were at."""
        self._local_server.pre_shutdown()
        await asyncio.gather(self._door.emptied(), self._local_server.shutdown(grace_seconds))


def _steady_time() -> float:
    """Seconds that pass steadily, also while the machine sleeps where it can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
