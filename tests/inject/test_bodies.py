"""Bodies get the tag whatever they are compressed with, and what is broken looks broken."""

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.calls.decoding import ZSTD
from proxy.inject.bodies import TaggedBody
from proxy.inject.codings import PIECE_BYTES, undoing

TAG = b"<script></script>"


def raw_deflate(data: bytes) -> bytes:
    """deflate as some send it: without zlib's head."""
    coder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return coder.compress(data) + coder.flush()


def in_two_members(data: bytes) -> bytes:
    """gzip, in two pieces."""
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])


CODINGS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "none": (b"", bytes),
    "gzip": (b"gzip", gzip.compress),
    "gzip in two members": (b"x-gzip", in_two_members),
    "deflate": (b"deflate", zlib.compress),
    "deflate without a head": (b"deflate", raw_deflate),
    "br": (b"br", brotli.compress),
    "zstd": (b"zstd", ZSTD.compress),
    "zstd in two frames": (b"zstd", lambda data: ZSTD.compress(data[:20]) + ZSTD.compress(data[20:])),
}
each_coding = pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=CODINGS)


def passed(body: TaggedBody, *pieces: bytes) -> list[bytes]:
    """What goes on of a body that comes in these pieces."""
    gone = []
    for number, piece in enumerate(pieces, 1):
        body.put(piece, complete=number == len(pieces))
        while more := body.take():
            gone.append(more)
    return gone


@each_coding
@given(text=st.binary(max_size=300), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_without_the_tag_it_is_the_body_that_came(
    coding: bytes, compress: Callable[[bytes], bytes], text: bytes, cuts: list[int]
) -> None:
    document = b"<head>" + text + b"</head>"
    data = compress(document)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = b"".join(passed(TaggedBody(TAG, undoing(coding)), *(data[a:b] for a, b in pairwise(edges))))
    assert found.replace(TAG, b"", 1) == document


@each_coding
def test_the_tag_is_put_in(coding: bytes, compress: Callable[[bytes], bytes]) -> None:
    data = compress(b"<html><head><title>Hi</title></head><body>")
    for pieces in ([data], [bytes([byte]) for byte in data], [data, b""]):
        found = b"".join(passed(TaggedBody(TAG, undoing(coding)), *pieces))
        assert found == b"<html><head><title>Hi</title>" + TAG + b"</head><body>"


@each_coding
def test_what_a_small_body_stands_for_comes_in_pieces(
    coding: bytes, compress: Callable[[bytes], bytes]
) -> None:
    if not coding:
        pytest.skip("it stands for itself")
    data = compress(b"<head></head>" + bytes(40 * PIECE_BYTES))
    pieces = passed(TaggedBody(TAG, undoing(coding)), data)
    assert sum(map(len, pieces)) == 40 * PIECE_BYTES + len(b"<head></head>" + TAG)
    assert max(map(len, pieces)) <= 2 * PIECE_BYTES


@each_coding
def test_a_body_that_breaks_off_is_no_document(coding: bytes, compress: Callable[[bytes], bytes]) -> None:
    if not coding:
        pytest.skip("its end is the framing's business")
    data = compress(b"<head></head>" + bytes(range(256)))
    for cut in range(1, len(data) - 8):
        try:
            passed(TaggedBody(TAG, undoing(coding)), data[:cut])
        except ValueError:
            continue
        # Between two members or frames an end is an end.
        assert "two" in next(name for name, each in CODINGS.items() if each == (coding, compress))


@each_coding
def test_a_body_that_is_something_else_is_no_document(
    coding: bytes, compress: Callable[[bytes], bytes]
) -> None:
    if not coding:
        pytest.skip("anything is plain")
    with pytest.raises(ValueError, match=r"\w"):
        passed(TaggedBody(TAG, undoing(coding)), b"<html><head></head><body>" * 10)


@each_coding
def test_nothing_is_nothing(coding: bytes, compress: Callable[[bytes], bytes]) -> None:
    assert passed(TaggedBody(TAG, undoing(coding)), b"") == []
    assert passed(TaggedBody(TAG, undoing(coding)), compress(b"")) == []


@pytest.mark.parametrize(("coding", "compress"), [(b"gzip", gzip.compress), (b"zstd", ZSTD.compress)])
@pytest.mark.parametrize("held", [b"", b"a"])
def test_a_body_in_very_many_parts_is_no_document(
    coding: bytes, compress: Callable[[bytes], bytes], held: bytes
) -> None:
    """Thousands of them fit into one read, and nobody else would get a turn meanwhile."""
    most = compress(held) * 255
    gone = passed(TaggedBody(TAG, undoing(coding)), most + compress(b"end"))
    assert b"".join(gone) == TAG + held * 255 + b"end"
    with pytest.raises(ValueError, match="too many parts"):
        passed(TaggedBody(TAG, undoing(coding)), most + compress(b"one") + compress(b"more"))


def test_what_follows_a_gzip_member_and_is_none_is_passed_over() -> None:
    assert (
        b"".join(passed(TaggedBody(TAG, undoing(b"gzip")), gzip.compress(b"<p>") + b"padding"))
        == TAG + b"<p>"
    )
