"""The calls that are shown, the newest first, and which one is chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 200
"""Calls that are kept: a person does not go back further by hand."""

Shown = Mapping[str, Any]
"""A call, as the sidecar describes it."""


class Board:
    """Changes as it is told. Nothing is chosen at first: then the newest call is, whichever that is."""

    def __init__(self) -> None:
        self._calls: dict[str, Shown] = {}
        """By id, the oldest first."""
        self._chosen: str | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def load(self, calls: Sequence[Shown]) -> None:
        """All anew; the newest first, as the sidecar lists them."""
        self._calls = {call["id"]: call for call in reversed(calls)}

    def tell(self, name: str, data: Mapping[str, Any]) -> None:
        """Something has happened to a call, or to the rating of one."""
        if name == "call":
            self._note(data["call"], data.get("was"))
        elif name == "rating" and data["id"] in self._calls:
            self._calls[data["id"]] = {**self._calls[data["id"]], "rating": data["rating"]}

    def _note(self, call: Shown, was: str | None) -> None:
        if was is not None and self._calls.pop(was, None) is not None and self._chosen == was:
            self._chosen = call["id"]
        self._calls[call["id"]] = call
        while len(self._calls) > _MOST:
            del self._calls[next(iter(self._calls))]

    @property
    def chosen(self) -> Shown | None:
        """The call that a thumb is for."""
        if self._chosen not in self._calls:
            self._chosen = None
        newest = next(reversed(self._calls), None)
        name = newest if self._chosen is None else self._chosen
        return None if name is None else self._calls[name]

    def move(self, steps: int) -> None:
        """Choose the call so many below; negative: above. The topmost one is the newest from then on, too."""
        ids = list(reversed(self._calls))
        chosen = self.chosen
        if chosen is not None:
            place = max(0, min(len(ids) - 1, ids.index(chosen["id"]) + steps))
            self._chosen = ids[place] if place else None

    def window(self, rows: int) -> list[tuple[Shown, bool]]:
        """At most so many calls around the chosen one, each with whether it is that."""
        calls = list(reversed(self._calls.values()))
        chosen = self.chosen
        place = 0 if chosen is None else calls.index(chosen)
        first = max(0, min(place - rows // 2, len(calls) - rows))
        return [(call, call is chosen) for call in calls[first : first + rows]]
