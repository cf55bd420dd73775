"""CORS, byte by byte: what pages of listed origins may send and read on either plane, and nobody else."""

import re
from collections.abc import Iterable

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, error_of, request
from harness.handshakes import HANDSHAKE_LINES, SWITCH
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import Message, head
from proxy.guard import cors

APP = b"https://app.example.com"
OTHER = b"http://localhost:3000"
LISTED = {"guard.allowed_origins": [APP.decode(), OTHER.decode()]}
TOKEN = "colleagues-0123456789abcdef-token"

FROM_APP = (b"Origin: " + APP, b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: cors")
FROM_ATTACKER = (b"Origin: http://attacker.test", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: cors")
PREFLIGHT = (*FROM_APP, b"Access-Control-Request-Method: POST")
BOTH_PLANES = ("/v1/chat/completions", "/feedback/last")

# What the SDKs send from a page (read in npm's openai 6 and @anthropic-ai/sdk 0.7x), and what Helicone and we add.
OPENAI_SENDS = (
    "accept,authorization,content-type,idempotency-key,openai-beta,openai-organization,openai-project,user-agent,"
    "x-stainless-arch,x-stainless-async,x-stainless-custom-poll-interval,x-stainless-helper-method,x-stainless-lang,"
    "x-stainless-os,x-stainless-package-version,x-stainless-poll-helper,x-stainless-retry-count,x-stainless-runtime,"
    "x-stainless-runtime-version,x-stainless-timeout"
)
ANTHROPIC_SENDS = (
    "accept,anthropic-beta,anthropic-dangerous-direct-browser-access,anthropic-version,authorization,content-type,"
    "user-agent,x-api-key,x-stainless-arch,x-stainless-helper,x-stainless-helper-method,x-stainless-lang,"
    "x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
    "x-stainless-runtime-version,x-stainless-timeout"
)
APPS_SEND = (
    "api-key,feedback-proxy-token,helicone-auth,helicone-property-app,helicone-request-id,helicone-session-id,"
    "helicone-user-id,x-client-request-id,x-openwebui-message-id"
)
APPS_READ = (
    "helicone-id,x-request-id,request-id,openai-processing-ms,retry-after,retry-after-ms,x-should-retry,"
    "x-ratelimit-limit-requests,x-ratelimit-remaining-tokens,x-ratelimit-reset-tokens,"
    "anthropic-ratelimit-requests-remaining,feedback-id,feedback-url,feedback-error,openai-poll-after-ms"
)


def cors_of(answer: Message) -> dict[bytes, bytes]:
    """The CORS lines of an answer; none stands there twice."""
    found = [line for line in answer.lines if line[0].lower().startswith(b"access-control-")]
    assert len({name.lower() for name, _ in found}) == len(found)
    return {name.lower().removeprefix(b"access-control-"): value for name, value in found}


def varies(answer: Message) -> set[bytes]:
    """What the answer depends on."""
    return {each.strip().lower() for value in answer.values(b"vary") for each in value.split(b",")}


def assert_readable(answer: Message, origin: bytes = APP) -> None:
    """A page of `origin`, and of no other, may read the answer, and what it needs of its headers."""
    said = cors_of(answer)
    assert said.keys() == {b"allow-origin", b"expose-headers"}
    assert said[b"allow-origin"] == origin
    assert set(APPS_READ.split(",")) <= set(said[b"expose-headers"].decode().split(", "))
    assert b"origin" in varies(answer)


def assert_unreadable(answer: Message) -> None:
    """No page but our own may read the answer."""
    assert cors_of(answer) == {}


# -- by default


@pytest.mark.parametrize("target", BOTH_PLANES)
@pytest.mark.parametrize("lines", [(), FROM_APP, PREFLIGHT, FROM_ATTACKER, (b"Origin: http://localhost",)])
def test_by_default_no_answer_says_anything_of_cors(
    bench: Bench, target: str, lines: tuple[bytes, ...]
) -> None:
    for method in ("GET", "OPTIONS", "POST"):
        answer = bench.ask(method, target, b"", *lines)
        assert_unreadable(answer)
        assert b"origin" not in varies(answer)


# -- preflights


@pytest.mark.parametrize("target", [*BOTH_PLANES, "/feedback", "/feedback/batch", "/feedback/no/such/route"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_preflight_of_a_listed_origin_is_answered_here_without_a_token(
    start_bench: StartBench, target: str, token: str | None
) -> None:
    bench = start_bench(**LISTED, **{"guard.token": token})
    answer = bench.ask("OPTIONS", target, b"", *PREFLIGHT)
    assert answer.start == b"HTTP/1.1 204 No Content"
    assert cors_of(answer) == {
        b"allow-origin": APP,
        b"allow-methods": b"GET, HEAD, POST, PUT, PATCH, DELETE",
        b"max-age": b"600",
    }
    assert varies(answer) == {b"origin", b"access-control-request-method", b"access-control-request-headers"}
    assert answer.values(b"content-length") + answer.values(b"transfer-encoding") == []
    assert bench.standin.gateway.all() == []


@pytest.mark.parametrize("target", BOTH_PLANES)
@pytest.mark.parametrize("asked", [OPENAI_SENDS, ANTHROPIC_SENDS, APPS_SEND])
def test_a_page_may_send_what_sdks_send(start_bench: StartBench, target: str, asked: str) -> None:
    bench = start_bench(**LISTED)
    answer = bench.ask(
        "OPTIONS", target, b"", *PREFLIGHT, b"Access-Control-Request-Headers: " + asked.encode()
    )
    assert cors_of(answer)[b"allow-headers"].decode().split(", ") == asked.split(",")


@pytest.mark.parametrize("target", BOTH_PLANES)
def test_a_page_may_send_nothing_else(start_bench: StartBench, target: str) -> None:
    bench = start_bench(**LISTED)
    asked = (
        b"cookie, x-forwarded-for, X-Stainless-, openai-, *, , helicone-a:b, accept-charset, Authorization"
    )
    answer = bench.ask("OPTIONS", target, b"", *PREFLIGHT, b"Access-Control-Request-Headers: " + asked)
    assert cors_of(answer)[b"allow-headers"] == b"authorization"
    answer = bench.ask("OPTIONS", target, b"", *PREFLIGHT, b"Access-Control-Request-Headers: cookie")
    assert b"allow-headers" not in cors_of(answer)


@pytest.mark.parametrize("target", BOTH_PLANES)
def test_headers_that_the_settings_name_may_be_sent(start_bench: StartBench, target: str) -> None:
    bench = start_bench(**LISTED, **{"feedback.scope_header": "X-OpenWebUI-Chat-Id"})
    asked = b"Access-Control-Request-Headers: x-openwebui-chat-id"
    answer = bench.ask("OPTIONS", target, b"", *PREFLIGHT, asked)
    assert cors_of(answer)[b"allow-headers"] == b"x-openwebui-chat-id"


@pytest.mark.parametrize("target", BOTH_PLANES)
@pytest.mark.parametrize(
    "origin",
    [
        b"http://attacker.test",
        b"null",
        b"https://app.example.com.attacker.test",
        b"https://sub.app.example.com",
        b"http://app.example.com",
        b"https://app.example.com:8443",
        b"http://localhost:3001",
        b"https://app.example.com, https://app.example.com",
        b"https://app.example.com/",
    ],
)
def test_a_preflight_of_any_other_origin_is_refused_and_goes_nowhere(
    start_bench: StartBench, target: str, origin: bytes
) -> None:
    bench = start_bench(**LISTED)
    answer = bench.ask("OPTIONS", target, b"", b"Origin: " + origin, b"Access-Control-Request-Method: POST")
    assert error_of(answer)[:2] == (403, "origin_not_allowed")
    assert_unreadable(answer)
    # A cache must not keep this for the listed origin.
    assert varies(answer) == {b"origin"}
    assert bench.standin.gateway.all() == []


def test_an_options_request_that_is_no_preflight_goes_up(start_bench: StartBench) -> None:
    bench = start_bench(**LISTED)
    answer = bench.ask("OPTIONS", "/v1/chat/completions", b"", *FROM_APP)
    assert_readable(answer)
    assert len(bench.standin.gateway.all()) == 1


def test_an_options_request_about_the_sidecar_itself_is_readable(start_bench: StartBench) -> None:
    bench = start_bench(**LISTED)
    answer = bench.ask("OPTIONS", "*", b"", *FROM_APP)
    assert answer.status == 204
    assert_readable(answer)


# -- answers of the gateway


@pytest.mark.parametrize("origin", [APP, OTHER])
def test_a_calls_answer_is_readable_by_the_page_that_asked(start_bench: StartBench, origin: bytes) -> None:
    bench = start_bench(**LISTED)
    for streamed in (False, True):
        answer = bench.chat(b"Origin: " + origin, b"Sec-Fetch-Mode: cors", stream=streamed)
        assert answer.status == 200
        assert_readable(answer, origin)
    for received in bench.standin.gateway.all():
        names = {name.lower() for name, _ in received.headers}
        assert b"origin" not in names
        assert not [name for name in names if name.startswith(b"sec-fetch-")]


def test_what_the_gateway_says_of_cors_stops_here_and_its_vary_passes(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    answer = head(
        b"HTTP/1.1 200 OK",
        b"Access-Control-Allow-Origin: *",
        b"Access-Control-Allow-Credentials: true",
        b"Access-Control-Expose-Headers: x-secret",
        b"Vary: Accept-Encoding",
        b"Content-Length: 2",
    )
    upstream = start_upstream(answering(answer + b"ok"))
    for settings, lines in (({}, ()), (LISTED, ()), (LISTED, FROM_APP)):
        sidecar = start_sidecar(upstream.url, **settings)
        said = sidecar.connect().ask(request("GET", "/v1/models", b"", *lines))
        assert said.body == b"ok"
        assert b"accept-encoding" in varies(said)
        assert (b"origin" in varies(said)) is bool(settings)
        if lines:
            assert_readable(said)
        else:
            assert_unreadable(said)


def test_a_websocket_of_a_listed_origin_opens_and_of_another_does_not(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(SWITCH + b"\x81\x02hi")
        connection.read_to_end()

    upstream = start_upstream(script)
    sidecar = start_sidecar(upstream.url, **LISTED)
    first = b"GET /v1/realtime HTTP/1.1"
    client = sidecar.connect()
    client.send(head(first, b"Host: localhost", b"Origin: " + APP, *HANDSHAKE_LINES))
    answer = client.read_answer()
    assert answer.status == 101
    assert_readable(answer)
    assert client.read_exactly(4) == b"\x81\x02hi"
    client.close()
    refused = sidecar.connect().ask(
        head(first, b"Host: localhost", b"Origin: http://attacker.test", *HANDSHAKE_LINES)
    )
    assert error_of(refused)[:2] == (403, "origin_not_allowed")
    assert_unreadable(refused)
    assert len(upstream.requests) == 1


# -- answers of our own


def ask_from_app(sidecar: RunningSidecar, method: str, target: str, *lines: bytes) -> Message:
    """What a page of the listed origin is answered."""
    return sidecar.connect().ask(request(method, target, b"", *FROM_APP, *lines))


def test_errors_of_ours_about_a_call_are_readable(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def close(connection: UpstreamWire) -> None:
        connection.read_request()

    sidecar = start_sidecar(start_upstream(close).url, **LISTED)
    answer = ask_from_app(sidecar, "POST", "/v1/chat/completions")
    assert error_of(answer)[:2] == (502, "upstream_broke")
    assert_readable(answer)


def test_a_gateway_that_is_silent_or_absent_is_readable(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def silent(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.read_to_end()

    sidecar = start_sidecar(
        start_upstream(silent).url, **LISTED, **{"upstream.first_byte_timeout_seconds": 1}
    )
    answer = ask_from_app(sidecar, "GET", "/v1/models")
    assert error_of(answer)[:2] == (504, "upstream_answer_timeout")
    assert_readable(answer)
    sidecar = start_sidecar("http://127.0.0.1:9", **LISTED)
    answer = ask_from_app(sidecar, "GET", "/v1/models")
    assert error_of(answer)[0] == 502
    assert_readable(answer)


@pytest.mark.parametrize("target", BOTH_PLANES)
def test_a_page_without_the_token_can_read_that_it_needs_one(start_bench: StartBench, target: str) -> None:
    bench = start_bench(**LISTED, **{"guard.token": TOKEN})
    answer = ask_from_app(bench.sidecar, "GET", target)
    assert error_of(answer)[:2] == (401, "token_missing")
    assert_readable(answer)


@pytest.mark.parametrize("target", BOTH_PLANES)
@pytest.mark.parametrize("mode", [b"no-cors", b"navigate", b"webidentity"])
def test_a_listed_origin_may_not_send_changes_unasked(
    start_bench: StartBench, target: str, mode: bytes
) -> None:
    bench = start_bench(**LISTED)
    lines = (b"Origin: " + APP, b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: " + mode)
    answer = bench.ask("POST", target, chat_body(), JSON, *lines)
    assert error_of(answer)[:2] == (403, "browser_navigation")
    assert_readable(answer)
    assert bench.standin.gateway.all() == []


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/feedback", b"", 200),
        ("GET", "/feedback/last", b"", 404),
        ("HEAD", "/feedback/last", b"", 404),
        ("GET", "/feedback/no/such/route", b"", 404),
        ("PUT", "/feedback/last", b"", 405),
        ("GET", "/feedback/last?rating=up", b"", 405),
        ("POST", "/feedback/last", b"x" * 70_000, 413),
        ("POST", "/feedback/last", b"rating=up", 415),
        ("POST", "/feedback/batch", b"[1]", 422),
        ("GET", "/feedback/metrics", b"", 200),
    ],
)
def test_local_answers_and_errors_are_readable(
    start_bench: StartBench, method: str, target: str, body: bytes, status: int
) -> None:
    bench = start_bench(**LISTED)
    label = b"Content-Type: text/plain" if status == 415 else JSON
    answer = bench.ask(method, target, body, label, *FROM_APP)
    assert answer.status == status
    assert_readable(answer)
    for lines in ((), (b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin")):
        answer = bench.ask(method, target, body, label, *lines)
        assert_unreadable(answer)
        # The list of calls is a page for whoever prefers one.
        assert varies(answer) - ({b"accept"} if target == "/feedback" else set()) == {b"origin"}


def test_a_bug_of_ours_is_readable_too(start_bench: StartBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = start_bench(**LISTED)
    # No request is known that does this.
    monkeypatch.setattr(bench.sidecar.sidecar.parts.delivery, "depth", None)
    answer = bench.ask("GET", "/feedback/metrics", b"", *FROM_APP)
    assert answer.status == 500
    assert_readable(answer)


def test_a_page_of_a_listed_origin_rates_what_it_has_called(start_bench: StartBench) -> None:
    bench = start_bench(**LISTED)
    called = bench.chat(*FROM_APP)
    rated = bench.ask(
        "POST",
        f"/feedback/{(called.value(b'feedback-id') or b'').decode()}",
        b'{"rating":true}',
        JSON,
        *FROM_APP,
    )
    assert rated.status == 200
    assert_readable(rated)


# -- pure


def test_the_lines_hold_no_credentials_and_no_wildcard() -> None:
    fields = {b"access-control-request-headers": b"authorization"}
    said: Iterable[cors.Field] = [*cors.answer_fields(APP), *cors.preflight_fields(APP, fields, ())]
    text = b"\n".join(b"%b: %b" % each for each in said).lower()
    assert b"credentials" not in text
    assert b"*" not in text
    # Headers that a browser has readable anyway, or never, are not spelled out.
    assert not re.search(
        rb"content-type|cache-control|set-cookie", text.split(b"expose-headers")[1].split(b"\n")[0]
    )
