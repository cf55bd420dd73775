"""What the widget asks on a page: whoever is there sees and rates their own calls."""

import json
from typing import Any

import pytest

from harness.apps import HTML, answer, ask
from harness.benches import Bench, StartBench, id_of
from harness.upstreams import StartUpstream, answering


def front(start_bench: StartBench, start_upstream: StartUpstream, **dotted: object) -> Bench:
    """A bench whose sidecar stands in front of an app, too."""
    app = start_upstream(answering(answer(HTML)))
    return start_bench(
        **{"inject.upstream": app.url, "inject.port": 0, "inject.host": ["127.0.0.1"], **dotted}
    )


PAGES_OWN = (b"Origin: http://localhost:8748", b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Mode: cors")


def at_page(
    bench: Bench, method: str, path: str, *lines: bytes, rating: str = ""
) -> tuple[int, dict[str, Any]]:
    """What the widget on the app's page asks, and is answered."""
    json_lines = (b"Content-Type: application/json",) if rating else ()
    found = ask(
        bench.sidecar, *PAGES_OWN, *lines, *json_lines, method=method.encode(),
        target=f"/_helicone-feedback/{path}".encode(), body=rating.encode(),
    )  # fmt: skip
    return found.status, json.loads(found.body or b"{}")


def test_the_page_rates_the_last_answer(start_bench: StartBench, start_upstream: StartUpstream) -> None:
    bench = front(start_bench, start_upstream, **{"guard.token": "a-token-of-the-tests-1234"})
    # A browser writes a 404 into the app's console.
    assert at_page(bench, "GET", "last") == (204, {})
    chat = bench.chat(b"Feedback-Proxy-Token: a-token-of-the-tests-1234", b"Helicone-User-Id: ann")
    assert chat.status == 200
    status, seen = at_page(bench, "GET", "last")
    assert status == 200
    assert seen["id"].encode() == chat.value(b"feedback-id")
    assert not {"user", "session", "address", "client", "user_agent", "aliases"} & seen.keys()
    assert at_page(bench, "POST", f"{seen['id']}?wait=accepted", rating='{"rating": true}')[0] == 200
    assert at_page(bench, "GET", "last")[1]["rating"]["rating"] is True
    for method, rating in ("POST", '{"rating": false}'), ("DELETE", ""):
        _, said = at_page(bench, method, f"{seen['id']}{'?hold=1m' if rating else ''}", rating=rating)
        assert said["rated"].keys() == {"id", "known", "model", "path", "status", "age_seconds"}
    script = ask(bench.sidecar, target=b"/_helicone-feedback/widget.js")
    assert script.status == 200
    assert script.value(b"content-type") == b"text/javascript; charset=utf-8"


@pytest.mark.parametrize("kind", ["user_cookie", "user_header", "session_cookie", "session_header"])
def test_a_person_sees_and_rates_their_own_calls_alone(
    start_bench: StartBench, start_upstream: StartUpstream, kind: str
) -> None:
    bench = front(start_bench, start_upstream, **{f"inject.{kind}": "X-Who"})
    what, place = kind.split("_")
    name = b"Helicone-User-Id: " if what == "user" else b"Helicone-Session-Id: "
    said = b"X-Who: " if place == "header" else b"Cookie: a=b; X-Who="
    my_id, their_id = id_of(bench.chat(name + b"ann@example.com")), id_of(bench.chat(name + b"bob"))
    me = said + (b"ann%40example.com" if place == "cookie" else b"ann@example.com")
    assert at_page(bench, "GET", "last", me)[1]["id"] == my_id
    assert at_page(bench, "GET", f"last?{what}=bob", me)[0] == 404
    assert at_page(bench, "GET", f"last?{what}=ann@example.com", me)[1]["id"] == my_id
    for method in ("POST", "DELETE"):
        status, found = at_page(
            bench, method, their_id, me, rating='{"rating": true}' if method == "POST" else ""
        )
        assert (status, found["error"]["code"]) == (404, "unknown_call")
    assert at_page(bench, "POST", my_id, me, rating='{"rating": false}')[0] in (200, 202)
    assert at_page(bench, "GET", "last", said + b"carl") == (204, {})
    for nobody in ((), (said + b"sk-1234567890",), (said + b"ann", said + b"bob")):
        status, found = at_page(bench, "GET", "last", *nobody)
        assert (status, found["error"]["code"]) == (404, "unknown_call"), nobody


def test_a_repeated_key_tells_nothing_of_somebody_elses_rating(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    bench = front(start_bench, start_upstream, **{"inject.user_header": "X-Who"})
    for who in (b"ann", b"bob"):
        made = id_of(bench.chat(b"Helicone-User-Id: " + who, b"X-Client-Request-Id: job-7"))
        rated = at_page(
            bench, "POST", "job-7", b"X-Who: " + who, b"Idempotency-Key: same", rating='{"rating": true}'
        )
        assert rated[1].get("rated", {}).get("id") in (made, None), who
    assert rated[1]["error"]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("token", [False, True])
def test_behind_a_tls_proxy_the_apps_own_page_rates_without_a_feedback_token(
    start_bench: StartBench, start_upstream: StartUpstream, token: bool
) -> None:
    """Its origin is not the one that we see, and stands in `allowed_origins`; the page never gets such a token."""
    settings = {"hooks.token": token, "guard.allowed_origins": ["https://chat.example.com"]}
    bench = front(start_bench, start_upstream, **settings)
    made = id_of(bench.chat())
    found = ask(
        bench.sidecar, b"Origin: https://chat.example.com", b"Sec-Fetch-Site: same-origin",
        b"Sec-Fetch-Mode: cors", b"Content-Type: application/json", method=b"POST",
        target=b"/_helicone-feedback/" + made.encode(), body=b'{"rating": true}',
    )  # fmt: skip
    assert found.status in (200, 202), found.body


def test_a_call_that_is_not_remembered_is_nobodys(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    bench = front(start_bench, start_upstream)
    bench.chat()
    some_id = "00000000-0000-4000-8000-000000000000"
    assert at_page(bench, "POST", some_id, rating='{"rating": true}')[0] == 404
    assert bench.events == []


def test_strict_does_not_choose_and_names_nobody(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    bench = front(start_bench, start_upstream, **{"feedback.strict": True})
    bench.chat(b"Helicone-User-Id: ann")
    bench.chat(b"Helicone-User-Id: bob")
    status, found = at_page(bench, "GET", "last")
    assert status == 409
    assert not {"candidates", "conversations"} & found.keys()


def test_other_pages_and_other_paths_get_nothing(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    bench = front(start_bench, start_upstream)
    target = b"/_helicone-feedback/" + id_of(bench.chat()).encode()
    for foreign in (
        (b"Origin: http://evil.example", b"Sec-Fetch-Site: cross-site"),
        (b"Origin: http://localhost:3000", b"Sec-Fetch-Site: same-site"),
        (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors"),
    ):
        found = ask(bench.sidecar, *foreign, method=b"POST", target=target, body=b"rating=true")
        assert found.status == 403, foreign
    for path in ("", "health", "batch", "last/session", "outbox", "openapi.json"):
        status, said = at_page(bench, "GET", path)
        assert (status, said["error"]["code"]) == (404, "no_such_route"), path
    assert at_page(bench, "POST", "last", rating='{"rating": true}')[0] == 404
    assert bench.events == []


def test_there_are_no_events_and_an_event_source_gives_up_in_silence(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    bench = front(start_bench, start_upstream)
    found = ask(bench.sidecar, *PAGES_OWN, target=b"/_helicone-feedback/events")
    # A browser writes a 404 into the app's console; at 204 an EventSource neither complains nor comes again.
    assert (found.status, found.body) == (204, b"")
