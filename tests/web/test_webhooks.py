"""Open WebUI's thumbs, from the secret to Helicone; and the event function in docs/open-webui.md."""

import asyncio
import json
import re
import sys
import types
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.benches import JSON, Bench, StartBench, document, error_of, id_of
from harness.wire import Message, wait_until
from test_open_webui import EVENT, MESSAGE, RECORD

SECRET = "open-webuis-0123456789abcdef-secret"
GUARD = "colleagues-0123456789abcdef-token"
PATH = "/feedback/webhooks/open-webui"
BEARER = b"Authorization: Bearer " + SECRET.encode()
NAMED = b"X-OpenWebUI-Message-Id: " + MESSAGE.encode()
DOCUMENT = Path(__file__).parents[2] / "docs" / "open-webui.md"


@pytest.fixture(params=[None, GUARD], ids=["open", "guarded"])
def bench(request: pytest.FixtureRequest, start_bench: StartBench) -> Bench:
    """A sidecar that knows the secret, without a token of the guard and with one."""
    return start_bench(**{"webhooks.open_webui_secret": SECRET, "guard.token": request.param})


def chat(bench: Bench, *lines: bytes) -> Message:
    return bench.chat(b"Feedback-Proxy-Token: " + GUARD.encode(), *lines)


def post(bench: Bench, said: object, *lines: bytes, target: str = PATH) -> Message:
    return bench.ask("POST", target, json.dumps(said).encode(), JSON, *lines)


def test_a_thumb_rates_the_call_of_its_message(bench: Bench) -> None:
    answer = chat(bench, NAMED)
    # As {{MESSAGE_ID}}{{TASK}} names the title that is made for the same message.
    chat(bench, NAMED + b"title_generation")
    taken = post(bench, RECORD, BEARER)
    said = document(taken)
    assert taken.status in (200, 202)
    assert said["rated"]["id"] == id_of(answer)
    assert (said["rating"], said["comment"], said["source"]) == (False, "too long", "open-webui")
    assert said["tags"] == ["too_verbose", "Greetings", "Small  talk"]
    wait_until(lambda: [event.request_id for event in bench.events] == [id_of(answer)], "Helicone has it")


def test_another_apps_call_is_not_rated_by_its_request_id_as_a_message(bench: Bench) -> None:
    theirs = id_of(chat(bench))
    said = {"data": {"rating": -1}, "meta": {"message_id": theirs}}
    assert error_of(post(bench, said, BEARER))[:2] == (404, "unknown_call")
    assert bench.posted == []


def test_a_changed_thumb_replaces_the_one_before(bench: Bench) -> None:
    answer = chat(bench, NAMED)
    post(bench, {"data": {"rating": -1}, "meta": {"message_id": MESSAGE}}, BEARER, target=f"{PATH}?hold=1m")
    post(bench, {"data": {"rating": 1}, "meta": {"message_id": MESSAGE}}, BEARER, target=f"{PATH}?hold=1m")
    guard = b"Feedback-Proxy-Token: " + GUARD.encode()
    assert document(bench.get(f"/feedback/{id_of(answer)}", guard))["rating"]["rating"] is True


@pytest.mark.parametrize(
    "said", [{"data": {"rating": None}, "meta": {"message_id": MESSAGE}}, {"event": "chat.deleted"}]
)
def test_what_is_no_thumb_is_answered_with_200_and_sends_nothing(bench: Bench, said: object) -> None:
    answer = chat(bench, NAMED)
    kept_out = post(bench, said, BEARER)
    assert (kept_out.status, set(document(kept_out))) == (200, {"message"})
    guard = b"Feedback-Proxy-Token: " + GUARD.encode()
    assert document(bench.get(f"/feedback/{id_of(answer)}", guard))["rating"] is None
    assert bench.posted == []


@pytest.mark.parametrize("message_id", [MESSAGE, "no-uuid"])
def test_a_message_that_no_call_is_known_by_says_what_open_webui_lacks(bench: Bench, message_id: str) -> None:
    """Also one that looks like a request id: nothing is rated under that."""
    chat(bench)
    status, code, sentence = error_of(
        post(bench, {"data": {"rating": 1}, "meta": {"message_id": message_id}}, BEARER)
    )
    assert (status, code) == (404, "unknown_call")
    assert '{"X-OpenWebUI-Message-Id": "{{MESSAGE_ID}}{{TASK}}"}' in sentence
    assert bench.posted == []


def test_open_webuis_own_event_is_told_what_it_lacks(bench: Bench) -> None:
    assert error_of(post(bench, EVENT, BEARER))[:2] == (422, "invalid_rating")


# -- the secret


def test_the_secret_may_stand_in_the_address_and_is_never_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    chat(bench, NAMED)
    assert post(bench, RECORD, target=f"{PATH}?secret={SECRET}").status in (200, 202)
    assert post(bench, {**RECORD, "data": 7}, target=f"{PATH}?secret={SECRET}&x=1").status == 400
    assert post(bench, RECORD, target=f"{PATH}?secret={SECRET}x").status == 401
    assert SECRET not in caplog.text + bench.sidecar.log


def test_a_plus_in_the_secret_is_a_plus_in_the_address_too(start_bench: StartBench) -> None:
    """As `openssl rand -base64` makes them; a form's reading would take it for a space."""
    secret = "ab+cd/EF0123456789+=="
    bench = start_bench(**{"webhooks.open_webui_secret": secret})
    bench.chat(NAMED)
    for said in secret, secret.replace("+", "%2B").replace("=", "%3d"):
        assert post(bench, RECORD, target=f"{PATH}?secret={said}").status in (200, 202), said
    assert post(bench, RECORD, target=f"{PATH}?secret={secret.replace('+', '%20')}").status == 401


@pytest.mark.parametrize(
    ("lines", "query", "code"),
    [
        ((), "", "webhook_secret_missing"),
        ((BEARER + b"x",), "", "webhook_secret_wrong"),
        ((BEARER[:-1],), f"?secret={SECRET}", "webhook_secret_wrong"),
        ((b"Authorization: Bearer",), "", "webhook_secret_missing"),
        ((b"Authorization: Bearer " + GUARD.encode(),), "", "webhook_secret_wrong"),
        ((b"Feedback-Proxy-Token: " + GUARD.encode(),), "", "webhook_secret_missing"),
        ((), f"?secret={SECRET}&secret={SECRET}", "webhook_secret_missing"),
        ((), "?secret=%ff", "webhook_secret_wrong"),
        ((BEARER, BEARER), "", "webhook_secret_wrong"),
    ],
)
def test_without_the_secret_nothing_is_taken(
    bench: Bench, lines: tuple[bytes, ...], query: str, code: str
) -> None:
    chat(bench, NAMED)
    assert error_of(post(bench, RECORD, *lines, target=PATH + query))[:2] == (401, code)
    assert bench.posted == []


def test_the_secret_opens_nothing_else(start_bench: StartBench) -> None:
    bench = start_bench(**{"webhooks.open_webui_secret": SECRET, "guard.token": GUARD})
    answer = chat(bench)
    own = f"/feedback/{id_of(answer)}"
    reads = [("GET", "/feedback"), ("GET", PATH)]
    changes = [("POST", each) for each in (own, f"{PATH}/", "/feedback/batch", "/feedback/last")]
    for method, target in (*reads, *changes):
        assert bench.ask(method, target, b"{}" * (method == "POST"), JSON, BEARER).status == 401
    assert bench.ask("POST", "/v1/chat/completions", b"{}", JSON, BEARER).status == 401


def test_pages_of_other_origins_are_refused_whatever_they_know(bench: Bench) -> None:
    refused = post(bench, RECORD, BEARER, b"Origin: http://localhost:3000")
    assert error_of(refused)[:2] == (403, "origin_not_allowed")


def test_without_a_secret_in_the_settings_the_webhook_is_off(start_bench: StartBench) -> None:
    bench = start_bench()
    bench.chat(NAMED)
    for lines in (), (BEARER,), (b"Authorization: Bearer ",):
        assert error_of(post(bench, RECORD, *lines))[:2] == (403, "webhook_off")


# -- the event function


def test_the_event_function_of_the_document_sends_a_thumb_where_it_belongs(
    start_bench: StartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    asked = []

    async def get_feedback_by_id(id: str) -> object:  # noqa: A002  # as Open WebUI has it
        asked.append(id)
        return SimpleNamespace(**RECORD, snapshot={"chat": "x" * 100_000}) if id == RECORD["id"] else None

    models = types.ModuleType("open_webui.models.feedbacks")
    models.Feedbacks = SimpleNamespace(get_feedback_by_id=get_feedback_by_id)  # type: ignore[attr-defined]
    for name in ("open_webui", "open_webui.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, models.__name__, models)
    module: dict[str, object] = {}
    exec(compile(code, str(DOCUMENT), "exec"), module)
    bench = start_bench(**{"webhooks.open_webui_secret": SECRET})
    answer = bench.chat(NAMED)
    function = module["Event"]()  # type: ignore[operator]
    function.valves = function.Valves(url=bench.sidecar.sidecar.url + PATH, secret=SECRET)
    for event in (
        EVENT,
        {**EVENT, "event": "chat.created"},
        {**EVENT, "subject": {"type": "feedback", "id": "?"}},
    ):
        asyncio.run(function.event(event))
    assert asked == [RECORD["id"], "?"]
    assert document(bench.get(f"/feedback/{id_of(answer)}"))["rating"]["comment"] == "too long"
