"""Finds where a script tag goes into an HTML document: at the end of its head, whatever the chunks. Pure.

That place is where a browser ends the head (WHATWG HTML §13.2.6.4.4): before `</head>`, or, in a document without
one, before the first thing that is none of a head's: `<body>`, another element, text. A `<template>` counts as
such, too: what stands in one does not run, and it may hold anything. So nothing beyond a head need be understood,
and the script is always one of the head's. The states are those of the standard's tokenizer (§13.2.5), scripts on.

Bytes, not characters: in every charset that the web knows, but for those of `_NOT_ASCII`, the bytes of `<`, `>`,
`/`, `-`, `!`, quotes and white space stand for these alone, or the decoder makes them so.
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

_NOT_ASCII: Final = re.compile(rb"[\x00\x1b]")
"""NUL stands in UTF-16 and UTF-32, ESC begins what is no ASCII in ISO-2022-JP: nothing can be put in there."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_VOID: Final = frozenset({b"html", b"head", b"base", b"basefont", b"bgsound", b"link", b"meta"})
"""Start tags that a head may have, and behind which it goes on as before."""
_RAW: Final = frozenset({b"title", b"style", b"noscript", b"noframes"})
"""Elements of a head in which nothing is a tag but their own end."""
_OF_A_HEAD: Final = _VOID | _RAW | {b"script"}
_ENDING: Final = frozenset({b"head", b"body", b"html", b"br"})
"""End tags that end a head; any other one means nothing there."""
_LONGEST_NAME: Final = max(map(len, _OF_A_HEAD | _ENDING))

_NOT_SPACE: Final = re.compile(rb"[^\t\n\f\r ]")
_NAME: Final = re.compile(rb"[^\t\n\f\r />]*")
_NOT_BETWEEN_ATTRIBUTES: Final = re.compile(rb"[^\t\n\f\r /]")
_BEHIND_ATTRIBUTE: Final = re.compile(rb"[\t\n\f\r />=]")
_BEHIND_BARE_VALUE: Final = re.compile(rb"[\t\n\f\r >]")
_COMMENT_END: Final = re.compile(rb"--!?>")
_SCRIPT: Final = (
    re.compile(rb"<!--|</script(?=[\t\n\f\r />])", re.IGNORECASE),
    re.compile(rb"-->|</?script(?=[\t\n\f\r />])", re.IGNORECASE),
    re.compile(rb"-->|</script(?=[\t\n\f\r />])", re.IGNORECASE),
)
"""What counts in a script; behind `<!--` in it; and behind `<script` in that."""
_RAW_END: Final = MappingProxyType(
    {name: re.compile(rb"</%b(?=[\t\n\f\r />])" % name, re.IGNORECASE) for name in _RAW}
)


class Place:
    """Looks for the place in a document that comes in pieces. It keeps a dozen bytes at most."""

    found = False
    """Whether it has come."""
    missed = False
    """Whether it will not: a tag cannot be put into such a document."""

    def __init__(self) -> None:
        self._kept = b""
        self._waits = False
        self._state: Callable[[bytes, int], int] = self._beginning
        self._element = b""
        """Whose start tag is open, or whose text is being read; b"" in an end tag."""
        self._depth = 0
        """Of a script: an index of `_SCRIPT`."""
        self._quote = b""

    def look(self, piece: bytes) -> tuple[bytes, bytes]:
        """What may go on of all that has come, and what is behind the place where that is `found`.

        Nothing more may be asked once it is found or missed.
        """
        data, at = self._kept + piece, 0
        self._waits = False
        while not (self._waits or self.found or self.missed):
            at = self._state(data, at)
        # Behind the place anything may stand; the two bytes of what is there decide what it is.
        if _NOT_ASCII.search(data, 0, at + 2 if self.found else at):
            self.found, self.missed = False, True
        if self.missed:
            self._kept = b""
            return data, b""
        self._kept = b"" if self.found else data[at:]
        return data[:at], data[at:] if self.found else b""

    def rest(self) -> bytes:
        """The document has ended: what was kept of it."""
        kept, self._kept = self._kept, b""
        return kept

    # -- states: each begins at a position, and gives the one at which it ends, waits, or has found the place

    def _wait(self, at: int) -> int:
        self._waits = True
        return at

    def _go(self, state: Callable[[bytes, int], int], at: int) -> int:
        self._state = state
        return at

    def _find(self, at: int) -> int:
        self.found = True
        return at

    def _beginning(self, data: bytes, at: int) -> int:
        if data.startswith(_WIDE_MARKS):
            self.missed = True
        elif data.startswith(_BYTE_ORDER_MARK):
            return self._go(self._between_tags, len(_BYTE_ORDER_MARK))
        elif any(mark.startswith(data) for mark in (_BYTE_ORDER_MARK, *_WIDE_MARKS)):
            return self._wait(at)
        return self._go(self._between_tags, at)

    def _between_tags(self, data: bytes, at: int) -> int:
        match = _NOT_SPACE.search(data, at)
        if match is None:
            return self._wait(len(data))
        at = match.start()
        if at + 1 == len(data):
            return self._wait(at)
        if data[at] != ord("<"):
            return self._find(at)
        second = data[at + 1 : at + 2]
        if second == b"!":
            return self._go(self._declaration, at)
        if second == b"?":
            return self._go(self._bogus_comment, at + 2)
        if second == b"/":
            return self._end_tag(data, at)
        return self._start_tag(data, at) if second.isalpha() else self._find(at)

    def _end_tag(self, data: bytes, at: int) -> int:
        first = data[at + 2 : at + 3]
        if not first:
            return self._wait(at)
        if not first.isalpha():
            return self._go(self._bogus_comment, at + 2)
        name = self._name(data, at + 2)
        if name is None:
            return self._wait(at)
        if name in _ENDING:
            return self._find(at)
        self._element = b""
        return self._go(self._rest_of_name, at + 2)

    def _start_tag(self, data: bytes, at: int) -> int:
        name = self._name(data, at + 1)
        if name is None:
            return self._wait(at)
        if name not in _OF_A_HEAD:
            return self._find(at)
        self._element = name
        return self._go(self._rest_of_name, at + 1)

    def _name(self, data: bytes, at: int) -> bytes | None:
        """A tag's name in lower case, as far as it matters; None if it may go on."""
        end = at + _LONGEST_NAME + 1
        match = _NAME.match(data, at, end)
        name = b"" if match is None else match.group().lower()
        return None if at + len(name) == len(data) and len(name) <= _LONGEST_NAME else name

    def _rest_of_name(self, data: bytes, at: int) -> int:
        match = _NAME.match(data, at)
        end = at if match is None else match.end()
        return self._wait(end) if end == len(data) else self._go(self._before_attribute, end)

    def _before_attribute(self, data: bytes, at: int) -> int:
        match = _NOT_BETWEEN_ATTRIBUTES.search(data, at)
        if match is None:
            return self._wait(len(data))
        if match.group() == b">":
            return self._tag_ends(match.end())
        # An equals sign here is a name's first letter.
        return self._go(self._attribute, match.end())

    def _attribute(self, data: bytes, at: int) -> int:
        match = _BEHIND_ATTRIBUTE.search(data, at)
        if match is None:
            return self._wait(len(data))
        return self._behind_attribute(match.group(), match.end())

    def _after_attribute(self, data: bytes, at: int) -> int:
        match = _NOT_SPACE.search(data, at)
        if match is None:
            return self._wait(len(data))
        return self._behind_attribute(match.group(), match.end())

    def _behind_attribute(self, byte: bytes, end: int) -> int:
        """That byte ends at `end`, and comes after an attribute's name or the white space behind that."""
        if byte == b">":
            return self._tag_ends(end)
        if byte == b"=":
            return self._go(self._before_value, end)
        if byte == b"/":
            return self._go(self._before_attribute, end)
        return self._go(self._after_attribute if byte.isspace() else self._attribute, end)

    def _before_value(self, data: bytes, at: int) -> int:
        match = _NOT_SPACE.search(data, at)
        if match is None:
            return self._wait(len(data))
        byte = match.group()
        if byte == b">":
            return self._tag_ends(match.end())
        if byte in (b'"', b"'"):
            self._quote = byte
            return self._go(self._quoted_value, match.end())
        return self._go(self._bare_value, match.start())

    def _quoted_value(self, data: bytes, at: int) -> int:
        end = data.find(self._quote, at)
        return self._wait(len(data)) if end < 0 else self._go(self._before_attribute, end + 1)

    def _bare_value(self, data: bytes, at: int) -> int:
        match = _BEHIND_BARE_VALUE.search(data, at)
        return self._wait(len(data)) if match is None else self._go(self._before_attribute, match.start())

    def _tag_ends(self, at: int) -> int:
        if self._element == b"script":
            self._depth = 0
            return self._go(self._script, at)
        return self._go(self._raw_text if self._element in _RAW else self._between_tags, at)

    def _raw_text(self, data: bytes, at: int) -> int:
        match = _RAW_END[self._element].search(data, at)
        if match is None:
            return self._wait(max(at, len(data) - len(self._element) - 2))
        self._element = b""
        return self._go(self._before_attribute, match.end())

    def _script(self, data: bytes, at: int) -> int:
        match = _SCRIPT[self._depth].search(data, at)
        if match is None:
            return self._wait(max(at, len(data) - len(b"</script")))
        found = match.group().lower()
        if found == b"<!--":
            self._depth = 1
            # Its dashes may be those of `-->`, too.
            return match.end() - 2
        if found == b"</script" and self._depth < 2:
            self._element = b""
            return self._go(self._before_attribute, match.end())
        self._depth = {b"-->": 0, b"<script": 2, b"</script": 1}[found]
        return match.end()

    def _declaration(self, data: bytes, at: int) -> int:
        begun = data[at + 2 : at + 4]
        if begun == b"--":
            return self._go(self._comment_begins, at + 4)
        # A doctype ends with the next `>`, too, wherever it stands; and CDATA is nothing else in HTML.
        return self._wait(at) if b"--".startswith(begun) else self._go(self._bogus_comment, at + 2)

    def _bogus_comment(self, data: bytes, at: int) -> int:
        end = data.find(b">", at)
        return self._wait(len(data)) if end < 0 else self._go(self._between_tags, end + 1)

    def _comment_begins(self, data: bytes, at: int) -> int:
        for closed in (b">", b"->"):
            if data.startswith(closed, at):
                return self._go(self._between_tags, at + len(closed))
        return self._wait(at) if data[at:] in (b"", b"-") else self._go(self._comment, at)

    def _comment(self, data: bytes, at: int) -> int:
        match = _COMMENT_END.search(data, at)
        if match is None:
            return self._wait(max(at, len(data) - 3))
        return self._go(self._between_tags, match.end())
