"""Follows the events of a running sidecar, in a thread of its own, and comes back by itself."""

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.errors import RemoteError
from proxy.remote import RemoteSidecar

AWAY: Final = "away"
"""The sidecar does not answer; the feed tries again."""
_AGAIN_SECONDS = 1.0
_MOST_THAT_WAIT = 10_000
"""Events that nobody takes: then the feed reads no further, and the sidecar ends it."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event: its name, what it says, and by which id one goes on behind it ("": by none)."""

    name: str
    data: Mapping[str, Any]
    id: str = ""


class Feed:
    """What is told by the sidecar, in a queue. `path` may have a query."""

    def __init__(self, remote: RemoteSidecar, path: str) -> None:
        self._remote = remote
        self._path = path
        self._told: queue.Queue[Told] = queue.Queue(_MOST_THAT_WAIT)
        self._last_id = ""
        self._over = threading.Event()
        self.wake: Callable[[], None] = lambda: None
        """Called, in the feed's thread, when there is something to take."""

    def __repr__(self) -> str:
        return f"<Feed of {self._remote!r}>"

    def begin(self) -> None:
        """Connect, and go on in the background. Raises RemoteError where that is not possible now."""
        first = self._remote.events(self._path)
        # Whoever mistypes an address, or lacks the token, is told at once.
        self._put(Told(*next(first)))
        threading.Thread(target=self._follow, args=(first,), name="feed", daemon=True).start()

    def close(self) -> None:
        """Read no further."""
        self._over.set()

    def take(self, timeout_seconds: float) -> Told | None:
        """The next one; None if none comes in that time."""
        try:
            return self._told.get(block=timeout_seconds > 0, timeout=timeout_seconds or None)
        except queue.Empty:
            return None

    def _follow(self, events: Any) -> None:  # noqa: ANN401  # an iterator of what `events` gives
        while not self._over.is_set():
            why = "It has ended the stream."
            try:
                for event in events:
                    self._put(Told(*event))
            except RemoteError as error:
                why = error.message
            self._put(Told(AWAY, {"message": why}))
            self._over.wait(_AGAIN_SECONDS)
            events = self._remote.events(self._path, self._last_id)

    def _put(self, told: Told) -> None:
        self._last_id = told.id or self._last_id
        while not self._over.is_set():
            try:
                self._told.put(told, timeout=_AGAIN_SECONDS)
            except queue.Full:
                continue
            self.wake()
            return
