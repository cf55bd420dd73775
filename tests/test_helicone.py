"""The vendor's facts as functions, and its API's refusals as sentences: every row of the table, over HTTP."""

import asyncio
import contextlib
import socket
import time
import traceback
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest

from harness.benches import AT_ONCE, Bench, StartBench, error_of
from harness.loops import LoopThread
from harness.standins import running_standin
from harness.upstreams import StartUpstream, UpstreamWire, answering
from proxy import helicone
from proxy.demo import (
    DEMO_KEY,
    DEMO_ORGANISATION,
    ApiFault,
    StandIn,
    StandInSettings,
    invalid_token,
    too_many_requests,
)
from proxy.errors import (
    HeliconeBusy,
    HeliconeError,
    HeliconeRejected,
    HeliconeTimeout,
    HeliconeUnauthorized,
    HeliconeUnreachable,
)
from proxy.helicone import HeliconeApi

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER_KEY = "sk-helicone-canaryx-canaryx-canaryx-canaryx"
EU_KEY = "sk-helicone-eu-canaryx-canaryx-canaryx-canaryx"


# -- ids


@pytest.mark.parametrize("version", "12345")
@pytest.mark.parametrize("variant", "89ab")
def test_uuids_of_version_1_to_5_are_ids(version: str, variant: str) -> None:
    text = f"0b50d0d5-6a8d-{version}f9e-{variant}d43-6f4f5f3a2b10"
    assert helicone.valid_request_id(text) == text


def test_an_upper_case_id_is_taken_in_lower_case() -> None:
    assert helicone.valid_request_id(ID.upper()) == ID
    assert helicone.valid_request_id(ID.title()) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last",
        "ticket-1",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "1ef21d2f-1207-6660-8c4f-419efbd44d48",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "320c3d4d-cc00-875b-8ec9-32d5f69181c0",
        "0b50d0d5-6a8d-0f9e-8d43-6f4f5f3a2b10",
        "0b50d0d5-6a8d-4f9e-7d43-6f4f5f3a2b10",
        "0b50d0d5-6a8d-4f9e-cd43-6f4f5f3a2b10",
        "0b50d0d56a8d4f9e8d436f4f5f3a2b10",
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID} ",
        f"{ID}\n",
        f"{ID}, {ID}",
        ID[:-1],
        f"{ID}0",
        ID.replace("0", "g", 1),
        ID.replace("0", "０", 1),
        ID.replace("d", "ď", 1),
    ],
)
def test_nothing_else_is_an_id(text: str) -> None:
    assert helicone.valid_request_id(text) is None


def test_no_other_script_becomes_an_id_by_being_put_into_lower_case() -> None:
    # U+212A lowers to `k`; that none lowers to a hexadecimal digit is what this says.
    lowered = {chr(point) for point in range(0x80, 0x11000) if chr(point).lower() in "0123456789abcdef"}
    assert lowered == set()


# -- regions and hosts


@pytest.mark.parametrize(
    ("key", "url"),
    [
        (None, "https://api.helicone.ai"),
        (OTHER_KEY, "https://api.helicone.ai"),
        (EU_KEY, "https://eu.api.helicone.ai"),
        ("pk-helicone-eu-cp-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa", "https://eu.api.helicone.ai"),
        ("sk-abc-helicone", "https://api.helicone.ai"),
    ],
)
def test_the_api_is_that_of_the_keys_region(key: str | None, url: str) -> None:
    assert helicone.api_url_for(key) == url


@pytest.mark.parametrize(
    "host",
    [
        "oai.helicone.ai",
        "OAI.Helicone.AI",
        "ai-gateway.helicone.ai",
        "helicone.ai",
        "oai.hconeai.com",
        "oai.us.hconeai.com",
    ],
)
def test_helicones_hosts_are_known(host: str) -> None:
    assert helicone.is_gateway_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evilhelicone.ai",
        "helicone.ai.evil.test",
        "oai.helicone.ai.",
        "helicone.ai.",
        "helicone.com",
        "oai-helicone.ai",
        "oai.helicone.ai:443",
        "oai.helicone.ai@evil.test",
        "xhconeai.com",
        "api.openai.com",
        "localhost",
    ],
)
def test_no_other_host_passes_for_helicones(host: str) -> None:
    assert not helicone.is_gateway_host(host)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/audio/transcriptions",
        b"/v1/audio/speech",
        b"/openai/deployments/x/audio/translations",
        b"/v1/files",
        b"/v1/files/file-1",
        b"/v1/files/file-1/content",
        b"/v1/gateway/oai/v1/files",
        b"/myaudiobooks",
    ],
)
def test_paths_that_helicone_passes_raw_are_known(path: bytes) -> None:
    assert helicone.is_passed_raw(path)


@pytest.mark.parametrize(
    "path",
    [b"/v1/chat/completions", b"/v1/responses", b"/v1/messages", b"/v1/embeddings", b"/v1/models", b"/", b""],
)
def test_all_others_are_read_by_helicone(path: bytes) -> None:
    assert not helicone.is_passed_raw(path)


# -- which key a caller sent


@pytest.mark.parametrize(
    ("fields", "path", "key"),
    [
        ({}, b"/v1/chat/completions", None),
        ({b"helicone-auth": b"Bearer " + OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({b"helicone-auth": b"bearer  " + OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({b"helicone-auth": b"Bearer anything-at-all"}, b"/", "anything-at-all"),
        ({b"helicone-auth": b"Basic xxx"}, b"/", None),
        ({b"helicone-auth": b""}, b"/", None),
        ({b"authorization": b"Bearer " + OTHER_KEY.encode()}, b"/", OTHER_KEY),
        (
            {b"authorization": b"Bearer pk-helicone-eu-cp-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"},
            b"/",
            "pk-helicone-eu-cp-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa",
        ),
        (
            {b"authorization": b"Bearer sk-helicone-rl-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"},
            b"/",
            "sk-helicone-rl-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa",
        ),
        ({b"authorization": b"Bearer sk-proj-abc"}, b"/", None),
        ({b"authorization": b"Bearer sk-my-helicone-key"}, b"/", None),
        ({b"x-api-key": OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({b"x-api-key": b"sk-ant-api03-xyz"}, b"/", None),
        ({b"authorization": b"Bearer sk-proj-abc", b"x-api-key": OTHER_KEY.encode()}, b"/", OTHER_KEY),
        ({}, b"/" + OTHER_KEY.encode() + b"/v1/chat/completions", OTHER_KEY),
        ({}, b"/" + OTHER_KEY.encode(), OTHER_KEY),
        ({}, b"/v1/sk-helicone", None),
        ({b"helicone-auth": b"Bearer first"}, b"/" + OTHER_KEY.encode() + b"/v1", "first"),
        (
            {b"helicone-auth": b"Bearer first", b"authorization": b"Bearer " + OTHER_KEY.encode()},
            b"/",
            "first",
        ),
    ],
)
def test_the_callers_own_key_is_found_where_helicone_reads_it(
    fields: dict[bytes, bytes], path: bytes, key: str | None
) -> None:
    assert helicone.caller_key(fields, path) == key


# -- the API, spoken to directly


@pytest.fixture
def standin(sound_loop: LoopThread, scope: contextlib.ExitStack) -> StandIn:
    return scope.enter_context(running_standin(sound_loop, AT_ONCE))


def with_api(
    loop: LoopThread, url: str, *, key: str = DEMO_KEY, request_id: str = ID, timeout_seconds: float = 10
) -> int:
    """Rate through a session of its own."""

    async def rate() -> int:
        async with aiohttp.ClientSession() as session:
            api = HeliconeApi(session, url, timeout_seconds=timeout_seconds)
            return await api.rate(request_id, up=True, key=key)

    work: Coroutine[Any, Any, int] = rate()
    return loop.run(work)


def test_a_rating_is_posted_as_helicone_wants_it(loop: LoopThread, standin: StandIn) -> None:
    assert with_api(loop, standin.api_url) == 201
    received = standin.api.last
    assert (received.method, received.target) == ("POST", f"/v1/request/{ID}/feedback")
    assert received.body == b'{"rating": true}'
    assert received.header("authorization") == f"Bearer {DEMO_KEY}"
    assert received.header("content-type") == "application/json"


@pytest.mark.parametrize("base", ["/", "/jawn", "/jawn/"])
def test_an_api_below_a_path_is_asked_there(loop: LoopThread, standin: StandIn, base: str) -> None:
    with contextlib.suppress(HeliconeError):
        with_api(loop, standin.api_url + base)
    assert standin.api.last.target == f"{base.rstrip('/')}/v1/request/{ID}/feedback"


FAULTS: list[tuple[ApiFault, type[HeliconeError]]] = [
    (
        ApiFault(status=401, body='{"error":"No API key found","trace":"isAuthenticated.error"}'),
        HeliconeUnauthorized,
    ),
    (ApiFault(status=401, body='{"error":null,"trace":"isAuthenticated.error"}'), HeliconeUnauthorized),
    (ApiFault(status=403, body=""), HeliconeUnauthorized),
    (invalid_token(), HeliconeUnauthorized),
    (ApiFault(status=422, body='{"message":"Validation Failed","details":{}}'), HeliconeRejected),
    (
        ApiFault(status=500, body='{"data":null,"error":"Invalid requestId: must be a valid UUID"}'),
        HeliconeRejected,
    ),
    (too_many_requests(77), HeliconeBusy),
    (ApiFault(status=500), HeliconeError),
    (ApiFault(status=502, body="<html>", content_type="text/html"), HeliconeError),
    (ApiFault(status=524, body="\xff" * 100_000, content_type="text/html"), HeliconeError),
    (ApiFault(status=400, body='{"error":"something else"}'), HeliconeError),
    (ApiFault(status=404, body="<pre>Cannot POST</pre>", content_type="text/html"), HeliconeError),
    (ApiFault(status=302, headers=(("Location", "http://127.0.0.1:9/elsewhere"),)), HeliconeError),
    (ApiFault(reset=True), HeliconeUnreachable),
    (ApiFault(silent=True), HeliconeTimeout),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
def test_no_error_shows_the_key_however_it_is_printed(
    loop: LoopThread, standin: StandIn, fault: ApiFault, kind: type[HeliconeError]
) -> None:
    standin.faults.api.next(fault)
    with pytest.raises(HeliconeError) as caught:
        with_api(loop, standin.api_url, key=OTHER_KEY, timeout_seconds=0.3 if fault.silent else 10)
    error = caught.value
    assert type(error) is kind
    assert error.__cause__ is None
    printed = "".join(traceback.format_exception(error))
    for shown in (error.message, str(error), repr(error), printed):
        assert "canaryx" not in shown
        assert "Bearer" not in shown


def test_the_api_shows_no_key_of_itself(loop: LoopThread) -> None:
    async def shown() -> str:
        async with aiohttp.ClientSession() as session:
            return repr(HeliconeApi(session, "http://127.0.0.1:9/", timeout_seconds=1))

    assert loop.run(shown()) == "<HeliconeApi http://127.0.0.1:9>"


# -- the table, as the one who rates sees it


def outcome(bench: Bench, fault: ApiFault) -> tuple[int, str, str]:
    """What a rating becomes when Helicone's API fails like that."""
    bench.standin.faults.api.next(fault)
    return error_of(bench.rate(f"/feedback/{ID}"))


@pytest.mark.parametrize(
    "fault",
    [
        ApiFault(status=401, body='{"error":"No API key found","trace":"isAuthenticated.error"}'),
        ApiFault(status=401, body='{"error":null,"trace":"isAuthenticated.error"}'),
        ApiFault(status=403, body=""),
        invalid_token(),
    ],
)
def test_a_refused_key_names_key_permission_and_region(bench: Bench, fault: ApiFault) -> None:
    status, code, sentence = outcome(bench, fault)
    assert (status, code) == (502, "helicone_unauthorized")
    assert str(fault.status) in sentence
    for word in (
        "HELICONE_API_KEY",
        "permission",
        "region",
        "api_url",
        bench.standin.api_url,
        "not recorded",
    ):
        assert word in sentence
    assert "not European" in sentence


def test_a_european_key_at_the_wrong_api_is_called_one(start_bench: StartBench) -> None:
    bench = start_bench()
    bench.chat(b"Helicone-Auth: Bearer " + EU_KEY.encode())
    status, code, sentence = error_of(bench.rate())
    assert (status, code) == (502, "helicone_unauthorized")
    assert "a European key" in sentence
    assert "canaryx" not in sentence


def test_a_key_that_may_not_write_is_refused_with_that_hint(start_bench: StartBench) -> None:
    settings = StandInSettings(keys={DEMO_KEY: DEMO_ORGANISATION}, read_only_keys=frozenset({DEMO_KEY}))
    status, code, sentence = error_of(start_bench(settings).rate(f"/feedback/{ID}"))
    assert (status, code) == (502, "helicone_unauthorized")
    assert "may not write" in sentence


@pytest.mark.parametrize(
    "fault",
    [
        ApiFault(status=422, body='{"message":"Validation Failed","details":{}}'),
        ApiFault(status=500, body='{"data":null,"error":"Invalid requestId: must be a valid UUID"}'),
    ],
)
def test_a_refused_form_is_called_our_bug(bench: Bench, fault: ApiFault) -> None:
    status, code, sentence = outcome(bench, fault)
    assert (status, code) == (502, "helicone_rejected")
    assert "bug of helicone-feedback-proxy" in sentence
    assert "report" in sentence


def test_the_rate_limit_is_given_on_with_its_time(bench: Bench) -> None:
    bench.standin.faults.api.next(too_many_requests(77))
    answer = bench.rate(f"/feedback/{ID}")
    status, code, sentence = error_of(answer)
    assert (status, code) == (429, "helicone_rate_limited")
    assert answer.value(b"retry-after") == b"77"
    assert "in 77 s" in sentence


def test_the_real_limiters_time_is_given_on_too(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(api_budget=1, api_window_seconds=60))
    assert bench.rate(f"/feedback/{ID}").status == 200
    answer = bench.rate(f"/feedback/{ID}")
    assert error_of(answer)[:2] == (429, "helicone_rate_limited")
    assert 0 < int(answer.value(b"retry-after") or b"") <= 60


@pytest.mark.parametrize("value", ["", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", "٣"])
def test_a_time_that_is_no_number_is_left_out(bench: Bench, value: str) -> None:
    bench.standin.faults.api.next(ApiFault(status=429, body="", headers=(("Retry-After", value),)))
    answer = bench.rate(f"/feedback/{ID}")
    status, code, sentence = error_of(answer)
    assert (status, code) == (429, "helicone_rate_limited")
    assert answer.value(b"retry-after") is None
    assert "few minutes" in sentence


@pytest.mark.parametrize("failure", [400, 404, 500, 502, 503, 504, 524])
def test_any_other_refusal_says_that_nothing_is_recorded(bench: Bench, failure: int) -> None:
    status, code, sentence = outcome(bench, ApiFault(status=failure))
    assert (status, code) == (502, "helicone_error")
    assert str(failure) in sentence
    assert "not recorded: send it again" in sentence


@pytest.mark.parametrize("failure", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_key(
    bench: Bench, start_upstream: StartUpstream, failure: int
) -> None:
    elsewhere = start_upstream(answering(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"))
    place = ("Location", f"{elsewhere.url}/v1/request/{ID}/feedback")
    status, code, sentence = outcome(bench, ApiFault(status=failure, headers=(place,)))
    assert (status, code) == (502, "helicone_error")
    assert "redirect" in sentence
    assert "api_url" in sentence
    assert elsewhere.connections == []


def test_a_reset_connection_is_helicone_unreachable(bench: Bench) -> None:
    status, code, sentence = outcome(bench, ApiFault(reset=True))
    assert (status, code) == (502, "helicone_unreachable")
    assert "not recorded: send it again" in sentence
    assert len(bench.posted) == 1


def test_an_api_that_refuses_connections_is_helicone_unreachable(start_bench: StartBench) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        status, code, sentence = error_of(start_bench(**{"helicone.api_url": url}).rate(f"/feedback/{ID}"))
    assert (status, code) == (502, "helicone_unreachable")
    assert url in sentence
    assert "not recorded: send it again" in sentence


def test_an_api_whose_name_is_unknown_is_helicone_unreachable(start_bench: StartBench) -> None:
    bench = start_bench(**{"helicone.api_url": "http://no-such-host.invalid"})
    status, code, _ = error_of(bench.rate(f"/feedback/{ID}"))
    assert (status, code) == (502, "helicone_unreachable")


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 2", b"\x15\x03\x01\x00\x02\x02\x46"]
)
def test_an_answer_that_is_no_http_is_helicone_unreachable(
    start_bench: StartBench, start_upstream: StartUpstream, said: bytes
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(said)

    bench = start_bench(**{"helicone.api_url": start_upstream(script).url})
    status, code, sentence = error_of(bench.rate(f"/feedback/{ID}"))
    assert (status, code) == (502, "helicone_unreachable")
    assert "not recorded: send it again" in sentence


def test_a_refusal_that_comes_in_pieces_is_understood(
    start_bench: StartBench, start_upstream: StartUpstream
) -> None:
    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\nInvalid to")
        time.sleep(0.1)
        connection.send(b"ken.")

    bench = start_bench(**{"helicone.api_url": start_upstream(script).url})
    assert error_of(bench.rate(f"/feedback/{ID}"))[:2] == (502, "helicone_unauthorized")


def test_an_api_that_is_silent_is_a_timeout(start_bench: StartBench) -> None:
    bench = start_bench(**{"helicone.timeout_seconds": 0.3})
    status, code, sentence = outcome(bench, ApiFault(silent=True))
    assert (status, code) == (504, "helicone_timeout")
    assert "within 0.3 s" in sentence
    assert "not recorded: send it again" in sentence


def test_after_a_failure_the_next_rating_goes_through(bench: Bench) -> None:
    request_id = bench.chat().value(b"feedback-id")
    for fault in (ApiFault(reset=True), ApiFault(status=500), too_many_requests(1)):
        bench.standin.faults.api.next(fault)
        assert bench.rate().status in (429, 502)
    assert bench.get("/feedback/last").body.find(b'"rating": null') > 0
    assert bench.rate().status == 200
    assert bench.standin.ledger.rating_of((request_id or b"").decode()) is True


def test_no_rating_is_sent_twice_by_itself(bench: Bench) -> None:
    for fault in (ApiFault(reset_after_work=True), ApiFault(reset=True), ApiFault(status=503)):
        bench.standin.api.clear()
        outcome(bench, fault)
        assert len(bench.posted) == 1


def test_a_proxy_in_the_environment_is_not_asked(
    loop: LoopThread, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert with_api(loop, standin.api_url) == 201


def test_many_ratings_at_once_all_arrive(bench: Bench) -> None:
    async def rate_all() -> list[int]:
        address = f"http://127.0.0.1:{bench.sidecar.sidecar.port}/feedback/{ID}"
        async with aiohttp.ClientSession() as session:

            async def rate() -> int:
                async with session.post(address, data=b"rating=up") as answer:
                    return answer.status

            return await asyncio.gather(*(rate() for _ in range(40)))

    assert bench.sidecar._loop.run(rate_all()) == [200] * 40
    assert len(bench.posted) == 40
