"""Undoes a `Content-Encoding` as the body comes, piece by piece: gzip, deflate, and br and zstd where a decoder is
installed. What a piece stands for may be a thousand times as long, so it is taken in pieces, too.
"""

import zlib
from typing import Any, Final, Protocol

from proxy.calls.decoding import BROTLI, ZSTD, Undecodable, is_known

PIECE_BYTES: Final = 64 * 1024
_MOST_PARTS: Final = 256
"""Nearly every body is one. One read may bring thousands that hold nothing, and each takes the loop some time."""
_LARGEST_WINDOW_LOG: Final = 23
"""RFC 9659: what is sent over HTTP needs a window of at most 8 MiB."""


class Coding(Protocol):
    """Undoes the coding of one body."""

    def put(self, data: bytes) -> None:
        """More of the body has come."""

    def take(self) -> bytes:
        """Some of what it stands for; b"" if there is no more of it now. Raises Undecodable."""

    def end(self) -> None:
        """No more will come. Raises Undecodable if more was to come."""


class Plain:
    """No coding."""

    def __init__(self) -> None:
        self._data = b""

    def put(self, data: bytes) -> None:
        self._data += data

    def take(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def end(self) -> None:
        """It ends wherever it ends."""


class Zlib:
    """gzip, of which several may follow each other (RFC 1952 §2.2), and deflate."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._decoder: Any = zlib.decompressobj(16 + zlib.MAX_WBITS) if gzip else None
        self._members = 1
        self._data = b""
        self._begun = False

    def put(self, data: bytes) -> None:
        self._data += data

    def take(self) -> bytes:
        while self._data:
            if self._decoder is None and not self._begin():
                return b""
            if self._decoder.eof and not self._begin_again():
                return b""
            self._begun = True
            try:
                decoded: bytes = self._decoder.decompress(self._data, PIECE_BYTES)
            except zlib.error as error:
                raise Undecodable(str(error)) from None
            self._data = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
            if decoded:
                return decoded
        # What did not fit may be in there still, though all that came has been read.
        return b"" if self._decoder is None or self._decoder.eof else self._left()

    def _left(self) -> bytes:
        try:
            decoded: bytes = self._decoder.decompress(b"", PIECE_BYTES)
        except zlib.error as error:
            raise Undecodable(str(error)) from None
        return decoded

    def _begin(self) -> bool:
        """RFC 9110 §8.4.1.2: deflate has zlib's head, and some send it without."""
        if len(self._data) < 2:
            return False
        has_head = self._data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(self._data[:2]) % 31 == 0
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS)
        return True

    def _begin_again(self) -> bool:
        """Behind the end there may be another member; browsers pass over anything else."""
        if not self._gzip or not b"\x1f\x8b".startswith(self._data[:2]):
            self._data = b""
            return False
        if len(self._data) < 2:
            return False
        self._members = _one_more(self._members)
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return True

    def end(self) -> None:
        if self._begun and not self._decoder.eof:
            raise Undecodable("it ends before its end")
        if self._data and not self._begun:
            raise Undecodable("it ends within its head")


class Brotli:
    """br."""

    def __init__(self) -> None:
        self._decoder = BROTLI.Decompressor()
        self._data = b""
        self._begun = False

    def put(self, data: bytes) -> None:
        self._data += data
        self._begun = self._begun or bool(data)

    def take(self) -> bytes:
        if self._decoder.is_finished():
            self._data = b""
            return b""
        data = b""
        if self._decoder.can_accept_more_data():
            data, self._data = self._data, b""
        try:
            decoded: bytes = self._decoder.process(data, output_buffer_limit=PIECE_BYTES)
        except BROTLI.error as error:
            raise Undecodable(str(error)) from None
        return decoded or (self.take() if self._data else b"")

    def end(self) -> None:
        if self._begun and not self._decoder.is_finished():
            raise Undecodable("it ends before its end")


class Zstandard:
    """zstd."""

    def __init__(self) -> None:
        self._decoder: Any = self._new()
        self._frames = 1
        self._data = b""
        self._begun = False

    def _new(self) -> Any:  # noqa: ANN401  # there are two such modules
        return ZSTD.ZstdDecompressor(
            options={ZSTD.DecompressionParameter.window_log_max: _LARGEST_WINDOW_LOG}
        )

    def put(self, data: bytes) -> None:
        self._data += data
        self._begun = self._begun or bool(data)

    def take(self) -> bytes:
        while True:
            if self._decoder.eof:
                # Several frames may follow each other (RFC 8878 §3.1).
                self._data = self._decoder.unused_data + self._data
                if not self._data:
                    return b""
                self._frames = _one_more(self._frames)
                self._decoder = self._new()
            data, self._data = self._data, b""
            if not data and self._decoder.needs_input:
                return b""
            try:
                decoded: bytes = self._decoder.decompress(data, PIECE_BYTES)
            except ZSTD.ZstdError as error:
                raise Undecodable(str(error)) from None
            if decoded:
                return decoded

    def end(self) -> None:
        if self._begun and not self._decoder.eof:
            raise Undecodable("it ends before its end")


def _one_more(parts: int) -> int:
    """The number of parts that one body has come in, with the next one. Raises Undecodable for too many."""
    if parts == _MOST_PARTS:
        raise Undecodable("it comes in too many parts")
    return parts + 1


def can_be_undone(coding: bytes) -> bool:
    """Whether a body with that `Content-Encoding`, in lower case, can be read here: b"" is none."""
    return coding in (b"", b"identity") or is_known(coding)


def undoing(coding: bytes) -> Coding:
    """What undoes that coding, which can be undone."""
    if coding in (b"gzip", b"x-gzip"):
        return Zlib(gzip=True)
    if coding == b"deflate":
        return Zlib(gzip=False)
    if coding == b"br":
        return Brotli()
    return Zstandard() if coding == b"zstd" else Plain()
