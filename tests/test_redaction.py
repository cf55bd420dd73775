"""The last net: whatever is logged or told at a crash, no secret is in it."""

import io
import json
import logging
import subprocess
import sys
import threading
from urllib.parse import quote

import pytest

from harness.benches import JSON, Bench, StartBench, chat_body, request
from harness.clients import Client
from harness.programs import Program, environment
from harness.sidecars import settings_of
from proxy import logs
from proxy.calls.live_call import LiveCall
from proxy.config.kinds import Secret
from proxy.config.routes import Header
from proxy.config.secrets import may_be_secret, secrets_of
from proxy.config.settings import Settings
from proxy.logs import CallLog, LogFormat
from proxy.redaction import Redaction, secrets_of_environment

KEY = "sk-helicone-canary1-canary1-canary1-canary1"
TOKEN = "f00dcanaryf00dcanaryf00d"
ODD = 'canary"with\\all+that/stands=between spaces'

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.mark.parametrize("secret", [KEY, TOKEN, ODD])
def test_a_known_secret_is_struck_out_however_it_is_written(secret: str) -> None:
    redact = Redaction([secret])
    for said in (
        secret,
        f"x{secret}y",
        f"Bearer {secret}",
        f"Authorization: Bearer {secret}\r\n",
        f"https://u:{quote(secret, safe='')}@host/?key={quote(secret, safe='')}&b",
        quote(secret, safe="").lower() if secret == secret.lower() else "",
        json.dumps({"key": secret}),
        repr({"key": secret}),
        repr(secret.encode()),
    ):
        struck = redact(said)
        assert "canary" not in struck, struck
        assert "***" in struck or not said
    assert json.loads(redact(json.dumps({"key": secret, "b": 1}))) == {"key": "***", "b": 1}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("the key sk-canary-1 and more", "the key *** and more"),
        ("pk-canary", "***"),
        ("a=%20sk-canary&b", "a=%20***"),
        ("url/sk-canary", "url/***"),
        ('{"a": "sk-canary", "b": 1}', '{"a": "***", "b": 1}'),
        ("{'Authorization': 'Bearer canarycanary'}", "{'Authorization': '***'}"),
        ("bearer%20canarycanary", "***"),
        ("disk-usage, risk-free, task-1", "disk-usage, risk-free, task-1"),
        ("without spaces and without `Bearer`", "without spaces and without `Bearer`"),
    ],
)
def test_what_looks_like_a_key_is_struck_out_though_nobody_knows_it(said: str, left: str) -> None:
    assert Redaction()(said) == left


def test_of_two_secrets_of_which_one_begins_as_the_other_nothing_is_left() -> None:
    redact = Redaction(["canarycanary", "canarycanary-and-more"])
    assert redact("canarycanary-and-more canarycanary") == "*** ***"


def test_a_word_that_stands_where_a_key_goes_is_no_secret() -> None:
    assert Redaction(["none", "test", ""])("none of the tests") == "none of the tests"


def test_of_keys_that_apps_sent_the_newest_are_known() -> None:
    redact = Redaction([TOKEN])
    for number in range(1000):
        redact.learn(f"canary-{number:04}")
    assert redact(f"canary-0999 canary-0950 {TOKEN}") == "*** *** ***"
    assert redact("canary-0001") == "canary-0001"
    redact.learn("canary-0001")
    assert redact("canary-0001") == "***"
    assert "canary" not in repr(redact)


def test_many_threads_may_say_and_learn_at_once() -> None:
    redact, leaks = Redaction(), []

    def work(number: int) -> None:
        for turn in range(200):
            secret = f"canary-{number}-{turn}-"
            redact.learn(secret)
            if (struck := redact(secret)) != "***":
                leaks.append(struck)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One is forgotten when a hundred others have come up between; nothing else is missed.
    assert len(leaks) < 100


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("secret", [KEY, TOKEN, "CANARY-IN-UPPER-CASE"])
def test_a_calls_line_shows_no_secret(log_format: LogFormat, secret: str) -> None:
    call = LiveCall(b"POST", b"/v1/chat/" + secret.encode(), 1.0)
    call.model = call.request_id = secret
    stream = io.StringIO()
    CallLog(stream, log_format, Redaction([secret])).write([call, call])
    assert "canary" not in stream.getvalue().lower()
    assert stream.getvalue().count("***") >= 4
    if log_format == "json":
        assert [json.loads(line)["model"] for line in stream.getvalue().splitlines()] == ["***", "***"]


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "said",
    ["sk-canary", "pk-canary", "Bearer%20canary.0123", "bearer%20canary.0123", "BEARER+canary.0123",
     "Bearer canary.0123", "bearer canary.0123"],
)  # fmt: skip
def test_what_looks_like_a_key_is_struck_out_of_a_calls_line_too(log_format: LogFormat, said: str) -> None:
    call = LiveCall(b"POST", b"/v1/" + said.encode(), 1.0)
    stream = io.StringIO()
    CallLog(stream, log_format, Redaction()).write([call])
    assert "/v1/***" in stream.getvalue()
    assert "canary" not in stream.getvalue()


def test_names_and_urls_that_stand_beside_secrets_in_the_environment_stay_readable() -> None:
    token, header = "canary.token.of.bob.0123", "canary-of-a-header-1"
    env = {
        "HELICONE_API_KEY": KEY,
        "HELICONE_PROXY_GUARD__TOKENS": json.dumps({"workstation-of-bob-1": token}),
        "HELICONE_PROXY_ROUTES__DEFAULT__HEADERS": json.dumps(
            {
                "X-Gateway-Token": header,
                "X-Team": "everybody-in-frankfurt",
                "X-Way": "https://way.test/v1/chat",
            }
        ),
        "HELICONE_PROXY_LOG__FORMAT": "json",
        "HTTPS_PROXY": "http://ann:canary-of-the-proxy@proxy.test:3128",
    }
    asked = (
        "/v1/chat/completions",
        f"/v1/{header}/{KEY}",
        "/v1/canary-of-the-proxy",
        "/https://way.test/v1/chat",
    )
    arguments = ("--port", "0", "--host", "127.0.0.1", "--upstream", "http://127.0.0.1:9")
    with Program("serve", *arguments, env=env) as program:
        port = int(program.wait_for(r"listens on http://localhost:(\d+)")[1])
        lines = (JSON, b"Feedback-Proxy-Token: " + token.encode())
        for path in asked:
            with Client.connect(("127.0.0.1", port)) as client:
                client.ask(request("POST", path, chat_body(), *lines))
        assert program.stop() == 0
    logged = map(json.loads, program.stderr.splitlines())
    calls = [each for each in logged if each["event"] == "call"]
    assert [call["path"] for call in calls] == [asked[0], "/v1/***/***", "/v1/***", asked[3]]
    assert {call["client"] for call in calls} == {"workstation-of-bob-1"}
    assert "canary" not in program.stderr + program.stdout


def fail_with(secret: str) -> None:
    try:
        {"": 0}[secret]
    except KeyError as error:
        raise RuntimeError(f"while {secret}") from error


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_is_logged_shows_a_secret(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    logs.set_up(stream, log_format, "debug", Redaction([TOKEN]))
    logger = logging.getLogger("proxy.test")
    logger.warning("a %s", TOKEN)
    logger.warning({"headers": {"Authorization": f"Bearer {TOKEN}"}})
    logger.info("with a stack", stack_info=True)
    try:
        fail_with(TOKEN)
    except RuntimeError:
        logger.exception("it failed with %r", {TOKEN: 1})
    said = stream.getvalue()
    assert "RuntimeError: while ***" in said
    assert "KeyError: '***'" in said
    assert "Stack (most recent call last)" in said
    # The second argument has no place: logging's own way is to show everything on standard error.
    logger.warning("a %s", TOKEN, TOKEN)  # noqa: PLE1205
    assert "cannot be logged: TypeError" in stream.getvalue()
    assert "canary" not in stream.getvalue()
    assert "canary" not in "".join(capsys.readouterr())


# -- what is secret


def test_every_secret_of_the_settings_is_known_and_what_is_none_stays_readable() -> None:
    settings = settings_of(
        "http://127.0.0.1:9",
        **{
            "helicone.api_key": KEY,
            "guard.token": TOKEN,
            "guard.tokens": {"ann": f"{TOKEN}-of-ann"},
            "routes.default.provider_key": "canary-of-the-provider",
            "routes.default.headers": {"X-Gateway-Token": "canary-gateway", "X-Team": "production"},
        },
    )
    assert set(secrets_of(settings)) == {
        KEY,
        TOKEN,
        f"{TOKEN}-of-ann",
        "canary-of-the-provider",
        "canary-gateway",
    }
    assert list(secrets_of(Settings())) == []


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("CF-Access-Client-Secret", "abcdefgh", True),
        ("cf-aig-authorization", "Bearer abcdefgh", True),
        ("X-Anything", "0f3a9c1d2e4b5a6978", True),
        ("X-Team", "production", False),
        ("Helicone-Target-URL", "https://api1.example.com/v1", False),
        ("Helicone-User-Id", "ann@example.com", False),
    ],
)
def test_a_routes_header_is_secret_by_its_name_or_its_value(name: str, value: str, is_secret: bool) -> None:
    assert may_be_secret(Header(name, Secret(value))) is is_secret


def test_of_the_environment_keys_tokens_headers_and_proxies_passwords_are_known() -> None:
    found = Redaction(
        secrets_of_environment(
            {
                "HELICONE_API_KEY": KEY,
                "HELICONE_PROXY_GUARD__TOKENS": json.dumps({"ann": TOKEN}),
                "HELICONE_PROXY_ROUTES__DEFAULT__HEADERS": json.dumps({"X-A": "canary-of-a-header"}),
                "https_proxy": "http://ann:canary%40one@proxy.test:3128",
                "HTTP_PROXY": "ann:canary-two@proxy.test",
                "HELICONE_PROXY_SERVER__PORT": "1234567890",
                "PATH": "/a/path/that/stays/readable",
            }
        )
    )
    for secret in (KEY, TOKEN, "canary-of-a-header", "canary%40one", "canary@one", "canary-two"):
        assert found(f"it is {secret}.") == "it is ***."
    # What `Proxy-Authorization` has.
    assert found("Basic YW5uOmNhbmFyeUBvbmU=") == "Basic ***"
    assert found("http://proxy.test:3128 1234567890") == "http://proxy.test:3128 1234567890"
    assert found("/a/path/that/stays/readable") == "/a/path/that/stays/readable"


def test_a_key_that_an_app_sends_is_known_from_then_on(start_bench: StartBench) -> None:
    bench: Bench = start_bench()
    redact = bench.sidecar.sidecar.parts._redaction
    assert redact("app-canary-canary") == "app-canary-canary"
    bench.ask("POST", "/v1/chat/completions", chat_body(), JSON, b"Helicone-Auth: Bearer app-canary-canary")
    assert redact("app-canary-canary") == "***"


# -- crashes of real processes

CRASHES = {
    "an exception that nobody catches": "raise RuntimeError(SECRETS)",
    "one in another thread": "t = threading.Thread(target=fail); t.start(); t.join()",
    "one in a finalizer": "class A:\n    def __del__(self): fail()\nA(); gc.collect()",
    "one in a callback of the loop": "async def f():\n    asyncio.get_running_loop().call_soon(fail)\n"
    "    await asyncio.sleep(0.01)\nasyncio.run(f())",
    "a task whose exception is never looked at": "async def f():\n    async def g(): fail()\n"
    "    asyncio.create_task(g())\n    await asyncio.sleep(0.01)\nasyncio.run(f()); gc.collect()",
    "a warning": "warnings.warn(SECRETS)",
    "several at once": "raise ExceptionGroup(SECRETS, [KeyError(SECRETS), ValueError(SECRETS)])",
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_shows_its_traceback_without_secrets(crash: str) -> None:
    script = f"""
import asyncio, gc, os, sys, threading, warnings
from proxy import logs
from proxy.redaction import Redaction, keep_out_of_last_words
TOKEN = os.environ["IT"]
SECRETS = f"{{TOKEN}} sk-canary-2 Authorization: Bearer {{TOKEN}}"
def fail(): raise RuntimeError(SECRETS)
redaction = Redaction([TOKEN])
keep_out_of_last_words(redaction)
logs.set_up(sys.stderr, "text", "info", redaction)
exec({CRASHES[crash]!r})
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=environment({"IT": TOKEN}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "*** *** Authorization: Bearer ***" in done.stderr
    assert "canary" not in done.stderr
    assert crash == "a warning" or "Traceback" in done.stderr
    assert crash == "a warning" or "RuntimeError" in done.stderr or "ExceptionGroup" in done.stderr


def test_of_threads_that_fail_together_each_is_told_and_standard_error_stays() -> None:
    script = """
import sys, threading
from proxy.redaction import Redaction, keep_out_of_last_words
keep_out_of_last_words(Redaction())
sys.setswitchinterval(1e-6)
stderr, together = sys.stderr, threading.Barrier(40)
def fail():
    together.wait()
    raise RuntimeError("sk-canary")
for _ in range(5):
    threads = [threading.Thread(target=fail) for _ in range(40)]
    for each in threads: each.start()
    for each in threads: each.join()
assert sys.stderr is stderr
sys.stderr.write("still here")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=environment({}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.count("Exception in thread Thread-") == 200
    assert done.stderr.count("\nRuntimeError: ***\n") == 200
    assert done.stderr.endswith("still here")


def test_a_bug_in_a_command_is_told_without_the_keys_of_the_environment() -> None:
    script = f"""
import sys
from proxy.cli import main
import proxy.commands.check as check
def fail(*_): raise RuntimeError("{KEY} {TOKEN}")
check.load_settings = fail
main(["check"])
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=environment({"HELICONE_PROXY_GUARD__TOKEN": TOKEN}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "RuntimeError: *** ***" in done.stderr
    assert "canary" not in done.stderr.replace(script, "")
