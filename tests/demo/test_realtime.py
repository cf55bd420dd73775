"""The realtime-like WebSocket, with a real client."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Subprotocol

from demo.wire import GATEWAY_AUTH
from harness.loops import LoopThread
from proxy.demo import GatewayFault, StandIn


def url_of(standin: StandIn, path: str = "/v1/realtime?model=gpt-realtime") -> str:
    return standin.gateway_url.replace("http", "ws") + path


@pytest.fixture
def session(standin: StandIn) -> Iterator[Connection]:
    with connect(url_of(standin), additional_headers=GATEWAY_AUTH, proxy=None) as made:
        yield made


def heard(session: Connection) -> dict[str, Any]:
    event = json.loads(session.recv(timeout=5))
    assert isinstance(event, dict)
    return event


def test_a_session_begins_without_anything_of_helicones(standin: StandIn, session: Connection) -> None:
    event = heard(session)
    assert event["type"] == "session.created"
    assert event["session"]["model"] == "gpt-realtime"
    assert session.response is not None
    assert not [name for name in session.response.headers if name.lower().startswith("helicone")]
    session.close()
    assert standin.gateway.last.ended.wait(5)
    assert standin.ledger.rows == []


def test_a_response_comes_in_deltas_and_ends_with_the_whole(session: Connection) -> None:
    heard(session)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello sun"}]}
    session.send(json.dumps({"type": "conversation.item.create", "item": item}))
    assert heard(session)["type"] == "conversation.item.added"
    session.send(json.dumps({"type": "response.create"}))
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != "response.done":
        events.append(heard(session))
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert len(deltas) > 5
    assert "hello sun" in "".join(deltas)
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "".join(deltas)
    assert len({event["event_id"] for event in events}) == len(events)


def test_binary_frames_come_back_and_unknown_text_is_an_error_event(session: Connection) -> None:
    heard(session)
    session.send(bytes(range(256)) * 1000)
    assert session.recv(timeout=5) == bytes(range(256)) * 1000
    session.send("no json")
    assert heard(session)["type"] == "error"
    session.send(json.dumps({"type": "anything", "x": 1}))
    echo = heard(session)
    assert (echo["type"], echo["event"]) == ("demo.echo", {"type": "anything", "x": 1})


def test_pings_are_answered(session: Connection) -> None:
    heard(session)
    assert session.ping().wait(5)


def test_the_clients_close_code_is_echoed(session: Connection) -> None:
    heard(session)
    session.close(4001, "enough")
    assert session.close_code == 4001


def test_the_other_side_closes_with_the_code_that_it_is_told(session: Connection) -> None:
    heard(session)
    session.send(json.dumps({"type": "demo.close", "code": 4999, "reason": "bye"}))
    with pytest.raises(ConnectionClosedError) as caught:
        session.recv(timeout=5)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4999, "bye")


def test_the_first_subprotocol_is_taken_and_no_extension(standin: StandIn) -> None:
    protocols = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.sk-x")]
    with connect(url_of(standin, "/v1/gateway/oai/realtime"), subprotocols=protocols, proxy=None) as session:
        assert session.subprotocol == "realtime"
        assert session.response is not None
        assert "Sec-WebSocket-Extensions" not in session.response.headers


def test_a_client_that_vanishes_ends_the_session(standin: StandIn, session: Connection) -> None:
    heard(session)
    # Closed alone, it would stay open for as long as the SDK's own thread reads from it.
    session.socket.shutdown(socket.SHUT_RDWR)
    assert standin.gateway.last.ended.wait(5)


def test_a_flood_of_frames_comes_whole_to_a_slow_reader(session: Connection) -> None:
    heard(session)
    session.send(json.dumps({"type": "demo.flood", "frames": 100, "bytes": 100_000}))
    frames = [session.recv(timeout=5) for _ in range(100)]
    assert [frame[:4] for frame in frames] == [number.to_bytes(4) for number in range(100)]
    assert {len(frame) for frame in frames} == {100_000}


def test_the_handshake_can_be_refused_and_a_session_can_die(standin: StandIn) -> None:
    standin.faults.gateway.next(GatewayFault(status=403), GatewayFault(die_after_events=1))
    with pytest.raises(InvalidStatus) as refused:
        connect(url_of(standin), proxy=None)
    assert refused.value.response.status_code == 403
    with connect(url_of(standin), proxy=None) as session:
        heard(session)
        session.send(json.dumps({"type": "response.create"}))
        with pytest.raises(ConnectionClosedError) as died:
            session.recv(timeout=5)
        assert died.value.rcvd is None


def test_an_open_session_does_not_keep_the_stand_in_from_closing(loop: LoopThread) -> None:
    standin = loop.call(StandIn)
    loop.run(standin.start())
    with connect(url_of(standin), proxy=None) as session:
        heard(session)
        loop.run(standin.close(), timeout_seconds=2)
