"""A bounded look at an answer's body as it passes: what it says of its id and its model. Keeps nothing else.

Only where a preview is wanted (`[calls] preview`) it gives away how the answer begins, too.
"""

import re
from typing import NamedTuple

from proxy.calls import answer_bodies, decoding
from proxy.calls.previews import AnswerText

MOST_BYTES = 32 * 1024
"""How much of a body is looked at, as it came and decoded: ids stand at the beginning."""

MOST_EVENTS = 64
MOST_LINES = 500
"""How many are looked at, since each costs time. The id stands in the first, behind some that only keep alive."""


class _Bounds(NamedTuple):
    """How much is looked at."""

    bytes: int
    lines: int
    events: int


_FOR_NAMES = _Bounds(MOST_BYTES, MOST_LINES, MOST_EVENTS)
_FOR_TEXT = _Bounds(1024 * 1024, 16_000, 4_000)
"""Of a stream whose text is wanted: what a model thinks comes first, and may be long."""

_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n|\n|\r(?=.))", re.DOTALL)
"""A whole line of an event stream; a CR that nothing follows yet may be half an end."""


class Tap:
    """Looks at one body until it has what it wants, or until nothing can come any more.

    `streamed`: it is one of server-sent events, not JSON. `coding`: its `Content-Encoding`, a known one; empty for
    none. Whatever the body is, no more than `MOST_BYTES` of it are kept, and to read them takes few milliseconds.
    `text`, if any, is given what the answer says; of a stream more is read for that.
    """

    def __init__(
        self, *, streamed: bool, coding: bytes, wants_model: bool, text: AnswerText | None = None
    ) -> None:
        self.id: str | None = None
        self.model: str | None = None
        self.given_tokens: int | None = None
        self.text = text
        self._bounds = _FOR_NAMES if text is None or not streamed else _FOR_TEXT
        self._streamed = streamed
        self._decoder = decoding.decoder_for(coding) if coding else None
        self._wants_model = wants_model
        self._taken = 0
        self._decoded = 0
        self._kept: list[bytes] = []
        self._ends_in_cr = False
        self._data: list[bytes] = []
        self._lines_left = self._bounds.lines
        self._events_left = self._bounds.events

    def feed(self, piece: bytes, *, complete: bool) -> bool:
        """Look at the next piece. Whether that was the last that is wanted."""
        most = self._bounds.bytes
        piece = piece[: most - self._taken]
        self._taken += len(piece)
        last = complete or self._taken >= most
        if self._decoder is not None:
            try:
                piece = self._decoder.decode(piece, most - self._decoded)
            except decoding.Undecodable:
                piece, last = b"", True
            self._decoded += len(piece)
            last = last or self._decoded >= most
        is_within_line = b"\n" not in piece and b"\r" not in piece and not self._ends_in_cr
        if piece:
            self._kept.append(piece)
            self._ends_in_cr = piece.endswith(b"\r")
        if self._streamed:
            if last or not is_within_line:
                self._read_lines(last=last)
        elif last:
            self._read_body(b"".join(self._kept))
        if last or self._has_enough():
            self._kept, self._data, self._decoder = [], [], None
            return True
        return False

    def _has_enough(self) -> bool:
        if self._lines_left <= 0 or self._events_left <= 0:
            return True
        return self._has_names() and (self.text is None or self.text.is_full)

    def _has_names(self) -> bool:
        return self.id is not None and (self.model is not None or not self._wants_model)

    def _read_body(self, body: bytes) -> None:
        self._note(answer_bodies.answer_says(body))
        if self.text is not None:
            self.text.add_body(body)

    def _note(self, said: answer_bodies.Said) -> None:
        self.id = self.id or said.id
        self.model = self.model or said.model
        if said.given_tokens is not None:
            self.given_tokens = said.given_tokens

    def _read_lines(self, *, last: bool) -> None:
        """Read the lines that are whole, as the standard for server-sent events has it; at the end, all."""
        kept = b"".join(self._kept)
        text = kept + b"\n\n" if last else kept
        place = 0
        while not self._has_enough() and (line := _LINE.match(text, place)) is not None:
            place = line.end()
            self._lines_left -= 1
            self._read_line(line[1], is_cut=place > len(kept))
        self._kept = [] if last else [text[place:]]

    def _read_line(self, line: bytes, *, is_cut: bool) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            self._events_left -= 1
            if not self._has_names():
                self._note(answer_bodies.event_says(data, is_whole=not is_cut))
            if self.text is not None:
                self.text.add_event(data)
