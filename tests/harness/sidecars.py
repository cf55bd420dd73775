"""The product, running: a real Sidecar on the loop of another thread, with clients of its own."""

import asyncio
import io
from collections.abc import Mapping
from concurrent.futures import Future
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from harness.clients import Client
from harness.loops import DEADLINE_SECONDS, LoopThread
from harness.wire import wait_until
from proxy.app import Sidecar
from proxy.clock import Clock
from proxy.config.kinds import declared_settings, filled
from proxy.config.settings import Settings
from proxy.relay.client import ClientConnection
from proxy.relay.pool import Pool
from proxy.relay.tunnel import Tunnel


def settings_of(upstream_url: str, **dotted: object) -> Settings:
    """Settings for a test: a free port, IPv4 alone, a short grace period.

    `dotted`: more of them by dotted key, as in `{"upstream.via": False}`; None leaves one at its default.
    """
    values: dict[str, Any] = {
        "server.port": 0,
        "server.host": ["127.0.0.1"],
        "server.grace_seconds": 0.2,
        "routes.default.url": upstream_url,
        "helicone.api_url": "http://127.0.0.1:9",
        "outbox.path": ":memory:",
    }
    declared = declared_settings(Settings)
    given = {key: value for key, value in (values | dotted).items() if value is not None}
    return filled(Settings(), {key: declared[key].kind.accept(value) for key, value in given.items()})


class RunningSidecar:
    """A sidecar that runs until the `with` block ends. Leaving closes its clients first."""

    def __init__(
        self,
        loop: LoopThread,
        settings: Settings,
        environ: Mapping[str, str] = MappingProxyType({}),
        *,
        clock: Clock | None = None,
    ) -> None:
        self._loop = loop
        self._log = io.StringIO()
        self.sidecar = loop.call(lambda: Sidecar(settings, environ=environ, log=self._log, clock=clock))
        self._clients: list[Client] = []
        self._stopping: Future[None] | None = None

    def __enter__(self) -> Self:
        self._loop.run(self.sidecar.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()
        self.begin_stop().result(DEADLINE_SECONDS)
        if error is None:
            self.wait_until_empty()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, first."""
        return self.sidecar.listening.addresses[0], self.sidecar.port

    @property
    def authority(self) -> bytes:
        """Its address as `Host` says it."""
        return b"127.0.0.1:%d" % self.sidecar.port

    @property
    def log(self) -> str:
        """What it has logged; the lines of calls come a tenth of a second late."""
        return self._log.getvalue()

    def wait_for_log(self, words: str) -> None:
        """Wait until the log says `words`."""
        wait_until(lambda: words in self.log, f"the log says {words!r}")

    def connect(self, *, receive_buffer_bytes: int | None = None, host: str | None = None) -> Client:
        """A new client."""
        address = self.address if host is None else (host, self.sidecar.port)
        client = Client.connect(address, receive_buffer_bytes=receive_buffer_bytes)
        self._clients.append(client)
        return client

    def begin_stop(self) -> "Future[None]":
        """Have it stop, as SIGTERM does, and do not wait for it."""
        if self._stopping is None:
            stop = self.sidecar.__aexit__(None, None, None)
            self._stopping = asyncio.run_coroutine_threadsafe(stop, self._loop.loop)
        return self._stopping

    @property
    def pool(self) -> Pool:
        """Its connections to the gateway of the default route."""
        return self.sidecar.parts.pools[self.sidecar.routes[0].url]

    def open_calls(self) -> int:
        """How many calls it believes to be open."""
        return self._loop.call(lambda: self.sidecar.parts.gatherer.open_calls)

    def open_connections(self) -> int:
        """How many clients' connections and tunnels it holds."""
        return self._loop.call(lambda: len(self.sidecar.parts.door._connections))

    def connecting(self) -> int:
        """How many connections to the upstream it is opening."""
        return self._loop.call(lambda: len(self.pool._connecting))

    def kept_connections(self) -> int:
        """How many connections to the upstream lie idle, to be used again."""
        return self._loop.call(lambda: len(self.pool._idle))

    def forget_log(self) -> None:
        """Let go of what it has logged so far."""

        def forget() -> None:
            self._log.seek(0)
            self._log.truncate()

        self._loop.call(forget)

    def unsent_bytes(self) -> int:
        """What it has written, on either side, and the sockets have not taken yet."""
        return self._loop.call(
            lambda: sum(
                transport.get_write_buffer_size()
                for connection in self.sidecar.parts.door._connections
                for transport in _transports(connection)
            )
        )

    def read_ahead_bytes(self) -> int:
        """What it has read of requests' bodies, and not passed on yet."""
        return self._loop.call(
            lambda: sum(
                len(piece)
                for connection in self.sidecar.parts.door._connections
                if isinstance(connection, ClientConnection)
                for request in connection._requests
                for piece in request.pieces
            )
        )

    def wait_until_empty(self) -> None:
        """Wait until it holds no call and no connection: none is ever forgotten."""
        wait_until(lambda: self.open_calls() == 0, "no call is open")
        wait_until(lambda: self.open_connections() == 0, "no connection is open")


def _transports(connection: object) -> list[asyncio.Transport]:
    if isinstance(connection, Tunnel):
        return [connection._client.transport, connection._upstream.transport]
    assert isinstance(connection, ClientConnection)
    exchange = connection._exchange
    upstream = None if exchange is None else exchange._upstream
    return [connection._transport, *([] if upstream is None else [upstream.transport])]


class StartSidecar(Protocol):
    """Starts a sidecar for an upstream URL, with settings by dotted key."""

    def __call__(self, upstream_url: str, **dotted: object) -> RunningSidecar: ...
