"""What is counted of calls, as plain numbers; `web/metrics.py` shows them to Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.calls.live_call import LiveCall
from proxy.relay.contract import Ending
from proxy.relay.front_door import FrontDoor
from proxy.relay.pool import Pool
from proxy.relay.writes import Gatherer
from proxy.stores.contract import RecentCalls

_ANSWER_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""From an embedding to a model that reasons for half an hour."""

_ADDED_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
"""From a busy sidecar's usual to a connection that had to be opened over a bad line."""


class Histogram:
    """How many values lie up to each of some bounds, and their sum. Values are seconds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Of each bucket by itself; the last one has no bound."""
        self.sum = 0.0

    def observe(self, values: Sequence[float]) -> None:
        """Some values more."""
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)


Kind = tuple[str, int | None, bool]
"""What calls are counted by: route, status (our own 502, too; None when nothing was answered), and whether the
answer was streamed."""


class CallMetrics:
    """Counts calls that are over."""

    def __init__(self) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.endings: Counter[Ending] = Counter()
        self.clients: Counter[str] = Counter()
        """By the names of tokens: as many as the settings have."""
        self.first_byte = Histogram(_ANSWER_SECONDS)
        """From the request's head to the answer's."""
        self.duration = Histogram(_ANSWER_SECONDS)
        """From the request's head to the end."""
        self.added = Histogram(_ADDED_SECONDS)
        """Of the time to the answer's head, what passed here: until the request's head went up, with the wait for
        a connection, and until the answer's went down."""

    def count(self, calls: Sequence[LiveCall]) -> None:
        """These are over."""
        self.kinds.update([(call.route, call.status, call.streamed) for call in calls])
        self.endings.update([call.ending for call in calls if call.ending is not None])
        named = [call.caller for call in calls if call.caller]
        if named:
            self.clients.update(named)
        self.duration.observe([call.ended - call.started for call in calls if call.ended is not None])
        self.first_byte.observe([call.answered - call.started for call in calls if call.answered is not None])
        self.added.observe(
            [
                call.sent - call.started + call.passed_on - call.answered
                for call in calls
                if call.sent is not None and call.answered is not None and call.passed_on is not None
            ]
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """A number that stands somewhere anyway, and is read when somebody asks. `only_grows`: a counter."""

    name: str
    sentence: str
    value: Callable[[], float]
    only_grows: bool = False


def readings(
    pools: Sequence[Pool], store: RecentCalls[LiveCall], gatherer: Gatherer, door: Callable[[], FrontDoor]
) -> list[Reading]:
    """What the relay and the memory of calls can tell at any time."""
    return [
        Reading("open_calls", "Calls that are running.", lambda: gatherer.open_calls),
        Reading("open_connections", "Connections of apps, tunnels included.", lambda: door().busy()),
        Reading("open_tunnels", "WebSocket connections.", lambda: door().tunnels()),
        Reading("pool_connections", "Connections to gateways.", lambda: sum([pool.size for pool in pools])),
        Reading(
            "pool_idle_connections", "Those that carry nothing.", lambda: sum([pool.idle for pool in pools])
        ),
        Reading(
            "pool_waiting_calls",
            "Calls that wait for a connection.",
            lambda: sum([pool.waiting for pool in pools]),
        ),
        Reading(
            "pool_opened",
            "Connections opened to gateways.",
            lambda: sum([pool.opened for pool in pools]),
            only_grows=True,
        ),
        Reading(
            "pool_waits",
            "Calls that had to wait for one.",
            lambda: sum([pool.waited for pool in pools]),
            only_grows=True,
        ),
        Reading("remembered_calls", "Calls that are remembered.", lambda: len(store)),
        Reading("evictions", "Calls forgotten for lack of room.", lambda: store.forgotten, only_grows=True),
    ]


@dataclass(frozen=True, slots=True)
class Metrics:
    """All that can be read. `catch_up` has what is still waiting counted; `refusals` is by code."""

    calls: CallMetrics
    refusals: Mapping[str, int]
    readings: Sequence[Reading]
    catch_up: Callable[[], None]
