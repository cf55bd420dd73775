"""Recent calls in memory: an LRU."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Generic

from proxy.stores.contract import C


class MemoryCalls(Generic[C]):
    """See `stores.contract.RecentCalls`.

    The same calls stand in two orders: that of use, in which they are forgotten, and that of arrival, in which
    they are shown.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.forgotten = 0
        self._by_use: OrderedDict[str, C] = OrderedDict()
        self._by_arrival: OrderedDict[str, C] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_use)

    def __repr__(self) -> str:
        return f"<MemoryCalls {len(self)} of {self.capacity}>"

    def remember(self, call: C) -> None:
        """Remember a call; forget the least recently used one if there is no room."""
        request_id = call.request_id
        by_use, by_arrival = self._by_use, self._by_arrival
        if request_id in by_use:
            by_use.move_to_end(request_id)
            by_arrival.move_to_end(request_id)
        elif len(by_use) >= self.capacity:
            forgotten, _ = by_use.popitem(last=False)
            del by_arrival[forgotten]
            self.forgotten += 1
        by_use[request_id] = by_arrival[request_id] = call

    def find(self, request_id: str) -> C | None:
        """The call with that id; asking for it counts as use."""
        call = self._by_use.get(request_id)
        if call is not None:
            self._by_use.move_to_end(request_id)
        return call

    def last(self, back: int = 0) -> C | None:
        """The newest that counts as last, or the `back`-th before it."""
        return next(islice((call for call in self._newest_first() if call.counts_as_last), back, None), None)

    def newest(self, limit: int) -> list[C]:
        """At most `limit` calls, the newest first."""
        return list(islice(self._newest_first(), limit))

    def _newest_first(self) -> Iterator[C]:
        return reversed(self._by_arrival.values())
