"""What is asked of calls, as plain data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from proxy.search.found import FoundCall


class Thumb(StrEnum):
    """What a call's rating has to be."""

    UP = "up"
    DOWN = "down"
    ANY = "any"
    """It has a thumb, whichever."""
    NONE = "none"
    """It has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls are wanted: those of which all of this holds. Times are Unix times; None: that does not matter.

    `properties`: names match without case, values as they are.
    """

    since: float
    """Its request came then or later."""
    until: float | None = None
    """Its request came before that."""
    rating: Thumb | None = None
    is_scored: bool = False
    """Whether only calls are wanted that have a score of any name, the rating being one."""
    model: str | None = None
    user: str | None = None
    session: str | None = None
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    route: str | None = None
    """The name of the way that it went up. Known here alone: Helicone does not know it."""

    @property
    def wants_scores(self) -> bool:
        """Whether only calls with some score can be wanted, the rating being one."""
        return self.is_scored or self.rating in (Thumb.UP, Thumb.DOWN, Thumb.ANY)

    def holds(self, call: FoundCall) -> bool:
        """Whether a call is wanted."""
        if not self.since <= call.time < (math.inf if self.until is None else self.until):
            return False
        if self.is_scored and call.rating is None and not call.scores:
            return False
        plain = ((self.model, call.model), (self.user, call.user), (self.session, call.session))
        if any(wanted is not None and wanted != said for wanted, said in (*plain, (self.route, call.route))):
            return False
        return self._is_rated_so(call) and self._has_properties(call.properties)

    def _is_rated_so(self, call: FoundCall) -> bool:
        match self.rating:
            case None:
                return True
            case Thumb.ANY:
                return call.rating is not None
            case Thumb.NONE:
                return call.rating is None
        return call.rating is (self.rating is Thumb.UP)

    def _has_properties(self, said: Mapping[str, str]) -> bool:
        if not self.properties:
            return True
        by_name = {name.lower(): value for name, value in said.items()}
        return all(by_name.get(name.lower()) == value for name, value in self.properties.items())
