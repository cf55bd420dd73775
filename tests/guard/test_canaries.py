"""No secret comes out, whatever fails: not in logs, answers, metrics, files, what commands print, or any repr."""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from harness.authorities import Authority
from harness.benches import request
from harness.canaries import (
    ANNS_TOKEN,
    PASSWORD,
    SECRETS,
    TOKEN,
    bearer,
    requests_with_canaries,
    shown_everywhere,
)
from harness.loops import LoopThread
from harness.proxies import saying
from harness.sidecars import RunningSidecar, settings_of
from harness.upstreams import ScriptedUpstream, UpstreamWire
from harness.wire import Truncated, head
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


def saying_only(answer: bytes) -> Callable[[contextlib.ExitStack, Authority], Failing]:
    """A gateway that says that to every request, and hangs up."""

    def script(wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(answer)

    return lambda scope, _: Failing(scope.enter_context(ScriptedUpstream(script)).url)


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
        proxy = scope.enter_context(ScriptedUpstream(saying(answer)))
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
    found = shown_everywhere([*(each.decode("latin-1") for each in said), *logged])
    assert not found, "\n".join(found)
