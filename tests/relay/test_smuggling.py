"""What two readers could understand differently is refused; the table of what that is stands in strictness.py."""

import pytest

from harness.clients import Client
from harness.sidecars import RunningSidecar
from harness.upstreams import Upstream
from harness.wire import head

HOST = b"Host: localhost"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_bad_chunk_behind_the_head_of_an_answer_cuts_it(client: Client, upstream: Upstream) -> None:
    client.send(head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked"))
    call = upstream.accept()
    call.read_request_head()
    call.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 10") + b"half ")
    client.read_head()
    client.send(b"zz\r\n")
    assert client.read_to_end() == b"half "
    call.read_to_end()


@pytest.mark.parametrize("rest", [b"X: y\r\n", b"X : y\r\n\r\n", b"\0\r\n"])
def test_a_request_whose_trailers_are_wrong_or_endless_never_becomes_whole(
    client: Client, upstream: Upstream, rest: bytes
) -> None:
    client.send(head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked") + b"4\r\nsome\r\n")
    call = upstream.accept()
    call.read_request_head()
    assert call.read_chunk() == b"some"
    with client.sending(b"0\r\n" + rest * 20_000):
        assert client.read_answer().status in (400, 431)
    assert b"0\r\n" not in call.read_to_end()


def test_a_405_says_what_is_allowed(client: Client) -> None:
    answer = client.ask(head(b"TRACE / HTTP/1.1", HOST))
    assert b"POST" in (answer.value(b"allow") or b"")


@pytest.mark.parametrize(
    "opening",
    [
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), id="HTTP/2 preface"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), id="TLS"),
        pytest.param(b"\x00\x01\x02\x03" * 50, id="noise"),
        pytest.param(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", id="PROXY protocol"),
    ],
)
def test_another_protocol_is_refused_in_ours(client: Client, upstream: Upstream, opening: bytes) -> None:
    client.send(opening)
    assert client.read_answer().status in (400, 405, 501, 505)
    client.read_to_end()
    assert not upstream.is_called()


def test_a_refusal_names_no_query_and_no_key(
    client: Client, sidecar: RunningSidecar, upstream: Upstream
) -> None:
    request = head(b"GET /sk-secret/../x?key=sk-secret HTTP/1.1", HOST, b"Authorization: Bearer sk-secret")
    client.send(request)
    assert b"sk-secret" not in client.read_to_end()
    ok = sidecar.connect()
    ok.send(head(b"GET /v1/sk-secret/x?key=sk-secret HTTP/1.1", HOST, b"Authorization: Bearer sk-secret"))
    upstream.accept().close()
    assert b"sk-secret" not in ok.read_answer().body
    sidecar.wait_for_log("/v1/***/x")
    assert "sk-secret" not in sidecar.log


def test_a_head_of_a_hundred_names_for_one_connection_named_field_stays_safe(
    client: Client, upstream: Upstream
) -> None:
    # `Connection: transfer-encoding` must not turn a chunked body into the next request.
    client.send(
        head(b"POST / HTTP/1.1", HOST, b"Connection: transfer-encoding", b"Transfer-Encoding: chunked")
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    )
    request = upstream.accept().read_request()
    assert request.body == SMUGGLED
    assert request.value(b"transfer-encoding") == b"chunked"
