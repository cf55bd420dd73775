"""Answers whose bodies stay with their calls until these are over, to be judged by rules."""

from proxy.calls.live_call import LiveCall

MOST_BODIES = 512
"""Of calls that are under way: with 256 KiB each they are 128 MiB, and hardly any is so long."""


class KeptBodies:
    """Has the relay keep bodies of at most `most_bytes`, as the ends of answers that it keeps anyway; 0: none."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept = 0

    def begin(self, call: LiveCall) -> None:
        """An answer begins of which the end is kept; beyond the bound that shrinks to what is usual."""
        if self._kept < MOST_BODIES:
            self._kept += 1
            call.keeps_body = True
            call.tail_full = self.most_bytes
        else:
            call.body_dropped = True

    def end(self, call: LiveCall, tail: bytes) -> None:
        """It is over, and that is what was kept."""
        self._kept -= 1
        if len(tail) == call.bytes_down <= self.most_bytes:
            call.answer_body = tail
