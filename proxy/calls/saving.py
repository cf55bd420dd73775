"""Saves calls a little later than they are remembered, and reads them back at the next start."""

import asyncio
import itertools
import logging
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from proxy.calls.live_call import LiveCall
from proxy.calls.records import UnreadableRecord, remembered, saved
from proxy.clock import Clock
from proxy.errors import OutboxFailed
from proxy.stores.contract import RecentCalls, SavedCalls

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.5
"""How long changes wait for company; with what the journal waits it stays well below a second."""
RETRY_SECONDS = 5.0
AT_ONCE = 250
"""Calls in one commit: making records of so many takes the loop a millisecond, and a rating waits no longer."""


class SavingCalls:
    """Recent calls that outlast the process; see `stores.contract.RecentCalls`.

    They are remembered in `calls`, and what has changed is written to `disk` behind: while entered, and all that
    is left when leaving. When the disk fails calls go on, and as many as may be remembered wait to be written.
    """

    def __init__(self, calls: RecentCalls[LiveCall], disk: SavedCalls, clock: Clock) -> None:
        self._calls = calls
        self._disk = disk
        self._clock = clock
        self._moments = itertools.count(1)
        self._changed: dict[str, LiveCall] = {}
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._has_failed = False

    def __repr__(self) -> str:
        return f"<SavingCalls in {self._calls!r}, {len(self._changed)} to be written>"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_behind(), name="saving calls")
        self._task.add_done_callback(_say_why_stopped)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._wake.set()
        await asyncio.wait((self._task,))

    async def read_back(self, *, now: float, wall_now: float) -> None:
        """Remember what was saved before. `now` is a reading of the relay's clock, `wall_now` the Unix time."""
        records = await self._disk.load()
        unreadable = 0
        for record in records:
            try:
                self._calls.remember(remembered(record, now=now, wall_now=wall_now))
            except UnreadableRecord:
                unreadable += 1
        for record in sorted(records, key=lambda record: record.used):
            self._calls.find(record.request_id)
        if unreadable:
            logger.warning("%d of %d saved calls could not be read.", unreadable, len(records))
        highest = max((max(record[:3]) for record in records), default=0)
        self._moments = itertools.count(highest + 1)

    def calls_ended(self, calls: Sequence[LiveCall]) -> None:
        """Calls are over: how they ended is to be saved, too (`journal.Reader`)."""
        for call in calls:
            self._note(call)

    # -- as a store

    @property
    def capacity(self) -> int:
        """How many there may be."""
        return self._calls.capacity

    @property
    def forgotten(self) -> int:
        """How many have had to make room so far."""
        return self._calls.forgotten

    def __len__(self) -> int:
        return len(self._calls)

    def remember(self, call: LiveCall) -> None:
        """Remember a call now, and save it soon."""
        # Whatever it finds is about to be replaced, so that asking for it changes no order.
        earlier = self._calls.find(call.request_id)
        self._calls.remember(call)
        call.arrived = call.used = moment = next(self._moments)
        call.place = moment if earlier is None else earlier.place
        self._note(call)

    def find(self, request_id: str) -> LiveCall | None:
        """The call with that id; asking for it counts as use, also after a restart."""
        call = self._calls.find(request_id)
        if call is not None:
            self._use(call)
        return call

    def peek(self, request_id: str) -> LiveCall | None:
        """The call with that id; this is no use of it."""
        return self._calls.peek(request_id)

    def _use(self, call: LiveCall) -> None:
        call.used = next(self._moments)
        self._note(call)

    def add_alias(self, call: LiveCall, alias: str) -> LiveCall | None:
        """From now on `call` is found by that, too, or what stands under its id."""
        known = self._calls.add_alias(call, alias)
        if known is not None:
            self._note(known)
        return known

    def named(self, alias: str, limit: int) -> list[LiveCall]:
        """At most `limit` calls with that alias, at least 1; the newest first, and asking is a use of that."""
        calls = self._calls.named(alias, limit)
        if calls:
            self._use(calls[0])
        return calls

    def calls(self) -> Iterator[LiveCall]:
        """All calls, the newest first."""
        return self._calls.calls()

    def answers(self) -> Iterator[LiveCall]:
        """Those that count as last, the newest first."""
        return self._calls.answers()

    def newest(self, limit: int) -> list[LiveCall]:
        """At most `limit` calls, the newest first."""
        return self._calls.newest(limit)

    def oldest(self) -> LiveCall | None:
        """The one that arrived first."""
        return self._calls.oldest()

    # -- behind

    def _note(self, call: LiveCall) -> None:
        """The call has changed."""
        changed = self._changed
        known = changed.get(call.request_id)
        # The end of a call must not hide a later one under the same id.
        if known is None or known.arrived <= call.arrived:
            changed[call.request_id] = call
            if len(changed) > self._calls.capacity:
                del changed[next(iter(changed))]
            self._wake.set()

    async def _write_behind(self) -> None:
        pause_seconds = GATHER_SECONDS
        while not self._closing.is_set():
            await self._wake.wait()
            await self._clock.pause(pause_seconds, unless=self._closing)
            self._wake.clear()
            pause_seconds = GATHER_SECONDS if await self._write() else RETRY_SECONDS
        # What came during the last write, too.
        if self._changed and not await self._write():
            logger.warning("%d calls have not been saved.", len(self._changed))

    async def _write(self) -> bool:
        """Save what has changed. Whether it worked; what did not is noted again."""
        taken, self._changed = self._changed, {}
        calls = list(taken.values())
        for beginning in range(0, len(calls), AT_ONCE):
            try:
                await self._disk.save([saved(call) for call in calls[beginning : beginning + AT_ONCE]])
            except OutboxFailed as error:
                self._say_failed(error)
                later, self._changed = self._changed, {}
                for call in (*calls[beginning:], *later.values()):
                    self._note(call)
                return False
        self._has_failed = False
        return True

    def _say_failed(self, error: OutboxFailed) -> None:
        if not self._has_failed:
            self._has_failed = True
            logger.warning(
                "Calls cannot be saved, so a restart would forget the newest: %s They go on, and are saved as "
                "soon as that works again.", error.message,
            )  # fmt: skip


def _say_why_stopped(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error(
            "Saving calls has stopped, which is a bug of the sidecar's. They go on, and are remembered in memory.",
            exc_info=error,
        )
