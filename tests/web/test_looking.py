"""GET /feedback/...: what is remembered, as JSON, without any effect."""

import re
from typing import Any

import pytest

import proxy
from harness.benches import JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.sidecars import StartSidecar
from harness.wire import Message
from proxy.demo import DEMO_KEY, GatewayFault

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
FIELDS = {
    "id",
    "aliases",
    "route",
    "method",
    "path",
    "model",
    "status",
    "state",
    "started_at",
    "age_seconds",
    "first_byte_ms",
    "duration_ms",
    "bytes_up",
    "bytes_down",
    "user",
    "session",
    "properties",
    "client",
    "address",
    "tokens",
    "user_agent",
    "rating",
}


def calls(answer: Message) -> list[dict[str, Any]]:
    found = document(answer)["calls"]
    assert isinstance(found, list)
    return found


def test_the_last_answer_is_shown_with_all_that_is_known_of_it(bench: Bench) -> None:
    answer = bench.chat(model="gpt-4o")
    shown = document(bench.get("/feedback/last"))
    assert set(shown) == FIELDS | {"known", "others", "history"}
    assert (shown["known"], shown["history"]) == (True, [])
    assert (shown["id"], shown["method"], shown["path"]) == (id_of(answer), "POST", "/v1/chat/completions")
    assert (shown["model"], shown["status"], shown["state"]) == ("gpt-4o", 200, "complete")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", shown["started_at"])
    assert 0 <= shown["age_seconds"] < 30
    assert 0 < shown["first_byte_ms"] <= shown["duration_ms"] < 30_000
    assert (shown["bytes_up"], shown["bytes_down"]) == (
        bench.standin.gateway.last.body_bytes,
        len(answer.body),
    )
    assert shown["rating"] is None


def test_a_rated_call_is_shown_with_its_rating(bench: Bench) -> None:
    bench.chat()
    said = document(bench.rate(body=b"rating=down"))
    shown = document(bench.get("/feedback/last"))["rating"]
    assert 0 < shown.pop("next_attempt_in_seconds") <= 20
    for name in ("next_attempt_at", "accepted_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", shown.pop(name))
    assert shown == {
        "rating": False,
        "thumb": "👎",
        "state": "accepted",
        "rated_at": said["rated_at"],
        "attempts": 1,
        "failures": 0,
        "verified_at": None,
    }
    (listed,) = document(bench.get("/feedback"))["calls"]
    assert (listed["rating"]["thumb"], listed["rating"]["state"]) == ("👎", "accepted")


def test_the_ratings_before_are_shown_the_newest_first(bench: Bench) -> None:
    bench.chat()
    bench.rate()
    bench.rate("/feedback/last?wait=queued", b"rating=down")
    history = document(bench.get("/feedback/last"))["history"]
    assert [(each["thumb"], each["state"]) for each in history] == [("👎", "queued"), ("👍", "superseded")]


def test_an_id_that_is_not_remembered_is_shown_when_it_was_rated_here(bench: Bench) -> None:
    bench.rate(f"/feedback/{UNKNOWN}")
    shown = document(bench.get(f"/feedback/{UNKNOWN}"))
    assert set(shown) == {"id", "known", "others", "rating", "history"}
    assert (shown["id"], shown["known"], shown["rating"]["thumb"]) == (UNKNOWN, False, "👍")


def test_a_call_is_shown_by_its_id_in_any_case(bench: Bench) -> None:
    first = id_of(bench.chat())
    bench.chat()
    assert document(bench.get(f"/feedback/{first}"))["id"] == first
    assert document(bench.get(f"/feedback/{first.upper()}"))["id"] == first


def test_back_shows_the_one_before(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(2)]
    assert document(bench.get("/feedback/last?back=1"))["id"] == ids[0]
    status, code, sentence = error_of(bench.get("/feedback/last?back=2"))
    assert (status, code) == (404, "unknown_call")
    assert "smaller ?back=" in sentence


def test_nothing_to_show_says_how_to_get_something(bench: Bench) -> None:
    status, code, sentence = error_of(bench.get("/feedback/last"))
    assert (status, code) == (404, "unknown_call")
    assert "curl http://localhost/v1/chat/completions" in sentence
    assert "since it was started (with [calls] persist on, " in sentence
    assert error_of(bench.get("/feedback/last?back=1"))[:2] == (404, "unknown_call")


def test_after_a_call_that_failed_nothing_is_promised_of_it(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(status=500))
    bench.chat()
    assert error_of(bench.get("/feedback/last"))[2].endswith(
        "shows the calls that came, and which cannot be rated."
    )


def test_an_id_that_is_not_remembered_is_404_and_says_that_it_can_be_rated(bench: Bench) -> None:
    status, code, sentence = error_of(bench.get(f"/feedback/{UNKNOWN}"))
    assert (status, code) == (404, "unknown_call")
    assert UNKNOWN in sentence
    assert "POST" in sentence


@pytest.mark.parametrize("name", ["x", "chatcmpl-1", "sk-helicone-canary"])
def test_what_can_be_no_id_is_404_and_not_repeated(bench: Bench, name: str) -> None:
    status, code, sentence = error_of(bench.get(f"/feedback/{name}"))
    assert (status, code) == (404, "unknown_call")
    assert "UUID" in sentence
    assert "canary" not in sentence


# -- the list


def test_the_list_has_the_newest_calls_first_of_every_kind(bench: Bench) -> None:
    first = id_of(bench.chat())
    second = id_of(bench.ask("GET", "/v1/models"))
    bench.standin.faults.gateway.next(GatewayFault(status=500))
    third = id_of(bench.chat())
    said = document(bench.get("/feedback"))
    assert (said["remembered"], said["capacity"]) == (3, 10_000)
    assert [call["id"] for call in said["calls"]] == [third, second, first]
    assert [call["status"] for call in said["calls"]] == [500, 200, 200]
    assert all(set(call) == FIELDS for call in said["calls"])


def test_an_empty_list_is_a_list(bench: Bench) -> None:
    assert document(bench.get("/feedback")) == {
        "remembered": 0,
        "capacity": 10_000,
        "preview": False,
        "calls": [],
    }


def test_the_list_shows_twenty_or_as_many_as_asked_for(bench: Bench) -> None:
    client = bench.sidecar.connect()
    for _ in range(22):
        client.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert len(calls(bench.get("/feedback"))) == 20
    for limit in (1, 21, 22, 1000):
        assert len(calls(bench.get(f"/feedback?limit={limit}"))) == min(limit, 22)


@pytest.mark.parametrize("limit", ["0", "1001", "999999999"])
def test_only_so_many_calls_are_shown_at_once(bench: Bench, limit: str) -> None:
    assert error_of(bench.get(f"/feedback?limit={limit}"))[::2] == (400, "limit has to be from 1 to 1000.")


@pytest.mark.parametrize("limit", ["-1", "x", "", "1e3", "9" * 40, "%F0%9F%91%8D"])
def test_a_limit_that_is_no_number_is_said_to_be_none(bench: Bench, limit: str) -> None:
    status, code, sentence = error_of(bench.get(f"/feedback?limit={limit}"))
    assert (status, code) == (400, "bad_request")
    assert "?limit=20" in sentence


# -- health


def test_health_tells_how_the_sidecar_is(bench: Bench) -> None:
    bench.chat()
    said = document(bench.get("/feedback/health"))
    assert 0 <= said.pop("uptime_seconds") < 100
    assert said.pop("delivery")["open"] == 0
    assert said == {
        "status": "ok",
        "version": proxy.__version__,
        "upstream": bench.standin.gateway_url,
        "routes": [
            {
                "name": "default",
                "path": "/",
                "url": bench.standin.gateway_url,
                "helicone_api": bench.standin.api_url,
            }
        ],
        "helicone_api": bench.standin.api_url,
        "helicone_key": "configured",
        "calls": {"open": 0, "remembered": 1, "capacity": 10_000},
    }


def test_health_tells_of_a_missing_key_and_of_open_calls(start_bench: StartBench) -> None:
    bench = start_bench(**{"helicone.api_key": None, "calls.capacity": 5})
    bench.standin.faults.gateway.next(GatewayFault(silent_after_events=1))
    client = bench.stream()
    client.read_until(b"data: ")
    said = document(bench.get("/feedback/health"))
    assert said["helicone_key"] == "not configured"
    assert said["calls"] == {"open": 1, "remembered": 1, "capacity": 5}


def test_health_is_fine_when_the_gateway_is_not_there(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar("http://127.0.0.1:9")
    answer = sidecar.connect().ask(b"GET /feedback/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert document(answer)["status"] == "ok"


# -- no effect


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "query", ["rating=up", "rating=down", "rating=", "rating=nonsense", "back=0&rating=%2B1", "comment=x"]
)
@pytest.mark.parametrize("name", ["/last", f"/{UNKNOWN}", ""])
def test_looking_never_rates(bench: Bench, method: str, query: str, name: str) -> None:
    bench.chat()
    answer = bench.ask(method, f"/feedback{name}?{query}")
    assert answer.status == 405
    assert answer.value(b"feedback-error") == b"use_post"
    if method == "GET":
        assert "-X POST" in error_of(answer)[2]
    assert bench.posted == []


def test_a_get_with_a_rating_in_its_body_does_not_rate(bench: Bench) -> None:
    bench.chat()
    assert document(bench.ask("GET", "/feedback/last", b'{"rating": true}', JSON))["rating"] is None
    assert bench.posted == []


@pytest.mark.parametrize("target", ["/feedback", "/feedback/last", "/feedback/health"])
def test_head_answers_as_get_without_a_body(bench: Bench, target: str) -> None:
    bench.chat()
    got, headed = bench.get(target), bench.ask("HEAD", target)
    assert (headed.status, headed.body) == (200, b"")
    assert headed.value(b"content-type") == got.value(b"content-type")


def test_no_answer_shows_the_key(bench: Bench) -> None:
    bench.chat(b"Helicone-Auth: Bearer " + DEMO_KEY.encode())
    bench.rate()
    for target in ("/feedback", "/feedback/last", "/feedback/health"):
        assert b"demokey" not in bench.get(target).body


def test_when_only_failed_calls_came_last_says_so_and_not_that_nothing_came(
    start_sidecar: StartSidecar,
) -> None:
    sidecar = start_sidecar("http://127.0.0.1:9")
    sidecar.connect().ask(request("POST", "/v1/chat/completions", chat_body(), JSON))
    answer = sidecar.connect().ask(request("GET", "/feedback/last"))
    status, _, message = error_of(answer)
    assert status == 404
    assert "answered with 2xx" in message
    assert "GET /feedback" in message
