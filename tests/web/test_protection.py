"""Who gets in to the local routes, and what everything else is told. Nothing reaches Helicone on the way."""

import json
import re
import time
from collections.abc import Callable

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, document, error_of, request
from harness.wire import End, Message, Wire, head
from proxy.web.application import ROUTES

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
RATING = b'{"rating": true}'

LOCAL_ROUTES = [
    ("GET", "/feedback"),
    ("GET", "/feedback/health"),
    ("GET", "/feedback/last"),
    ("GET", f"/feedback/{ID}"),
    ("HEAD", "/feedback/last"),
    ("POST", "/feedback/last"),
    ("POST", f"/feedback/{ID}"),
    ("DELETE", "/feedback/last"),
    ("DELETE", f"/feedback/{ID}"),
    ("POST", "/feedback/batch"),
    ("GET", "/feedback/outbox"),
    ("POST", "/feedback/outbox/retry"),
    ("OPTIONS", "/feedback/last"),
    ("GET", "/feedback/no/such/route"),
    ("DELETE", "/feedback"),
]
RELAYED_ROUTES = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("OPTIONS", "/v1/chat/completions"),
]

STRANGERS: list[tuple[tuple[bytes, ...], str]] = [
    ((b"Host: attacker.test",), "host_not_allowed"),
    ((b"Host: attacker.test:8747",), "host_not_allowed"),
    ((b"Host: localhost.attacker.test",), "host_not_allowed"),
    ((b"Host: 0.0.0.0:8747",), "host_not_allowed"),
    ((b"Host: 192.168.0.1",), "host_not_allowed"),
    # Rebinding: the page's own name stands in both.
    ((b"Host: attacker.test:8747", b"Origin: http://attacker.test:8747"), "host_not_allowed"),
    ((b"Host: localhost:8747", b"Origin: http://attacker.test"), "origin_not_allowed"),
    ((b"Host: localhost:8747", b"Origin: https://attacker.test:8747"), "origin_not_allowed"),
    ((b"Host: localhost:8747", b"Origin: null"), "origin_not_allowed"),
    ((b"Host: localhost:8747", b"Origin: http://localhost:3000"), "origin_not_allowed"),
    ((b"Host: localhost:8747", b"Origin: http://127.0.0.1:8747"), "origin_not_allowed"),
    (
        (b"Host: localhost:8747", b"Origin: http://localhost:3000", b"Sec-Fetch-Site: same-site"),
        "origin_not_allowed",
    ),
    ((b"Host: localhost:8747", b"Sec-Fetch-Site: cross-site"), "cross_site"),
    ((b"Host: localhost:8747", b"Sec-Fetch-Site: same-site"), "cross_site"),
    ((b"Host: localhost:8747", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors"), "cross_site"),
]


def code_of(answer: Message, method: str) -> str:
    """The code of a refusal, of one without a body too."""
    code = answer.value(b"feedback-error")
    assert code is not None
    if method != "HEAD":
        assert error_of(answer)[:2] == (answer.status, code.decode())
    return code.decode()


@pytest.mark.parametrize(("method", "target"), LOCAL_ROUTES + RELAYED_ROUTES)
def test_a_stranger_gets_in_nowhere_and_nothing_goes_up(bench: Bench, method: str, target: str) -> None:
    body = RATING if method == "POST" else b""
    for lines, code in STRANGERS:
        answer = bench.ask(method, target, body, JSON, *lines)
        assert (answer.status, code_of(answer, method)) == (403, code), lines
    assert bench.posted == []
    assert bench.standin.gateway.all() == []


@pytest.mark.parametrize(("method", "target"), LOCAL_ROUTES + RELAYED_ROUTES)
@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"Host: ",),
        (b"Host: localhost", b"Host: localhost"),
        (b"Host: local host",),
        (b"Host: a@localhost",),
    ],
)
def test_a_host_that_is_none_is_refused(
    bench: Bench, method: str, target: str, lines: tuple[bytes, ...]
) -> None:
    client = bench.sidecar.connect()
    length = (b"Content-Length: 0",) if method == "POST" else ()
    client.send(head(f"{method} {target} HTTP/1.1".encode(), *lines, *length))
    answer = client.read_answer(to=method.encode())
    assert answer.status == 400
    assert bench.posted == []
    assert bench.standin.gateway.all() == []


@pytest.mark.parametrize("mode", [b"navigate", b"no-cors"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_form_of_our_own_origin_changes_nothing(bench: Bench, method: str, mode: bytes) -> None:
    lines = (b"Host: localhost:8747", b"Origin: http://localhost:8747", b"Sec-Fetch-Site: same-origin")
    answer = bench.ask(method, f"/feedback/{ID}", RATING, JSON, *lines, b"Sec-Fetch-Mode: " + mode)
    assert error_of(answer)[:2] == (403, "browser_navigation")
    assert bench.posted == []


def test_our_own_page_gets_in(bench: Bench) -> None:
    own = (b"Host: localhost:8747", b"Origin: http://localhost:8747", b"Sec-Fetch-Site: same-origin")
    assert bench.ask("POST", f"/feedback/{ID}", RATING, JSON, *own, b"Sec-Fetch-Mode: cors").status == 200
    assert bench.ask("GET", "/feedback", b"", *own[:1], own[2]).status == 200


def test_an_address_typed_into_a_browser_gets_in(bench: Bench) -> None:
    typed = (b"Sec-Fetch-Site: none", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document")
    assert bench.ask("GET", "/feedback", b"", *typed).status == 200


@pytest.mark.parametrize(
    ("label", "body"),
    [
        (b"Content-Type: application/x-www-form-urlencoded", b"rating=up"),
        (b"Content-Type: text/plain", RATING),
        (b"Content-Type: multipart/form-data; boundary=x", RATING),
        (b"X-None: 1", RATING),
    ],
)
@pytest.mark.parametrize("sign", [b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin"])
def test_a_browser_must_label_its_rating_as_json(
    bench: Bench, label: bytes, body: bytes, sign: bytes
) -> None:
    answer = bench.ask("POST", f"/feedback/{ID}", body, label, sign)
    assert error_of(answer)[:2] == (415, "json_required")
    assert bench.posted == []


@pytest.mark.parametrize("target", ["/feedback/batch", "/feedback/outbox/retry"])
def test_a_browser_must_label_everything_that_it_posts_as_json(bench: Bench, target: str) -> None:
    answer = bench.ask("POST", target, b"{}", b"Content-Type: text/plain", b"Origin: http://localhost")
    assert error_of(answer)[:2] == (415, "json_required")


def test_a_browser_rates_by_no_query_without_json(bench: Bench) -> None:
    answer = bench.ask("POST", f"/feedback/{ID}?rating=up", b"", b"Origin: http://localhost")
    assert error_of(answer)[:2] == (415, "json_required")


def test_nodes_fetch_is_no_browser(bench: Bench) -> None:
    answer = bench.ask("POST", f"/feedback/{ID}", b"rating=up", b"Sec-Fetch-Mode: cors", b"User-Agent: node")
    assert answer.status == 200


def test_no_page_of_another_origin_is_let_in_by_a_preflight(bench: Bench) -> None:
    preflight = (b"Origin: http://attacker.test", b"Access-Control-Request-Method: POST")
    answer = bench.ask("OPTIONS", "/feedback/last", b"", *preflight)
    assert answer.status == 403
    assert [name for name in answer.names if name.startswith(b"access-control")] == []


def test_a_listed_host_gets_in_by_that_name_alone(start_bench: StartBench) -> None:
    bench = start_bench(**{"guard.allowed_hosts": ["host.docker.internal"]})
    assert bench.get("/feedback", b"Host: host.docker.internal:8747").status == 200
    assert bench.get("/feedback", b"Host: docker.internal").status == 403
    assert bench.chat(b"Host: host.docker.internal").status == 200


# -- absolute targets


def test_the_host_of_an_absolute_target_is_the_one_that_counts(bench: Bench) -> None:
    assert bench.get("http://localhost:8747/feedback", b"Host: attacker.test").status == 200
    answer = bench.get("http://attacker.test/feedback", b"Host: localhost")
    assert error_of(answer)[:2] == (403, "host_not_allowed")
    answer = bench.ask("POST", f"http://attacker.test/feedback/{ID}", RATING, b"Host: localhost", JSON)
    assert error_of(answer)[:2] == (403, "host_not_allowed")
    assert bench.posted == []


# -- other paths and methods


@pytest.mark.parametrize(
    "target",
    [
        "/feedback/",
        "/feedback/last/",
        "/feedback/last/x",
        "/feedback//last",
        f"/feedback/{ID}/rating",
        "/feedback/{x}",
        "/feedback/%7Bx%7D",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_is_none_of_ours_is_404_and_does_not_go_up(
    bench: Bench, method: str, target: str
) -> None:
    status, code, sentence = error_of(bench.ask(method, target))
    assert status == 404
    assert code in ("no_such_route", "unknown_call")
    assert "/feedback" in sentence
    assert bench.standin.gateway.all() == []


def test_the_sentence_about_an_unknown_path_names_those_that_there_are(bench: Bench) -> None:
    sentence = error_of(bench.get("/feedback//last"))[2]
    named = set(re.findall(r"/feedback[a-z<>/.-]*(?<![.])", sentence))
    unsaid = {"/feedback/page/{name}", "/feedback/last/session"}
    assert named == {path.replace("{id}", "<id>") for _, path, _ in ROUTES if path not in unsaid}


@pytest.mark.parametrize(
    "target", ["/feedbacks", "/feedback-widget", "/v1/feedbacks", "/Feedback", "/x/feedback/last"]
)
def test_a_path_that_only_looks_like_ours_is_the_gateways(bench: Bench, target: str) -> None:
    bench.get(target)
    assert [received.target for received in bench.standin.gateway.all()] == [target]


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/feedback", b"GET, HEAD"),
        ("PUT", "/feedback", b"GET, HEAD"),
        ("PUT", "/feedback/outbox/retry", b"POST"),
        ("GET", "/feedback/outbox/retry", b"POST"),
        ("GET", "/feedback/batch", b"POST"),
        ("DELETE", "/feedback/outbox", b"GET, HEAD"),
        ("POST", "/feedback/health", b"GET, HEAD"),
        ("OPTIONS", "/feedback/metrics", b"GET, HEAD"),
        ("PUT", "/feedback/last", b"DELETE, GET, HEAD, POST"),
        ("PATCH", f"/feedback/{ID}", b"DELETE, GET, HEAD, POST"),
        ("OPTIONS", "/feedback/last", b"DELETE, GET, HEAD, POST"),
        ("PROPFIND", "/feedback/last", b"DELETE, GET, HEAD, POST"),
    ],
)
def test_a_method_that_a_route_does_not_take_is_405(
    bench: Bench, method: str, target: str, allowed: bytes
) -> None:
    answer = bench.ask(method, target)
    status, code, sentence = error_of(answer)
    assert (status, code) == (405, "method_not_allowed")
    assert answer.value(b"allow") == allowed
    assert f"takes {allowed.decode()}" in sentence


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_a_proxy_must_fear_go_nowhere(bench: Bench, method: str) -> None:
    client = bench.sidecar.connect()
    client.send(request(method, "/feedback/last"))
    assert client.read_answer().status in (400, 405, 501)


# -- bodies and heads


def test_a_body_beyond_64_kib_is_413_and_the_sentence_arrives(bench: Bench) -> None:
    bench.chat()
    for size in (64 * 1024 + 1, 3_000_000):
        status, code, sentence = error_of(bench.rate(body=b" " * size))
        assert (status, code) == (413, "body_too_large")
        assert "64 KiB" in sentence
    client = bench.sidecar.connect()
    client.send(head(b"POST /feedback/last HTTP/1.1", b"Host: localhost", b"Transfer-Encoding: chunked"))
    client.send((b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 3 + b"0\r\n\r\n")
    assert error_of(client.read_answer())[:2] == (413, "body_too_large")
    assert bench.posted == []


def test_a_batch_may_be_larger_and_has_its_own_bound(bench: Bench) -> None:
    client = bench.sidecar.connect()
    said = client.ask(request("POST", "/feedback/batch", b"[1]" + b" " * (4 * 1024 * 1024 - 3)))
    assert said.status == 422
    client = bench.sidecar.connect()
    client.send(request("POST", "/feedback/batch", b" " * (4 * 1024 * 1024 + 1)))
    status, code, sentence = error_of(client.read_answer())
    assert (status, code) == (413, "body_too_large")
    assert "a batch into 4 MiB" in sentence


def test_a_body_of_64_kib_is_read(bench: Bench) -> None:
    bench.chat()
    assert bench.rate(body=RATING + b" " * (64 * 1024 - len(RATING))).status == 200


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/feedback/last?x=" + "x" * 20_000, b"X-None: 1"),
        ("/feedback/last", b"Cookie: " + b"canary=1; " * 2_000),
        ("/feedback/last", b"Authorization: Bearer " + b"sk-canary" * 2_000),
    ],
)
def test_a_large_head_is_served_or_refused_in_our_own_words(bench: Bench, target: str, line: bytes) -> None:
    bench.chat()
    answer = bench.get(target, line)
    assert answer.status == 200 or answer.value(b"feedback-error") is not None
    json.loads(answer.body)
    assert b"canary" not in answer.body


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /feedback/last HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /feedback/../v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /feedback/%2e%2e/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /feedback#x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /feedback/last HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /feedback/last HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /feedback/last HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\nContent-Length: 0\r\n\r\n",
        b"POST /feedback/x HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nup",
    ],
)
def test_what_is_no_good_request_is_refused_in_our_own_words(bench: Bench, raw: bytes) -> None:
    bench.chat()
    client = bench.sidecar.connect()
    client.send(raw)
    answer = client.read_answer()
    assert 400 <= answer.status < 500
    error_of(answer)
    assert bench.posted == []


@pytest.mark.parametrize("lines", [(), (b"Feedback-Proxy-Token: the-token-0123456789",)])
def test_a_body_that_cannot_be_decoded_fills_no_log(
    start_bench: StartBench, caplog: pytest.LogCaptureFixture, lines: tuple[bytes, ...]
) -> None:
    """Aiohttp looks at it once more behind the answer."""
    bench = start_bench(**{"guard.token": "the-token-0123456789"})
    client = bench.sidecar.connect()
    start = (
        b"POST /feedback/last HTTP/1.1",
        b"Host: localhost",
        b"Content-Encoding: gzip",
        b"Content-Length: 2",
    )
    client.send(head(*start, *lines) + b"up")
    assert client.read_answer().status == (400 if lines else 401)
    client.wait_for_end()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("end", [Wire.close, Wire.reset])
@pytest.mark.parametrize(
    ("line", "beginning"), [(b"Content-Length: 20", b""), (b"Transfer-Encoding: chunked", b"5\r\n")]
)
def test_one_who_hangs_up_within_a_rating_is_no_error(
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    end: Callable[[Wire], None],
    line: bytes,
    beginning: bytes,
) -> None:
    client = bench.sidecar.connect()
    expect = b"Expect: 100-continue"
    client.send(head(b"POST /feedback/last HTTP/1.1", b"Host: localhost", line, expect))
    # From here on it is the handler that waits for the body.
    assert client.read_answer().status == 100
    client.send(beginning + b"rat")
    end(client)
    assert bench.get("/feedback/health").status == 200
    time.sleep(0.05)
    assert [record.getMessage() for record in caplog.records] == []


# -- one answer for each connection


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/feedback", b""),
        ("GET", "/feedback/health", b""),
        ("HEAD", "/feedback/health", b""),
        ("GET", "/feedback/last", b""),
        ("GET", "/feedback/none", b""),
        ("POST", f"/feedback/{ID}", RATING),
        ("POST", f"/feedback/{ID}", b"?"),
        ("DELETE", "/feedback", b""),
        ("POST", "/feedback/last", b"x" * 100_000),
    ],
)
def test_the_connection_ends_with_a_local_answer(bench: Bench, method: str, target: str, body: bytes) -> None:
    client = bench.sidecar.connect()
    answer = client.ask(request(method, target, body, b"Connection: keep-alive"))
    assert answer.value(b"connection") == b"close"
    assert client.wait_for_end() is End.CLOSED


def test_what_is_pipelined_behind_a_local_request_goes_nowhere(bench: Bench) -> None:
    client = bench.sidecar.connect()
    client.send(
        request("GET", "/feedback/health") + request("POST", "/v1/chat/completions", chat_body(), JSON)
    )
    assert document(client.read_answer())["status"] == "ok"
    client.wait_for_end()
    assert bench.standin.gateway.all() == []


def test_a_local_request_behind_an_answered_call_is_served_on_the_same_connection(bench: Bench) -> None:
    client = bench.sidecar.connect()
    answer = client.ask(request("POST", "/v1/chat/completions", chat_body(), JSON))
    assert answer.status == 200
    shown = document(client.ask(request("POST", "/feedback/last", RATING)))
    assert shown["rated"]["id"].encode() == answer.value(b"feedback-id")


def test_an_http10_client_is_answered(bench: Bench) -> None:
    client = bench.sidecar.connect()
    client.send(head(b"GET /feedback/health HTTP/1.0", b"Host: localhost"))
    assert document(client.read_answer())["status"] == "ok"
    assert client.wait_for_end() is End.CLOSED


@pytest.mark.parametrize(("method", "target"), [route for route in LOCAL_ROUTES if route[0] != "HEAD"])
def test_every_local_answer_is_json_that_nobody_keeps_or_guesses_at(
    bench: Bench, method: str, target: str
) -> None:
    answer = bench.ask(method, target, RATING if method == "POST" else b"", JSON)
    json.loads(answer.body)
    assert answer.value(b"content-type") == b"application/json; charset=utf-8"
    assert answer.value(b"cache-control") == b"no-store"
    assert answer.value(b"x-content-type-options") == b"nosniff"
    assert answer.values(b"set-cookie") == []
    assert [name for name in answer.names if name.startswith(b"access-control")] == []


def test_errors_of_the_relay_have_the_same_shape(bench: Bench) -> None:
    bench.standin.gateway.closing = True
    bench.sidecar._loop.run(bench.standin.close())
    status, code, sentence = error_of(bench.chat())
    assert status == 502
    assert code
    assert sentence


@pytest.mark.parametrize("host", [b"a:b:c", b"localhost:99999", b"[::1"])
def test_a_malformed_host_is_the_callers_mistake_on_local_routes_too(bench: Bench, host: bytes) -> None:
    for target in ("/feedback/last", "/v1/models"):
        answer = bench.ask("GET", target, b"", b"Host: " + host)
        assert (answer.status, answer.value(b"feedback-error")) == (400, b"host_malformed")


@pytest.mark.parametrize("target", ["/feedback/last", "/feedback/a/b", "/feedbackless/../feedback"])
def test_no_stranger_is_asked_for_a_body(bench: Bench, target: str) -> None:
    for method in ("PUT", "POST"):
        answer = bench.ask(method, target, b"", b"Host: attacker.test", b"Expect: 100-continue")
        assert answer.status in (400, 403)


def test_a_name_in_the_query_that_is_not_known_rates_nothing(bench: Bench) -> None:
    bench.chat()
    for target in ("/feedback/last?bakc=1", f"/feedback/{ID}?back=1", "/feedback/last?rating=up&x="):
        assert bench.rate(target).status == 400
    assert bench.ask("GET", "/feedback?limti=3").status == 400
    assert bench.posted == []
