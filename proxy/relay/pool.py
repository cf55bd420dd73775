"""The pool of connections to one upstream."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.relay.refusals import Refusal, connect_timed_out, unreachable
from proxy.relay.upstream import Upstream, UpstreamConnection
from proxy.relay.writes import Gatherer

_SWEEP_SECONDS = 1.0


class Waiter(Protocol):
    """Who asked for a new connection."""

    def connected(self, connection: "UpstreamConnection") -> None:
        """Here it is."""

    def unreachable(self, refusal: Refusal) -> None:
        """There is none."""


@dataclass(slots=True)
class Pool:
    """The connections to one upstream. It owns the tasks that open new ones.

    The newest idle connection is taken first, so that a few stay warm and the others run into
    `idle_timeout_seconds`, which must be shorter than the upstream's own.
    """

    upstream: Upstream
    gatherer: Gatherer
    clock: Callable[[], float]
    connect_timeout_seconds: float
    idle_timeout_seconds: float
    _idle: list[UpstreamConnection] = field(default_factory=list)
    _connecting: set[asyncio.Task[None]] = field(default_factory=set)
    _sweeper: asyncio.TimerHandle | None = None

    def take(self) -> UpstreamConnection | None:
        """An idle connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def connect(self, waiter: Waiter) -> asyncio.Task[None]:
        """Open a new connection for `waiter`, who may cancel the task."""
        task = asyncio.get_running_loop().create_task(
            self._connect(waiter), name=f"connect to {self.upstream}"
        )
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _connect(self, waiter: Waiter) -> None:
        upstream = self.upstream
        try:
            async with asyncio.timeout(self.connect_timeout_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: UpstreamConnection(self, self.gatherer),
                    upstream.host,
                    upstream.port,
                    ssl=upstream.tls,
                    server_hostname=upstream.host if upstream.tls is not None else None,
                )
        except TimeoutError:
            waiter.unreachable(connect_timed_out(str(upstream), self.connect_timeout_seconds))
        except OSError as error:
            waiter.unreachable(unreachable(str(upstream), _reason(error)))
        else:
            waiter.connected(connection)

    def give_back(self, connection: UpstreamConnection) -> None:
        """`connection` is free for another call."""
        connection.idle_since = self.clock()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def forget(self, connection: UpstreamConnection) -> None:
        """`connection` is closed, or no longer ours."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        """Close what has been idle for too long; the oldest are at the front."""
        self._sweeper = None
        oldest_allowed = self.clock() - self.idle_timeout_seconds
        while self._idle and self._idle[0].idle_since < oldest_allowed:
            self._idle.pop(0).sender.close()
        if self._idle:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    async def close(self) -> None:
        """Close what is idle, and give up what is being opened."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._idle.pop().sender.close()
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)


def _reason(error: OSError) -> str:
    """Why a connection could not be opened, as a person would say it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed ({error.reason})"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return error.strerror or type(error).__name__
