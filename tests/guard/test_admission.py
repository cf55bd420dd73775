"""Tokens, providers' keys and where they may go, as a gateway sees it: every byte that goes up is looked at."""

import json
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest

from harness.benches import JSON, chat_body, error_of, request
from harness.handshakes import HANDSHAKE_LINES, SWITCH
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import ScriptedUpstream, StartUpstream, UpstreamWire
from harness.wire import Message, chunked, head

ANNS = "anns-token-0123456789"
BOBS = "bobs-token-9876543210"
EVERYBODYS = "everybodys-0123456789"
PROVIDERS = "sk-proj-providers-key-of-ours"
OWN = b"sk-proj-the-apps-own"
HELICONES = "sk-helicone-aaaaaaa-bbbbbbb-ccccccc-ddddddd"
TOKENS = {"guard.token": EVERYBODYS, "guard.tokens": {"ann": ANNS, "bob": BOBS}}
WITH_KEY = {**TOKENS, "routes.default.provider_key": PROVIDERS}

ANN = ANNS.encode()
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
PLACES = (b"Authorization", b"X-Api-Key", b"API-key", b"x-goog-api-key", b"Feedback-Proxy-Token")
KEY_PLACES = PLACES[:-1]
TARGET = b"Helicone-Target-URL: "


class Pair:
    """A sidecar with tokens, and the gateway behind it."""

    def __init__(self, sidecar: RunningSidecar, upstream: ScriptedUpstream) -> None:
        self.sidecar = sidecar
        self.upstream = upstream

    def ask(self, *lines: bytes, method: str = "POST", target: str = "/v1/chat/completions") -> Message:
        """One call on a connection of its own."""
        body = chat_body() if method == "POST" else b""
        return self.send(request(method, target, body, JSON, *lines))

    def send(self, raw: bytes) -> Message:
        """One request, as it stands."""
        client = self.sidecar.connect()
        try:
            return client.ask(raw)
        finally:
            client.close()

    def refused_handshake(self, *lines: bytes) -> tuple[int, str, str]:
        """Status, code and sentence for a WebSocket's handshake with these lines, its subprotocols among them."""
        raw = head(b"GET /v1/realtime HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES[:-1], *lines)
        return error_of(self.send(raw))

    @property
    def call(self) -> Message:
        """The one call that has come up; no token of anybody's is in it."""
        (found,) = self.calls
        return found

    @property
    def calls(self) -> list[Message]:
        """All that has come up, looked through."""
        for each in self.upstream.requests:
            said = unquote_to_bytes(each.head + each.body + repr(each.trailers).encode())
            for token in (ANNS, BOBS, EVERYBODYS):
                assert token.encode() not in said
        return self.upstream.requests


Start = Callable[..., Pair]


@pytest.fixture
def start(start_sidecar: StartSidecar, start_upstream: StartUpstream) -> Start:
    """Start a pair with settings by dotted key."""

    def script(connection: UpstreamWire) -> None:
        while True:
            asked = connection.read_request()
            connection.send(OK if asked.value(b"upgrade") is None else SWITCH)

    def started(**dotted: object) -> Pair:
        upstream = start_upstream(script)
        given = {key: _at(upstream, value) for key, value in dotted.items()}
        return Pair(start_sidecar(upstream.url, **given), upstream)

    return started


def _at(upstream: ScriptedUpstream, value: object) -> object:
    return value.replace("UPSTREAM", upstream.url) if isinstance(value, str) else value


def encoded(token: bytes) -> bytes:
    """The token with each of its bytes percent-encoded: RFC 3986 allows it, and most that decode undo it."""
    return b"".join(b"%%%02X" % byte for byte in token)


def keys(call: Message) -> dict[bytes, bytes]:
    """What stands in the places of a key."""
    return {name.lower(): value for name, value in call.lines if name.lower() in map(bytes.lower, KEY_PLACES)}


# -- who gets in


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("HEAD", "/v1/models"),
        ("OPTIONS", "/v1/chat/completions"),
        ("OPTIONS", "*"),
        ("GET", "/"),
        ("GET", "/v1/models?token=" + ANNS),
    ],
)
@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"Authorization: Bearer " + OWN,),
        (b"Authorization: Bearer " + ANN[:-1],),
        (b"Authorization: Bearer " + ANN + b"x",),
        (b"Authorization: Bearer",),
        (b"Authorization: Basic " + ANN,),
        (b"X-Api-Key: " + ANN.upper(),),
        (b"X-Api-Key: " + ANN + b"\xff",),
        (b"Feedback-Proxy-Token: ",),
        (b"Feedback-Proxy-Token: " + ANN, b"Feedback-Proxy-Token: " + ANN),
        (b"Authorization: Bearer " + ANN, b"authorization: Bearer " + BOBS.encode()),
        (b"Cookie: token=" + ANN,),
        (b"X-Token: " + ANN,),
        (b"Proxy-Authorization: Bearer " + ANN,),
        (b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin"),
    ],
)
def test_nothing_goes_up_without_a_token(
    start: Start, method: str, target: str, lines: tuple[bytes, ...]
) -> None:
    pair = start(**WITH_KEY)
    answer = pair.ask(*lines, method=method, target=target)
    assert (answer.status, answer.value(b"feedback-error")) == (
        401,
        b"token_unknown" if _says_one(lines) else b"token_missing",
    )
    assert (answer.value(b"www-authenticate") or b"").startswith(b"Bearer ")
    if method != "HEAD":
        sentence = error_of(answer)[2]
        assert "[guard] token" in sentence
        assert "[guard.tokens]" in sentence
        assert ANNS not in sentence
    assert pair.calls == []
    assert ANNS not in pair.sidecar.log


def _says_one(lines: tuple[bytes, ...]) -> bool:
    names = {b"authorization", b"x-api-key", b"feedback-proxy-token"}
    fields = [line.split(b":", 1) for line in lines]
    return any(name.lower() in names and value.strip() for name, value in fields)


def test_a_handshake_needs_one_too(start: Start) -> None:
    pair = start(**WITH_KEY)
    raw = head(b"GET /v1/realtime HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES)
    assert pair.send(raw).status == 401
    assert pair.calls == []


def test_a_pages_websocket_is_told_that_it_has_no_place_for_a_token(start: Start) -> None:
    pair = start(**WITH_KEY)
    as_key = b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key."
    for said in (OWN, ANN):
        status, code, sentence = pair.refused_handshake(as_key + said)
        assert (status, code) == (401, "token_missing")
        assert sentence.startswith("A page's WebSocket has no place for this sidecar's token")
        assert said.decode() not in sentence
    # Without a key there, and with something in a place that counts, other advice helps.
    for lines, code, first in (
        ((b"Sec-WebSocket-Protocol: realtime",), "token_missing", "No token was sent."),
        ((as_key + OWN, b"Authorization: Bearer " + OWN), "token_unknown", "What was sent as the API key"),
    ):
        found = pair.refused_handshake(*lines)
        assert found[:2] == (401, code)
        assert found[2].startswith(first)
    assert pair.calls == []


def test_without_tokens_nobody_needs_one_and_the_header_for_it_goes_nowhere(start: Start) -> None:
    pair = start()
    assert pair.ask(b"Feedback-Proxy-Token: " + ANN, b"Authorization: Bearer " + OWN).status == 200
    assert pair.call.value(b"authorization") == b"Bearer " + OWN
    assert b"feedback-proxy-token" not in pair.call.names


@pytest.mark.parametrize("token", [ANNS, BOBS, EVERYBODYS])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", [b"", b"Bearer ", b"bearer "])
def test_a_token_in_any_place_opens_and_goes_no_further(
    start: Start, place: bytes, scheme: bytes, token: str
) -> None:
    pair = start(**WITH_KEY)
    assert pair.ask(place + b": " + scheme + token.encode()).status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + PROVIDERS.encode()}


# -- a token is never sent upstream


@pytest.mark.parametrize("given", [WITH_KEY, TOKENS])
@pytest.mark.parametrize(
    "lines",
    [
        (b"Feedback-Proxy-Token: " + ANN,),
        (b"Feedback-Proxy-Token: " + ANN, b"Connection: feedback-proxy-token"),
        (b"Feedback-Proxy-Token: " + ANN, b"Connection: authorization", b"Authorization: Bearer x"),
        (b"Feedback-Proxy-Token: wrong", b"feedback-proxy-token: " + ANN, b"api-key: " + ANN),
    ],
)
def test_whatever_the_connection_says_the_token_stays_here(
    start: Start, given: dict[str, object], lines: tuple[bytes, ...]
) -> None:
    pair = start(**given)
    pair.ask(*lines)
    assert len(pair.calls) <= 1


def test_all_that_say_a_token_are_taken_out_whosoever_it_is(start: Start) -> None:
    pair = start(**WITH_KEY)
    lines = (
        b"Feedback-Proxy-Token: " + ANN,
        b"Authorization: Bearer " + BOBS.encode(),
        b"x-api-key: " + EVERYBODYS.encode(),
    )
    assert pair.ask(*lines).status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + PROVIDERS.encode()}


@pytest.mark.parametrize("token", [ANN, BOBS.encode()])
@pytest.mark.parametrize("given", [WITH_KEY, TOKENS])
def test_a_token_in_another_header_is_refused(start: Start, given: dict[str, object], token: bytes) -> None:
    pair = start(**given)
    right = b"Feedback-Proxy-Token: " + ANN
    for line, named in (
        (b"X-Token: " + token, "X-Token"),
        (b"User-Agent: app (" + token + b")", "User-Agent"),
        (b"Helicone-Auth: Bearer " + token, "Helicone-Auth"),
        (b"Helicone-User-Id: " + token, "Helicone-User-Id"),
        (b"Authorization: Basic " + token, "Authorization"),
        (b"Authorization: Bearer " + OWN + b", Bearer " + token, "Authorization"),
        (b"Sec-WebSocket-Protocol: openai-insecure-api-key." + token, "Sec-WebSocket-Protocol"),
        (b"X-" + token + b": 1", "the name of a header"),
    ):
        status, code, sentence = error_of(pair.ask(right, line))
        assert (status, code) == (400, "token_elsewhere")
        assert named in sentence
        assert token.decode() not in sentence
    assert pair.calls == []


@pytest.mark.parametrize("given", [WITH_KEY, TOKENS])
@pytest.mark.parametrize(
    "target",
    [
        f"/v1/models?key={ANNS}",
        f"/v1/models?{BOBS}",
        f"/{ANNS}/v1/models",
        f"/v1/models?key={ANNS.replace('-', '%2D')}",
        f"http://localhost/v1/models?key={ANNS}",
    ],
)
def test_a_token_in_the_url_is_refused_and_not_logged(
    start: Start, caplog: pytest.LogCaptureFixture, given: dict[str, object], target: str
) -> None:
    pair = start(**given)
    status, code, _ = error_of(pair.ask(b"Feedback-Proxy-Token: " + ANN, method="GET", target=target))
    assert (status, code) == (400, "token_in_url")
    # Without another token it does not even count as one.
    assert pair.ask(method="GET", target=target).status == 401
    assert pair.calls == []
    for token in (ANNS, BOBS, ANNS.replace("-", "%2D")):
        assert token not in pair.sidecar.log + caplog.text


@pytest.mark.parametrize("given", [WITH_KEY, TOKENS])
def test_a_token_in_a_trailer_stays_here(start: Start, given: dict[str, object]) -> None:
    pair = start(**given)
    lines = (b"Host: localhost", b"Feedback-Proxy-Token: " + ANN, b"Transfer-Encoding: chunked")
    trailers = (
        b"Feedback-Proxy-Token: " + ANN,
        b"Authorization: Bearer " + ANN,
        b"X-Api-Key: " + OWN,
        b"X-Other: " + BOBS.encode(),
        b"X-" + ANN + b": 1",
        b"X-Encoded: " + encoded(ANN),
        b"X-Within: a%20b/" + encoded(BOBS.encode()).lower() + b"?x",
        b"X-" + encoded(EVERYBODYS.encode()) + b": 1",
        b"X-Sum: 42",
        b"X-Percent: 100%25",
    )
    raw = head(b"POST /v1/chat/completions HTTP/1.1", *lines) + chunked(b"{}", trailers=trailers)
    assert pair.send(raw).status == 200
    assert pair.call.trailers == [(b"X-Sum", b"42"), (b"X-Percent", b"100%25")]


def test_a_handshake_goes_up_without_its_token(start: Start) -> None:
    pair = start(**WITH_KEY)
    lines = (*HANDSHAKE_LINES[:-1], b"Sec-WebSocket-Protocol: realtime")
    for place in PLACES:
        raw = head(b"GET /v1/realtime HTTP/1.1", b"Host: localhost", *lines, place + b": Bearer " + ANN)
        assert pair.send(raw).status == 101
    for call in pair.calls:
        assert keys(call) == {b"authorization": b"Bearer " + PROVIDERS.encode()}
    assert len(pair.calls) == len(PLACES)


# -- routes without a provider's key


def test_without_a_providers_key_the_app_sends_its_own(start: Start) -> None:
    pair = start(**TOKENS)
    assert pair.ask(b"authorization: Bearer " + OWN, b"Feedback-Proxy-Token: " + ANN).status == 200
    assert b"\r\nauthorization: Bearer " + OWN + b"\r\n" in pair.call.head


@pytest.mark.parametrize("place", KEY_PLACES)
def test_a_token_in_the_place_of_a_key_that_is_not_there_is_503(start: Start, place: bytes) -> None:
    pair = start(**TOKENS, **{"routes.other.url": "UPSTREAM/base"})
    for target, setting in (("/v1/models", "[routes.default]"), ("/other/v1/models", "[routes.other]")):
        answer = pair.ask(place + b": Bearer " + ANN, method="GET", target=target)
        status, code, sentence = error_of(answer)
        assert (status, code) == (503, "no_provider_key")
        assert f"provider_key in {setting}" in sentence
        assert "Feedback-Proxy-Token" in sentence
        # OpenAI's SDKs ask again after a 503 otherwise.
        assert answer.values(b"x-should-retry") == [b"false"]
    assert pair.calls == []


def test_where_helicones_key_stands_there_a_token_makes_room_for_it(start: Start) -> None:
    given = {"routes.default.preset": "ai-gateway", "routes.default.helicone": True}
    pair = start(**TOKENS, **given, **{"helicone.api_key": HELICONES})
    assert pair.ask(b"Authorization: Bearer " + ANN).status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + HELICONES.encode()}


AI_GATEWAY: dict[str, object] = {**TOKENS, "routes.default.preset": "ai-gateway"}
"""Helicone's own key stands where others have the provider's, and that one has no setting."""


ELSEWHERE: dict[str, object] = {"routes.default.url": "https://gateway.test"}
KEY = {"helicone.api_key": HELICONES}
_SET_KEY, _SET_HOST = "HELICONE_API_KEY ([helicone] api_key)", "helicone = true in [routes.default]"


@pytest.mark.parametrize(
    ("given", "settings"),
    [({}, [_SET_KEY]), ({**ELSEWHERE, **KEY}, [_SET_HOST]), (ELSEWHERE, [_SET_KEY, _SET_HOST])],
    ids=["no key", "not for that host", "neither"],
)
@pytest.mark.parametrize("place", KEY_PLACES)
def test_a_token_in_the_place_of_a_helicone_key_that_does_not_go_there_is_503(
    start: Start, given: dict[str, object], settings: list[str], place: bytes
) -> None:
    pair = start(**AI_GATEWAY, **given)
    answer = pair.ask(place + b": Bearer " + ANN)
    status, code, sentence = error_of(answer)
    assert (status, code) == (503, "no_provider_key")
    assert "stands where the Helicone key goes" in sentence
    assert [each for each in (_SET_KEY, _SET_HOST) if each in sentence] == settings
    assert "send the Helicone key there and the token as Feedback-Proxy-Token" in sentence
    assert answer.values(b"x-should-retry") == [b"false"]
    assert pair.calls == []


def test_an_apps_own_helicone_key_needs_none_of_ours(start: Start) -> None:
    pair = start(**AI_GATEWAY)
    assert pair.ask(b"Feedback-Proxy-Token: " + ANN, b"Authorization: Bearer " + OWN).status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + OWN}


def test_a_session_on_such_a_route_gets_no_providers_key_for_a_token(start: Start) -> None:
    given = {"routes.default.helicone": True, "routes.default.realtime_url": "UPSTREAM/elsewhere"}
    pair = start(**AI_GATEWAY, **given, **{"helicone.api_key": HELICONES})
    status, code, sentence = pair.refused_handshake(b"Authorization: Bearer " + ANN)
    assert (status, code) == (503, "no_provider_key")
    assert "stands where the provider's key goes" in sentence
    assert "Send the provider's key there and the token as Feedback-Proxy-Token." in sentence
    assert pair.calls == []
    # Its other calls have Helicone's key there.
    assert pair.ask(b"Authorization: Bearer " + ANN).status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + HELICONES.encode()}


# -- the provider's key


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        ("openai", b"Authorization: Bearer " + PROVIDERS.encode()),
        ("anthropic", b"X-Api-Key: " + PROVIDERS.encode()),
        ("azure", b"Api-Key: " + PROVIDERS.encode()),
        ("google", b"X-Goog-Api-Key: " + PROVIDERS.encode()),
    ],
)
def test_a_providers_key_goes_where_the_provider_has_it(start: Start, preset: str, line: bytes) -> None:
    given = {"routes.default.preset": preset, "routes.default.helicone": True, "helicone.api_key": HELICONES}
    base = b"Helicone-OpenAI-Api-Base: https://mine.openai.azure.com"
    pair = start(**WITH_KEY, **given, **{"guard.allowed_targets": ["https://mine.openai.azure.com"]})
    assert pair.ask(b"Feedback-Proxy-Token: " + ANN, base).status == 200
    assert b"\r\n" + line + b"\r\n" in pair.call.head
    assert len(keys(pair.call)) == 1
    assert pair.call.value(b"helicone-auth") == b"Bearer " + HELICONES.encode()


def test_a_route_may_say_where_its_key_goes(start: Start) -> None:
    pair = start(**WITH_KEY, **{"routes.default.provider_key_header": "api-key"})
    assert pair.ask(b"Authorization: Bearer " + ANN).status == 200
    assert keys(pair.call) == {b"api-key": PROVIDERS.encode()}


def test_without_tokens_a_call_without_a_key_gets_it(start: Start) -> None:
    pair = start(**{"routes.default.provider_key": PROVIDERS})
    assert pair.ask().status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + PROVIDERS.encode()}


@pytest.mark.parametrize("place", KEY_PLACES)
@pytest.mark.parametrize("value", [b"Bearer " + OWN, OWN, b"", b"Bearer", HELICONES.encode()])
def test_an_apps_own_key_is_left_alone_wherever_it_stands(start: Start, place: bytes, value: bytes) -> None:
    pair = start(**WITH_KEY)
    assert pair.ask(b"Feedback-Proxy-Token: " + ANN, place + b": " + value).status == 200
    assert b"\r\n" + place + b": " + value + b"\r\n" in pair.call.head
    assert PROVIDERS.encode() not in pair.call.head


def test_a_key_that_the_connection_takes_away_is_not_replaced(start: Start) -> None:
    pair = start(**WITH_KEY)
    taken = (b"Authorization: Bearer " + OWN, b"Connection: authorization")
    assert pair.ask(b"Feedback-Proxy-Token: " + ANN, *taken).status == 200
    assert keys(pair.call) == {}


def test_a_key_that_a_browser_says_as_a_subprotocol_is_left_alone(start: Start) -> None:
    pair = start(**WITH_KEY)
    raw = head(
        b"GET /v1/realtime HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES, b"Feedback-Proxy-Token: " + ANN
    )
    assert pair.send(raw).status == 101
    assert keys(pair.call) == {}


def test_a_realtime_session_on_its_own_way_gets_it_too(start: Start) -> None:
    pair = start(**WITH_KEY, **{"routes.default.realtime_url": "UPSTREAM/elsewhere"})
    lines = (*HANDSHAKE_LINES[:-1], b"Authorization: Bearer " + ANN)
    assert pair.send(head(b"GET /v1/realtime?model=x HTTP/1.1", b"Host: localhost", *lines)).status == 101
    assert pair.call.start.startswith(b"GET /elsewhere")
    assert keys(pair.call) == {b"authorization": b"Bearer " + PROVIDERS.encode()}


# -- keys cannot be sent elsewhere

LISTED = "https://api.listed.example"
ALLOWED = {**WITH_KEY, "guard.allowed_targets": [LISTED]}
GOOD = LISTED.encode()


def fallbacks(*found: object) -> bytes:
    """The header, with that as its JSON."""
    return b"Helicone-Fallbacks: " + json.dumps(found).encode()


def fallback(url: object, **headers: object) -> dict[str, object]:
    """One fallback, as Helicone has it."""
    return {"target-url": url, "headers": headers, "onCodes": [500]}


@pytest.mark.parametrize(
    "line",
    [
        TARGET + GOOD,
        TARGET + GOOD + b"/",
        TARGET + GOOD + b":443/v1",
        TARGET + b"HTTPS://API.Listed.EXAMPLE",
        b"Helicone-OpenAI-Api-Base: " + GOOD + b"/v1",
        b"Upstash-Callback: " + GOOD + b"/x?y#z",
        b"Upstash-Failure-Callback: " + GOOD,
        fallbacks(fallback(LISTED), fallback(f"{LISTED}/v1", Authorization="x")),
        fallbacks(fallback(LISTED, **{"Upstash-Callback": LISTED})),
        # They name hosts, and no key goes there.
        b"Helicone-Posthog-Host: https://evil.example",
    ],
)
def test_a_target_that_is_listed_may_have_the_key(start: Start, line: bytes) -> None:
    pair = start(**ALLOWED)
    assert pair.ask(b"Authorization: Bearer " + ANN, line).status == 200
    assert b"\r\n" + line + b"\r\n" in pair.call.head
    assert keys(pair.call) == {b"authorization": b"Bearer " + PROVIDERS.encode()}


EVIL = [
    b"",
    b"https://evil.example",
    b"http://api.listed.example",
    GOOD + b".evil.example",
    GOOD + b".",
    GOOD + b":8443",
    GOOD + b":443:443",
    GOOD + b"@evil.example",
    GOOD + b":443@evil.example/",
    b"https://user@api.listed.example",
    b"https://evil.example#" + GOOD,
    b"https://evil.example/" + GOOD,
    b"https://evil.example?" + GOOD,
    b"https://evil.example\\@api.listed.example/",
    GOOD + b"\\@evil.example/",
    GOOD + b"/\\evil",
    b"https:\\\\api.listed.example",
    b"https:///api.listed.example",
    b"https:/api.listed.example",
    b"https:api.listed.example",
    b"//api.listed.example",
    b"api.listed.example",
    GOOD + b"?x",
    GOOD + b"#x",
    GOOD + b"\t.evil.example",
    b"https://api.lis\tted.example",
    GOOD + b" https://evil.example",
    GOOD + b", https://evil.example",
    GOOD + b"/, https://evil.example",
    b"https://%61pi.listed.example",
    b"https://api.listed.example%2eevil.example",
    b"https://api.listed.ex\xc3\xa4mple",
    b"https://api.listed.example\xe3\x80\x82evil.example",
    b"https://api.listed.example\xff",
    b"https://[::1]",
    b"https://[::ffff:127.0.0.1]/",
    b"https://127.0.0.1",
    b"https://2130706433/",
    b"https://0x7f.1/",
    b"https://169.254.169.254/latest",
    b"data:text/plain,x",
    b"ftp://api.listed.example",
    b"null",
]


@pytest.mark.parametrize("url", EVIL)
def test_any_other_target_is_refused_however_it_is_spelled(start: Start, url: bytes) -> None:
    pair = start(**ALLOWED)
    for name in (
        b"Helicone-Target-URL",
        b"HELICONE-OPENAI-API-BASE",
        b"upstash-callback",
        b"Upstash-Failure-Callback",
    ):
        status, code, sentence = error_of(pair.ask(b"Authorization: Bearer " + ANN, name + b": " + url))
        assert (status, code) == (403, "target_not_allowed")
        assert "[guard] allowed_targets" in sentence
        assert name.decode().lower() in sentence.lower()
        assert "evil" not in sentence
    assert pair.calls == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"0",
        b'"x"',
        b"[",
        b"[" * 5_000,
        b"\xff[]",
        b"[null]",
        b'["%b"]' % GOOD,
        b"[[]]",
        b"[{}]",
        b'[{"target-url": null}]',
        b'[{"target-url": ["%b"]}]' % GOOD,
        b'[{"Target-Url": "%b"}]' % GOOD,
        b'[{"target-url": "https://evil.example"}]',
        b'[{"target-url": "%b"}, {"target-url": "https://evil.example"}]' % GOOD,
        b'[[{"target-url": "%b"}]]' % GOOD,
        b'{"target-url": "%b"}' % GOOD,
        b'[{"target-url": "%b", "target-url": "https://evil.example"}]' % GOOD,
        b'[{"target-url": "%b\\u002eevil.example"}]' % GOOD,
        b'[{"target-url": "\\ud800"}]',
        b'[{"target-url": "%b", "headers": {"upstash-CALLBACK": "https://evil.example"}}]' % GOOD,
        b'[{"target-url": "%b", "headers": {"Helicone-Target-URL": "https://evil.example"}}]' % GOOD,
        b'[{"target-url": "%b", "headers": {"helicone-fallbacks": "[]"}}]' % GOOD,
        b'[{"target-url": "%b", "headers": {"upstash-callback": ["https://evil.example"]}}]' % GOOD,
        b'[{"target-url": "%b", "headers": ["upstash-callback"]}]' % GOOD,
        b'[{"target-url": "%b"}], [{"target-url": "https://evil.example"}]' % GOOD,
    ],
)
def test_fallbacks_that_lead_elsewhere_or_cannot_be_read_are_refused(start: Start, value: bytes) -> None:
    pair = start(**ALLOWED)
    answer = pair.ask(b"Authorization: Bearer " + ANN, b"Helicone-Fallbacks: " + value)
    assert error_of(answer)[:2] == (403, "target_not_allowed")
    assert pair.calls == []


@pytest.mark.parametrize(
    "lines",
    [
        (TARGET + GOOD, TARGET + b"https://evil.example"),
        (TARGET + GOOD, b"helicone-target-url: " + GOOD),
        (TARGET + GOOD, b"Helicone-OpenAI-Api-Base: https://evil.example"),
        (TARGET + b"https://evil.example", b"Connection: helicone-target-url"),
        (fallbacks(fallback(LISTED)), fallbacks(fallback("https://evil.example"))),
    ],
)
def test_a_second_target_is_looked_at_too(start: Start, lines: tuple[bytes, ...]) -> None:
    pair = start(**ALLOWED)
    assert error_of(pair.ask(b"Authorization: Bearer " + ANN, *lines))[0] == 403
    assert pair.calls == []


def test_an_app_with_its_own_key_may_send_it_where_it_likes(start: Start) -> None:
    pair = start(**ALLOWED)
    lines = (b"Feedback-Proxy-Token: " + ANN, b"Authorization: Bearer " + OWN, TARGET + b"https://x.example")
    assert pair.ask(*lines).status == 200
    assert keys(pair.call) == {b"authorization": b"Bearer " + OWN}


def test_where_the_route_itself_sends_its_calls_an_app_may_too(start: Start) -> None:
    given = {"routes.default.headers": {"Helicone-Target-URL": "https://mine.example/v1"}}
    pair = start(**WITH_KEY, **given)
    assert pair.ask(b"Authorization: Bearer " + ANN).status == 200
    assert pair.call.value(b"helicone-target-url") == b"https://mine.example/v1"
    assert pair.ask(b"Authorization: Bearer " + ANN, TARGET + b"https://mine.example").status == 200
    assert pair.ask(b"Authorization: Bearer " + ANN, TARGET + b"https://other.example").status == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("model=x", 101),
        ("resources=evil.example/", 101),
        ("resource=mine&deployment=x", 101),
        ("resource=other&deployment=x", 403),
        ("resource=evil.example/&deployment=x", 403),
        ("deployment=x&resource=evil.example%2F", 403),
        ("%72esource=evil.example/", 403),
        ("resource=mine&resource=evil.example/", 403),
        ("resource=evil.example%23", 403),
        ("resource=mine.openai.azure.com@evil.example/", 403),
        ("resource=", 403),
        ("resource", 403),
    ],
)
def test_a_realtime_session_may_not_take_the_key_to_a_host_of_its_own(
    start: Start, query: str, status: int
) -> None:
    pair = start(**WITH_KEY, **{"guard.allowed_targets": ["https://mine.openai.azure.com"]})
    lines = (*HANDSHAKE_LINES[:-1], b"Authorization: Bearer " + ANN)
    answer = pair.send(head(f"GET /v1/realtime?{query} HTTP/1.1".encode(), b"Host: localhost", *lines))
    assert answer.status == status
    assert len(pair.calls) == (status == 101)


def test_nothing_that_is_kept_shows_a_secret(start: Start) -> None:
    pair = start(**ALLOWED, **{"helicone.api_key": HELICONES})
    pair.ask(b"Authorization: Bearer " + ANN)
    running = pair.sidecar.sidecar
    admission = running.parts.door.admit
    shown = [
        repr(each)
        for each in (
            running.settings,
            running.routes,
            running.parts.guard,
            running.parts.guard.tokens,
            admission,
            vars(admission),
            running.parts.recorder._ways,
            running.parts.store.newest(1),
        )
    ]
    for secret in (ANNS, BOBS, EVERYBODYS, PROVIDERS, HELICONES):
        for text in (*shown, pair.sidecar.log):
            assert secret not in text
