"""The API's rate limit: one counter per organisation over all routes (`middleware/ratelimitter.ts`)."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from .replies import Refused, reply


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


class Limiter:
    """A fixed window that starts with the first call in it, as express-rate-limit counts."""

    def __init__(
        self, budget: int | None, window_seconds: float, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget = budget
        self._window_seconds = window_seconds
        self._steady = steady
        self._windows: dict[str, _Window] = {}

    def admit(self, organisation: str) -> tuple[tuple[str, str], ...]:
        """Count a call; the `RateLimit-*` headers for its answer, or `Refused` with the 429."""
        if self._budget is None:
            return ()
        now = self._steady()
        window = self._windows.get(organisation)
        if window is None or window.ends_at <= now:
            window = self._windows[organisation] = _Window(now + self._window_seconds)
        window.used += 1
        reset = str(max(1, math.ceil(window.ends_at - now)))
        headers = (
            ("RateLimit-Policy", f"{self._budget};w={math.ceil(self._window_seconds)}"),
            ("RateLimit-Limit", str(self._budget)),
            ("RateLimit-Remaining", str(max(0, self._budget - window.used))),
            ("RateLimit-Reset", reset),
        )
        if window.used > self._budget:
            said = {"error": "Too many requests, please try again later."}
            raise Refused(reply(429, said, (*headers, ("Retry-After", reset))))
        return headers
