"""A gateway in this process: takes uploads, gives big bodies, is silent, and knows when a connection has gone."""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self, cast

_BLOCK = hashlib.shake_128(b"a body").digest(2**20)
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
_SILENT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
)
_BACKLOG = 4096


def block(number: int) -> bytes:
    """One MiB of a body; each is another one, so that a swap would be seen."""
    return number.to_bytes(8) + _BLOCK[8:]


def digest(mebibytes: int) -> str:
    """The sha256 of a body of so many blocks."""
    whole = hashlib.sha256()
    for number in range(mebibytes):
        whole.update(block(number))
    return whole.hexdigest()


class Gateway:
    """A gateway on a port of its own: `async with Gateway() as gateway`.

    GET /down/<n> gives n MiB, POST /silent one event and then nothing, POST /up the sha256 of what it was sent;
    everything else a small answer. `gone` gets the moment at which a silent stream's connection ended.
    """

    def __init__(self) -> None:
        self.gone: asyncio.Queue[float] = asyncio.Queue()
        self.open = 0
        self.port = 0
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=_BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._head = b""
        self._expected = 0
        self._body = hashlib.sha256()
        self._route = ""
        self._blocks: Iterator[bytes] = iter(())
        self._may_write = True
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gateway.open += 1

    def connection_lost(self, _error: Exception | None) -> None:
        self._gateway.open -= 1
        if self._route == "/silent":
            self._gateway.gone.put_nowait(time.perf_counter())

    def data_received(self, data: bytes) -> None:
        if not self._route:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._begin(head.decode("latin-1"))
        self._body.update(data)
        self._expected -= len(data)
        if self._expected <= 0:
            self._answer()

    def _begin(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        self._route = first.split(" ")[1]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._expected = int(headers.get("content-length", "0"))
        self._body = hashlib.sha256()

    def _answer(self) -> None:
        if self._route == "/silent":
            self._transport.write(_SILENT)
            return
        if self._route.startswith("/down/"):
            self._give(int(self._route.removeprefix("/down/")))
        else:
            text = json.dumps({"sha256": self._body.hexdigest()}).encode()
            head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            self._transport.write(f"{head}{len(text)}\r\n\r\n".encode() + text)
        self._head, self._route = b"", ""

    def _give(self, mebibytes: int) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: "
        self._transport.write(f"{head}{mebibytes * len(_BLOCK)}\r\n\r\n".encode())
        self._blocks = map(block, range(mebibytes))
        self._go_on()

    def _go_on(self) -> None:
        while self._may_write and not self._transport.is_closing():
            piece = next(self._blocks, None)
            if piece is None:
                return
            self._transport.write(piece)

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._go_on()
