"""Each rating leaves under the key of its call, and the one who rates learns what became of it."""

import asyncio

import pytest

from harness.loops import LoopThread
from proxy.delivery import Delivery
from proxy.errors import HeliconeUnreachable, MissingKey
from proxy.helicone import fingerprint
from proxy.keys import Keyring
from proxy.model import Rating, RatingState, Receipt

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OWN = "sk-helicone-canary1-canary1-canary1-canary1"
APPS = "sk-helicone-canary2-canary2-canary2-canary2"


class Api:
    """Helicone's API as delivery sees it; what it is over HTTP is the business of test_helicone."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.taken: list[tuple[str, bool, str]] = []
        self._failure = failure

    async def rate(self, request_id: str, *, up: bool, key: str) -> int:
        await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure
        self.taken.append((request_id, up, key))
        return 201


def submit(loop: LoopThread, api: Api, keys: Keyring, rating: Rating) -> Receipt:
    return loop.run(Delivery(api, keys, wall_clock=lambda: 1_750_000_000.0).submit(rating))


@pytest.mark.parametrize("up", [True, False])
def test_a_rating_leaves_under_the_key_of_its_call(loop: LoopThread, up: bool) -> None:
    keys, api = Keyring(OWN, fingerprint), Api()
    apps = keys.remember(APPS)
    submit(loop, api, keys, Rating(ID, up, apps))
    submit(loop, api, keys, Rating(ID, up, keys.own_fingerprint))
    assert api.taken == [(ID, up, APPS), (ID, up, OWN)]


def test_the_receipt_says_accepted_and_when(loop: LoopThread) -> None:
    keys = Keyring(OWN, fingerprint)
    rating = Rating(ID, up=True, key_fingerprint=keys.own_fingerprint)
    receipt = submit(loop, Api(), keys, rating)
    assert receipt == Receipt(rating, RatingState.ACCEPTED, 1_750_000_000.0, 201)
    assert "canary" not in repr(receipt)


def test_without_any_key_the_sentence_names_the_variable(loop: LoopThread) -> None:
    api = Api()
    with pytest.raises(MissingKey, match="HELICONE_API_KEY") as caught:
        submit(loop, api, Keyring(None, fingerprint), Rating(ID, up=True, key_fingerprint=None))
    assert (caught.value.status, caught.value.code) == (503, "helicone_key_missing")
    assert "Helicone-Auth" in caught.value.message
    assert api.taken == []


def test_a_call_that_went_up_without_the_configured_key_is_not_rated_under_it(loop: LoopThread) -> None:
    api = Api()
    with pytest.raises(MissingKey, match="helicone = true"):
        submit(loop, api, Keyring(OWN, fingerprint), Rating(ID, up=True, key_fingerprint=None))
    assert api.taken == []


def test_a_key_that_was_forgotten_is_not_said_to_have_been_missing(loop: LoopThread) -> None:
    api = Api()
    rating = Rating(ID, up=True, key_fingerprint=fingerprint(APPS))
    with pytest.raises(MissingKey) as caught:
        submit(loop, api, Keyring(OWN, fingerprint), rating)
    assert "without a Helicone key" not in caught.value.message
    assert api.taken == []


def test_what_helicone_refuses_is_raised_as_it_is(loop: LoopThread) -> None:
    keys, failure = Keyring(OWN, fingerprint), HeliconeUnreachable("not today")
    with pytest.raises(HeliconeUnreachable) as caught:
        submit(loop, Api(failure), keys, Rating(ID, up=True, key_fingerprint=keys.own_fingerprint))
    assert caught.value is failure


class SlowFirst(Api):
    """An API that is slow to take the first rating."""

    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.Event()

    async def rate(self, request_id: str, *, up: bool, key: str) -> int:
        if up:
            await self.first.wait()
        return await super().rate(request_id, up=up, key=key)


def test_the_last_rating_of_a_call_is_the_one_that_stands(loop: LoopThread) -> None:
    keys = Keyring(OWN, fingerprint)

    async def up_then_down() -> tuple[list[bool], list[bool]]:
        api = SlowFirst()
        delivery = Delivery(api, keys, wall_clock=lambda: 0.0)
        stands: list[bool] = []
        ratings = [Rating(ID, up, keys.own_fingerprint) for up in (True, False)]
        async with asyncio.TaskGroup() as tasks:
            for rating in ratings:
                tasks.create_task(delivery.submit(rating, lambda receipt: stands.append(receipt.rating.up)))
                await asyncio.sleep(0.01)
            api.first.set()
        assert not delivery._turns
        return [up for _, up, _ in api.taken], stands

    assert loop.run(up_then_down()) == ([True, False], [True, False])
