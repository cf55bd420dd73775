"""Finds calls where they are known: at Helicone, or, while it cannot be asked, here."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol, TypeVar

from proxy import helicone_queries
from proxy.api_client import Page
from proxy.clock import Clock
from proxy.delivery.lanes import Bucket, Budget
from proxy.errors import AnswerTooLong, HeliconeError, Remedy
from proxy.helicone_api import Allowance
from proxy.helicone_queries import Place
from proxy.keys import Credential
from proxy.search.found import FoundCall
from proxy.search.pages import newest_first
from proxy.search.remembered import Remembered
from proxy.search.wanted import Wanted
from proxy.turns import in_turns

Source = Literal["helicone", "local"]
T = TypeVar("T")

BUDGET: Final = Budget(burst=60, per_second=1.0)
"""Requests of searches, besides those of ratings: Helicone grants the whole organisation 1,000 in five minutes."""
_PAUSES_SECONDS: Final = (1.0, 4.0, 15.0)
"""Before a page that could not be had is asked for again."""
_FEWER: Final = 4
"""A page that is too long is asked for again with one row in so many, and the next one with as large a part more:
every answer that is thrown away counts against the limit, too."""
_LONGEST_WAIT_SECONDS: Final = 120.0
"""More is asked of nobody who waits for an answer."""

NO_KEY: Final = (
    "no Helicone key is configured, so nobody can ask Helicone; start the sidecar with HELICONE_API_KEY=..."
)
ROUTES_ARE_OURS: Final = "Helicone does not know by which route a call went"


class SearchApi(Protocol):
    """Who asks Helicone."""

    async def find(self, wanted: Wanted, place: Place, credential: Credential, rows: int) -> Page:
        """A page of the calls that may be wanted. Raises HeliconeError, AnswerTooLong among them."""

    async def count(self, wanted: Wanted, credential: Credential) -> tuple[int, Allowance | None]:
        """How many there are. Raises HeliconeError."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is found: `calls` fetches as it is read. `why_local`: why Helicone was not asked, a sentence."""

    source: Source
    why_local: str | None
    calls: AsyncGenerator[FoundCall, None]


class Finder:
    """Finds calls under our own key: what an app's own may see is its organisation's, and nobody else's here."""

    def __init__(
        self, api: SearchApi, credential: Credential | None, remembered: Remembered, clock: Clock
    ) -> None:
        self._api = api
        self._credential = credential
        self._remembered = remembered
        self._clock = clock
        self._bucket = Bucket(BUDGET, clock.now())

    def __repr__(self) -> str:
        return f"<Finder {self._bucket}>"

    async def find(
        self,
        wanted: Wanted,
        limit: int | None,
        *,
        locally: bool = False,
        has_left: Callable[[], bool] = lambda: False,
    ) -> Findings:
        """The newest calls that are wanted, at most `limit` (None: all), each once, the newest first.

        The first page is here when it returns. A later one that cannot be had raises HeliconeError out of `calls`:
        nobody gets half of them that look like all. `locally`: Helicone is not asked. `has_left`: whether nobody
        waits any more; then `calls` end with ConnectionResetError, since each page counts against the limit.
        """
        if locally or wanted.route is not None:
            return self._found_here(wanted, limit, ROUTES_ARE_OURS if wanted.route is not None else None)
        credential = self._credential
        if credential is None:
            return self._found_here(wanted, limit, NO_KEY)

        rows = helicone_queries.MOST_ROWS

        async def fetch(place: Place) -> Page:
            nonlocal rows
            page, rows = await self._page(partial(self._api.find, wanted, place, credential), rows)
            return page

        try:
            first = await fetch(Place(wanted.until))
        except HeliconeError as error:
            return self._found_here(wanted, limit, error.message)

        async def fetch_at_last(place: Place) -> Page:
            if has_left():
                raise ConnectionResetError
            return await self._again_and_again(lambda: fetch(place))

        pages = newest_first(first, fetch_at_last, wanted.until)
        return Findings("helicone", None, _wanted_among(_calls_on(pages), wanted, limit))

    async def count(self, wanted: Wanted) -> int | None:
        """How many calls there are, whatever their rating is; None where Helicone cannot be asked."""
        credential = self._credential
        if credential is None or wanted.route is not None or not helicone_queries.is_countable(wanted):
            return None
        try:
            number, granted = await self._admitted(lambda: self._api.count(wanted, credential))
        except HeliconeError:
            return None
        self._narrow(granted)
        return number

    def _found_here(self, wanted: Wanted, limit: int | None, why: str | None) -> Findings:
        return Findings("local", why, _wanted_among(self._remembered.calls(), wanted, limit))

    async def _page(self, ask: Callable[[int], Awaitable[Page]], rows: int) -> tuple[Page, int]:
        """A page of so many rows, or of fewer where those are too long; and how many to ask for the next time."""
        while True:
            try:
                page = await self._admitted(partial(ask, rows))
            except AnswerTooLong:
                if rows == 1:
                    raise
                rows = max(1, rows // _FEWER)
            else:
                self._narrow(page.granted)
                return page, min(helicone_queries.MOST_ROWS, rows + rows // _FEWER + 1)

    async def _admitted(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What is asked when the budget allows it."""
        while not self._bucket.take(self._clock.now()):
            await self._wait(self._bucket.ready_at(self._clock.now()) - self._clock.now())
        return await ask()

    async def _again_and_again(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What is asked, a few times if need be: whoever waits for the rest has the beginning already."""
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return await ask()
            except HeliconeError as error:
                if error.remedy in (Remedy.NONE, Remedy.PAUSE):
                    raise
                wait = max(pause_seconds, error.retry_after_seconds or 0.0)
                if wait > _LONGEST_WAIT_SECONDS:
                    raise
                await self._wait(wait)
        return await ask()

    async def _wait(self, seconds: float) -> None:
        await self._clock.pause(seconds, unless=asyncio.Event())

    def _narrow(self, granted: Allowance | None) -> None:
        """Half of the part that is ours is for ratings."""
        if granted is not None:
            self._bucket.narrow(Allowance(max(1, granted.calls // 2), granted.seconds), BUDGET)


async def _calls_on(
    pages: AsyncGenerator[list[helicone_queries.Version], None],
) -> AsyncGenerator[FoundCall, None]:
    async with contextlib.aclosing(pages):
        async for page in pages:
            async for version in in_turns(page):
                yield helicone_queries.call_of(version)


async def _wanted_among(
    calls: AsyncGenerator[FoundCall, None], wanted: Wanted, limit: int | None
) -> AsyncGenerator[FoundCall, None]:
    """Those of which all holds, wherever they come from. They are closed with it, and not when the loop ends."""
    number = 0
    async with contextlib.aclosing(calls):
        async for call in calls:
            if not wanted.holds(call):
                continue
            number += 1
            yield call
            if number == limit:
                return
