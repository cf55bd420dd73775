"""The contract of an outbox in its plainest form: a list of entries, walked through for every question."""

from collections.abc import Sequence
from dataclasses import replace

from proxy.model import Entry, Progress, RatingState
from proxy.stores.contract import NewRating


def has_left(entry: Entry) -> bool:
    """Whether Helicone may have something of it."""
    return entry.progress.posts > 0 or entry.progress.accepted_at is not None


class OutboxModel:
    """See `stores.contract.Outbox`; without idempotency keys. It keeps more than 20 entries of a call."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.currents: dict[str, int] = {}
        self.last_seq = 0

    def move(self, seq: int, **changes: object) -> None:
        entry = self.entries[seq]
        self.entries[seq] = replace(entry, progress=replace(entry.progress, **changes))  # type: ignore[arg-type]

    def of(self, request_id: str) -> list[Entry]:
        return [
            each for _, each in sorted(self.entries.items(), reverse=True) if each.request_id == request_id
        ]

    def current(self) -> list[Entry]:
        return [self.entries[seq] for seq in sorted(self.currents.values(), reverse=True)]

    def append(self, ratings: Sequence[NewRating], now: float) -> list[int]:
        taken = []
        for new in ratings:
            rating, older = new.rating, self.of(new.request_id)
            seq = self.currents.get(new.request_id)
            if seq is not None:
                current = self.entries[seq]
                if rating.source == "automated" and current.rating.source != "automated":
                    taken.append(seq)
                    continue
                if current.progress.state is not RatingState.REFUSED:
                    rating = rating.over(current.rating)
                if current.progress.state.is_open:
                    self.move(seq, state=RatingState.SUPERSEDED, settled_at=now)
                self.move(seq, due_at=None)
            self.last_seq += 1
            self.entries[self.last_seq] = Entry(
                seq=self.last_seq,
                request_id=new.request_id,
                key_fingerprint=new.key_fingerprint,
                rating=rating,
                rated_at=now,
                changes_another=any(has_left(each) or each.changes_another for each in older),
                progress=Progress(state=new.state, since=now, due_at=new.due_at),
            )
            self.currents[new.request_id] = self.last_seq
            taken.append(self.last_seq)
        return taken

    def advance(self, seq: int, before: Progress, after: Progress) -> bool:
        entry = self.entries.get(seq)
        if entry is None or (entry.progress.state, entry.progress.posts) != (before.state, before.posts):
            return False
        self.entries[seq] = replace(entry, progress=after)
        return True

    def let_go(self, request_id: str | None, due_at: float) -> int:
        waiting = [
            each.seq
            for each in self.current()
            if each.progress.state is RatingState.HELD
            and each.progress.due_at is None
            and request_id in (None, each.request_id)
        ]
        for seq in waiting:
            self.move(seq, due_at=due_at)
        return len(waiting)

    def due(
        self, fingerprint: str, now: float, limit: int, states: Sequence[RatingState] = ()
    ) -> tuple[list[Entry], float | None]:
        waiting = sorted(
            (each.progress.due_at, each.seq)
            for each in self.current()
            if each.key_fingerprint == fingerprint
            and each.progress.due_at is not None
            and (not states or each.progress.state in states)
        )
        ripe = [seq for due_at, seq in waiting if due_at <= now][:limit]
        later = [due_at for due_at, seq in waiting if seq not in ripe]
        return [self.entries[seq] for seq in ripe], min(later, default=None)

    def keys(self) -> set[str]:
        return {each.key_fingerprint for each in self.current() if each.progress.due_at is not None}

    def release(self, fingerprint: str, now: float) -> None:
        for each in self.current():
            progress = each.progress
            if (
                each.key_fingerprint == fingerprint
                and progress.state is RatingState.QUEUED
                and progress.failures
                and progress.due_at is not None
            ):
                self.move(each.seq, due_at=min(now, progress.due_at))

    def withdraw(self, request_id: str, now: float) -> int | None:
        seq = self.currents.get(request_id)
        if seq is None or has_left(self.entries[seq]):
            return None
        del self.currents[request_id]
        for each in self.of(request_id):
            if each.progress.state is RatingState.WITHDRAWN:
                continue
            superseded = each.progress.state is RatingState.SUPERSEDED
            by_a_person = self.entries[seq].rating.source != "automated"
            if not has_left(each) and superseded and each.rating.source == "automated" and by_a_person:
                self.currents[request_id] = each.seq
                self.move(each.seq, state=RatingState.QUEUED, due_at=now, settled_at=None)
                break
            if has_left(each):
                self.currents[request_id] = each.seq
                if each.progress.state is RatingState.SUPERSEDED:
                    self.move(each.seq, state=RatingState.ACCEPTED, due_at=now, settled_at=None)
                break
            self.move(each.seq, state=RatingState.WITHDRAWN, due_at=None, settled_at=now)
        return seq

    def retry(self, request_id: str | None, now: float) -> int:
        refused = [
            each.seq
            for each in self.current()
            if each.progress.state is RatingState.REFUSED and request_id in (None, each.request_id)
        ]
        for seq in refused:
            self.move(
                seq,
                state=RatingState.QUEUED,
                since=now,
                due_at=now,
                looks=0,
                failures=0,
                settled_at=None,
                reason=None,
            )
        return len(refused)

    def prune(self, before: float) -> None:
        for seq, entry in list(self.entries.items()):
            progress, current = entry.progress, self.currents.get(entry.request_id)
            if progress.settled_at is None or progress.settled_at >= before or progress.due_at is not None:
                continue
            if current == seq:
                if progress.state is not RatingState.REFUSED:
                    del self.currents[entry.request_id], self.entries[seq]
            elif not has_left(entry) or current is None or has_left(self.entries[current]):
                del self.entries[seq]
