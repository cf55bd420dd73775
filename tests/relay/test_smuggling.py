"""What two readers could understand differently is refused, the connection ends, and the upstream sees nothing."""

import json

import pytest

from harness.clients import Client
from harness.sidecars import RunningSidecar
from harness.upstreams import Upstream
from harness.wire import End, head
from relay.loops import on_both_loops

HOST = b"Host: localhost"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def refused(client: Client, request: bytes, status: int) -> str:
    """Send what has to be refused: the answer, its shape and the end are looked at. Gives the error's code."""
    with client.sending(request + SMUGGLED):
        answer = client.read_answer()
        assert answer.status == status, answer.body
    assert answer.value(b"connection") == b"close"
    error = json.loads(answer.body)["error"]
    assert error["type"] == "sidecar_error"
    assert answer.value(b"feedback-error") == error["code"].encode()
    assert client.wait_for_end() is End.CLOSED
    code: str = error["code"]
    return code


FRAMING = {
    "both lengths": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "both lengths, the other order": head(
        b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked", b"Content-Length: 4"
    ),
    "two different lengths": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 4", b"Content-Length: 5"),
    "two equal lengths": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 0", b"Content-Length: 0"),
    "a list of lengths": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 4, 4"),
    "a length with a sign": head(b"POST / HTTP/1.1", HOST, b"Content-Length: +4"),
    "a length below zero": head(b"POST / HTTP/1.1", HOST, b"Content-Length: -4"),
    "a length in hex": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 0x4"),
    "a length with an underscore": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 1_0"),
    "a length beyond 64 bits": head(b"POST / HTTP/1.1", HOST, b"Content-Length: 18446744073709551620"),
    "an empty length": head(b"POST / HTTP/1.1", HOST, b"Content-Length: "),
    "gzip, chunked": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: gzip, chunked"),
    "chunked, gzip": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked, gzip"),
    "chunked twice": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked, chunked"),
    "chunked in two lines": head(
        b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"
    ),
    "chunked and identity": head(
        b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"
    ),
    "identity": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: identity"),
    "xchunked": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: xchunked"),
    "chunked with a parameter": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked;q=1"),
    "chunked in quotes": head(b"POST / HTTP/1.1", HOST, b'Transfer-Encoding: "chunked"'),
    "chunked behind a tab that is none": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: \x0bchunked"),
    "an empty coding": head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: "),
}

FIELDS = {
    "space before the colon": head(b"GET / HTTP/1.1", HOST, b"Content-Length : 4"),
    "tab before the colon": head(b"GET / HTTP/1.1", HOST, b"X\t: 4"),
    "obs-fold": head(b"GET / HTTP/1.1", HOST, b"X: a", b" folded"),
    "obs-fold with a tab": head(b"GET / HTTP/1.1", HOST, b"X: a", b"\tfolded"),
    "space before the first field": head(b"GET / HTTP/1.1", b" X: a", HOST),
    "bare CR in a value": head(b"GET / HTTP/1.1", HOST, b"X: a\rY: b"),
    "bare LF in a value": head(b"GET / HTTP/1.1", HOST, b"X: a\nY: b"),
    "bare LF behind the request line": b"GET / HTTP/1.1\nHost: localhost\r\n\r\n",
    "bare LF at the end of the head": b"GET / HTTP/1.1\r\nHost: localhost\n\n",
    "CR CR LF": b"GET / HTTP/1.1\r\nHost: localhost\r\r\n\r\n",
    "NUL in a value": head(b"GET / HTTP/1.1", HOST, b"X: a\0b"),
    "NUL in a name": head(b"GET / HTTP/1.1", HOST, b"X\0Y: a"),
    "a control character in a value": head(b"GET / HTTP/1.1", HOST, b"X: a\x01b"),
    "DEL in a value": head(b"GET / HTTP/1.1", HOST, b"X: a\x7fb"),
    "no colon": head(b"GET / HTTP/1.1", HOST, b"Xa"),
    "an empty name": head(b"GET / HTTP/1.1", HOST, b": a"),
    "a name beyond ASCII": head(b"GET / HTTP/1.1", HOST, b"X\xe9: a"),
    "a name with a brace": head(b"GET / HTTP/1.1", HOST, b"X{}: a"),
    "no Host": head(b"GET / HTTP/1.1", b"X: a"),
    "no Host in HTTP/1.0": head(b"GET / HTTP/1.0", b"X: a"),
    "two Hosts": head(b"GET / HTTP/1.1", HOST, HOST),
    "two Hosts, one foreign": head(b"GET / HTTP/1.1", HOST, b"hOST: attacker.test"),
    "an empty Host": head(b"GET / HTTP/1.1", b"Host: "),
    "a Host with a path": head(b"GET / HTTP/1.1", b"Host: localhost/x"),
    "a Host with a user": head(b"GET / HTTP/1.1", b"Host: attacker.test@localhost"),
    "a Host with a comma": head(b"GET / HTTP/1.1", b"Host: localhost, localhost"),
}

TARGETS = {
    name: head(b"GET " + target + b" HTTP/1.1", HOST)
    for name, target in {
        "a fragment": b"/v1/x#y",
        "a fragment in the query": b"/v1/x?a#b",
        "..": b"/v1/../admin",
        ".. at the end": b"/v1/..",
        ".": b"/v1/./x",
        ". at the end": b"/v1/.",
        "%2e%2e": b"/v1/%2e%2e/admin",
        "%2E%2e": b"/v1/%2E%2e/admin",
        ".%2e": b"/v1/.%2e/admin",
        "%2e": b"/v1/%2e/x",
        "%2f..": b"/v1%2f..%2fadmin",
        "%2F%2e%2E": b"/v1%2F%2e%2E%2Fadmin",
        "..%5c": b"/v1/..%5cadmin",
        "%5C": b"/v1/a%5Cb",
        "backslash": b"/v1/a\\b",
        "backslash dots": b"/v1/..\\admin",
        "dots out of the local prefix": b"/feedback/../v1/x",
        "dots into the local prefix": b"/v1/../feedback",
        "dots in an absolute target": b"http://localhost/v1/../x",
        "no slash": b"v1/x",
        "another scheme": b"ftp://localhost/x",
        "a colon": b"localhost:80",
        "an asterisk": b"*",
        "an asterisk with more": b"*x",
        "bytes beyond ASCII": b"/v1/caf\xc3\xa9",
        "a space": b"/v1/a b",
        "a tab": b"/v1/a\tb",
        "NUL": b"/v1/a\0b",
        "DEL": b"/v1/a\x7fb",
        "nobody in an absolute target": b"http:///v1/x",
        "a user in an absolute target": b"http://user@localhost/v1/x",
    }.items()
}

LINES = {
    "HTTP/1.2": head(b"GET / HTTP/1.2", HOST),
    "HTTP/01.1": head(b"GET / HTTP/01.1", HOST),
    "http/1.1": head(b"GET / http/1.1", HOST),
    "no version": head(b"GET /"),
    "a space behind the version": head(b"GET / HTTP/1.1 ", HOST),
    "HTTP/0.9": head(b"GET / HTTP/0.9", HOST),
}

ABSOLUTE = {
    # RFC 9112 §3.2: Host is demanded, once, also where the target replaces it.
    "no Host beside an absolute target": head(b"GET http://localhost/ HTTP/1.1", b"X: a"),
    "two Hosts beside an absolute target": head(b"GET http://localhost/ HTTP/1.1", HOST, b"Host: b"),
}


@pytest.mark.parametrize("request_bytes", [pytest.param(raw, id=name) for name, raw in FRAMING.items()])
def test_a_body_whose_end_is_ambiguous_is_refused(
    client: Client, upstream: Upstream, request_bytes: bytes
) -> None:
    refused(client, request_bytes + b"0\r\n\r\n", 400)
    assert not upstream.is_called()


@pytest.mark.parametrize(
    "request_bytes", [pytest.param(raw, id=name) for name, raw in (FIELDS | ABSOLUTE).items()]
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(
    client: Client, upstream: Upstream, request_bytes: bytes
) -> None:
    refused(client, request_bytes, 400)
    assert not upstream.is_called()


@pytest.mark.parametrize("request_bytes", [pytest.param(raw, id=name) for name, raw in TARGETS.items()])
def test_a_target_that_can_be_read_in_two_ways_is_refused(
    client: Client, upstream: Upstream, request_bytes: bytes
) -> None:
    refused(client, request_bytes, 400)
    assert not upstream.is_called()


@pytest.mark.parametrize("request_bytes", [pytest.param(raw, id=name) for name, raw in LINES.items()])
def test_a_malformed_request_line_is_refused(
    client: Client, upstream: Upstream, request_bytes: bytes
) -> None:
    client.send(request_bytes)
    answer = client.read_answer()
    assert answer.status in (400, 505)
    assert answer.value(b"feedback-error") is not None
    assert client.wait_for_end() is End.CLOSED
    assert not upstream.is_called()


@on_both_loops
@pytest.mark.parametrize(
    "chunk",
    [
        b"zz\r\n",
        b"0x4\r\n",
        b"+4\r\n",
        b" 4\r\n",
        b"-4\r\n",
        b"4 \r\n",
        b"4\nbody\n",
        b"4\r\nbodyXX",
        b"4;a\nb\r\n",
        b"\r\n",
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_a_bad_chunk_ends_the_call_and_never_makes_it_whole(
    client: Client, upstream: Upstream, chunk: bytes, together: bool
) -> None:
    start = head(b"POST / HTTP/1.1", HOST, b"Transfer-Encoding: chunked")
    if together:
        refused(client, start + chunk, 400)
        # The head was good: it may have gone up, though never with an end.
        if upstream.is_called():
            assert b"0\r\n\r\n" not in upstream.accept().read_to_end()
        return
    client.send(start + b"4\r\nsome\r\n")
    call = upstream.accept()
    call.read_request_head()
    assert call.read_chunk() == b"some"
    refused(client, chunk, 400)
    assert b"0\r\n" not in call.read_to_end()


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


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (head(b"GET / HTTP/2.0", HOST), 505, "version_not_supported"),
        (head(b"CONNECT localhost:443 HTTP/1.1", HOST), 405, "method_not_allowed"),
        (head(b"TRACE / HTTP/1.1", HOST), 405, "method_not_allowed"),
        (head(b"BREW / HTTP/1.1", HOST), 501, "method_unknown"),
        (head(b"get / HTTP/1.1", HOST), 501, "method_unknown"),
        (head(b"GET / HTTP/1.1", b"Host: attacker.test"), 403, "host_not_allowed"),
        (head(b"GET http://attacker.test/ HTTP/1.1", HOST), 403, "host_not_allowed"),
        (head(b"GET / HTTP/1.1", HOST, b"Origin: null"), 403, "origin_not_allowed"),
        (head(b"GET / HTTP/1.1", HOST, b"Origin: http://localhost:1"), 403, "origin_not_allowed"),
        (head(b"GET / HTTP/1.1", HOST, b"Sec-Fetch-Site: same-site"), 403, "cross_site"),
        (head(b"GET / HTTP/1.1", HOST, b"X: " + b"x" * 70_000), 431, "head_too_large"),
        (head(b"GET / HTTP/1.1", HOST, b"X" * 70_000 + b": x"), 431, "head_too_large"),
        (head(b"GET / HTTP/1.1", HOST, *[b"X: %d" % i for i in range(256)]), 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100_000, 431, "head_too_large"),
        (b"GET /" + b"x" * 300_000, 431, "head_too_large"),
        (head(b"GET /" + b"x" * 70_000 + b" HTTP/1.1", HOST), 431, "head_too_large"),
    ],
)
def test_what_is_not_served_is_said_with_the_right_status(
    client: Client, upstream: Upstream, request_bytes: bytes, status: int, code: str
) -> None:
    assert refused(client, request_bytes, status) == code
    assert not upstream.is_called()


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
