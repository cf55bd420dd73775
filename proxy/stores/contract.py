"""What is asked of a store."""

from typing import Protocol, TypeVar


class Memorable(Protocol):
    """What a store has to know of a call."""

    request_id: str
    counts_as_last: bool
    """Whether "the last answer" may mean this one."""


C = TypeVar("C", bound=Memorable)


class RecentCalls(Protocol[C]):
    """Remembers the most recent calls, at most `capacity` of them. The least recently used go first.

    A call is used when it is remembered and when it is asked for by its id. Remembering another call under an
    id that is known replaces the first.
    """

    capacity: int
    forgotten: int
    """How many have had to make room so far."""

    def __len__(self) -> int:
        """How many are remembered."""

    def remember(self, call: C) -> None:
        """Remember a call. It arrived later than all before."""

    def find(self, request_id: str) -> C | None:
        """The call with that id."""

    def last(self, back: int = 0) -> C | None:
        """The newest that counts as last, or the `back`-th before it."""

    def newest(self, limit: int) -> list[C]:
        """At most `limit` calls, the newest first."""
