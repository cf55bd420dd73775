"""Keys, prompts and bodies are in no log line, no answer of ours and no repr, whatever goes wrong."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, id_of, request
from harness.crashes import MortalSidecar, running_mortal
from harness.loops import LoopThread
from harness.programs import run_command
from harness.sidecars import StartSidecar
from harness.standins import running_standin
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import wait_until
from proxy.demo import ApiFault, GatewayFault, StandIn, StandInSettings, invalid_token, too_many_requests

OWN_KEY = "sk-helicone-canary1-canary1-canary1-canary1"
APPS_KEY = "sk-helicone-canary2-canary2-canary2-canary2"
PROVIDER_KEY = "sk-proj-canary3"
PROMPT = "canary4 is what I asked"
UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"

KNOWN_TO_STANDIN = StandInSettings(
    keys={OWN_KEY: "ours", APPS_KEY: "apps"}, ingestion_delay_seconds=0.0, token_interval_seconds=0.0005
)
LINES = (
    JSON,
    b"Authorization: Bearer " + PROVIDER_KEY.encode(),
    b"Cookie: session=canary5",
    b"X-Trace: canary5",
    b"Helicone-User-Id: Bearer sk-canary8",
    b"Helicone-Property-Token: pk-canary8",
    b"User-Agent: app (sk-canary8)",
)


def chats(bench: Bench) -> Iterator[bytes]:
    """Calls of every kind; gives nothing but what we ourselves have said to them."""
    body = chat_body(messages=[{"role": "user", "content": PROMPT}])
    own = b"Helicone-Auth: Bearer " + APPS_KEY.encode()
    for fault in (
        GatewayFault(),
        GatewayFault(status=500),
        GatewayFault(die_before_head=True),
        GatewayFault(die_after_bytes=10),
        GatewayFault(not_logged=True, drop_helicone_id=True),
    ):
        for target, lines in (
            ("/v1/chat/completions?key=AIza-canary6", LINES),
            ("/v1/chat/completions?key=AIza-canary6", (*LINES, own)),
            (f"/{APPS_KEY}/v1/chat/completions", LINES),
            ("/v1/chat/completions", (*LINES, b"Helicone-Request-Id: sk-canary7")),
            ("/v1/audio/speech?canary6", LINES),
        ):
            bench.standin.faults.gateway.next(fault)
            client = bench.sidecar.connect()
            client.send(request("POST", target, body, *lines))
            said = client.read_to_end() if fault.die_after_bytes else client.read_answer().head
            client.close()
            yield re.sub(rb"(?i)helicone-id: sk-canary7", b"", said)


def ratings(bench: Bench) -> Iterator[bytes]:
    """Ratings that go wrong in every way."""
    for fault in (
        ApiFault(),
        ApiFault(status=401, body=f'{{"error": "{OWN_KEY}"}}'),
        ApiFault(status=403, body=OWN_KEY),
        invalid_token(),
        ApiFault(status=422, body=json.dumps({"details": PROMPT})),
        ApiFault(status=500, body=f"must be a valid UUID {OWN_KEY}"),
        ApiFault(status=500, body=PROMPT, headers=(("X-Echo", OWN_KEY),)),
        ApiFault(status=302, headers=(("Location", f"http://127.0.0.1:9/?{OWN_KEY}"),)),
        too_many_requests(1),
        ApiFault(reset=True),
    ):
        for target in ("/feedback/last", f"/feedback/{UNKNOWN}"):
            bench.standin.faults.api.next(fault)
            yield bench.rate(target, b"rating=up", *LINES[1:]).body


def refusals(bench: Bench) -> Iterator[bytes]:
    """What never gets as far as Helicone."""
    for target in (
        "/feedback/last?canary6=1",
        "/feedback/last?back=canary6",
        "/feedback/last?user=sk-canary6",
        "/feedback/last?property.Token=pk-canary6",
        f"/feedback/{PROVIDER_KEY}",
        f"/feedback/{APPS_KEY}/x",
        "/feedback?limit=canary6",
        "/feedback/last?rating=up&key=canary6",
        "/feedback/last?rating=up&wait=canary6",
        "/feedback/last?rating=up&hold=canary6",
        "/feedback/outbox?state=canary6",
        "/feedback/batch",
        "/feedback/outbox/retry?canary6",
    ):
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            yield bench.ask(method, target, b"", *LINES).body
    for line in (b"Host: attacker.test", b"Origin: http://attacker.test/canary5", b"Sec-Fetch-Site: canary5"):
        yield bench.ask("POST", "/feedback/last", b"{}", *LINES, line).body
        yield bench.ask("POST", "/v1/chat/completions", chat_body(), *LINES, line).body
    for body in (
        PROMPT.encode(),
        json.dumps({"prompt": PROMPT}).encode(),
        b'{"rating": "',
        b"\xff" + PROMPT.encode(),
        json.dumps({"comment": f"{PROMPT}\x00"}).encode(),
        json.dumps({"rating": True, "rater": PROMPT * 20, "tags": [f"{PROMPT},"]}).encode(),
        json.dumps({"scores": {"tone": PROMPT}}).encode(),
        json.dumps({"scores": {OWN_KEY: 1.5}}).encode(),
    ):
        # A word that is no rating may be quoted back to the one who typed it.
        yield bench.rate("/feedback/last", body, *LINES).body.replace(b'\\"canary4 is what I asked\\"', b"")
    yield bench.rate("/feedback/last", PROMPT.encode() * 10_000, *LINES).body
    items = [{"id": OWN_KEY, "rating": True}, {"id": PROMPT}, {"rating": PROMPT * 9}, {OWN_KEY: 1}, PROMPT]
    yield bench.rate("/feedback/batch", json.dumps(items).encode(), *LINES).body.replace(
        b"canary4 is what I", b""
    )
    yield bench.rate("/feedback/outbox/retry", json.dumps({"id": OWN_KEY}).encode(), *LINES).body
    yield bench.rate("/feedback/last", b"rating=up", *LINES, b"Idempotency-Key: canary 8").body


def test_no_secret_is_in_any_log_line_any_answer_of_ours_or_any_repr(
    start_bench: StartBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for log_format in ("text", "json"):
        bench = start_bench(KNOWN_TO_STANDIN, **{"helicone.api_key": OWN_KEY, "log.format": log_format})
        said = [*chats(bench), *ratings(bench), *refusals(bench)]
        said += [
            bench.get(target).body
            for target in (
                "/feedback?limit=1000",
                "/feedback/last",
                "/feedback/health",
                "/feedback/outbox?history=true",
            )
        ]
        wait_until(lambda bench=bench: bench.sidecar.log.count("\n") >= 25, "all calls are logged")  # type: ignore[misc]
        running = bench.sidecar.sidecar
        shown = [
            repr(each)
            for each in (
                running,
                running.settings,
                running.parts.door,
                running.parts.store,
                *running.parts.pools.values(),
                running.parts.guard,
            )
        ]
        logged = [bench.sidecar.log, *(caplog.handler.format(record) for record in caplog.records)]
        for text in [*(each.decode("utf-8", "replace") for each in said), *shown, *logged]:
            assert "canary" not in text, text


def rated_in_every_way(person: MortalSidecar, standin: StandIn) -> Iterator[tuple[str, str]]:
    """Calls under our own key and under the app's, with ratings of every fate: states, and the answers' texts."""
    own = b"Helicone-Auth: Bearer " + APPS_KEY.encode()
    body = chat_body(messages=[{"role": "user", "content": PROMPT}])
    for state, lines, fault in (
        ("verified", LINES, None),
        ("verified", (*LINES, own), None),
        ("refused", LINES, ApiFault(status=422, body=json.dumps({"details": f"{PROMPT} {OWN_KEY}"}))),
        ("refused", (*LINES, own), ApiFault(status=500, body=f"must be a valid UUID {APPS_KEY}")),
        ("paused", (*LINES, own), ApiFault(status=401, body=f'{{"error": "{APPS_KEY}"}}')),
        ("queued", LINES, ApiFault(status=500, body=f"{PROMPT} {OWN_KEY}")),
    ):
        answer = person.ask("POST", "/v1/chat/completions", body, *lines)
        request_id = id_of(answer)
        if fault is not None:
            standin.faults.api.next(*[replace(fault, path=f"/v1/request/{request_id}")] * 20)
        said = json.dumps({"rating": True, "comment": "fine", "scores": {"tone": 3}}).encode()
        assert person.ask("POST", f"/feedback/{request_id}?wait=queued", said, *LINES).status == 202
        wait_until(lambda: person.shown(request_id)["state"] == state, f"it is {state}")  # noqa: B023
        if state == "queued":
            wait_until(lambda: person.shown(request_id)["failures"] > 0, "it has failed")  # noqa: B023
        yield state, json.loads(answer.body)["choices"][0]["message"]["content"]


def test_no_secret_is_in_the_outbox_file_in_a_damaged_copy_of_it_or_in_an_export(
    loop: LoopThread, tmp_path: Path
) -> None:
    secrets = {"canary"}
    shown: list[str] = []

    def look(person: MortalSidecar) -> None:
        shown.extend(content.decode("utf-8", "replace") for content in person.files().values())
        shown.extend(
            person.ask("GET", target).body.decode()
            for target in ("/feedback/outbox?history=true", "/feedback/health", "/feedback")
        )
        exported = run_command(
            "outbox", "export", env={"HELICONE_PROXY_URL": f"http://127.0.0.1:{person.port}"}
        )
        assert exported.returncode == 0, exported.stderr
        assert {json.loads(line)["state"] for line in exported.stdout.splitlines()} <= states
        assert exported.stdout.count("\n") > 2
        shown.extend((exported.stdout, exported.stderr))

    with (
        running_standin(loop, KNOWN_TO_STANDIN) as standin,
        running_mortal(standin, tmp_path, key=OWN_KEY) as person,
    ):
        fates = list(rated_in_every_way(person, standin))
        states = {state for state, _ in fates}
        assert states == {"verified", "refused", "paused", "queued"}
        secrets |= {text for _, text in fates}
        look(person)
        assert "outbox.db-wal" in person.files()
        assert person.stop() == 0

        content = bytearray(person.file.read_bytes())
        content[-4096:] = b"\xff" * 4096
        person.file.write_bytes(content)
        person.start()
        person.wait_until_up()
        assert any("corrupt" in name for name in person.files())
        look(person)
        shown.extend((person.said, person.program.stderr, person.program.stdout))
    for text in shown:
        assert not [secret for secret in secrets if secret in text], text


def test_a_key_that_is_given_as_a_rating_is_not_repeated(bench: Bench) -> None:
    for body in (
        json.dumps({"rating": OWN_KEY}).encode(),
        json.dumps({OWN_KEY: True}).encode(),
        f"rating={OWN_KEY}".encode(),
        f"{OWN_KEY}=up".encode(),
        OWN_KEY.encode(),
    ):
        answer = bench.rate("/feedback/last", body)
        assert answer.status == 422
        assert b"canary1-canary1" not in answer.body
    assert b"canary1" not in bench.ask("PUT", f"/feedback/{OWN_KEY}").body


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /feedback?x=canary" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /feedback HTTP/1.1\r\nHost: localhost\r\nAuthorization: canary" + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /feedback HTTP/1.1\r\nHost: localhost\r\nX-canary : 1\r\n\r\n",
        b"POST /feedback/last HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n\r\n",
        b"POST /feedback/last HTTP/1.1\r\nHost: localhost\r\nExpect: canary\r\nContent-Length: 0\r\n\r\n",
        b"POST /feedback/x HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: canary\r\nContent-Length: 0\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n\r\n",
        b"canary /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /canary\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: canary/canary\r\n\r\n",
    ],
)
def test_a_request_that_is_not_understood_is_repeated_nowhere(
    bench: Bench, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    client = bench.sidecar.connect()
    client.send(raw)
    assert b"canary" not in client.read_to_end()
    client.close()
    assert "canary" not in caplog.text + bench.sidecar.log


def test_an_answer_that_is_not_understood_is_repeated_nowhere(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    for said in (b"canary", b"HTTP/1.1 canary\r\n\r\n", b"HTTP/1.1 200 OK\r\ncanary\r\n\r\n"):

        def script(connection: UpstreamWire, said: bytes = said) -> None:
            connection.read_request()
            connection.send(said)

        sidecar = start_sidecar(start_upstream(script).url)
        answer = sidecar.connect().ask(request("POST", "/v1/chat/completions", chat_body(), JSON))
        assert answer.status == 502
        sidecar.wait_for_log("/v1/chat/completions 502")
        assert b"canary" not in answer.head + answer.body
        assert "canary" not in caplog.text + sidecar.log
