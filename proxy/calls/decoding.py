"""What a compressed body says, within a bound: br and zstd where a decoder is installed (see README)."""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

try:
    import brotli
except ImportError:
    brotli = None

try:
    import brotlicffi
except ImportError:
    brotlicffi = None

try:
    from compression import zstd
except ImportError:
    try:
        from backports import zstd
    except ImportError:
        zstd = None

_LARGEST_WINDOW_LOG = 23
"""RFC 9659: what is sent over HTTP needs a window of at most 8 MiB."""


class Undecodable(ValueError):
    """The body is not what its label says."""


class Decoder(Protocol):
    """Decodes one body."""

    def decode(self, data: bytes, limit: int) -> bytes:
        """What `data`, which goes on what came before, stands for: at most `limit` bytes of it, at least 1.

        Once so much has come, it is not asked again. Raises Undecodable.
        """


def _is_bounded(module: ModuleType | None) -> bool:
    """Whether it is there and decodes within a bound, which brotli and brotlicffi have learnt with 1.2."""
    try:
        return module is not None and module.Decompressor().process(b"", output_buffer_limit=1) == b""
    except (AttributeError, TypeError):
        return False


BROTLI: Any = brotli if _is_bounded(brotli) else brotlicffi if _is_bounded(brotlicffi) else None
"""The module that decodes br; None where there is none that does so within a bound."""
ZSTD: Any = zstd
"""The module that decodes zstd; None where there is none."""


class _Zlib:
    """gzip and deflate."""

    def __init__(self, window_bits: int | None) -> None:
        self._decoder = None if window_bits is None else zlib.decompressobj(window_bits)
        self._begun = b""

    def decode(self, data: bytes, limit: int) -> bytes:
        if self._decoder is None:
            data = self._begun + data
            if len(data) < 2:
                self._begun = data
                return b""
            # RFC 9110 §8.4.1.2: deflate has zlib's head, and some send it without.
            has_head = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
            self._decoder = zlib.decompressobj(zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS)
        try:
            return self._decoder.decompress(data, limit)
        except zlib.error as error:
            raise Undecodable(str(error)) from None


class _Brotli:
    """br."""

    def __init__(self) -> None:
        self._decoder = BROTLI.Decompressor()

    def decode(self, data: bytes, limit: int) -> bytes:
        try:
            decoded: bytes = self._decoder.process(data, output_buffer_limit=limit)
        except BROTLI.error as error:
            raise Undecodable(str(error)) from None
        return decoded[:limit]


class _Zstandard:
    """zstd."""

    def __init__(self) -> None:
        self._decoder: Any = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW_LOG}
        )

    def decode(self, data: bytes, limit: int) -> bytes:
        if self._decoder.eof:
            return b""
        try:
            decoded: bytes = self._decoder.decompress(data, limit)
        except zstd.ZstdError as error:
            raise Undecodable(str(error)) from None
        return decoded


def _known() -> Mapping[bytes, Callable[[], Decoder]]:
    gzip = lambda: _Zlib(16 + zlib.MAX_WBITS)  # noqa: E731
    known: dict[bytes, Callable[[], Decoder]] = {
        b"gzip": gzip,
        b"x-gzip": gzip,
        b"deflate": lambda: _Zlib(None),
    }
    if BROTLI is not None:
        known[b"br"] = _Brotli
    if zstd is not None:
        known[b"zstd"] = _Zstandard
    return MappingProxyType(known)


_KNOWN = _known()


def is_known(coding: bytes) -> bool:
    """Whether a body with that `Content-Encoding`, in lower case, can be read here."""
    return coding in _KNOWN


def decoder_for(coding: bytes) -> Decoder:
    """What decodes a body with that `Content-Encoding`, which is known."""
    return _KNOWN[coding]()
