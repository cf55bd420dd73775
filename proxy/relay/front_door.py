"""Listens, and picks the relay or the local application for each connection."""

import asyncio
from collections.abc import Callable
from itertools import islice

from proxy.relay import headers, rendering, targets
from proxy.relay.client import ClientConnection
from proxy.relay.contract import Admit, Clock, Observer, Route, Say
from proxy.relay.door import Connection
from proxy.relay.headers import Direction
from proxy.relay.messages import RequestHead
from proxy.relay.patience import Patience, Wait, Watch
from proxy.relay.tunnel import Tunnel
from proxy.relay.writes import Gatherer

_ASKED_FOR_ROOM = 256
"""So many connections are looked at to find an idle one, so that nobody can keep us busy with that."""

_TIME_TO_ASK_SECONDS = 1.0
"""For so long a connection that says nothing is not idle yet."""

_SPARE_CONNECTIONS = 64
"""Above the limit: enough to be told so, and for people to look at what is going on."""

MakeLocal = Callable[[Callable[[], None], bool], asyncio.Protocol]
"""Makes a protocol for a connection that is handed over, which calls the argument when that is lost; the other
says whether it came through a Unix socket."""


class FrontDoor:
    """What all client connections share, and the factory that makes them.

    `local_prefix` and everything below it goes to protocols that `make_local` makes; every other path is relayed.
    `via` is our name in `Via`, random per process: when it comes back there is a loop. None: send no `Via`.
    `up` says which header lines go up, `say` words refusals. Above `max_connections` the one that has been idle
    longest makes room for a new one. Where none is, calls are refused; local requests are still heard.
    """

    def __init__(  # noqa: PLR0913  # one seam for each thing that the relay does not know
        self,
        *,
        gatherer: Gatherer,
        admit: Admit,
        route: Route,
        observer: Observer,
        clock: Clock,
        make_local: MakeLocal,
        local_prefix: bytes,
        via: bytes | None,
        patience: Patience,
        max_connections: int,
        up: Direction = headers.UP,
        say: Say = rendering.refusal,
    ) -> None:
        self.gatherer = gatherer
        self.route = route
        self.up = up
        self.say = say
        self.observer = observer
        self.clock = clock
        self.via = via
        self._connections: dict[Connection, float] = {}
        """First the one that has had nothing new to do for longest."""
        self._emptied = asyncio.Event()
        self.draining = False
        self.admit = admit
        self._make_local = make_local
        self._local_prefix = local_prefix
        self.max_connections = max_connections
        self._handed_over = 0
        self.patience = patience
        self._watch = Watch(self._connections, patience, clock)

    def __call__(self) -> ClientConnection:
        """The protocol for a new connection."""
        return ClientConnection(self)

    def by_socket(self) -> ClientConnection:
        """The protocol for a new connection through a Unix socket."""
        return ClientConnection(self, by_socket=True)

    def enter(self, connection: Connection) -> None:
        """`connection` is open."""
        self._connections[connection] = self.clock()
        self._watch.wake()

    def rest(self, connection: Connection) -> None:
        """`connection` is through with a call."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = self.clock()

    def make_room(self) -> None:
        """One more is about to come: if there is no place for it, an idle one ends.

        Else a few who say nothing would lock everybody out.
        """
        if self._open() < self.max_connections:
            return
        now = self.clock()
        for connection, since in list(islice(self._connections.items(), _ASKED_FOR_ROOM)):
            if now - since < _TIME_TO_ASK_SECONDS:
                # Nor have those behind it had time: of a crowd that comes at once nobody sends others away.
                return
            if connection.standing().wait is Wait.REQUEST:
                self.leave(connection)
                connection.drain()
                return
            # It is at work, and needs not be asked again soon.
            self.rest(connection)

    def is_full(self) -> bool:
        """Whether there are more connections than may bring calls."""
        return self._open() > self.max_connections

    def is_overrun(self) -> bool:
        """Whether there are so many that one more is not even told so."""
        return self._open() > self.max_connections + _SPARE_CONNECTIONS

    def _open(self) -> int:
        return len(self._connections) + self._handed_over

    def leave(self, connection: Connection) -> None:
        """It is closed, or no longer ours."""
        self._connections.pop(connection, None)
        if self.draining and not self._connections:
            self._emptied.set()

    def is_local(self, path: bytes) -> bool:
        """Whether `path` belongs to the local application."""
        return path.startswith(self._local_prefix) and targets.is_below(path, self._local_prefix)

    def is_loop(self, head: RequestHead) -> bool:
        """Whether `head` has been here before."""
        # A pseudonym is a host name, whose case says nothing (RFC 9110 §7.6.3).
        return self.via is not None and self.via in head.fields[b"via"].lower()

    def hand_over(
        self, transport: asyncio.Transport, raw: bytes, *, by_socket: bool, writing_paused: bool
    ) -> None:
        """From here on the connection is the local application's; `raw` is what it had sent."""
        self._handed_over += 1
        protocol = self._make_local(self._local_ended, by_socket)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if writing_paused:
            # An earlier answer is not through yet; the transport will say when, and says nothing twice.
            protocol.pause_writing()
        protocol.data_received(raw)

    def _local_ended(self) -> None:
        self._handed_over -= 1

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Have `callback` called in a while."""
        asyncio.get_running_loop().call_later(seconds, callback)

    def busy(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def tunnels(self) -> int:
        """How many of them are tunnels."""
        return sum(isinstance(connection, Tunnel) for connection in self._connections)

    def drain(self) -> None:
        """Close what is idle; what is open ends with its answer."""
        self.draining = True
        for connection in list(self._connections):
            connection.drain()
        if not self._connections:
            self._emptied.set()

    async def emptied(self) -> None:
        """Wait, while draining, for the last connection to end."""
        await self._emptied.wait()

    def stop(self) -> None:
        """End everything now, visibly for those whose answer is cut."""
        self._watch.stop()
        for connection in list(self._connections):
            connection.stop()
