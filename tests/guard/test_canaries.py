"""No secret comes out, whatever fails: not in logs, answers, metrics, files, what commands print, or any repr."""

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.authorities import Authority
from harness.benches import StartBench, request
from harness.canaries import (
    ANNS_TOKEN,
    APPS_KEY,
    HEADER,
    OWN_KEY,
    PASSWORD,
    PROVIDER_KEY,
    SECRETS,
    TOKEN,
    WORD,
    bearer,
    living,
    requests_with_canaries,
    shown_everywhere,
    traces_of,
)
from harness.clients import Client
from harness.loops import LoopThread
from harness.programs import Program, run_command
from harness.sidecars import RunningSidecar, settings_of
from harness.upstreams import Script, ScriptedUpstream, UpstreamWire
from harness.wire import Truncated, head
from proxy.cli import main
from proxy.config.settings import describe_settings
from proxy.demo import ApiFault, StandInSettings, invalid_token, too_many_requests
from relay.loops import needs_openssl

pytestmark = needs_openssl

LOCAL = ("/feedback", "/feedback/last", "/feedback/health", "/feedback/metrics", "/feedback/openapi.json",
         "/feedback/outbox?history=true")  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority of our own."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


# --- gateways that fail --------------------------------------------------------------------------------------


@dataclass
class Failing:
    """A way up that fails: where it leads, and what the sidecar is given for it."""

    url: str
    dotted: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


def down(_: contextlib.ExitStack, __: Authority) -> Failing:
    """Nobody listens."""
    return Failing("http://127.0.0.1:9")


def hanging_up_after(answer: bytes) -> Script:
    """What says that to a request, and closes."""

    def script(wire: UpstreamWire) -> None:
        wire.read_request_head()
        wire.send(answer)

    return script


def saying_only(answer: bytes) -> Callable[[contextlib.ExitStack, Authority], Failing]:
    """A gateway that says that to every request, and hangs up."""
    return lambda scope, _: Failing(scope.enter_context(ScriptedUpstream(hanging_up_after(answer))).url)


def untrusted(scope: contextlib.ExitStack, authority: Authority) -> Failing:
    """A gateway whose certificate nobody has signed."""
    upstream = ScriptedUpstream(lambda wire: wire.send(b""), tls=authority.server("IP:127.0.0.1"))
    return Failing(scope.enter_context(upstream).url)


def no_tls(scope: contextlib.ExitStack, _: Authority) -> Failing:
    """A gateway that answers a handshake in plain text."""
    upstream = scope.enter_context(ScriptedUpstream(lambda wire: wire.send(b"HTTP/1.1 400 Bad\r\n\r\n")))
    return Failing(upstream.url.replace("http:", "https:"))


def behind(answer: bytes) -> Callable[[contextlib.ExitStack, Authority], Failing]:
    """A forward proxy with a password, which says that."""

    def make(scope: contextlib.ExitStack, _: Authority) -> Failing:
        proxy = scope.enter_context(ScriptedUpstream(hanging_up_after(answer)))
        return Failing(
            "https://llm.example.test",
            {"upstream.trust_env": True},
            {"HTTPS_PROXY": proxy.url.replace("//", f"//user:{PASSWORD}@")},
        )

    return make


def behind_none(_: contextlib.ExitStack, __: Authority) -> Failing:
    """A forward proxy that is not there."""
    environ = {"HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:9"}
    return Failing("https://llm.example.test", {"upstream.trust_env": True}, environ)


FAULTS: Mapping[str, Callable[[contextlib.ExitStack, Authority], Failing]] = {
    "down": down,
    "cut before its head": saying_only(b""),
    "cut within its head": saying_only(b"HTTP/1.1 200 OK\r\nContent-"),
    "cut within its body": saying_only(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"),
    "no HTTP": saying_only(b"canary canary\r\n\r\n"),
    "a head that breaks the rules": saying_only(b"HTTP/1.1 200 OK\r\ncanary : canary\r\n\r\n"),
    "two lengths": saying_only(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: canary\r\n\r\n"
    ),
    "an endless head": saying_only(b"HTTP/1.1 200 OK\r\nX-Long: " + b"canary" * 30_000 + b"\r\n\r\n"),
    "a certificate that is not trusted": untrusted,
    "no TLS": no_tls,
    "a proxy that refuses": behind(head(b"HTTP/1.1 407 Proxy Authentication Required", b"X-Why: canary")),
    "a proxy that speaks no HTTP": behind(b"canary\r\n\r\n"),
    "a proxy that hangs up": behind(b""),
    "no proxy": behind_none,
}


def ask(sidecar: RunningSidecar, raw: bytes) -> bytes:
    """What comes back for that, to the end."""
    client = sidecar.connect()
    client.send(raw)
    try:
        return client.read_to_end()
    except (Truncated, ConnectionError):
        return b""
    finally:
        client.close()


def closing(raw: bytes) -> bytes:
    """The same request, after which the connection ends; a handshake's `Connection` stays as it is."""
    return raw if b"Connection:" in raw else raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gateway_that_fails_brings_no_secret_to_light(
    scope: contextlib.ExitStack,
    loop: LoopThread,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    before = living()
    caplog.set_level(logging.DEBUG)
    failing = FAULTS[fault](scope, authority)
    settings = settings_of(failing.url, **SECRETS, **failing.dotted)
    sidecar = scope.enter_context(RunningSidecar(loop, settings, failing.environ))
    said = [ask(sidecar, closing(raw)) for raw in requests_with_canaries()]
    # A refused origin, a route's address and the like are named on purpose; no secret is among them.
    assert sum(b"eedback-Error:" in each for each in said) > 15
    # Somebody leaves in the middle of an upload.
    leaving = sidecar.connect()
    leaving.send(request("POST", "/v1/files?key=canary", b"x" * 10, bearer(TOKEN))[:-5])
    leaving.close()
    said += [ask(sidecar, closing(request("GET", target, b"", bearer(ANNS_TOKEN)))) for target in LOCAL]
    assert [each.split()[1] for each in said[-len(LOCAL) :]].count(b"200") >= 5
    sidecar.wait_for_log("/v1/chat/completions")
    logged = [sidecar.log, *map(caplog.handler.format, caplog.records)]
    found = shown_everywhere([*(each.decode("latin-1") for each in said), *logged], before)
    assert not found, "\n".join(found)


# --- Helicone's API, and the disk ----------------------------------------------------------------------------


def test_an_api_that_fails_brings_no_secret_to_light(
    start_bench: StartBench, caplog: pytest.LogCaptureFixture
) -> None:
    before = living()
    caplog.set_level(logging.DEBUG, "proxy")
    known = StandInSettings(
        keys={OWN_KEY: "ours", APPS_KEY: "apps"}, ingestion_delay_seconds=0.0, token_interval_seconds=0.0005
    )
    bench = start_bench(known, **SECRETS)
    said = []
    own = b"Helicone-Auth: Bearer " + APPS_KEY.encode()
    for fault in (
        ApiFault(status=401, body=f"{OWN_KEY} {TOKEN}"),
        ApiFault(status=403, body=APPS_KEY),
        invalid_token(),
        too_many_requests(1),
        ApiFault(status=422, body=f'{{"canary": "{APPS_KEY}"}}'),
        ApiFault(status=500, body=f"must be a valid UUID {OWN_KEY}", headers=(("X-Echo", OWN_KEY),)),
        ApiFault(status=302, headers=(("Location", f"http://127.0.0.1:9/{OWN_KEY}?canary"),)),
        ApiFault(reset=True),
    ):
        for lines in ((), (own,)):
            bench.chat(bearer(ANNS_TOKEN), *lines)
            bench.standin.faults.api.next(fault)
            said.append(bench.rate("/feedback/last", b"rating=up", bearer(TOKEN)).body)
    said += [bench.get(target, bearer(TOKEN)).body for target in LOCAL]
    bench.sidecar.wait_for_log("/v1/chat/completions")
    found = shown_everywhere(
        [
            *(each.decode() for each in said),
            bench.sidecar.log,
            *map(caplog.handler.format, own_records(caplog)),
        ],
        before,
    )
    assert not found, "\n".join(found)


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the product logs; the stand-in's own server is none of it."""
    return [record for record in caplog.records if record.name.startswith("proxy.")]


def served(folder: Path, **environ: str) -> Program:
    """`helicone-proxy serve` with canaries in its environment, before gateways and an API that are down."""
    env = {
        "HELICONE_API_KEY": OWN_KEY,
        "HELICONE_PROXY_GUARD__TOKEN": TOKEN,
        "HELICONE_PROXY_ROUTES__DEFAULT__PROVIDER_KEY": PROVIDER_KEY,
        "HELICONE_PROXY_ROUTES__DEFAULT__HEADERS": json.dumps({"X-Gateway-Secret": "${CANARY_SECRET}"}),
        "CANARY_SECRET": HEADER,
        "HELICONE_PROXY_OUTBOX__PATH": str(folder / "outbox.db"),
        "HELICONE_PROXY_LOG__LEVEL": "debug",
        "HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:9",
        **environ,
    }
    arguments = ("--port", "0", "--host", "127.0.0.1", "--upstream", "http://127.0.0.1:9")
    return Program("serve", *arguments, "--api-url", "http://127.0.0.1:9", env=env)


def asked(port: int, raw: bytes) -> str:
    """What a program answers to that."""
    with Client.connect(("127.0.0.1", port)) as client:
        client.send(closing(raw))
        try:
            return client.read_to_end().decode("latin-1")
        except (Truncated, ConnectionError):
            return ""


@pytest.mark.parametrize("damage", [b"", b"canary is no database"])
def test_a_program_with_a_damaged_outbox_shows_no_secret_in_any_stream_or_file(
    tmp_path: Path, damage: bytes
) -> None:
    if damage:
        (tmp_path / "outbox.db").write_bytes(damage)
    shown = []
    with served(tmp_path, HELICONE_PROXY_CALLS__PERSIST="true") as program:
        match = program.wait_for(r"listens on http://localhost:(\d+)")
        port = int(match[1])
        shown += [asked(port, raw) for raw in requests_with_canaries()]
        rated = request("POST", "/feedback/last?rating=up&wait=queued", b"", bearer(TOKEN))
        shown += [
            asked(port, rated),
            *(asked(port, request("GET", each, b"", bearer(TOKEN))) for each in LOCAL),
        ]
        assert program.stop() == 0
    shown += [program.stdout, program.stderr]
    files = [path for path in tmp_path.iterdir() if "corrupt" not in path.name]
    shown += [path.read_bytes().decode("latin-1") for path in files]
    assert len(files) >= 1
    found = [trace for text in shown for trace in traces_of(text)]
    assert not found, "\n".join(found)


# --- configurations and commands -----------------------------------------------------------------------------


def check(*arguments: str, **environ: str) -> str:
    """What `helicone-proxy check` says, on either stream."""
    outcome = CliRunner().invoke(main, ["check", *arguments], env=environ)
    assert outcome.exit_code in (0, 1, 2), outcome.output
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.output


SHOWN_ON_PURPOSE = frozenset({"outbox.path", "outbox.state_dir", "helicone.api_url"})
"""Places and addresses are shown to whoever configures them."""


@pytest.mark.parametrize("canary", [OWN_KEY, TOKEN, "Bearer canary0123456789", f'{{"{WORD}0123456789": 1}}'])
def test_a_secret_in_the_place_of_any_setting_is_not_repeated(canary: str) -> None:
    for doc in describe_settings():
        for name in (doc.environment, f"{doc.environment}_{WORD.upper()}0123456789"):
            said = check(**{name.replace("<NAME>", "OTHER"): canary})
            assert doc.key in SHOWN_ON_PURPOSE or not traces_of(said), (doc.key, said)


@pytest.mark.parametrize(
    "content",
    [
        f"{OWN_KEY} = 1\n",
        f'"{TOKEN}" = 1\n',
        f"[{OWN_KEY}]\nx = 1\n",
        f'[routes.{OWN_KEY}]\nurl = "https://x.test"\n',
        f'[guard.tokens]\n{OWN_KEY} = "{TOKEN}"\n',
        '[guard.tokens]\nann = "canary too short"\n',
        f'[guard.tokens]\nann = "{TOKEN}"\nbob = "{TOKEN}"\n',
        f'[guard]\ntoken = ["{TOKEN}"]\n',
        f'[guard]\ntokens = "{TOKEN}"\n',
        f'[guard]\nallowed_hosts = ["{OWN_KEY}/"]\nallowed_origins = ["https://u:canary@x.test"]\n',
        '[guard]\nallowed_targets = ["https://u:canary@x.test"]\n',
        f'[routes.default.headers]\n"X-{OWN_KEY}" = "a b\\u0007{WORD}"\nAuthorization = "Bearer {WORD}"\n',
        f'[routes.default]\nheaders = {{ "X-A" = "${{{WORD.upper()}0123456789}}" }}\n',
        f'[routes.default]\nurl = "https://user:{WORD}@x.test"\nprovider_key = "two {WORD}"\n',
        f'[routes.default]\nurl = "https://x.test/?key={WORD}"\n',
        f'[helicone]\napi_key = "{OWN_KEY}\n',
        f'[helicone\napi_key = "{OWN_KEY}"\n',
        f'[helicone]\napi_key = "{OWN_KEY}"\napi_key = "{OWN_KEY}"\n',
        f'[log]\nlevel = "{OWN_KEY}"\nformat = {{ {WORD} = 1 }}\n',
        f"{WORD}\n",
        f"x = {WORD}\n",
    ],
)
def test_a_file_with_a_secret_in_a_wrong_place_is_not_quoted(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(content)
    said = check("--config", str(file)).replace(str(file), "FILE")
    assert "FILE" in said
    assert not traces_of(said), said


@pytest.mark.parametrize(
    "place", ["HELICONE__API_KEY_FILE", "GUARD__TOKEN_FILE", "ROUTES__DEFAULT__PROVIDER_KEY_FILE"]
)
@pytest.mark.parametrize("content", [b"", b"canary with spaces", b"canary\xff", b"canary" * 100_000, None])
def test_a_secrets_file_that_cannot_be_used_is_not_quoted(
    tmp_path: Path, place: str, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    said = check(**{f"HELICONE_PROXY_{place}": str(file)})
    assert not traces_of(said), said


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--connect", "--upstream", "http://127.0.0.1:9", "--api-url", "http://127.0.0.1:9"),
        ("rate", "up"),
        ("recent",),
        ("outbox",),
        ("outbox", "export"),
        ("outbox", "retry"),
        ("withdraw",),
    ],
    ids=" ".join,
)
def test_what_commands_print_has_no_secret(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    env = {
        "HELICONE_API_KEY": OWN_KEY,
        "HELICONE_PROXY_GUARD__TOKEN": TOKEN,
        "HELICONE_PROXY_ROUTES__DEFAULT__PROVIDER_KEY": PROVIDER_KEY,
        "HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:9",
    }
    for url in ("http://127.0.0.1:9", f"http://user:{WORD}@127.0.0.1:9", f"{WORD}"):
        done = run_command(*arguments, env={**env, "HELICONE_PROXY_URL": url}, cwd=tmp_path)
        assert done.returncode != 0
        if url != WORD:
            assert not traces_of(done.stdout + done.stderr), done.stderr
