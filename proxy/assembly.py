"""Builds what a sidecar is made of: the only place that knows every part, and which of several it is.

`app.py` starts and stops what is built here.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TextIO

from aiohttp import web

from proxy import access, before_app, open_files
from proxy.admission import Admission, provider_keys
from proxy.api_client import HeliconeApi
from proxy.calls.aliases import Naming
from proxy.calls.attribution import Attribution
from proxy.calls.hooks import Hooks
from proxy.calls.live_call import LiveCall
from proxy.calls.previews import Previews
from proxy.calls.recorder import CallRecorder
from proxy.calls.route_rules import all_rules
from proxy.calls.saving import SavingCalls
from proxy.clock import Clock
from proxy.config.outbox_place import place_of, why_unusable
from proxy.config.settings import Settings
from proxy.delivery.courier import Courier, say_why_stopped
from proxy.delivery.errands import Errands, Manner
from proxy.delivery.intake import Delivery
from proxy.delivery.lanes import Budget, Lanes
from proxy.delivery.schedule import Pace
from proxy.errors import CannotStart, OutboxFailed
from proxy.events.ring import Ring, size_for
from proxy.events.watched_outbox import WatchedOutbox, told_too
from proxy.inject.observer import direction_down
from proxy.journal import Journal, Reader
from proxy.keys import Keyring
from proxy.logs import CallLog
from proxy.metrics import CallMetrics, Metrics, readings
from proxy.network import Network, patience, ways_of
from proxy.redaction import Redaction
from proxy.refused import RefusalBook
from proxy.relay.front_door import FrontDoor, MakeLocal
from proxy.relay.names import NameCache, system_resolve
from proxy.relay.routes import Ways
from proxy.relay.writes import Gatherer
from proxy.routing import resolve
from proxy.rules.judge import Judge, rule_readings
from proxy.search.finder import Finder
from proxy.search.remembered import Remembered
from proxy.stores.contract import Outbox, RecentCalls
from proxy.stores.memory import MemoryCalls
from proxy.stores.places import worth_saying
from proxy.stores.saved_calls import SqliteSavedCalls
from proxy.stores.sqlite import SqliteOutbox
from proxy.web.application import PREFIX, RESERVED, make_application
from proxy.web.context import Context
from proxy.web.event_streams import EventStreams
from proxy.web.event_streams import say_why_stopped as say_why_streams_stopped
from proxy.web.event_texts import EventTexts
from proxy.web.injected import make_page_application
from proxy.web.protocol import LocalProtocol

logger = logging.getLogger(__name__)

_LAST_MOMENT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outside:
    """What a sidecar gets from the process that it runs in. `environ` may name a proxy; `clock` is delivery's."""

    environ: Mapping[str, str] = field(repr=False)
    log: TextIO
    clock: Clock
    redaction: Redaction


class Assembly:
    """The parts of one sidecar, of which those that somebody else needs have names without an underscore.

    `resources` closes all that has to be closed, in the order of building reversed.
    """

    def __init__(self, settings: Settings, outside: Outside, resources: contextlib.AsyncExitStack) -> None:
        self.settings = settings
        self.routes = resolve(settings)
        self._environ = outside.environ
        self._log_stream = outside.log
        self._redaction = outside.redaction
        self._clock = outside.clock
        self._resources = resources
        self.doors: list[FrontDoor] = []
        """The main one, and the one before a chat app, if there is one."""
        self.local_servers: list[web.Server] = []

    async def build(self, port: int) -> None:
        """Build all, for a sidecar that listens on `port`. Raises CannotStart."""
        settings = self.settings
        keys = access.keyring(settings, self.routes, self._redaction)
        network = Network(settings, self.routes, self._environ)
        outbox = await self._open_outbox(port)
        self.events = Ring(secrets.token_hex(4), size_for(settings.calls.capacity))
        self._call_metrics = CallMetrics()
        self.store, readers = await self._make_store(outbox)
        self.delivery = await self._make_delivery(WatchedOutbox(outbox, self.events), keys, network)
        readers += [self._call_metrics.count, self.delivery.calls_ended]
        self.judge = self._make_judge()
        if self.judge is not None:
            readers.append(self.judge.calls_ended)
        if settings.log.level in ("debug", "info"):
            readers.append(CallLog(self._log_stream, settings.log.format, self._redaction).write)
        self.streams = self._make_streams()
        self.journal = Journal(readers)
        self._resources.callback(self.journal.flush)
        self.gatherer = Gatherer(asyncio.get_running_loop().call_soon)
        names = NameCache(system_resolve, time.monotonic)
        self._resources.push_async_callback(names.close)
        self.pools = network.pools(names, self.gatherer, time.perf_counter)
        for pool in self.pools.values():
            self._resources.push_async_callback(pool.close)
        self._names = names
        ways = ways_of(self.routes, self.pools)
        self.guard = access.guard(settings.guard, settings.server.host, secrets.token_bytes(32))
        self.refused = RefusalBook(time.monotonic)
        self.feedback_tokens = access.feedback_tokens(settings, self._redaction, secrets.token_hex(32))
        context = self._make_context(keys)
        self.recorder = self._make_recorder(keys)
        self.door = self._make_door(ways, await self._run(make_application(context)))
        self.streams.bound_by(self.door.max_connections)
        self.doors.append(self.door)
        if settings.inject.upstream is not None:
            self.doors.append(await self._make_pages_door(settings.inject.upstream, network, context))

    def _make_recorder(self, keys: Keyring) -> CallRecorder:
        settings, hooks = self.settings, self.settings.hooks
        return CallRecorder(
            store=self.store,
            keys=keys,
            rules=all_rules(self.routes, settings.helicone.own_key),
            hooks=Hooks(
                id=hooks.id, url=hooks.url, link=hooks.link, tokens=self.feedback_tokens, now=self._clock.now
            ),
            naming=Naming(settings.feedback.message_id_header.lower().encode(), RESERVED),
            attribution=Attribution((settings.feedback.scope_header or "").lower().encode()),
            events=self.events,
            wall_clock=time.time,
            on_end=self.journal.add,
            on_refused=self.refused.note,
            previews=Previews(self._redaction) if settings.calls.preview else None,
            body_bytes=0 if self.judge is None else self.judge.body_bytes,
        )

    def _make_door(self, ways: Ways, make_local: MakeLocal) -> FrontDoor:
        settings = self.settings
        return FrontDoor(
            gatherer=self.gatherer,
            admit=Admission(
                self.guard,
                ways,
                self.routes,
                provider_keys(self.routes, settings.guard.allowed_targets),
                page_headers=settings.feedback.headers,
                has_helicone_key=settings.helicone.own_key is not None,
            ),
            route=ways.find,
            observer=self.recorder,
            clock=time.perf_counter,
            make_local=make_local,
            local_prefix=PREFIX.encode(),
            # Random, so that two sidecars in a row are no loop.
            via=b"helicone-proxy-" + secrets.token_hex(4).encode() if settings.upstream.via else None,
            patience=patience(settings),
            max_connections=self._max_connections(),
        )

    async def _make_pages_door(self, app_url: str, network: Network, context: Context) -> FrontDoor:
        """Stand in front of a chat app. What passes there are no calls: it is gathered, and counted, apart."""
        gatherer = Gatherer(asyncio.get_running_loop().call_soon)
        pool = network.app_pool(app_url, self._names, gatherer, time.perf_counter, direction_down())
        self._resources.push_async_callback(pool.close)
        guard = access.pages_guard(self.settings)
        application = make_page_application(replace(context, guard=guard), self.settings.inject)
        make_local = await self._run(application)
        make_nonce = lambda: secrets.token_urlsafe(18)  # noqa: E731
        return before_app.pages_door(self.door, pool, guard, make_local, make_nonce, self.refused.note)

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
        self._api = api
        errands = Errands(outbox, api, lanes, self._clock, manner)
        self.courier = courier = Courier(outbox, errands, keys, lanes, self._clock)
        keys.on_new = courier.key_known
        await courier.load()
        self._resources.push_async_callback(courier.close)
        running = asyncio.create_task(courier.run(), name="courier")
        running.add_done_callback(say_why_stopped)
        self._resources.callback(running.cancel)
        delivery = Delivery(outbox, courier, lanes, keys, self._clock)
        errands.changed = told_too(errands.changed, self.events)
        await delivery.say_what_waits()
        return delivery

    def _make_judge(self) -> Judge | None:
        """Have calls judged from now on, if there are rules."""
        if not self.settings.rules:
            return None
        judge = Judge(self.settings.rules, self.delivery.take, random.random, time.monotonic, self._wait)
        self._resources.push_async_callback(judge.close)
        running = asyncio.create_task(judge.run(), name="rules")
        self._resources.callback(running.cancel)
        return judge

    async def _wait(self, seconds: float) -> None:
        await self._clock.pause(seconds, unless=asyncio.Event())

    def _make_streams(self) -> EventStreams:
        """Have listeners told of events from now on."""
        texts = EventTexts(self.events, self.store, self.delivery, time.perf_counter, self._clock.now)
        streams = EventStreams(self.events, texts, self.store, self._clock, time.perf_counter)
        running = asyncio.create_task(streams.run(), name="event streams")
        running.add_done_callback(say_why_streams_stopped)
        self._resources.callback(running.cancel)
        return streams

    async def _open_outbox(self, port: int) -> SqliteOutbox:
        settings = self.settings.outbox
        if (why := why_unusable(settings, port)) is not None:
            raise CannotStart(why)
        path = place_of(settings, port)
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
        idle = self.settings.upstream.max_idle_connections * len(self.pools)
        if self.settings.inject.upstream is not None:
            # Each of them has one to the app.
            idle += 2 * before_app.MAX_CONNECTIONS
        return open_files.possible_connections(self.settings.server.max_connections, besides=idle)

    def _make_finder(self, keys: Keyring) -> Finder:
        remembered = Remembered(self.store, self.delivery, time.perf_counter)
        return Finder(self._api, keys.get(keys.own_fingerprint), remembered, self._clock)

    def _make_context(self, keys: Keyring) -> Context:
        return Context(
            store=self.store,
            delivery=self.delivery,
            finder=self._make_finder(keys),
            streams=self.streams,
            keys=keys,
            guard=self.guard,
            refused=self.refused,
            clock=time.perf_counter,
            wall_clock=self._clock.now,
            feedback=self.settings.feedback,
            previews_on=self.settings.calls.preview,
            metrics=Metrics(
                calls=self._call_metrics,
                refusals=self.refused.counts,
                # The door is built last, since it hands connections over to what is built here.
                readings=[
                    *readings([*self.pools.values()], self.store, self.gatherer, lambda: self.door),
                    *self.streams.readings,
                    *([] if self.judge is None else rule_readings(self.judge)),
                ],
                catch_up=self.journal.flush,
            ),
            open_calls=lambda: self.gatherer.open_calls,
            routes=self.routes,
            api_url=self.settings.helicone.resolved_api_url,
            started=time.perf_counter(),
            body_timeout_seconds=self.settings.server.body_timeout_seconds,
            feedback_tokens=self.feedback_tokens,
            open_webui_secret=self.settings.webhooks.open_webui_secret,
            judge=self.judge,
        )

    async def _run(self, application: web.Application) -> MakeLocal:
        """Run a local application. Gives what makes a protocol for a connection that is handed over."""
        runner = web.AppRunner(
            application,
            handle_signals=False,
            # Whoever is still there then has had the whole grace period: see `_stop`.
            shutdown_timeout=_LAST_MOMENT_SECONDS,
        )
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        server = runner.server
        if server is None:
            raise RuntimeError("aiohttp's runner made no server")
        self.local_servers.append(server)
        return lambda on_lost, by_socket: LocalProtocol(
            server, on_lost, by_socket=by_socket, on_refused=self.refused.note
        )
