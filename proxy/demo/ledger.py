"""What the stand-in's Helicone knows: logged calls, their scores and their properties. No I/O.

The rules are those of Helicone's queue and ClickHouse table (`ScoreManager.ts`, `ScoreStore.ts`): a rating is
accepted whatever its id is, and is dropped in silence unless the row is there when the rating is applied.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from .kept_bodies import KeptBodies

RATING = "helicone-score-feedback"
"""The key under which a rating lives among the scores: 1 or 0."""

WINDOW_SECONDS = 30 * 24 * 3600
"""Helicone looks no further back for the row of a rating."""


KEPT_REQUESTS = 100_000
"""Enough for any demo, and a bound for a load test that runs all night. The oldest go first."""


class Loss(Enum):
    """Why a rating was dropped after its 201, in words."""

    UNKNOWN = "Helicone never logged a request with that id"
    NOT_INGESTED = "the request was not ingested yet"
    OTHER_ORGANISATION = "the request belongs to another organisation"
    TOO_OLD = "the request is older than 30 days"
    UPPER_CASE = "the id was not posted in lower case"
    OVERTAKEN = "a newer message for the same request was in the same batch"


@dataclass(slots=True, kw_only=True)
class Row:
    """One logged call. `created_at`, `finished_at` and `updated_at` are Unix times."""

    request_id: str
    organisation: str
    created_at: float
    finished_at: float
    status: int = 200
    target: str = ""
    model: str = ""
    provider: str = "OPENAI"
    user_id: str = ""
    prompt_id: str = ""
    prompt_version: str = ""
    referrer: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    time_to_first_token_ms: int = 0
    properties: dict[str, str] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    updated_at: float = 0.0
    visible_at: float = 0.0
    """When Helicone has ingested it, on the ledger's steady clock."""

    @property
    def rating(self) -> bool | None:
        """The thumb that is stored, if any."""
        value = self.scores.get(RATING)
        return None if value is None else value == 1

    def rewritten(self, now: float) -> None:
        """A new version of the row forgets these columns: Helicone does not copy them."""
        self.prompt_id = self.prompt_version = self.referrer = ""
        self.updated_at = now


@dataclass(frozen=True, slots=True)
class ScoreEvent:
    """What became of one score message. `loss` is `None` when it was stored."""

    request_id: str
    organisation: str
    scores: Mapping[str, int]
    loss: Loss | None
    at: float
    """Unix time."""

    @property
    def stored(self) -> bool:
        """Whether a row now carries these scores."""
        return self.loss is None

    @property
    def rating(self) -> bool | None:
        """The thumb in it, if there is one."""
        value = self.scores.get(RATING)
        return None if value is None else value == 1


@dataclass(frozen=True, slots=True)
class _Message:
    request_id: str
    organisation: str
    scores: Mapping[str, int]
    replayed: bool = False


class Ledger:
    """Rows and ratings. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        ingestion_delay_seconds: float = 0.3,
        scoring_delay_seconds: float = 0.0,
        replay_seconds: float | None = None,
        unmerged: bool = False,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.ingestion_delay_seconds = ingestion_delay_seconds
        self._scoring_delay_seconds = scoring_delay_seconds
        self._replay_seconds = replay_seconds
        self._unmerged = unmerged
        self._steady = steady
        self._wall = wall
        self.bodies = KeptBodies()
        self.listeners: list[Callable[[ScoreEvent], None]] = []
        self._rows: dict[str, list[Row]] = {}
        self._due: list[tuple[float, int, _Message]] = []
        self._numbers = itertools.count()
        # Re-entrant: a listener may ask the ledger.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Ledger rows={len(self._rows)} due={len(self._due)}>"

    @property
    def rows(self) -> list[Row]:
        """Every logged call, also those that are not ingested yet."""
        with self._lock:
            self._settle()
            return [row for versions in self._rows.values() for row in versions]

    def log(self, row: Row) -> None:
        """Take in a finished call; it is ingested after the delay."""
        with self._lock:
            # ClickHouse keeps ids as UUIDs, which have one spelling.
            row.request_id = row.request_id.lower()
            row.visible_at = self._steady() + self.ingestion_delay_seconds
            row.updated_at = row.finished_at
            self._rows.setdefault(row.request_id, []).append(row)
            while len(self._rows) > KEPT_REQUESTS:
                del self._rows[next(iter(self._rows))]

    def relog(self, request_id: str) -> None:
        """Ingest the newest row of that id once more (a redelivered message), which wipes its scores."""
        with self._lock:
            self._settle()
            row = self._rows[request_id.lower()][-1]
            self._keep_version(row)
            row.scores = {}
            row.updated_at = self._wall()

    def score(self, organisation: str, request_id: str, scores: Mapping[str, int]) -> None:
        """Accept a score message. Nothing tells the caller whether a row will carry it; listeners learn it."""
        with self._lock:
            self._settle()
            message = _Message(request_id, organisation, dict(scores))
            if self._scoring_delay_seconds <= 0:
                self._apply(message)
            else:
                self._overtake(message)
                self._later(self._scoring_delay_seconds, message)
            if self._replay_seconds is not None:
                replay = _Message(request_id, organisation, message.scores, replayed=True)
                self._later(self._replay_seconds, replay)

    def put_property(self, organisation: str, request_id: str, key: str, value: str) -> bool:
        """Attach a property; `False` when the row is not there (this route, unlike ratings, says so)."""
        with self._lock:
            row = self.find(organisation, request_id)
            if row is None:
                return False
            self._keep_version(row)
            row.properties[key] = value
            row.rewritten(self._wall())
            return True

    def find(self, organisation: str, request_id: str) -> Row | None:
        """The newest ingested row of that id in that organisation."""
        with self._lock:
            self._settle()
            ready = [
                row for row in self._rows.get(request_id.lower(), []) if self._readable(row, organisation)
            ]
            return ready[-1] if ready else None

    def ingested(self, organisation: str, ids: Collection[str] | None = None) -> list[Row]:
        """What a query of that organisation can see; with `ids`, of these requests alone."""
        with self._lock:
            self._settle()
            rows = self._rows
            found = rows.values() if ids is None else [rows[each] for each in ids if each in rows]
            versions = itertools.chain.from_iterable(found)
            return [row for row in versions if self._readable(row, organisation)]

    def rating_of(self, request_id: str) -> bool | None:
        """The stored thumb of the newest row of that id, whoever owns it."""
        with self._lock:
            self._settle()
            versions = self._rows.get(request_id.lower())
            return versions[-1].rating if versions else None

    def _readable(self, row: Row, organisation: str) -> bool:
        return row.organisation == organisation and row.visible_at <= self._steady()

    def _keep_version(self, row: Row) -> None:
        if self._unmerged:
            versions = self._rows[row.request_id]
            earlier = replace(row, properties=dict(row.properties), scores=dict(row.scores))
            # By identity: two versions may be equal.
            place = next(number for number, each in enumerate(versions) if each is row)
            versions.insert(place, earlier)

    def _later(self, delay_seconds: float, message: _Message) -> None:
        heapq.heappush(self._due, (self._steady() + delay_seconds, next(self._numbers), message))

    def _overtake(self, message: _Message) -> None:
        kept = []
        for entry in self._due:
            waiting = entry[2]
            if waiting.request_id == message.request_id and not waiting.replayed:
                self._tell(waiting, Loss.OVERTAKEN)
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._due = kept

    def _settle(self) -> None:
        """Apply what has become due. Every reading method begins with it, so no timer is needed."""
        now = self._steady()
        while self._due and self._due[0][0] <= now:
            self._apply(heapq.heappop(self._due)[2])

    def _apply(self, message: _Message) -> None:
        row, loss = self._target(message)
        if row is not None:
            self._keep_version(row)
            row.scores.update(message.scores)
            row.rewritten(self._wall())
        self._tell(message, loss)

    def _target(self, message: _Message) -> tuple[Row | None, Loss | None]:
        versions = self._rows.get(message.request_id.lower())
        if not versions:
            return None, Loss.UNKNOWN
        own = [row for row in versions if row.organisation == message.organisation]
        if not own:
            return None, Loss.OTHER_ORGANISATION
        ready = [row for row in own if row.visible_at <= self._steady()]
        if not ready:
            return None, Loss.NOT_INGESTED
        if ready[-1].created_at < self._wall() - WINDOW_SECONDS:
            return None, Loss.TOO_OLD
        if message.request_id != message.request_id.lower():
            # The row is found, and then looked up in a map by the posted spelling.
            return None, Loss.UPPER_CASE
        return ready[-1], None

    def _tell(self, message: _Message, loss: Loss | None) -> None:
        event = ScoreEvent(message.request_id, message.organisation, message.scores, loss, self._wall())
        for listener in self.listeners:
            listener(event)
