"""The courier and its errands by themselves: nothing due is passed over for good, and nothing spins."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from harness.loops import LoopThread
from proxy.clock import Clock
from proxy.delivery.courier import Courier
from proxy.delivery.errands import Errands, Manner
from proxy.delivery.intake import Delivery, Submission
from proxy.delivery.lanes import Budget, Lanes
from proxy.delivery.schedule import Pace
from proxy.errors import AlreadySent, HeliconeError, HeliconeUnauthorized, NotIngested
from proxy.helicone_api import Allowance, Stored, properties_of
from proxy.keys import Credential, Keyring
from proxy.model import Rating, RatingState
from proxy.stores.sqlite import SqliteOutbox

SPEED = 50.0
UP = Rating(up=True)
Failure = Callable[[], HeliconeError | None]


class Api:
    """Helicone's API as errands see it; over HTTP it is the business of test_api_client. It stores at once."""

    def __init__(self) -> None:
        self.rows: dict[str, Stored] = {}
        self.posts: list[str] = []
        self.puts: list[tuple[str, str]] = []
        self.looks = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.post_fails: Failure = lambda: None
        self.look_fails: Failure = lambda: None

    async def post(self, request_id: str, rating: Rating, credential: Credential) -> Allowance | None:
        self.posts.append(request_id)
        await self.may_answer.wait()
        if (failure := self.post_fails()) is not None:
            raise failure
        stored = self.rows.setdefault(request_id, Stored({}, {}))
        score = {"helicone-score-feedback": int(bool(rating.up))}
        self.rows[request_id] = Stored({**stored.scores, **score}, stored.properties)
        return None

    async def put_property(
        self, request_id: str, name: str, value: str, credential: Credential
    ) -> Allowance | None:
        self.puts.append((request_id, name))
        stored = self.rows.setdefault(request_id, Stored({}, {}))
        self.rows[request_id] = Stored(stored.scores, {**stored.properties, name: value})
        return None

    async def look(
        self, request_ids: Sequence[str], credential: Credential
    ) -> tuple[Mapping[str, Stored], Allowance | None]:
        self.looks += 1
        if (failure := self.look_fails()) is not None:
            raise failure
        return {each: self.rows.setdefault(each, Stored({}, {})) for each in request_ids}, None


class Office:
    """A delivery with a courier that runs, two keys, and that API."""

    def __init__(self, outbox: SqliteOutbox, budget: Budget, speed: float) -> None:
        self.api = Api()
        self.clock = Clock(time.time, time.monotonic, speed=speed)
        self.outbox = outbox
        keys = Keyring("a", lambda key: key, lambda _: "https://api.test")
        keys.remember("b")
        chances = itertools.cycle((0.1, 0.5, 0.9))
        lanes = Lanes(budget, lambda: next(chances))
        manner = Manner(Pace(20.0), lambda: next(chances))
        self.courier = Courier(
            outbox, Errands(outbox, self.api, lanes, self.clock, manner), keys, lanes, self.clock
        )
        self.delivery = Delivery(outbox, self.courier, lanes, keys, self.clock)

    async def rate(self, request_id: str, rating: Rating = UP, key: str = "a", hold: float = 0.0) -> None:
        taken = Submission(request_id=request_id, key_fingerprint=key, rating=rating, hold_seconds=hold)
        await self.delivery.take([taken])

    async def state(self, request_id: str) -> RatingState | None:
        current = (await self.delivery.current([request_id])).get(request_id)
        return None if current is None else current.progress.state

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():  # noqa: ASYNC110  # what is waited for is on disk, and tells nobody
                await asyncio.sleep(0.005)

    async def until_state(self, request_id: str, state: RatingState) -> None:
        async def has_come() -> bool:
            return await self.state(request_id) is state

        await self.until(has_come)


@asynccontextmanager
async def office(budget: Budget | None = None, speed: float = SPEED) -> AsyncIterator[Office]:
    """One that is open until the block ends."""
    outbox = await SqliteOutbox.open(":memory:", max_bytes=1 << 26, stamp=lambda: "now")
    there = Office(outbox, budget or Budget(1000, 1000.0), speed)
    await there.courier.load()
    running = asyncio.create_task(there.courier.run())
    try:
        yield there
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await there.courier.close()
        await outbox.close()


def test_a_call_that_is_rated_under_a_second_key_meanwhile_is_delivered_under_both(loop: LoopThread) -> None:
    async def story() -> None:
        async with office() as there:
            there.api.may_answer.clear()
            await there.rate("x", key="a")
            await there.until(lambda: _true(there.api.posts == ["x"]))
            await there.rate("x", Rating(up=False), key="b")
            there.api.may_answer.set()
            await there.until_state("x", RatingState.VERIFIED)
            assert there.api.rows["x"].scores == {"helicone-score-feedback": 0}

    loop.run(story())


def test_what_stands_again_after_a_rating_was_taken_back_is_verified_under_its_own_key(
    loop: LoopThread,
) -> None:
    async def story() -> None:
        async with office() as there:
            await there.rate("x", key="a")
            await there.until_state("x", RatingState.ACCEPTED)
            await there.rate("x", Rating(up=False), key="b", hold=3600)
            await there.delivery.withdraw("x")
            await there.until_state("x", RatingState.VERIFIED)
            assert there.api.rows["x"].scores == {"helicone-score-feedback": 1}

    loop.run(story())


def test_many_comments_that_wait_for_looks_do_not_hold_up_a_thumb(loop: LoopThread) -> None:
    async def story() -> None:
        async with office() as there:
            there.api.look_fails = lambda: HeliconeError("Helicone's API answered 500.")
            for number in range(150):
                await there.rate(f"comment-{number}", Rating(comment="fine"))
            await there.until(lambda: _true(there.api.looks > 0))
            await there.rate("thumb")
            await there.until_state("thumb", RatingState.ACCEPTED)

    loop.run(story())


def test_while_posts_are_under_way_the_courier_rests(loop: LoopThread) -> None:
    async def story() -> None:
        async with office() as there:
            await there.rate("first")
            await there.until_state("first", RatingState.ACCEPTED)
            there.api.may_answer.clear()
            for number in range(30):
                await there.rate(f"x-{number}")
            await there.until(lambda: _true(len(there.api.posts) == 9))
            used = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - used < 0.4
            assert len(there.api.posts) == 9
            there.api.may_answer.set()
            await there.until_state("x-29", RatingState.VERIFIED)

    loop.run(story())


def test_words_of_which_one_has_left_cannot_be_taken_back(loop: LoopThread) -> None:
    async def story() -> None:
        async with office(Budget(2, 0.02)) as there:
            await there.rate("x", Rating(comment="a", rater="b", source="c"))
            await there.until(lambda: _true(len(there.api.puts) == 1))
            with pytest.raises(AlreadySent):
                await there.delivery.withdraw("x")

    loop.run(story())


def test_words_that_wait_for_the_call_can_be_taken_back_and_never_leave(loop: LoopThread) -> None:
    async def story() -> None:
        async with office() as there:
            there.api.look_fails = lambda: HeliconeError("Helicone's API answered 500.")
            await there.rate("x", Rating(comment="a"))
            await there.until(lambda: _true(there.api.looks > 0))
            await there.delivery.withdraw("x")
            there.api.look_fails = lambda: None
            await there.rate("y", Rating(comment="b", rater="c", source="d", tags=("e",)))
            await there.until_state("y", RatingState.VERIFIED)
            assert {request_id for request_id, _ in there.api.puts} == {"y"}
            assert there.api.rows["y"].properties == properties_of(
                Rating(comment="b", rater="c", source="d", tags=("e",))
            )

    loop.run(story())


def test_one_refused_look_ends_no_verification(loop: LoopThread) -> None:
    async def story() -> None:
        refusals = iter([HeliconeUnauthorized("403")])
        async with office() as there:
            there.api.look_fails = lambda: next(refusals, None)
            await there.rate("x")
            await there.until_state("x", RatingState.VERIFIED)
            assert there.api.posts == ["x"]

    loop.run(story())


def test_where_nobody_may_look_a_rating_is_settled_in_the_end_and_makes_room(loop: LoopThread) -> None:
    async def story() -> None:
        async with office(speed=1000.0) as there:
            there.api.look_fails = lambda: HeliconeUnauthorized("403")
            await there.rate("x")
            await there.until(lambda: _true(len(there.api.posts) == 3))

            async def is_settled() -> bool:
                return await there.outbox.prune(9e9) == 1

            await there.until(is_settled)

    loop.run(story())


def test_a_post_of_a_call_that_is_said_to_be_unknown_backs_off(loop: LoopThread) -> None:
    async def story() -> None:
        async with office() as there:
            there.api.post_fails = lambda: NotIngested("Helicone does not know this call, or not yet.")
            await there.rate("x")
            await there.until(lambda: _true(len(there.api.posts) >= 2))
            await asyncio.sleep(30 / SPEED)
            assert len(there.api.posts) <= 8

    loop.run(story())


async def _true(value: bool) -> bool:
    return value
