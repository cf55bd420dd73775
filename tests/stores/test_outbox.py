"""What every outbox does. A new one joins by a line in PLACES."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.loops import LoopThread
from harness.outbox_model import OutboxModel
from proxy.errors import KeyReused
from proxy.model import Entry, Progress, Rating, RatingState
from proxy.stores.contract import NewRating, OnceOnly, Outbox
from proxy.stores.opening import Place
from proxy.stores.sqlite import SqliteOutbox

MIB = 1024 * 1024
DAY = 86_400.0
UP, DOWN = Rating(up=True), Rating(up=False)
HELD, QUEUED, ACCEPTED = RatingState.HELD, RatingState.QUEUED, RatingState.ACCEPTED
VERIFIED, REFUSED = RatingState.VERIFIED, RatingState.REFUSED
SUPERSEDED, WITHDRAWN = RatingState.SUPERSEDED, RatingState.WITHDRAWN

PLACES: dict[str, Callable[[Path], Place]] = {
    "file": lambda folder: folder / "state" / "outbox.db",
    "memory": lambda folder: ":memory:",
}


async def open_outbox(place: Place) -> Outbox:
    return await SqliteOutbox.open(place, max_bytes=64 * MIB, stamp=lambda: "now")


@pytest.fixture(params=list(PLACES))
def outbox(request: pytest.FixtureRequest, tmp_path: Path, sound_loop: LoopThread) -> Iterator[Outbox]:
    """An empty one."""
    opened = sound_loop.run(open_outbox(PLACES[request.param](tmp_path)))
    yield opened
    sound_loop.run(opened.close())


def new(
    request_id: str = "a", rating: Rating = UP, *, key: str = "k", due_at: float | None = 0.0
) -> NewRating:
    """A rating to be taken; without a time it is held."""
    return NewRating(
        request_id=request_id,
        key_fingerprint=key,
        rating=rating,
        state=HELD if due_at is None else QUEUED,
        due_at=due_at,
    )


async def add(outbox: Outbox, *ratings: NewRating, now: float = 1.0) -> Entry:
    """Take ratings; the last of them."""
    return (await outbox.append(ratings, now))[-1]


async def move(outbox: Outbox, entry: Entry, **changes: Any) -> Entry:  # noqa: ANN401  # fields of a Progress
    """Bring an entry somewhere."""
    after = replace(entry.progress, **changes)
    assert await outbox.advance(entry, entry.progress, after)
    return replace(entry, progress=after)


async def leave(outbox: Outbox, entry: Entry, now: float = 2.0) -> Entry:
    """It is sent and accepted."""
    return await move(
        outbox, entry, state=ACCEPTED, posts=1, accepts=1, posted_at=now, accepted_at=now, due_at=now + 20
    )


async def states(outbox: Outbox, request_id: str = "a") -> list[RatingState]:
    """Those of a call's entries, the oldest first."""
    return [entry.progress.state for entry in reversed(await outbox.history(request_id))]


def test_an_empty_outbox_knows_nothing(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        due = await outbox.due("k", 9e9, 10)
        assert (due.entries, due.next_at) == ([], None)
        assert await outbox.keys() == []
        assert await outbox.current(["a"]) == {}
        assert await outbox.history("a") == []
        assert await outbox.listing() == []
        assert await outbox.withdraw("a", 1.0) is None
        assert await outbox.retry(None, 1.0) == await outbox.retry("a", 1.0) == 0
        assert await outbox.let_go(None, 1.0) == 0
        assert await outbox.prune(9e9) == 0
        depth = await outbox.depth()
        assert set(depth.by_state) == set(RatingState) - {RatingState.PAUSED}
        assert set(depth.by_state.values()) == {0}
        assert depth.oldest_since is None
        unknown = Entry(
            seq=1,
            request_id="a",
            key_fingerprint="k",
            rating=UP,
            rated_at=1.0,
            changes_another=False,
            progress=Progress(state=QUEUED, since=1.0),
        )
        assert not await outbox.advance(unknown, unknown.progress, Progress(state=HELD, since=1.0))
        assert await outbox.append([], 1.0) == []

    loop.run(story())


def test_a_rating_comes_back_as_it_was_taken(outbox: Outbox, loop: LoopThread) -> None:
    rating = Rating(
        up=None,
        scores={"clarity": 2**70, "is_ok": False},
        comment="👎 \ud800 \0 'quoted'",
        rater="someone",
        source="end_user",
        tags=("a", "b"),
    )

    async def story() -> None:
        entry = await add(outbox, new("a", rating, due_at=7.5), now=1.25)
        assert entry == Entry(
            seq=entry.seq,
            request_id="a",
            key_fingerprint="k",
            rating=rating,
            rated_at=1.25,
            changes_another=False,
            progress=Progress(state=QUEUED, since=1.25, due_at=7.5),
        )
        assert type(entry.rating.scores["is_ok"]) is bool
        assert await outbox.history("a") == [entry]
        assert await outbox.current(["a", "b"]) == {"a": entry}

    loop.run(story())


def test_a_progress_comes_back_as_it_was_written(outbox: Outbox, loop: LoopThread) -> None:
    after = Progress(
        state=VERIFIED,
        since=1.5,
        due_at=2.5,
        posts=3,
        accepts=2,
        looks=4,
        failures=5,
        posted_at=3.5,
        accepted_at=4.5,
        settled_at=5.5,
        reason="It was late.",
    )

    async def story() -> None:
        entry = await add(outbox, new())
        assert await outbox.advance(entry, entry.progress, after)
        assert (await outbox.current(["a"]))["a"].progress == after

    loop.run(story())


def test_the_last_rating_of_a_call_is_the_current_one(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        first = await add(outbox, new("a", Rating(up=True, comment="fine", scores={"x": 1, "y": 1})))
        second = await add(outbox, new("a", Rating(up=False, scores={"x": 2})), now=5.0)
        assert second.seq > first.seq
        assert second.rating == Rating(up=False, comment="fine", scores={"x": 2, "y": 1})
        assert not second.changes_another
        assert await outbox.current(["a"]) == {"a": second}
        assert [entry.seq for entry in await outbox.listing()] == [second.seq]
        old = (await outbox.history("a"))[1]
        assert (old.progress.state, old.progress.settled_at, old.progress.due_at) == (SUPERSEDED, 5.0, None)
        assert old.rating == first.rating
        assert not await outbox.advance(first, first.progress, first.progress)
        assert (await outbox.due("k", 9.0, 10)).entries == [second]

    loop.run(story())


def test_a_rating_after_one_that_has_left_changes_it(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await leave(outbox, await add(outbox, new()))
        assert (await add(outbox, new("a", DOWN))).changes_another
        assert (await add(outbox, new("a", UP))).changes_another
        assert not (await add(outbox, new("b"))).changes_another

    loop.run(story())


def test_a_rating_does_not_lie_over_a_refused_one(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        first = await add(outbox, new("a", Rating(up=True, comment="too long")))
        await move(outbox, first, state=REFUSED, due_at=None, settled_at=2.0)
        assert (await add(outbox, new("a", DOWN))).rating == DOWN
        assert await states(outbox) == [REFUSED, QUEUED]

    loop.run(story())


BY_RULE = Rating(up=False, comment="short", source="automated", tags=("short",), rule="too short")


def test_an_automated_rating_is_not_taken_where_a_persons_stands(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        person = await add(outbox, new("a", UP))
        assert await add(outbox, new("a", BY_RULE), now=5.0) == person
        assert await outbox.history("a") == [person]
        again = await add(outbox, new("a", replace(BY_RULE, rule=None)), new("a", DOWN), now=6.0)
        assert again.rating == DOWN

    loop.run(story())


def test_a_persons_rating_takes_the_place_of_a_rules_and_says_none_of_its_words(
    outbox: Outbox, loop: LoopThread
) -> None:
    async def story() -> None:
        await leave(outbox, await add(outbox, new("a", BY_RULE)))
        person = await add(outbox, new("a", Rating(up=True, comment="fine")))
        assert person.rating == Rating(up=True, comment="fine", overruled=("source", "rule", "tags"))
        assert (await outbox.history("a"))[0].rating == person.rating
        later = await add(outbox, new("a", Rating(source="end_user")))
        assert later.rating == Rating(up=True, comment="fine", source="end_user", overruled=("rule", "tags"))

    loop.run(story())


def test_an_apps_own_automated_thumb_has_no_rules_name_and_says_none_of_its_words(
    outbox: Outbox, loop: LoopThread
) -> None:
    async def story() -> None:
        await leave(outbox, await add(outbox, new("a", BY_RULE)))
        apps = Rating(up=True, source="automated", tags=("checked",))
        assert (await add(outbox, new("a", apps))).rating == replace(apps, overruled=("comment", "rule"))
        person = await add(outbox, new("a", DOWN))
        assert person.rating == replace(DOWN, overruled=("comment", "source", "rule", "tags"))

    loop.run(story())


@pytest.mark.parametrize("has_left", [True, False])
def test_a_rules_rating_stands_again_when_a_persons_is_taken_back(
    outbox: Outbox, loop: LoopThread, has_left: bool
) -> None:
    async def story() -> None:
        rule = await add(outbox, new("a", BY_RULE))
        if has_left:
            await leave(outbox, rule)
        for each in (UP, DOWN):
            await add(outbox, new("a", each, due_at=9.0))
        assert await outbox.withdraw("a", 3.0) is not None
        [entry] = (await outbox.current(["a"])).values()
        assert (entry.seq, entry.rating) == (rule.seq, BY_RULE)
        assert (entry.progress.state, entry.progress.due_at) == (ACCEPTED if has_left else QUEUED, 3.0)
        assert await states(outbox) == [entry.progress.state, WITHDRAWN, WITHDRAWN]

    loop.run(story())


def test_a_verified_rating_stays_verified_and_is_not_due_any_more(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        first = await leave(outbox, await add(outbox, new()))
        await move(outbox, first, state=VERIFIED, settled_at=3.0, due_at=600.0)
        await add(outbox, new("a", DOWN, due_at=700.0), now=5.0)
        old = (await outbox.history("a"))[1].progress
        assert (old.state, old.settled_at, old.due_at) == (VERIFIED, 3.0, None)
        due = await outbox.due("k", 650.0, 10)
        assert (due.entries, due.next_at) == ([], 700.0)

    loop.run(story())


def test_ratings_are_taken_in_their_order_and_given_as_they_stand(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        entries = await outbox.append([new("a"), new("b"), new("a", DOWN)], 1.0)
        assert [entry.progress.state for entry in entries] == [SUPERSEDED, QUEUED, QUEUED]
        assert sorted(entry.seq for entry in entries) == [entry.seq for entry in entries]
        many = await outbox.append([new("c", UP if number % 2 else DOWN) for number in range(1000)], 2.0)
        assert len(many) == 1000
        assert [entry.seq for entry in await outbox.history("c")] == [entry.seq for entry in many[:-21:-1]]

    loop.run(story())


def test_all_ratings_are_taken_or_none(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await add(outbox, new("a"))
        wrong = replace(new("b"), state=RatingState.PAUSED)
        with pytest.raises(sqlite3.IntegrityError):
            await outbox.append([new("a", DOWN), new("c"), wrong], 2.0)
        assert await states(outbox) == [QUEUED]
        assert await outbox.current(["b", "c"]) == {}
        assert (await outbox.depth()).by_state[QUEUED] == 1

    loop.run(story())


def test_the_newest_twenty_entries_of_a_call_are_kept(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        for number in range(30):
            last = await add(outbox, new("a"), new("b"), now=float(number))
        history = await outbox.history("a")
        assert len(history) == 20
        assert history[0].seq == last.seq - 1
        assert len(await outbox.history("b")) == 20

    loop.run(story())


def test_what_has_left_is_kept_below_any_number_of_ratings_that_were_taken_back(
    outbox: Outbox, loop: LoopThread
) -> None:
    async def story() -> None:
        first = await leave(outbox, await add(outbox, new()))
        for number in range(30):
            held = await add(outbox, new("a", DOWN, due_at=None), now=5.0 + number)
            assert held.changes_another
            assert await outbox.withdraw("a", 5.5 + number) is not None
        current = (await outbox.current(["a"]))["a"]
        assert current.seq == first.seq
        assert (current.progress.state, current.progress.due_at) == (ACCEPTED, 34.5)

    loop.run(story())


def test_what_is_due_comes_in_the_order_of_its_times(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await outbox.append(
            [new("a", due_at=3.0), new("b", due_at=1.0), new("c", due_at=3.0), new("d", due_at=9.0)], 0.0
        )
        await outbox.append([new("x", key="other", due_at=0.5), new("h", due_at=None)], 0.0)
        for now, limit, ids, next_at in (
            (0.9, 10, "", 1.0),
            (1.0, 10, "b", 3.0),
            (3.0, 10, "bac", 9.0),
            (3.0, 2, "ba", 3.0),
            (3.0, 3, "bac", 9.0),
            (3.0, 0, "", 1.0),
            (99.0, 10, "bacd", None),
        ):
            due = await outbox.due("k", now, limit)
            assert ("".join(entry.request_id for entry in due.entries), due.next_at) == (ids, next_at)
        assert (await outbox.due("nobody", 99.0, 10)).next_at is None
        assert (await outbox.due("k", 99.0, 10, (RatingState.ACCEPTED,))).entries == []
        assert await outbox.bring_forward(5.0) == 1
        assert (await outbox.due("k", 4.9, 10)).next_at == 5.0
        assert sorted(await outbox.keys()) == ["k", "other"]

    loop.run(story())


def test_keys_under_which_nothing_is_to_come_are_not_listed(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        entries = await outbox.append([new(key, key=key, due_at=5.0) for key in "defab"], 0.0)
        await move(outbox, entries[1], state=VERIFIED, settled_at=1.0, due_at=None)
        await add(outbox, new("held", key="z", due_at=None))
        assert sorted(await outbox.keys()) == ["a", "b", "d", "f"]

    loop.run(story())


def test_an_entry_is_moved_on_only_from_where_the_caller_believes_it(
    outbox: Outbox, loop: LoopThread
) -> None:
    async def story() -> None:
        entry = await add(outbox, new())
        posted = await move(outbox, entry, posts=1, posted_at=1.0)
        for wrong in (entry.progress, replace(posted.progress, state=ACCEPTED)):
            assert not await outbox.advance(entry, wrong, replace(wrong, reason="wrong"))
        assert await outbox.history("a") == [posted]
        # Nothing but state and posts counts.
        assert await outbox.advance(
            entry, replace(posted.progress, reason="other"), replace(posted.progress, failures=1)
        )

    loop.run(story())


def test_of_many_who_claim_an_entry_one_gets_it(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        entry = await add(outbox, new())
        claims = [outbox.advance(entry, entry.progress, replace(entry.progress, posts=1)) for _ in range(20)]
        assert sum(await asyncio.gather(*claims)) == 1

    loop.run(story())


def test_held_ratings_without_a_time_get_one(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await outbox.append([new("a", due_at=None), new("b", due_at=None)], 1.0)
        timed = replace(new("c"), state=HELD, due_at=50.0)
        await outbox.append([timed, new("d", due_at=60.0)], 1.0)
        assert await outbox.let_go("a", 5.0) == 1
        assert await outbox.let_go("a", 6.0) == 0
        assert await outbox.let_go("c", 6.0) == 0
        assert await outbox.let_go(None, 7.0) == 1
        due = (await outbox.due("k", 99.0, 10)).entries
        assert [(each.request_id, each.progress.due_at, each.progress.state) for each in due] == [
            ("a", 5.0, HELD),
            ("b", 7.0, HELD),
            ("c", 50.0, HELD),
            ("d", 60.0, QUEUED),
        ]

    loop.run(story())


def test_only_what_waits_after_a_failure_is_released(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        failed, other, _, accepted, ripe = await outbox.append(
            [new("failed"), new("other", key="o"), new("fresh", due_at=90.0), new("accepted"), new("ripe")],
            1.0,
        )
        for entry, due_at in ((failed, 300.0), (other, 300.0), (ripe, 2.0)):
            await move(outbox, entry, failures=2, due_at=due_at)
        await move(outbox, accepted, state=ACCEPTED, failures=1, due_at=300.0)
        await outbox.release("k", 10.0)
        times = {
            request_id: (entry.progress.due_at, entry.progress.failures)
            for request_id, entry in (
                await outbox.current(["failed", "other", "fresh", "accepted", "ripe"])
            ).items()
        }
        assert times == {
            "failed": (10.0, 2),
            "other": (300.0, 2),
            "fresh": (90.0, 0),
            "accepted": (300.0, 1),
            "ripe": (2.0, 2),
        }

    loop.run(story())


def test_current_ratings_are_listed_by_state_the_newest_first(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        entries = [await add(outbox, new(str(number))) for number in range(6)]
        for number in (1, 4):
            await move(outbox, entries[number], state=REFUSED, due_at=None, settled_at=2.0)
        await leave(outbox, entries[2])
        await add(outbox, new("3", DOWN))
        await outbox.withdraw("5", 3.0)

        async def ids(*wanted: RatingState, **page: int) -> str:
            return "".join(each.request_id for each in await outbox.listing(wanted, **page))

        assert await ids() == "34210"
        assert await ids(limit=2) == "34"
        assert await ids(before=entries[4].seq) == "210"
        assert await ids(REFUSED, QUEUED) == "3410"
        assert await ids(REFUSED, REFUSED) == "41"
        assert await ids(REFUSED, before=entries[4].seq, limit=5) == "1"
        assert await ids(SUPERSEDED, WITHDRAWN, RatingState.PAUSED) == ""
        assert await ids(limit=0) == ""

    loop.run(story())


def test_a_rating_that_has_not_left_can_be_taken_back(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await outbox.append([new(), new("a", DOWN, due_at=None)], 1.0)
        gone = await outbox.withdraw("a", 9.0)
        assert gone is not None
        assert (gone.rating, gone.progress.state, gone.progress.settled_at) == (DOWN, WITHDRAWN, 9.0)
        assert gone.progress.due_at is None
        assert await states(outbox) == [WITHDRAWN, WITHDRAWN]
        assert await outbox.current(["a"]) == {}
        assert (await outbox.due("k", 99.0, 10)).entries == []
        assert await outbox.withdraw("a", 10.0) is None
        assert not await outbox.advance(gone, replace(gone.progress, state=HELD), gone.progress)
        after = await add(outbox, new("a", Rating(comment="new")))
        assert after.rating == Rating(comment="new")
        assert not after.changes_another

    loop.run(story())


def test_a_refused_rating_that_never_left_can_be_taken_back(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await move(outbox, await add(outbox, new()), state=REFUSED, due_at=None, settled_at=2.0)
        gone = await outbox.withdraw("a", 9.0)
        assert gone is not None
        assert gone.progress.state is WITHDRAWN

    loop.run(story())


@pytest.mark.parametrize("traces", [{"posts": 1}, {"state": ACCEPTED, "accepted_at": 2.0}])
def test_a_rating_that_has_left_cannot_be_taken_back(
    outbox: Outbox, loop: LoopThread, traces: dict[str, Any]
) -> None:
    async def story() -> None:
        entry = await move(outbox, await add(outbox, new()), **traces)
        assert await outbox.withdraw("a", 9.0) is None
        assert await outbox.history("a") == [entry]

    loop.run(story())


def test_after_a_rating_is_taken_back_the_newest_that_left_is_current_again(
    outbox: Outbox, loop: LoopThread
) -> None:
    async def story() -> None:
        await add(outbox, new())
        sent = await leave(outbox, await add(outbox, new("a", DOWN)))
        await add(outbox, new("a", UP))
        await add(outbox, new("a", Rating(comment="hm"), due_at=None), now=7.0)
        await outbox.withdraw("a", 9.0)
        assert await states(outbox) == [SUPERSEDED, ACCEPTED, WITHDRAWN, WITHDRAWN]
        current = (await outbox.current(["a"]))["a"]
        assert current == replace(sent, progress=replace(sent.progress, due_at=9.0))
        assert (await outbox.due("k", 9.0, 10)).entries == [current]
        assert await outbox.withdraw("a", 9.0) is None

    loop.run(story())


@pytest.mark.parametrize("state", [VERIFIED, REFUSED])
def test_what_was_settled_is_current_again_as_it_was(
    outbox: Outbox, loop: LoopThread, state: RatingState
) -> None:
    async def story() -> None:
        sent = await leave(outbox, await add(outbox, new()))
        settled = await move(outbox, sent, state=state, settled_at=3.0, due_at=None, reason="So it is.")
        await add(outbox, new("a", DOWN, due_at=None), now=7.0)
        await outbox.withdraw("a", 9.0)
        assert await outbox.current(["a"]) == {"a": settled}

    loop.run(story())


def test_refused_ratings_are_sent_on_their_way_again(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        for request_id in "abc":
            sent = await leave(outbox, await add(outbox, new(request_id)))
            await move(
                outbox, sent, state=REFUSED, due_at=None, settled_at=5.0, reason="no", looks=3, failures=1
            )
        await add(outbox, new("c", DOWN))
        await add(outbox, new("d"))
        assert await outbox.retry("d", 8.0) == 0
        assert await outbox.retry("a", 8.0) == 1
        assert await outbox.retry(None, 9.0) == 1
        current = await outbox.current(["a", "b"])
        assert current["a"].progress == Progress(
            state=QUEUED, since=8.0, due_at=8.0, posts=1, accepts=1, posted_at=2.0, accepted_at=2.0
        )
        assert current["b"].progress.since == 9.0
        # It has left: nobody can take it back.
        assert await outbox.withdraw("a", 9.0) is None

    loop.run(story())


def test_the_depth_counts_current_ratings(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        entries = [await add(outbox, new(str(number)), now=float(number)) for number in range(8)]
        await add(outbox, new("0", DOWN), now=50.0)
        await leave(outbox, entries[2])
        await move(outbox, entries[1], state=VERIFIED, due_at=99.0, settled_at=60.0)
        await move(outbox, entries[3], state=REFUSED, due_at=None, settled_at=60.0)
        await outbox.withdraw("4", 60.0)
        await add(outbox, new("h", due_at=None), now=70.0)
        depth = await outbox.depth()
        assert {state: number for state, number in depth.by_state.items() if number} == {
            HELD: 1,
            QUEUED: 4,
            ACCEPTED: 1,
            VERIFIED: 1,
            REFUSED: 1,
        }
        assert depth.oldest_since == 2.0
        await outbox.prune(70.0)
        assert (await outbox.depth()).by_state[VERIFIED] == 1
        await move(outbox, (await outbox.current(["1"]))["1"], due_at=None)
        await outbox.prune(70.0)
        assert (await outbox.depth()).by_state[VERIFIED] == 0

    loop.run(story())


def test_what_was_settled_long_ago_is_forgotten(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        entries = {request_id: await add(outbox, new(request_id)) for request_id in "avrqw"}
        await move(outbox, entries["v"], state=VERIFIED, due_at=None, settled_at=10.0)
        await move(outbox, entries["r"], state=REFUSED, due_at=None, settled_at=10.0)
        await outbox.withdraw("w", 11.0)
        await add(outbox, new("q", DOWN), now=12.0)
        assert await outbox.prune(10.0) == 0
        assert await outbox.prune(12.5) == 3
        assert await outbox.history("v") == await outbox.history("w") == []
        assert await states(outbox, "r") == [REFUSED]
        assert await states(outbox, "q") == [QUEUED]
        assert await states(outbox, "a") == [QUEUED]
        await add(outbox, new("r", DOWN), now=13.0)
        assert await outbox.prune(20.0) == 1
        assert await states(outbox, "r") == [QUEUED]
        assert (await add(outbox, new("z"))).seq > entries["w"].seq + 2

    loop.run(story())


def test_what_has_left_is_not_forgotten_while_it_may_be_current_again(
    outbox: Outbox, loop: LoopThread
) -> None:
    async def story() -> None:
        sent = await leave(outbox, await add(outbox, new()))
        await add(outbox, new("a", DOWN, due_at=None), now=5.0)
        assert await outbox.prune(1e6) == 0
        await outbox.withdraw("a", 2e6)
        assert (await outbox.current(["a"]))["a"].seq == sent.seq

    loop.run(story())


def test_thousands_are_forgotten_in_one_call(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        for start in range(0, 2500, 500):
            await outbox.append([new(str(number)) for number in range(start, start + 500)], 1.0)
        entries = await outbox.listing(limit=10_000)
        assert len(entries) == 2500
        await asyncio.gather(
            *(move(outbox, entry, state=VERIFIED, due_at=None, settled_at=2.0) for entry in entries)
        )
        assert await outbox.prune(3.0) == 2500
        assert await outbox.listing() == []

    loop.run(story())


# --- idempotency --------------------------------------------------------------------------------------------


def test_the_same_request_within_a_day_gives_the_same_entries(outbox: Outbox, loop: LoopThread) -> None:
    once = OnceOnly("key", "digest")

    async def story() -> None:
        assert await outbox.recall(once, 100.0) is None
        first = await outbox.append([new("b"), new("a")], 100.0, once)
        assert await outbox.append([new("b"), new("a")], 100.0 + DAY - 1, once) == first
        assert await outbox.recall(once, 100.0) == first
        sent = await leave(outbox, first[1])
        assert await outbox.recall(once, 200.0) == [first[0], sent]
        assert await outbox.recall(OnceOnly("other", "digest"), 200.0) is None
        assert len(await outbox.listing()) == 2

    loop.run(story())


def test_another_request_with_the_same_key_is_refused(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await outbox.append([new()], 100.0, OnceOnly("key", "digest"))
        for attempt in (
            outbox.append([new("b")], 101.0, OnceOnly("key", "other")),
            outbox.recall(OnceOnly("key", "other"), 101.0),
        ):
            with pytest.raises(KeyReused):
                await attempt
        assert await outbox.current(["b"]) == {}

    loop.run(story())


def test_after_a_day_a_key_is_new_again(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        await outbox.append([new()], 100.0, OnceOnly("key", "digest"))
        assert await outbox.recall(OnceOnly("key", "other"), 100.0 + DAY) is None
        second = await outbox.append([new("b")], 100.0 + DAY, OnceOnly("key", "other"))
        assert await outbox.recall(OnceOnly("key", "other"), 101.0 + DAY) == second

    loop.run(story())


def test_equal_requests_at_the_same_time_give_one_rating(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        once = OnceOnly("key", "digest")
        answers = await asyncio.gather(*(outbox.append([new()], 1.0, once) for _ in range(10)))
        assert len({entries[0].seq for entries in answers}) == 1
        assert len(await outbox.history("a")) == 1

    loop.run(story())


def test_what_a_key_stands_for_is_not_forgotten_within_the_day(outbox: Outbox, loop: LoopThread) -> None:
    async def story() -> None:
        once = OnceOnly("key", "digest")
        (first,) = await outbox.append([new()], 100.0, once)
        for number in range(30):
            await add(outbox, new("a", DOWN), now=101.0 + number)
        assert len(await outbox.history("a")) == 20
        await outbox.prune(1000.0)
        recalled = await outbox.recall(once, 50_000.0)
        assert recalled is not None
        assert [(each.seq, each.progress.state) for each in recalled] == [(first.seq, SUPERSEDED)]
        assert await outbox.prune(101.0 + DAY) >= 1
        assert await outbox.recall(once, 102.0 + DAY) is None

    loop.run(story())


# --- the model ----------------------------------------------------------------------------------------------

CALLS = st.sampled_from("abc")
MAYBE_CALL = st.one_of(st.none(), CALLS)
TIMES = st.one_of(st.none(), st.integers(0, 40).map(float))
RATINGS = st.builds(
    Rating,
    up=st.sampled_from([True, False, None]),
    scores=st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
    comment=st.sampled_from([None, "words"]),
    source=st.sampled_from([None, "page", "automated"]),
    tags=st.sampled_from([(), ("short",)]),
)
NEW = st.builds(
    lambda request_id, rating, key, due_at: new(request_id, rating, key=key, due_at=due_at),
    CALLS,
    RATINGS,
    st.sampled_from("kl"),
    TIMES,
)
STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(NEW, max_size=3)),
    st.tuples(
        st.just("advance"), st.integers(0, 9), st.sampled_from(["post", "verify", "refuse", "fail", "put"])
    ),
    st.tuples(st.just("stale"), st.integers(0, 99)),
    st.tuples(st.just("let_go"), MAYBE_CALL),
    st.tuples(st.just("release"), st.sampled_from("kl")),
    st.tuples(st.just("withdraw"), CALLS),
    st.tuples(st.just("retry"), MAYBE_CALL),
    st.tuples(st.just("prune"), st.integers(0, 10)),
)


def moved(progress: Progress, how: str, now: float) -> Progress:
    """One step of delivery."""
    match how:
        case "post":
            return replace(progress, state=QUEUED, posts=progress.posts + 1, posted_at=now, due_at=now + 3)
        case "verify":
            return replace(progress, state=VERIFIED, accepted_at=now, settled_at=now, due_at=None)
        case "refuse":
            return replace(progress, state=REFUSED, settled_at=now, due_at=None, reason="no")
        case "fail":
            return replace(progress, state=QUEUED, failures=progress.failures + 1, due_at=now + 30)
        case _:
            return replace(progress, state=ACCEPTED, accepted_at=now, due_at=now + 2)


async def take_step(outbox: Outbox, model: OutboxModel, step: tuple[Any, ...], now: float) -> None:
    """The same in both; what they give is the same."""
    match step:
        case ("append", ratings):
            taken = [entry.seq for entry in await outbox.append(ratings, now)]
            assert taken == model.append(ratings, now)
        case ("advance", number, how) if model.currents:
            entry = model.current()[number % len(model.currents)]
            after = moved(entry.progress, how, now)
            assert await outbox.advance(entry, entry.progress, after)
            assert model.advance(entry.seq, entry.progress, after)
        case ("stale", number) if model.entries:
            entry = list(model.entries.values())[number % len(model.entries)]
            before = replace(entry.progress, posts=entry.progress.posts + 1)
            assert not await outbox.advance(entry, before, moved(before, "verify", now))
        case ("let_go", request_id):
            assert await outbox.let_go(request_id, now) == model.let_go(request_id, now)
        case ("release", key):
            await outbox.release(key, now)
            model.release(key, now)
        case ("withdraw", request_id):
            gone = await outbox.withdraw(request_id, now)
            assert (gone and gone.seq) == model.withdraw(request_id, now)
        case ("retry", request_id):
            assert await outbox.retry(request_id, now) == model.retry(request_id, now)
        case ("prune", age):
            await outbox.prune(now - age)
            model.prune(now - age)


async def compare(outbox: Outbox, model: OutboxModel, now: float) -> None:
    """Every question has the same answer."""
    current = model.current()
    assert await outbox.listing() == current
    assert await outbox.current(list("abc")) == {entry.request_id: entry for entry in current}
    for request_id in "abc":
        assert await outbox.history(request_id) == model.of(request_id)[:20]
    for key in "kl":
        for limit in (1, 9):
            for states in ((), (RatingState.HELD, RatingState.QUEUED), (RatingState.ACCEPTED,)):
                due = await outbox.due(key, now, limit, states)
                assert (due.entries, due.next_at) == model.due(key, now, limit, states)
    assert set(await outbox.keys()) == model.keys()
    depth = await outbox.depth()
    for state, number in depth.by_state.items():
        assert number == sum(entry.progress.state is state for entry in current)
    waiting = [entry.progress.since for entry in current if entry.progress.state.is_open]
    assert depth.oldest_since == min(waiting, default=None)


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(STEPS, max_size=25))
@pytest.mark.parametrize("place", list(PLACES))
def test_whatever_happens_an_outbox_does_what_the_contract_says(
    loop: LoopThread, place: str, steps: list[tuple[Any, ...]]
) -> None:
    async def story(folder: Path) -> None:
        outbox, model = await open_outbox(PLACES[place](folder)), OutboxModel()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(outbox.close)
            for now, step in enumerate(steps):
                await take_step(outbox, model, step, float(now))
                await compare(outbox, model, float(now))

    with TemporaryDirectory() as folder:
        loop.run(story(Path(folder)))
