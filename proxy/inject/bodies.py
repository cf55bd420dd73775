"""A document's body on its way down, with the tag in it. Pure."""

from proxy.inject.codings import Coding
from proxy.inject.places import Place


class TaggedBody:
    """Puts a tag into a body: see `relay.contract.Change`."""

    def __init__(self, tag: bytes, coding: Coding) -> None:
        self._tag = tag
        self._coding = coding
        self._place: Place | None = Place()
        self._is_ending = False

    def put(self, data: bytes, *, complete: bool) -> None:
        """More of the body has come; `complete`: all of it."""
        self._coding.put(data)
        self._is_ending = complete

    def take(self) -> bytes:
        """Some of what goes on; b"" if there is nothing more for now. Raises ValueError for a broken body."""
        while piece := self._coding.take():
            place = self._place
            if place is None:
                return piece
            before, behind = place.look(piece)
            if place.found or place.missed:
                self._place = None
            passed = before + (self._tag if place.found else b"") + behind
            if passed:
                return passed
        if not self._is_ending:
            return b""
        self._coding.end()
        place, self._place = self._place, None
        return b"" if place is None else place.rest()
