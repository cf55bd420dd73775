"""What the gateway adds to an answer, and what it logs."""

import gzip
import hashlib
import http.client
import json
import socket
import time
import uuid
import zlib
from urllib.parse import urlsplit

import pytest

from demo.conftest import StartStandIn
from demo.wire import CHAT, GATEWAY_AUTH, Answer, ask, chat
from proxy.demo import DEMO_KEY, StandIn, StandInSettings

OWN_ID = "0B50D0D5-6A8D-4F9E-8D43-6F4F5F3A2B10"


def rated(standin: StandIn, headers: dict[str, str]) -> Answer:
    return ask(standin.gateway_url, "POST", "/v1/feedback", {"helicone-id": OWN_ID, "rating": True}, headers)


def test_every_answer_has_a_fresh_random_id(standin: StandIn) -> None:
    answers = [chat(standin.gateway_url) for _ in range(3)]
    assert len({answer.request_id for answer in answers}) == 3
    assert {uuid.UUID(answer.request_id).version for answer in answers} == {4}
    assert {answer.header("helicone-status") for answer in answers} == {"success"}


def test_the_clients_own_id_is_echoed_verbatim_when_it_is_a_uuid_of_version_1_to_5(standin: StandIn) -> None:
    assert chat(standin.gateway_url, {"Helicone-Request-Id": OWN_ID}).request_id == OWN_ID
    assert standin.ledger.rows[0].request_id == OWN_ID.lower()


@pytest.mark.parametrize("own", ["ticket-1", "01890a5d-ac96-774b-bcce-b302099a8057", f"{OWN_ID}, {OWN_ID}"])
def test_any_other_own_id_is_silently_replaced(standin: StandIn, own: str) -> None:
    given = chat(standin.gateway_url, {"Helicone-Request-Id": own}).request_id
    assert given != own
    assert uuid.UUID(given).version == 4


def test_two_own_ids_arrive_joined_and_are_none(standin: StandIn) -> None:
    parts = urlsplit(standin.gateway_url)
    line = b"Helicone-Request-Id: " + OWN_ID.encode() + b"\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as wire:
        wire.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + line * 2 + b"Connection: close\r\n\r\n")
        answer = wire.makefile("rb").read()
    assert b"Helicone-Id: " in answer
    assert OWN_ID.encode() not in answer


def test_the_providers_errors_carry_the_id_and_success_too(standin: StandIn) -> None:
    for answer in (
        ask(standin.gateway_url, "POST", "/v1/nowhere", {}, GATEWAY_AUTH),
        ask(standin.gateway_url, "POST", "/v1/chat/completions", b"{", GATEWAY_AUTH),
        ask(standin.gateway_url, "DELETE", "/v1/models", headers=GATEWAY_AUTH),
        ask(standin.gateway_url, "GET", "/v1/chat/completions", headers=GATEWAY_AUTH),
    ):
        assert answer.status in {400, 404, 405}
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert answer.header("helicone-status") == "success"
        assert answer.request_id
    assert [row.status for row in standin.ledger.rows] == [404, 400, 404, 405]


@pytest.mark.parametrize("messages", ["hello", [], [1], [{"role": "user", "content": [None]}], {"a": 1}])
def test_messages_of_no_sensible_shape_are_answered_all_the_same(standin: StandIn, messages: object) -> None:
    assert chat(standin.gateway_url, messages=messages).status in {200, 400}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("OPTIONS", "/v1/chat/completions")])
def test_calls_that_ask_no_model_carry_an_id_too(standin: StandIn, method: str, path: str) -> None:
    answer = ask(standin.gateway_url, method, path)
    assert answer.status == 200
    assert answer.request_id


def test_a_head_request_has_the_length_and_no_body(standin: StandIn) -> None:
    answer = ask(standin.gateway_url, "HEAD", "/v1/files/f/content?bytes=1234")
    assert (answer.status, answer.header("content-length"), answer.body) == (200, "1234", b"")


def test_paths_that_pass_raw_have_no_id_and_are_not_logged(standin: StandIn) -> None:
    speech = {"model": "tts-1", "input": "x", "voice": "alloy"}
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhi\r\n--b--\r\n'
    multipart = {**GATEWAY_AUTH, "Content-Type": "multipart/form-data; boundary=b"}
    spoken = ask(standin.gateway_url, "POST", "/v1/audio/speech", speech, GATEWAY_AUTH)
    uploaded = ask(standin.gateway_url, "POST", "/v1/files", form, multipart)
    removed = ask(standin.gateway_url, "DELETE", f"/v1/files/{uploaded.json['id']}", headers=GATEWAY_AUTH)
    for answer in (spoken, uploaded, removed):
        assert answer.status == 200
        assert answer.header("helicone-id") is None
    assert standin.ledger.rows == []
    assert ask(standin.gateway_url, "GET", "/v1/files", headers=GATEWAY_AUTH).request_id


@pytest.mark.parametrize(
    ("headers", "path", "logged"),
    [
        ({"Helicone-Auth": f"Bearer {DEMO_KEY}", "Authorization": "Bearer sk-openai"}, "/v1", True),
        ({"Authorization": f"Bearer {DEMO_KEY}"}, "/v1", True),
        ({"x-api-key": DEMO_KEY}, "/v1", True),
        ({}, f"/{DEMO_KEY}/v1", True),
        ({}, "/v1", False),
        ({"Authorization": "Bearer sk-openai"}, "/v1", False),
        ({"Helicone-Auth": "Bearer sk-helicone-unknown-unknown-unknown-unknown"}, "/v1", False),
        ({"Helicone-Auth": "Bearer wrong", "Authorization": f"Bearer {DEMO_KEY}"}, "/v1", False),
    ],
)
def test_a_call_is_proxied_with_any_key_and_logged_with_helicones(
    standin: StandIn, headers: dict[str, str], path: str, logged: bool
) -> None:
    answer = ask(standin.gateway_url, "POST", f"{path}/chat/completions", CHAT, headers)
    assert answer.status == 200
    assert answer.request_id
    assert bool(standin.ledger.rows) is logged


def test_a_row_tells_what_the_headers_said(standin: StandIn) -> None:
    headers = {
        "Helicone-User-Id": "ada",
        "Helicone-Property-Environment": "Production",
        "Helicone-Session-Id": "s-1",
        "Helicone-Prompt-Id": "greeting",
        "Referer": "https://example.org/",
    }
    chat(standin.gateway_url, headers, stream=True)
    row = standin.ledger.rows[0]
    assert (row.user_id, row.prompt_id, row.referrer) == ("ada", "greeting", "https://example.org/")
    assert row.properties == {"environment": "Production", "Helicone-Session-Id": "s-1"}
    assert row.completion_tokens > 10
    assert row.finished_at > row.created_at


def test_an_answer_is_ingested_the_delay_after_its_last_byte(start: StartStandIn) -> None:
    standin = start(StandInSettings(ingestion_delay_seconds=0.3, token_interval_seconds=0.002))
    request_id = chat(standin.gateway_url, stream=True).request_id
    assert standin.ledger.find("org-demo", request_id) is None
    time.sleep(0.35)
    assert standin.ledger.find("org-demo", request_id) is not None


def test_a_client_that_leaves_is_logged_with_status_minus_3(start: StartStandIn) -> None:
    standin = start(StandInSettings(token_interval_seconds=0.05))
    parts = urlsplit(standin.gateway_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": True}), GATEWAY_AUTH)
    response = connection.getresponse()
    response.read(100)
    left_at = time.monotonic()
    response.close()
    connection.close()
    received = standin.gateway.last
    assert received.ended.wait(5)
    assert received.left_at is not None
    assert received.left_at - left_at < 0.5
    assert [row.status for row in standin.ledger.rows] == [-3]


def test_the_journal_keeps_names_order_and_bytes_as_they_came(standin: StandIn) -> None:
    parts = urlsplit(standin.gateway_url)
    body = b'{"model":"m","messages":[]}'
    with socket.create_connection((parts.hostname, parts.port)) as wire:
        wire.sendall(
            b"POST /v1//chat%2Fcompletions?a=%zz& HTTP/1.1\r\n"
            b"HOST: x\r\nX-Twice: 1\r\nx-tWICE: 2\r\nX-Raw: \xe9\r\n"
            b"Content-Length: 27\r\nConnection: close\r\n\r\n" + body
        )
        assert wire.makefile("rb").read().startswith(b"HTTP/1.1 404")
    received = standin.gateway.last
    assert received.target == "/v1//chat%2Fcompletions?a=%zz&"
    assert received.headers[:4] == (
        (b"HOST", b"x"),
        (b"X-Twice", b"1"),
        (b"x-tWICE", b"2"),
        (b"X-Raw", b"\xe9"),
    )
    assert received.values("X-TWICE") == ["1", "2"]
    assert (received.body, received.body_complete) == (body, True)
    assert received.body_sha256 == hashlib.sha256(body).hexdigest()


def test_a_journal_can_be_waited_for(standin: StandIn) -> None:
    chat(standin.gateway_url)
    found = standin.gateway.wait_for(lambda received: received.method == "POST")
    assert [received.target for received in found] == ["/v1/chat/completions"]
    with pytest.raises(TimeoutError):
        standin.gateway.wait_for(count=2, timeout_seconds=0.01)


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"n": 2}])
def test_a_seed_gives_equal_bytes_on_two_stand_ins(start: StartStandIn, fields: dict[str, object]) -> None:
    seed = {"X-Demo-Seed": "42"}
    one, two = (start(StandInSettings(token_interval_seconds=0.0)) for _ in range(2))
    chat(two.gateway_url)
    first = chat(one.gateway_url, seed, **fields).body
    assert chat(two.gateway_url, seed, **fields).body == first
    assert chat(one.gateway_url, {"X-Demo-Seed": "43"}, **fields).body != first


def test_without_a_seed_equal_calls_have_different_ids(standin: StandIn) -> None:
    assert chat(standin.gateway_url).json["id"] != chat(standin.gateway_url).json["id"]


def test_an_answer_is_compressed_for_a_client_that_takes_it(standin: StandIn) -> None:
    headers = {**GATEWAY_AUTH, "Accept-Encoding": "gzip", "X-Demo-Seed": "1"}
    path = "/v1/chat/completions?gzip=1"
    whole = ask(standin.gateway_url, "POST", path, CHAT, headers)
    streamed = ask(standin.gateway_url, "POST", path, {**CHAT, "stream": True}, headers)
    assert whole.header("content-encoding") == streamed.header("content-encoding") == "gzip"
    assert int(whole.header("content-length") or 0) == len(whole.body)
    assert json.loads(gzip.decompress(whole.body))["object"] == "chat.completion"
    assert gzip.decompress(streamed.body).endswith(b"data: [DONE]\n\n")
    refused = ask(standin.gateway_url, "POST", path, CHAT, {"Accept-Encoding": "identity"})
    assert refused.header("content-encoding") is None


def test_a_compressed_stream_is_flushed_event_by_event(start: StartStandIn) -> None:
    standin = start(StandInSettings(token_interval_seconds=0.02, gzip=True))
    parts = urlsplit(standin.gateway_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps({**CHAT, "stream": True}), {"Accept-Encoding": "gzip"}
    )
    response = connection.getresponse()
    inflate = zlib.decompressobj(wbits=31)
    first = inflate.decompress(response.read1(4096))
    assert first.startswith(b"data: ")
    assert b"[DONE]" not in first
    connection.close()


def test_a_compressed_request_body_is_not_understood_as_at_the_real_gateway(standin: StandIn) -> None:
    body = gzip.compress(json.dumps(CHAT).encode())
    answer = ask(standin.gateway_url, "POST", "/v1/chat/completions", body, {"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert standin.gateway.last.body == body


def test_an_http_1_0_client_gets_a_stream_that_ends_with_the_connection(standin: StandIn) -> None:
    parts = urlsplit(standin.gateway_url)
    body = json.dumps({**CHAT, "stream": True}).encode()
    with socket.create_connection((parts.hostname, parts.port)) as wire:
        wire.sendall(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head, _, rest = wire.makefile("rb").read().partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert rest.startswith(b"data: ")
    assert rest.endswith(b"data: [DONE]\n\n")


def test_the_health_check_is_helicones_own(standin: StandIn) -> None:
    answer = ask(standin.gateway_url, "GET", "/healthcheck")
    assert (answer.status, answer.header("helicone-id")) == (200, None)


def test_the_workers_own_feedback_route_relays_to_the_api(standin: StandIn) -> None:
    chat(standin.gateway_url, {"Helicone-Request-Id": OWN_ID.lower()})
    body = {"helicone-id": OWN_ID.lower(), "rating": False}
    answer = ask(standin.gateway_url, "POST", "/v1/feedback", body, GATEWAY_AUTH)
    assert answer.status == 200
    assert answer.json == {"message": "Feedback added successfully.", "helicone_id": OWN_ID.lower()}
    assert answer.header("helicone-id") is None
    assert standin.ledger.rating_of(OWN_ID) is False


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "invalid auth key"),
        ({"Helicone-Auth": DEMO_KEY}, "Must included Bearer in API Key"),
        ({"Helicone-Auth": "Bearer hello"}, "API Key is not well formed"),
    ],
)
def test_the_workers_feedback_route_refuses_a_key_in_plain_text(
    standin: StandIn, headers: dict[str, str], said: str
) -> None:
    answer = rated(standin, headers)
    assert (answer.status, answer.body.decode()) == (401, said)


def test_the_workers_feedback_route_makes_a_500_of_whatever_the_api_refuses(standin: StandIn) -> None:
    unknown = rated(standin, {"Helicone-Auth": "Bearer sk-helicone-unknown-unknown-unknown-unknown"})
    no_uuid = ask(
        standin.gateway_url, "POST", "/v1/feedback", {"helicone-id": "x", "rating": True}, GATEWAY_AUTH
    )
    assert (unknown.status, no_uuid.status) == (500, 500)
    assert unknown.body.startswith(b"error ")
    assert b"must be a valid UUID" in no_uuid.body


def test_a_client_that_waits_for_100_continue_gets_it(standin: StandIn) -> None:
    parts = urlsplit(standin.gateway_url)
    body = json.dumps(CHAT).encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as wire:
        wire.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert wire.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(body)
        assert wire.makefile("rb").read().startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_upload_that_breaks_off_is_noted_and_nothing_is_logged_as_an_error(
    standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    parts = urlsplit(standin.gateway_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as wire:
        wire.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nstart")
        received = standin.gateway.wait_for()[0]
    assert received.left.wait(5)
    assert received.ended.wait(5)
    assert not received.body_complete
    assert caplog.records == []


def test_a_websocket_anywhere_else_is_a_500_as_on_the_workers_hosts(standin: StandIn) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    assert ask(standin.gateway_url, "GET", "/v1/chat/completions", headers=headers).status == 500
