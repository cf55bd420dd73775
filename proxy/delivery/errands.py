"""One errand each: post a rating, look whether ratings are stored, put words onto a call; and what came of it.

What is next for a rating is decided in `schedule`, when anything may leave in `lanes`; here both meet the network
and the disk.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from proxy.clock import Clock
from proxy.delivery import schedule
from proxy.delivery.lanes import Lane, Lanes
from proxy.delivery.schedule import Pace
from proxy.errors import (
    HeliconeError,
    NotIngested,
    Remedy,
)
from proxy.helicone_api import Allowance, Stored, missing_properties, properties_of
from proxy.keys import Credential
from proxy.model import Entry, Progress, Rating, RatingState
from proxy.stores.contract import Outbox

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BUSY_SECONDS = 60.0
"""How long to wait where Helicone's limit is reached and it does not say for how long."""
_LONGEST_LOOK_BACKOFF_SECONDS = 300.0
_REFUSALS_UNTIL_BLIND = 2
"""A single one may be somebody's firewall."""
_BLIND_SECONDS = 3600.0


class FeedbackApi(Protocol):
    """Where ratings go. Each raises a kind of HeliconeError; what Helicone grants is given where it says so."""

    async def post(self, request_id: str, rating: Rating, credential: Credential) -> Allowance | None:
        """Post a thumb and scores; accepted when it returns."""

    async def put_property(
        self, request_id: str, name: str, value: str, credential: Credential
    ) -> Allowance | None:
        """Put a property onto a call. Raises NotIngested when Helicone does not know the call yet."""

    async def look(
        self, request_ids: Sequence[str], credential: Credential
    ) -> tuple[Mapping[str, Stored], Allowance | None]:
        """What is stored of these calls; those that Helicone does not know are left out."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How delivery goes about it: its pace, and the dice that spread attempts."""

    pace: Pace
    chance: Callable[[], float]


@dataclass(slots=True)
class Tally:
    """What the courier has done so far."""

    posts: int = 0
    looks: int = 0
    verified: int = 0
    refused: int = 0
    last_success_at: float | None = None


class Errands:
    """Runs errands. `due` is told when something is due next under which key; `changed`, which call's rating has
    moved on, or with None that a key or the API stands differently; `words_missing`, what to put onto a call."""

    def __init__(self, outbox: Outbox, api: FeedbackApi, lanes: Lanes, clock: Clock, manner: Manner) -> None:
        self._outbox = outbox
        self._api = api
        self._lanes = lanes
        self._clock = clock
        self._manner = manner
        self.due: Callable[[str, float], None] = lambda *_: None
        self.changed: Callable[[str | None], None] = lambda _: None
        self.words_missing: Callable[[Lane, Entry, Mapping[str, str], Credential], None] = lambda *_: None
        self.tally = Tally()

    def __repr__(self) -> str:
        return f"<Errands {self.tally}>"

    @property
    def look_gap_seconds(self) -> float:
        """Looks under one key are so far apart."""
        return self._manner.pace.look_gap_seconds

    # -- one errand

    async def post(self, lane: Lane, entry: Entry, credential: Credential) -> None:
        claimed = schedule.leaving(entry.progress, self._clock.now())
        if not await self._claim(lane, entry, claimed):
            return
        self.tally.posts += 1
        try:
            allowance = await self._sent(lane, self._api.post(entry.request_id, entry.rating, credential))
        except HeliconeError as error:
            after = self._after_failure(lane, claimed, error)
        else:
            await self._worked(lane, allowance)
            step = schedule.accepted if lane.may_look else schedule.accepted_blindly
            after = step(claimed, self._manner.pace, self._clock.now())
            logger.info("%s for %s: Helicone accepted it.", entry.rating.thumb, entry.request_id)
        await self._settle(entry, claimed, after)

    async def look(self, lane: Lane, entries: Sequence[Entry], credential: Credential) -> None:
        self.tally.looks += 1
        try:
            ids = [entry.request_id for entry in entries]
            rows, allowance = await self._sent(lane, self._api.look(ids, credential))
        except HeliconeError as error:
            self._look_failed(lane, error)
            return
        await self._worked(lane, allowance)
        lane.look_failures = lane.look_refusals = 0
        now = self._clock.now()
        settling = []
        for entry in entries:
            stored = rows.get(entry.request_id)
            after = schedule.looked(entry, stored, self._manner.pace, now)
            if after != entry.progress:
                settling.append(self._settle(entry, entry.progress, after))
            elif stored is not None:
                self.words_missing(lane, entry, missing_properties(entry.rating, stored), credential)
        # All of them before any failure is told: none may go on when this errand has ended.
        for outcome in await asyncio.gather(*settling, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def put_words(
        self, lane: Lane, entry: Entry, words: Mapping[str, str], credential: Credential
    ) -> None:
        """Put comment, rater, source and tags onto the call, one after the other: each writes its row anew.

        What the budget does not admit now is found missing by the next look.
        """
        claimed = await self._claimed_for_words(lane, entry)
        if claimed is None:
            return
        after, has_put_one = claimed.progress, False
        for name, value in words.items():
            if has_put_one and not lane.begin(self._clock.now()):
                break
            try:
                allowance = await self._sent(
                    lane, self._api.put_property(entry.request_id, name, value, credential)
                )
            except HeliconeError as error:
                after = self._after_failure(lane, claimed.progress, error)
                break
            await self._worked(lane, allowance)
            has_put_one = True
        if has_put_one:
            after = schedule.put_on(claimed, self._clock.now())
        await self._settle(entry, claimed.progress, after)

    async def _claimed_for_words(self, lane: Lane, entry: Entry) -> Entry | None:
        """The entry, of which something is about to leave: from now on nobody can take it back."""
        if not lane.begin(self._clock.now()):
            return None
        if entry.progress.has_left:
            return entry
        claimed = replace(entry, progress=schedule.leaving(entry.progress, self._clock.now()))
        return claimed if await self._claim(lane, entry, claimed.progress) else None

    async def _claim(self, lane: Lane, entry: Entry, claimed: Progress) -> bool:
        """Whether the entry still is where it was; then it is about to leave, and that is on disk."""
        is_ours = False
        try:
            is_ours = await self._outbox.advance(entry, entry.progress, claimed)
        finally:
            if not is_ours:
                lane.unused()
        return is_ours

    async def _sent(self, lane: Lane, request: Awaitable[T]) -> T:
        """What a request gives. Whatever else ends it, others may try after it."""
        is_answered = False
        try:
            answer = await request
            is_answered = True
        except HeliconeError:
            is_answered = True
            raise
        finally:
            if not is_answered:
                lane.unused()
        return answer

    async def go_on_blindly(self, lane: Lane, entry: Entry, credential: Credential) -> None:
        """The key may not look: put the words on without, then leave it, or post once more."""
        words = properties_of(entry.rating)
        if not schedule.is_posted(entry.rating):
            if entry.progress.state is not RatingState.ACCEPTED:
                await self.put_words(lane, entry, words, credential)
                return
            words = {}
        for name, value in words.items():
            if not lane.begin(self._clock.now()):
                return
            try:
                allowance = await self._sent(
                    lane, self._api.put_property(entry.request_id, name, value, credential)
                )
            except NotIngested:
                lane.said_no()
                break
            except HeliconeError as error:
                await self._settle(entry, entry.progress, self._after_failure(lane, entry.progress, error))
                return
            await self._worked(lane, allowance)
        await self._settle(entry, entry.progress, schedule.unseen(entry, self._clock.now()))

    # -- what came of it

    async def _settle(self, entry: Entry, before: Progress, after: Progress) -> None:
        is_ours = await self._outbox.advance(entry, before, after)
        if not is_ours:
            return
        if after.due_at is not None:
            self.due(entry.key_fingerprint, after.due_at)
        if after.state is RatingState.VERIFIED and before.state is not RatingState.VERIFIED:
            self.tally.verified += 1
            logger.info("%s for %s is stored.", entry.rating.thumb, entry.request_id)
        elif after.state is RatingState.REFUSED:
            self.tally.refused += 1
            logger.warning(
                "%s for %s can never arrive: %s", entry.rating.thumb, entry.request_id, after.reason
            )
        self.changed(entry.request_id)

    async def _worked(self, lane: Lane, allowance: Allowance | None) -> None:
        now = self._clock.now()
        self.tally.last_success_at = now
        was_down, was_paused = lane.breaker.is_down, lane.pause is not None
        if not lane.worked(allowance):
            return
        if was_down:
            logger.info("Helicone's API works again; ratings that wait leave now.")
        if was_paused:
            logger.info("Helicone accepts the key %s again; ratings under it leave now.", lane.fingerprint)
        for other in self._lanes:
            if other is lane or other.breaker is lane.breaker:
                await self._outbox.release(other.fingerprint, now)
                self.due(other.fingerprint, 0.0)
        self.changed(None)

    def _after_failure(self, lane: Lane, progress: Progress, error: HeliconeError) -> Progress:
        """How far a rating is after a failed request: the table of 3.1 and 3.2."""
        now, reason = self._clock.now(), error.message
        match error.remedy:
            case Remedy.PAUSE:
                self._key_refused(lane, reason)
                return self._put_off(progress, reason)
            case Remedy.WAIT:
                lane.busy(now, error.retry_after_seconds or _BUSY_SECONDS)
                return self._put_off(progress, reason)
            case Remedy.INGESTION:
                lane.said_no()
                return schedule.failed(self._put_off(progress, reason), reason, now, self._manner.chance())
            case Remedy.NONE:
                lane.said_no()
                return schedule.refused(progress, reason, now)
        self._broke(lane, error)
        if not error.may_have_arrived:
            progress = self._put_off(progress, reason)
        return schedule.failed(progress, reason, now, self._manner.chance())

    def _put_off(self, progress: Progress, reason: str) -> Progress:
        """It did not arrive, and that says nothing about it. The lane says when it may be tried again."""
        is_claimed = progress.state is RatingState.QUEUED and progress.posts > 0
        return schedule.not_left(progress, self._clock.now(), reason) if is_claimed else progress

    def _look_failed(self, lane: Lane, error: HeliconeError) -> None:
        now = self._clock.now()
        lane.look_failures += 1
        growing = self.look_gap_seconds * 2.0 ** min(lane.look_failures, 8)
        lane.look_at = now + min(_LONGEST_LOOK_BACKOFF_SECONDS, growing)
        match error.remedy:
            case Remedy.PAUSE | Remedy.NONE:
                lane.said_no()
                lane.look_refusals += 1
                if lane.look_refusals < _REFUSALS_UNTIL_BLIND:
                    return
                lane.may_look, lane.blind_until = False, now + _BLIND_SECONDS
                logger.warning(
                    "Under the key %s nobody may ask Helicone what is stored (%s). Its ratings stay accepted, are "
                    "sent twice more, and are not verified.", lane.fingerprint, error.message,
                )  # fmt: skip
                self.changed(None)
            case Remedy.WAIT:
                lane.busy(now, error.retry_after_seconds or _BUSY_SECONDS)
            case _:
                self._broke(lane, error)

    def _broke(self, lane: Lane, error: HeliconeError) -> None:
        was_down = lane.breaker.is_down
        lane.broke(self._clock.now(), error.message, error.retry_after_seconds or 0)
        if lane.breaker.is_down and not was_down:
            logger.warning("%s Ratings wait in the outbox and leave when it works again.", error.message)
            self.changed(None)

    def _key_refused(self, lane: Lane, reason: str) -> None:
        if lane.key_refused(self._clock.now(), reason):
            logger.warning(
                "%s Ratings under the key %s wait, and leave when it works.", reason, lane.fingerprint
            )
            self.changed(None)
