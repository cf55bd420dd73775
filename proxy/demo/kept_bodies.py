"""What was said in the newest calls, as Helicone has it in its object store: within a bound, and no I/O.

The real one keeps them as long as the plan says, and leaves out what a call asks it to (`Helicone-Omit-Request`,
`Helicone-Omit-Response`) or what is over a free plan's limit; here only the bound makes any go.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

KEPT_BYTES = 16 * 1024 * 1024
"""Of all bodies together: thousands of chats. The oldest go first."""

LONGEST_BYTES = 1024 * 1024
"""A longer body is not kept at all: half a document is none."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """Question and answer of one call, as they were on the wire before any compression."""

    request: bytes
    response: bytes

    @property
    def size_bytes(self) -> int:
        """What they take together."""
        return len(self.request) + len(self.response)


class Copied:
    """Pieces that are copied while they are read; of too many bytes there is no copy."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._read: list[bytes] = []
        self._size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._size_bytes += len(piece)
            if self._size_bytes <= LONGEST_BYTES:
                self._read.append(piece)
            else:
                self._read.clear()
            yield piece

    def read(self) -> bytes | None:
        """What has been read so far."""
        return b"".join(self._read) if self._size_bytes <= LONGEST_BYTES else None


class KeptBodies:
    """The newest calls' bodies, by request id; used on the stand-in's own loop alone."""

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.kept_bytes = 0
        self._kept: dict[str, Bodies] = {}

    def __repr__(self) -> str:
        return f"<KeptBodies calls={len(self._kept)} bytes={self.kept_bytes}>"

    def keep(self, request_id: str, bodies: Bodies) -> None:
        """Keep those of a call, in the place of an earlier one's with the same id."""
        self._forget(request_id.lower())
        self._kept[request_id.lower()] = bodies
        self.kept_bytes += bodies.size_bytes
        while self.kept_bytes > self.limit_bytes:
            self._forget(next(iter(self._kept)))

    def find(self, request_id: str) -> Bodies | None:
        """Those of a call, if they are still there."""
        return self._kept.get(request_id.lower())

    def _forget(self, request_id: str) -> None:
        gone = self._kept.pop(request_id, None)
        self.kept_bytes -= 0 if gone is None else gone.size_bytes
