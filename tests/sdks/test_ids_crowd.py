"""A hundred calls of many people at once: each is rated by its answer's own id, or by whose it is."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from harness.sidecars import RunningSidecar, StartSidecar
from harness.wire import wait_until
from proxy.demo import StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.finding import requests_with, thumbs_of
from sdks.recording import OWN_KEY

CALLS = 100
USERS = 7
SESSIONS = 11


@pytest.fixture
def sidecar(start_sidecar: StartSidecar, standin: StandIn) -> RunningSidecar:
    """A sidecar that sends all the thumbs at once, however many."""
    settings = {"helicone.api_url": standin.api_url, "helicone.api_key": OWN_KEY, "delivery.burst": 2 * CALLS}
    return start_sidecar(standin.gateway_url, **settings)


def words_of(number: int) -> str:
    """What the call with that number asks."""
    return f"question {number} of user {number % USERS} in session {number % SESSIONS}"


def is_liked(number: int) -> bool:
    """The thumb of that call: no simple alternation, so that a neighbour's would be seen."""
    return (number * number) % 3 == 1


class App:
    """One client for everybody, as a server has it."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def call(self, number: int) -> str:
        """Call number so and so; the id that its answer has."""
        kinds: tuple[Callable[[int], Awaitable[str]], ...] = (
            self._chat,
            self._chat_streamed,
            self._response,
            self._response_streamed,
        )
        return await kinds[number % len(kinds)](number)

    def _client_of(self, number: int) -> openai.AsyncOpenAI:
        return self._client.with_options(
            default_headers={
                "Helicone-User-Id": f"user {number % USERS}",
                "Helicone-Session-Id": f"session {number % SESSIONS}",
            },
            default_query={"gzip": "1"} if number % 3 == 0 else {},
        )

    async def _chat(self, number: int) -> str:
        made = await self._client_of(number).chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": words_of(number)}]
        )
        return made.id

    async def _chat_streamed(self, number: int) -> str:
        stream = await self._client_of(number).chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": words_of(number)}], stream=True
        )
        (one,) = {chunk.id async for chunk in stream}
        return one

    async def _response(self, number: int) -> str:
        return (await self._client_of(number).responses.create(model="gpt-4o", input=words_of(number))).id

    async def _response_streamed(self, number: int) -> str:
        stream = await self._client_of(number).responses.create(
            model="gpt-4o", input=words_of(number), stream=True
        )
        ids = [event.response.id async for event in stream if event.type == "response.created"]
        return ids[0]


async def all_at_once(url: str) -> list[str]:
    """The ids of a hundred calls that ran at once, in the order of their numbers."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-demo", max_retries=0) as client:
        app = App(client)
        return await asyncio.gather(*(app.call(number) for number in range(CALLS)))


def test_a_hundred_calls_at_once_are_each_rated_by_their_own_id_and_listed_in_their_own_session(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    ids = asyncio.run(all_at_once(url_of(sidecar)))
    with ThreadPoolExecutor(20) as threads:
        said = list(threads.map(lambda item: feedback.rate(item[1], up=is_liked(item[0])), enumerate(ids)))
    sent = [requests_with(standin, words_of(number)) for number in range(CALLS)]
    assert [[each["rated"]["id"]] for each in said] == sent
    wait_until(lambda: len(thumbs_of(standin)) >= CALLS, "the stand-in has every thumb")
    assert thumbs_of(standin) == {found: is_liked(number) for number, (found,) in enumerate(sent)}
    for session in range(SESSIONS):
        name, listed = feedback.session(ids[session])
        meant = {found for (found,) in sent[session::SESSIONS]}
        assert (name, set(listed), len(listed)) == (f"session {session}", meant, len(meant))
    rows = {row.request_id: row for row in standin.ledger.rows}
    assert [rows[found].user_id for (found,) in sent] == [f"user {number % USERS}" for number in range(CALLS)]


def test_a_hundred_calls_at_once_are_each_rated_as_one_of_their_users(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    asyncio.run(all_at_once(url_of(sidecar)))

    def rate(number: int) -> None:
        user, back = number % USERS, number // USERS
        said = feedback.rate(f"last?user=user%20{user}&back={back}", up=user % 2 == 0)
        assert said["rated"]["user"] == f"user {user}"

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(rate, range(CALLS)))
    wait_until(lambda: len(thumbs_of(standin)) >= CALLS, "the stand-in has every thumb")
    thumbs = [(row.user_id, row.rating) for row in standin.ledger.rows]
    assert sorted(thumbs) == sorted((f"user {n % USERS}", n % USERS % 2 == 0) for n in range(CALLS))
