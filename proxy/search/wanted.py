"""What is asked of calls, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


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
