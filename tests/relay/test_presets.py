"""Every preset on the wire: the exact bytes that reach the gateway, by Helicone's own name and over TLS.

The table below is the contract, and is written down here a second time on purpose.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.authorities import Authority
from harness.handshakes import HANDSHAKE_LINES, SWITCH
from harness.loops import LoopThread
from harness.proxies import ConnectProxy
from harness.sidecars import RunningSidecar, settings_of
from harness.upstreams import ScriptedUpstream, Upstream, UpstreamWire, answering
from harness.wire import Message, head
from proxy.presets import PRESETS
from relay.loops import needs_openssl

pytestmark = needs_openssl

KEY = "sk-helicone-abcdefg-abcdefg-abcdefg-abcdefg"
EU_KEY = "sk-helicone-eu-abcdefg-abcdefg-abcdefg-abcdefg"
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
PROVIDERS_KEY = b"Authorization: Bearer the-providers"


@dataclass(frozen=True)
class Expected:
    """What has to arrive: to which host, below which path, with our key in which header."""

    url: str
    path: bytes = b""
    key: bytes = b"Helicone-Auth"
    identity: bool = False
    post_only: bool = False


WORKERS = (
    "gateway", "anthropic", "groq", "together", "openrouter", "deepinfra", "fireworks", "perplexity", "mistral",
    "deepseek", "x", "cerebras", "nvidia", "llama", "google", "nebius", "novita", "hyperbolic", "predibase",
    "vercel", "qstash", "firecrawl", "bedrock", "generate", "llmmapper",
)  # fmt: skip
CONTRACT = {
    "openai": Expected("https://oai.helicone.ai"),
    "azure": Expected("https://oai.helicone.ai"),
    "eu": Expected("https://oai.eu.hconeai.com"),
    "ai-gateway": Expected("https://ai-gateway.helicone.ai", key=b"Authorization"),
    "worker-api": Expected("https://api.worker.helicone.ai"),
    **{name: Expected(f"https://{name}.helicone.ai") for name in WORKERS},
    "self-hosted": Expected(
        "http://localhost:8585/v1/gateway/oai", b"/v1/gateway/oai", identity=True, post_only=True
    ),
    "self-hosted-anthropic": Expected(
        "http://localhost:8585/v1/gateway/anthropic", b"/v1/gateway/anthropic", identity=True, post_only=True
    ),
    "rust-ai-gateway": Expected("http://localhost:8080/ai", b"/ai", key=b"Authorization"),
}
SECURE = sorted(name for name, expected in CONTRACT.items() if expected.url.startswith("https:"))
PLAIN = sorted(set(CONTRACT) - set(SECURE))

Start = Callable[..., RunningSidecar]


@pytest.fixture
def start(scope: contextlib.ExitStack, loop: LoopThread, authority: Authority) -> Start:
    """Start a sidecar that finds the world behind a proxy, if there is one."""

    def starting(proxy: ConnectProxy | None = None, **dotted: object) -> RunningSidecar:
        given = {
            "upstream.via": False,
            "upstream.ca_file": str(authority.certificate),
            "upstream.trust_env": proxy is not None,
            "helicone.api_key": KEY,
            "helicone.api_url": None,
            **dotted,
        }
        environ = {} if proxy is None else {"HTTPS_PROXY": proxy.url}
        return scope.enter_context(RunningSidecar(loop, settings_of("http://127.0.0.1:9", **given), environ))

    return starting


def chat(name: str, *lines: bytes) -> bytes:
    """A chat on the route of that name, as an SDK sends it."""
    return (
        head(
            f"POST /{name}/v1/chat/completions?a=%2F&b HTTP/1.1".encode(),
            b"Host: localhost:8747",
            PROVIDERS_KEY,
            b"accept-ENCODING: gzip, br",
            b"Content-Type: application/json",
            *lines,
            b"Content-Length: 2",
        )
        + b"{}"
    )


def what_arrives(expected: Expected, host: bytes, answer: Message) -> bytes:
    """The head of that chat, as the gateway has to get it."""
    request_id = answer.value(b"feedback-id")
    assert request_id is not None
    return head(
        b"POST " + expected.path + b"/v1/chat/completions?a=%2F&b HTTP/1.1",
        b"Host: " + host,
        *(() if expected.key == b"Authorization" else (PROVIDERS_KEY,)),
        *(() if expected.identity else (b"accept-ENCODING: gzip, br",)),
        b"Content-Type: application/json",
        b"Content-Length: 2",
        b"Helicone-Request-Id: " + request_id,
        expected.key + b": Bearer " + KEY.encode(),
        *((b"Accept-Encoding: identity",) if expected.identity else ()),
    )


def test_the_table_has_every_preset() -> None:
    assert {name: preset.url for name, preset in PRESETS.items()} == {
        name: expected.url for name, expected in CONTRACT.items()
    }
    assert all(preset.source for preset in PRESETS.values())


@pytest.mark.parametrize("name", SECURE)
def test_a_call_reaches_helicones_host_as_the_contract_has_it(
    name: str, scope: contextlib.ExitStack, start: Start, authority: Authority
) -> None:
    expected = CONTRACT[name]
    host = expected.url.removeprefix("https://")
    gateway = scope.enter_context(ScriptedUpstream(answering(OK), tls=authority.server(f"DNS:{host}")))
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    sidecar = start(proxy, **{f"routes.{name}.preset": name})
    answer = sidecar.connect().ask(chat(name))
    assert answer.body == b"ok"
    assert [request.target for request in proxy.requests] == [f"{host}:443".encode()]
    (request,) = gateway.requests
    assert request.head == what_arrives(expected, host.encode(), answer)
    assert request.body == b"{}"


def before_a_gateway_of_ones_own(
    name: str, scope: contextlib.ExitStack, start: Start
) -> tuple[ScriptedUpstream, RunningSidecar]:
    """A preset's gateway on a port of its own, and a sidecar with a route to it."""
    gateway = scope.enter_context(ScriptedUpstream(answering(OK)))
    url = gateway.url + CONTRACT[name].path.decode()
    return gateway, start(**{f"routes.{name}.preset": name, f"routes.{name}.url": url})


@pytest.mark.parametrize("name", PLAIN)
def test_a_call_reaches_a_gateway_of_ones_own_as_the_contract_has_it(
    name: str, scope: contextlib.ExitStack, start: Start
) -> None:
    gateway, sidecar = before_a_gateway_of_ones_own(name, scope, start)
    answer = sidecar.connect().ask(chat(name))
    assert answer.body == b"ok"
    (request,) = gateway.requests
    assert request.head == what_arrives(CONTRACT[name], gateway.authority, answer)


@pytest.mark.parametrize("name", PLAIN)
def test_what_takes_post_alone_is_asked_for_nothing_else(
    name: str, scope: contextlib.ExitStack, start: Start
) -> None:
    gateway, sidecar = before_a_gateway_of_ones_own(name, scope, start)
    for method in (b"GET", b"DELETE", b"HEAD"):
        client = sidecar.connect()
        client.send(head(method + f" /{name}/v1/models HTTP/1.1".encode(), b"Host: localhost"))
        if not CONTRACT[name].post_only:
            gateway_answer = client.read_answer(to=b"GET" if method != b"HEAD" else b"HEAD")
            assert gateway_answer.status == 200
            client.close()
            continue
        answer = client.read_answer(to=method)
        assert (answer.status, answer.value(b"allow")) == (405, b"POST")
        assert answer.value(b"feedback-error") == b"post_only"
        if method != b"HEAD":
            assert b"takes POST alone" in answer.body
    assert (gateway.requests == []) is CONTRACT[name].post_only


# -- realtime sessions


def switching(wire: UpstreamWire) -> None:
    """Take the handshake, and end."""
    wire.read_request()
    wire.send(SWITCH)


def handshake(path: bytes) -> bytes:
    """A realtime SDK's."""
    return head(
        b"GET " + path + b"?model=gpt-realtime HTTP/1.1", b"Host: localhost", PROVIDERS_KEY, *HANDSHAKE_LINES
    )


def session_arrives(target: bytes, host: bytes, key: str, answer: Message) -> bytes:
    """That handshake's head, as the API's host has to get it."""
    request_id = answer.value(b"feedback-id")
    assert request_id is not None
    return head(
        b"GET " + target + b"?model=gpt-realtime HTTP/1.1",
        b"Host: " + host,
        PROVIDERS_KEY,
        *HANDSHAKE_LINES[2:],
        b"Helicone-Request-Id: " + request_id,
        b"Helicone-Auth: Bearer " + key.encode(),
        b"Upgrade: websocket",
        b"Connection: Upgrade",
    )


@pytest.mark.parametrize(
    ("name", "key", "host"),
    [
        ("openai", KEY, "api.helicone.ai"),
        ("openai", EU_KEY, "eu.api.helicone.ai"),
        ("eu", EU_KEY, "eu.api.helicone.ai"),
        ("default", KEY, "api.helicone.ai"),
    ],
)
def test_realtime_sessions_go_to_the_api_of_the_keys_region(
    name: str, key: str, host: str, scope: contextlib.ExitStack, start: Start, authority: Authority
) -> None:
    api = scope.enter_context(ScriptedUpstream(switching, tls=authority.server(f"DNS:{host}")))
    proxy = scope.enter_context(ConnectProxy(api.port))
    route = {"routes.default.url": None} if name == "default" else {f"routes.{name}.preset": name}
    sidecar = start(proxy, **{"helicone.api_key": key, **route})
    path = b"/v1/realtime" if name == "default" else f"/{name}/v1/realtime".encode()
    answer = sidecar.connect().ask(handshake(path))
    assert answer.status == 101
    assert [request.target for request in proxy.requests] == [f"{host}:443".encode()]
    (request,) = api.requests
    assert request.head == session_arrives(b"/v1/gateway/oai/realtime", host.encode(), key, answer)


def test_realtime_sessions_of_a_self_hosted_helicone_go_beside_its_gateway(
    scope: contextlib.ExitStack, start: Start
) -> None:
    gateway = scope.enter_context(ScriptedUpstream(switching))
    route = {
        "routes.self-hosted.preset": "self-hosted",
        "routes.self-hosted.url": f"{gateway.url}/v1/gateway/oai",
    }
    answer = start(**route).connect().ask(handshake(b"/self-hosted/v1/realtime"))
    assert answer.status == 101
    (request,) = gateway.requests
    expected = session_arrives(b"/v1/gateway/oai/realtime", gateway.authority, KEY, answer)
    assert request.head == expected


def test_a_realtime_session_elsewhere_gets_our_key_only_where_that_may_go(
    scope: contextlib.ExitStack, start: Start
) -> None:
    gateway = scope.enter_context(Upstream())
    route = {
        "routes.own.url": "https://llm.example.test",
        "routes.own.helicone": True,
        "routes.own.realtime_url": f"{gateway.url}/deep/realtime",
    }
    client = start(**route).connect()
    client.send(handshake(b"/own/v1/realtime"))
    call = gateway.accept()
    request = call.read_request()
    assert request.target == b"/deep/realtime?model=gpt-realtime"
    # The mark is for the route's own host; this one is trusted since it is loopback.
    assert request.value(b"helicone-auth") == b"Bearer " + KEY.encode()
    client.close()
    call.close()
