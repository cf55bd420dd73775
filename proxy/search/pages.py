"""Pages of Helicone's rows, one after the other, so that each call comes once and none is passed over.

New calls come in meanwhile, and a call that is rated has more rows than one until ClickHouse merges them. So pages
are not counted off from the newest one: each begins where the one before has ended, by time.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from proxy import helicone_queries
from proxy.api_client import Page
from proxy.helicone_queries import Place, Version

_OVERLAP_PART: Final = 10
"""One row in so many is read twice where rows have to be counted off: a merge of versions moves those behind it
forward. A part, since a page has few where they are long."""

Fetch = Callable[[Place], Awaitable[Page]]


async def newest_first(first: Page, fetch: Fetch, until: float | None) -> AsyncGenerator[list[Version], None]:
    """The newest version of each call, by the page; `first` is the page that begins at `until`.

    All rows of one call have its time. So what is of the oldest second of a page is left for the next, which
    begins with that second anew: there all of its rows are.
    """
    place, page, kept = Place(until), first, list[Version]()
    while True:
        rows = kept + page.versions
        if not page.may_be_more:
            yield helicone_queries.newest(rows)
            return
        next_second = math.floor(rows[-1].time) + 1
        whole = [each for each in rows if each.time >= next_second]
        if whole:
            yield helicone_queries.newest(whole)
            place, kept = Place(next_second), []
        else:
            # More rows of one second than a page has.
            number = len(page.versions)
            place, kept = Place(place.before, place.offset + number - number // _OVERLAP_PART), rows
        page = await fetch(place)
