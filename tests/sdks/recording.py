"""Listens in on an SDK's connections, and keeps what went over them: bodies as on the wire, not decoded."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx2

from proxy.demo import DEMO_KEY

OWN_KEY = DEMO_KEY
"""The Helicone key of the app, and of the sidecar."""

SEEDED = {"X-Demo-Seed": "7", "Helicone-Auth": f"Bearer {OWN_KEY}"}
"""Headers of a call that is made twice, directly and through the sidecar: equal requests get equal answers."""


@dataclass
class Body:
    """The bytes of one body, counted and hashed."""

    size: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """The hash of what has passed so far."""
        return self._hash.hexdigest()

    def take(self, data: bytes) -> None:
        """More of it."""
        self.size += len(data)
        self._hash.update(data)


@dataclass
class Passed:
    """One call over the wire."""

    request: httpx2.Request
    up: Body = field(default_factory=Body)
    down: Body = field(default_factory=Body)
    status: int = 0
    names: list[str] = field(default_factory=list)
    """Of the answer's header lines, in lower case."""
    coding: str | None = None

    def answered(self, response: httpx2.Response) -> None:
        """The head of the answer is there."""
        self.status = response.status_code
        self.names = [name.decode().lower() for name, _ in response.headers.raw]
        self.coding = response.headers.get("content-encoding")

    def summary(self) -> tuple[int, str, int, str, str | None]:
        """What has to be equal in a direct run and in one through the sidecar."""
        return self.status, self.up.sha256, self.down.size, self.down.sha256, self.coding


class _Seen(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, body: Body) -> None:
        self._stream = stream
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._body.take(piece)
            yield piece

    def close(self) -> None:
        self._stream.close()


class _SeenAsync(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, body: Body) -> None:
        self._stream = stream
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._body.take(piece)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class Recorder(httpx2.HTTPTransport):
    """httpx's own transport, with an ear on it."""

    def __init__(self) -> None:
        # No TLS here, and loading the trust store takes longer than all else.
        super().__init__(verify=False)
        self.passed: list[Passed] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        passed = Passed(request)
        self.passed.append(passed)
        assert isinstance(request.stream, httpx2.SyncByteStream)
        request.stream = _Seen(request.stream, passed.up)
        response = super().handle_request(request)
        passed.answered(response)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Seen(response.stream, passed.down)
        return response


class AsyncRecorder(httpx2.AsyncHTTPTransport):
    """The same for asynchronous clients."""

    def __init__(self) -> None:
        # No TLS here, and loading the trust store takes longer than all else.
        super().__init__(verify=False)
        self.passed: list[Passed] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        passed = Passed(request)
        self.passed.append(passed)
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        request.stream = _SeenAsync(request.stream, passed.up)
        response = await super().handle_async_request(request)
        passed.answered(response)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _SeenAsync(response.stream, passed.down)
        return response


@dataclass(frozen=True)
class Run:
    """What an SDK gave its caller, and what it took over the wire."""

    result: object
    passed: list[Passed]
