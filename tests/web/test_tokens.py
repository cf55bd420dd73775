"""Tokens on the local routes: who gets in, whose call is whose, and a browser's session."""

import json
import re

import pytest

from harness.benches import CHAT_PATH, JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.wire import Message, head, wait_until
from proxy.demo import DEMO_KEY
from web.test_metrics import of, scrape

ANNS = "anns-token-0123456789"
BOBS = "bobs+token/987654321=="
EVERYBODYS = "everybodys-0123456789"
PROVIDERS = "sk-proj-providers-key-of-ours"
ANN, BOB, ANYBODY = (b"Feedback-Proxy-Token: " + token.encode() for token in (ANNS, BOBS, EVERYBODYS))
SETTINGS: dict[str, object] = {
    "guard.token": EVERYBODYS,
    "guard.tokens": {"ann": ANNS, "bob": BOBS},
    "routes.default.provider_key": PROVIDERS,
}
ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
RATING = b'{"rating": true}'
LOCAL_ROUTES = [
    ("GET", "/feedback"),
    ("HEAD", "/feedback"),
    ("GET", "/feedback/health"),
    ("GET", "/feedback/metrics"),
    ("GET", "/feedback/openapi.json"),
    ("GET", "/feedback/outbox"),
    ("POST", "/feedback/outbox/retry"),
    ("POST", "/feedback/batch"),
    ("GET", "/feedback/last"),
    ("GET", "/feedback/last/session"),
    ("POST", "/feedback/last"),
    ("DELETE", "/feedback/last"),
    ("GET", f"/feedback/{ID}"),
    ("POST", f"/feedback/{ID}"),
    ("DELETE", f"/feedback/{ID}"),
    ("GET", f"/feedback/{ID}/session"),
    ("OPTIONS", "/feedback/last"),
    ("GET", "/feedback/no/such/route"),
    ("PUT", "/feedback"),
]


@pytest.fixture
def guarded(start_bench: StartBench) -> Bench:
    """A sidecar that wants a token."""
    return start_bench(**SETTINGS)


# -- who gets in


@pytest.mark.parametrize(("method", "target"), LOCAL_ROUTES)
def test_every_local_route_needs_a_token(guarded: Bench, method: str, target: str) -> None:
    body = RATING if method == "POST" else b""
    for code, lines in (
        (b"token_missing", ()),
        (b"token_unknown", (b"Authorization: Bearer " + ANNS[:-1].encode(),)),
        (b"token_unknown", (b"Feedback-Proxy-Token: " + DEMO_KEY.encode(),)),
        (b"token_unknown", (b"Feedback-Proxy-Token: \xff",)),
        (b"token_unknown", (ANN, b"feedback-proxy-token: " + ANNS.encode())),
        (b"token_missing", (b"Feedback-Proxy-Token: ",)),
        (b"token_missing", (b"Cookie: " + cookie_name(guarded) + b"=" + ANNS.encode(),)),
        (b"token_missing", (b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin")),
    ):
        answer = guarded.ask(method, target, body, JSON, *lines)
        assert (answer.status, answer.value(b"feedback-error")) == (401, code)
        assert (answer.value(b"www-authenticate") or b"").startswith(b"Bearer ")
        if method != "HEAD":
            assert "[guard] token" in error_of(answer)[2]
    assert guarded.posted == []


@pytest.mark.parametrize("token", [ANNS, BOBS, EVERYBODYS])
@pytest.mark.parametrize(
    "line", ["Authorization: Bearer", "authorization: bearer", "X-Api-Key:", "api-key:", "x-goog-api-key:",
             "Feedback-Proxy-Token:"],
)  # fmt: skip
def test_a_token_in_any_place_opens_them(guarded: Bench, line: str, token: str) -> None:
    assert guarded.get("/feedback/health", f"{line} {token}".encode()).status == 200
    assert guarded.get("/feedback/metrics", f"{line} {token}".encode()).status == 200


def test_host_and_origin_are_asked_first(guarded: Bench) -> None:
    assert error_of(guarded.get("/feedback", b"Host: attacker.test", ANN))[1] == "host_not_allowed"
    assert error_of(guarded.get("/feedback", b"Origin: http://x.test", ANN))[1] == "origin_not_allowed"
    found = guarded.get(f"/feedback?token={ANNS}", b"Host: attacker.test")
    assert (error_of(found)[1], found.values(b"set-cookie")) == ("host_not_allowed", [])
    found = guarded.get(f"/feedback?token={ANNS}", b"Sec-Fetch-Site: cross-site")
    assert (error_of(found)[1], found.values(b"set-cookie")) == ("cross_site", [])


def test_a_call_that_got_our_provider_key_is_rated_under_our_helicone_key(guarded: Bench) -> None:
    answer = guarded.chat(b"Authorization: Bearer " + ANNS.encode())
    assert answer.status == 200
    guarded.wait_until_logged()
    assert guarded.rate(f"/feedback/{id_of(answer)}", RATING, BOB).status == 200
    (received,) = guarded.standin.gateway.all()
    assert received.header("authorization") == f"Bearer {PROVIDERS}"
    assert received.header("helicone-auth") == f"Bearer {DEMO_KEY}"
    (row,) = guarded.standin.ledger.rows
    assert [(event.request_id, event.organisation) for event in guarded.events] == [
        (id_of(answer), row.organisation)
    ]
    for each in (received, *guarded.posted):
        for token in (ANNS, BOBS, EVERYBODYS):
            assert token not in str(each.headers)


# -- whose call is whose


def told(bench: Bench, target: str = "/feedback") -> list[dict[str, object]]:
    """The calls that a query shows."""
    found: list[dict[str, object]] = document(bench.get(target, ANN))["calls"]
    return found


def test_the_name_of_a_token_is_the_calls_client(guarded: Bench) -> None:
    for line in (ANN, BOB, ANYBODY):
        guarded.chat(line)
    calls = told(guarded)
    assert [call["client"] for call in calls] == ["127.0.0.1", "bob", "ann"]
    assert {call["address"] for call in calls} == {"127.0.0.1"}
    shown = document(guarded.get("/feedback/last?client=ann", ANN))
    assert (shown["client"], shown["address"]) == ("ann", "127.0.0.1")


def test_a_client_is_found_by_name_address_and_user_agent(guarded: Bench) -> None:
    agent = b"User-Agent: curl/8"
    ids = [id_of(guarded.chat(line, agent)) for line in (ANN, BOB, ANYBODY)]
    for asked, meant in (
        ("ann", ids[:1]),
        ("bob", ids[1:2]),
        ("127.0.0.1", ids[::-1]),
        ("curl", ids[::-1]),
        ("nobody", []),
        ("", None),
    ):
        answer = guarded.get(f"/feedback?client={asked}", ANN)
        if meant is None:
            assert answer.status == 400
        else:
            assert [call["id"] for call in document(answer)["calls"]] == meant


def test_a_user_agent_makes_nobody_somebody_else(guarded: Bench) -> None:
    anns = id_of(guarded.chat(ANN))
    guarded.chat(BOB, b"User-Agent: ann")
    assert [call["id"] for call in told(guarded, "/feedback?client=ann")] == [anns]
    assert document(guarded.rate("/feedback/last?client=ann", RATING, ANN))["rated"]["id"] == anns


def test_where_it_must_not_be_guessed_those_with_tokens_are_apart(guarded: Bench) -> None:
    same = (b"Helicone-Session-Id: s1", b"Helicone-User-Id: u1", b"User-Agent: curl/8")
    for lines in (same, same[1:], same[2:]):
        ids = [id_of(guarded.chat(line, *lines)) for line in (ANN, BOB)]
    answer = guarded.get("/feedback/last?strict=1&session=s1", ANN)
    status, sentence = answer.status, json.loads(answer.body)["error"]["message"]
    assert status == 409
    assert "session s1 of bob" in sentence
    assert "session s1 of ann" in sentence
    for client, meant in zip(("ann", "bob"), ids, strict=True):
        # Six conversations were active, three of each.
        assert guarded.get(f"/feedback/last?strict=1&client={client}", ANN).status == 409
        shown = document(guarded.get(f"/feedback/last?client={client}", ANN))
        assert shown["id"] == meant


def test_a_client_outlasts_a_restart(start_bench: StartBench, tmp_path: object) -> None:
    kept = {**SETTINGS, "calls.persist": True, "outbox.path": f"{tmp_path}/outbox.db"}
    before = start_bench(**kept)
    before.chat(ANN)
    before.chat(ANYBODY)
    before.sidecar.begin_stop().result(10)
    after = start_bench(**kept)
    assert [call["client"] for call in told(after)] == ["127.0.0.1", "ann"]
    assert [call["client"] for call in told(after, "/feedback?client=ann")] == ["ann"]


def test_metrics_count_named_clients_alone(guarded: Bench) -> None:
    for line in (ANN, ANN, BOB, ANYBODY):
        guarded.chat(line)
    guarded.chat()
    answer = guarded.get("/feedback/metrics", ANN)
    counted = re.findall(rb"helicone_proxy_client_calls_total\{(.*)\} (.*)", answer.body)
    assert counted == [(b'client="ann"', b"2.0"), (b'client="bob"', b"1.0")]


def test_a_sidecar_without_tokens_counts_no_clients(bench: Bench) -> None:
    bench.chat()
    assert of(scrape(bench), "client_calls_total", client="") is None


def test_the_log_for_programs_names_the_client(start_bench: StartBench) -> None:
    guarded = start_bench(**SETTINGS, **{"log.format": "json"})
    guarded.chat(ANN)
    guarded.chat(ANYBODY)
    wait_until(lambda: guarded.sidecar.log.count("\n") == 2, "both are logged")
    lines = [json.loads(line) for line in guarded.sidecar.log.splitlines()]
    assert [line["client"] for line in lines] == ["ann", None]


# -- a browser's session


def cookie_name(bench: Bench, port: int = 80) -> bytes:
    """As the sidecar names it for a Host with that port."""
    return b"helicone-proxy-%d" % port


def signed_in(bench: Bench, target: str = f"/feedback?token={ANNS}", *lines: bytes) -> Message:
    """The answer to a browser that says a token."""
    answer = bench.get(target, *lines)
    assert answer.status == 303
    return answer


def cookie_of(answer: Message) -> bytes:
    """The line by which a browser says what it was given."""
    value = answer.value(b"set-cookie")
    assert value is not None
    return b"Cookie: " + value.partition(b";")[0]


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (f"/feedback?token={ANNS}", b"/feedback"),
        (f"/feedback/last?back=1&token={ANNS}&user=a%20b", b"/feedback/last?back=1&user=a%20b"),
        (f"/feedback/health?%74oken={ANNS}", b"/feedback/health"),
        (f"/feedback?token={BOBS}&limit=3", b"/feedback?limit=3"),
        ("/feedback?token=bobs%2Btoken%2f987654321%3D%3d", b"/feedback"),
        (f"/feedback?token={ANNS}&token={ANNS}", b"/feedback"),
        (f"http://localhost/feedback/last?token={ANNS}", b"/feedback/last"),
        (f"/feedback//evil.example?token={ANNS}", b"/feedback//evil.example"),
    ],
)
def test_a_token_in_the_address_becomes_a_cookie(guarded: Bench, target: str, location: bytes) -> None:
    client = guarded.sidecar.connect()
    answer = client.ask(request("GET", target))
    assert (answer.status, answer.value(b"location")) == (303, location)
    cookie = answer.value(b"set-cookie") or b""
    name = re.escape(cookie_name(guarded))
    attributes = b"; HttpOnly; Path=/feedback; SameSite=Strict"
    assert re.fullmatch(name + b"=[0-9a-f]{64}" + re.escape(attributes), cookie)
    assert answer.value(b"referrer-policy") == b"no-referrer"
    assert answer.value(b"cache-control") == b"no-store"
    for token in (ANNS, BOBS):
        assert token.encode() not in answer.head + answer.body
        assert token not in guarded.sidecar.log
    assert guarded.get("/feedback", cookie_of(answer)).status == 200


def test_the_cookies_name_has_the_port_by_which_the_browser_came(guarded: Bench) -> None:
    for host, port in ((b"localhost:8747", 8747), (b"127.0.0.1:19000", 19000), (b"[::1]:81", 81)):
        answer = signed_in(guarded, f"/feedback?token={ANNS}", b"Host: " + host)
        assert cookie_of(answer).startswith(b"Cookie: " + cookie_name(guarded, port) + b"=")
        assert guarded.get("/feedback", b"Host: " + host, cookie_of(answer)).status == 200
        assert guarded.get("/feedback", b"Host: localhost:1", cookie_of(answer)).status == 401


@pytest.mark.parametrize(
    "target",
    [
        "/feedback?token=",
        "/feedback?token",
        f"/feedback?token={ANNS[:-1]}",
        f"/feedback?token={ANNS}x",
        f"/feedback?token={ANNS}&token={BOBS}",
        f"/feedback?token={ANNS}&token=",
        "/feedback?token=%ff",
        f"/feedback?Token={ANNS}",
    ],
)
def test_a_wrong_token_in_the_address_opens_nothing(guarded: Bench, target: str) -> None:
    cookie = cookie_of(signed_in(guarded))
    for lines in ((), (cookie,), (ANN,)):
        answer = guarded.get(target, *lines)
        if "Token" in target:
            # A name that nobody knows in the query is another mistake.
            assert answer.status == (400 if lines else 401)
        elif lines == (ANN,):
            # Who says a token in a header is in. The address loses what it says, and makes no session of it.
            assert (answer.status, answer.value(b"location")) == (303, b"/feedback")
        else:
            assert error_of(answer)[:2] == (401, "token_unknown")
            assert "What the address says" in error_of(answer)[2]
        assert answer.values(b"set-cookie") == []
        assert ANNS.encode() not in answer.head + answer.body
    assert ANNS not in guarded.sidecar.log


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    ("origin", "code"),
    [
        (b"http://attacker.test", "origin_not_allowed"),
        # Another port of localhost is the same site: the cookie comes along.
        (b"http://localhost:3000", "origin_not_allowed"),
        (b"null", "origin_not_allowed"),
        # It is let in, and is not our own page: it has to say a token itself.
        (b"http://app.test", "token_missing"),
    ],
)
def test_a_session_is_of_no_use_to_a_page_of_another_origin(
    start_bench: StartBench, method: str, origin: bytes, code: str
) -> None:
    guarded = start_bench(**SETTINGS, **{"guard.allowed_origins": ["http://app.test"]})
    guarded.chat(ANN)
    cookie = cookie_of(signed_in(guarded))
    assert guarded.get("/feedback/last", cookie).status == 200
    answer = guarded.ask(
        method, "/feedback/last", RATING if method == "POST" else b"", JSON, cookie, b"Origin: " + origin
    )
    status = 401 if code == "token_missing" else 403
    assert (answer.status, answer.value(b"feedback-error")) == (status, code.encode())
    assert answer.values(b"access-control-allow-credentials") == []
    assert document(guarded.get("/feedback/last", ANN))["rating"] is None


@pytest.mark.parametrize(
    ("site", "status"), [(b"same-origin", 202), (b"same-site", 401), (b"cross-site", 401), (b"none", 401)]
)
def test_behind_a_tls_proxy_our_own_page_rates_with_its_session(
    start_bench: StartBench, site: bytes, status: int
) -> None:
    """The page's origin is listed then, and the browser says that it is the one which it asks."""
    listed = {"guard.allowed_origins": ["https://box.test"], "guard.allowed_hosts": ["box.test"]}
    guarded = start_bench(**SETTINGS, **listed)
    guarded.chat(ANN)
    host = b"Host: box.test"
    cookie = cookie_of(signed_in(guarded, f"/feedback?token={ANNS}", host))
    page = (host, b"Origin: https://box.test", b"Sec-Fetch-Mode: cors", b"Sec-Fetch-Site: " + site, cookie)
    assert guarded.ask("POST", "/feedback/last?wait=queued", RATING, JSON, *page).status == status
    assert (document(guarded.get("/feedback/last", ANN))["rating"] is None) == (status == 401)


def test_a_session_is_found_among_long_cookies(guarded: Bench) -> None:
    """Those of every app on this host come along; a head may have 64 KiB."""
    session = cookie_of(signed_in(guarded)).removeprefix(b"Cookie: ")
    name, _, value = session.partition(b"=")
    others = b"; ".join(b"app-%d=%b" % (number, b"x" * 500) for number in range(80))
    almost = b"; ".join(b"helicone-proxy-%d=%b" % (port, value[:63]) for port in range(400))
    for long in (b"a=" + b"x" * 40_000, others, b" ;,=" * 10_000, almost, name * 2500, value * 600):
        for cookies in (session + b"; " + long, long + b"; " + session):
            assert guarded.get("/feedback", b"Cookie: " + cookies).status == 200, cookies[:100]
        assert error_of(guarded.get("/feedback", b"Cookie: " + long))[:2] == (401, "token_missing")
    # What is glued to it makes it another cookie's value, or name.
    for glued in (session + b"0", session + b"x" * 40_000, b"x" + session, name + b"==" + value):
        assert guarded.get("/feedback", b"Cookie: " + glued).status == 401


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "OPTIONS"])
def test_only_a_get_signs_in(guarded: Bench, method: str) -> None:
    answer = guarded.ask(method, f"/feedback/last?token={ANNS}", RATING if method == "POST" else b"", JSON)
    assert (answer.status, answer.values(b"set-cookie")) == (401, [])


def test_a_cookie_opens_no_way_to_a_gateway(guarded: Bench) -> None:
    cookie = cookie_of(signed_in(guarded))
    for lines in ((cookie,), (cookie, b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin")):
        assert guarded.ask("POST", CHAT_PATH, chat_body(), JSON, *lines).status == 401
        session = cookie.partition(b"=")[2]
        assert guarded.chat(b"Authorization: Bearer " + session).status == 401
    assert guarded.ask("GET", f"/v1/models?token={ANNS}").status == 401
    assert guarded.standin.gateway.all() == []


OWN_PAGE = (b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Mode: cors")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        # No sign of a browser: an old one sends none, and some other page's form all the same.
        ((), 401),
        ((b"Sec-Fetch-Mode: navigate",), 401),
        ((b"Origin: http://attacker.test",), 403),
        ((b"Origin: null",), 403),
        ((b"Origin: http://localhost:3000", b"Sec-Fetch-Site: same-site"), 403),
        ((b"Sec-Fetch-Site: cross-site",), 403),
        ((*OWN_PAGE[:2], b"Sec-Fetch-Mode: navigate"), 403),
        (OWN_PAGE, 200),
        (OWN_PAGE[:1], 200),
        (OWN_PAGE[1:2], 200),
    ],
)
def test_a_change_by_cookie_has_to_come_from_our_own_page(
    guarded: Bench, method: str, lines: tuple[bytes, ...], status: int
) -> None:
    guarded.chat(ANN)
    held = guarded.rate("/feedback/last?hold=1h", RATING, ANN)
    assert held.status == 202
    cookie = cookie_of(signed_in(guarded))
    body = b'{"rating": false}' if method == "POST" else b""
    answer = guarded.ask(method, "/feedback/last", body, JSON, cookie, *lines)
    assert answer.status == status
    if status != 200:
        shown = document(guarded.get("/feedback/last", ANN))["rating"]
        assert (shown["rating"], shown["state"]) == (True, "held")


def test_a_form_by_cookie_rates_nothing_even_from_our_own_page(guarded: Bench) -> None:
    cookie = cookie_of(signed_in(guarded))
    form = b"Content-Type: application/x-www-form-urlencoded"
    answer = guarded.ask("POST", f"/feedback/{ID}", b"rating=up", form, cookie, *OWN_PAGE)
    assert error_of(answer)[:2] == (415, "json_required")
    assert guarded.posted == []


def test_a_session_is_of_one_process(guarded: Bench, start_bench: StartBench) -> None:
    cookie = cookie_of(signed_in(guarded))
    assert guarded.get("/feedback", cookie).status == 200
    for other in (cookie[:-1], cookie + b"0", cookie.upper()):
        assert guarded.get("/feedback", other).status == 401
    assert start_bench(**SETTINGS).get("/feedback", cookie).status == 401


def test_without_tokens_the_address_loses_it_and_nothing_is_kept(bench: Bench) -> None:
    answer = bench.get(f"/feedback?limit=3&token={ANNS}")
    assert (answer.status, answer.values(b"set-cookie")) == (303, [])
    assert answer.value(b"location") == b"/feedback?limit=3"


def test_a_token_in_a_header_wins_over_a_stale_one_in_the_address(guarded: Bench) -> None:
    answer = guarded.get("/feedback?token=stale", ANN)
    assert (answer.status, answer.value(b"location")) == (303, b"/feedback")
    assert answer.values(b"set-cookie") == []


def test_a_token_in_a_refused_path_is_not_logged(guarded: Bench, caplog: pytest.LogCaptureFixture) -> None:
    by_page = (b"Content-Type: text/plain", b"Origin: http://localhost", ANN)
    for path in (f"/feedback/{ANNS}", f"/v1/{ANNS}", f"/feedback/{ANNS.replace('-', '%2D')}"):
        assert guarded.get(path).status == 401
        assert guarded.ask("POST", path, b"x=1", *by_page).status in {400, 415}
    assert "Refused a request: " in caplog.text
    assert "0123456789" not in caplog.text + guarded.sidecar.log


def test_no_token_is_in_any_log_metric_or_answer(guarded: Bench, caplog: pytest.LogCaptureFixture) -> None:
    said = [guarded.chat(ANN, b"Helicone-User-Id: x").head]
    cookie = cookie_of(signed_in(guarded))
    for target in (
        "/feedback",
        "/feedback/last",
        "/feedback/metrics",
        "/feedback/health",
        "/feedback/openapi.json",
    ):
        for query in ("", f"?token={ANNS}", f"?token={ANNS}x", f"?x={ANNS}"):
            for lines in ((ANN,), (cookie,), ()):
                answer = guarded.get(f"{target}{query}", *lines)
                said.append(answer.head + answer.body)
    client = guarded.sidecar.connect()
    client.send(head(b"GET /feedback?token=" + ANNS.encode() + b" HTTP/1.1", b"Host: a b"))
    said.append(client.read_to_end())
    for text in (*said, guarded.sidecar.log.encode(), caplog.text.encode()):
        assert ANNS.encode() not in text
