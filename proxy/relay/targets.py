"""What a request line may ask for (RFC 9112 §3.2). Pure.

A target is passed on as it came, never decoded and encoded again; so what two servers could read differently
is refused here.
"""

import re
from types import MappingProxyType
from typing import NamedTuple

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_WORTH_A_LOOK = b"#.%\\"
_ENCODED = re.compile(rb"%(2e|2f|5c)", re.IGNORECASE)
_DECODED = MappingProxyType({b"2e": b".", b"2f": b"/", b"5c": b"\\"})
_DOT_SEGMENT = re.compile(rb"(?:^|/)\.\.?(?:/|$)")


class BadTarget(ValueError):
    """A target that is refused with 400; the message says what is wrong with it."""


class Target(NamedTuple):
    """Where a request wants to go.

    `origin`: path and query as they came. `path`: the same without the query. `authority`: the host of an
    absolute-form target, which replaces `Host` (RFC 9112 §3.2.2), else None.
    """

    origin: bytes
    path: bytes
    authority: bytes | None = None


def parse(raw: bytes) -> Target:
    """Read origin-form and absolute-form targets, and `*`.

    Raises BadTarget for a fragment, a dot segment in any spelling, a backslash, or another form.
    """
    if raw == b"*":
        return Target(raw, raw)
    authority = None
    if not raw.startswith(b"/"):
        match = _ABSOLUTE.fullmatch(raw)
        if match is None:
            raise BadTarget("the request target is neither a path nor an absolute URL")
        authority, raw = match[1], match[2] if match[2].startswith(b"/") else b"/" + match[2]
    path = raw.partition(b"?")[0]
    if len(raw.translate(None, _WORTH_A_LOOK)) < len(raw):
        if raw.find(b"#") >= 0:
            raise BadTarget("the request target has a fragment (#), which never belongs on the wire")
        _refuse_dot_segments(path)
    return Target(raw, path, authority)


def _refuse_dot_segments(path: bytes) -> None:
    plain = _ENCODED.sub(lambda match: _DECODED[match[1].lower()], path)
    if b"\\" in plain or _DOT_SEGMENT.search(plain):
        raise BadTarget("the path has a dot segment (. or ..) or a backslash")


def is_below(path: bytes, prefix: bytes) -> bool:
    """Whether `path` is `prefix` or lies below it, by whole raw segments."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/")
