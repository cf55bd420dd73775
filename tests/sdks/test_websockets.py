"""A conversation over a WebSocket is the same through the sidecar as directly."""

import contextlib
import hashlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection
from websockets.typing import Subprotocol

from harness.loops import DEADLINE_SECONDS
from harness.sidecars import RunningSidecar, StartSidecar
from harness.wire import wait_until
from proxy.demo import GatewayFault, StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.recording import SEEDED

PATH = "/v1/realtime?model=gpt-realtime"
FLOOD_FRAMES = 400
FLOOD_FRAME_BYTES = 100_000

Conversation = Callable[[Connection], object]


def open_at(url: str, path: str = PATH, subprotocols: list[Subprotocol] | None = None) -> ClientConnection:
    """A session with the gateway at `url`; its greeting is still to be read."""
    return connect(
        url.replace("http", "ws") + path,
        additional_headers=SEEDED,
        subprotocols=subprotocols,
        proxy=None,
        max_size=None,
        open_timeout=DEADLINE_SECONDS,
        close_timeout=DEADLINE_SECONDS,
    )


def heard(session: Connection) -> dict[str, Any]:
    """The next event."""
    event = json.loads(session.recv(timeout=DEADLINE_SECONDS))
    assert isinstance(event, dict)
    return event


def say(session: Connection, **event: object) -> None:
    """Send an event."""
    session.send(json.dumps(event))


@pytest.fixture
def session(sidecar: RunningSidecar) -> Iterator[Connection]:
    """A session through the sidecar, greeted."""
    with open_at(url_of(sidecar)) as opened:
        heard(opened)
        yield opened


# -- the same as directly


def a_response(session: Connection) -> object:
    """Text both ways, in many small events."""
    events = [heard(session)]
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hello, Zürich 🧂"}],
    }
    say(session, type="conversation.item.create", item=item)
    say(session, type="response.create")
    while events[-1]["type"] != "response.done":
        events.append(heard(session))
    assert len(events) > 10
    return events


def binary_echoes(session: Connection) -> object:
    """Binary frames of every length class of RFC 6455 §5.2, and one of several megabytes."""
    heard(session)
    chance = random.Random(6455)
    digests = []
    for size in (0, 1, 125, 126, 65_535, 65_536, 3_000_000):
        frame = chance.randbytes(size)
        session.send(frame)
        echo = session.recv(timeout=DEADLINE_SECONDS)
        assert echo == frame
        digests.append(hashlib.sha256(frame).hexdigest())
    return digests


def fragments(session: Connection) -> object:
    """A message in several frames comes back as one."""
    heard(session)
    session.send([b"one ", b"two ", b"three"])
    return session.recv(timeout=DEADLINE_SECONDS)


def pings(session: Connection) -> object:
    """Pings between messages, answered by the other end and not by the sidecar."""
    heard(session)
    answered = []
    for number in range(5):
        waiter = session.ping(f"ping {number}".encode())
        session.send(b"between")
        answered.append((waiter.wait(DEADLINE_SECONDS), session.recv(timeout=DEADLINE_SECONDS)))
    return answered


def a_flood(session: Connection) -> object:
    """More than any buffer holds, taken by a reader who begins late."""
    heard(session)
    say(session, type="demo.flood", frames=FLOOD_FRAMES, bytes=FLOOD_FRAME_BYTES)
    threading.Event().wait(0.2)
    digest = hashlib.sha256()
    for number in range(FLOOD_FRAMES):
        frame = session.recv(timeout=DEADLINE_SECONDS, decode=False)
        assert frame[:4] == number.to_bytes(4)
        digest.update(frame)
    return digest.hexdigest()


def closed_from_here(session: Connection) -> object:
    """The client closes first, with a code of its own."""
    heard(session)
    session.close(4001, "enough")
    return session.close_code, session.close_reason


def closed_from_there(session: Connection) -> object:
    """The gateway closes first, with a code of its own."""
    heard(session)
    say(session, type="demo.close", code=4999, reason="bye, Zürich")
    with pytest.raises(ConnectionClosedError) as caught:
        session.recv(timeout=DEADLINE_SECONDS)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def closed_normally_from_there(session: Connection) -> object:
    """The gateway closes first, and all is well."""
    heard(session)
    say(session, type="demo.close", code=1000)
    with pytest.raises(ConnectionClosed):
        session.recv(timeout=DEADLINE_SECONDS)
    return session.close_code, session.close_reason


@pytest.mark.parametrize(
    "conversation",
    [
        a_response,
        binary_echoes,
        fragments,
        pings,
        a_flood,
        closed_from_here,
        closed_from_there,
        closed_normally_from_there,
    ],
    ids=lambda conversation: conversation.__name__,
)
def test_a_conversation_is_that_of_a_direct_run(
    conversation: Conversation, standin: StandIn, sidecar: RunningSidecar
) -> None:
    with open_at(standin.gateway_url) as session:
        direct = conversation(session)
    with open_at(url_of(sidecar)) as session:
        through = conversation(session)
    assert through == direct


def test_the_handshake_is_that_of_a_direct_run(standin: StandIn, sidecar: RunningSidecar) -> None:
    offered = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.sk-x")]
    chosen = []
    for url in (standin.gateway_url, url_of(sidecar)):
        with open_at(url, subprotocols=offered) as session:
            assert session.response is not None
            names = {name.lower() for name, _ in session.response.headers.raw_items()}
            chosen.append((session.subprotocol, names - {"feedback-id", "feedback-url"}))
    assert chosen[0] == chosen[1]
    first, second = standin.gateway.all()
    assert second.values("Sec-WebSocket-Protocol") == first.values("Sec-WebSocket-Protocol")
    assert second.values("Sec-WebSocket-Extensions") == first.values("Sec-WebSocket-Extensions")


def test_a_refused_handshake_is_the_gateways_own_answer(standin: StandIn, sidecar: RunningSidecar) -> None:
    standin.faults.gateway.next(GatewayFault(status=403), GatewayFault(status=403))
    bodies = []
    for url in (standin.gateway_url, url_of(sidecar)):
        with pytest.raises(InvalidStatus) as refused:
            open_at(url)
        assert refused.value.response.status_code == 403
        bodies.append(refused.value.response.body)
    assert bodies[0] == bodies[1]
    assert bodies[0]


# -- ends


def test_a_client_that_vanishes_ends_the_session_at_the_gateway(
    standin: StandIn, session: Connection
) -> None:
    # Closed alone, it would stay open for as long as the SDK's own thread reads from it.
    session.socket.shutdown(socket.SHUT_RDWR)
    assert standin.gateway.last.ended.wait(DEADLINE_SECONDS)


def test_a_gateway_that_dies_is_no_orderly_end(standin: StandIn, sidecar: RunningSidecar) -> None:
    standin.faults.gateway.next(GatewayFault(die_after_events=1))
    with open_at(url_of(sidecar)) as session:
        heard(session)
        say(session, type="response.create")
        with pytest.raises(ConnectionClosedError) as died:
            session.recv(timeout=DEADLINE_SECONDS)
    assert died.value.rcvd is None


def test_a_session_is_remembered_and_cannot_be_rated(sidecar: RunningSidecar, session: Connection) -> None:
    feedback = Feedback(sidecar.address)
    session.close()

    def newest() -> dict[str, Any]:
        call: dict[str, Any] = feedback.ask("GET", "?limit=1").document["calls"][0]
        return call

    wait_until(lambda: newest()["state"] == "complete", "the session's end is written down")
    call = newest()
    assert (call["path"], call["status"]) == ("/v1/realtime", 101)
    assert feedback.ask("POST", f"/{call['id']}", {"rating": True}).status == 409
    assert feedback.ask("GET", "/last").status == 404


def test_an_unreachable_gateway_refuses_the_handshake_with_our_sentence(start_sidecar: StartSidecar) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_at(url_of(start_sidecar("http://127.0.0.1:9")))
    assert refused.value.response.status_code == 502
    body = json.loads(refused.value.response.body or b"")
    assert body["error"]["code"] == "upstream_unreachable"


def test_many_sessions_at_once_each_hear_their_own_words(sidecar: RunningSidecar) -> None:
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(open_at(url_of(sidecar))) for _ in range(10)]
        for number, each in enumerate(sessions):
            heard(each)
            say(each, type="words", number=number)
        assert [heard(each)["event"]["number"] for each in sessions] == list(range(10))
