"""Reads a multipart form in passing: plain fields are kept, files are counted and hashed. Pure."""

import hashlib
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from enum import Enum, auto

KEPT_FIELD_BYTES = 4_096
"""A form's plain fields are short words; of a file no more is kept either."""


@dataclass(slots=True)
class FormPart:
    """One part. `start` is its beginning: all of it for a plain field."""

    name: str
    filename: str | None
    start: bytes = b""
    size: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """The hash of the content read so far."""
        return self._hash.hexdigest()

    def take(self, data: bytes) -> None:
        """More content."""
        self.size += len(data)
        self._hash.update(data)
        if len(self.start) < KEPT_FIELD_BYTES:
            self.start += data[: KEPT_FIELD_BYTES - len(self.start)]


class _At(Enum):
    CONTENT = auto()
    AFTER_BOUNDARY = auto()
    HEADERS = auto()
    END = auto()


class FormScanner:
    """Feed it the body's bytes as they come (RFC 2046 §5.1.1); `parts` grows, `complete` becomes true."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode()
        # The first boundary stands at the very start, without a line end before it.
        self._buffer = bytearray(b"\r\n")
        self._at = _At.CONTENT
        self._part: FormPart | None = None
        self.parts: list[FormPart] = []

    @property
    def complete(self) -> bool:
        """Whether the closing boundary has been seen."""
        return self._at is _At.END

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._buffer += data
        while self._step():
            pass

    def named(self, name: str) -> FormPart | None:
        """The first part of that name."""
        return next((part for part in self.parts if part.name == name), None)

    def _step(self) -> bool:
        """One move; `False` when more bytes are needed."""
        match self._at:
            case _At.CONTENT:
                return self._content()
            case _At.AFTER_BOUNDARY:
                return self._after_boundary()
            case _At.HEADERS:
                return self._headers()
            case _At.END:
                self._buffer.clear()
                return False

    def _content(self) -> bool:
        end = self._buffer.find(self._delimiter)
        found = end >= 0
        if not found:
            # The buffer's end may be the beginning of a boundary.
            end = max(0, len(self._buffer) - len(self._delimiter) + 1)
        if self._part is not None and end:
            self._part.take(bytes(self._buffer[:end]))
        del self._buffer[: end + len(self._delimiter) if found else end]
        if found:
            self._at = _At.AFTER_BOUNDARY
        return found

    def _after_boundary(self) -> bool:
        if self._buffer.startswith(b"--"):
            self._at = _At.END
            return True
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        del self._buffer[: end + 2]
        self._at = _At.HEADERS
        return True

    def _headers(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = BytesHeaderParser().parsebytes(bytes(self._buffer[: end + 4]))
        del self._buffer[: end + 4]
        self._part = FormPart(_parameter(head, "name") or "", _parameter(head, "filename"))
        self.parts.append(self._part)
        self._at = _At.CONTENT
        return True


def _parameter(head: Message, name: str) -> str | None:
    value = head.get_param(name, header="content-disposition")
    # RFC 2231 values come as (charset, language, text).
    return value[2] if isinstance(value, tuple) else value
