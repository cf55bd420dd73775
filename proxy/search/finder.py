"""Finds calls where they are known: at Helicone, or, while it cannot be asked, here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from proxy.search.found import FoundCall
from proxy.search.wanted import Wanted

Source = Literal["helicone", "local"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is found: `calls` fetches as it is read. `why_local`: why Helicone was not asked, a sentence."""

    source: Source
    why_local: str | None
    calls: AsyncIterator[FoundCall]


class Finder:
    """Finds calls under our own key."""

    async def find(self, wanted: Wanted, limit: int | None) -> Findings:
        """The newest calls that are wanted, at most `limit` (None: all), each once, the newest first.

        The first page is here when it returns. A later one that cannot be had raises HeliconeError out of `calls`:
        nobody gets half of them that look like all.
        """
        raise NotImplementedError

    async def count(self, wanted: Wanted) -> int | None:
        """How many calls are wanted, whatever their rating is; None where Helicone cannot be asked."""
        raise NotImplementedError
