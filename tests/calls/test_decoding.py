"""Tests of `proxy.calls.decoding`: compressed bodies, read within a bound."""

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from harness.codings import CODINGS
from harness.programs import environment
from proxy.calls.decoding import Undecodable, decoder_for, is_known

each_coding = pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=list(CODINGS))


@each_coding
@given(data=st.binary(max_size=300), size=st.integers(1, 40))
def test_a_body_is_decoded_in_whatever_pieces_it_comes(
    coding: bytes, compress: Callable[[bytes], bytes], data: bytes, size: int
) -> None:
    assert is_known(coding)
    encoded, decoder = compress(data), decoder_for(coding)
    pieces = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    assert b"".join(decoder.decode(piece, 10_000) for piece in pieces) == data


@each_coding
def test_a_bomb_costs_no_more_than_the_bound(coding: bytes, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(b"x" * 20_000_000)[: 32 * 1024]
    decoder = decoder_for(coding)
    tracemalloc.start()
    decoded = decoder.decode(bomb, 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded == b"x" * 1000
    assert peak < 256 * 1024


@each_coding
@given(data=st.binary(min_size=1, max_size=100))
def test_what_is_damaged_is_undecodable_or_gives_something_within_the_bound(
    coding: bytes, compress: Callable[[bytes], bytes], data: bytes
) -> None:
    del compress
    decoder = decoder_for(coding)
    try:
        for _ in range(3):
            assert len(decoder.decode(data, 50)) <= 50
    except Undecodable:
        pass


def test_what_nobody_knows_is_not_known() -> None:
    assert not is_known(b"compress")
    assert not is_known(b"gzip, br")
    assert not is_known(b"")


MODULE = """
class error(Exception): pass
class Decompressor:
    def process(self, data{more}): return b""
"""
OLD, NEW = MODULE.format(more=""), MODULE.format(more=", output_buffer_limit=0")
OTHER = "def decompress(data): return data"


@pytest.mark.parametrize(
    ("brotli", "brotlicffi", "is_used"),
    [(NEW, OLD, True), (OLD, OLD, False), (OLD, NEW, True), (OTHER, OLD, False), (OTHER, NEW, True)],
)
def test_a_brotli_without_a_bound_is_not_used(
    tmp_path: Path, brotli: str, brotlicffi: str, is_used: bool
) -> None:
    (tmp_path / "brotli.py").write_text(brotli)
    (tmp_path / "brotlicffi.py").write_text(brotlicffi)
    code = (
        "from proxy.calls.decoding import decoder_for, is_known\n"
        "print(is_known(b'br') and decoder_for(b'br').decode(b'x', 5))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment({"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path[1:]])}),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert found.stdout.strip() == (b"b''" if is_used else b"False")


def test_a_window_beyond_that_of_http_is_undecodable() -> None:
    frame = zstd.ZstdCompressor(
        options={zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 3}
    ).compress(b"x" * 20_000_000)
    with pytest.raises(Undecodable):
        decoder_for(b"zstd").decode(frame[: 32 * 1024], 1000)
