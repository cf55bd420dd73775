"""The client cannot tell the sidecar from the gateway: what passes as it came."""

import gzip

import pytest

from harness.clients import Client
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, Upstream, answering
from harness.wire import chunked, head

OWN_ID = b"Helicone-Request-Id: 6b1d9f3e-8f0e-4c56-9d5c-0f6a4f2a7b11"
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


@pytest.fixture
def bare(start_sidecar: StartSidecar, upstream: Upstream) -> Client:
    """A client of a sidecar that adds nothing that can be turned off."""
    sidecar = start_sidecar(upstream.url, **{"upstream.via": False, "hooks.id": False, "hooks.url": False})
    return sidecar.connect()


def pass_up(client: Client, upstream: Upstream, request: bytes) -> bytes:
    """Send a request through. Gives the head that the gateway got, raw."""
    client.send(request)
    call = upstream.accept()
    got = call.read_request().head
    call.send(OK)
    assert client.read_answer().body == b"ok"
    return got


def pass_down(client: Client, upstream: Upstream, answer: bytes, method: bytes = b"GET") -> bytes:
    """Send an answer through. Gives all that the client got, raw."""
    client.send(head(method + b" /v1/models HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(answer)
    call.close()
    message = client.read_answer(to=method)
    return message.head + message.body


def test_a_request_head_goes_up_as_it_came_but_for_its_host(bare: Client, upstream: Upstream) -> None:
    lines = (
        b"x-LOWER-upper: 1",
        b"Accept: application/json",
        b"X-Twice: first",
        b"Content-type: text/plain",
        b"x-twice: second, third",
        b"X-Twice: first",
        b"X-Empty: ",
        b"X-Latin: caf\xe9 \xff\x80",
        b"X-Utf8: \xf0\x9f\x91\x8d",
        b"User-Agent: Tester/1.0  (two  blanks)",
        b"Authorization: Bearer sk-Whatever",
        OWN_ID,
    )
    got = pass_up(bare, upstream, head(b"GET /v1/models?b=2&a=1 HTTP/1.1", b"hOST: localhost:1", *lines))
    assert got == head(
        b"GET /v1/models?b=2&a=1 HTTP/1.1", b"hOST: " + upstream.authority, *lines
    )  # fmt: skip


def test_host_is_rewritten_where_it_stands(bare: Client, upstream: Upstream) -> None:
    got = pass_up(bare, upstream, head(b"GET / HTTP/1.1", b"A: 1", b"Host: localhost", b"B: 2", OWN_ID))
    assert got == head(b"GET / HTTP/1.1", b"A: 1", b"Host: " + upstream.authority, b"B: 2", OWN_ID)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/v1/a%2Fb%2fc",
        b"//v1//models//",
        b"/v1/%zz/%",
        b"/v1/models?",
        b"/v1/models?a=%2e%2e/../b&c=#"[:-1],
        b"/v1/models?q=/../..\\x",
        b"/v1/models;p=1,2/~user/@me/:x/!$&'()*+=",
        b"/v1/%41%e4%C3%A4",
        b"/v1/...//.hidden/a..b/..c",
        b'/v1/{id}?q=|^`"<>',
        b"/feedbackX/y",
        b"/Feedback",
        b"//feedback",
        b"/%66eedback",
        b"/v1/feedback",
        b"/" + b"x" * 30_000,
    ],
)
def test_the_request_target_passes_untouched(bare: Client, upstream: Upstream, target: bytes) -> None:
    got = pass_up(bare, upstream, head(b"GET " + target + b" HTTP/1.1", b"Host: localhost", OWN_ID))
    assert got.partition(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


@pytest.mark.parametrize(
    "method",
    [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND", b"QUERY", b"M-SEARCH", b"PURGE"],
)
def test_every_method_that_is_known_passes(bare: Client, upstream: Upstream, method: bytes) -> None:
    got = pass_up(bare, upstream, head(method + b" /v1/x HTTP/1.1", b"Host: localhost", OWN_ID))
    assert got == head(method + b" /v1/x HTTP/1.1", b"Host: " + upstream.authority, OWN_ID)


def test_a_path_in_the_route_stands_before_the_target(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    client = start_sidecar(upstream.url + "/base/x").connect()
    got = pass_up(client, upstream, head(b"GET /v1/models?x HTTP/1.1", b"Host: localhost"))
    assert got.startswith(b"GET /base/x/v1/models?x HTTP/1.1\r\n")


def test_a_path_in_the_route_is_used_as_it_is_written(
    start_sidecar: StartSidecar, upstream: Upstream
) -> None:
    client = start_sidecar(upstream.url + "/a%2Fb/%7Ex").connect()
    got = pass_up(client, upstream, head(b"GET /v1/models HTTP/1.1", b"Host: localhost"))
    assert got.startswith(b"GET /a%2Fb/%7Ex/v1/models HTTP/1.1\r\n")


def test_an_absolute_target_goes_up_as_a_path(bare: Client, upstream: Upstream) -> None:
    request = head(b"GET http://LOCALHOST:99/v1/%2f?x HTTP/1.1", b"Host: localhost", OWN_ID)
    got = pass_up(bare, upstream, request)
    assert got == head(b"GET /v1/%2f?x HTTP/1.1", b"Host: " + upstream.authority, OWN_ID)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ((b"Host: \t localhost \t ",), b""),
        ((b"Host:localhost",), b""),
        ((b"Host: localhost", b"Content-Length: 2 \t"), b"hi"),
        ((b"Host: localhost", b"Transfer-Encoding: \tchunked "), chunked(b"hi")),
    ],
)
def test_whitespace_around_a_value_is_no_part_of_it(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, lines: tuple[bytes, ...], body: bytes
) -> None:
    # RFC 9112 §5.1: it is excluded before the value is looked at, be it a Host or a length.
    upstream = start_upstream(answering(OK))
    client = start_sidecar(upstream.url).connect()
    assert client.ask(head(b"POST / HTTP/1.1", *lines) + body).status == 200
    assert upstream.requests[0].value(b"host") == upstream.authority
    assert upstream.requests[0].body == (b"hi" if body else b"")


def test_a_fixed_length_body_stays_one(bare: Client, upstream: Upstream) -> None:
    body = bytes(range(256)) * 700
    request = head(b"POST /v1/files HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % len(body), OWN_ID)
    bare.send(request + body)
    call = upstream.accept()
    got = call.read_request()
    assert got.body == body
    assert got.value(b"content-length") == b"%d" % len(body)
    assert got.chunks is None


def test_an_empty_body_keeps_its_length(bare: Client, upstream: Upstream) -> None:
    got = pass_up(bare, upstream, head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 0", OWN_ID))
    assert b"\r\nContent-Length: 0\r\n" in got


def test_a_chunked_upload_stays_chunked_with_its_trailers(bare: Client, upstream: Upstream) -> None:
    bare.send(
        head(
            b"POST /v1/x HTTP/1.1",
            b"Host: localhost",
            b"Transfer-Encoding: chunked",
            b"Trailer: X-Sum, x-Sum2",
            OWN_ID,
        )
    )
    call = upstream.accept()
    for piece in (b"one", b"\x00\xff" * 500, b"three"):
        bare.send(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
        if call.requests == []:
            request = call.read_request_head()
        assert call.read_chunk() == piece
    bare.send(head(b"0", b"X-Sum: 1", b"x-Sum2: caf\xe9"))
    assert call.read_chunk() == b""
    assert call.read_head() == head(b"X-Sum: 1", b"x-Sum2: caf\xe9")
    assert request.value(b"transfer-encoding") == b"chunked"
    assert request.value(b"trailer") == b"X-Sum, x-Sum2"
    assert request.values(b"content-length") == []


@pytest.mark.parametrize(
    "answer",
    [
        head(b"HTTP/1.1 200 OK", b"content-LENGTH: 2") + b"ok",
        head(b"HTTP/1.1 200 Fine, \xe9 thanks", b"Content-Length: 2", b"X-A: 1", b"x-a: 2", b"X-A: 1")
        + b"ok",
        head(b"HTTP/1.1 299 ", b"X-Empty: ", b"X-Latin: caf\xe9\xff", b"Content-Length: 0"),
        head(b"HTTP/1.1 404 Not Found", b"Server: cloudflare", b"Date: x", b"Content-Length: 4")
        + b"\0\xff\r\n",
        head(b"HTTP/1.1 500 Oops", b"Location: http://elsewhere/", b"Content-Length: 0"),
        head(b"HTTP/1.1 302 Found", b"Location: /relative", b"Content-Length: 0"),
        head(b"HTTP/1.1 429 Slow Down", b"Retry-After: 3", b"Content-Length: 3") + b"{} ",
    ],
)
def test_an_answer_comes_down_as_it_was(bare: Client, upstream: Upstream, answer: bytes) -> None:
    assert pass_down(bare, upstream, answer) == answer


def test_nothing_is_invented_on_the_way_down(bare: Client, upstream: Upstream) -> None:
    got = pass_down(bare, upstream, OK)
    assert got == OK


def test_nothing_is_invented_on_the_way_up(bare: Client, upstream: Upstream) -> None:
    got = pass_up(bare, upstream, head(b"POST /v1/x HTTP/1.1", b"Host: localhost", OWN_ID))
    assert got == head(b"POST /v1/x HTTP/1.1", b"Host: " + upstream.authority, OWN_ID)


def test_a_gzip_body_is_equal_byte_for_byte(bare: Client, upstream: Upstream) -> None:
    packed = gzip.compress(b"what was said " * 9000, mtime=0)
    answer = head(b"HTTP/1.1 200 OK", b"Content-Encoding: gzip", b"Content-Length: %d" % len(packed)) + packed
    assert pass_down(bare, upstream, answer) == answer


def test_a_gzip_upload_is_equal_byte_for_byte(bare: Client, upstream: Upstream) -> None:
    packed = gzip.compress(b"what was asked " * 9000, mtime=0)
    length = b"Content-Length: %d" % len(packed)
    bare.send(
        head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Encoding: gzip", length, OWN_ID) + packed
    )
    assert upstream.accept().read_request().body == packed


def test_a_chunked_answer_stays_chunked_with_its_trailers(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost", b"TE: trailers", b"Connection: TE"))
    call = upstream.accept()
    assert call.read_request().value(b"te") == b"trailers"
    call.send(
        head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Trailer: X-Sum")
        + chunked(b"one", b"two", trailers=(b"X-Sum: 1", b"x-More: caf\xe9"))
    )
    answer = bare.read_answer()
    assert answer.body == b"onetwo"
    assert answer.trailers == [(b"X-Sum", b"1"), (b"x-More", b"caf\xe9")]
    assert answer.value(b"transfer-encoding") == b"chunked"
    assert answer.value(b"trailer") == b"X-Sum"
    assert answer.values(b"content-length") == []


@pytest.mark.parametrize(
    "forbidden",
    [b"Set-Cookie: a=b", b"Connection: close", b"Transfer-Encoding: chunked", b"Access-Control-Max-Age: 1"],
)
def test_a_trailer_that_may_not_be_one_is_dropped(bare: Client, upstream: Upstream, forbidden: bytes) -> None:
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    answer = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked")
    call.send(answer + chunked(b"one", trailers=(b"X-Good: 1", forbidden)))
    assert bare.read_answer().trailers == [(b"X-Good", b"1")]


@pytest.mark.parametrize("forbidden", [b"Cookie: a=b", b"Host: other", b"Origin: x", b"TE: gzip"])
def test_so_it_is_on_the_way_up(bare: Client, upstream: Upstream, forbidden: bytes) -> None:
    start = head(b"POST / HTTP/1.1", b"Host: localhost", b"Transfer-Encoding: chunked")
    bare.send(start + chunked(b"one", trailers=(forbidden, b"X-Good: 1")))
    assert upstream.accept().read_request().trailers == [(b"X-Good", b"1")]


def test_an_answer_that_ends_with_its_connection_becomes_chunked(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 200 OK", b"X: 1") + b"first")
    answer_head = bare.read_head()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer_head
    assert bare.read_chunk() == b"first"
    call.send(b"second")
    assert bare.read_chunk() == b"second"
    call.close()
    assert bare.read_chunk() == b""
    assert bare.read_exactly(2) == b"\r\n"
    again = head(b"GET / HTTP/1.1", b"Host: localhost")
    bare.send(again)
    assert upstream.accept().read_request().target == b"/"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", head(b"HTTP/1.1 200 OK", b"Content-Length: 4096", b"Content-Type: a/b")),
        (b"HEAD", head(b"HTTP/1.1 200 OK", b"Content-Type: a/b")),
        (b"GET", head(b"HTTP/1.1 204 No Content", b"X: 1")),
        (b"GET", head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 4096", b'ETag: "x"')),
        (b"GET", head(b"HTTP/1.1 304 Not Modified", b'ETag: "x"')),
    ],
)
def test_answers_without_a_body_have_none_and_keep_their_length(
    bare: Client, upstream: Upstream, method: bytes, answer: bytes
) -> None:
    for _ in range(2):  # The client's connection goes on behind them.
        assert pass_down(bare, upstream, answer, method) == answer


def test_a_chunked_answer_to_head_says_so_and_has_no_body(bare: Client, upstream: Upstream) -> None:
    answer = head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked")
    for _ in range(2):
        assert pass_down(bare, upstream, answer, b"HEAD") == answer


def test_interim_answers_pass(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    hints = head(b"HTTP/1.1 103 Early Hints", b"link: </a.css>; rel=preload", b"x-Y: \xc3")
    for interim in (head(b"HTTP/1.1 100 Continue"), hints, head(b"HTTP/1.1 102 Processing")):
        call.send(interim)
        assert bare.read_answer().head == interim
    call.send(head(b"HTTP/1.1 103 Early Hints") + OK)
    assert bare.read_answer().status == 103
    assert bare.read_answer().body == b"ok"
    # The connection is as good as new.
    bare.send(head(b"GET /next HTTP/1.1", b"Host: localhost"))
    assert call.read_request().target == b"/next"


def test_expect_continue_goes_from_end_to_end(bare: Client, upstream: Upstream) -> None:
    request = head(
        b"POST /v1/x HTTP/1.1", b"Host: localhost", b"Content-Length: 4", b"Expect: 100-continue", OWN_ID
    )
    bare.send(request)
    call = upstream.accept()
    assert call.read_request_head().value(b"expect") == b"100-continue"
    call.send(head(b"HTTP/1.1 100 Continue"))
    assert bare.read_answer().status == 100
    bare.send(b"body")
    assert call.read_exactly(4) == b"body"
    call.send(OK)
    assert bare.read_answer().body == b"ok"


def test_a_refused_upload_is_never_asked_to_continue(bare: Client, upstream: Upstream) -> None:
    expecting = (b"Host: attacker.test", b"Content-Length: 4", b"Expect: 100-continue")
    bare.send(head(b"POST / HTTP/1.1", *expecting))
    assert bare.read_answer().status == 403
    assert not upstream.is_called()


def test_the_body_can_be_refused_before_it_is_sent(bare: Client, upstream: Upstream) -> None:
    bare.send(
        head(b"POST / HTTP/1.1", b"Host: localhost", b"Content-Length: 4", b"Expect: 100-continue", OWN_ID)
    )
    call = upstream.accept()
    call.read_request_head()
    call.send(head(b"HTTP/1.1 417 No", b"Content-Length: 2") + b"no")
    answer = bare.read_answer()
    assert (answer.status, answer.body) == (417, b"no")


def test_a_head_that_comes_byte_by_byte_is_the_same_request(bare: Client, upstream: Upstream) -> None:
    request = head(b"POST /v1/x?y HTTP/1.1", b"Host: localhost", b"X: caf\xe9", b"Content-Length: 4", OWN_ID)
    bare.send_bytewise(request + b"body")
    call = upstream.accept()
    got = call.read_request()
    assert got.head == request.replace(b"localhost", upstream.authority)
    assert got.body == b"body"


def test_an_answer_that_comes_byte_by_byte_is_the_same_answer(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    trailers = (b"X-Sum: 1",)
    call.send_bytewise(
        head(b"HTTP/1.1 103 Early Hints", b"A: b")
        + head(b"HTTP/1.1 200 All  Right", b"X: caf\xe9", b"Transfer-Encoding: chunked")
        + chunked(b"one", b"two", trailers=trailers)
    )
    assert bare.read_answer().start == b"HTTP/1.1 103 Early Hints"
    answer = bare.read_answer()
    assert answer.start == b"HTTP/1.1 200 All  Right"
    assert answer.body == b"onetwo"
    assert answer.trailers == [(b"X-Sum", b"1")]


def test_a_multipart_upload_of_8_mb_is_equal(bare: Client, upstream: Upstream) -> None:
    body = bytes(range(256)) * 32_768
    length = b"Content-Length: %d" % len(body)
    with bare.sending(head(b"POST /v1/files HTTP/1.1", b"Host: localhost", length, OWN_ID) + body):
        call = upstream.accept()
        assert call.read_request().body == body


def test_a_binary_download_of_8_mb_is_equal(bare: Client, upstream: Upstream) -> None:
    body = bytes(range(255, -1, -1)) * 32_768
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    with call.sending(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body)) + body):
        assert bare.read_answer().body == body


def test_the_first_event_arrives_before_the_second_is_sent(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", b"Content-Length: 0"))
    call = upstream.accept()
    call.read_request()
    call.send(head(b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked"))
    assert b"text/event-stream" in bare.read_head()
    for i in range(50):
        event = b"data: %d\n\n" % i
        call.send(b"%x\r\n%b\r\n" % (len(event), event))
        assert bare.read_chunk() == event
    call.send(b"0\r\n\r\n")
    assert bare.read_chunk() == b""


def test_the_head_of_an_answer_arrives_before_its_body(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"GET / HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    call.read_request()
    answer = head(b"HTTP/1.1 200 OK", b"Content-Length: 2")
    call.send(answer)
    assert bare.read_head() == answer
    call.send(b"o")
    assert bare.read_exactly(1) == b"o"
    call.send(b"k")
    assert bare.read_exactly(1) == b"k"


def test_upload_and_answer_can_take_turns(bare: Client, upstream: Upstream) -> None:
    bare.send(head(b"POST / HTTP/1.1", b"Host: localhost", b"Transfer-Encoding: chunked"))
    call = upstream.accept()
    call.read_request_head()
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"))
    bare.read_head()
    for i in range(10):
        question = b"question %d" % i
        bare.send(b"%x\r\n%b\r\n" % (len(question), question))
        assert call.read_chunk() == question
        call.send(b"8\r\nanswer %d\r\n" % i)
        assert bare.read_chunk() == b"answer %d" % i
