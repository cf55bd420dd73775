"""Calls as they are remembered here, with the ratings of the outbox."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from proxy.calls.live_call import LiveCall
from proxy.model import Call, Entry, RatingState
from proxy.search.found import FoundCall
from proxy.stores.contract import RecentCalls
from proxy.turns import in_turns

_AT_ONCE = 250


class Ratings(Protocol):
    """Who knows the ratings of calls."""

    async def current(self, request_ids: Sequence[str]) -> Mapping[str, Entry]:
        """The current ratings of these calls."""


class Remembered:
    """What is known of calls without asking anybody."""

    def __init__(self, store: RecentCalls[LiveCall], ratings: Ratings, clock: Callable[[], float]) -> None:
        """`clock` is the relay's."""
        self._store = store
        self._ratings = ratings
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Remembered {len(self._store)} calls>"

    async def calls(self) -> AsyncGenerator[FoundCall, None]:
        """All of them, the newest first."""
        # All of them at once, which is quick: nobody may remember another while they are gone through.
        for some in _in_parts([*self._store.calls()]):
            now = self._clock()
            calls = [call.snapshot(now) async for call in in_turns(some)]
            current = await self._ratings.current([call.request_id for call in calls])
            for call in calls:
                yield _found(call, current.get(call.request_id))


def _in_parts(calls: Iterable[LiveCall]) -> Iterable[list[LiveCall]]:
    left = iter(calls)
    while part := [*islice(left, _AT_ONCE)]:
        yield part


def _found(call: Call, entry: Entry | None) -> FoundCall:
    # What was refused is not at Helicone, and never will be.
    rating = None if entry is None or entry.progress.state is RatingState.REFUSED else entry.rating
    first, whole, tokens = call.time_to_first_byte_seconds, call.duration_seconds, call.tokens
    return FoundCall(
        id=call.request_id,
        time=call.started_at,
        model=call.model,
        status=call.status,
        latency_ms=None if whole is None else round(whole * 1000, 3),
        first_token_ms=None if first is None else round(first * 1000, 3),
        input_tokens=None if tokens is None else tokens.input,
        output_tokens=None if tokens is None else tokens.output,
        user=call.user,
        session=call.session,
        properties=call.properties,
        scores={} if rating is None else rating.scores,
        rating=None if rating is None else rating.up,
        route=call.route,
    )
