"""Feedback-Tokens at the door: whoever has one rates that call, and does nothing else, whatever is tried."""

import json
import re
import time

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.fast_time import FastTime
from harness.wire import Message, wait_until
from proxy.feedback_tokens import FeedbackTokens
from web.test_tokens import LOCAL_ROUTES

SECRET = "0123456789abcdef0123456789abcdef"
GUARD = "colleagues-0123456789abcdef-token"
APP = b"https://app.example.com"
FROM_APP = (b"Origin: " + APP, b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: cors")
RATING = b'{"rating": true}'
ON: dict[str, object] = {
    "hooks.token": True,
    "hooks.secret": SECRET,
    "guard.allowed_origins": [APP.decode()],
}
UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"


@pytest.fixture(params=[None, GUARD], ids=["open", "guarded"])
def bench(request: pytest.FixtureRequest, start_bench: StartBench) -> Bench:
    """A sidecar that makes tokens, without a token of the guard and with one."""
    return start_bench(**ON, **{"guard.token": request.param})


def chat(bench: Bench, *lines: bytes) -> Message:
    """A chat of the app's server."""
    return bench.chat(b"Feedback-Proxy-Token: " + GUARD.encode(), *lines)


def token_of(answer: Message) -> bytes:
    """The line that a page says it with."""
    token = answer.value(b"feedback-token")
    assert token is not None
    return b"Feedback-Token: " + token


def made(request_id: str, *, secret: str = SECRET, seconds: float = 60) -> bytes:
    """A token that somebody made with that secret."""
    return b"Feedback-Token: " + FeedbackTokens(secret, seconds).make(request_id.encode(), time.time())


# -- what it is for


def test_a_page_of_the_app_rates_that_answer_and_takes_it_back(bench: Bench) -> None:
    answer = chat(bench)
    line, target = token_of(answer), f"/feedback/{id_of(answer)}"
    rated = bench.ask("POST", f"{target}?hold=1m", RATING, JSON, *FROM_APP, line)
    assert (rated.status, document(rated)["rated"]["id"]) == (202, id_of(answer))
    assert rated.value(b"access-control-allow-origin") == APP
    taken_back = bench.ask("DELETE", target, b"", *FROM_APP, line)
    assert document(taken_back)["state"] == "withdrawn"


def test_a_program_may_use_it_too_and_so_may_our_own_page(bench: Bench) -> None:
    answer = chat(bench)
    own = (b"Origin: http://localhost", b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Mode: cors")
    for lines in (), own:
        assert (
            bench.ask("POST", f"/feedback/{id_of(answer)}", RATING, JSON, *lines, token_of(answer)).status
            < 300
        )


def test_another_case_of_the_id_and_an_alias_mean_the_same_call(bench: Bench) -> None:
    answer = chat(bench)
    for name in id_of(answer).upper(), json.loads(answer.body)["id"]:
        rated = bench.ask("POST", f"/feedback/{name}", RATING, JSON, token_of(answer))
        assert document(rated)["rated"]["id"] == id_of(answer)


def test_a_call_that_is_not_remembered_can_still_be_rated_with_its_token(bench: Bench) -> None:
    rated = bench.ask("POST", f"/feedback/{UNKNOWN}", RATING, JSON, made(UNKNOWN))
    assert document(rated)["rated"] == {"id": UNKNOWN, "known": False}


def test_who_has_one_is_told_nothing_of_whom_the_call_was_for(start_bench: StartBench) -> None:
    bench = start_bench(**ON, **{"guard.tokens": {"ann": GUARD}})
    answer = chat(
        bench, b"Helicone-User-Id: employee-17", b"Helicone-Session-Id: case-4", b"X-Client-Request-Id: job-7"
    )
    for method, body in ("POST", RATING), ("DELETE", b""):
        target = f"/feedback/{id_of(answer)}{'?hold=1m' if body else ''}"
        said = bench.ask(method, target, body, JSON, *FROM_APP, token_of(answer))
        assert document(said)["rated"]["known"]
        for secret in b"ann", b"employee-17", b"case-4", b"job-7":
            assert secret not in said.body, method


def test_it_keeps_the_name_of_whoever_says_a_token_of_the_guard_besides(start_bench: StartBench) -> None:
    bench = start_bench(**ON, **{"guard.tokens": {"ann": GUARD}})
    answer = chat(bench)
    own = b"Authorization: Bearer " + GUARD.encode()
    rated = bench.ask("POST", f"/feedback/{id_of(answer)}", RATING, JSON, own, token_of(answer))
    assert "for the answer of" in document(rated)["message"]
    # It limits, whatever is said besides.
    assert error_of(bench.get("/feedback", own, token_of(answer)))[1] == "feedback_token_elsewhere"


# -- what it is not for


def test_it_rates_no_other_call(bench: Bench) -> None:
    mine, other = chat(bench), chat(bench, b"X-Client-Request-Id: job-7")
    for name in id_of(other), json.loads(other.body)["id"], "job-7", UNKNOWN, "no-such-call":
        for method in "POST", "DELETE":
            refused = bench.ask(
                method, f"/feedback/{name}", RATING * (method == "POST"), JSON, token_of(mine)
            )
            assert error_of(refused)[:2] == (403, "token_for_another_call")
    assert bench.posted == []


def test_it_opens_no_other_route(bench: Bench) -> None:
    answer = chat(bench)
    own = f"/feedback/{id_of(answer)}"
    routes = [route for route in LOCAL_ROUTES if route[1].rpartition("/")[2] != UNKNOWN]
    for method, target in [*routes, ("GET", own), ("HEAD", own), ("PUT", own), ("GET", f"{own}/session"),
                           ("POST", f"{own}/session"), ("POST", f"{own}/"), ("POST", "/feedback/%6cast"),
                           ("POST", "/feedback/webhooks/open-webui")]:  # fmt: skip
        for lines in (), FROM_APP:
            refused = bench.ask(method, target, RATING * (method == "POST"), JSON, *lines, token_of(answer))
            assert refused.status == 403, (method, target)
            assert refused.value(b"feedback-error") in {
                b"feedback_token_elsewhere",
                b"token_for_another_call",
            }
    assert bench.posted == []


def test_it_may_not_name_the_call_that_it_rates_by_an_alias_that_moves_on(bench: Bench) -> None:
    """The door has seen which call is meant; while the body is on its way, another one takes the name."""
    own = b"X-Client-Request-Id: job-7"
    mine = chat(bench, own)
    client = bench.sidecar.connect()
    whole = request("POST", "/feedback/job-7", RATING, JSON, token_of(mine), b"Expect: 100-continue")
    client.send(whole.removesuffix(RATING))
    client.read_until(b"100 Continue\r\n\r\n")
    chat(bench, own)
    client.send(RATING)
    assert document(client.read_answer())["rated"]["id"] == id_of(mine)


def test_a_name_that_looks_like_its_id_does_not_lead_elsewhere(bench: Bench) -> None:
    """Somebody calls a call of their own by the id of one that is forgotten, or was never here."""
    chat(bench, b"X-Client-Request-Id: " + UNKNOWN.encode())
    rated = bench.ask("POST", f"/feedback/{UNKNOWN}", RATING, JSON, made(UNKNOWN))
    assert document(rated)["rated"] == {"id": UNKNOWN, "known": False}


def test_it_learns_nothing_of_a_rating_that_another_key_was_for(bench: Bench) -> None:
    own, key = b"X-Client-Request-Id: job-7", b"Idempotency-Key: k-1"
    answer = chat(bench, own)
    guard = b"Feedback-Proxy-Token: " + GUARD.encode()
    said = b'{"rating": false, "comment": "between us"}'
    assert bench.ask("POST", "/feedback/job-7", said, JSON, guard, key).status < 300
    mine = chat(bench, own)
    refused = bench.ask("POST", "/feedback/job-7", said, JSON, token_of(mine), key)
    assert error_of(refused)[:2] == (422, "idempotency_key_reused")
    assert id_of(answer).encode() not in refused.body


@pytest.mark.parametrize("how", ["changed", "another secret", "expired", "twice", "in the query", "empty"])
def test_what_is_no_token_of_ours_is_refused(bench: Bench, how: str) -> None:
    answer = chat(bench)
    target, line = f"/feedback/{id_of(answer)}", token_of(answer)
    lines, code = {
        "changed": ((line[:-9] + b"AAAAAAAAA",), "feedback_token_invalid"),
        "another secret": ((made(id_of(answer), secret=SECRET[::-1]),), "feedback_token_invalid"),
        "expired": ((made(id_of(answer), seconds=-1),), "feedback_token_expired"),
        "twice": ((line, line), "feedback_token_invalid"),
        "empty": ((b"Feedback-Token:",), "feedback_token_invalid"),
        "in the query": ((), "feedback_token_missing"),
    }[how]
    if how == "in the query":
        target += f"?feedback_token={line.decode().partition(' ')[2]}"
    for method in "POST", "DELETE":
        refused = bench.ask(method, target, RATING * (method == "POST"), JSON, *FROM_APP, *lines)
        status, said, _ = error_of(refused)
        assert (
            (status, said) in {(401, code), (401, "token_missing")} if how == "in the query" else (401, code)
        )
        assert refused.value(b"www-authenticate") is not None
        assert refused.value(b"access-control-allow-origin") == APP
    assert bench.posted == []


def test_origin_and_host_are_asked_first(bench: Bench) -> None:
    answer = chat(bench)
    for lines, code in (
        ((b"Origin: https://attacker.test", b"Sec-Fetch-Site: cross-site"), "origin_not_allowed"),
        ((b"Origin: null",), "origin_not_allowed"),
        ((b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors"), "cross_site"),
        ((b"Host: attacker.test",), "host_not_allowed"),
    ):
        refused = bench.ask("POST", f"/feedback/{id_of(answer)}", RATING, JSON, *lines, token_of(answer))
        assert error_of(refused)[:2] == (403, code)
    form = bench.ask(
        "POST", f"/feedback/{id_of(answer)}", b"rating=up",
        b"Content-Type: application/x-www-form-urlencoded", *FROM_APP, token_of(answer),
    )  # fmt: skip
    assert error_of(form)[:2] == (415, "json_required")
    assert bench.posted == []


def test_it_opens_no_call_to_the_gateway(start_bench: StartBench) -> None:
    bench = start_bench(**ON, **{"guard.token": GUARD})
    line = token_of(chat(bench))
    for target in "/v1/chat/completions", "/v1/realtime":
        refused = bench.ask("POST", target, chat_body(), JSON, *FROM_APP, line)
        assert error_of(refused)[:2] == (401, "token_missing")
    assert len(bench.standin.gateway.all()) == 1
    # Beside a token of the guard it is just not said to anybody.
    assert chat(bench, line).status == 200
    assert "v1." not in str([each.headers for each in bench.standin.gateway.all()])


def test_refusals_are_counted_and_logged_without_the_token(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    answer, other = chat(bench), chat(bench)
    for _ in range(3):
        bench.ask("POST", f"/feedback/{id_of(other)}", RATING, JSON, token_of(answer))
    counted = bench.get("/feedback/metrics", b"Feedback-Proxy-Token: " + GUARD.encode()).body
    assert re.search(rb'\{code="token_for_another_call"\} 3\.?0?\n', counted)
    [said] = [each.message for each in caplog.records if "for another call" in each.message]
    assert f"POST /feedback/{id_of(other)}" in said
    assert "v1." not in caplog.text


# -- pages


def test_pages_need_one_for_all_that_is_ours_once_there_are_tokens(start_bench: StartBench) -> None:
    bench = start_bench(**ON)
    answer = chat(bench)
    for method, target in (
        ("POST", f"/feedback/{id_of(answer)}"),
        ("GET", "/feedback"),
        ("POST", "/feedback/last"),
    ):
        refused = bench.ask(method, target, RATING * (method == "POST"), JSON, *FROM_APP)
        assert error_of(refused)[:2] == (401, "feedback_token_missing")
        assert refused.value(b"access-control-allow-origin") == APP
        assert bench.ask(method, target, RATING * (method == "POST"), JSON).status < 300
    assert bench.ask("POST", "/v1/chat/completions", chat_body(), JSON, *FROM_APP).status == 200


def test_a_page_with_a_token_of_the_guard_needs_no_other(start_bench: StartBench) -> None:
    bench = start_bench(**ON, **{"guard.token": GUARD})
    assert bench.get("/feedback", *FROM_APP, b"Authorization: Bearer " + GUARD.encode()).status == 200


def test_without_tokens_being_made_none_is_good_and_pages_need_none(start_bench: StartBench) -> None:
    bench = start_bench(**{"guard.allowed_origins": [APP.decode()]})
    answer = bench.chat()
    assert answer.value(b"feedback-token") is None
    target = f"/feedback/{id_of(answer)}"
    refused = bench.ask("POST", target, RATING, JSON, made(id_of(answer)))
    assert error_of(refused)[:2] == (401, "feedback_token_invalid")
    assert bench.ask("POST", target, RATING, JSON, *FROM_APP).status == 200


@pytest.mark.parametrize("target", ["/v1/chat/completions", "/feedback/x"])
def test_a_page_may_ask_for_it_and_read_it(bench: Bench, target: str) -> None:
    asked = b"Access-Control-Request-Headers: feedback-token, content-type, idempotency-key"
    preflight = bench.ask("OPTIONS", target, b"", *FROM_APP, b"Access-Control-Request-Method: POST", asked)
    assert (
        preflight.value(b"access-control-allow-headers") == b"feedback-token, content-type, idempotency-key"
    )
    answer = chat(bench, *FROM_APP)
    exposed = (answer.value(b"access-control-expose-headers") or b"").split(b", ")
    assert {b"feedback-id", b"feedback-url", b"feedback-token", b"link"} <= set(exposed)


# -- time and secrets


def test_it_expires_and_setting_the_clock_back_does_not_help(start_bench: StartBench) -> None:
    hours = FastTime(speed=100_000)
    bench = start_bench(
        AT_ONCE, hours, **{"hooks.token": True, "hooks.secret": SECRET, "hooks.token_seconds": 3600}
    )
    answer = bench.chat()
    expiry = int(token_of(answer).split(b".")[1])
    wait_until(lambda: hours.wall() > expiry + 1, "an hour has passed")
    refused = bench.ask("POST", f"/feedback/{id_of(answer)}", RATING, JSON, token_of(answer))
    assert error_of(refused)[:2] == (401, "feedback_token_expired")


def test_replicas_with_one_secret_take_each_others_and_others_do_not(start_bench: StartBench) -> None:
    first, second, stranger = (
        start_bench(**{"hooks.token": True, "hooks.secret": secret})
        for secret in (SECRET, SECRET, SECRET[::-1])
    )
    answer = first.chat()
    target = f"/feedback/{id_of(answer)}"
    assert second.ask("POST", target, RATING, JSON, token_of(answer)).status < 300
    refused = stranger.ask("POST", target, RATING, JSON, token_of(answer))
    assert error_of(refused)[:2] == (401, "feedback_token_invalid")


def test_with_nothing_on_disk_the_secret_is_the_processs_and_that_is_said(
    start_bench: StartBench, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (start_bench(**{"hooks.token": True}) for _ in range(2))
    assert [each.message for each in caplog.records if "secret of this process" in each.message]
    answer = first.chat()
    refused = second.ask("POST", f"/feedback/{id_of(answer)}", RATING, JSON, token_of(answer))
    assert error_of(refused)[:2] == (401, "feedback_token_invalid")


def test_the_token_is_the_nearest_sidecars_and_no_apps_goes_up(start_bench: StartBench) -> None:
    bench = start_bench(**{"hooks.token": True})
    assert bench.chat(b"Feedback-Token: v1.an.apps", b"Trailer: x").status == 200
    assert bench.standin.gateway.last.values("Feedback-Token") == []
