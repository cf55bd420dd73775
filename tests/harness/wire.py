"""One end of a connection, seen raw: bytes, HTTP messages, and how it ended.

The parser here is the tests' own, small and strict, so that it and the product's can disagree.
"""

import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Self

from harness.loops import DEADLINE_SECONDS

Lines = list[tuple[bytes, bytes]]

_SLICE_BYTES = 64 * 1024
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\x00\r\n]*)")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;[^\x00\r\n]*)?")
_RESET = struct.pack("ii", 1, 0)


class End(Enum):
    """How the other side ended the connection."""

    CLOSED = auto()
    RESET = auto()


class Truncated(Exception):
    """The connection ended where more had to come: what a client reports as an error."""

    def __init__(self, end: End, got: bytes) -> None:
        super().__init__(f"{end.name} after {len(got)} bytes: {got[-200:]!r}")
        self.end = end
        self.got = got


def head(*lines: bytes) -> bytes:
    """A message's head: a start line and fields, as they are to stand on the wire."""
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(*pieces: bytes, trailers: tuple[bytes, ...] = ()) -> bytes:
    """A whole chunked body."""
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join(chunks) + head(b"0", *trailers)


@dataclass(frozen=True)
class Message:
    """A request or an answer.

    `head` is raw, from the start line to the empty line; `chunks` is None where the body is not chunked.
    """

    head: bytes
    body: bytes = b""
    chunks: list[bytes] | None = None
    trailers: Lines = field(default_factory=list)

    @property
    def start(self) -> bytes:
        """The request line or status line."""
        return self.head.partition(b"\r\n")[0]

    @property
    def lines(self) -> Lines:
        """The fields, in order and case as they came."""
        return parse_lines(self.head.partition(b"\r\n")[2])

    def values(self, name: bytes) -> list[bytes]:
        """The values of all lines of that name."""
        return [value for each, value in self.lines if each.lower() == name.lower()]

    def value(self, name: bytes) -> bytes | None:
        """The value of the one line of that name; None without it."""
        found = self.values(name)
        assert len(found) <= 1, f"{name!r} stands there {len(found)} times"
        return found[0] if found else None

    @property
    def names(self) -> list[bytes]:
        """The names of all fields, in lower case, in order."""
        return [name.lower() for name, _ in self.lines]

    @property
    def status(self) -> int:
        """An answer's status."""
        match = re.fullmatch(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [^\x00\r\n]*", self.start)
        assert match is not None, f"no status line: {self.start!r}"
        return int(match[1])

    @property
    def target(self) -> bytes:
        """What a request asks for."""
        return self.start.split(b" ")[1]


def parse_lines(block: bytes) -> Lines:
    """The fields of `block`, which ends with the empty line."""
    assert block.endswith(b"\r\n"), f"no empty line at the end: {block!r}"
    lines: Lines = []
    for line in block.removesuffix(b"\r\n").split(b"\r\n")[:-1]:
        match = _FIELD.fullmatch(line)
        assert match is not None, f"no header line: {line!r}"
        lines.append((match[1], match[2].strip(b" \t")))
    return lines


class Wire:
    """One end of a TCP connection. Every wait has a deadline, which only a hang reaches."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.bytes_sent = 0
        self.end: End | None = None
        self.ended_at = 0.0
        self._buffer = bytearray()
        sock.settimeout(DEADLINE_SECONDS)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- sending

    def send(self, data: bytes) -> None:
        """Send all of `data`; `bytes_sent` tells how far it has come."""
        view = memoryview(data)
        while view:
            sent = self.sock.send(view[:_SLICE_BYTES])
            self.bytes_sent += sent
            view = view[sent:]

    def send_bytewise(self, data: bytes) -> None:
        """Send every byte in a packet of its own."""
        for i in range(len(data)):
            self.send(data[i : i + 1])

    @contextmanager
    def sending(self, data: bytes) -> Iterator[None]:
        """Send `data` in the background. Leaving waits until it is sent, or cannot be."""
        failed: list[Exception] = []

        def work() -> None:
            try:
                self.send(data)
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=work, name="sending", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self.shut_down()
            raise
        finally:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive(), "the data was not taken"
        if failed:
            raise failed[0]

    # -- receiving

    def read_some(self) -> bytes:
        """What has come, at least one byte; nothing at the end."""
        if not self._buffer:
            self._fill()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes. Raises Truncated."""
        while len(self._buffer) < size:
            if not self._fill():
                raise Truncated(self._how(), bytes(self._buffer))
        return self._take(size)

    def read_until(self, marker: bytes) -> bytes:
        """Everything up to `marker`, and it. Raises Truncated."""
        searched = 0
        while (found := self._buffer.find(marker, searched)) < 0:
            searched = max(0, len(self._buffer) - len(marker))
            if not self._fill():
                raise Truncated(self._how(), bytes(self._buffer))
        return self._take(found + len(marker))

    def read_to_end(self) -> bytes:
        """Everything until the other side ends; `end` says how it did."""
        while self._fill():
            pass
        return self._take(len(self._buffer))

    def wait_for_end(self) -> End:
        """Wait until the other side ends, with nothing said before."""
        rest = self.read_to_end()
        assert rest == b"", f"there was more: {rest[:500]!r}"
        return self._how()

    def read_head(self) -> bytes:
        """The head of a message, raw. Raises Truncated."""
        return self.read_until(b"\r\n\r\n")

    def read_body(self, raw_head: bytes, *, until_close: bool) -> Message:
        """The body that belongs to `raw_head`. `until_close`: without a length it ends with the connection.

        Raises Truncated when the end is not where it has to be.
        """
        message = Message(raw_head)
        lengths, codings = message.values(b"content-length"), message.values(b"transfer-encoding")
        assert len(lengths) + len(codings) <= 1, f"ambiguous framing: {raw_head!r}"
        if codings:
            assert codings == [b"chunked"]
            return self._read_chunked(raw_head)
        if lengths:
            assert lengths[0].isdigit()
            return Message(raw_head, self.read_exactly(int(lengths[0])))
        if not until_close:
            return message
        body = self.read_to_end()
        if self._how() is not End.CLOSED:
            raise Truncated(self._how(), body)
        return Message(raw_head, body)

    def read_chunk(self) -> bytes:
        """One chunk's data; empty for the last one, whose trailers are left to be read. Raises Truncated."""
        line = self.read_until(b"\r\n")[:-2]
        match = _CHUNK_SIZE.fullmatch(line)
        assert match is not None, f"no chunk size: {line!r}"
        size = int(match[1], 16)
        data = self.read_exactly(size)
        if size:
            assert self.read_exactly(2) == b"\r\n"
        return data

    def _read_chunked(self, raw_head: bytes) -> Message:
        chunks: list[bytes] = []
        while chunk := self.read_chunk():
            chunks.append(chunk)
        block = bytearray()
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            block += line
        return Message(raw_head, b"".join(chunks), chunks, parse_lines(bytes(block) + b"\r\n"))

    def _fill(self) -> bool:
        if self.end is not None:
            return False
        try:
            data = self.sock.recv(4 * _SLICE_BYTES)
        except TimeoutError:
            raise AssertionError(f"nothing came any more, after {bytes(self._buffer)[-500:]!r}") from None
        except (ConnectionError, ssl.SSLEOFError):
            self._note(End.RESET)
            return False
        if not data:
            self._note(End.CLOSED)
            return False
        self._buffer += data
        return True

    def _note(self, end: End) -> None:
        self.ended_at = time.perf_counter()
        self.end = end

    def _how(self) -> End:
        assert self.end is not None
        return self.end

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    # -- ends

    def half_close(self) -> None:
        """Say that nothing more comes from here."""
        self.sock.shutdown(socket.SHUT_WR)

    def shut_down(self) -> None:
        """End both directions, also under a thread that waits for one of them."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It is closed already.

    def close(self) -> None:
        """Close in good order."""
        self.sock.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for something that no socket tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.002)


def wait_until_still(count: Callable[[], int], still_seconds: float = 0.4) -> int:
    """Wait until `count` has stopped growing, and give it."""
    last, since = count(), time.monotonic()
    deadline = since + DEADLINE_SECONDS
    while time.monotonic() - since < still_seconds:
        assert time.monotonic() < deadline, "it goes on and on"
        time.sleep(0.01)
        if (now := count()) != last:
            last, since = now, time.monotonic()
    return last
