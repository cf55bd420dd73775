"""Helicone's API, spoken to over real sockets: what travels, what comes back, and every way to fail."""

import asyncio
import contextlib
import json
import socket
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TypeVar

import aiohttp
import pytest

from harness.authorities import Authority
from harness.loops import LoopThread
from harness.proxies import ConnectProxy, saying
from harness.standins import running_standin
from harness.upstreams import ScriptedUpstream, StartUpstream, UpstreamWire, answering
from harness.wire import head
from proxy.api_client import HeliconeApi
from proxy.demo import (
    DEMO_KEY,
    DEMO_ORGANISATION,
    ApiFault,
    Row,
    StandIn,
    StandInSettings,
    invalid_token,
    too_many_requests,
)
from proxy.errors import (
    HeliconeBroke,
    HeliconeBusy,
    HeliconeError,
    HeliconeRejected,
    HeliconeTimeout,
    HeliconeUnauthorized,
    HeliconeUnreachable,
    NotIngested,
)
from proxy.helicone import api_url_for
from proxy.helicone_api import Allowance, Stored, holds_scores, missing_properties, properties_of
from proxy.keys import Credential
from proxy.model import Rating
from relay.loops import needs_openssl

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER_KEY = "sk-helicone-canaryx-canaryx-canaryx-canaryx"
EU_KEY = "sk-helicone-eu-canaryx-canaryx-canaryx-canaryx"
UP = Rating(up=True)
RATING = "helicone-score-feedback"
OPEN_HEAD = head(b"HTTP/1.1 201 Created", b"Content-Length: 1000")

T = TypeVar("T")


@dataclass(frozen=True)
class At:
    """A client; `url` says where the API for a key is."""

    api: HeliconeApi
    url: Callable[[str], str]

    async def post(self, request_id: str, rating: Rating, key: str) -> Allowance | None:
        return await self.api.post(request_id, rating, Credential(key, self.url(key)))

    async def put_property(self, request_id: str, name: str, value: str, key: str) -> Allowance | None:
        return await self.api.put_property(request_id, name, value, Credential(key, self.url(key)))

    async def look(self, ids: Sequence[str], key: str) -> tuple[dict[str, Stored], Allowance | None]:
        return await self.api.look(ids, Credential(key, self.url(key)))


Work = Callable[[At], Awaitable[T]]


def directly(_: str) -> None:
    """No proxy, wherever the API is."""


@pytest.fixture
def standin(sound_loop: LoopThread, scope: contextlib.ExitStack) -> StandIn:
    return scope.enter_context(running_standin(sound_loop, StandInSettings(ingestion_delay_seconds=0.0)))


def speak(
    loop: LoopThread, url: str | Callable[[str], str], work: Work[T], *, timeout_seconds: float = 10
) -> T:
    """Do some work with a client, through a session of its own."""

    async def inner() -> T:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            api = HeliconeApi(session, directly, timeout_seconds=timeout_seconds, wall_clock=time.time)
            return await work(At(api, (lambda _: url) if isinstance(url, str) else url))

    return loop.run(inner())


def failing(
    loop: LoopThread,
    url: str,
    work: Work[object] = lambda api: api.post(ID, UP, OTHER_KEY),
    *,
    timeout_seconds: float = 10,
) -> HeliconeError:
    """The error of some work that has to fail."""
    with pytest.raises(HeliconeError) as caught:
        speak(loop, url, work, timeout_seconds=timeout_seconds)
    return caught.value


def logged(standin: StandIn, *request_ids: str) -> None:
    """Helicone knows these calls."""
    for request_id in request_ids:
        now = time.time()
        row = Row(request_id=request_id, organisation=DEMO_ORGANISATION, created_at=now, finished_at=now)
        standin.ledger.log(row)


# -- what travels


def test_a_thumb_is_posted_as_helicone_wants_it_and_nothing_else_travels(
    loop: LoopThread, standin: StandIn
) -> None:
    granted = speak(loop, standin.api_url, lambda api: api.post(ID, UP, DEMO_KEY))
    assert granted == Allowance(10_000, 300.0)
    received = standin.api.last
    assert (received.method, received.target) == ("POST", f"/v1/request/{ID}/feedback")
    assert received.body == b'{"rating": true}'
    assert received.header("authorization") == f"Bearer {DEMO_KEY}"
    assert received.header("content-type") == received.header("accept") == "application/json"
    names = [name.lower() for name, _ in received.headers]
    assert sorted(names) == [
        b"accept", b"authorization", b"content-length", b"content-type", b"host", b"user-agent",
    ]  # fmt: skip


def test_no_cookie_that_helicone_sets_comes_back(loop: LoopThread, start_upstream: StartUpstream) -> None:
    created = head(b"HTTP/1.1 201 Created", b"Set-Cookie: a=b", b"Content-Length: 0")
    api_at = start_upstream(answering(created))

    async def twice(api: At) -> None:
        await api.post(ID, UP, DEMO_KEY)
        await api.post(ID, UP, DEMO_KEY)

    speak(loop, api_at.url, twice)
    assert [request.values(b"cookie") for request in api_at.requests] == [[], []]


def test_thumb_scores_and_words_arrive_and_are_found_again(loop: LoopThread, standin: StandIn) -> None:
    logged(standin, ID)
    rating = Rating(up=False, scores={"quality": 4, "helpful": True}, comment="«so so» 🙂", tags=("a", "b"))

    async def deliver(api: At) -> tuple[dict[str, Stored], Allowance | None]:
        await api.post(ID, rating, DEMO_KEY)
        for name, value in properties_of(rating).items():
            assert await api.put_property(ID, name, value, DEMO_KEY) == Allowance(10_000, 300.0)
        return await api.look([ID], DEMO_KEY)

    found, granted = speak(loop, standin.api_url, deliver)
    assert found == {
        ID: Stored(
            {"quality": 4, "helpful-hcone-bool": 1, RATING: 0},
            {"Feedback-Comment": "«so so» 🙂", "Feedback-Tags": "a,b"},
        )
    }
    assert holds_scores(rating, found[ID])
    assert missing_properties(rating, found[ID]) == {}
    assert granted == Allowance(10_000, 300.0)
    assert [received.method for received in standin.api.all()] == ["POST", "PUT", "PUT", "POST"]


@pytest.mark.parametrize("up", [True, False])
def test_older_servers_that_quote_scores_are_understood(
    loop: LoopThread, scope: contextlib.ExitStack, up: bool
) -> None:
    settings = StandInSettings(ingestion_delay_seconds=0.0, scores_as_strings=True)
    standin = scope.enter_context(running_standin(loop, settings))
    logged(standin, ID)

    async def deliver(api: At) -> dict[str, Stored]:
        await api.post(ID, Rating(up=up), DEMO_KEY)
        return (await api.look([ID], DEMO_KEY))[0]

    assert speak(loop, standin.api_url, deliver) == {ID: Stored({RATING: int(up)}, {})}


def test_a_rating_of_words_alone_is_not_posted(loop: LoopThread, standin: StandIn) -> None:
    assert speak(loop, standin.api_url, lambda api: api.post(ID, Rating(comment="x"), DEMO_KEY)) is None
    assert standin.api.all() == []


def test_a_hundred_calls_are_looked_for_at_once_and_the_unknown_left_out(
    loop: LoopThread, standin: StandIn
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(100)]
    logged(standin, *ids[:99], str(uuid.uuid4()))
    found, _ = speak(loop, standin.api_url, lambda api: api.look(ids, DEMO_KEY))
    assert set(found) == set(ids[:99])
    assert len(standin.api.all()) == 1


def test_nothing_to_look_for_is_not_looked_for(loop: LoopThread, standin: StandIn) -> None:
    assert speak(loop, standin.api_url, lambda api: api.look([], DEMO_KEY)) == ({}, None)
    assert standin.api.all() == []


def test_a_call_is_looked_for_as_long_as_delivery_may_take(loop: LoopThread, standin: StandIn) -> None:
    for days, request_id in ((61, ID), (63, str(uuid.uuid4()))):
        at = time.time() - days * 86_400
        standin.ledger.log(
            Row(request_id=request_id, organisation=DEMO_ORGANISATION, created_at=at, finished_at=at)
        )
    ids = [row.request_id for row in standin.ledger.rows]
    assert set(speak(loop, standin.api_url, lambda api: api.look(ids, DEMO_KEY))[0]) == {ID}


def test_versions_that_are_not_merged_yet_do_not_hide_the_newest(
    loop: LoopThread, scope: contextlib.ExitStack
) -> None:
    ahead = [0.0]
    standin = scope.enter_context(
        running_standin(
            loop,
            StandInSettings(ingestion_delay_seconds=0.0, unmerged=True),
            wall=lambda: time.time() + ahead[0],
        )
    )
    logged(standin, ID)

    async def change_your_mind(api: At) -> dict[str, Stored]:
        for up in (True, False, True, False):
            ahead[0] += 2.0
            await api.post(ID, Rating(up=up), DEMO_KEY)
        return (await api.look([ID], DEMO_KEY))[0]

    assert speak(loop, standin.api_url, change_your_mind) == {ID: Stored({RATING: 0}, {})}
    assert len(standin.ledger.rows) == 5


@pytest.mark.parametrize("base", ["", "/", "/jawn", "/jawn/"])
def test_an_api_below_a_path_is_asked_there(loop: LoopThread, standin: StandIn, base: str) -> None:
    with contextlib.suppress(HeliconeError):
        speak(loop, standin.api_url + base, lambda api: api.post(ID, UP, DEMO_KEY))
    assert standin.api.last.target == f"{base.rstrip('/')}/v1/request/{ID}/feedback"


def test_each_key_goes_to_its_own_region(loop: LoopThread, scope: contextlib.ExitStack) -> None:
    settings = StandInSettings(keys={OTHER_KEY: "org-a", EU_KEY: "org-b"})
    world, europe = (scope.enter_context(running_standin(loop, settings)) for _ in range(2))
    regions = {api_url_for(None): world.api_url, api_url_for(EU_KEY): europe.api_url}

    async def both(api: At) -> None:
        for key in (OTHER_KEY, EU_KEY):
            await api.post(ID, UP, key)

    speak(loop, lambda key: regions[api_url_for(key)], both)
    assert [each.header("authorization") for each in world.api.all()] == [f"Bearer {OTHER_KEY}"]
    assert [each.header("authorization") for each in europe.api.all()] == [f"Bearer {EU_KEY}"]


# -- refusals, in the stand-in's own words and in those of a fault


def test_a_key_that_is_unknown_or_may_not_write_pauses(loop: LoopThread, scope: contextlib.ExitStack) -> None:
    settings = StandInSettings(keys={DEMO_KEY: DEMO_ORGANISATION}, read_only_keys=frozenset({DEMO_KEY}))
    url = scope.enter_context(running_standin(loop, settings)).api_url
    for key in (DEMO_KEY, OTHER_KEY):
        for work in (
            lambda api, key=key: api.post(ID, UP, key),
            lambda api, key=key: api.put_property(ID, "a", "b", key),
            lambda api, key=key: api.look([ID], key),
        ):
            error = failing(loop, url, work)
            assert type(error) is HeliconeUnauthorized
            assert url in error.message


def test_a_property_of_an_unknown_call_comes_too_early(loop: LoopThread, standin: StandIn) -> None:
    error = failing(loop, standin.api_url, lambda api: api.put_property(ID, "a", "b", DEMO_KEY))
    assert type(error) is NotIngested


def test_an_id_that_is_none_is_refused_for_good(loop: LoopThread, standin: StandIn) -> None:
    error = failing(loop, standin.api_url, lambda api: api.post("ticket-1", UP, DEMO_KEY))
    assert type(error) is HeliconeRejected


def test_the_limiters_time_is_given_on(loop: LoopThread, scope: contextlib.ExitStack) -> None:
    settings = StandInSettings(api_budget=1, api_window_seconds=60)
    standin = scope.enter_context(running_standin(loop, settings))
    granted = speak(loop, standin.api_url, lambda api: api.post(ID, UP, DEMO_KEY))
    assert granted == Allowance(1, 60.0)
    error = failing(loop, standin.api_url, lambda api: api.look([ID], DEMO_KEY))
    assert type(error) is HeliconeBusy
    assert 0 < (error.retry_after_seconds or 0) <= 60


def test_a_date_is_a_time_to_wait_for_too(loop: LoopThread, standin: StandIn) -> None:
    date = format_datetime(datetime.fromtimestamp(time.time() + 100, UTC), usegmt=True)
    standin.faults.api.next(ApiFault(status=429, body="", headers=(("Retry-After", date),)))
    assert 90 <= (failing(loop, standin.api_url).retry_after_seconds or 0) <= 100


FAULTS: list[tuple[ApiFault, type[HeliconeError]]] = [
    (
        ApiFault(status=401, body='{"error":"No API key found","trace":"isAuthenticated.error"}'),
        HeliconeUnauthorized,
    ),
    (ApiFault(status=401, body='{"error":null,"trace":"isAuthenticated.error"}'), HeliconeUnauthorized),
    (ApiFault(status=403, body=""), HeliconeUnauthorized),
    (invalid_token(), HeliconeUnauthorized),
    (ApiFault(status=422, body='{"message":"Validation Failed","details":{}}'), HeliconeRejected),
    (
        ApiFault(status=500, body='{"data":null,"error":"Invalid requestId: must be a valid UUID"}'),
        HeliconeRejected,
    ),
    (too_many_requests(77), HeliconeBusy),
    (ApiFault(status=500, body='{"data":null,"error":"Error adding scores to request."}'), HeliconeError),
    (ApiFault(status=500), HeliconeError),
    (ApiFault(status=502, body="<html>", content_type="text/html"), HeliconeError),
    (ApiFault(status=524, body="\xff" * 100_000, content_type="text/html"), HeliconeError),
    (ApiFault(status=400, body='{"error":"something else"}'), HeliconeError),
    (ApiFault(status=404, body="<pre>Cannot POST</pre>", content_type="text/html"), HeliconeError),
    (ApiFault(status=200, body='{"data":null,"error":null}'), HeliconeError),
    (ApiFault(status=204, body=""), HeliconeError),
    (ApiFault(status=302, headers=(("Location", "http://127.0.0.1:9/elsewhere"),)), HeliconeError),
    (ApiFault(status=401, half_open=True), HeliconeUnauthorized),
    (ApiFault(reset=True), HeliconeBroke),
    (ApiFault(reset_after_work=True), HeliconeBroke),
    (ApiFault(silent=True), HeliconeTimeout),
    (ApiFault(half_head=True), HeliconeTimeout),
]
WORKS: tuple[Work[object], ...] = (
    lambda api: api.post(ID, UP, OTHER_KEY),
    lambda api: api.post(ID, Rating(scores={"a": 1}), OTHER_KEY),
    lambda api: api.put_property(ID, "a", "b", OTHER_KEY),
    lambda api: api.look([ID], OTHER_KEY),
)


@pytest.mark.parametrize("work", WORKS, ids=["feedback", "score", "property", "look"])
@pytest.mark.parametrize(("fault", "kind"), FAULTS)
def test_every_failure_has_its_kind_and_none_shows_the_key_however_it_is_printed(
    loop: LoopThread, standin: StandIn, fault: ApiFault, kind: type[HeliconeError], work: Work[object]
) -> None:
    standin.faults.api.next(fault)
    hangs = fault.silent or fault.half_head or fault.half_open
    error = failing(loop, standin.api_url, work, timeout_seconds=0.2 if hangs else 10)
    assert type(error) is kind
    assert error.__cause__ is None
    printed = "".join(traceback.format_exception(error))
    for shown in (error.message, str(error), repr(error), printed):
        assert "canaryx" not in shown
        assert "Bearer" not in shown


def test_the_api_shows_no_key_of_itself(loop: LoopThread) -> None:
    async def shown(api: At) -> str:
        return repr(api.api)

    assert speak(loop, "http://127.0.0.1:9/", shown, timeout_seconds=1) == "<HeliconeApi within 1 s>"


@pytest.mark.parametrize("failure", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_key(
    loop: LoopThread, standin: StandIn, start_upstream: StartUpstream, failure: int
) -> None:
    elsewhere = start_upstream(answering(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"))
    place = ("Location", f"{elsewhere.url}/v1/request/{ID}/feedback")
    standin.faults.api.next(ApiFault(status=failure, headers=(place,)))
    error = failing(loop, standin.api_url)
    assert type(error) is HeliconeError
    assert "redirect" in error.message
    assert "api_url" in error.message
    assert elsewhere.connections == []


@pytest.mark.parametrize("work", WORKS, ids=["feedback", "score", "property", "look"])
def test_nothing_is_sent_twice_by_itself(loop: LoopThread, standin: StandIn, work: Work[object]) -> None:
    for fault in (ApiFault(reset_after_work=True), ApiFault(reset=True), ApiFault(status=503)):
        standin.api.clear()
        standin.faults.api.next(fault)
        failing(loop, standin.api_url, work)
        assert len(standin.api.all()) == 1


def test_a_put_on_a_connection_that_has_died_since_is_not_repeated(
    loop: LoopThread, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(head(b"HTTP/1.1 201 Created", b"Content-Length: 0"))
        connection.read_request()

    async def twice(api: At) -> None:
        await api.put_property(ID, "a", "b", DEMO_KEY)
        with pytest.raises(HeliconeBroke, match="ServerDisconnectedError"):
            await api.put_property(ID, "a", "b", DEMO_KEY)

    api_at = start_upstream(script)
    speak(loop, api_at.url, twice)
    assert len(api_at.requests) == 2


def test_after_a_failure_the_next_one_goes_through(loop: LoopThread, standin: StandIn) -> None:
    logged(standin, ID)

    async def persist(api: At) -> None:
        for fault in (
            ApiFault(reset=True),
            ApiFault(status=500, body="x" * 200_000),
            ApiFault(half_head=True),
        ):
            standin.faults.api.next(fault)
            with pytest.raises(HeliconeError):
                await api.post(ID, UP, DEMO_KEY)
            await api.post(ID, UP, DEMO_KEY)

    speak(loop, standin.api_url, persist, timeout_seconds=0.5)
    assert standin.ledger.rating_of(ID) is True


def test_many_at_once_all_arrive(loop: LoopThread, standin: StandIn) -> None:
    async def all_at_once(api: At) -> list[Allowance | None]:
        return await asyncio.gather(*(api.post(ID, UP, DEMO_KEY) for _ in range(40)))

    assert speak(loop, standin.api_url, all_at_once) == [Allowance(10_000, 300.0)] * 40
    assert len(standin.api.all()) == 40


# -- answers that come slowly, in part, or at length


def test_a_yes_counts_although_its_body_never_comes(loop: LoopThread, standin: StandIn) -> None:
    logged(standin, ID)
    standin.faults.api.next(ApiFault(half_open=True))
    granted = speak(
        loop, standin.api_url, lambda api: api.post(ID, Rating(up=False), DEMO_KEY), timeout_seconds=0.2
    )
    assert granted == Allowance(10_000, 300.0)
    assert standin.ledger.rating_of(ID) is False


def test_a_look_needs_all_of_its_answer(loop: LoopThread, standin: StandIn) -> None:
    standin.faults.api.next(ApiFault(half_open=True))
    error = failing(loop, standin.api_url, lambda api: api.look([ID], DEMO_KEY), timeout_seconds=0.2)
    assert type(error) is HeliconeTimeout
    assert "within 0.2 s" in error.message
    assert standin.api_url in error.message


def test_a_look_that_is_cut_is_a_connection_that_broke(
    loop: LoopThread, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(OPEN_HEAD + b'{"data":[]')

    url = start_upstream(script).url
    assert type(failing(loop, url, lambda api: api.look([ID], DEMO_KEY))) is HeliconeBroke


def test_a_yes_counts_although_it_is_cut(loop: LoopThread, start_upstream: StartUpstream) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(OPEN_HEAD + b'{"data":')

    assert speak(loop, start_upstream(script).url, lambda api: api.post(ID, UP, DEMO_KEY)) is None


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_refusal_that_comes_in_pieces_is_understood(
    loop: LoopThread, start_upstream: StartUpstream, is_whole: bool
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\nInvalid to")
        time.sleep(0.1)
        connection.send(b"ken." + (b"\n" if is_whole else b""))
        connection.read_to_end()

    error = failing(loop, start_upstream(script).url, timeout_seconds=10 if is_whole else 0.5)
    assert type(error) is HeliconeUnauthorized


def test_an_endless_refusal_is_read_only_so_far(loop: LoopThread, start_upstream: StartUpstream) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n")
        while True:
            connection.send(b"x" * 65_536)

    begun = time.monotonic()
    assert type(failing(loop, start_upstream(script).url)) is HeliconeError
    assert time.monotonic() - begun < 5


def long_winded(wire: UpstreamWire) -> None:
    """Answers looks with a row for each call, of five MiB each."""
    while True:
        asked = json.loads(wire.read_request().body)
        ids = [part.split('"')[0] for part in json.dumps(asked).split('"equals": "')[1:]]
        rows = [{"request_id": each, "request_body": "x" * (5 << 20), "scores": {RATING: 1}} for each in ids]
        body = json.dumps({"data": rows, "error": None}).encode()
        # The other side may have had enough.
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            wire.send(head(b"HTTP/1.1 201 Created", b"Content-Length: %d" % len(body)) + body)
            continue
        return


def test_a_look_whose_answer_is_too_long_is_made_in_halves(
    loop: LoopThread, start_upstream: StartUpstream
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(5)]
    api_at = start_upstream(long_winded)
    found, _ = speak(loop, api_at.url, lambda api: api.look(ids, DEMO_KEY))
    assert found == dict.fromkeys(ids, Stored({RATING: 1}, {}))
    assert len(api_at.requests) == 3


def test_one_call_that_is_too_long_is_an_error(loop: LoopThread, start_upstream: StartUpstream) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n")
        while True:
            connection.send(b" " * 65_536)

    error = failing(loop, start_upstream(script).url, lambda api: api.look([ID], DEMO_KEY))
    assert type(error) is HeliconeError
    assert "16 MiB" in error.message


def test_a_look_that_is_answered_with_something_else_is_an_error(
    loop: LoopThread, start_upstream: StartUpstream
) -> None:
    url = start_upstream(answering(head(b"HTTP/1.1 201 Created", b"Content-Length: 4") + b"null")).url
    error = failing(loop, url, lambda api: api.look([ID], DEMO_KEY))
    assert type(error) is HeliconeError
    assert "something else" in error.message


# -- no answer at all


@pytest.mark.parametrize("work", WORKS, ids=["feedback", "score", "property", "look"])
def test_an_api_that_refuses_connections_is_unreachable(loop: LoopThread, work: Work[object]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = failing(loop, url, work)
    assert type(error) is HeliconeUnreachable
    assert error.message == f"Helicone's API at {url} cannot be reached: the connection was refused."


def test_an_api_whose_name_is_unknown_is_unreachable(loop: LoopThread) -> None:
    error = failing(loop, "http://no-such-host.invalid")
    assert type(error) is HeliconeUnreachable
    assert "its name cannot be resolved" in error.message


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 2", b"\x15\x03\x01\x00\x02\x02\x46"]
)
def test_an_answer_that_is_no_http_is_a_connection_that_broke(
    loop: LoopThread, start_upstream: StartUpstream, said: bytes
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(said)

    error = failing(loop, start_upstream(script).url)
    assert type(error) is HeliconeBroke
    assert "broke" in error.message


def test_an_api_that_is_silent_is_a_timeout(loop: LoopThread, standin: StandIn) -> None:
    standin.faults.api.next(ApiFault(silent=True))
    error = failing(loop, standin.api_url, timeout_seconds=0.3)
    assert type(error) is HeliconeTimeout
    assert error.message == f"Helicone's API at {standin.api_url} did not answer within 0.3 s."


def test_a_proxy_in_the_environment_is_not_asked(
    loop: LoopThread, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert speak(loop, standin.api_url, lambda api: api.post(ID, UP, DEMO_KEY)) is not None


# -- proxies and certificates


def through(loop: LoopThread, proxy: str, url: str) -> HeliconeError:
    """The error of a post through a proxy."""

    async def inner() -> None:
        async with aiohttp.ClientSession() as session:
            api = HeliconeApi(session, lambda _: proxy, timeout_seconds=5, wall_clock=time.time)
            await api.post(ID, UP, Credential(OTHER_KEY, url))

    with pytest.raises(HeliconeError) as caught:
        loop.run(inner())
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "canary" not in printed
    return caught.value


def test_a_proxy_that_refuses_is_told(loop: LoopThread, scope: contextlib.ExitStack) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(head(b"HTTP/1.1 407 No", b"Content-Length: 0"))))
    error = through(loop, proxy.url.replace("http://", "http://user:canary@"), "https://api.example.test")
    assert type(error) is HeliconeUnreachable
    assert "the proxy in HTTPS_PROXY answered 407 to CONNECT" in error.message


def test_a_proxy_that_is_not_there_is_told(loop: LoopThread) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = f"http://user:canary@127.0.0.1:{unused.getsockname()[1]}"
        error = through(loop, proxy, "https://api.example.test")
    assert type(error) is HeliconeUnreachable
    assert "the proxy in HTTPS_PROXY cannot be reached itself (the connection was refused)" in error.message


def test_each_api_has_a_proxy_of_its_own_or_none(
    loop: LoopThread, scope: contextlib.ExitStack, standin: StandIn
) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(head(b"HTTP/1.1 407 No", b"Content-Length: 0"))))
    asked = []

    def proxy_for(url: str) -> str | None:
        asked.append(url)
        return None if url == standin.api_url else proxy.url

    async def inner() -> None:
        async with aiohttp.ClientSession() as session:
            api = HeliconeApi(session, proxy_for, timeout_seconds=5, wall_clock=time.time)
            await api.post(ID, UP, Credential(DEMO_KEY, standin.api_url))
            with pytest.raises(HeliconeUnreachable, match="407"):
                await api.post(ID, UP, Credential(DEMO_KEY, "https://api.example.test"))

    loop.run(inner())
    assert asked == [standin.api_url, "https://api.example.test"]
    assert len(standin.api.all()) == len(proxy.requests) == 1


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


@needs_openssl[1]
def test_a_certificate_that_is_refused_is_told_with_the_reason(
    loop: LoopThread, scope: contextlib.ExitStack, authority: Authority
) -> None:
    api_at = scope.enter_context(ScriptedUpstream(answering(b""), tls=authority.server("IP:127.0.0.1")))
    error = failing(loop, api_at.url)
    assert type(error) is HeliconeUnreachable
    assert (
        f"{api_at.url} cannot be reached: its certificate comes from an authority that is not"
        in error.message
    )


@needs_openssl[1]
def test_a_certificate_is_looked_at_behind_a_proxy_too(
    loop: LoopThread, scope: contextlib.ExitStack, authority: Authority
) -> None:
    api_at = scope.enter_context(
        ScriptedUpstream(answering(b""), tls=authority.server("DNS:api.example.test"))
    )
    proxy = scope.enter_context(ConnectProxy(api_at.port))
    error = through(loop, proxy.url, "https://api.example.test")
    assert type(error) is HeliconeUnreachable
    assert "its certificate comes from an authority that is not" in error.message


def test_tls_that_is_none_is_told(loop: LoopThread, standin: StandIn) -> None:
    error = failing(loop, standin.api_url.replace("http://", "https://"))
    assert type(error) is HeliconeUnreachable
    assert "it does not speak TLS on that port" in error.message
