"""Time as delivery has it: Unix time that never jumps, and waiting."""

import asyncio
import contextlib
from collections.abc import Callable


class Clock:
    """The wall's time at the start, and then what has passed since: setting the wall's clock moves nothing.

    `speed`: how fast time passes, for tests and for a demonstration of what takes hours.
    """

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float], *, speed: float = 1.0) -> None:
        self._began = wall()
        self._steady = steady
        self._steady_began = steady()
        self._speed = speed

    def now(self) -> float:
        """Unix time, in seconds."""
        return self._began + (self._steady() - self._steady_began) * self._speed

    async def pause(self, seconds: float, unless: asyncio.Event) -> None:
        """Wait so long, or until that happens."""
        # Not by wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds) / self._speed):
                await unless.wait()
