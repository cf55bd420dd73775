"""How long each side may keep us waiting.

A limit costs nothing per call: once a second every connection says what it waits for and how far that has come,
from counters that exist anyway, and one that says the same for too long is told so.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

_ROUND_SECONDS = 1.0

_AT_ONCE = 500
"""How many connections are looked at in one turn of the loop, so that no call waits for a long round."""


class Wait(Enum):
    """What a connection waits for."""

    NOTHING = auto()
    REQUEST = auto()
    """The first byte of a request."""
    HEAD = auto()
    """The rest of its head."""
    BODY = auto()
    """More of its body."""
    READER = auto()
    """The other side, which does not read what we have for it."""
    ANSWER = auto()
    """The upstream's first byte."""
    MORE = auto()
    """More of the upstream's answer."""


class Standing(NamedTuple):
    """What a connection waits for, and how far that has come: a number that changes with any progress."""

    wait: Wait
    progress: int = 0


AT_WORK = Standing(Wait.NOTHING)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds; None: without end."""

    head_seconds: float | None = 15
    body_seconds: float | None = 60
    idle_seconds: float | None = 75
    unread_seconds: float | None = 300
    first_byte_seconds: float | None = None
    silence_seconds: float | None = None

    def limit(self, wait: Wait) -> float | None:
        """How long one may wait for that."""
        match wait:
            case Wait.REQUEST:
                return self.idle_seconds
            case Wait.HEAD:
                return self.head_seconds
            case Wait.BODY:
                return self.body_seconds
            case Wait.READER:
                return self.unread_seconds
            case Wait.ANSWER:
                return self.first_byte_seconds
            case Wait.MORE:
                return self.silence_seconds
            case Wait.NOTHING:
                return None


class Watched(Protocol):
    """A connection with somebody at its other end."""

    stood: Standing
    stood_since: float
    """What it said when it was last looked at, and since when it says so. Only `Watch` writes them."""

    def standing(self) -> Standing:
        """What it waits for now."""

    def out_of_time(self, wait: Wait, seconds: float) -> None:
        """It has waited for that for so long, which is enough."""


class Watch:
    """Looks at all connections, round after round, as long as there are any."""

    def __init__(
        self, connections: Collection[Watched], patience: Patience, clock: Callable[[], float]
    ) -> None:
        self._connections = connections
        self._patience = patience
        self._clock = clock
        self._left: list[Watched] = []
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """There is a connection to look at."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_ROUND_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._left:
            self._left = list(self._connections)
            if not self._left:
                return
        batch, self._left = self._left[:_AT_ONCE], self._left[_AT_ONCE:]
        now = self._clock()
        for connection in batch:
            self._look_at(connection, now)
        batches = 1 + len(self._connections) // _AT_ONCE
        self._timer = asyncio.get_running_loop().call_later(_ROUND_SECONDS / batches, self._look)

    def _look_at(self, connection: Watched, now: float) -> None:
        standing = connection.standing()
        if standing != connection.stood:
            connection.stood = standing
            connection.stood_since = now
            return
        seconds = self._patience.limit(standing.wait)
        if seconds is not None and now - connection.stood_since >= seconds:
            connection.out_of_time(standing.wait, seconds)
