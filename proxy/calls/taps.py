"""A bounded look at an answer's body as it passes: what it says of its id and its model. Keeps nothing else."""

import re

from proxy.calls import answer_bodies, decoding

MOST_BYTES = 32 * 1024
"""How much of a body is looked at, as it came and decoded: ids stand at the beginning."""

MOST_EVENTS = 64
MOST_LINES = 500
"""How many are looked at, since each costs time. The id stands in the first, behind some that only keep alive."""

_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n|\n|\r(?=.))", re.DOTALL)
"""A whole line of an event stream; a CR that nothing follows yet may be half an end."""


class Tap:
    """Looks at one body until it has what it wants, or until nothing can come any more.

    `streamed`: it is one of server-sent events, not JSON. `coding`: its `Content-Encoding`, a known one; empty for
    none. Whatever the body is, no more than `MOST_BYTES` of it are kept, and to read them takes few milliseconds.
    """

    def __init__(self, *, streamed: bool, coding: bytes, wants_model: bool) -> None:
        self.id: str | None = None
        self.model: str | None = None
        self._streamed = streamed
        self._decoder = decoding.decoder_for(coding) if coding else None
        self._wants_model = wants_model
        self._taken = 0
        self._decoded = 0
        self._kept = b""
        self._data: list[bytes] = []
        self._lines_left = MOST_LINES
        self._events_left = MOST_EVENTS

    def feed(self, piece: bytes, *, complete: bool) -> bool:
        """Look at the next piece. Whether that was the last that is wanted."""
        room = MOST_BYTES - self._taken
        piece = piece[:room]
        self._taken += len(piece)
        last = complete or self._taken >= MOST_BYTES
        if self._decoder is not None:
            try:
                piece = self._decoder.decode(piece, MOST_BYTES - self._decoded)
            except decoding.Undecodable:
                piece, last = b"", True
            self._decoded += len(piece)
            last = last or self._decoded >= MOST_BYTES
        is_within_line = b"\n" not in piece and b"\r" not in piece and not self._kept.endswith(b"\r")
        self._kept += piece
        if self._streamed:
            if last or not is_within_line:
                self._read_lines(last=last)
        elif last:
            self._note(answer_bodies.answer_says(self._kept))
        if last or self._has_enough():
            self._kept, self._data, self._decoder = b"", [], None
            return True
        return False

    def _has_enough(self) -> bool:
        if self._lines_left <= 0 or self._events_left <= 0:
            return True
        return self.id is not None and (self.model is not None or not self._wants_model)

    def _note(self, said: answer_bodies.Said) -> None:
        self.id = self.id or said.id
        self.model = self.model or said.model

    def _read_lines(self, *, last: bool) -> None:
        """Read the lines that are whole, as the standard for server-sent events has it; at the end, all."""
        text = self._kept + b"\n\n" if last else self._kept
        place = 0
        while not self._has_enough() and (line := _LINE.match(text, place)) is not None:
            place = line.end()
            self._lines_left -= 1
            self._read_line(line[1], is_cut=place > len(self._kept))
        self._kept = b"" if last else text[place:]

    def _read_line(self, line: bytes, *, is_cut: bool) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            self._events_left -= 1
            self._note(answer_bodies.event_says(data, is_whole=not is_cut))
