"""Streams of events: each listener has a place in the ring, and is sent what came after it.

The relay goes first. What is sent to listeners is gathered, in turns with relayed calls, and takes no more than a
small share of the loop's time: when more happens than that can tell, some of it is left out, and said to be.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from proxy.calls.live_call import LiveCall
from proxy.clock import Clock
from proxy.errors import OutboxFailed, TooManyStreams
from proxy.events.ring import MUCH, Event, Ring
from proxy.metrics import Reading
from proxy.stores.contract import RecentCalls
from proxy.web.event_texts import HEARTBEAT, MOST_THAT_WAIT, EventTexts, Piece

logger = logging.getLogger(__name__)

MOST_STREAMS = 256
_CONNECTIONS_PER_STREAM = 4
"""Streams take no more than that part of the connections that there may be: the rest is for calls."""
GATHER_SECONDS = 0.05
"""How long events wait for company. A person does not notice."""
_SHARE = 50
"""Of so many seconds one may be spent on listeners."""
_AT_ONCE = 64
"""Events to one listener in one round."""
_LOOKED_THROUGH = 1024
"""Events that are looked through in one round for those that a listener wants."""
_LISTENERS_A_TURN = 20
HEARTBEAT_SECONDS = 15.0
_BETWEEN_GAPS_SECONDS = 5.0
"""Whoever is told of a gap looks at the list anew, which is work, too."""
_STUCK_SECONDS = 60.0
"""Who has not read for so long is not there any more."""
_OUTBOX_FAILED_SECONDS = 1.0

_TOO_SLOW = (
    "too_slow",
    "This client reads more slowly than events come. Connect again, and look at the list.",
)
_STOPPING = ("stopping", "The sidecar is being stopped. Connect again when it has started.")


Wanted = Callable[[LiveCall], bool]
"""Whether somebody wants to hear of a call."""


class Sink(Protocol):
    """Where a listener's bytes go. Nothing waits."""

    def write(self, data: bytes) -> None:
        """Send these; nothing happens where nobody is there any more."""

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not left yet."""


class Listener:
    """Somebody who listens: a place in the ring, and which calls are wanted (None: all)."""

    def __init__(self, sink: Sink, wanted: Wanted | None, seen: int) -> None:
        self.sink = sink
        self.wanted = wanted
        self.seen = seen
        """The number of the last event that it was sent, or that is not for it."""
        self.gap_told_at = 0.0
        self.owes_gap = False
        """Whether it has to be told of a gap that it was not told of yet."""
        self.stuck_since: float | None = None
        self.over = asyncio.Event()
        """It ends; its last word, if there is one, is written."""


class EventStreams:
    """All who listen. `clock` is delivery's; `stopwatch` measures how long work takes."""

    def __init__(
        self,
        ring: Ring,
        texts: EventTexts,
        store: RecentCalls[LiveCall],
        clock: Clock,
        stopwatch: Callable[[], float],
    ) -> None:
        self._ring = ring
        self._texts = texts
        self._store = store
        self._clock = clock
        self._stopwatch = stopwatch
        self._listeners: dict[Listener, None] = {}
        self._woken = asyncio.Event()
        self._rendered: dict[int, list[Piece]] = {}
        self._joined: dict[tuple[int, int], bytes] = {}
        self._beat_at = 0.0
        self._is_over = False
        self.most = MOST_STREAMS
        """How many may listen."""
        self.dropped = 0
        """How many have been too slow."""
        ring.wake = self._woken.set

    def __repr__(self) -> str:
        return f"<EventStreams to {len(self)}>"

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def readings(self) -> list[Reading]:
        """What they can tell at any time."""
        return [
            Reading("event_streams", "Streams of events that are open.", lambda: len(self)),
            Reading(
                "event_streams_dropped",
                "Streams of events that were ended because nobody read them fast enough.",
                lambda: self.dropped,
                only_grows=True,
            ),
        ]

    def bound_by(self, max_connections: int) -> None:
        """So many connections there may be."""
        self.most = max(1, min(MOST_STREAMS, max_connections // _CONNECTIONS_PER_STREAM))

    # -- coming and going

    def refuse_above_bound(self) -> None:
        """Raises TooManyStreams where no more may come."""
        if len(self) >= self.most:
            raise TooManyStreams(
                f"{self.most} streams of events are open, and no more may be. Close a page or a program that "
                "listens; GET /feedback shows the calls all the same."
            )

    def join(self, sink: Sink, wanted: Wanted | None, last_event_id: str | None) -> Listener:
        """Have somebody listen from now on, or from that event on; they are told which. Raises TooManyStreams."""
        self.refuse_above_bound()
        seen = None if last_event_id is None else self._ring.resumed_from(last_event_id)
        listener = Listener(sink, wanted, self._ring.newest if seen is None else seen)
        sink.write(self._texts.ready(resumed=seen is not None))
        listener.gap_told_at = self._clock.now()
        if self._is_over:
            self._end(listener, *_STOPPING)
        else:
            self._listeners[listener] = None
            self._woken.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """It is not there any more. Nothing of it is kept."""
        self._listeners.pop(listener, None)
        listener.over.set()
        if not self._listeners:
            self._ring.is_awaited = False
            self._rendered.clear()
            self._joined.clear()

    def close(self) -> None:
        """The sidecar stops: everybody is told so, and ends at once."""
        self._is_over = True
        for listener in list(self._listeners):
            self._end(listener, *_STOPPING)

    def _end(self, listener: Listener, code: str, message: str) -> None:
        listener.sink.write(self._texts.last_word(code, message))
        self.leave(listener)

    def _drop(self, listener: Listener) -> None:
        self.dropped += 1
        self._end(listener, *_TOO_SLOW)

    # -- the loop

    async def run(self) -> None:
        """Tell listeners what happens, until cancelled."""
        never = asyncio.Event()
        while True:
            await self._news()
            await self._clock.pause(GATHER_SECONDS, unless=never)
            try:
                worked_seconds = await self._round()
            except OutboxFailed:
                # How ratings stand is not known: better late than wrong.
                await self._clock.pause(_OUTBOX_FAILED_SECONDS, unless=never)
            else:
                await self._clock.pause(worked_seconds * _SHARE - GATHER_SECONDS, unless=never)

    async def _news(self) -> None:
        """Wait for something to tell."""
        while True:
            now, newest = self._clock.now(), self._ring.newest
            self._beat(now)
            if any(each.seen < newest or each.owes_gap for each in self._listeners):
                return
            self._woken.clear()
            self._ring.is_awaited = bool(self._listeners)
            await self._clock.pause(HEARTBEAT_SECONDS, unless=self._woken)

    def _beat(self, now: float) -> None:
        """Show now and then that the line is open: proxies, and listeners, end one that is silent."""
        if now < self._beat_at:
            return
        self._beat_at = now + HEARTBEAT_SECONDS
        for listener in list(self._listeners):
            if not self._is_stuck(listener, now):
                listener.sink.write(HEARTBEAT)

    def _is_stuck(self, listener: Listener, now: float) -> bool:
        """Whether it has not read yet what it was sent. One that never does is dropped."""
        if not listener.sink.unsent_bytes:
            listener.stuck_since = None
            return False
        if listener.stuck_since is None:
            listener.stuck_since = now
        is_behind = listener.seen < self._ring.before_oldest
        if is_behind or now - listener.stuck_since > _STUCK_SECONDS:
            self._drop(listener)
        return True

    async def _round(self) -> float:
        """Send each listener what has come. Gives how long that has kept the loop. Raises OutboxFailed."""
        worked_seconds = 0.0
        self._joined.clear()
        for turn, listener in enumerate(list(self._listeners), 1):
            began = self._stopwatch()
            numbers, last = self._numbers_for(listener)
            worked_seconds += self._stopwatch() - began
            missing = [number for number in numbers if number not in self._rendered]
            if missing:
                worked_seconds += await self._render(missing)
            began = self._stopwatch()
            if listener in self._listeners:
                # Not before: had the disk failed, they would be lost.
                listener.seen = last
                self._send(listener, numbers)
            worked_seconds += self._stopwatch() - began
            if turn % _LISTENERS_A_TURN == 0:
                await asyncio.sleep(0)
        self._forget_rendered()
        return worked_seconds

    def _numbers_for(self, listener: Listener) -> tuple[list[int], int]:
        """The events that it is sent in this round, and up to which all are seen then."""
        ring, now = self._ring, self._clock.now()
        if listener not in self._listeners or self._is_stuck(listener, now):
            return [], listener.seen
        if listener.seen < ring.before_oldest:
            # It reads, but more happens than we can tell it.
            listener.seen, listener.owes_gap = ring.newest - _AT_ONCE, True
        numbers: list[int] = []
        last = min(ring.newest, listener.seen + _LOOKED_THROUGH)
        for number in range(listener.seen + 1, last + 1):
            event = ring.at(number)
            if event[0] == MUCH:
                listener.owes_gap = True
            elif self._is_for(listener, event):
                numbers.append(number)
                if len(numbers) == _AT_ONCE:
                    last = number
                    break
        return numbers, last

    def _is_for(self, listener: Listener, event: Event) -> bool:
        _, call, request_id = event
        if listener.wanted is None:
            return True
        if call is None and request_id:
            call = self._store.peek(request_id)
            return call is not None and listener.wanted(call)
        # What concerns many calls is looked at piece by piece.
        return call is None or listener.wanted(call)

    async def _render(self, numbers: list[int]) -> float:
        """Make the texts of these events. Gives how long that has kept the loop."""
        events = [self._ring.at(number) for number in numbers]
        ratings = await self._texts.look_up(events)
        began = self._stopwatch()
        if len(ratings.waiting) > MOST_THAT_WAIT:
            self._ring.put(MUCH)
            ratings = replace(ratings, waiting=())
        for number, event in zip(numbers, events, strict=True):
            self._rendered[number] = self._texts.of(number, event, ratings)
        return self._stopwatch() - began

    def _send(self, listener: Listener, numbers: list[int]) -> None:
        now = self._clock.now()
        data = self._joined_for(listener, numbers)
        if listener.owes_gap and now - listener.gap_told_at >= _BETWEEN_GAPS_SECONDS:
            listener.owes_gap, listener.gap_told_at = False, now
            data += self._texts.ready(resumed=False)
        if data:
            listener.sink.write(data)

    def _joined_for(self, listener: Listener, numbers: list[int]) -> bytes:
        """What it is sent of these. Those who want all get the same bytes."""
        wanted = listener.wanted
        if not numbers:
            return b""
        if wanted is not None:
            return b"".join(
                text
                for number in numbers
                for call, text in self._rendered[number]
                if call is not None and wanted(call)
            )
        # For all of these, those between the two are the same.
        ends = (numbers[0], numbers[-1])
        joined = self._joined.get(ends)
        if joined is None:
            joined = b"".join(text for number in numbers for _, text in self._rendered[number])
            self._joined[ends] = joined
        return joined

    def _forget_rendered(self) -> None:
        """Let go of the texts that everybody has been sent, or that are too old to be sent to anybody."""
        seen = min((each.seen for each in self._listeners), default=self._ring.newest)
        oldest = max(seen, self._ring.before_oldest)
        for number in [each for each in self._rendered if each <= oldest]:
            del self._rendered[number]


def say_why_stopped(streams: "asyncio.Task[None]") -> None:
    """The loop must not end by itself."""
    if not streams.cancelled() and (error := streams.exception()) is not None:
        logger.error("Events are not told any more, which is a bug of the sidecar's.", exc_info=error)
