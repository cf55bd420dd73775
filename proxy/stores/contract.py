"""What is asked of a store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from proxy.model import Entry, Progress, Rating, RatingState


class Memorable(Protocol):
    """What a store has to know of a call."""

    request_id: str
    counts_as_last: bool
    """Whether "the last answer" may mean this one. Settled when it is remembered."""
    aliases: tuple[str, ...]
    """What else it is called, each name once. A store that takes an alias for it adds it here."""


C = TypeVar("C", bound=Memorable)


class RecentCalls(Protocol[C]):
    """Remembers the most recent calls, at most `capacity` of them. The least recently used go first.

    A call is used when it is remembered and when it is asked for by its id. Remembering another call under an
    id that is known replaces the first. Aliases go with their call.
    """

    @property
    def capacity(self) -> int:
        """How many there may be."""

    @property
    def forgotten(self) -> int:
        """How many have had to make room so far."""

    def __len__(self) -> int:
        """How many are remembered."""

    def remember(self, call: C) -> None:
        """Remember a call. It arrived later than all before."""

    def find(self, request_id: str) -> C | None:
        """The call with that id."""

    def peek(self, request_id: str) -> C | None:
        """The call with that id; this is no use of it."""

    def add_alias(self, call: C, alias: str) -> C | None:
        """From now on `call` is found by that, too, as long as it is remembered.

        Where another has come under its request id meanwhile, that one is found: Helicone has both under this id.
        Gives the call that has the alias now; None, and nothing happens, where none is remembered under the id.
        """

    def named(self, alias: str, limit: int) -> list[C]:
        """At most `limit` calls with that alias, at least 1; the newest first, and asking is a use of that."""

    def calls(self) -> Iterator[C]:
        """All calls, the newest first. Nothing may be remembered while they are gone through; so with answers."""

    def answers(self) -> Iterator[C]:
        """Those that count as last, the newest first."""

    def newest(self, limit: int) -> list[C]:
        """At most `limit` calls, the newest first."""

    def oldest(self) -> C | None:
        """The one that arrived first."""


class SavedCall(NamedTuple):
    """A call as it is kept on disk; a tuple, since thousands a second may be made.

    `place`: where it is kept. Whoever saves gives each id a place of its own, by a number.
    `arrived` and `used` are moments in one order of events, which only grows: when it was remembered, and when it
    was last remembered or asked for. `document` is JSON text; what it says is for those who save and load.
    """

    place: int
    arrived: int
    used: int
    request_id: str
    document: str


class SavedCalls(Protocol):
    """Calls that outlast the process, one for each place. At most as many are loaded as the store was made for,
    and few more are kept meanwhile. Those whose last use is the longest ago go first.

    What a method has returned is on disk. Each raises OutboxFull or OutboxFailed as the Outbox does, whose file
    it shares; then nothing of it has happened. Calls fill at most half of that file: the rest is for ratings.
    """

    async def save(self, calls: Sequence[SavedCall]) -> None:
        """Keep these, each instead of what is in its place, unless that arrived later."""

    async def load(self) -> list[SavedCall]:
        """All that fit, in the order of their arrival. Those above the capacity are forgotten if there is room."""

    async def forget(self) -> int:
        """Forget all, and leave nothing of them in the file. Gives how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRating:
    """A rating to be taken. Without `due_at` it is held until it is let go."""

    request_id: str
    key_fingerprint: str
    rating: Rating
    state: RatingState
    """HELD or QUEUED."""
    due_at: float | None


@dataclass(frozen=True, slots=True)
class OnceOnly:
    """What makes a repeated request recognisable: its `Idempotency-Key`, and a digest of what it said."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now, the longest due first, and when there is more (None: nothing to come)."""

    entries: Sequence[Entry]
    next_at: float | None


@dataclass(frozen=True, slots=True)
class Depth:
    """How much there is, and since when the oldest open rating waits."""

    by_state: Mapping[RatingState, int]
    """Current ratings by every state but PAUSED."""
    oldest_since: float | None

    @property
    def open(self) -> int:
        """For how many something is still to be done."""
        return sum(number for state, number in self.by_state.items() if state.is_open)


class Outbox(Protocol):
    """The ratings that were taken, and how far each has come. What a method has returned is on disk.

    Ratings are appended; `seq` only grows. Of the entries of one call the newest that was not withdrawn is the
    current one; the newest 20 are kept. Only a current entry is ever due. Times are Unix times; the caller says
    what the time is. Methods may be called at the same time, and take effect one after the other.

    Each method raises OutboxFull when there is no room for what it writes, and OutboxFailed when the disk fails;
    then nothing of it has happened, and a later call finds the store working again as soon as the disk does.
    Only where the disk fails in the middle of a commit may the rating be found to be there all the same, once it
    works again: whoever repeats it adds the same again, and the last one stands.

    A rating has left when it was posted or accepted (words alone are put onto a call, which is no post).
    """

    @property
    def description(self) -> Mapping[str, object]:
        """What it is and how safe, for the health answer: where, which engine, how it syncs, what was salvaged."""

    async def append(
        self, ratings: Sequence[NewRating], now: float, once: OnceOnly | None = None
    ) -> list[Entry]:
        """Take ratings, all of them or none, in this order.

        Each lies `over` the current rating of its call, unless that was refused. An automated one is not taken
        where a person's is current: what it gives then is that one. Entries of its call that are open become
        SUPERSEDED, and those that are verified are not due any more. Gives them as they stand when all
        are taken. With `once`, the same key and digest within a day give the entries of the first time, as they
        stand now; for so long they are not forgotten. Raises KeyReused for another digest.
        """

    async def recall(self, once: OnceOnly, now: float) -> list[Entry] | None:
        """The entries that were taken with that key within a day, as they stand now. Raises KeyReused."""

    async def advance(self, entry: Entry, before: Progress, after: Progress) -> bool:
        """Move on an entry whose state and posts still are those of `before`; False (and nothing happens) if not.

        So a rating that was superseded or withdrawn in the meantime stays what it is.
        """

    async def let_go(self, request_id: str | None, due_at: float) -> int:
        """The HELD entries of that call (None: of every call) without a time get one. Gives how many."""

    async def due(
        self, key_fingerprint: str, now: float, limit: int, states: Sequence[RatingState] = ()
    ) -> Due:
        """At most `limit` current entries under that key, in one of these states (none given: in any), whose time
        has come."""

    async def bring_forward(self, latest: float) -> int:
        """What is due later than that is due then: a clock that was wrong may have put it off for years. Gives how
        many."""

    async def keys(self) -> list[str]:
        """The fingerprints under which anything is due, now or later."""

    async def queued(self, key_fingerprints: Sequence[str]) -> int:
        """How many current entries are QUEUED under one of these keys."""

    async def release(self, key_fingerprint: str, now: float) -> None:
        """QUEUED entries under that key that wait after a failure are due now."""

    async def current(self, request_ids: Sequence[str]) -> dict[str, Entry]:
        """The current entries of these calls, as far as there are any."""

    async def history(self, request_id: str) -> list[Entry]:
        """The newest 20 entries of a call, withdrawn ones too, the newest first."""

    async def listing(
        self, states: Sequence[RatingState] = (), *, before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """Current entries in one of these states (none given: in any), `seq` below `before`, the newest first.

        None is PAUSED, since that is no state of the store's.
        """

    async def withdraw(self, request_id: str, now: float) -> Entry | None:
        """Take the current rating back if it has never left; the entry as it is then, or None if there is no such.

        Older ratings of the call that never left, back to the newest that did, are gone with it: it contains them.
        The newest that did leave is the current one again: ACCEPTED and due now, if it had been superseded. A
        refused one that never left can be taken back, too. An automated one that only a person's had kept from
        leaving is QUEUED again when that is taken back.
        """

    async def retry(self, request_id: str | None, now: float) -> int:
        """The current entry of that call (None: of all calls) if REFUSED is QUEUED again, due now. Gives how many.

        It has as much time as one just taken (`since`, looks and failures). What has happened stays: how often it
        left and was accepted, and when.
        """

    async def depth(self) -> Depth:
        """How much there is."""

    async def prune(self, before: float) -> int:
        """Forget what was settled before then, some at a time. Gives how many.

        Refused ones stay while they are current; so does what is still due, what an idempotency key stands for,
        and what would be current again if the current one were taken back.
        """

    async def close(self) -> None:
        """Finish what was asked for, and let go of the file."""
