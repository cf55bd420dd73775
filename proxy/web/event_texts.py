"""Events as they go over the wire: server-sent events, each made once for all who listen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from proxy.calls.live_call import LiveCall
from proxy.delivery.intake import Delivery
from proxy.events.ring import RATED, STANDING, Event, Ring
from proxy.model import Entry, RatingState
from proxy.stores.contract import RecentCalls
from proxy.web.answers import describe_call, describe_progress

BEGINNING = b"retry: 1000\n\n"
HEARTBEAT = b": still here\n\n"

MOST_THAT_WAIT = 200
"""More ratings than that are better looked at in a list."""

Piece = tuple[LiveCall | None, bytes]
"""A part of an event that is for whoever wants to hear of this call; None: it is not remembered."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """What has to be known of ratings to tell some events."""

    current: Mapping[str, Entry]
    """By request id."""
    waiting: Sequence[Entry]
    """All that wait for a key or for the API; one more than can be told, if there are more."""


class EventTexts:
    """Makes texts of events, from what they are about as it stands then."""

    def __init__(
        self,
        ring: Ring,
        store: RecentCalls[LiveCall],
        delivery: Delivery,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._ring = ring
        self._store = store
        self._delivery = delivery
        self._clock = clock
        self._wall_clock = wall_clock

    def ready(self, *, resumed: bool) -> bytes:
        """The listener has missed nothing; or else there is a gap, also at its beginning."""
        return _text("ready", {"resumed": resumed, "remembered": len(self._store)})

    @staticmethod
    def last_word(code: str, message: str) -> bytes:
        """Why the connection closes now."""
        return _text("end", {"code": code, "message": message})

    async def look_up(self, events: Sequence[Event]) -> Ratings:
        """The ratings that these events need. Raises OutboxFailed."""
        ids = {text if call is None else call.request_id for _, call, text in events}
        current = await self._delivery.current([each for each in ids if each])
        waiting: Sequence[Entry] = ()
        if any(kind == STANDING for kind, _, _ in events):
            states = (RatingState.QUEUED, RatingState.PAUSED)
            waiting = await self._delivery.listing(states, None, MOST_THAT_WAIT + 1)
        return Ratings(current, waiting)

    def of(self, number: int, event: Event, ratings: Ratings) -> list[Piece]:
        """The pieces of one event; `ratings` were looked up for it.

        Only the last of several has its number: whoever hears only a part resumes before it.
        """
        kind, call, text = event
        if call is not None:
            shown = call.snapshot(self._clock())
            document: dict[str, Any] = {"phase": kind}
            rating = ratings.current.get(shown.request_id)
            document["call"] = describe_call(shown, self._rating(rating))
            if text:
                document["was"] = text
            return [(call, _text("call", document, self._ring.id_of(number)))]
        if kind == RATED:
            return [self._rated(text, ratings.current.get(text), number)]
        last = len(ratings.waiting)
        return [
            self._rated(each.request_id, each, number - (place < last))
            for place, each in enumerate(ratings.waiting, 1)
        ]

    def _rated(self, request_id: str, entry: Entry | None, number: int) -> Piece:
        document = {"id": request_id, "rating": self._rating(entry)}
        return self._store.peek(request_id), _text("rating", document, self._ring.id_of(number))

    def _rating(self, entry: Entry | None) -> dict[str, Any] | None:
        if entry is None:
            return None
        return describe_progress(self._delivery.standing(entry), self._wall_clock())


def _text(name: str, document: Mapping[str, Any], event_id: str = "") -> bytes:
    """One event; JSON has no end of line."""
    identified = f"id: {event_id}\n" if event_id else ""
    return b"%bevent: %b\ndata: %b\n\n" % (
        identified.encode(),
        name.encode(),
        msgspec.json.encode(document),
    )
