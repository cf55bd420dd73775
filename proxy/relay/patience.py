"""How long each side may keep us waiting.

A limit costs nothing per call: once in a round every connection says what it waits for and how far that has come,
from counters that exist anyway, and one that says the same for too long is told so.
"""

import asyncio
import struct
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

if sys.platform == "linux":
    import fcntl
    import termios

_ROUND_SECONDS = 1.0

_ROUNDS = 4
"""How often a limit is looked at before it is up, at least: a short one must not be overstepped by a second."""

_AT_ONCE = 500
"""How many connections are looked at in one turn of the loop, so that no call waits for a long round."""

_INT = struct.Struct("i")


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
    """What a connection waits for, and how far that has come."""

    wait: Wait
    progress: int = 0
    """A number that changes with any progress."""
    turn: int = 0
    """Which of several waits it is: a connection's next call waits anew, though it has come as far."""


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

    def round_seconds(self) -> float:
        """How long a round takes."""
        limits = [seconds for wait in Wait if (seconds := self.limit(wait)) is not None]
        return min((_ROUND_SECONDS, *(seconds / _ROUNDS for seconds in limits)))


class Watched(Protocol):
    """A connection with somebody at its other end."""

    stood: Standing
    stood_since: float
    """What it said when it was last looked at, and since when it says so. Only `Watch` writes them."""

    def standing(self) -> Standing:
        """What it waits for now."""

    def out_of_time(self, wait: Wait, seconds: float) -> None:
        """It has waited for that for so long, which is enough."""


def unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """What was written to `transport`, and its peer's kernel has not taken yet.

    Linux tells how much of it its own kernel holds, which is megabytes, and the loop sees only every third of them
    go.
    """
    unsent = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sys.platform == "linux" and sock is not None and sock.fileno() >= 0:
        # tcp(7) calls it SIOCOUTQ.
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
        unsent += _INT.unpack(answer)[0]
    return unsent


class Watch:
    """Looks at all connections, round after round, as long as there are any."""

    def __init__(
        self, connections: Collection[Watched], patience: Patience, clock: Callable[[], float]
    ) -> None:
        self._connections = connections
        self._patience = patience
        self._clock = clock
        self._round_seconds = patience.round_seconds()
        self._left: list[Watched] = []
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """There is a connection to look at."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._round_seconds, self._look)

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
        self._timer = asyncio.get_running_loop().call_later(self._round_seconds / batches, self._look)

    def _look_at(self, connection: Watched, now: float) -> None:
        standing = connection.standing()
        if standing != connection.stood:
            connection.stood = standing
            connection.stood_since = now
            return
        seconds = self._patience.limit(standing.wait)
        if seconds is not None and now - connection.stood_since >= seconds:
            connection.out_of_time(standing.wait, seconds)
