"""A gateway and clients on the product's own loop: thousands of connections, and no thread waits for another.

The sockets are real; only the turn of events is shared.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, cast

from harness.loops import LoopThread
from harness.reference import Heard, Stop, read_requests
from harness.sidecars import RunningSidecar, settings_of
from harness.wire import End, wait_until

PATIENCE_SECONDS = 5.0
"""How long the sidecar may take to answer or to close."""

_PAUSE_TURNS = 3
"""Turns of the loop between two writes, so that each becomes a read of its own."""

_RESET = struct.pack("ii", 1, 0)


class Wire(asyncio.Protocol):
    """One end of a connection: what came, and how it ended."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.end: End | None = None
        self._changed: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end = End.CLOSED if exc is None else End.RESET
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that has come makes `condition` true, or nothing more can come."""
        while not condition() and self.end is None:
            self._changed = asyncio.get_running_loop().create_future()
            await self._changed

    async def send(self, pieces: list[bytes]) -> None:
        """Send these, each for a read of its own."""
        for number, piece in enumerate(pieces):
            for _ in range(_PAUSE_TURNS if number else 0):
                await asyncio.sleep(0)
            if self.transport.is_closing():
                return
            self.transport.write(piece)

    def half_close(self) -> None:
        """Say that nothing more comes from here."""
        # The other side may have ended in this very turn.
        with contextlib.suppress(OSError, RuntimeError):
            if not self.transport.is_closing():
                self.transport.write_eof()


class Behaviour(Protocol):
    """What a gateway does."""

    def asked(self, wire: "GatewayWire", request: Heard) -> None:
        """A whole request has come."""

    def broke(self, wire: "GatewayWire", rest: bytes) -> None:
        """A connection has ended within a request."""

    def nonsense(self, wire: "GatewayWire", why: str) -> None:
        """What came is no HTTP."""


class GatewayWire(Wire):
    """The gateway's end of a connection. After 101 it only collects, in `received`."""

    def __init__(self, behaviour: Behaviour, open_wires: "set[GatewayWire]") -> None:
        super().__init__()
        self._behaviour = behaviour
        self._open = open_wires
        self.tunnelled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        while not self.tunnelled:
            reading = read_requests(bytes(self.received))
            if reading.stop is Stop.INVALID:
                self._behaviour.nonsense(self, f"{reading.why}: {bytes(self.received)!r}")
            if not reading.messages:
                return
            del self.received[: len(self.received) - len(reading.rest)]
            for message in reading.messages:
                self._behaviour.asked(self, message)

    def perform(self, pieces: list[bytes], *, closes: bool, resets: bool) -> None:
        """Send these, each for a read of its own, and end as told."""
        self._task = asyncio.create_task(
            self._perform(pieces, closes=closes, resets=resets), name="answering"
        )

    async def _perform(self, pieces: list[bytes], *, closes: bool, resets: bool) -> None:
        await self.send(pieces)
        if resets and not self.transport.is_closing():
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        elif closes:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._open.discard(self)
        if self.received and not self.tunnelled:
            self._behaviour.broke(self, bytes(self.received))


class Errors(logging.Handler):
    """Whatever the loop or the product calls an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))

    def failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback on the loop has failed."""
        self.found.append(f"on the loop: {context}")


class Arena:
    """A sidecar that adds nothing, and a gateway behind it, on one loop."""

    def __init__(self, loop: LoopThread, behaviour: Behaviour, **dotted: object) -> None:
        self.loop = loop
        self.wires: set[GatewayWire] = set()
        self.errors = Errors()
        self._behaviour = behaviour
        self._settings = {"upstream.via": False, "hooks.id": False, "hooks.url": False, **dotted}
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self.errors)
        self._resources.callback(logging.getLogger().removeHandler, self.errors)
        self.loop.loop.set_exception_handler(self.errors.failed)
        self._resources.callback(self.loop.loop.set_exception_handler, None)
        server = self.loop.run(self._listen())
        self._resources.callback(self.loop.call, server.close)
        self.port: int = server.sockets[0].getsockname()[1]
        settings = settings_of(f"http://127.0.0.1:{self.port}", **self._settings)
        self.sidecar = self._resources.enter_context(RunningSidecar(self.loop, settings))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()
        if error is None:
            assert self.errors.found == []
            wait_until(lambda: not self.wires, "every connection to the gateway is closed")

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: GatewayWire(self._behaviour, self.wires), "127.0.0.1", 0, backlog=1024
        )

    @property
    def authority(self) -> bytes:
        """What `Host` has to say to the gateway."""
        return b"127.0.0.1:%d" % self.port

    async def connect(self) -> Wire:
        """A new client."""
        host, port = self.sidecar.address
        _, wire = await asyncio.get_running_loop().create_connection(Wire, host, port)
        return wire

    def wait_until_settled(self) -> None:
        """Wait until nothing is left of any call but idle connections to the gateway, which the pool knows."""
        self.sidecar.wait_until_empty()
        kept = self.sidecar.kept_connections
        wait_until(lambda: len(self.wires) == kept(), "no connection to the gateway is lost sight of")
