"""What is remembered of a call: its id, its key, its model, and whether "the last answer" may mean it."""

import contextlib
import gzip
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.clients import Client
from harness.fast_time import FastTime
from harness.programs import Program
from harness.sidecars import RunningSidecar, StartSidecar, settings_of
from harness.upstreams import StartUpstream, Upstream, UpstreamWire, answering
from harness.wire import Message, chunked, head
from proxy import helicone
from proxy.calls.aliases import Naming
from proxy.calls.attribution import Attribution
from proxy.calls.hooks import Hooks
from proxy.calls.live_call import LiveCall
from proxy.calls.paths import makes_content, without_keys
from proxy.calls.recorder import CallRecorder
from proxy.calls.request_ids import fresh_ids
from proxy.calls.route_rules import rules_of
from proxy.demo import DEMO_KEY, GatewayFault, StandInSettings
from proxy.events.ring import Ring
from proxy.keys import Keyring
from proxy.relay.contract import Ending
from proxy.routing import resolve

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
V7 = "01890a5d-ac96-774b-bcce-b302099a8057"
APPS_KEY = "sk-helicone-appsapp-appsapp-appsapp-appsapp"
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"

CONTENT_PATHS = [
    b"/v1/chat/completions",
    b"/v1/completions",
    b"/v1/responses",
    b"/v1/messages",
    b"/v1/images/generations",
    b"/v1/images/edits",
    b"/v1/threads/thread_1/runs",
    b"/v1beta/models/gemini-2.0-flash:generateContent",
    b"/v1beta/models/gemini-2.0-flash:streamGenerateContent",
    b"/openai/deployments/gpt/chat/completions",
    b"/api/v1/chat/completions",
    b"/ai/chat/completions",
    b"/chat/completions",
    b"/sk-helicone-x/v1/chat/completions",
    b"/model/anthropic.claude/converse",
    b"/model/anthropic.claude/converse-stream",
    b"/model/anthropic.claude/invoke",
    b"/model/anthropic.claude/invoke-with-response-stream",
    b"/api/chat",
    b"/api/generate",
    b"/v1/chat/completions/",
    b"/v2/chat",
    b"/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict",
    b"/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict",
]
OTHER_PATHS = [
    b"/",
    b"/v1/embeddings",
    b"/v1/models",
    b"/v1/models/gpt-4o",
    b"/v1/files",
    b"/v1/moderations",
    b"/v1/audio/speech",
    b"/v1/audio/transcriptions",
    b"/v1/audio/chat/completions",
    b"/v1/threads",
    b"/v1/evals/eval_1/runs",
    b"/v1/threads/thread_1/messages",
    b"/v1/messages/count_tokens",
    b"/v1/messages/batches",
    b"/v1/responses/resp_1/cancel",
    b"/v1/chat/completions/chatcmpl-1",
    b"/v1/batches",
    b"/v1/fine_tuning/jobs",
    b"/v1beta/models/gemini-2.0-flash:countTokens",
    b"/v1beta/models/gemini-2.0-flash:embedContent",
    b"/v1/feedback",
    b"/favicon.ico",
]


@pytest.fixture
def upstream_by_hand(scope: contextlib.ExitStack) -> Upstream:
    """A gateway that the test plays by hand."""
    return scope.enter_context(Upstream())


# -- rules on paths


@pytest.mark.parametrize("path", CONTENT_PATHS)
def test_paths_that_make_content_are_known(path: bytes) -> None:
    assert makes_content(path)


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_what_nobody_would_rate_makes_no_content(path: bytes) -> None:
    assert not makes_content(path)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (b"/v1/chat/completions", b"/v1/chat/completions"),
        (b"/sk-helicone-abc/v1/chat/completions", b"/***/v1/chat/completions"),
        (b"/pk-helicone-abc", b"/***"),
        (b"/v1/sk-proj-abc/x/pk-lf-abc/y", b"/v1/***/x/***/y"),
        (b"/sk-a/sk-b/c", b"/***/***/c"),
        (b"/task-1/desk-2/sketch", b"/task-1/desk-2/sketch"),
        (b"/", b"/"),
    ],
)
def test_a_segment_that_looks_like_a_key_is_not_kept(path: bytes, kept: bytes) -> None:
    assert without_keys(path) == kept


# -- ids of ours


def test_fresh_ids_are_random_uuids_that_helicone_accepts_and_no_two_are_equal() -> None:
    ids = fresh_ids()
    made = [next(ids).decode() for _ in range(10_000)]
    assert len(set(made)) == 10_000
    for each in made:
        assert helicone.valid_request_id(each) == each
        parsed = uuid.UUID(each)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, each)


def test_every_free_bit_of_an_id_is_random() -> None:
    ids = fresh_ids()
    union = intersection = uuid.UUID(next(ids).decode()).int
    for _ in range(500):
        value = uuid.UUID(next(ids).decode()).int
        union |= value
        intersection &= value
    assert (union ^ intersection).bit_count() == 122


# -- which call is last


def served(start_sidecar: StartSidecar, start_upstream: StartUpstream, *answers: bytes) -> RunningSidecar:
    """A sidecar before a gateway that gives these answers."""
    return start_sidecar(start_upstream(answering(*(answers or (OK,)))).url)


def ask(sidecar: RunningSidecar, method: str, target: str, body: bytes = b"", *lines: bytes) -> Message:
    client = sidecar.connect()
    answer = client.ask(request(method, target, body, *lines))
    client.close()
    return answer


def last(sidecar: RunningSidecar, back: int = 0) -> dict[str, Any] | None:
    """The call that /feedback/last shows."""
    answer = ask(sidecar, "GET", f"/feedback/last?back={back}")
    return None if answer.status == 404 else document(answer)


@pytest.mark.parametrize("path", CONTENT_PATHS)
def test_a_post_that_makes_content_becomes_the_last_answer(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, path: bytes
) -> None:
    sidecar = served(start_sidecar, start_upstream)
    answer = ask(sidecar, "POST", path.decode() + "?alt=sse&key=x")
    shown = last(sidecar)
    assert shown is not None
    assert shown["id"] == id_of(answer)
    assert shown["path"] == without_keys(path).decode()


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_a_post_that_makes_none_is_remembered_and_not_the_last_answer(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, path: bytes
) -> None:
    sidecar = served(start_sidecar, start_upstream)
    answer = ask(sidecar, "POST", path.decode())
    assert last(sidecar) is None
    assert ask(sidecar, "GET", f"/feedback/{id_of(answer)}").status == 200


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE", "PUT", "PATCH", "HEAD"])
def test_only_a_post_becomes_the_last_answer(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, method: str
) -> None:
    sidecar = served(start_sidecar, start_upstream, head(b"HTTP/1.1 200 OK", b"Content-Length: 0"))
    ask(sidecar, method, "/v1/chat/completions")
    assert last(sidecar) is None


@pytest.mark.parametrize("status", [300, 301, 304, 400, 401, 404, 422, 429, 500, 502, 503, 529])
def test_an_error_is_remembered_and_not_the_last_answer(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, status: int
) -> None:
    length = () if status == 304 else (b"Content-Length: 0",)
    sidecar = served(start_sidecar, start_upstream, OK, head(b"HTTP/1.1 %d X" % status, *length))
    first = id_of(ask(sidecar, "POST", "/v1/responses"))
    second = id_of(ask(sidecar, "POST", "/v1/responses"))
    shown = last(sidecar)
    assert shown is not None
    assert shown["id"] == first
    assert document(ask(sidecar, "GET", f"/feedback/{second}"))["status"] == status


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
def test_every_success_is_an_answer(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, status: int
) -> None:
    sidecar = served(start_sidecar, start_upstream, head(b"HTTP/1.1 %d X" % status, b"Content-Length: 0"))
    ask(sidecar, "POST", "/v1/responses")
    shown = last(sidecar)
    assert shown is not None
    assert shown["status"] == status


def test_last_is_by_the_arrival_of_the_answers_head(
    start_sidecar: StartSidecar, upstream_by_hand: Upstream
) -> None:
    sidecar = start_sidecar(upstream_by_hand.url)
    slow, quick = sidecar.connect(), sidecar.connect()
    slow.send(request("POST", "/v1/responses", b"slow"))
    slow_call = upstream_by_hand.accept()
    slow_call.read_request()
    quick.send(request("POST", "/v1/responses", b"quick"))
    quick_call = upstream_by_hand.accept()
    quick_call.read_request()
    quick_call.send(OK)
    quick_id = id_of(quick.read_answer())
    shown = last(sidecar)
    assert shown is not None
    assert shown["id"] == quick_id
    slow_call.send(OK)
    slow_id = id_of(slow.read_answer())
    newest, before = last(sidecar), last(sidecar, back=1)
    assert newest is not None
    assert before is not None
    assert (newest["id"], before["id"]) == (slow_id, quick_id)


# -- the life of a call


def test_a_call_is_remembered_from_its_head_on_and_completed_at_its_end(
    start_sidecar: StartSidecar, upstream_by_hand: Upstream
) -> None:
    sidecar = start_sidecar(upstream_by_hand.url)
    client = sidecar.connect()
    client.send(request("POST", "/v1/responses", b"12345"))
    call = upstream_by_hand.accept()
    call.read_request()
    assert document(ask(sidecar, "GET", "/feedback"))["calls"] == []
    call.send(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked"))
    raw_head = client.read_head()
    shown = last(sidecar)
    assert shown is not None
    assert shown["id"] == id_of(Message(raw_head))
    assert (shown["state"], shown["status"], shown["duration_ms"]) == ("streaming", 200, None)
    assert shown["first_byte_ms"] > 0
    call.send(chunked(b"abc", b"defg"))
    client.read_body(raw_head, until_close=False)
    shown = last(sidecar)
    assert shown is not None
    assert (shown["state"], shown["bytes_up"], shown["bytes_down"]) == ("complete", 5, 7)
    assert shown["duration_ms"] >= shown["first_byte_ms"] > 0


def test_a_call_that_breaks_is_shown_as_cut(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 10") + b"12345")

    sidecar = start_sidecar(start_upstream(script).url)
    client = sidecar.connect()
    client.send(request("POST", "/v1/responses"))
    client.read_to_end()
    shown = last(sidecar)
    assert shown is not None
    assert (shown["state"], shown["bytes_down"]) == ("cut", 5)


def test_a_call_whose_client_goes_away_is_shown_as_left_and_can_be_rated(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(silent_after_events=1))
    client = bench.stream()
    client.read_until(b"data: ")
    client.close()
    bench.wait_until_logged()
    assert document(bench.get("/feedback/last"))["state"] == "left"
    assert bench.rate().status == 200
    assert [event.loss for event in bench.events] == [None]


def test_a_call_without_an_answer_is_remembered_by_the_id_that_was_sent(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()

    upstream = start_upstream(script)
    sidecar = start_sidecar(upstream.url)
    answer = ask(sidecar, "POST", "/v1/responses")
    assert answer.status == 502
    sent = upstream.requests[0].value(b"helicone-request-id")
    assert sent is not None
    shown = document(ask(sidecar, "GET", f"/feedback/{sent.decode()}"))
    assert (shown["state"], shown["status"], shown["first_byte_ms"]) == ("failed", 502, None)
    assert last(sidecar) is None


# -- under which id


def test_the_id_that_the_answer_names_is_the_one_to_rate_by(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    named = head(b"HTTP/1.1 200 OK", b"Helicone-Id: " + ID.encode(), b"Content-Length: 0")
    sidecar = served(start_sidecar, start_upstream, named)
    assert id_of(ask(sidecar, "POST", "/v1/responses")) == ID
    shown = last(sidecar)
    assert shown is not None
    assert shown["id"] == ID


@pytest.mark.parametrize("said", [b"", b"ticket-1", V7.encode(), f"{ID}, {ID}".encode(), b"\xff"])
def test_an_answers_id_that_helicone_would_not_accept_is_not_taken(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, said: bytes
) -> None:
    named = head(b"HTTP/1.1 200 OK", b"Helicone-Id: " + said, b"Content-Length: 0")
    upstream = start_upstream(answering(named))
    sidecar = start_sidecar(upstream.url)
    answer = ask(sidecar, "POST", "/v1/responses")
    assert answer.value(b"feedback-id") == upstream.requests[0].value(b"helicone-request-id")


def test_without_one_it_is_the_id_that_was_sent(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(drop_helicone_id=True))
    answer = bench.chat()
    assert answer.value(b"helicone-id") is None
    assert (
        answer.value(b"feedback-id")
        == (bench.standin.gateway.last.header("Helicone-Request-Id") or "").encode()
    )
    assert bench.rate().status == 200
    assert [(event.request_id, event.loss) for event in bench.events] == [(id_of(answer), None)]


def test_the_apps_own_id_is_kept_and_rated_in_lower_case(bench: Bench) -> None:
    answer = bench.chat(b"Helicone-Request-Id: " + ID.upper().encode())
    assert bench.standin.gateway.last.values("Helicone-Request-Id") == [ID.upper()]
    assert answer.value(b"helicone-id") == ID.upper().encode()
    assert id_of(answer) == ID
    assert document(bench.rate())["rated"]["id"] == ID
    assert [(event.request_id, event.loss) for event in bench.events] == [(ID, None)]


def test_the_apps_own_id_counts_when_the_answer_names_none(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(drop_helicone_id=True))
    assert id_of(bench.chat(b"Helicone-Request-Id: " + ID.upper().encode())) == ID
    assert bench.rate().status == 200
    assert bench.standin.ledger.rating_of(ID) is True


@pytest.mark.parametrize("own", [b"ticket-1", V7.encode(), b"{" + ID.encode() + b"}", b""])
def test_an_own_id_that_helicone_replaces_is_followed_when_the_answer_names_the_new_one(
    bench: Bench, own: bytes
) -> None:
    answer = bench.chat(b"Helicone-Request-Id: " + own)
    assert bench.standin.gateway.last.values("Helicone-Request-Id") == [own.decode()]
    assert bench.rate().status == 200
    assert [(event.request_id, event.loss) for event in bench.events] == [(id_of(answer), None)]


def test_an_own_id_that_helicone_replaces_in_silence_makes_the_call_unratable(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(drop_helicone_id=True))
    request_id = id_of(bench.chat(b"Helicone-Request-Id: ticket-1"))
    for target in ("/feedback/last", f"/feedback/{request_id}"):
        status, code, sentence = error_of(bench.rate(target))
        assert (status, code) == (409, "not_ratable")
        assert "Helicone-Request-Id" in sentence
    assert "Helicone-Request-Id" in document(bench.get("/feedback/last"))["unratable"]
    assert bench.posted == []


@pytest.mark.parametrize("target", ["/v1/audio/speech", "/v1/files", "/v1/audio/transcriptions"])
def test_what_helicone_does_not_log_is_unratable_and_says_so(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, target: str
) -> None:
    sidecar = served(start_sidecar, start_upstream)
    request_id = id_of(ask(sidecar, "POST", target))
    status, code, sentence = error_of(ask(sidecar, "POST", f"/feedback/{request_id}", b"rating=up"))
    assert (status, code) == (409, "not_ratable")
    assert "without logging" in sentence


def test_words_that_are_routes_never_become_ids(bench: Bench) -> None:
    for word in (b"last", b"health", b"events"):
        bench.chat(b"Helicone-Request-Id: " + word)
    ids = [call["id"] for call in document(bench.get("/feedback"))["calls"]]
    assert len(ids) == 3
    assert all(helicone.valid_request_id(each) == each for each in ids)


# -- which model


IMAGES = "/v1/images/generations"
"""What is answered there names no model, and has no id of its own."""


def model_of(bench: Bench, body: bytes, *lines: bytes, target: str = "/v1/chat/completions") -> object:
    bench.ask("POST", target, body, *(lines or (JSON,)))
    return document(bench.get("/feedback"))["calls"][0]["model"]


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (b'{"model": "gpt-4o"}', "gpt-4o"),
        (b' {"messages": [], "model": "a/b:c-1.5"} ', "a/b:c-1.5"),
        ('{"model": "modèle"}'.encode(), "modèle"),
        (b'{"messages": [{"model": "inner"}]}', None),
        (b'{"nested": {"model": "inner"}, "model": "outer"}', "outer"),
        (b'[{"model": "listed"}]', None),
        (b'"model"', None),
        (b'{"model": null}', None),
        (b'{"model": 4}', None),
        (b'{"model": ["gpt-4o"]}', None),
        (b'{"model": ""}', None),
        (b'{"model": "a\\u001b[31mb"}', None),
        (b'{"model": "two\\nlines"}', None),
        (b'{"model": "\\ud800"}', None),
        (b'{"model": "' + b"x" * 200 + b'"}', "x" * 200),
        (b'{"model": "' + b"x" * 201 + b'"}', None),
        (b'{"model": "gpt-4o"', None),
        (b"model=gpt-4o", None),
        (b"\xff\xfe", None),
        (b'{"model": "a\xff"}', None),
        (b"[" * 30_000, None),
        (b'{"n": ' + b"9" * 5_000 + b"}", None),
        (b"", None),
    ],
)
def test_the_model_is_that_of_the_requests_json(bench: Bench, body: bytes, model: str | None) -> None:
    assert model_of(bench, body) == model


@pytest.mark.parametrize(
    "label",
    [
        b"Content-Type: application/json",
        b"Content-Type: application/json; charset=utf-8",
        b"content-type: Application/JSON",
        b"Content-Type: application/vnd.api+json",
    ],
)
def test_json_is_known_by_its_label(bench: Bench, label: bytes) -> None:
    assert model_of(bench, chat_body(), label) == "gpt-4o-mini"


def test_a_body_with_another_label_is_not_looked_at(bench: Bench) -> None:
    label = b"Content-Type: multipart/form-data; boundary=x"
    assert model_of(bench, chat_body(), label, target=IMAGES) is None


def test_a_model_is_seen_in_the_first_64_kib_and_not_beyond(bench: Bench) -> None:
    room = 64 * 1024 - len(chat_body(pad=""))
    assert model_of(bench, chat_body(pad="x" * room), target=IMAGES) == "gpt-4o-mini"
    behind = b'{"pad": "%b", "model": "gpt-4o"}'
    assert model_of(bench, behind % (b"x" * (64 * 1024 - len(behind))), target=IMAGES) == "gpt-4o"
    assert model_of(bench, behind % (b"x" * (64 * 1024 - len(behind) + 10)), target=IMAGES) is None
    assert model_of(bench, chat_body(pad="x" * (room + 1)), target=IMAGES) == "gpt-4o-mini"
    assert len(bench.standin.gateway.last.body) == 64 * 1024
    assert bench.standin.gateway.last.body_bytes == 64 * 1024 + 1


def test_a_model_is_seen_in_a_body_that_comes_in_pieces(bench: Bench) -> None:
    client = bench.sidecar.connect()
    raw = chat_body()
    client.send(
        head(b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", JSON, b"Transfer-Encoding: chunked")
    )
    client.send(chunked(raw[:10], raw[10:30], raw[30:]))
    assert client.read_answer().status == 200
    assert document(bench.get("/feedback/last"))["model"] == "gpt-4o-mini"


def test_a_model_that_is_no_utf_8_disturbs_no_call_and_no_rating(bench: Bench) -> None:
    client = bench.sidecar.connect()
    # On a new connection to the gateway, then on one that is there already.
    for _ in range(3):
        answer = client.ask(request("POST", "/v1/chat/completions", b'{"model": "a\xff"}', JSON))
        assert answer.value(b"feedback-id") is not None
        assert "unratable" not in document(bench.get("/feedback"))["calls"][0]


def test_a_compressed_body_passes_unseen(start_sidecar: StartSidecar, start_upstream: StartUpstream) -> None:
    upstream = start_upstream(answering(OK))
    sidecar = start_sidecar(upstream.url)
    packed = gzip.compress(chat_body())
    ask(sidecar, "POST", "/v1/chat/completions", packed, JSON, b"Content-Encoding: gzip")
    shown = last(sidecar)
    assert shown is not None
    assert shown["model"] is None
    assert upstream.requests[0].body == packed


def test_a_body_that_says_it_is_not_compressed_is_looked_at(bench: Bench) -> None:
    assert model_of(bench, chat_body(), JSON, b"Content-Encoding: Identity") == "gpt-4o-mini"


# -- under whose key

KEY_PLACES: list[Callable[[str], tuple[str, tuple[bytes, ...]]]] = [
    lambda key: ("/v1/chat/completions", (b"Helicone-Auth: Bearer " + key.encode(),)),
    lambda key: ("/v1/chat/completions", (b"Authorization: Bearer " + key.encode(),)),
    lambda key: ("/v1/chat/completions", (b"x-api-key: " + key.encode(),)),
    lambda key: (f"/{key}/v1/chat/completions", ()),
]
TWO_ORGANISATIONS = StandInSettings(
    keys={DEMO_KEY: "org-ours", APPS_KEY: "org-of-the-app"}, ingestion_delay_seconds=0.0
)


@pytest.mark.parametrize("place", KEY_PLACES, ids=["Helicone-Auth", "Authorization", "x-api-key", "path"])
@pytest.mark.parametrize("configured", [True, False])
def test_a_rating_leaves_under_the_apps_own_key(
    start_bench: StartBench, place: Callable[[str], tuple[str, tuple[bytes, ...]]], configured: bool
) -> None:
    given = {} if configured else {"helicone.api_key": None}
    bench = start_bench(TWO_ORGANISATIONS, FastTime(20.0), **given)
    target, lines = place(APPS_KEY)
    request_id = id_of(bench.chat(*lines, target=target))
    called = bench.standin.gateway.last
    assert called.target == target
    # Ours does not go beside the app's own.
    assert DEMO_KEY not in str(called.headers)
    for where in ("/feedback/last", f"/feedback/{request_id}"):
        assert bench.rate(f"{where}?timeout=10").status == 200
        assert bench.standin.api.last.values("Authorization") == [f"Bearer {APPS_KEY}"]
    assert [(event.organisation, event.loss) for event in bench.events] == [("org-of-the-app", None)] * 2


def test_calls_of_two_organisations_are_rated_each_under_its_own_key(start_bench: StartBench) -> None:
    bench = start_bench(TWO_ORGANISATIONS)
    ours = id_of(bench.chat())
    apps = id_of(bench.chat(b"Helicone-Auth: Bearer " + APPS_KEY.encode()))
    assert bench.rate(f"/feedback/{ours}").status == 200
    assert bench.rate(f"/feedback/{apps}").status == 200
    assert [(event.request_id, event.organisation, event.loss) for event in bench.events] == [
        (ours, "org-ours", None),
        (apps, "org-of-the-app", None),
    ]


def test_a_providers_key_is_no_helicone_key(bench: Bench) -> None:
    bench.chat(b"Authorization: Bearer sk-proj-abcdefg-abcdefg-abcdefg-abcdefg")
    assert bench.rate().status == 200
    assert bench.standin.api.last.values("Authorization") == [f"Bearer {DEMO_KEY}"]


def test_an_own_auth_that_holds_no_key_is_left_alone_and_no_other_is_used(bench: Bench) -> None:
    bench.chat(b"Helicone-Auth: Basic abc")
    assert bench.standin.gateway.last.values("Helicone-Auth") == ["Basic abc"]
    assert error_of(bench.rate())[:2] == (409, "not_ratable")
    assert bench.posted == []


@pytest.mark.parametrize(
    ("url", "marked", "goes"),
    [
        ("https://oai.helicone.ai", None, True),
        ("https://oai.hconeai.com/v1", None, True),
        ("http://localhost:8787", None, True),
        ("http://[::1]:8787", None, True),
        ("http://127.0.0.2", None, True),
        ("https://evilhelicone.ai", None, False),
        ("https://helicone.ai.evil.test", None, False),
        ("https://api.openai.com", None, False),
        ("http://192.168.0.7:8585", None, False),
        ("http://192.168.0.7:8585", False, False),
        ("http://192.168.0.7:8585", True, True),
        ("https://llm.example.com/helicone.ai", None, False),
        ("https://llm.example.com", True, True),
    ],
)
def test_our_key_goes_to_helicones_hosts_to_loopback_and_to_marked_ones_alone(
    url: str, marked: bool | None, goes: bool
) -> None:
    # No call is made: where the lines go that this gives is what tests/relay looks at on the wire.
    settings = settings_of(url, **{"helicone.api_key": APPS_KEY, "routes.default.helicone": marked})
    line = b"Helicone-Auth: Bearer %b\r\n" % APPS_KEY.encode()
    (route,) = resolve(settings)
    assert rules_of(route, APPS_KEY).key_line == (line if goes else None)


# -- what is never kept


def test_a_remembered_call_keeps_no_key(start_bench: StartBench) -> None:
    bench = start_bench()
    bench.chat()
    bench.ask("GET", "/v1/models")
    store = bench.sidecar.sidecar.parts.store
    assert [call.upstream_lines for call in store.newest(10)] == [b"", b""]


def test_no_query_and_no_key_is_kept_of_a_path(bench: Bench) -> None:
    bench.ask("POST", f"/{APPS_KEY}/v1/chat/completions?key=AIzaCanary", chat_body(), JSON)
    bench.ask("POST", "/v1/chat/completions?key=AIzaCanary", chat_body(), JSON)
    assert bench.standin.gateway.last.target == "/v1/chat/completions?key=AIzaCanary"
    shown = bench.get("/feedback").body
    assert [call["path"] for call in json.loads(shown)["calls"]] == [
        "/v1/chat/completions",
        "/***/v1/chat/completions",
    ]
    bench.sidecar.wait_for_log("/***/v1")
    for text in (shown.decode(), bench.sidecar.log):
        assert "Canary" not in text
        assert "appsapp" not in text


# -- when remembering fails


class Broken:
    """A store that does not work today."""

    capacity = 1
    forgotten = 0

    def __len__(self) -> int:
        return 0

    def remember(self, call: LiveCall) -> None:
        raise OSError("the disk with sk-helicone-canary is full")

    def find(self, request_id: str) -> LiveCall | None:
        return None

    def add_alias(self, call: LiveCall, alias: str) -> LiveCall | None:
        return None

    def peek(self, request_id: str) -> LiveCall | None:
        return None

    def named(self, alias: str, limit: int) -> list[LiveCall]:
        raise OSError("the disk with sk-helicone-canary is full")

    def calls(self) -> Iterator[LiveCall]:
        return iter(())

    def answers(self) -> Iterator[LiveCall]:
        return iter(())

    def newest(self, limit: int) -> list[LiveCall]:
        return []

    def oldest(self) -> LiveCall | None:
        return None


def test_a_call_goes_on_when_it_cannot_be_remembered(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    running = bench.sidecar.sidecar
    recorder = running.parts.door.observer
    assert isinstance(recorder, CallRecorder)
    own = recorder._store
    recorder._store = Broken()
    with caplog.at_level(logging.WARNING):
        answer = bench.chat()
    recorder._store = own
    assert answer.status == 200
    assert answer.value(b"feedback-id") == answer.value(b"helicone-id")
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == ["A call could not be remembered (OSError); it goes on."]
    assert bench.chat().status == 200
    assert document(bench.get("/feedback"))["remembered"] == 1


def test_a_call_goes_on_when_its_body_cannot_be_looked_at(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    running = bench.sidecar.sidecar
    recorder = running.parts.door.observer
    assert isinstance(recorder, CallRecorder)
    own = recorder._store
    recorder._store = Broken()
    with caplog.at_level(logging.WARNING):
        answer = bench.chat(target="/v1/responses", input="Hi", previous_response_id="resp_1")
    recorder._store = own
    assert (answer.status, json.loads(answer.body)["object"]) == (200, "response")
    warnings = {record.getMessage() for record in caplog.records}
    assert "The body of a call's request could not be looked at (OSError); it goes on." in warnings
    assert "canary" not in caplog.text
    assert document(bench.get("/feedback/health"))["calls"]["open"] == 0


FAULTY = """
class error(Exception): pass
class Decompressor:
    def process(self, data, output_buffer_limit):
        return b"" if data == b"" else data.decode("ascii")
"""
"""A brotli that seems to be a good one."""


@pytest.mark.parametrize("label", [b"application/json", b"text/event-stream"])
def test_an_answer_goes_on_when_its_decoder_fails(
    upstream_by_hand: Upstream, tmp_path: Path, label: bytes
) -> None:
    upstream = upstream_by_hand
    (tmp_path / "brotli.py").write_text(FAULTY)
    env = {"PYTHONPATH": str(tmp_path), "HELICONE_PROXY_OUTBOX__PATH": ":memory:"}
    with Program("serve", "--port", "0", "--upstream", upstream.url, env=env) as program:
        port = int(program.wait_for(r"^helicone-proxy listens on http://localhost:(\d+) ")[1])
        client = Client.connect(("127.0.0.1", port))
        client.send(request("POST", "/v1/chat/completions", chat_body(), JSON, b"Accept-Encoding: br"))
        gateway = upstream.accept()
        gateway.read_request()
        fields = (b"Content-Type: " + label, b"Content-Encoding: br", b"Transfer-Encoding: chunked")
        gateway.send(head(b"HTTP/1.1 200 OK", *fields) + chunked(b"\xff" * 9, b"\xfe" * 9))
        assert client.read_answer().body == b"\xff" * 9 + b"\xfe" * 9
        client.close()
        client = Client.connect(("127.0.0.1", port))
        shown = document(client.ask(request("GET", "/feedback/last")))
        client.close()
        assert (shown["state"], shown["aliases"]) == ("complete", [])
        client = Client.connect(("127.0.0.1", port))
        assert document(client.ask(request("GET", "/feedback/health")))["calls"]["open"] == 0
        client.close()
        assert program.stop() == 0
        assert program.stderr.count("could not be looked at (UnicodeDecodeError); it goes on.") == 1


def test_the_capacity_holds_and_the_oldest_make_room(start_bench: StartBench) -> None:
    bench = start_bench(**{"calls.capacity": 3})
    ids = [id_of(bench.chat()) for _ in range(5)]
    shown = document(bench.get("/feedback"))
    assert (shown["remembered"], shown["capacity"]) == (3, 3)
    assert [call["id"] for call in shown["calls"]] == ids[:1:-1]


def test_a_snapshot_is_plain_data_that_shows_no_key() -> None:
    keys = Keyring(APPS_KEY, helicone.fingerprint, helicone.api_url_for)
    ended: list[LiveCall] = []
    recorder = CallRecorder(
        store=Broken(),
        keys=keys,
        rules={},
        hooks=Hooks(id=True, url=True),
        naming=Naming(),
        attribution=Attribution(b""),
        events=Ring("test"),
        wall_clock=lambda: 1.0,
        on_end=ended.append,
        on_refused=lambda *_: None,
    )
    call = LiveCall(b"POST", b"/v1/responses", 10.0)
    call.key_fingerprint = keys.own_fingerprint
    call.ending, call.ended = Ending.CUT, 12.5
    recorder.ended(call)
    assert ended == [call]
    shown = call.snapshot(20.0)
    assert (shown.age_seconds, shown.duration_seconds, shown.time_to_first_byte_seconds) == (7.5, 2.5, None)
    assert "appsapp" not in f"{shown!r}{recorder!r}{call!r}"
