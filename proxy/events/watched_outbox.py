"""A store around the outbox: it puts every change of a rating into the ring, so none is missed."""

from collections.abc import Callable, Mapping, Sequence

from proxy.events.ring import MUCH, RATED, STANDING, Ring
from proxy.model import Entry, Progress, RatingState
from proxy.stores.contract import Depth, Due, NewRating, OnceOnly, Outbox

_FEW = 200
"""So many calls are told of one by one."""


def told_too(tell: Callable[[str | None], None], ring: Ring) -> Callable[[str | None], None]:
    """What is told of deliveries (`delivery.errands.Errands.changed`), with the ring told, too, where a key or the
    API stands differently. No store sees that.
    """

    def told(request_id: str | None) -> None:
        tell(request_id)
        if request_id is None:
            ring.put(STANDING)

    return told


class WatchedOutbox:
    """See `stores.contract.Outbox`. Told is what is on disk; what only was looked at is not told."""

    def __init__(self, outbox: Outbox, ring: Ring) -> None:
        self._outbox = outbox
        self._ring = ring

    def __repr__(self) -> str:
        return f"<WatchedOutbox around {self._outbox!r}>"

    @property
    def description(self) -> Mapping[str, object]:
        """What it is and how safe."""
        return self._outbox.description

    # -- what changes ratings

    async def append(
        self, ratings: Sequence[NewRating], now: float, once: OnceOnly | None = None
    ) -> list[Entry]:
        """Take ratings."""
        entries = await self._outbox.append(ratings, now, once)
        self._tell_of({entry.request_id for entry in entries})
        return entries

    async def advance(self, entry: Entry, before: Progress, after: Progress) -> bool:
        """Move on an entry."""
        is_moved = await self._outbox.advance(entry, before, after)
        if is_moved:
            self._ring.put(RATED, None, entry.request_id)
        return is_moved

    async def let_go(self, request_id: str | None, due_at: float) -> int:
        """HELD entries get a time."""
        return self._told(await self._outbox.let_go(request_id, due_at), request_id)

    async def withdraw(self, request_id: str, now: float) -> Entry | None:
        """Take the current rating back."""
        withdrawn = await self._outbox.withdraw(request_id, now)
        self._told(0 if withdrawn is None else 1, request_id)
        return withdrawn

    async def retry(self, request_id: str | None, now: float) -> int:
        """REFUSED entries are QUEUED again."""
        return self._told(await self._outbox.retry(request_id, now), request_id)

    async def bring_forward(self, latest: float) -> int:
        """What is due later than that is due then."""
        return self._told(await self._outbox.bring_forward(latest), None)

    async def prune(self, before: float) -> int:
        """Forget what was settled before then."""
        return self._told(await self._outbox.prune(before), None)

    async def release(self, key_fingerprint: str, now: float) -> None:
        """QUEUED entries that wait after a failure are due now. Whoever releases them says so, of all of them."""
        await self._outbox.release(key_fingerprint, now)

    def _tell_of(self, request_ids: set[str]) -> None:
        if len(request_ids) > _FEW:
            self._ring.put(MUCH)
            return
        for request_id in request_ids:
            self._ring.put(RATED, None, request_id)

    def _told(self, number: int, request_id: str | None) -> int:
        """So many have changed, of that call or of nobody knows which."""
        if number and request_id is not None:
            self._ring.put(RATED, None, request_id)
        elif number:
            self._ring.put(MUCH)
        return number

    # -- what looks

    async def recall(self, once: OnceOnly, now: float) -> list[Entry] | None:
        """The entries that were taken with that key."""
        return await self._outbox.recall(once, now)

    async def due(
        self, key_fingerprint: str, now: float, limit: int, states: Sequence[RatingState] = ()
    ) -> Due:
        """What is to be done now."""
        return await self._outbox.due(key_fingerprint, now, limit, states)

    async def keys(self) -> list[str]:
        """The fingerprints under which anything is due."""
        return await self._outbox.keys()

    async def queued(self, key_fingerprints: Sequence[str]) -> int:
        """How many current entries are QUEUED under one of these keys."""
        return await self._outbox.queued(key_fingerprints)

    async def current(self, request_ids: Sequence[str]) -> dict[str, Entry]:
        """The current entries of these calls."""
        return await self._outbox.current(request_ids)

    async def history(self, request_id: str) -> list[Entry]:
        """The newest entries of a call."""
        return await self._outbox.history(request_id)

    async def listing(
        self, states: Sequence[RatingState] = (), *, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Current entries, the newest first."""
        return await self._outbox.listing(states, before=before, limit=limit)

    async def depth(self) -> Depth:
        """How much there is."""
        return await self._outbox.depth()

    async def close(self) -> None:
        """Let go of the file."""
        await self._outbox.close()
