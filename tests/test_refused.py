"""Requests that are not let through, on either plane: each is counted, and said once a minute for each cause."""

import logging
import re

import pytest

from harness.benches import JSON, Bench, StartBench, request
from harness.wire import head
from proxy.refused import RefusalBook
from proxy.relay.refusals import Refusal

NO = Refusal(403, "host_not_allowed", "The Host a.test is not served here.")
ELSE = Refusal(403, "cross_site", "A browser sent this.")


class Clock:
    """Seconds that pass when a test says so."""

    now = 5.0

    def __call__(self) -> float:
        return self.now


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged since the last time."""
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_each_cause_is_said_once_a_minute_with_how_many_more_there_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    book = RefusalBook(clock)
    for _ in range(4):
        book.note(b"GET", b"/v1/models", NO)
    book.note(b"POST", b"/v1/x", ELSE)
    assert said(caplog) == [
        "Refused GET /v1/models: The Host a.test is not served here.",
        "Refused POST /v1/x: A browser sent this.",
    ]
    clock.now += 59.9
    book.note(b"GET", b"/v1/models", NO)
    assert said(caplog) == []
    clock.now += 0.2
    book.note(b"PUT", b"/v1/y", NO)
    book.note(b"POST", b"/v1/x", ELSE)
    assert said(caplog) == [
        "Refused PUT /v1/y: The Host a.test is not served here. (4 more like it before)",
        "Refused POST /v1/x: A browser sent this.",
    ]
    clock.now += 60
    book.note(b"PUT", b"/v1/y", NO)
    assert said(caplog) == ["Refused PUT /v1/y: The Host a.test is not served here."]
    assert book.counts == {"host_not_allowed": 7, "cross_site": 2}


def test_a_logged_path_shows_no_key_and_is_short(caplog: pytest.LogCaptureFixture) -> None:
    RefusalBook(Clock()).note(b"GET", b"/sk-helicone-canary/v1/" + b"x" * 5000, NO)
    [line] = said(caplog)
    assert "canary" not in line
    assert "/***/v1/xxx" in line
    assert len(line) < 700


def test_a_request_that_could_not_be_read_has_no_path(caplog: pytest.LogCaptureFixture) -> None:
    RefusalBook(Clock()).note(b"GET", b"", Refusal(400, "malformed_request", "Why."))
    assert said(caplog) == ["Refused a request: Why."]


def counted(bench: Bench) -> dict[str, int]:
    """`helicone_proxy_refusals_total`, by code."""
    text = bench.get("/feedback/metrics").body.decode()
    found = re.findall(r'^helicone_proxy_refusals_total\{code="(\w+)"\} ([0-9.]+)$', text, re.MULTILINE)
    return {code: int(float(number)) for code, number in found}


REFUSED: list[tuple[str, str, tuple[bytes, ...], str]] = [
    ("GET", "?q=canary", (b"Host: attacker.test",), "host_not_allowed"),
    ("POST", "", (b"Host: local host",), "host_malformed"),
    ("POST", "", (b"Origin: http://attacker.test",), "origin_not_allowed"),
    ("GET", "", (b"Sec-Fetch-Site: cross-site",), "cross_site"),
    ("POST", "", (b"Sec-Fetch-Site: none", b"Sec-Fetch-Mode: navigate"), "browser_navigation"),
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/feedback/last"])
def test_both_planes_count_and_say_what_they_refuse(
    bench: Bench, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    for method, query, lines, code in REFUSED:
        for _ in range(3):
            answer = bench.ask(method, path + query, b"", *lines, b"X-Secret: canary", b"Cookie: canary")
            assert answer.value(b"feedback-error") == code.encode()
    assert counted(bench) == {code: 3 for *_, code in REFUSED}
    lines_said = said(caplog)
    assert len(lines_said) == len(REFUSED)
    for line, (method, *_) in zip(lines_said, REFUSED, strict=True):
        assert line.startswith(f"Refused {method} {path}: ")
        assert "canary" not in line
        assert "?" not in line


def test_one_count_for_both_planes(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for target in ("/v1/models", "/feedback", "/v1/models", "/feedback"):
        assert bench.get(target, b"Host: attacker.test").status == 403
    assert counted(bench) == {"host_not_allowed": 4}
    assert len(said(caplog)) == 1


def test_a_missing_token_is_counted_on_both_planes(start_bench: StartBench) -> None:
    token = "colleagues-0123456789abcdef-token"
    bench = start_bench(**{"guard.token": token})
    for target in ("/v1/models", "/feedback"):
        answer = bench.sidecar.connect().ask(request("GET", target))
        assert (answer.status, answer.value(b"feedback-error")) == (401, b"token_missing")
    text = bench.get("/feedback/metrics", b"Authorization: Bearer " + token.encode()).body
    assert b'refusals_total{code="token_missing"} 2.0' in text


def test_what_a_foreign_form_or_image_would_ask_for_is_counted(bench: Bench) -> None:
    own = (b"Origin: http://localhost", b"Content-Type: text/plain")
    assert bench.ask("POST", "/feedback/last", b"rating=up", *own).status == 415
    assert bench.get("/feedback/last?rating=up").status == 405
    assert counted(bench) == {"json_required": 1, "use_post": 1}


def test_what_cannot_be_read_is_counted(bench: Bench) -> None:
    twice = (b"Host: localhost", b"Host: localhost")
    for target, code in ((b"/v1/models", b"host_malformed"), (b"/feedback", b"malformed_request")):
        client = bench.sidecar.connect()
        client.send(head(b"GET %b HTTP/1.1" % target, *twice))
        assert client.read_answer().value(b"feedback-error") == code
    assert counted(bench) == {"host_malformed": 1, "malformed_request": 1}


def test_an_honest_error_is_no_refusal(bench: Bench) -> None:
    assert bench.get("/feedback/no/such").status == 404
    assert bench.ask("POST", "/feedback/last", b"{}", JSON).status in (404, 422)
    assert counted(bench) == {}
