"""Takes ratings to Helicone.

A rating is relayed at once, and the caller learns what became of it. `Delivery.submit` is the seam behind which a
durable, verifying queue can stand.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.errors import MissingKey
from proxy.keys import Keyring
from proxy.model import Rating, RatingState, Receipt

logger = logging.getLogger(__name__)


class FeedbackApi(Protocol):
    """Where ratings go."""

    async def rate(self, request_id: str, *, up: bool, key: str) -> int:
        """Post one rating; gives the status of the answer. Raises HeliconeError."""


@dataclass(slots=True)
class _Turns:
    """Who wants to post for one call."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Delivery:
    """Relays ratings, each under the key of its call."""

    def __init__(self, api: FeedbackApi, keys: Keyring, wall_clock: Callable[[], float]) -> None:
        self._api = api
        self._keys = keys
        self._wall_clock = wall_clock
        self._turns: dict[str, _Turns] = {}

    async def submit(self, rating: Rating, accepted: Callable[[Receipt], None] = lambda _: None) -> Receipt:
        """Take one rating. `accepted` is told of its receipt before any later rating of the same call leaves.

        Raises MissingKey, and HeliconeError when Helicone did not take it or did not say so.
        """
        key = self._keys.get(rating.key_fingerprint)
        if key is None:
            raise MissingKey(self._why_no_key(rating))
        async with self._turn(rating.request_id):
            status = await self._api.rate(rating.request_id, up=rating.up, key=key)
            logger.info("%s for %s: Helicone accepted it.", rating.thumb, rating.request_id)
            receipt = Receipt(rating, RatingState.ACCEPTED, self._wall_clock(), status)
            accepted(receipt)
            return receipt

    @contextlib.asynccontextmanager
    async def _turn(self, request_id: str) -> AsyncIterator[None]:
        """One post at a time for each call, in the order of asking: the last rating is the one that stands."""
        turns = self._turns.setdefault(request_id, _Turns())
        turns.wanted += 1
        try:
            async with turns.lock:
                yield
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._turns[request_id]

    def _why_no_key(self, rating: Rating) -> str:
        if rating.key_fingerprint is not None:
            return (
                "The app's own Helicone key, under which this call was made, is no longer remembered here. Make "
                "another call with it, then rate again."
            )
        if self._keys.own_fingerprint is not None:
            return (
                "This call went up without a key that Helicone reads, so Helicone did not log it and there is "
                "nothing to rate. If the gateway is a Helicone of your own, set helicone = true in "
                "[routes.default]."
            )
        return (
            "No Helicone key is known for this call, so its rating cannot be sent. Start the sidecar with "
            "HELICONE_API_KEY=..., or have the app send its own as Helicone-Auth. Relaying works without one."
        )
