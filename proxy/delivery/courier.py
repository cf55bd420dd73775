"""The loop over the outbox: what may leave now is started as an errand, and the rest is waited for."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from proxy.clock import Clock
from proxy.delivery import schedule
from proxy.delivery.errands import Errands
from proxy.delivery.lanes import NEVER, Lane, Lanes
from proxy.errors import OutboxFailed
from proxy.helicone_api import MOST_IDS
from proxy.keys import Credential, Keyring
from proxy.model import Entry, RatingState
from proxy.stores.contract import Due, Outbox

logger = logging.getLogger(__name__)

_WORKERS = 8
"""Posts under way at a time."""
_POSTS_AT_A_TIME = 2 * _WORKERS
_MOST_AT_A_TIME = 1_000
_IDS_OF_A_LOOK = MOST_IDS
_LEAVING = (RatingState.HELD, RatingState.QUEUED)
_LEFT = (RatingState.ACCEPTED, RatingState.VERIFIED)
_AT_LEAST_EVERY_SECONDS = 60.0
"""A machine that slept wakes up with ratings due, and no timer knows."""
_OUTBOX_FAILED_SECONDS = 5.0
"""How long a disk that failed is left alone."""
KEPT_SECONDS = 30 * 24 * 3600.0
"""How long it is known what became of a rating: as long as Helicone takes one."""
_PRUNE_EVERY_SECONDS = 3600.0


class Courier:
    """Works off the outbox, one request at a time for each call."""

    def __init__(self, outbox: Outbox, errands: Errands, keys: Keyring, lanes: Lanes, clock: Clock) -> None:
        self._outbox = outbox
        self.errands = errands
        self._keys = keys
        self._lanes = lanes
        self._clock = clock
        errands.due = self.expect
        errands.words_missing = self._start_words
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._posts: set[asyncio.Task[None]] = set()
        self._prune_at = self._sweep_at = 0.0
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._passed_over: set[str] = set()
        self._left_at: dict[str, float] = {}
        self._loaded_at = 0.0
        self.without_key: set[str] = set()
        self._outbox_failed = False
        self._left_alone_until = 0.0

    def __repr__(self) -> str:
        return f"<Courier {len(self._tasks)} requests under way>"

    # -- what it is told

    def expect(self, fingerprint: str, at: float) -> None:
        """Something is due under that key at that time."""
        credential = self._keys.get(fingerprint)
        if credential is None:
            self.without_key.add(fingerprint)
            return
        lane = self._lanes.open(fingerprint, credential.api_url, self._clock.now())
        lane.work_at = min(lane.work_at, at)
        self._woken.set()

    def key_known(self, fingerprint: str) -> None:
        """That key has come up. What waited for it may leave."""
        if fingerprint in self.without_key:
            self.without_key.discard(fingerprint)
            self.expect(fingerprint, 0.0)
            # What was paused for it is not any more.
            self.errands.changed(None)

    # -- the loop

    async def load(self) -> None:
        """Take up what an earlier process left. Raises OutboxFailed."""
        self._loaded_at = self._clock.now()
        try:
            await self._begin_anew()
        except OutboxFailed as error:
            # A disk that is full must not keep calls from being relayed.
            self._leave_outbox_alone(error)
            self.insist(self._begin_anew)
        for fingerprint in await self._outbox.keys():
            self.expect(fingerprint, 0.0)

    async def _begin_anew(self) -> None:
        """What the earlier process waited for is over: an answer's end, a clock that was wrong, a failure."""
        await self._outbox.let_go(None, self._loaded_at)
        await self._outbox.bring_forward(self._loaded_at + schedule.LONGEST_WAIT_SECONDS)
        for fingerprint in await self._outbox.keys():
            await self._outbox.release(fingerprint, self._loaded_at)
            self.expect(fingerprint, 0.0)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._woken.clear()
            at = self._left_alone_until
            if at <= self._clock.now():
                try:
                    await self._sweep()
                    await self._prune()
                    at = await self._round()
                except OutboxFailed as error:
                    at = self._leave_outbox_alone(error)
            await self._clock.pause(min(at - self._clock.now(), _AT_LEAST_EVERY_SECONDS), unless=self._woken)

    async def finish(self, seconds: float) -> None:
        """Let what is under way end, and what may leave at once leave, for at most so long."""
        deadline = self._clock.now() + seconds
        while (now := self._clock.now()) < deadline:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=deadline - now, return_when=asyncio.FIRST_COMPLETED)
            elif any(lane.next_at(now) <= now and self._keys.get(lane.fingerprint) for lane in self._lanes):
                await self._clock.pause(0.02, unless=asyncio.Event())
            else:
                return

    async def close(self) -> None:
        """Stop what is under way; the outbox knows that it has left."""
        tasks = self._tasks | self._chores
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _sweep(self) -> None:
        """Now and then ask the disk for every key, so that nothing is due for long that nobody knows of."""
        now = self._clock.now()
        if now >= self._sweep_at:
            for fingerprint in await self._outbox.keys():
                self.expect(fingerprint, 0.0)
            self._sweep_at = now + _AT_LEAST_EVERY_SECONDS

    async def _prune(self) -> None:
        now = self._clock.now()
        if now >= self._prune_at:
            await self._outbox.prune(now - KEPT_SECONDS)
            self._prune_at = now + _PRUNE_EVERY_SECONDS

    async def _round(self) -> float:
        """Start all that may leave now. Gives when there may be more."""
        soonest = NEVER
        for lane in self._lanes:
            soonest = min(soonest, await self._serve(lane))
        self._forget_old_posts()
        return soonest

    async def _serve(self, lane: Lane) -> float:
        credential = self._keys.get(lane.fingerprint)
        if credential is None:
            self.without_key.add(lane.fingerprint)
            return NEVER
        now = self._clock.now()
        at = lane.next_at(now)
        if at > now:
            return at
        if now >= lane.blind_until:
            lane.may_look = True
        lane.work_at = NEVER
        try:
            # Each by itself: a long queue of the one must not hide what is due of the other.
            leaving = await self._due_posts(lane, now)
            left = await self._outbox.due(lane.fingerprint, now, _IDS_OF_A_LOOK + len(self._busy), _LEFT)
        except OutboxFailed:
            lane.work_at = now
            raise
        found = (*left.entries, *leaving.entries)
        entries = [entry for entry in found if entry.request_id not in self._busy]
        if len(entries) < len(found):
            self._passed_over.add(lane.fingerprint)
        again_at = min(
            self._start_look(
                lane, [entry for entry in entries if not schedule.wants_post(entry)], credential
            ),
            self._start_posts(lane, [entry for entry in entries if schedule.wants_post(entry)], credential),
            # What is due and had no room comes when those before it have gone.
            *(page.next_at for page in (leaving, left) if page.next_at is not None and page.next_at > now),
        )
        lane.work_at = min(lane.work_at, again_at)
        return lane.next_at(self._clock.now())

    async def _due_posts(self, lane: Lane, now: float) -> Due:
        """What has not left. Words alone, which wait for a look, do not hide thumbs behind them."""
        limit = _POSTS_AT_A_TIME + len(self._busy)
        while True:
            due = await self._outbox.due(lane.fingerprint, now, limit, _LEAVING)
            has_post = any(
                schedule.wants_post(each) for each in due.entries if each.request_id not in self._busy
            )
            if has_post or len(due.entries) < limit or limit >= _MOST_AT_A_TIME:
                return due
            limit *= 4

    def _start_look(self, lane: Lane, entries: Sequence[Entry], credential: Credential) -> float:
        now = self._clock.now()
        if not entries:
            return NEVER
        if not lane.may_look:
            for entry in entries:
                self._start(self.errands.go_on_blindly(lane, entry, credential), [entry])
            return NEVER
        if lane.look_at > now:
            return lane.look_at
        batch = entries[:_IDS_OF_A_LOOK]
        if not lane.begin(now):
            return now
        lane.look_at = now + self.errands.look_gap_seconds
        self._start(self.errands.look(lane, batch, credential), batch)
        return now if len(entries) > len(batch) else NEVER

    def _start_posts(self, lane: Lane, entries: Sequence[Entry], credential: Credential) -> float:
        now, again_at = self._clock.now(), NEVER
        for entry in entries:
            may_leave_at = self.may_leave_at(entry)
            if may_leave_at > now:
                again_at = min(again_at, may_leave_at)
                continue
            if len(self._posts) >= _WORKERS:
                self._passed_over.add(lane.fingerprint)
                return again_at
            if not lane.begin(now):
                return now
            self._left_at.pop(entry.request_id, None)
            self._left_at[entry.request_id] = now
            post = self._start(self.errands.post(lane, entry, credential), [entry])
            self._posts.add(post)
            post.add_done_callback(self._posts.discard)
        return again_at

    def may_leave_at(self, entry: Entry) -> float:
        """When a post for that call may leave, for all that those before it matter.

        One may have left just before a restart.
        """
        has_left = entry.changes_another or entry.progress.posts > 0
        last_left_at = self._left_at.get(entry.request_id, self._loaded_at if has_left else 0.0)
        return last_left_at + schedule.BETWEEN_POSTS_SECONDS

    def insist(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have something written into the outbox, also if that takes until the disk works again."""
        task = asyncio.create_task(self._insist(write), name="write into the outbox")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        task.add_done_callback(self._say_error)

    async def _insist(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                return await write()
            except OutboxFailed as error:
                self._leave_outbox_alone(error)
                await self._clock.pause(_OUTBOX_FAILED_SECONDS, unless=asyncio.Event())

    def _start_words(
        self, lane: Lane, entry: Entry, words: Mapping[str, str], credential: Credential
    ) -> None:
        self._start(self.errands.put_words(lane, entry, words, credential), [entry])

    def _start(self, work: Coroutine[Any, Any, None], entries: Sequence[Entry]) -> asyncio.Task[None]:
        ids = {entry.request_id for entry in entries}
        task = asyncio.create_task(work, name=f"deliver {len(ids)} ratings")
        # From a look that found words missing the call goes over to the errand that puts them on.
        self._busy |= dict.fromkeys(ids, task)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            for request_id in ids:
                if self._busy.get(request_id) is task:
                    del self._busy[request_id]
            woken, self._passed_over = {entries[0].key_fingerprint, *self._passed_over}, set()
            for fingerprint in woken:
                self.expect(fingerprint, 0.0)
            self._say_error(task)

        task.add_done_callback(done)
        return task

    def _say_error(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            # It has written, which a round does not.
            self._outbox_failed = False
        elif isinstance(error, OutboxFailed):
            self._leave_outbox_alone(error)
        else:
            logger.error("Delivering ratings failed: a bug of the sidecar's.", exc_info=error)

    def _forget_old_posts(self) -> None:
        oldest = self._clock.now() - schedule.BETWEEN_POSTS_SECONDS
        for request_id, left_at in tuple(self._left_at.items()):
            if left_at > oldest:
                break
            del self._left_at[request_id]

    def _leave_outbox_alone(self, error: OutboxFailed) -> float:
        """Until when."""
        if not self._outbox_failed:
            self._outbox_failed = True
            logger.error("Ratings cannot be delivered for now: %s Calls go on.", error.message)
        self._left_alone_until = self._clock.now() + _OUTBOX_FAILED_SECONDS
        return self._left_alone_until


def say_why_stopped(courier: "asyncio.Task[None]") -> None:
    """The loop must not end by itself."""
    if not courier.cancelled() and (error := courier.exception()) is not None:
        logger.error(
            "Delivery has stopped, which is a bug of the sidecar's. Ratings are kept; they leave after a restart.",
            exc_info=error,
        )
