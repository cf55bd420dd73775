"""Recent calls in memory: an LRU."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Generic

from proxy.stores.contract import C


class MemoryCalls(Generic[C]):
    """See `stores.contract.RecentCalls`.

    The same calls stand in two orders: that of use, in which they are forgotten, and that of arrival, in which
    they are shown. Those that count as last stand in one of their own, since they may be few. An alias that
    several calls share leads to a list of them, in the order of their arrival; that is rare.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.forgotten = 0
        self._by_use: OrderedDict[str, C] = OrderedDict()
        # Nothing is taken from the front of these but by its key, so that the plain kind will do.
        self._by_arrival: dict[str, C] = {}
        self._answers: dict[str, C] = {}
        self._by_alias: dict[str, C | list[C]] = {}

    def __len__(self) -> int:
        return len(self._by_use)

    def __repr__(self) -> str:
        return f"<MemoryCalls {len(self)} of {self.capacity}>"

    def remember(self, call: C) -> None:
        """Remember a call; forget the least recently used one if there is no room."""
        request_id = call.request_id
        if request_id in self._by_use:
            self._forget(request_id)
        elif len(self._by_use) >= self.capacity:
            self._forget(next(iter(self._by_use)))
            self.forgotten += 1
        self._by_use[request_id] = self._by_arrival[request_id] = call
        if call.counts_as_last:
            self._answers[request_id] = call
        for alias in call.aliases:
            if self._by_alias.setdefault(alias, call) is not call:
                self._share(call, alias, is_newest=True)

    def _forget(self, request_id: str) -> None:
        call = self._by_use.pop(request_id)
        del self._by_arrival[request_id]
        if call.counts_as_last:
            del self._answers[request_id]
        for alias in call.aliases:
            named = self._by_alias[alias]
            if isinstance(named, list) and len(named) > 1:
                named.remove(call)
            else:
                del self._by_alias[alias]

    def find(self, request_id: str) -> C | None:
        """The call with that id; asking for it counts as use."""
        call = self._by_use.get(request_id)
        if call is not None:
            self._by_use.move_to_end(request_id)
        return call

    def peek(self, request_id: str) -> C | None:
        """The call with that id; this is no use of it."""
        return self._by_use.get(request_id)

    def add_alias(self, call: C, alias: str) -> C | None:
        """See there."""
        known = self._by_use.get(call.request_id)
        if known is not None and alias not in known.aliases:
            known.aliases += (alias,)
            if self._by_alias.setdefault(alias, known) is not known:
                self._share(known, alias, is_newest=False)
        return known

    def _share(self, call: C, alias: str, *, is_newest: bool) -> None:
        """Have an alias lead to this call, too."""
        known = self._by_alias[alias]
        calls = known if isinstance(known, list) else [known]
        calls.insert(len(calls) if is_newest else self._place(call, calls), call)
        self._by_alias[alias] = calls

    def _place(self, call: C, calls: list[C]) -> int:
        """Where a call belongs among others, in the order of their arrival. It has come not long ago."""
        place = len(calls)
        for newer in reversed(self._by_arrival.values()):
            if newer is call or not place:
                break
            if newer is calls[place - 1]:
                place -= 1
        return place

    def named(self, alias: str, limit: int) -> list[C]:
        """At most `limit` calls with that alias, at least 1; the newest first, and asking is a use of that."""
        known = self._by_alias.get(alias)
        if known is None:
            return []
        calls = known[: -limit - 1 : -1] if isinstance(known, list) else [known]
        self._by_use.move_to_end(calls[0].request_id)
        return calls

    def calls(self) -> Iterator[C]:
        """All calls, the newest first."""
        return reversed(self._by_arrival.values())

    def answers(self) -> Iterator[C]:
        """Those that count as last, the newest first."""
        return reversed(self._answers.values())

    def newest(self, limit: int) -> list[C]:
        """At most `limit` calls, the newest first."""
        return list(islice(self.calls(), limit))

    def oldest(self) -> C | None:
        """The one that arrived first."""
        return next(iter(self._by_arrival.values()), None)
