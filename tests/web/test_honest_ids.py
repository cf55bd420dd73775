"""Whatever became of a call: its rating arrives under the id that it has, or is refused with the reason."""

import json
from typing import Any

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, chat_body, document, error_of, id_of, request
from harness.sidecars import StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import head
from proxy.demo import GatewayFault

OWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
THEIRS = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def newest(bench: Bench) -> str:
    """The id of the newest call of any kind."""
    found = document(bench.get("/feedback"))["calls"][0]["id"]
    assert isinstance(found, str)
    return found


def refused(bench: Bench, name: str) -> str:
    """Rate a call that cannot be, alone and in a batch; gives the reason."""
    status, code, sentence = error_of(bench.rate(f"/feedback/{name}"))
    assert (status, code) == (409, "not_ratable")
    batch = bench.ask("POST", "/feedback/batch", json.dumps([{"id": name, "rating": True}]).encode(), JSON)
    assert batch.status == 422
    assert json.loads(batch.body)["results"][0]["error"] == {"code": code, "message": sentence}
    assert document(bench.get(f"/feedback/{name}"))["unratable"] in sentence
    assert bench.posted == []
    return sentence


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
@pytest.mark.parametrize("own", [(), (b"Helicone-Request-Id: " + OWN.encode(),)])
def test_an_error_without_an_id_is_rated_under_the_one_that_went_up(
    bench: Bench, status: int, own: tuple[bytes, ...]
) -> None:
    bench.standin.faults.gateway.next(GatewayFault(status=status, drop_helicone_id=True))
    answer = bench.chat(*own)
    assert (answer.status, answer.value(b"helicone-id")) == (status, None)
    assert bench.rate(f"/feedback/{id_of(answer)}?timeout=10").status == 200
    assert [(event.request_id, event.loss) for event in bench.events] == [(id_of(answer), None)]


@pytest.mark.parametrize(
    "fault", [GatewayFault(silent_before_head=True), GatewayFault(silent_after_events=1)]
)
def test_a_call_that_its_app_gave_up_is_rated_under_the_id_that_went_up(
    bench: Bench, fault: GatewayFault
) -> None:
    bench.standin.faults.gateway.next(fault)
    client = bench.stream(b"X-Client-Request-Id: given-up")
    if fault.silent_after_events:
        client.read_until(b"data: ")
    else:
        bench.standin.gateway.wait_for()
    client.close()
    bench.wait_until_logged()
    said = document(bench.rate("/feedback/given-up?timeout=10"))
    assert said["rated"]["id"] == bench.standin.gateway.last.header("Helicone-Request-Id")
    assert [event.loss for event in bench.events] == [None]


def test_a_gateway_with_ids_of_its_own_is_believed_and_the_apps_still_finds_the_call(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    named = head(b"HTTP/1.1 200 OK", b"Helicone-Id: " + THEIRS.encode(), b"Content-Length: 0")
    sidecar = start_sidecar(start_upstream(answering(named)).url)
    client = sidecar.connect()
    for sent, aliases in (((), []), ((OWN.encode(),), [OWN]), ((b"ticket-1",), ["ticket-1"])):
        lines = [b"Helicone-Request-Id: " + each for each in sent]
        assert id_of(client.ask(request("POST", "/v1/responses", b"{}", JSON, *lines))) == THEIRS
        for name in (THEIRS, *aliases, *(each.upper() for each in aliases if each == OWN)):
            other = sidecar.connect()
            call = document(other.ask(request("GET", f"/feedback/{name}")))
            other.close()
            assert (call["id"], call["aliases"]) == (THEIRS, aliases)


RUST: dict[str, Any] = {
    "routes.default.preset": "rust-ai-gateway",
    "helicone.api_key": "sk-helicone-aaaaaaa-bbbbbbb-ccccccc-ddddddd",
}


@pytest.mark.parametrize("own", [OWN, OWN.upper()])
def test_where_sent_ids_are_ignored_the_apps_own_finds_what_it_stands_for_by_now(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, own: str
) -> None:
    failed = head(b"HTTP/1.1 500 Oh", b"Content-Length: 0")
    theirs, echoed = (
        head(b"HTTP/1.1 200 OK", b"Helicone-Id: " + each.encode(), b"Content-Length: 0")
        for each in (THEIRS, OWN)
    )
    sidecar = start_sidecar(start_upstream(answering(failed, theirs, echoed)).url, **RUST)
    client = sidecar.connect()
    line = b"Helicone-Request-Id: " + own.encode()

    def known() -> tuple[str, bool]:
        other = sidecar.connect()
        call = document(other.ask(request("GET", f"/feedback/{OWN}")))
        other.close()
        return call["id"], "unratable" not in call

    first = id_of(client.ask(request("POST", "/v1/responses", b"{}", JSON, line)))
    assert first not in (OWN, THEIRS)
    assert known() == (first, False)
    for right in (THEIRS, OWN):
        assert id_of(client.ask(request("POST", "/v1/responses", b"{}", JSON, line))) == right
        assert known() == (right, True)


@pytest.mark.parametrize("confirms", [True, False])
def test_where_sent_ids_are_ignored_one_that_the_answer_confirms_is_known(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, confirms: bool
) -> None:
    def echo(connection: UpstreamWire) -> None:
        asked = connection.read_request()
        sent = asked.value(b"helicone-request-id")
        assert sent is not None
        lines = (b"Helicone-Id: " + sent,) if confirms else ()
        connection.send(head(b"HTTP/1.1 200 OK", b"Content-Length: 0", *lines))

    sidecar = start_sidecar(start_upstream(echo).url, **RUST)
    name = id_of(sidecar.connect().ask(request("POST", "/v1/responses", b"{}", JSON)))
    call = document(sidecar.connect().ask(request("GET", f"/feedback/{name}")))
    assert ("unratable" not in call) is confirms


def test_a_realtime_session_cannot_be_rated(bench: Bench) -> None:
    client = bench.sidecar.connect()
    client.send(request("GET", "/v1/realtime?model=gpt-realtime", b"", *UPGRADE))
    assert client.read_head().startswith(b"HTTP/1.1 101")
    assert "WebSocket" in refused(bench, newest(bench))
    client.close()


@pytest.mark.parametrize("target", ["/v1/audio/speech", "/v1/audio/transcriptions", "/v1/files"])
def test_what_is_passed_on_unread_cannot_be_rated(bench: Bench, target: str) -> None:
    answer = bench.ask("POST", target, b"{}", JSON, b"X-Client-Request-Id: heard")
    assert "without logging" in refused(bench, id_of(answer))
    assert "without logging" in refused(bench, "heard")


def test_a_call_without_a_key_cannot_be_rated_by_any_of_its_names(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"helicone.api_key": None})
    answer = bench.ask("POST", "/v1/chat/completions", chat_body(), JSON)
    for name in (id_of(answer), json.loads(answer.body)["id"], "last"):
        if name != "last":
            assert "HELICONE_API_KEY" in refused(bench, name)
        else:
            assert error_of(bench.rate())[:2] == (409, "not_ratable")


def test_an_id_that_helicone_replaced_in_silence_cannot_be_rated(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(drop_helicone_id=True))
    bench.chat(b"Helicone-Request-Id: ticket-1")
    assert "Helicone-Request-Id" in refused(bench, "ticket-1")
