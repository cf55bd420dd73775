"""A call that has been here before is refused (RFC 9110 §7.6.3), however its Via is written; others' Vias pass."""

from collections.abc import Callable

import pytest

from harness.clients import Client
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import ScriptedUpstream, StartUpstream, UpstreamWire, answering
from harness.wire import Message, head

HOST = b"Host: localhost"
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


@pytest.fixture
def gateway(start_upstream: StartUpstream) -> ScriptedUpstream:
    """A gateway that answers everything."""
    return start_upstream(answering(OK))


@pytest.fixture
def client(start_sidecar: StartSidecar, gateway: ScriptedUpstream) -> Client:
    """A client of a sidecar before it."""
    return start_sidecar(gateway.url).connect()


def own_name(client: Client, gateway: ScriptedUpstream) -> bytes:
    """What the sidecar calls itself in its Via."""
    assert client.ask(head(b"GET / HTTP/1.1", HOST)).status == 200
    name = (gateway.requests[-1].value(b"via") or b"").removeprefix(b"1.1 ")
    assert name.startswith(b"helicone-proxy-")
    return name


def assert_is_loop(answer: Message) -> None:
    assert answer.status == 508
    assert answer.value(b"feedback-error") == b"loop_detected"


@pytest.mark.parametrize(
    "via",
    [
        pytest.param("Via: 1.1 {}", id="as it went out"),
        pytest.param("via: 1.1 {}", id="the field in other case"),
        pytest.param("Via: 1.0 {}", id="another version"),
        pytest.param("Via: HTTP/1.1 {}", id="with the protocol"),
        pytest.param("Via: 1.1 {} (comment)", id="with a comment"),
        pytest.param("Via: 1.1\t{}", id="behind a tab"),
        pytest.param("Via: 1.1 first, 1.1 {}", id="last in a list"),
        pytest.param("Via: 1.1 {},1.0 other", id="first in a list"),
        pytest.param("Via: 1.1 first\r\nX: y\r\nVia: 1.1 {}", id="in a second line"),
    ],
)
@pytest.mark.parametrize(
    "spelling", [bytes, bytes.upper, bytes.title], ids=["as it is", "upper case", "title case"]
)
def test_our_own_via_is_known_again(
    client: Client, gateway: ScriptedUpstream, via: str, spelling: Callable[[bytes], bytes]
) -> None:
    # Pseudonyms stand for host names, which know no case (RFC 9110 §7.6.3, RFC 3986 §3.2.2).
    name = spelling(own_name(client, gateway)).decode()
    assert_is_loop(client.ask(head(b"GET / HTTP/1.1", HOST, via.format(name).encode())))
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "via",
    [
        b"1.1 somebody",
        b"1.0 fred, 1.1 p.example.net",
        b"1.1 helicone-proxy",
        b"1.1 helicone-proxy-00000000",
        b"",
    ],
)
def test_the_via_of_others_passes_and_ours_is_appended(
    client: Client, gateway: ScriptedUpstream, via: bytes
) -> None:
    ours = own_name(client, gateway)
    assert client.ask(head(b"GET / HTTP/1.1", HOST, b"Via: " + via)).status == 200
    assert gateway.requests[-1].values(b"via") == [via, b"1.1 " + ours]


def test_a_loop_through_a_second_sidecar_is_found(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    beyond: list[RunningSidecar] = []

    def hop(connection: UpstreamWire) -> None:
        request = connection.read_request()
        with Client.connect(beyond[0].address) as following:
            answer = following.ask(request.head + request.body)
        connection.send(answer.head + answer.body)

    upstream = start_upstream(hop)
    first = start_sidecar(upstream.url)
    beyond.append(start_sidecar(first.sidecar.url))
    assert_is_loop(first.connect().ask(head(b"GET / HTTP/1.1", HOST)))
    assert len(upstream.requests) == 1


def test_without_a_via_of_ours_nothing_is_a_loop(
    start_sidecar: StartSidecar, gateway: ScriptedUpstream
) -> None:
    client = start_sidecar(gateway.url, **{"upstream.via": False}).connect()
    assert client.ask(head(b"GET / HTTP/1.1", HOST, b"Via: 1.1 helicone-proxy-00000000")).status == 200
