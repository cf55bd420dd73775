"""Every id that an app holds anyway finds its call: that of its request, of the answer, of the answer's body."""

import json
import string
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.codings import CODINGS
from harness.fast_time import FastTime
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import Message, chunked, head, wait_until
from proxy.demo import GatewayFault, StandInSettings
from proxy.web.application import RESERVED, ROUTES

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
LOOKS_LIKE_AN_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
CLIENT_ID = b"X-Client-Request-Id: "


def shown(bench: Bench, name: str) -> dict[str, Any]:
    answer = bench.get(f"/feedback/{quote(name)}")
    assert answer.status == 200, answer.body
    return document(answer)


def rated(bench: Bench) -> list[tuple[str, bool | None]]:
    return [(event.request_id, event.rating) for event in bench.events]


# -- where aliases come from


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/v1/chat/completions", {}),
        ("/v1/responses", {"input": "Hi"}),
        ("/v1/messages", {"max_tokens": 10}),
        ("/v1/completions", {"prompt": "Hi"}),
    ],
)
@pytest.mark.parametrize("gzipped", [False, True])
def test_the_id_in_an_answers_body_rates_it(
    start_bench: StartBench, target: str, fields: dict[str, object], gzipped: bool
) -> None:
    settings = StandInSettings(ingestion_delay_seconds=0.0, token_interval_seconds=0.0005, gzip=gzipped)
    bench = start_bench(settings)
    client = bench.sidecar.connect()
    lines = (JSON, b"Accept-Encoding: gzip") if gzipped else (JSON,)
    answer = client.ask(request("POST", target, chat_body(**fields), *lines))
    client.close()
    other = bench.chat()
    call = document(bench.get("/feedback/last?back=1"))
    assert call["id"] == id_of(answer) != id_of(other)
    (own,) = (alias for alias in call["aliases"] if not alias.startswith("req_"))
    if not gzipped:
        assert own == json.loads(answer.body)["id"]
    assert document(bench.rate(f"/feedback/{own}"))["rated"]["id"] == id_of(answer)


@pytest.mark.parametrize(
    ("target", "fields", "prefix"),
    [
        ("/v1/chat/completions", {}, "chatcmpl-"),
        ("/v1/responses", {"input": "Hi"}, "resp_"),
        ("/v1/messages", {"max_tokens": 10}, "msg_"),
    ],
)
def test_the_id_in_a_stream_is_known_while_it_runs(
    bench: Bench, target: str, fields: dict[str, object], prefix: str
) -> None:
    bench.standin.faults.gateway.next(GatewayFault(silent_after_events=3))
    client = bench.sidecar.connect()
    client.send(request("POST", target, chat_body(stream=True, **fields), JSON))
    client.read_until(b"data: ")
    client.read_until(b"data: ")
    call = document(bench.get("/feedback/last"))
    assert call["state"] == "streaming"
    (own,) = (alias for alias in call["aliases"] if alias.startswith(prefix))
    assert shown(bench, own)["id"] == call["id"]
    client.close()
    assert document(bench.rate(f"/feedback/{own}"))["rated"]["id"] == call["id"]


def test_the_ids_in_headers_find_the_call(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(20.0))
    answer = bench.chat(CLIENT_ID + b"job-7:a", b"X-OpenWebUI-Message-Id: 5f1c")
    sent = answer.value(b"x-request-id")
    assert sent is not None
    call = document(bench.get("/feedback/last"))
    assert call["aliases"] == ["job-7:a", "5f1c", sent.decode(), json.loads(answer.body)["id"]]
    assert call["route"] == "default"
    for alias in call["aliases"]:
        assert shown(bench, alias)["id"] == id_of(answer)
        assert document(bench.rate(f"/feedback/{alias}"))["rated"]["aliases"] == call["aliases"]


def test_an_anthropic_answers_request_id_finds_the_call(bench: Bench) -> None:
    answer = bench.chat(target="/v1/messages", max_tokens=10)
    sent = answer.value(b"request-id")
    assert sent is not None
    assert shown(bench, sent.decode())["id"] == id_of(answer)


@pytest.mark.parametrize(("header", "found"), [("X-Chat", ["a"]), ("", [])])
def test_which_header_holds_a_messages_id_can_be_said(
    start_bench: StartBench, header: str, found: list[str]
) -> None:
    bench = start_bench(AT_ONCE, **{"feedback.message_id_header": header})
    bench.chat(b"x-chat: a", b"X-OpenWebUI-Message-Id: b")
    aliases = document(bench.get("/feedback/last"))["aliases"]
    assert [alias for alias in aliases if alias in ("a", "b")] == found


def test_an_error_is_found_by_what_it_has(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(status=500))
    answer = bench.chat(CLIENT_ID + b"job-7")
    assert shown(bench, "job-7")["id"] == id_of(answer)
    assert shown(bench, (answer.value(b"x-request-id") or b"").decode())["status"] == 500


# -- odd answers


def served(start_sidecar: StartSidecar, start_upstream: StartUpstream, *answers: bytes) -> RunningSidecar:
    return start_sidecar(start_upstream(answering(*answers)).url, **{"helicone.api_key": "sk-helicone-x"})


def asked(
    sidecar: RunningSidecar, *lines: bytes, method: str = "POST", target: str = "/v1/responses"
) -> Message:
    client = sidecar.connect()
    answer = client.ask(request(method, target, b'{"model": "m"}' if method == "POST" else b"", JSON, *lines))
    client.close()
    return answer


def with_body(body: bytes, *lines: bytes, label: bytes = b"application/json") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return head(b"HTTP/1.1 200 OK", b"Content-Type: " + label, length, *lines) + body


def aliases(sidecar: RunningSidecar) -> list[str]:
    found = document(asked(sidecar, method="GET", target="/feedback"))["calls"][0]["aliases"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=list(CODINGS))
def test_compressed_answers_pass_as_they_are_and_are_understood(
    start_sidecar: StartSidecar,
    start_upstream: StartUpstream,
    coding: bytes,
    compress: Callable[[bytes], bytes],
) -> None:
    encoded = compress(b'{"id": "gen-1"}')
    sidecar = served(start_sidecar, start_upstream, with_body(encoded, b"Content-Encoding: " + coding))
    assert asked(sidecar).body == encoded
    assert aliases(sidecar) == ["gen-1"]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (with_body(b'{"id": "a", "x": 1}'), ["a"]),
        (with_body(b'{"responseId": "g", "modelVersion": "x"}'), ["g"]),
        (with_body(b'{"choices": [{"id": "c"}]}'), []),
        (with_body(b'{"id": "a/b"}'), []),
        (with_body(b'{"id": "sk-a"}'), []),
        (with_body(b'{"id": "last"}'), []),
        (with_body(b'{"id": "health"}'), []),
        (with_body(b'{"id": ".."}'), []),
        (with_body(b'{"id": "%s"}' % (b"x" * 201)), []),
        (with_body(b'{"id": "%s"}' % (b"x" * 200)), ["x" * 200]),
        (with_body(b'{"id": "a"}', label=b"text/plain"), []),
        (with_body(b'{"id": "a"}', b"Content-Encoding: gzip"), []),
        (with_body(b'{"id": "a"}', b"Content-Encoding: aes128gcm"), []),
        (with_body(b'{"id": "a"}', b"Content-Encoding: identity"), ["a"]),
        (with_body(b'{"id": "a"}', b"X-Request-Id: a", b"Request-Id: b"), ["a", "b"]),
        (with_body(b'{"id": "a"}', b"X-Request-Id: x y"), ["a"]),
        (with_body(b'{"id": "a"}').replace(b"200 OK", b"500 X"), []),
        (with_body(b'data: {"id": ""}\n\ndata: {"id": "a"}\n\n', label=b"text/event-stream"), ["a"]),
    ],
)  # fmt: skip
def test_only_what_is_an_answers_own_id_is_taken(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, answer: bytes, found: list[str]
) -> None:
    sidecar = served(start_sidecar, start_upstream, answer)
    client = sidecar.connect()
    client.ask(request("POST", "/v1/responses", b'{"model": "m"}', JSON))
    assert aliases(sidecar) == found


def test_a_body_in_pieces_passes_as_it_is_and_is_understood(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    body = b'{"x": "%s", "id": "a-1", "model": "m"}' % (b"y" * 20_000)
    pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
    answer = head(b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    sidecar = served(start_sidecar, start_upstream, answer + chunked(*pieces))
    assert asked(sidecar).body == body
    assert aliases(sidecar) == ["a-1"]


def test_an_answer_that_is_cut_off_is_found_by_what_came_of_it(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    answer = head(b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Length: 100")
    sidecar = served(start_sidecar, start_upstream, answer + b'{"x": {}, "id": "a-1", "y')
    client = sidecar.connect()
    client.send(request("POST", "/v1/responses", b"{}", JSON))
    client.read_until(b"a-1")
    assert aliases(sidecar) == []
    client.close()
    sidecar.wait_for_log("left")
    assert aliases(sidecar) == ["a-1"]


def test_a_model_that_the_request_does_not_say_is_that_of_the_answer(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    answer = with_body(b'{"id": "a-1", "model": "gpt-4o-2024"}')
    sidecar = served(start_sidecar, start_upstream, answer)
    client = sidecar.connect()
    for body, model in (
        (b'{"x": "%s", "model": "m"}' % (b"y" * 70_000), "gpt-4o-2024"),
        (b'{"model": "m"}', "m"),
    ):
        client.ask(request("POST", "/v1/responses", body, JSON))
        call = document(asked(sidecar, method="GET", target="/feedback/last"))
        assert (call["model"], call["aliases"]) == (model, ["a-1"])


def test_a_get_of_an_answer_does_not_take_its_name(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    sidecar = served(start_sidecar, start_upstream, with_body(b'{"id": "resp_1"}'))
    first = id_of(asked(sidecar))
    asked(sidecar, method="GET", target="/v1/responses/resp_1")
    assert document(asked(sidecar, method="GET", target="/feedback/resp_1"))["id"] == first


# -- which call an alias means


def test_every_character_of_an_alias_can_stand_in_a_path(bench: Bench) -> None:
    alias = string.ascii_letters + string.digits + "._~:@!$&'()*+,;=-"
    first = id_of(bench.chat(CLIENT_ID + alias.encode()))
    bench.chat()
    assert document(bench.get(f"/feedback/{alias}"))["id"] == first
    assert shown(bench, alias)["id"] == first
    assert document(bench.rate(f"/feedback/{alias}"))["rated"]["id"] == first


def test_an_alias_of_several_calls_means_the_newest_and_the_others_are_shown(bench: Bench) -> None:
    ids = [id_of(bench.chat(CLIENT_ID + b"retried", model=f"m{number}")) for number in range(3)]
    bench.chat()
    call = shown(bench, "retried")
    assert call["id"] == ids[2]
    assert [(other["id"], other["model"]) for other in call["others"]] == [(ids[1], "m1"), (ids[0], "m0")]
    assert shown(bench, ids[2])["others"] == []
    assert document(bench.rate("/feedback/retried"))["rated"]["id"] == ids[2]


def test_of_calls_under_one_id_each_bodys_id_leads_to_the_newest(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    """Helicone has both under it. The slower one's id is seen when the other stands there already."""
    may_go_on = threading.Event()

    def script(connection: UpstreamWire) -> None:
        is_slow = connection.read_request().value(b"x-slow") is not None
        body = b'{"x": 1, "id": "%b"}' % (b"slow" if is_slow else b"fast")
        connection.send(with_body(body)[: -len(body)] + body[:5])
        if is_slow:
            may_go_on.wait(30)
        connection.send(body[5:])

    sidecar = start_sidecar(start_upstream(script).url)
    own = b"Helicone-Request-Id: " + UNKNOWN.encode()
    slow = sidecar.connect()
    slow.send(request("POST", "/v1/responses", b"{}", JSON, own, b"X-Slow: 1"))
    slow.read_until(b'{"x":')
    asked(sidecar, own)
    may_go_on.set()
    slow.read_until(b"slow")
    slow.close()
    wait_until(lambda: asked(sidecar, method="GET", target="/feedback/slow").status == 200, "it is known")
    for name in ("fast", "slow"):
        call = document(asked(sidecar, method="GET", target=f"/feedback/{name}"))
        assert (call["id"], call["aliases"]) == (UNKNOWN, ["fast", "slow"])


def test_a_remembered_request_id_goes_before_an_alias_and_an_alias_before_an_unknown_id(bench: Bench) -> None:
    first = id_of(bench.chat())
    second = id_of(bench.chat(CLIENT_ID + first.encode()))
    third = id_of(bench.chat(CLIENT_ID + LOOKS_LIKE_AN_ID.encode()))
    assert first != second
    assert shown(bench, first)["id"] == first
    assert shown(bench, first.upper())["id"] == first
    assert shown(bench, LOOKS_LIKE_AN_ID)["id"] == third
    assert document(bench.rate(f"/feedback/{LOOKS_LIKE_AN_ID}"))["rated"]["id"] == third
    said = document(bench.rate(f"/feedback/{UNKNOWN}"))
    assert said["rated"] == {"id": UNKNOWN, "known": False}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_alias_is_404_and_says_which_ids_work(bench: Bench, method: str) -> None:
    body = b'{"rating": true}' if method == "POST" else b""
    status, code, sentence = error_of(bench.ask(method, "/feedback/chatcmpl-old", body))
    assert (status, code) == (404, "unknown_call")
    assert sentence.endswith("No call is remembered yet.")
    bench.chat()
    status, code, sentence = error_of(bench.ask(method, "/feedback/chatcmpl-old", body))
    for kind in ("UUID", "chatcmpl-", "x-request-id", "X-Client-Request-Id", "message id"):
        assert kind in sentence
    assert "The oldest call that is remembered came " in sentence
    assert "old " not in sentence.replace("oldest ", "")
    assert bench.posted == []


def test_an_alias_works_wherever_an_id_does(bench: Bench) -> None:
    first, second = (id_of(bench.chat(CLIENT_ID + name)) for name in (b"one", b"two"))
    items = [{"id": "two", "rating": True}, {"id": "three", "rating": True}, {"id": "one", "rating": False}]
    results = document(bench.ask("POST", "/feedback/batch?hold=60", json.dumps(items).encode(), JSON))[
        "results"
    ]
    assert [each["id"] for each in results] == [second, None, first]
    assert results[1]["error"]["code"] == "unknown_call"
    assert document(bench.ask("DELETE", "/feedback/two"))["rated"]["id"] == second
    status, code, _ = error_of(bench.ask("POST", "/feedback/outbox/retry", b'{"id": "three"}', JSON))
    assert (status, code) == (404, "unknown_call")
    status, code, _ = error_of(bench.ask("POST", "/feedback/outbox/retry", b'{"id": "one"}', JSON))
    assert (status, code) == (404, "unknown_rating")


def test_a_batch_that_comes_again_is_told_of_what_its_aliases_meant_then(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"calls.capacity": 3})
    ids = [id_of(bench.chat(CLIENT_ID + name)) for name in (b"one", b"two", b"three")]
    items = [{"id": name, "rating": True} for name in ("one", "unknown", "two", ids[2])]
    body, once = json.dumps(items).encode(), b"Idempotency-Key: k"
    first = document(bench.ask("POST", "/feedback/batch?hold=60", body, JSON, once))["results"]
    # One is forgotten, and Two is another call.
    bench.chat(CLIENT_ID + b"two")
    answer = bench.ask("POST", "/feedback/batch?hold=60", body, JSON, once)
    assert answer.value(b"idempotent-replayed") == b"true"
    again = document(answer)["results"]
    assert [each["id"] for each in first] == [ids[0], None, ids[1], ids[2]]
    assert [each.get("state") for each in first] == ["held", None, "held", "held"]
    assert again == first


def test_a_hundred_calls_at_once_are_rated_right_by_their_aliases(bench: Bench) -> None:
    found: dict[str, tuple[str, str]] = {}

    def one(number: int) -> None:
        answer = bench.chat(CLIENT_ID + b"client-%d" % number, model=f"m{number}")
        found[f"m{number}"] = (id_of(answer), json.loads(answer.body)["id"])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(100):
        request_id, body_id = found[f"m{number}"]
        name = body_id if number % 2 else f"client-{number}"
        assert document(bench.rate(f"/feedback/{name}?wait=queued"))["rated"]["id"] == request_id


# -- the call that was rated is the one that is named


def test_a_call_that_is_replaced_while_its_rating_waits_is_still_the_one_that_is_named(bench: Bench) -> None:
    own = b"Helicone-Request-Id: " + UNKNOWN.encode()
    bench.chat(own, model="first")
    answers: list[Message] = []
    rating = threading.Thread(
        target=lambda: answers.append(bench.rate(f"/feedback/{UNKNOWN}?wait=verified&timeout=1"))
    )
    rating.start()
    wait_until(lambda: bool(bench.posted), "the rating has left")
    bench.chat(own, model="second")
    rating.join()
    assert document(answers[0])["rated"]["model"] == "first"
    assert document(bench.get("/feedback/last"))["model"] == "second"


# -- sessions


def test_a_call_without_a_session_is_listed_by_itself(bench: Bench) -> None:
    request_id = id_of(bench.chat(CLIENT_ID + b"one"))
    bench.chat()
    said = document(bench.get("/feedback/one/session"))
    assert said["session"] is None
    assert [call["id"] for call in said["calls"]] == [request_id]
    assert set(said["calls"][0]) == set(document(bench.get("/feedback"))["calls"][0])


def test_the_calls_of_a_session_are_listed_with_the_newest_first(bench: Bench) -> None:
    ids = [id_of(bench.chat(CLIENT_ID + b"%d" % number)) for number in range(4)]
    store = bench.sidecar.sidecar.parts.store
    for request_id, session in zip(ids, ("a", "b", "a", "b"), strict=True):
        call = store.find(request_id)
        assert call is not None
        call.session = session
    said = document(bench.get("/feedback/0/session"))
    assert (said["session"], [call["id"] for call in said["calls"]]) == ("a", [ids[2], ids[0]])
    said = document(bench.get("/feedback/last/session?back=1&limit=1"))
    assert (said["session"], [call["id"] for call in said["calls"]]) == ("a", [ids[2]])


def test_an_unknown_call_has_no_session(bench: Bench) -> None:
    for name in ("x", UNKNOWN, "last"):
        status, code, _ = error_of(bench.get(f"/feedback/{name}/session"))
        assert (status, code) == (404, "unknown_call")


# -- words of ours


def test_the_words_of_our_paths_are_known() -> None:
    assert {word for _, path, _ in ROUTES for word in path.split("/")} >= RESERVED
    assert {"last", "batch", "health", "metrics", "outbox", "retry", "session"} <= RESERVED


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_word_of_our_paths_is_never_an_alias(bench: Bench, word: str) -> None:
    bench.chat(CLIENT_ID + word.encode())
    assert word not in document(bench.get("/feedback/last"))["aliases"]


LITERALS = sorted({path for _, path, _ in ROUTES if "{" not in path})


@pytest.mark.parametrize("path", LITERALS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "PATCH"])
def test_a_path_of_ours_takes_its_own_methods_and_is_no_id(bench: Bench, path: str, method: str) -> None:
    bench.chat()
    own = {each for each, other, _ in ROUTES if other == path}
    if method in own:
        return
    status, code, _ = error_of(bench.ask(method, path, b'{"rating": true}'))
    assert (status, code) == (405, "method_not_allowed")
    allowed = bench.ask(method, path).value(b"allow")
    assert allowed is not None
    assert set(allowed.decode().split(", ")) == own | ({"HEAD"} if "GET" in own else set())
    assert bench.posted == []


def test_a_path_of_an_id_says_which_methods_it_takes(bench: Bench) -> None:
    assert bench.ask("PUT", "/feedback/x").value(b"allow") == b"DELETE, GET, HEAD, POST"
    assert bench.ask("POST", "/feedback/x/session", b"{}").value(b"allow") == b"GET, HEAD"
    assert bench.ask("GET", "/feedback/health/session").status == 404
