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

SIZE: Final = 4096
"""A power of two. Calls are held by their events for so long, also after the store has forgotten them."""

Event = tuple[str, LiveCall | None, str]
"""What has happened, and to what: the call and the id that it had before (where that is another one), or else the
request id of what was rated. It is told as it stands when somebody is told."""


def _nobody() -> None:
    """Nobody waits."""


class Ring:
    """Keeps the newest `SIZE` events. `nonce` tells this process from others in what a listener resumes by.

    Whoever sets `is_awaited` is woken by the next event, once.
    """

    def __init__(self, nonce: str) -> None:
        self.nonce = nonce
        self.newest = 0
        """The number of the newest; the first one is 1."""
        self.is_awaited = False
        self.wake: Callable[[], None] = _nobody
        self._slots: list[Event | None] = [None] * SIZE

    def __repr__(self) -> str:
        return f"<Ring {self.nonce} at {self.newest}>"

    @property
    def before_oldest(self) -> int:
        """Whoever has seen this one, or a newer one, has missed none."""
        return max(0, self.newest - SIZE)

    def put(self, kind: str, call: LiveCall | None = None, text: str = "") -> None:
        """Something has happened. It never raises: a call goes on."""
        number = self.newest + 1
        self._slots[number & (SIZE - 1)] = (kind, call, text)
        self.newest = number
        if self.is_awaited:
            self.is_awaited = False
            self.wake()

    def at(self, number: int) -> Event:
        """One that is still kept."""
        event = self._slots[number & (SIZE - 1)]
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
