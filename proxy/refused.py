"""Requests that were not let through, on either plane: each is counted, and said in the log once in a while.

A page may send as many as it likes, and must not be able to fill the log.
"""

import logging
from collections import Counter
from collections.abc import Callable

from proxy.calls.paths import shown_path
from proxy.relay.refusals import Refusal

logger = logging.getLogger(__name__)

_SAY_AGAIN_SECONDS = 60.0


class RefusalBook:
    """Counts refusals by code, of which there are some dozens, and logs each code once a minute.

    `clock` is in seconds and never jumps.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """How many requests were not let through, by code."""

    def note(self, method: bytes, path: bytes, refusal: Refusal) -> None:
        """A request was not let through. `path` is raw and has no query; b"": the request could not be read."""
        code = refusal.code
        self.counts[code] += 1
        now = self._clock()
        said = self._said.get(code)
        if said is not None and now - said < _SAY_AGAIN_SECONDS:
            self._unsaid[code] += 1
            return
        self._said[code] = now
        shown = shown_path(path).decode("ascii", "replace")
        what = f"{method.decode('ascii', 'replace')} {shown}" if shown else "a request"
        more = self._unsaid.pop(code, 0)
        logger.warning(
            "Refused %s: %s%s", what, refusal.message, f" ({more} more like it before)" if more else ""
        )
