"""Answers whose bodies stay with their calls until these are over, to be judged by rules."""

from proxy.calls.live_call import LiveCall

MOST_BODIES = 512
"""Of calls that are under way: with 256 KiB each they are 128 MiB, and hardly any is so long."""


class KeptBodies:
    """Has the relay keep bodies of at most `most_bytes`, as the ends of answers that it keeps anyway; 0: none."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._kept: set[LiveCall] = set()

    def begin(self, call: LiveCall) -> None:
        """An answer begins of which the end is kept; beyond the bound that shrinks to what is usual."""
        if len(self._kept) < MOST_BODIES:
            self._kept.add(call)
            call.tail_full = self.most_bytes
        else:
            call.body_dropped = True

    def end(self, call: LiveCall, tail: bytes) -> None:
        """It is over, and that is the end of its answer: if that is all of it, it stays until it is taken."""
        if call in self._kept:
            self._kept.remove(call)
            if len(tail) == call.bytes_down <= self.most_bytes:
                call.tail = [tail]
