"""Halves of characters in JSON: JavaScript cuts emoji in two, and writes each half as an escape that stands alone.

That is JSON (RFC 8259, 8.2) which no UTF-8 can carry, so msgspec refuses all that it stands in.
"""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

_HEX: Final = rb"[0-9A-Fa-f]{2}"
_HALF_OR_PAIR: Final = re.compile(
    rb"\\u[Dd](?:[89ABab]" + _HEX + rb"(\\u[Dd][C-Fc-f]" + _HEX + rb")?|[C-Fc-f]" + _HEX + rb")"
)
UNKNOWN: Final = rb"\ufffd"
"""What stands for a half."""
_ESCAPE_BYTES: Final = len(UNKNOWN)


def read(decode: Callable[[bytes], T], text: bytes) -> T:
    """What a decoder of msgspec's makes of JSON, with U+FFFD in the place of halves. Raises what that raises."""
    try:
        return decode(text)
    except msgspec.DecodeError:
        whole = _HALF_OR_PAIR.sub(_whole, text)
        if whole == text:
            raise
        return decode(whole)


def _whole(found: re.Match[bytes]) -> bytes:
    second = found[1]
    if _is_escaped(found.string, found.start()):
        # The words "\ud83d", and behind them perhaps the half of a character.
        return found[0] if second is None else found[0][:_ESCAPE_BYTES] + UNKNOWN
    return UNKNOWN if second is None else found[0]


def _is_escaped(text: bytes, place: int) -> bool:
    """Whether the backslash there is one that is meant: an odd number of them stands before it."""
    before = place
    while before and text[before - 1] == 0x5C:
        before -= 1
    return bool((place - before) % 2)
