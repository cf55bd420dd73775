"""What bodies say of themselves. Read with msgspec, which makes nothing of the parts that nobody asks for."""

import re
from collections.abc import Collection, Iterator

import msgspec

_LONGEST_MODEL = 200
_OPENING, _CLOSING = frozenset({b"{", b"["}), frozenset({b"}", b"]"})
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(:)?|[][{}"]', re.DOTALL)
"""A string, with the colon behind it if it is a key; a bracket; or the quote of a string that does not end."""


class _Request(msgspec.Struct):
    """What we want to know of a request's body."""

    model: str | None = None


_read_request = msgspec.json.Decoder(_Request).decode


def model_of(body: bytes) -> str | None:
    """The `model` of a request's body, if it is JSON and has one that can be shown."""
    try:
        model = _read_request(body).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # Not for us to judge: the gateway will say what it thinks of the body.
    # Printable, because it is shown on terminals.
    return model if model and len(model) <= _LONGEST_MODEL and model.isprintable() else None


def top_level(prefix: bytes, names: Collection[bytes]) -> dict[bytes, bytes]:
    """The values of these names in a JSON object, as JSON and as they came. `prefix` may be its beginning alone.

    Texts, objects and lists only, and those that are whole. None of it has been checked to be JSON. A name that is
    not found may stand there all the same, written in some unusual way.
    """
    if not prefix.lstrip(b" \t\r\n").startswith(b"{"):
        return {}
    wanted = {b'"%b":' % name: name for name in names}
    # Behind the last place where one may stand nothing is read: that may be most of a prompt.
    last = max(map(prefix.rfind, wanted))
    return {wanted[key]: value for key, value in _members(prefix, last) if key in wanted}


def _members(prefix: bytes, last: int) -> Iterator[tuple[bytes, bytes]]:
    """Each key, with its quotes and colon, and its value. `last`: where the last key begins that matters."""
    key, begin, depth = b"", 0, 0
    for token in _TOKEN.finditer(prefix, prefix.find(b"{") + 1):
        kind = token[0]
        if kind in _OPENING:
            if depth == 0:
                begin = token.start()
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
        elif kind == b'"':
            return
        elif depth == 0 and token[1] is None:
            begin = token.start()
        elif depth == 0:
            if token.start() > last:
                return
            key = kind
            continue
        if depth == 0 and key:
            yield key, prefix[begin : token.end()]
            key = b""
