"""Takes ratings, and takes them to Helicone: posts, looks whether they are stored, posts again where they are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from proxy.model import Entry, Rating, RatingState
from proxy.stores.contract import OnceOnly


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


class Delivery:
    """What the local application works with."""

    async def take(self, submissions: Sequence[Submission], once: OnceOnly | None = None) -> list[Entry]:
        """Commit ratings to the outbox, all or none.

        Raises MissingKey (nothing is known under which one could leave), OutboxFull, OutboxFailed, KeyReused.
        """
        raise NotImplementedError

    async def recall(self, once: OnceOnly) -> list[Entry] | None:
        """The entries of an earlier request with the same `Idempotency-Key`. Raises KeyReused."""
        raise NotImplementedError

    async def wait(self, entry: Entry, until: Until, timeout_seconds: float) -> Standing:
        """Wait until an entry has come so far, cannot get there, or that time is over; gives how it stands then.

        It does not wait at all while its key is paused, Helicone is known to be down, or it is held.
        """
        raise NotImplementedError

    def standing(self, entry: Entry) -> Standing:
        """How an entry stands, as people see it."""
        raise NotImplementedError

    async def current(self, request_ids: Sequence[str]) -> dict[str, Entry]:
        """The current ratings of these calls."""
        raise NotImplementedError

    async def history(self, request_id: str) -> list[Entry]:
        """All ratings of a call that are kept, the newest first."""
        raise NotImplementedError

    async def listing(self, states: Sequence[RatingState], before: int | None, limit: int) -> list[Entry]:
        """Current ratings in one of these states, PAUSED included (none given: all), the newest first."""
        raise NotImplementedError

    async def withdraw(self, request_id: str) -> Entry:
        """Take a call's rating back. Raises AlreadySent when it has left, UnknownRating when there is none."""
        raise NotImplementedError

    async def retry(self, request_id: str | None) -> int:
        """Send refused ratings (of one call, or all) on their way again; gives how many. Raises UnknownRating."""
        raise NotImplementedError

    async def report(self) -> Mapping[str, Any]:
        """How delivery and outbox are, for the health answer: depth by state, oldest age, last success, pauses."""
        raise NotImplementedError
