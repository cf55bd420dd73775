"""How many tokens a call took, as its answer says at its end. Nothing is counted here, and nothing guessed.

Of a long body only the end is there. What stands in it as `usage` counts where that is the answer's own, and is
nothing that the model has made: behind it nothing may be left open but the answer itself.
"""

import re

import msgspec

from proxy.calls import decoding
from proxy.model import Tokens

STREAM_TAIL_BYTES = 1024
"""Enough of a stream's end: what it says of tokens, and what stands behind."""
MOST_COMPRESSED_BYTES = 32 * 1024
"""A compressed body can only be read from its beginning: longer ones are not."""
MOST_DECODED_BYTES = 256 * 1024
"""Decoding so much takes the loop a millisecond."""
_READ_BYTES = 8 * 1024
"""What is longer is read from its end, which is the quicker way."""
_MOST_LOOKS = 8
_MOST_BRACES = 32
_MOST_TOKENS = 1 << 53

_USAGE = b'"usage'
_SPACE = rb"[ \t\r\n]*+"
# A quote behind a backslash would stand within a text. Whoever is in one cannot write a name.
_NAME = re.compile(rb'(?<!\\)"usage(?:Metadata)?"' + _SPACE + b":" + _SPACE + rb"(?=\{)")
_PLAIN = rb'[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+"'


def _rest(depth: int) -> bytes:
    """What closes nothing: texts, numbers, and brackets within brackets down to that depth."""
    if not depth:
        return b"(?:" + _PLAIN + b")*+"
    inner = _rest(depth - 1)
    return b"(?:" + _PLAIN + rb"|\{" + inner + rb"\}|\[" + inner + rb"\])*+"


_REST = _rest(3)
_END_OF_BODY = re.compile(_REST + rb"\}" + _SPACE + rb"(?:\]" + _SPACE + b")?+", re.DOTALL)
"""The answer ends, or Gemini's list of its pieces does."""
_END_WITHIN_EVENT = re.compile(_REST + rb"\}" + _REST + rb"\}" + _SPACE, re.DOTALL)
"""The answer ends, and then the event that it is in."""
_ENDS = (_END_OF_BODY,)
_ENDS_OF_EVENTS = (_END_OF_BODY, _END_WITHIN_EVENT)


class _Usage(msgspec.Struct):
    """What is said of tokens, by whatever name."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    promptTokenCount: int | None = None  # noqa: N815  # so Gemini calls them
    candidatesTokenCount: int | None = None  # noqa: N815
    thoughtsTokenCount: int | None = None  # noqa: N815

    def tokens(self) -> Tokens | None:
        """As we have it; None if nothing is said."""
        given, made = self.prompt_tokens, self.completion_tokens
        if (
            given is not None
            and made is not None
            and 0 <= given <= _MOST_TOKENS
            and 0 <= made <= _MOST_TOKENS
        ):
            return Tokens(given, made)
        made = self.candidatesTokenCount
        if self.thoughtsTokenCount is not None:
            # Others count what was thought among what was made.
            made = (made or 0) + self.thoughtsTokenCount
        given = _first(self.prompt_tokens, self.input_tokens, self.promptTokenCount)
        made = _first(self.completion_tokens, self.output_tokens, made)
        return None if given is None and made is None else Tokens(given, made)


class _Body(msgspec.Struct):
    """An answer, or an event of one that says all by itself."""

    usage: _Usage | None = None
    usageMetadata: _Usage | None = None  # noqa: N815

    def said(self) -> Tokens | None:
        """What it says of tokens."""
        usage = self.usage or self.usageMetadata
        return None if usage is None else usage.tokens()


class _Event(_Body):
    """An event; that of the Responses API has the answer in it."""

    response: _Body | None = None


_read_usage = msgspec.json.Decoder(_Usage).decode
_read_body = msgspec.json.Decoder(_Body | list[_Body]).decode
_read_event = msgspec.json.Decoder(_Event).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _first(*numbers: int | None) -> int | None:
    for number in numbers:
        if number is not None and 0 <= number <= _MOST_TOKENS:
            return number
    return None


def tokens_in(tail: bytes, *, is_whole: bool, streamed: bool, coding: bytes) -> Tokens | None:
    """What the end of a body says; None if nothing. `is_whole`: nothing is missing at its beginning."""
    if coding:
        # More is there only where somebody else wants it.
        if not is_whole or len(tail) > 2 * MOST_COMPRESSED_BYTES:
            return None
        try:
            tail = decoding.decoder_for(coding).decode(tail, MOST_DECODED_BYTES)
        except decoding.Undecodable:
            return None
    if len(tail) > _READ_BYTES:
        tail, is_whole = tail[-_READ_BYTES:], False
    if streamed:
        return _at_the_end(tail, is_whole=is_whole, streamed=True)
    return _of_body(tail) if is_whole else _at_the_end(tail, is_whole=False, streamed=False)


def given_tokens(message: bytes) -> int | None:
    """How many tokens were given, as the message in a stream's first event says: what was made comes later."""
    said = _of_body(message)
    return None if said is None else said.input


def joined(first: int | None, last: Tokens | None) -> Tokens | None:
    """What a stream's first event says of what was given, and what its end says of all."""
    if first is None or (last is not None and last.input is not None):
        return last
    return Tokens(first, None if last is None else last.output)


def _of_usage(raw: bytes) -> Tokens | None:
    try:
        usage: _Usage = _read_usage(raw)
    except _UNREADABLE:
        return None
    return usage.tokens()


def _of_body(body: bytes) -> Tokens | None:
    try:
        read: _Body | list[_Body] = _read_body(body)
    except _UNREADABLE:
        return None
    if not isinstance(read, list):
        return read.said()
    return next((said for each in reversed(read) if (said := each.said()) is not None), None)


def _of_event(line: bytes) -> Tokens | None:
    """What a whole line of a stream says."""
    if not line.startswith(b"data:"):
        return None
    try:
        read: _Event = _read_event(line[5:])
    except _UNREADABLE:
        return None
    return read.said() or (None if read.response is None else read.response.said())


def _at_the_end(tail: bytes, *, is_whole: bool, streamed: bool) -> Tokens | None:
    """The last that is said of tokens there."""
    for end_of_all in _ENDS_OF_EVENTS if streamed else _ENDS:
        place = len(tail)
        for _ in range(_MOST_LOOKS):
            place = tail.rfind(_USAGE, 0, place)
            if place < 0:
                break
            if (name := _NAME.match(tail, place)) is None:
                continue
            start, end = _line_around(tail, place) if streamed else (0, len(tail))
            if streamed and (start or is_whole):
                said = _of_event(tail[start:end])
            else:
                said = _of_cut(tail[name.end() : end], end_of_all)
                if streamed and said is not None and None in said:
                    # Of an event that is cut it may be another's, deeper in it; the answer's own says both.
                    said = None
            if said is not None:
                return said
    return None


def _line_around(text: bytes, place: int) -> tuple[int, int]:
    """Where the line begins and ends that has that place in it."""
    start = max(text.rfind(b"\n", 0, place), text.rfind(b"\r", 0, place)) + 1
    ends = [end for end in (text.find(b"\n", place), text.find(b"\r", place)) if end >= 0]
    return start, min(ends, default=len(text))


def _of_cut(text: bytes, end_of_all: re.Pattern[bytes]) -> Tokens | None:
    """What a usage says, and all that stands behind it, where what stood before is not there."""
    end = 0
    for _ in range(_MOST_BRACES):
        end = text.find(b"}", end) + 1
        if not end:
            return None
        if text.count(b"{", 0, end) == text.count(b"}", 0, end):
            return _of_usage(text[:end]) if end_of_all.fullmatch(text, end) is not None else None
    return None
