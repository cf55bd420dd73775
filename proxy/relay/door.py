"""What connections and calls see of each other, and of the front door, which they share."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.relay.contract import Admit, Clock, Observer, Route, Say, Trace
from proxy.relay.headers import Direction
from proxy.relay.messages import RequestHead
from proxy.relay.patience import Patience, Watched
from proxy.relay.refusals import Refusal
from proxy.relay.writes import Gatherer, Sender


class Connection(Watched, Protocol):
    """Something open that has to end when we stop: a client connection or a tunnel."""

    def drain(self) -> None:
        """Finish what is open, start nothing new."""

    def stop(self) -> None:
        """End now."""


class Door(Protocol):
    """See `front_door.FrontDoor`, which is it."""

    gatherer: Gatherer
    observer: Observer
    clock: Clock
    via: bytes | None
    admit: Admit
    route: Route
    say: Say
    up: Direction
    draining: bool
    patience: Patience
    max_connections: int

    def enter(self, connection: Connection) -> None:
        """`connection` is open."""

    def leave(self, connection: Connection) -> None:
        """It is closed, or no longer ours."""

    def rest(self, connection: Connection) -> None:
        """`connection` is through with a call."""

    def make_room(self) -> None:
        """One more is about to come."""

    def is_full(self) -> bool:
        """Whether there are more connections than may bring calls."""

    def is_overrun(self) -> bool:
        """Whether there are so many that one more is not even told so."""

    def is_local(self, path: bytes) -> bool:
        """Whether `path` belongs to the local application."""

    def is_loop(self, head: RequestHead) -> bool:
        """Whether `head`, which has a Via, has been here before."""

    def hand_over(
        self, transport: asyncio.Transport, raw: bytes, *, by_socket: bool, writing_paused: bool
    ) -> None:
        """From here on the connection is the local application's; `raw` is what it had sent."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called in a while."""


class Client(Protocol):
    """What an exchange needs of the client connection."""

    address: str
    """Where it comes from."""
    sender: Sender
    writing_paused: bool
    upload_held: bool
    draining: bool

    def hold_upload(self) -> None:
        """Read no more for now."""

    def resume_upload(self) -> None:
        """Read on."""

    def done(self, *, keep: bool) -> None:
        """The answer is complete. `keep`: the connection may carry another call."""

    def refused(self, refusal: Refusal) -> None:
        """There is no answer; say this instead."""

    def cut(self, *, delimited_by_close: bool) -> None:
        """The answer broke: so must the connection, visibly."""

    def switch(self, upstream: asyncio.Transport, rest: bytes, trace: Trace) -> None:
        """Both sides speak another protocol from here on."""
