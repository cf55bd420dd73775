"""Halves of characters in JSON become U+FFFD, and nothing else is altered."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import half_characters

decode = msgspec.json.Decoder().decode
PIECES = st.sampled_from(
    ["\\", '"', "\ud83d", "\ude00", "\U0001f600", "ud83d", "\\ud83d", "u", "é", "\n", "x"]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.booleans())
def test_halves_alone_are_replaced(text: str, upper: bool) -> None:
    written = json.dumps(text)
    if upper:
        written = written.replace("\\ud83d", "\\uD83D")
    right = json.loads(written).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert half_characters.read(decode, written.encode()) == right


@pytest.mark.parametrize(
    "text", [b"", b"{", b'"\\ud8"', b'"\\udzzz"', b'"\\ud83d', b"\xff", b'"\\ud83d\xff"']
)
def test_what_is_no_json_is_refused_as_ever(text: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        half_characters.read(decode, text)
