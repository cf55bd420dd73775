"""The newest events, numbered. Putting one in is all that a call pays for them."""

from collections.abc import Callable
from typing import Final

from proxy.calls.live_call import LiveCall

STARTED: Final = "started"
ANSWERED: Final = "answered"
ENDED: Final = "ended"
"""What a call is at."""
RATED: Final = "rated"
"""The rating of one call has changed."""
STANDING: Final = "standing"
"""A key or the API stands differently: what is shown of ratings that wait may have changed."""
MUCH: Final = "much"
"""So much has changed that it is better looked at anew."""

MOST: Final = 4096
_LEAST: Final = 64
"""Powers of two, as every size is."""

Event = tuple[str, LiveCall | None, str]
"""What has happened, and to what: the call and the id that it had before (where that is another one), or else the
request id of what was rated. It is told as it stands when somebody is told."""


def _nobody() -> None:
    """Nobody waits."""


def size_for(capacity: int) -> int:
    """How many events to keep where so many calls are remembered, which have three each.

    Calls are held by their events, also when the store has forgotten them: so few calls have few events.
    """
    return min(MOST, max(_LEAST, 1 << (3 * capacity - 1).bit_length()))


class Ring:
    """Keeps the newest events, `size` of them, a power of two.

    `nonce` tells this process from others in what a listener resumes by.

    Whoever sets `is_awaited` is woken by the next event, once.
    """

    def __init__(self, nonce: str, size: int = MOST) -> None:
        self.nonce = nonce
        self.size = size
        self._mask = size - 1
        self.newest = 0
        """The number of the newest; the first one is 1."""
        self.is_awaited = False
        self.wake: Callable[[], None] = _nobody
        self._slots: list[Event | None] = [None] * size

    def __repr__(self) -> str:
        return f"<Ring {self.nonce} at {self.newest}>"

    @property
    def before_oldest(self) -> int:
        """Whoever has seen this one, or a newer one, has missed none."""
        return max(0, self.newest - self.size)

    def put(self, kind: str, call: LiveCall | None = None, text: str = "") -> None:
        """Something has happened. It never raises: a call goes on."""
        number = self.newest + 1
        self._slots[number & self._mask] = (kind, call, text)
        self.newest = number
        if self.is_awaited:
            self.is_awaited = False
            self.wake()

    def at(self, number: int) -> Event:
        """One that is still kept."""
        event = self._slots[number & self._mask]
        assert event is not None  # noqa: S101  # whoever asks has looked at the two ends
        return event

    def id_of(self, number: int) -> str:
        """By that a listener says what it has seen."""
        return f"{self.nonce}-{number}"

    def resumed_from(self, event_id: str) -> int | None:
        """The number of that event, if all that came after it are still kept."""
        nonce, _, text = event_id.rpartition("-")
        if nonce != self.nonce or not (text.isascii() and text.isdigit() and len(text) < 16):
            return None
        number = int(text)
        return number if self.before_oldest <= number <= self.newest else None
