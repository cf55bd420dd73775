"""Scopes: the newest answer of one user, session, model, path, client or property; and refusing to guess."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.fast_time import FastTime
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, answering
from harness.wire import Message, chunked, head, wait_until
from proxy.relay.contract import Ending

ANN = b"Helicone-User-Id: ann"
BOB = b"Helicone-User-Id: bob"
LONG = "x" * (64 * 1024)


def rated(answer: Message) -> dict[str, Any]:
    """What a rating, or a look, says that it is about."""
    said = document(answer)
    assert answer.status in (200, 202), said
    found = said.get("rated", said)
    assert isinstance(found, dict)
    return found


def last_of(bench: Bench, query: str) -> object:
    return rated(bench.get(f"/feedback/last?{query}"))["id"]


def listed(bench: Bench, query: str) -> list[object]:
    return [call["id"] for call in document(bench.get(f"/feedback?{query}"))["calls"]]


def shown(bench: Bench) -> dict[str, Any]:
    """The newest call, whatever it was."""
    (call,) = document(bench.get("/feedback?limit=1"))["calls"]
    assert isinstance(call, dict)
    return call


# -- what a call says of itself


@pytest.mark.parametrize(
    ("lines", "fields", "user", "session"),
    [
        ((), {}, None, None),
        ((ANN,), {}, "ann", None),
        ((ANN,), {"user": "body", "safety_identifier": "safe"}, "ann", None),
        ((), {"user": "body", "safety_identifier": "safe"}, "body", None),
        ((), {"safety_identifier": "safe"}, "safe", None),
        ((), {"user": 42, "safety_identifier": "safe"}, "safe", None),
        ((), {"user": {"a": [1]}}, None, None),
        ((), {"user": ""}, None, None),
        ((), {"user": "x" * 200}, "x" * 200, None),
        ((), {"user": "x" * 201}, None, None),
        ((), {"user": "two\nlines"}, None, None),
        ((), {"user": "José"}, "José", None),
        (("Helicone-User-Id: José".encode(),), {}, "José", None),
        (("Helicone-User-Id: José".encode("latin-1"),), {}, "José", None),
        ((b"helicone-USER-id: ann", b"Helicone-User-Id: bob"), {}, "ann, bob", None),
        ((b"Helicone-User-Id:",), {"user": "body"}, "body", None),
        ((b"Helicone-Session-Id: s1", b"X-Chat: c1"), {"conversation": "conv_1"}, None, "s1"),
        ((b"x-chat: c1",), {"conversation": "conv_1"}, None, "c1"),
        ((), {"conversation": "conv_1", "previous_response_id": "resp_1"}, None, "conv_1"),
        ((), {"conversation": {"id": "conv_1", "more": 1}}, None, "conv_1"),
        ((), {"conversation": {"id": 5}}, None, None),
        ((), {"conversation": 7, "previous_response_id": "resp_1"}, None, "resp_1"),
        ((), {"previous_response_id": "resp_unknown"}, None, "resp_unknown"),
        ((), {"previous_response_id": None}, None, None),
    ],
)
def test_a_call_says_whom_it_is_for(
    start_bench: StartBench,
    lines: tuple[bytes, ...],
    fields: dict[str, Any],
    user: str | None,
    session: str | None,
) -> None:
    bench = start_bench(**{"feedback.scope_header": "X-Chat"})
    bench.chat(*lines, **fields)
    call = shown(bench)
    assert (call["user"], call["session"], call["model"]) == (user, session, "gpt-4o-mini")
    answer = bench.rate()
    assert answer.status == 200
    said = rated(answer)
    assert (said["user"], said["session"]) == (user, session)


def test_a_call_says_its_client_and_its_properties(bench: Bench) -> None:
    bench.chat(
        b"User-Agent: OpenAI/Python 2.8.1",
        b"Helicone-Property-App: Shop",
        b"helicone-property-STAGE: beta",
        b"Helicone-Property-: nothing",
    )
    call = shown(bench)
    assert (call["client"], call["user_agent"]) == ("127.0.0.1", "OpenAI/Python 2.8.1")
    assert call["properties"] == {"app": "Shop", "stage": "beta"}
    bench.chat()
    call = shown(bench)
    assert (call["user_agent"], call["properties"]) == (None, {})


def test_calls_that_say_the_same_share_it(bench: Bench) -> None:
    for _ in range(2):
        bench.chat(ANN, b"User-Agent: curl/8", b"Helicone-Property-App: shop", model="m-1", conversation="c")
    first, second = bench.sidecar.sidecar.parts.store.newest(2)
    for name in ("user", "session", "model", "user_agent", "client", "properties"):
        assert getattr(first, name) is getattr(second, name), name


def test_what_looks_like_a_key_is_not_kept(bench: Bench) -> None:
    bench.chat(
        b"Helicone-User-Id: Bearer sk-proj-canary",
        b"Helicone-Session-Id: pk-helicone-canary",
        b"Helicone-Property-Token: sk-canary",
        b"User-Agent: app/1 (sk-canary)",
    )
    call = shown(bench)
    assert (call["user"], call["session"], call["user_agent"]) == (None, None, "app/1 (***")
    assert call["properties"] == {}
    bench.chat(user="sk-canary", conversation="task-12", model="sk-canary")
    call = shown(bench)
    assert (call["user"], call["session"], call["model"]) == (None, "task-12", "***")
    bench.chat(previous_response_id="sk-canary")
    assert shown(bench)["session"] is None
    assert "canary" not in json.dumps(document(bench.get("/feedback")))
    attribution = bench.sidecar.sidecar.parts.recorder._attribution
    assert "canary" not in str([attribution._read, attribution._shared, attribution._sets])
    status, _, sentence = error_of(bench.get("/feedback/last?user=sk-canary"))
    assert (status, "canary" in sentence) == (400, False)


@pytest.mark.parametrize(
    "said",
    [
        lambda key: ((b"Helicone-Session-Id: " + key,), {}),
        lambda key: ((b"Helicone-User-Id: " + key,), {}),
        lambda key: ((), {"user": key.decode()}),
        lambda key: ((), {"conversation": {"id": key.decode()}}),
        lambda key: ((), {"previous_response_id": key.decode()}),
    ],
)
def test_two_who_look_like_keys_do_not_become_one(
    bench: Bench, said: Callable[[bytes], tuple[tuple[bytes, ...], dict[str, Any]]]
) -> None:
    for key in (b"pk-41", b"pk-42"):
        lines, fields = said(key)
        made = id_of(bench.chat(*lines, b"User-Agent: " + key[-1:], **fields))
    assert session_of(bench, made) == (None, [made])
    for name in ("user", "session"):
        assert error_of(bench.get(f"/feedback/last?{name}=***"))[:2] == (404, "unknown_call")
    assert len(ambiguous(bench.get("/feedback/last?strict=1"))[1]) == 2


def test_the_first_fifty_properties_count_and_of_more_nothing_is_kept(bench: Bench) -> None:
    lines = [b"Helicone-Property-P%d: v" % number for number in range(50)]
    more = (b"Helicone-Property-Token: sk-canary", b"Helicone-Property-Long: " + b"x" * 5000)
    for _ in range(2):
        bench.chat(*lines, *more)
        assert sorted(shown(bench)["properties"]) == sorted(f"p{number}" for number in range(50))
    sets = bench.sidecar.sidecar.parts.recorder._attribution._sets
    assert sets == {}
    bench.chat(*lines)
    assert len(sets) == 1


# -- one conversation for calls that go on from one another


def respond(bench: Bench, *lines: bytes, **fields: object) -> tuple[str, str]:
    """A call to the Responses API: its request id, and the id that the app gets."""
    body = json.dumps({"model": "gpt-4o", "input": "Hi", **fields}).encode()
    answer = bench.ask("POST", "/v1/responses", body, JSON, *lines)
    return id_of(answer), json.loads(answer.body)["id"]


def session_of(bench: Bench, name: str) -> tuple[object, list[object]]:
    said = document(bench.get(f"/feedback/{name}/session"))
    return said["session"], [call["id"] for call in said["calls"]]


def test_calls_that_go_on_from_an_answer_share_its_session(bench: Bench) -> None:
    first, alias = respond(bench)
    other = id_of(bench.chat())
    second, later = respond(bench, previous_response_id=alias)
    third, _ = respond(bench, previous_response_id=later)
    branch, _ = respond(bench, previous_response_id=alias)
    together: list[object] = [branch, third, second, first]
    for name in (first, second, third, alias, later, "last"):
        assert session_of(bench, name) == (alias, together)
    assert session_of(bench, other) == (None, [other])
    assert last_of(bench, f"session={alias}") == branch
    said = document(bench.get(f"/feedback/last/session?session={alias}&limit=2&back=1"))
    assert [call["id"] for call in said["calls"]] == [branch, third]


def test_an_answer_that_says_its_session_gives_it_to_those_that_go_on(bench: Bench) -> None:
    _, alias = respond(bench, b"Helicone-Session-Id: chat-7")
    respond(bench, previous_response_id=alias)
    assert shown(bench)["session"] == "chat-7"
    respond(bench, b"Helicone-Session-Id: chat-8", previous_response_id=alias)
    assert shown(bench)["session"] == "chat-8"


def test_a_session_of_a_call_that_is_not_remembered_is_not_known(bench: Bench) -> None:
    unknown = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
    status, code, _ = error_of(bench.get(f"/feedback/{unknown}/session"))
    assert (status, code) == (404, "unknown_call")
    assert error_of(bench.rate(f"/feedback/{unknown}/session"))[0] == 405
    assert error_of(bench.get(f"/feedback/{unknown}/session?back=1"))[0] == 400


# -- the newest answer that is meant


@pytest.fixture
def crowd(bench: Bench) -> tuple[Bench, dict[str, str]]:
    """Answers of several kinds, the newest last."""
    made = {
        "ann": id_of(bench.chat(ANN, b"Helicone-Property-App: shop", model="gpt-4o")),
        "bob": id_of(bench.chat(BOB, b"Helicone-Session-Id: s1", b"User-Agent: OpenAI/Python 2.8")),
        "ann again": id_of(bench.chat(ANN, b"Helicone-Session-Id: s1", b"Helicone-Property-App: blog")),
        "below": id_of(bench.ask("POST", "/v1/messages", chat_body(max_tokens=9), JSON)),
    }
    bench.get("/v1/models")
    return bench, made


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("", "below"),
        ("user=ann", "ann again"),
        ("user=bob", "bob"),
        ("user=ann&back=1", "ann"),
        ("session=s1", "ann again"),
        ("session=s1&user=bob", "bob"),
        ("model=gpt-4o", "ann"),
        ("path=/v1/chat", "ann again"),
        ("path=/v1/chat/", "ann again"),
        ("path=/v1/chat/completions", "ann again"),
        ("path=/", "below"),
        ("path=/v1", "below"),
        ("path=/v1/messages", "below"),
        ("client=127.0.0.1", "below"),
        ("client=openai/PYTHON", "bob"),
        ("property.App=shop", "ann"),
        ("property.APP=blog&user=ann", "ann again"),
    ],
)
def test_last_means_the_newest_that_is_asked_for(
    crowd: tuple[Bench, dict[str, str]], query: str, meant: str
) -> None:
    bench, made = crowd
    wanted = made[meant]
    assert rated(bench.rate(f"/feedback/last?wait=queued&hold=60s&{query}"))["id"] == wanted
    assert last_of(bench, query) == wanted
    assert rated(bench.ask("DELETE", f"/feedback/last?{query}"))["id"] == wanted
    assert wanted in listed(bench, query.removesuffix("&back=1"))


@pytest.mark.parametrize(
    "query",
    [
        "user=an",
        "user=ANN",
        "user=ann&session=s2",
        "session=ann",
        "model=gpt-4",
        "path=/v1/cha",
        "path=/v1/chat/completions/x",
        "client=127.0.0",
        "client=Python",
        "property.App=Shop",
        "property.Other=shop",
        "user=ann&back=2",
        "user=carl",
    ],
)
def test_where_nothing_is_meant_it_says_what_was_looked_for(
    crowd: tuple[Bench, dict[str, str]], query: str
) -> None:
    bench, _ = crowd
    for answer in (
        bench.get(f"/feedback/last?{query}"),
        bench.rate(f"/feedback/last?{query}"),
        bench.ask("DELETE", f"/feedback/last?{query}"),
        bench.get(f"/feedback/last/session?{query}"),
    ):
        status, code, sentence = error_of(answer)
        assert (status, code) == (404, "unknown_call")
        asked = query.replace("App", "app").replace("Other", "other").removesuffix("&back=2")
        assert asked.replace("&", " and ") in sentence
        assert "5 calls" in sentence or "back" in query
    assert "back" in query or listed(bench, query) == []
    assert bench.posted == []


def test_the_list_shows_what_is_asked_for_and_no_more_than_the_limit(
    crowd: tuple[Bench, dict[str, str]],
) -> None:
    bench, made = crowd
    assert listed(bench, "user=ann") == [made["ann again"], made["ann"]]
    assert listed(bench, "user=ann&limit=1") == [made["ann again"]]
    assert len(listed(bench, "path=/v1")) == 5
    assert error_of(bench.get("/feedback?strict=1"))[0] == 400


@pytest.mark.parametrize(
    "query",
    [
        "user=",
        "user=" + "x" * 201,
        "user=a%0Ab",
        "user=ann&user=bob",
        "back=0&back=1",
        "property.App=a&property.app=b",
        "property.=a",
        "properties.App=a",
        "User=ann",
        "path=v1",
        "strict=maybe",
        "strict=",
    ],
)
def test_what_makes_no_sense_rates_nothing(bench: Bench, query: str) -> None:
    bench.chat(ANN)
    for method in ("GET", "POST", "DELETE"):
        status, code, _ = error_of(
            bench.ask(method, f"/feedback/last?{query}", b"rating=up"[: 9 * (method == "POST")])
        )
        assert (status, code) == (400, "bad_request"), method
    assert bench.posted == []


def test_a_user_is_found_by_any_text(bench: Bench) -> None:
    name = "José & 名 +=%/?#"
    wanted = id_of(bench.chat(user=name))
    bench.chat(user="other")
    assert last_of(bench, f"user={quote(name, safe='')}") == wanted


# -- bodies that are not read


@pytest.mark.parametrize("query", ["user=ann", "session=s1", "user=ann&session=s1", "user=ann&back=1"])
def test_a_call_whose_body_is_too_long_is_never_passed_over_in_silence(bench: Bench, query: str) -> None:
    for _ in range(2):
        bench.chat(ANN, b"Helicone-Session-Id: s1")
    unread = id_of(bench.chat(pad=LONG))
    for answer in (bench.get(f"/feedback/last?{query}"), bench.rate(f"/feedback/last?{query}")):
        status, code, sentence = error_of(answer)
        assert (status, code) == (409, "body_unread")
        assert unread in sentence
        assert query.removesuffix("&back=1").replace("&", " and ") in sentence
    assert document(bench.get("/feedback?user=ann"))["unread"] == 1
    assert bench.posted == []
    newer = id_of(bench.chat(ANN, b"Helicone-Session-Id: s1"))
    assert last_of(bench, query.removesuffix("&back=1")) == newer


def test_a_header_or_the_beginning_of_a_long_body_settles_whom_it_is_for(bench: Bench) -> None:
    wanted = id_of(bench.chat(ANN, b"Helicone-Session-Id: s1"))
    bench.chat(BOB, b"Helicone-Session-Id: s2", pad=LONG)
    assert last_of(bench, "user=ann") == last_of(bench, "session=s1") == wanted
    bench.chat(user="bob", pad=LONG)
    assert last_of(bench, "user=ann") == wanted
    long = id_of(bench.chat(user="ann", conversation={"id": "s1"}, pad=LONG))
    assert last_of(bench, "user=ann") == last_of(bench, "session=s1") == long
    # Something else that is asked for settles it, too.
    bench.chat(pad=LONG, model="other")
    assert last_of(bench, "user=ann&model=gpt-4o-mini") == long


ANSWERED = b'{"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06"}'
OK = head(b"HTTP/1.1 200 OK", JSON, b"Content-Length: %d" % len(ANSWERED)) + ANSWERED


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[]", None),
        (b'"user"', None),
        (b"{}", None),
        (b'{"model": "gpt-4o", "user": 5}', None),
        (b"{", "body_unread"),
        (json.dumps({"pad": LONG}).encode(), "body_unread"),
    ],
)
def test_a_body_that_says_nothing_is_passed_over_and_one_that_may_is_not(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, body: bytes, code: str | None
) -> None:
    sidecar = start_sidecar(start_upstream(answering(OK)).url)

    def ask(method: str, target: str, body: bytes = b"", *lines: bytes) -> Message:
        return sidecar.connect().ask(request(method, target, body, *lines))

    wanted = id_of(ask("POST", "/v1/chat/completions", b"{}", JSON, ANN))
    newer = id_of(ask("POST", "/v1/chat/completions", body, JSON))
    found = ask("GET", "/feedback/last?user=ann")
    if code is None:
        assert document(found)["id"] == wanted
    else:
        status, said, sentence = error_of(found)
        assert (status, said, newer in sentence) == (409, code, True)


def test_the_model_of_an_answer_does_not_settle_which_one_was_asked_for(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    sidecar = start_sidecar(start_upstream(answering(OK)).url)

    def ask(method: str, target: str, body: bytes = b"") -> Message:
        return sidecar.connect().ask(request(method, target, body, JSON))

    asked = id_of(ask("POST", "/v1/chat/completions", b'{"model": "gpt-4o"}'))
    answered = id_of(ask("POST", "/v1/chat/completions", b"{}"))
    assert document(ask("GET", "/feedback/last?model=gpt-4o"))["id"] == asked
    assert document(ask("GET", "/feedback/last?model=gpt-4o-2024-08-06"))["id"] == answered
    ask("POST", "/v1/chat/completions", json.dumps({"pad": LONG, "model": "gpt-4o"}).encode())
    assert error_of(ask("GET", "/feedback/last?model=gpt-4o"))[1] == "body_unread"


def test_a_user_behind_the_beginning_goes_before_another_name(bench: Bench) -> None:
    bench.chat(safety_identifier="ann", pad=LONG, user="bob")
    assert shown(bench)["user"] is None
    assert error_of(bench.get("/feedback/last?user=ann"))[1] == "body_unread"


def test_a_body_that_is_no_json_is_not_passed_over_either(bench: Bench) -> None:
    bench.chat(ANN)
    bench.ask("POST", "/v1/chat/completions", chat_body(user="ann"), b"Content-Type: text/plain")
    assert shown(bench)["status"] == 200
    assert error_of(bench.get("/feedback/last?user=ann"))[1] == "body_unread"


def test_a_long_body_that_comes_in_pieces_is_looked_at_once_it_is_long_enough(bench: Bench) -> None:
    raw = chat_body(user="ann", pad=LONG)
    client = bench.sidecar.connect()
    client.send(
        head(b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", JSON, b"Transfer-Encoding: chunked")
        + chunked(raw[:50], raw[50:40_000], raw[40_000:])
    )
    assert client.read_answer().status == 200
    assert shown(bench)["user"] == "ann"
    assert bench.standin.gateway.last.body_bytes == len(raw)


# -- not to guess


def ambiguous(answer: Message) -> tuple[str, list[object]]:
    said = json.loads(answer.body)
    assert (answer.status, said["error"]["code"], set(said)) == (
        409,
        "ambiguous",
        {"error", "candidates", "conversations"},
    )
    return said["error"]["message"], [each["id"] for each in said["candidates"]]


def test_strict_refuses_to_choose_between_conversations(bench: Bench) -> None:
    bench.chat(b"Helicone-Session-Id: s1")
    first = id_of(bench.chat(b"Helicone-Session-Id: s1", BOB))
    second = id_of(bench.chat(ANN))
    third = id_of(bench.chat(b"User-Agent: curl/8"))
    for method in ("GET", "POST", "DELETE"):
        sentence, ids = ambiguous(
            bench.ask(method, "/feedback/last?strict=1", b"rating=up"[: 9 * (method == "POST")])
        )
        assert ids == [third, second, first]
        assert sentence.startswith("3 conversations")
        for named in ("session s1", "user ann", "client curl/8", first):
            assert named in sentence
    assert ambiguous(bench.get("/feedback/last/session?strict=1"))[1] == [third, second, first]
    assert bench.posted == []
    for query in ("session=s1", "user=ann", "client=curl"):
        assert bench.rate(f"/feedback/last?strict=1&{query}").status == 200
    assert last_of(bench, "strict=0") == third


def test_strict_counts_a_stream_that_still_comes(start_bench: StartBench) -> None:
    bench = start_bench()
    streaming = bench.stream(ANN)
    streaming.read_head()
    bench.chat(BOB)
    assert len(ambiguous(bench.get("/feedback/last?strict=1"))[1]) == 2
    streaming.close()


def test_strict_looks_at_the_last_minute_alone(bench: Bench) -> None:
    store = bench.sidecar.sidecar.parts.store
    ids = [id_of(bench.chat(line)) for line in (ANN, BOB, b"Helicone-User-Id: carl")]

    def age(index: int, answered: float, ended: float | None) -> None:
        call = store.find(ids[index])
        assert call is not None
        assert call.answered is not None
        assert call.ended is not None
        call.answered -= answered
        call.ended = None if ended is None else call.ended - ended
        call.ending = None if ended is None else call.ending

    age(0, 61, 61)
    age(1, 61, 61)
    assert last_of(bench, "strict=1") == ids[2]
    age(0, 0, -30)
    assert ambiguous(bench.get("/feedback/last?strict=1"))[1] == [ids[2], ids[0]]
    age(1, 0, None)
    assert ambiguous(bench.get("/feedback/last?strict=1"))[1] == [ids[2], ids[1], ids[0]]


def test_strict_does_not_count_a_stream_that_a_crash_has_cut(bench: Bench) -> None:
    """When it ended nobody knows; it has not been active since the process was killed."""
    ids = [id_of(bench.chat(line)) for line in (ANN, BOB)]
    call = bench.sidecar.sidecar.parts.store.find(ids[0])
    assert call is not None
    assert call.answered is not None
    call.ending, call.ended = Ending.CUT, None
    assert ambiguous(bench.get("/feedback/last?strict=1"))[1] == ids[::-1]
    call.answered -= 61
    assert last_of(bench, "strict=1") == ids[1]


def test_one_conversation_is_nothing_to_choose_from(bench: Bench) -> None:
    for _ in range(2):
        wanted = id_of(bench.chat(ANN))
    assert last_of(bench, "strict=1") == wanted


def test_strict_can_be_the_rule(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(20.0), **{"feedback.strict": True})
    bench.chat(ANN)
    wanted = id_of(bench.chat(BOB))
    assert len(ambiguous(bench.rate())[1]) == 2
    assert rated(bench.rate("/feedback/last?strict=0"))["id"] == wanted
    assert rated(bench.rate("/feedback/last?user=bob"))["id"] == wanted


def test_strict_does_not_overlook_a_body_that_was_not_read(bench: Bench) -> None:
    unread = id_of(bench.chat(pad=LONG))
    wanted = id_of(bench.chat(user="ann"))
    status, code, sentence = error_of(bench.rate("/feedback/last?user=ann&strict=1"))
    assert (status, code, "newer" in sentence) == (409, "body_unread", False)
    for word in ("strict", "last minute", "user=ann", unread, "?strict=0"):
        assert word in sentence
    assert rated(bench.rate("/feedback/last?user=ann&strict=0"))["id"] == wanted


# -- many at once


def test_a_hundred_calls_in_parallel_are_rated_by_whom_they_are_for(start_bench: StartBench) -> None:
    """Each of ten users has ten sessions; every rating, by user and session, meets its own call."""
    bench = start_bench(**{"delivery.burst": 1000})
    at_once = threading.Barrier(20)

    def call(number: int) -> str:
        user, session = f"user-{number % 10}", f"chat-{number // 10}"
        # A third each: by headers, by the body, by one of each.
        lines = [b"Helicone-User-Id: " + user.encode()] if number % 3 else []
        lines += [b"Helicone-Session-Id: " + session.encode()] if number % 3 != 1 else []
        fields: dict[str, Any] = {} if number % 3 else {"user": user}
        fields |= {} if number % 3 != 1 else {"conversation": {"id": session}}
        at_once.wait(30)
        return id_of(bench.chat(*lines, **fields))

    def rate(number: int) -> object:
        query = f"wait=queued&user=user-{number % 10}&session=chat-{number // 10}"
        body = json.dumps({"rating": True, "scores": {"number": number}}).encode()
        return rated(bench.rate(f"/feedback/last?{query}", body))["id"]

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(call, range(100)))
        assert len(set(made)) == 100
        assert list(pool.map(rate, range(100))) == made

    def stored() -> dict[str, int]:
        return {event.request_id: event.scores["number"] for event in bench.events if event.stored}

    wait_until(lambda: len(stored()) >= 100, "a hundred ratings are stored", seconds=60)
    assert stored() == {request_id: number for number, request_id in enumerate(made)}
