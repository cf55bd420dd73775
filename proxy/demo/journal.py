"""What a side of the stand-in was sent, as it came over the wire, for tests to look at from their own thread."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

KEPT_BODY_BYTES = 65_536
"""More of a body is counted and hashed, not kept: uploads of any size pass."""

KEPT_REQUESTS = 2_000
"""A demo may run for days."""


@dataclass(slots=True, eq=False)
class Received:
    """One request. Times are `time.monotonic()`, the same clock in every thread of the process."""

    number: int
    method: str
    target: str
    """The request target as it was sent, neither decoded nor encoded again."""
    version: tuple[int, int]
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in the case and the order in which they came, values as bytes."""
    peer_port: int
    """Tells connections apart: requests with the same number came over the same connection."""
    arrived_at: float
    body: bytes = b""
    """Its first 64 KiB."""
    body_bytes: int = 0
    body_complete: bool = False
    status: int | None = None
    head_sent_at: float | None = None
    left_at: float | None = None
    """When the client was seen to leave before the end of the answer."""
    ended_at: float | None = None
    left: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def __repr__(self) -> str:
        path = self.target.partition("?")[0]
        return f"<Received {self.number}: {self.method} {path} -> {self.status}, {self.body_bytes} bytes>"

    @property
    def body_sha256(self) -> str:
        """The hash of all body bytes read so far (of the whole body once `body_complete`)."""
        return self._hash.hexdigest()

    def values(self, name: str) -> list[str]:
        """Every value under that header name, in order."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]

    def header(self, name: str) -> str | None:
        """The first value under that header name."""
        return next(iter(self.values(name)), None)

    def take(self, data: bytes) -> None:
        """Count, hash and perhaps keep a piece of the body."""
        self._hash.update(data)
        self.body_bytes += len(data)
        room = KEPT_BODY_BYTES - len(self.body)
        if room > 0:
            self.body += data[:room]

    def client_left(self) -> None:
        """The connection went away under the answer."""
        self.left_at = time.monotonic()
        self.left.set()

    def end(self) -> None:
        """The answer has passed, or never will."""
        self.ended_at = time.monotonic()
        self.ended.set()


class Journal:
    """The requests of one side, oldest first. Written by the server's loop, read from any thread."""

    def __init__(self) -> None:
        self._received: deque[Received] = deque(maxlen=KEPT_REQUESTS)
        self._arrived = threading.Condition()
        self.total = 0
        """How many came since the start; `clear` does not reset it."""
        self.closing = False

    def receive(self, request: web.BaseRequest) -> Received:
        """Write down a request whose head has just arrived."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        with self._arrived:
            self.total += 1
            received = Received(
                number=self.total,
                method=request.method,
                target=request.raw_path,
                version=(request.version.major, request.version.minor),
                headers=tuple(request.raw_headers),
                peer_port=peer[1] if peer else 0,
                arrived_at=time.monotonic(),
            )
            self._received.append(received)
            self._arrived.notify_all()
            return received

    def broken(self, received: Received, request: web.BaseRequest) -> None:
        """Note that the client left, unless it is this server that is going away."""
        if request.transport is None and not self.closing:
            received.client_left()

    def all(self, path: str = "") -> list[Received]:
        """Those whose target begins with `path`."""
        with self._arrived:
            return [received for received in self._received if received.target.startswith(path)]

    @property
    def last(self) -> Received:
        """The newest; `IndexError` when there is none."""
        with self._arrived:
            return self._received[-1]

    def clear(self) -> None:
        """Forget what came so far."""
        with self._arrived:
            self._received.clear()

    def wait_for(
        self,
        matches: Callable[[Received], bool] = lambda _: True,
        *,
        count: int = 1,
        timeout_seconds: float = 10.0,
    ) -> list[Received]:
        """Block until `count` requests match, and give them; `TimeoutError` when they do not come."""

        def found() -> list[Received]:
            return [received for received in self._received if matches(received)]

        with self._arrived:
            if not self._arrived.wait_for(lambda: len(found()) >= count, timeout_seconds):
                raise TimeoutError(f"{len(found())} of {count} requests came within {timeout_seconds} s")
            return found()
