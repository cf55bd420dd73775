"""The header lines of an answer by which it can be rated."""

import pytest

from harness.benches import StartBench, document, id_of
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, answering
from harness.wire import head
from proxy.calls.hooks import Hooks
from proxy.feedback_tokens import FeedbackTokens, Verdict

ID = b"0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
TOKENS = FeedbackTokens("0123456789abcdef0123456789abcdef", 60)
LINES = {
    "id": b"Feedback-Id: " + ID,
    "url": b"Feedback-URL: http://here:1/feedback/" + ID,
    "link": b"Link: <http://here:1/feedback/" + ID + b'>; rel="feedback"',
    "tokens": b"Feedback-Token: " + TOKENS.make(ID, 1000),
}


@pytest.mark.parametrize("wanted", range(16))
def test_each_line_is_there_if_it_is_wanted_and_only_then(wanted: int) -> None:
    is_on = {name: bool(wanted >> bit & 1) for bit, name in enumerate(LINES)}
    hooks = Hooks(
        id=is_on["id"],
        url=is_on["url"],
        link=is_on["link"],
        tokens=TOKENS if is_on["tokens"] else None,
        now=lambda: 1000.0,
    )
    expected = b"".join(line + b"\r\n" for name, line in LINES.items() if is_on[name])
    assert hooks.lines(b"here:1", ID) == expected


def test_link_is_one_more_beside_those_of_the_gateway(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    theirs = b'<https://example.com/next>; rel="next"'
    upstream = start_upstream(answering(head(b"HTTP/1.1 200 OK", b"Link: " + theirs, b"Content-Length: 0")))
    sidecar = start_sidecar(upstream.url, **{"hooks.link": True})
    answer = sidecar.connect().ask(head(b"GET /v1/x HTTP/1.1", b"Host: localhost"))
    url = answer.value(b"feedback-url")
    assert url is not None
    assert answer.values(b"link") == [theirs, b"<" + url + b'>; rel="feedback"']


def test_another_sidecars_token_does_not_pass(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    """Neither in the head nor in a trailer: it would be taken for one of ours."""
    lines = (b"Feedback-Token: v1.theirs", b"Transfer-Encoding: chunked", b"Trailer: Feedback-Token")
    body = b"0\r\nFeedback-Token: v1.theirs\r\n\r\n"
    upstream = start_upstream(answering(head(b"HTTP/1.1 200 OK", *lines) + body))
    for dotted in {}, {"hooks.token": True}:
        client = start_sidecar(upstream.url, **dotted).connect()
        client.send(head(b"GET /v1/x HTTP/1.1", b"Host: localhost", b"TE: trailers", b"Connection: TE"))
        got = client.read_until(b"0\r\n\r\n")
        assert b"theirs" not in got
        assert got.lower().count(b"feedback-token: v1.") == len(dotted)


def test_a_token_is_for_the_id_that_the_answer_has(start_bench: StartBench) -> None:
    bench = start_bench(**{"hooks.token": True, "hooks.token_seconds": 60})
    answer = bench.chat()
    token = answer.value(b"feedback-token") or b""
    tokens = bench.sidecar.sidecar.parts.feedback_tokens
    assert tokens is not None
    called = document(bench.get("/feedback/last"))
    assert called["id"] == id_of(answer)
    assert tokens.check(token, id_of(answer), 0) is Verdict.GOOD
