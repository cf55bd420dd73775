"""Takes ratings into the outbox, from which a courier takes them to Helicone, and tells how they stand."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from proxy.clock import Clock
from proxy.delivery import reports, schedule
from proxy.delivery.courier import Courier
from proxy.delivery.errands import Tally
from proxy.delivery.lanes import Lane, Lanes
from proxy.errors import AlreadySent, MissingKey, OutboxFailed, OutboxFull, UnknownRating
from proxy.keys import Keyring
from proxy.model import Entry, Rating, RatingState
from proxy.stores.contract import Depth, NewRating, OnceOnly, Outbox

_KEY_FORGOTTEN = (
    "The Helicone key under which this call was made is not known here (any more): keys are never written down. "
    "The rating leaves as soon as a call is made with that key on the same route, or it is configured again."
)

_IDS_AT_ONCE = 250
"""Calls that are looked up in one go: ratings that come in wait no longer than that takes."""

_FORGOTTEN_WHEN_FULL_SECONDS = (7 * 24 * 3600.0, 24 * 3600.0, 3600.0, 900.0)
"""Where there is no room, what was settled that long ago makes it. Nothing younger: what changes such a rating has
to know of it for as long as a self-hosted Helicone replays ratings."""
_NOT_TAKING_SECONDS = 300.0
"""How long a rating that could not be taken is a sign that the next one cannot be, either."""


class HasId(Protocol):
    """A call, as far as it matters here."""

    request_id: str


class Until(StrEnum):
    """What somebody who rates waits for."""

    QUEUED = "queued"
    """That the rating is on disk."""
    ACCEPTED = "accepted"
    """That Helicone has said yes."""
    VERIFIED = "verified"
    """That Helicone has stored it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A rating as it comes in. `key_fingerprint`: under which key the call was made, None if under none."""

    request_id: str
    key_fingerprint: str | None
    rating: Rating
    hold_seconds: float = 0.0
    """How long it is kept back."""
    is_streaming: bool = False
    """Whether the call's answer has not ended: the rating waits for that."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rating stands, as people see it: an entry queued under a key that cannot be used is PAUSED."""

    entry: Entry
    state: RatingState
    reason: str | None
    due_at: float | None
    """When something is done for it next. None: nothing is, or nobody knows when."""
    is_api_down: bool = False
    """Whether it waits for Helicone's API to work again."""


class Delivery:
    """What the local application works with: takes ratings, tells how they stand, and has a courier run."""

    def __init__(self, outbox: Outbox, courier: Courier, lanes: Lanes, keys: Keyring, clock: Clock) -> None:
        self._outbox = outbox
        self._courier = courier
        self._lanes = lanes
        self._keys = keys
        self._clock = clock
        self._streaming: dict[str, float] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._not_taking: tuple[float, str] | None = None
        courier.errands.changed = self._tell

    def __repr__(self) -> str:
        return f"<Delivery {self._courier}>"

    # -- taking

    async def take(self, submissions: Sequence[Submission], once: OnceOnly | None = None) -> list[Entry]:
        """Commit ratings to the outbox, all or none.

        Raises MissingKey (nothing is known under which one could leave), OutboxFull, OutboxFailed, KeyReused.
        """
        now = self._clock.now()
        new = [self._new_rating(each, now) for each in submissions]
        streaming = {each.request_id: each.hold_seconds for each in submissions if each.is_streaming}
        self._streaming |= streaming
        entries = await self._append(new, now, once)
        for entry in entries:
            if entry.progress.due_at is not None:
                self._courier.expect(entry.key_fingerprint, entry.progress.due_at)
            self._tell(entry.request_id)
        for request_id, hold_seconds in streaming.items():
            if request_id not in self._streaming:  # It has ended in the meantime.
                self._courier.insist(partial(self._let_go, request_id, hold_seconds))
        return entries

    async def _append(self, new: Sequence[NewRating], now: float, once: OnceOnly | None) -> list[Entry]:
        try:
            try:
                entries = await self._outbox.append(new, now, once)
            except OutboxFull:
                entries = await self._append_where_there_is_no_room(new, now, once)
        except OutboxFailed as error:
            self._not_taking = (now, error.message)
            raise
        self._not_taking = None
        return entries

    async def _append_where_there_is_no_room(
        self, new: Sequence[NewRating], now: float, once: OnceOnly | None
    ) -> list[Entry]:
        """What has arrived makes room for what has not, as little of it as is enough. Raises OutboxFull."""
        for age_seconds in _FORGOTTEN_WHEN_FULL_SECONDS:
            if await self._outbox.prune(now - age_seconds):
                with contextlib.suppress(OutboxFull):
                    return await self._outbox.append(new, now, once)
        return await self._outbox.append(new, now, once)

    def _new_rating(self, submission: Submission, now: float) -> NewRating:
        fingerprint = submission.key_fingerprint
        if fingerprint is None:
            raise MissingKey(self._why_no_key())
        is_held = submission.is_streaming or submission.hold_seconds > 0
        return NewRating(
            request_id=submission.request_id,
            key_fingerprint=fingerprint,
            rating=submission.rating,
            state=RatingState.HELD if is_held else RatingState.QUEUED,
            due_at=None if submission.is_streaming else now + submission.hold_seconds,
        )

    def calls_ended(self, calls: Iterable[HasId]) -> None:
        """These answers are over: ratings that waited for that may leave."""
        if not self._streaming:
            return
        for call in calls:
            hold_seconds = self._streaming.pop(call.request_id, None)
            if hold_seconds is not None:
                self._courier.insist(partial(self._let_go, call.request_id, hold_seconds))

    async def _let_go(self, request_id: str, hold_seconds: float) -> None:
        due_at = self._clock.now() + hold_seconds
        await self._outbox.let_go(request_id, due_at)
        for entry in (await self._outbox.current([request_id])).values():
            self._courier.expect(entry.key_fingerprint, due_at)

    async def recall(self, once: OnceOnly) -> list[Entry] | None:
        """The entries of an earlier request with the same `Idempotency-Key`. Raises KeyReused."""
        return await self._outbox.recall(once, self._clock.now())

    async def withdraw(self, request_id: str) -> Entry:
        """Take a call's rating back. Raises AlreadySent when it has left, UnknownRating when there is none."""
        withdrawn = await self._outbox.withdraw(request_id, self._clock.now())
        if withdrawn is None:
            current = (await self._outbox.current([request_id])).get(request_id)
            if current is None:
                raise UnknownRating(f"There is no rating of {request_id} to take back.")
            raise AlreadySent(
                "This rating has left already, and Helicone cannot remove a rating, only change it: rate the call "
                "again. With ?hold=5s a rating can be taken back for so long."
            )
        # What stands now may have left under another key. It is committed: a disk that fails now changes nothing.
        with contextlib.suppress(OutboxFailed):
            for each in (await self._outbox.current([request_id])).values():
                self._courier.expect(each.key_fingerprint, 0.0)
        self._tell(request_id)
        return withdrawn

    async def retry(self, request_id: str | None) -> int:
        """Send refused ratings (of one call, or all) on their way again; gives how many. Raises UnknownRating."""
        number = await self._outbox.retry(request_id, self._clock.now())
        if request_id is not None and not number:
            raise UnknownRating(
                f"There is no refused rating of {request_id}.{await self._if_paused(request_id)}"
            )
        for fingerprint in await self._outbox.keys():
            self._courier.expect(fingerprint, 0.0)
        self._tell(None)
        return number

    async def _if_paused(self, request_id: str) -> str:
        current = (await self._outbox.current([request_id])).get(request_id)
        is_paused = current is not None and self.standing(current).state is RatingState.PAUSED
        return " The one that is there waits for its key; it leaves by itself then." if is_paused else ""

    # -- looking

    def standing(self, entry: Entry) -> Standing:
        """How an entry stands, as people see it."""
        progress = entry.progress
        if progress.state is RatingState.HELD and progress.due_at is None:
            return Standing(entry, progress.state, "It waits for the end of the answer.", None)
        if progress.state is not RatingState.QUEUED:
            return Standing(entry, progress.state, progress.reason, progress.due_at)
        if self._keys.get(entry.key_fingerprint) is None:
            return Standing(entry, RatingState.PAUSED, _KEY_FORGOTTEN, None)
        lane = self._lanes.get(entry.key_fingerprint)
        if lane is None:
            return Standing(entry, progress.state, progress.reason, progress.due_at)
        if lane.pause is not None:
            return Standing(entry, RatingState.PAUSED, lane.pause.reason, None)
        is_down = lane.breaker.is_down
        reason = lane.breaker.reason if is_down else progress.reason
        return Standing(entry, progress.state, reason, self._leaves_at(entry, lane), is_down)

    def _leaves_at(self, entry: Entry, lane: Lane) -> float | None:
        """When it leaves, at the earliest: after a post for the same call, and when its key may send something."""
        due_at = entry.progress.due_at
        if due_at is None:
            return None
        earliest = max(due_at, lane.ready_at(self._clock.now()) or 0.0)
        return max(earliest, self._courier.may_leave_at(entry)) if schedule.wants_post(entry) else earliest

    async def current(self, request_ids: Sequence[str]) -> dict[str, Entry]:
        """The current ratings of these calls."""
        current: dict[str, Entry] = {}
        for start in range(0, len(request_ids), _IDS_AT_ONCE):
            current |= await self._outbox.current(request_ids[start : start + _IDS_AT_ONCE])
        return current

    async def history(self, request_id: str) -> list[Entry]:
        """All ratings of a call that are kept, the newest first."""
        return await self._outbox.history(request_id)

    async def listing(self, states: Sequence[RatingState], before: int | None, limit: int) -> list[Entry]:
        """Current ratings in one of these states, PAUSED included (none given: all), the newest first."""
        kept = {RatingState.QUEUED if state is RatingState.PAUSED else state for state in states}
        entries: list[Entry] = []
        while len(entries) < limit:
            page = await self._outbox.listing(tuple(kept), before=before, limit=limit)
            entries += [entry for entry in page if not states or self.standing(entry).state in states]
            if len(page) < limit:
                break
            before = page[-1].seq
        return entries[:limit]

    async def wait(self, entry: Entry, until: Until, timeout_seconds: float) -> Standing:
        """Wait until an entry has come so far, cannot get there, or that time is over; gives how it stands then.

        It does not wait at all while its key is paused, Helicone is known to be down, or it is held.
        """
        if self._is_done_waiting(entry, until):
            return self.standing(entry)
        changed = asyncio.Event()
        self._watchers.setdefault(entry.request_id, set()).add(changed)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self._is_done_waiting(entry, until):
                    await changed.wait()
                    changed.clear()
                    entry = await self._again(entry)
        except TimeoutError:
            # It may have moved on between its commit and the beginning of this wait.
            entry = await self._again(entry)
        finally:
            watching = self._watchers[entry.request_id]
            watching.discard(changed)
            if not watching:
                del self._watchers[entry.request_id]
        return self.standing(entry)

    async def _again(self, entry: Entry) -> Entry:
        """The entry as it stands now; as it stood, if it is kept no longer."""
        kept = await self._outbox.history(entry.request_id)
        return next((each for each in kept if each.seq == entry.seq), entry)

    def _is_done_waiting(self, entry: Entry, until: Until) -> bool:
        state = self.standing(entry).state
        lane = self._lanes.get(entry.key_fingerprint)
        is_stuck = lane is not None and (
            lane.breaker.is_down or (until is Until.VERIFIED and not lane.may_look)
        )
        if until is Until.QUEUED or is_stuck:
            return True
        if state is RatingState.ACCEPTED:
            return until is Until.ACCEPTED
        return state is not RatingState.QUEUED

    def _tell(self, request_id: str | None) -> None:
        """Wake those who wait for a call's rating, or all of them."""
        if request_id is not None:
            woken: Iterable[set[asyncio.Event]] = (self._watchers.get(request_id, set()),)
        else:
            woken = self._watchers.values()
        for events in woken:
            for event in events:
                event.set()

    async def report(self) -> Mapping[str, Any]:
        """How delivery and outbox are, for the health answer."""
        now = self._clock.now()
        failed_at, why = self._not_taking or (0.0, None)
        not_taking = why if now - failed_at < _NOT_TAKING_SECONDS else None
        found = await reports.report(self._outbox, self._courier, self._lanes, now)
        return {**found, "not_taking": not_taking}

    async def paused(self) -> int:
        """How many ratings wait for their key."""
        return await reports.paused(self._outbox, self._courier, self._lanes)

    @property
    def tally(self) -> Tally:
        """What delivery has done so far."""
        return self._courier.errands.tally

    async def depth(self) -> Depth:
        """How many ratings there are, by state."""
        return await self._outbox.depth()

    async def say_what_waits(self) -> None:
        """Log how many ratings are left of an earlier process; called at the beginning."""
        await reports.say_what_waits(self._outbox, self._courier)

    async def say_what_is_left(self) -> None:
        """Log how many ratings have not arrived yet; called at the end."""
        await reports.say_what_is_left(self._outbox)

    def _why_no_key(self) -> str:
        if self._keys.own_fingerprint is not None:
            return (
                "This call went up without a key that Helicone reads, so Helicone did not log it and there is "
                "nothing to rate. If the gateway is a Helicone of your own, set helicone = true for its "
                "route."
            )
        return (
            "No Helicone key is known for this call, so its rating cannot be sent. Start the sidecar with "
            "HELICONE_API_KEY=..., or have the app send its own as Helicone-Auth. Relaying works without one."
        )
