"""Calls that have ended, kept for a moment and handed on in batches.

What is written and counted of a call is done for a hundred of them at a time, in a loop that stays warm: that
costs a fifth of doing it at the end of each.
"""

import asyncio
from collections.abc import Callable, Sequence

from proxy.calls.live_call import LiveCall

_BATCH = 100
_LATEST_SECONDS = 0.1
"""How long a call may wait for company: a person at a terminal does not notice."""

Reader = Callable[[Sequence[LiveCall]], None]


class Journal:
    """Takes calls that are over, and hands them to its readers in batches. No reader may raise."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self._ended: list[LiveCall] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: LiveCall) -> None:
        """`call` is over; it is read soon."""
        self._ended.append(call)
        if len(self._ended) >= _BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATEST_SECONDS, self.flush)

    def flush(self) -> None:
        """Have what is waiting read now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ended, self._ended = self._ended, []
        if ended:
            for read in self._readers:
                read(ended)
