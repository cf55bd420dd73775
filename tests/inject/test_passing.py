"""Everything but pages passes as it is, and comes in by a name that is ours."""

import json
import time

from harness.apps import HTML, OPENS, TAGGED, StartApp, answer, ask, asked_up, open_app
from harness.benches import CHAT_PATH, StartBench
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import head


def test_what_browsers_and_apps_say_to_each_other_passes(start_app: StartApp) -> None:
    said = (
        b"Cookie: session=1; theme=dark",
        b"Origin: http://localhost:8748",
        b"Referer: http://localhost:8748/",
        b"Sec-Fetch-Site: same-origin",
        b"Authorization: Bearer of-the-app",
        b"X-Forwarded-Proto: https",
    )
    answered = (
        b"Set-Cookie: session=2; Path=/; HttpOnly",
        b"Set-Cookie: theme=light",
        b"Access-Control-Allow-Origin: http://localhost:8748",
        b"Clear-Site-Data: *",
        b"Service-Worker-Allowed: /",
    )
    sidecar, app = start_app(answer(b"Content-Type: text/plain", *answered))
    found = ask(sidecar, *said, method=b"POST", target=b"/api?x=1", body=b"hello")
    [request] = app.requests
    assert request.target == b"/api?x=1"
    assert request.body == b"hello"
    assert request.value(b"host") == b"localhost:8748", "an app compares it with Origin"
    for name, value in (line.split(b": ", 1) for line in said):
        assert request.value(name.lower()) == value
    for name, value in (line.split(b": ", 1) for line in answered):
        assert value in found.values(name.lower())
    names = {name.lower() for name, _ in [*request.lines, *found.lines]}
    assert not [name for name in names if name.startswith((b"helicone", b"feedback"))]


def test_an_app_that_passes_on_what_a_browser_sent_makes_no_loop(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    """As development servers do with a path that leads to the sidecar's own port."""
    app = start_upstream(answering(answer(HTML)))
    bench = start_bench(**{"inject.upstream": app.url, "inject.port": 0, "inject.host": ["127.0.0.1"]})
    ask(bench.sidecar)
    via = b"Via: " + (asked_up(app, b"via") or b"")
    assert bench.chat(via).status == 200
    assert ask(bench.sidecar, via).status == 508, "where the app is the listener itself"


def test_the_sidecars_own_session_is_nothing_for_the_app(start_app: StartApp) -> None:
    sidecar, app = start_app(answer(HTML))
    ours = b"helicone-proxy-8747=" + b"0" * 64
    ask(sidecar, b"Cookie: a=1; " + ours + b"; b=2")
    assert asked_up(app, b"cookie") == b"a=1; b=2"
    ask(sidecar, b"Cookie: " + ours)
    assert asked_up(app, b"cookie") is None
    ask(sidecar, b"Cookie: " + ours + b"; b=2")
    assert asked_up(app, b"cookie") == b"b=2"
    ask(sidecar, b"Cookie: a=1", b"Cookie: " + ours, b"Cookie: b=2; c=3")
    assert asked_up(app, b"cookie") == b"a=1, b=2; c=3"


def test_what_names_the_apps_own_address_leads_here(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    there = {
        b"/login": b"%b/login?next=/",
        b"/root": b"%b",
        b"/slashes": b"%b//evil.example",
        b"/backslash": b"%b/\\evil.example",
        b"/tab": b"%b/\t/evil.example",
        b"/longer": b"%b0/login",
        b"/path": b"/path",
        b"/else": b"https://id.example/?back=%b",
    }

    def script(connection: UpstreamWire) -> None:
        while True:
            target = there[connection.read_request().target]
            location = target.replace(b"%b", app.url.encode())
            cookie = b"Set-Cookie: a=b; Domain=127.0.0.1; Path=/"
            connection.send(
                head(b"HTTP/1.1 302 Found", b"Location: " + location, cookie, b"Content-Length: 0")
            )

    app = start_upstream(script)
    sidecar = start_sidecar("http://127.0.0.1:9", **{"inject.upstream": app.url, "inject.port": 0})
    led = {target: ask(sidecar, target=target) for target in there}
    assert {target: each.value(b"location") for target, each in led.items()} == {
        b"/login": b"/login?next=/",
        b"/root": b"/",
        b"/slashes": b"/evil.example",
        b"/backslash": b"/evil.example",
        b"/tab": b"/evil.example",
        b"/longer": app.url.encode() + b"0/login",
        b"/path": b"/path",
        b"/else": b"https://id.example/?back=" + app.url.encode(),
    }
    assert led[b"/path"].value(b"set-cookie") == b"a=b; Path=/"
    by_number = ask(sidecar, b"Host: 127.0.0.1:8748", target=b"/path")
    assert by_number.value(b"set-cookie") == b"a=b; Domain=127.0.0.1; Path=/"


def test_an_app_may_be_silent_for_as_long_as_it_likes(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    """How long a gateway may be says nothing of an app, whose pages listen to events that seldom come."""

    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        time.sleep(0.5)
        connection.send(head(b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Content-Length: 6"))
        connection.send(b"one")
        time.sleep(0.5)
        connection.send(b"two")

    app = start_upstream(script)
    limits = {"upstream.silence_timeout_seconds": 0.1, "upstream.first_byte_timeout_seconds": 0.1}
    sidecar = start_sidecar("http://127.0.0.1:9", **{"inject.upstream": app.url, "inject.port": 0, **limits})
    found = ask(sidecar, target=b"/events")
    assert (found.status, found.body) == (200, b"onetwo")


def test_a_websocket_passes_both_ways(start_upstream: StartUpstream, start_sidecar: StartSidecar) -> None:
    def script(connection: UpstreamWire) -> None:
        request = connection.read_request()
        assert request.value(b"origin") == b"http://localhost:8748"
        assert request.value(b"cookie") == b"session=1"
        connection.send(
            head(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
        )
        while True:
            connection.send(connection.read_exactly(5).upper())

    app = start_upstream(script)
    sidecar = start_sidecar("http://127.0.0.1:9", **{"inject.upstream": app.url, "inject.port": 0})
    client = open_app(sidecar)
    lines = (
        b"Host: localhost:8748",
        b"Origin: http://localhost:8748",
        b"Cookie: session=1",
        b"Connection: Upgrade",
    )
    client.send(head(b"GET /ws HTTP/1.1", *lines, b"Upgrade: websocket", b"Sec-WebSocket-Key: abc"))
    assert client.read_answer().status == 101
    client.send(b"hello")
    assert client.read_exactly(5) == b"HELLO"
    client.close()


# --- the door


def test_another_name_is_not_served(start_app: StartApp) -> None:
    sidecar, app = start_app(answer(HTML))
    for target in (b"/", b"/_helicone-feedback/widget.js"):
        found = ask(sidecar, b"Host: rebound.example:8748", target=target)
        assert found.status == 403
        assert found.value(b"feedback-error") == b"host_not_allowed"
    assert app.requests == []


def test_an_app_that_is_not_there_is_a_page_in_words(start_sidecar: StartSidecar) -> None:
    sidecar = start_sidecar(
        "http://127.0.0.1:9", **{"inject.upstream": "http://127.0.0.1:9", "inject.port": 0}
    )
    page = ask(sidecar, OPENS)
    assert page.status == 502
    assert page.value(b"content-type") == b"text/html; charset=utf-8"
    assert b"The app at 127.0.0.1:9 cannot be reached" in page.body
    found = ask(sidecar, b"Sec-Fetch-Dest: empty")
    assert found.status == 502
    assert json.loads(found.body)["error"]["message"].startswith("The app at 127.0.0.1:9 cannot be reached")


def test_it_needs_no_token_and_remembers_nothing(start_app: StartApp) -> None:
    sidecar, _ = start_app(answer(HTML), **{"guard.token": "a-token-of-the-tests-1234"})
    assert ask(sidecar, OPENS).body == TAGGED
    assert ask(sidecar, method=b"POST", target=CHAT_PATH.encode(), body=b"{}").status == 200
    assert len(sidecar.sidecar.parts.store) == 0
