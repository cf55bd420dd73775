"""The model against the table that people wrote: two opinions of what is valid, before the product has its own."""

import pytest

from fuzz.model import Fate, expect
from harness.reference import read_requests
from harness.wire import head
from relay.strictness import BROKEN_CHUNKS, GATEWAY, HOST, PASSING, REFUSED, Passing, Refused

BEYOND_THE_MODEL = {"origin_not_allowed", "cross_site", "head_too_large"}
"""Browsers and sizes are the table's alone."""


@pytest.mark.parametrize(
    "row", [row for row in REFUSED if row.code not in BEYOND_THE_MODEL], ids=lambda row: row.name
)
def test_what_the_table_refuses_the_model_refuses(row: Refused) -> None:
    expected = expect(row.sent + head(b"GET / HTTP/1.1", HOST), b"x")
    assert expected.fate is Fate.REFUSED
    assert expected.answered == []


@pytest.mark.parametrize("row", PASSING, ids=lambda row: row.name)
def test_what_the_table_lets_pass_the_model_lets_pass_in_the_same_way(row: Passing) -> None:
    ((_, got),) = expect(row.sent, GATEWAY).answered
    (meant,) = read_requests(row.up).messages
    assert got is not None
    assert (got.start, sorted(got.lines), got.body, got.trailers) == (
        meant.start,
        sorted(meant.lines),
        meant.body,
        meant.trailers,
    )


@pytest.mark.parametrize("chunk", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_a_broken_chunk_never_makes_a_whole_request(chunk: bytes) -> None:
    start = head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked")
    expected = expect(start + chunk + head(b"GET / HTTP/1.1", HOST), b"x")
    assert expected.undecided or (expected.fate is Fate.REFUSED and expected.answered == [])
    assert read_requests(start + chunk).messages == []
