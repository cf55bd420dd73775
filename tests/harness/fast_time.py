"""Time that runs faster than ours, the same for the product's delivery and for the stand-in."""

import time

from proxy.clock import Clock


class FastTime:
    """Begins now, and passes `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._wall_began = time.time()
        self._steady_began = time.monotonic()

    def steady(self) -> float:
        """Seconds that have passed."""
        return (time.monotonic() - self._steady_began) * self.speed

    def wall(self) -> float:
        """Unix time."""
        return self._wall_began + self.steady()

    def clock(self) -> Clock:
        """A clock for delivery that agrees with this time."""
        return Clock(self.wall, time.monotonic, speed=self.speed)
