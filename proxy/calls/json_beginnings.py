"""Finds what stands at the top level of JSON of which there is but the beginning."""

import re
from collections.abc import Collection
from itertools import islice

import msgspec

MOST_TOKENS = 1000
"""So many names, strings and brackets are looked at: about a millisecond, in which no other call goes on."""

# Possessive throughout: no input makes them go back and try again.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SPACE = rb"[ \t\r\n]*+"
_MEMBER = re.compile(_SPACE + b"(" + _STRING + b")" + _SPACE + b":" + _SPACE, re.DOTALL)
_VALUE = re.compile(_STRING + rb"|[^\s\"\[\]{},:]++(?=[\s,\]}])", re.DOTALL)
_NESTED = re.compile(_STRING + rb"|[\[\]{}]|\"", re.DOTALL)
_BEHIND = re.compile(_SPACE + b",")
_OPENING = re.compile(_SPACE + b"(?:" + rb"\[" + _SPACE + rb")?+\{")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


def top_level(prefix: bytes, names: Collection[bytes]) -> dict[bytes, bytes]:
    """The values of these names in a JSON object, or in the first one of a list, as JSON and as they came.

    `prefix` may be the beginning of a longer text: what is cut off is left out, but for an object or a list, of
    which that much is given as there is. Of a name that comes twice the first counts. Nothing is found behind
    `MOST_TOKENS`. Never raises.
    """
    found: dict[bytes, bytes] = {}
    opening = _OPENING.match(prefix)
    if opening is None:
        return found
    place, left = opening.end(), MOST_TOKENS
    while left > 0 and len(found) < len(names) and (member := _MEMBER.match(prefix, place)) is not None:
        name, start = member[1][1:-1], member.end()
        end, left = _end_of_value(prefix, start, left - 1)
        if b"\\" in name:
            name = _plain(member[1])
        if name in names and (end is not None or prefix[start : start + 1] in (b"{", b"[")):
            found.setdefault(name, prefix[start:end])
        if end is None or (comma := _BEHIND.match(prefix, end)) is None:
            break
        place = comma.end()
    return found


def _end_of_value(text: bytes, start: int, left: int) -> tuple[int | None, int]:
    """Where the value ends that begins there, None if it does not; and how many of `left` tokens are left then."""
    if text[start : start + 1] not in (b"{", b"["):
        value = _VALUE.match(text, start)
        return None if value is None else value.end(), left
    depth = 0
    for token in islice(_NESTED.finditer(text, start), max(left, 0)):
        left -= 1
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if not depth:
                return token.end(), left
        elif mark == b'"':
            break  # A string that is cut off: what stands in it is no structure.
    return None, left


def _plain(name: bytes) -> bytes:
    """A name with its escapes undone; empty if it cannot be read."""
    try:
        return msgspec.json.decode(name, type=str).encode()
    except _UNREADABLE:
        return b""
