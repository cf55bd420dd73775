"""The pool of connections to one upstream."""

import asyncio
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.relay import headers, refusals
from proxy.relay.destination import Upstream
from proxy.relay.dialing import Dialer, Unreachable
from proxy.relay.headers import Direction
from proxy.relay.refusals import Refusal
from proxy.relay.upstream import UpstreamConnection
from proxy.relay.writes import Gatherer

_SWEEP_SECONDS = 1.0

_UNSEEN_SECONDS = 1.0
"""Given back within this time, a connection is handed out without a look at it: the loop has just read it."""


class Waiter(Protocol):
    """Who asked for a new connection."""

    def connected(self, connection: UpstreamConnection) -> None:
        """Here it is."""

    def unreachable(self, refusal: Refusal) -> None:
        """There is none."""


class Opening(Protocol):
    """A connection that somebody waits for."""

    def cancel(self) -> object:
        """Nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one pool. `idle_timeout_seconds` must be shorter than the upstream's own."""

    connect_timeout_seconds: float = 10
    idle_timeout_seconds: float = 15
    max_connections: int = 10_000
    max_idle_connections: int = 256


@dataclass(slots=True, eq=False)
class _Wish:
    """A call that waits: in line for a free connection (`timer`), or for one that is being opened (`task`)."""

    pool: "Pool"
    waiter: Waiter
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """The call is over."""
        self.pool.withdraw(self)


@dataclass(slots=True, eq=False, repr=False)
class Pool:
    """The connections to one upstream. It owns the tasks that open new ones.

    The newest idle connection is taken first, so that a few stay warm and the others run into their idle
    timeout. A connection counts from the moment in which it is being opened until it has closed, whoever uses it
    (a tunnel, too): `forget` is called once for each. Calls above the limit wait in line. `down` says which header
    lines of the answers go on.
    """

    upstream: Upstream
    dialer: Dialer
    gatherer: Gatherer
    clock: Callable[[], float]
    limits: Limits = Limits()
    down: Direction = headers.DOWN
    opened: int = 0
    """How many connections have been opened so far."""
    waited: int = 0
    """How many calls have had to stand in line so far."""
    _idle: list[UpstreamConnection] = field(default_factory=list)
    _open: set[UpstreamConnection] = field(default_factory=set)
    _connecting: set[asyncio.Task[None]] = field(default_factory=set)
    _line: dict[_Wish, None] = field(default_factory=dict)
    _sweeper: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Pool to {self.upstream.way}: {self.size} open, {self.idle} idle, {self.waiting} waiting>"

    @property
    def size(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """How many of them carry nothing."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many calls stand in line for a free connection."""
        return len(self._line)

    # -- getting one

    def take(self) -> UpstreamConnection | None:
        """An idle connection, or None."""
        idle = self._idle
        if not idle:
            return None
        now, limits = self.clock(), self.limits
        while idle:
            connection = idle.pop()
            if connection.transport.is_closing():
                continue
            # The sweeper is late when the machine has slept, and so is the loop with reading.
            idle_seconds = now - connection.idle_since
            if idle_seconds < limits.idle_timeout_seconds and (
                idle_seconds < _UNSEEN_SECONDS or _is_quiet(connection.transport)
            ):
                return connection
            connection.sender.close()
        return None

    def connect(self, waiter: Waiter) -> Opening:
        """Open a new connection for `waiter`, or have it wait in line where there are too many."""
        wish = _Wish(self, waiter)
        if self._has_room():
            self._dial(wish)
        else:
            self.waited += 1
            self._line[wish] = None
            seconds = self.limits.connect_timeout_seconds
            wish.timer = asyncio.get_running_loop().call_later(seconds, self._turn_away, wish)
        return wish

    def _has_room(self) -> bool:
        return len(self._open) + len(self._connecting) < self.limits.max_connections

    def _dial(self, wish: _Wish) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(wish), name=f"connect to {self.upstream}")
        wish.task = task
        self._connecting.add(task)
        task.add_done_callback(self._dialled)

    async def _connect(self, wish: _Wish) -> None:
        upstream, seconds = self.upstream, self.limits.connect_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                connection = await self.dialer.dial(upstream, self._make_connection)
        except TimeoutError:
            refusal = refusals.connect_timed_out(upstream.way, seconds)
        except Unreachable as error:
            refusal = refusals.unreachable(str(upstream), error.reason)
        else:
            self._connected(wish, connection)
            return
        wish.waiter.unreachable(refusal)

    def _connected(self, wish: _Wish, connection: UpstreamConnection) -> None:
        if wish.task is not None:
            # Now, not when the task has ended: it would count twice until then.
            self._connecting.discard(wish.task)
        self._open.add(connection)
        self.opened += 1
        wish.waiter.connected(connection)

    def _make_connection(self) -> UpstreamConnection:
        return UpstreamConnection(self, self.gatherer)

    def _dialled(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        self._serve_line()

    # -- standing in line

    def _serve_line(self) -> None:
        """There may be room again."""
        while self._line and self._has_room():
            self._dial(self._first_in_line())

    def _first_in_line(self) -> _Wish:
        wish = next(iter(self._line))
        self._leave_line(wish)
        return wish

    def _leave_line(self, wish: _Wish) -> None:
        del self._line[wish]
        if wish.timer is not None:
            wish.timer.cancel()

    def _turn_away(self, wish: _Wish) -> None:
        self._leave_line(wish)
        limits = self.limits
        wish.waiter.unreachable(
            refusals.pool_full(str(self.upstream), limits.max_connections, limits.connect_timeout_seconds)
        )

    def withdraw(self, wish: _Wish) -> None:
        """Nobody waits for that one any more."""
        if wish in self._line:
            self._leave_line(wish)
        elif wish.task is not None:
            wish.task.cancel()

    # -- getting it back

    def give_back(self, connection: UpstreamConnection) -> None:
        """`connection` is free for another call."""
        if self._line:
            self._first_in_line().waiter.connected(connection)
            return
        if len(self._idle) >= self.limits.max_idle_connections:
            connection.sender.close()
            return
        connection.idle_since = self.clock()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def forget(self, connection: UpstreamConnection) -> None:
        """`connection` has closed."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._serve_line()

    def _sweep(self) -> None:
        """Close what has been idle for too long; the oldest are at the front."""
        self._sweeper = None
        oldest_allowed = self.clock() - self.limits.idle_timeout_seconds
        while self._idle and self._idle[0].idle_since < oldest_allowed:
            self._idle.pop(0).sender.close()
        if self._idle:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    async def close(self) -> None:
        """Close what is idle, and give up what is being opened."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._line:
            self._first_in_line()
        while self._idle:
            self._idle.pop().sender.close()
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)


def _is_quiet(transport: asyncio.BaseTransport) -> bool:
    """Whether nothing has come that the loop has not read yet.

    On an idle connection that can only be its end, or bytes that are no answer to anybody. Over TLS it might be a
    late session ticket, too; that cannot be told from outside, and a handshake costs less than a lost call.
    """
    sock = transport.get_extra_info("socket")
    if sock is None:
        return True
    if sys.platform == "win32":
        return not select.select([sock], [], [], 0)[0]
    # Not select(): it cannot look at a socket whose number is above 1023.
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return not poller.poll(0)
