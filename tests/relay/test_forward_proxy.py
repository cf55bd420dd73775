"""HTTPS_PROXY: an https upstream is reached through CONNECT, where the configuration says so."""

import base64
import contextlib
from collections.abc import Callable

import pytest

from harness.authorities import Authority
from harness.handshakes import HANDSHAKE, SWITCH
from harness.loops import LoopThread
from harness.proxies import ESTABLISHED, ConnectProxy, saying
from harness.sidecars import RunningSidecar, settings_of
from harness.upstreams import ScriptedUpstream, Upstream, UpstreamWire, answering
from harness.wire import head, wait_until
from proxy.relay.forward_proxy import HEAD_LIMIT_BYTES, ForwardProxy
from relay.loops import needs_openssl, on_both_loops

pytestmark = needs_openssl

GET = head(b"GET /v1/models HTTP/1.1", b"Host: localhost")
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
NAME = "llm.example.test"
"""No system knows it: only the proxy is asked for it."""

Start = Callable[..., RunningSidecar]


@pytest.fixture
def start(scope: contextlib.ExitStack, loop: LoopThread, authority: Authority) -> Start:
    """Start a sidecar before `https://NAME:8443`, or another URL, with that environment."""

    def starting(
        *,
        url: str = f"https://{NAME}:8443",
        trust_env: bool = True,
        connect_timeout_seconds: float = 30.0,
        **environ: str,
    ) -> RunningSidecar:
        settings = settings_of(
            url,
            **{
                "upstream.trust_env": trust_env,
                "upstream.ca_file": str(authority.certificate),
                "upstream.connect_timeout_seconds": connect_timeout_seconds,
            },
        )
        return scope.enter_context(RunningSidecar(loop, settings, environ))

    return starting


@pytest.fixture
def gateway(scope: contextlib.ExitStack, authority: Authority) -> ScriptedUpstream:
    """An https gateway with a certificate for NAME."""
    return scope.enter_context(ScriptedUpstream(answering(OK), tls=authority.server(f"DNS:{NAME}")))


@on_both_loops
def test_calls_go_through_the_proxy_and_tls_through_it(
    scope: contextlib.ExitStack, start: Start, gateway: ScriptedUpstream
) -> None:
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    client = start(HTTPS_PROXY=proxy.url).connect()
    for _ in range(3):
        assert client.ask(GET).body == b"ok"
    assert [request.head for request in proxy.requests] == [
        head(b"CONNECT llm.example.test:8443 HTTP/1.1", b"Host: llm.example.test:8443")
    ]
    assert len(gateway.connections) == 1
    assert gateway.requests[0].value(b"host") == b"llm.example.test:8443"
    assert gateway.requests[0].values(b"proxy-authorization") == []


@on_both_loops
def test_a_large_upload_and_a_tunnel_pass_through_it(
    scope: contextlib.ExitStack, start: Start, authority: Authority
) -> None:
    body = bytes(range(256)) * 10_000

    def echo(wire: UpstreamWire) -> None:
        said = wire.read_request().body
        wire.send(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(said)) + said)
        wire.read_request()
        wire.send(SWITCH)
        wire.send(wire.read_exactly(4))

    gateway = scope.enter_context(ScriptedUpstream(echo, tls=authority.server(f"DNS:{NAME}")))
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    client = start(https_proxy=proxy.url).connect()
    length = b"Content-Length: %d" % len(body)
    with client.sending(head(b"POST / HTTP/1.1", b"Host: localhost", length) + body):
        assert client.read_answer().body == body
    client.send(HANDSHAKE)
    assert client.read_answer().status == 101
    client.send(b"ping")
    assert client.read_exactly(4) == b"ping"


@on_both_loops
def test_the_urls_user_name_and_password_go_to_the_proxy_and_nowhere_else(
    scope: contextlib.ExitStack, start: Start, gateway: ScriptedUpstream
) -> None:
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    url = proxy.url.replace("http://", "http://ca%20nary:p%40ss%3Acanary@")
    sidecar = start(HTTPS_PROXY=url)
    assert sidecar.connect().ask(GET).body == b"ok"
    expected = b"Basic " + base64.b64encode(b"ca nary:p@ss:canary")
    assert proxy.requests[0].value(b"proxy-authorization") == expected
    assert gateway.requests[0].values(b"proxy-authorization") == []
    pool = sidecar.pool
    shown = repr((sidecar.sidecar, pool, pool.upstream, pool.dialer, str(pool.upstream.proxy)))
    assert "canary" not in shown
    assert base64.b64encode(b"ca nary")[:6].decode() not in shown


@pytest.mark.parametrize(
    "host",
    # What the proxy would take for itself.
    ["127.0.0.1", "localhost"],
)
def test_this_machine_is_reached_directly(
    scope: contextlib.ExitStack, start: Start, authority: Authority, host: str
) -> None:
    name = f"DNS:{host}" if host == "localhost" else f"IP:{host}"
    gateway = scope.enter_context(ScriptedUpstream(answering(OK), tls=authority.server(name)))
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    sidecar = start(url=gateway.url.replace("127.0.0.1", host), HTTPS_PROXY=proxy.url)
    assert sidecar.connect().ask(GET).body == b"ok"
    assert proxy.connections == []


def test_without_the_setting_the_environment_is_not_asked(
    scope: contextlib.ExitStack, start: Start, gateway: ScriptedUpstream
) -> None:
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    refusal = start(trust_env=False, HTTPS_PROXY=proxy.url).connect().ask(GET)
    assert refusal.status == 502
    assert b"its name cannot be resolved" in refusal.body
    assert proxy.connections == []


@on_both_loops
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            head(b"HTTP/1.1 407 Proxy Authentication Required", b"Content-Length: 3") + b"no!",
            "answered 407 to CONNECT (it did not take the user name and the password in HTTPS_PROXY)",
        ),
        (head(b"HTTP/1.0 403 Forbidden"), "answered 403 to CONNECT"),
        (head(b"HTTP/1.1 301 Moved", b"Location: http://elsewhere"), "answered 301 to CONNECT"),
        (head(b"HTTP/1.1 100 Continue"), "answered 100 to CONNECT"),
        (head(b"SSH-2.0-OpenSSH"), "did not answer CONNECT in HTTP/1.1"),
        (head(b"HTTP/1.1 2000 OK"), "did not answer CONNECT in HTTP/1.1"),
        (ESTABLISHED + b"\x16", "sent more than its answer to CONNECT"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_LIMIT_BYTES, "to CONNECT is too large"),
    ],
)
def test_a_proxy_that_does_not_lead_on_is_a_502_that_says_so(
    scope: contextlib.ExitStack, start: Start, answer: bytes, sentence: str
) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(answer)))
    refusal = start(HTTPS_PROXY=proxy.url.replace("http://", "http://canary:canary@")).connect().ask(GET)
    assert refusal.status == 502
    assert refusal.value(b"feedback-error") == b"upstream_unreachable"
    said = refusal.body.decode()
    assert f"The gateway {NAME}:8443 cannot be reached: the " in said
    assert f"the proxy {proxy.authority.decode()} " in said
    assert sentence in said
    assert said.count("Nothing was sent.") == 1
    assert "canary" not in said
    # One try, and no connection is left behind.
    wait_until(lambda: proxy.connections[0].end is not None, "the proxy sees the end")
    assert len(proxy.connections) == 1


def test_a_proxy_that_wants_a_password_and_gets_none_is_a_502_that_says_so(
    scope: contextlib.ExitStack, start: Start
) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(head(b"HTTP/1.1 407 No"))))
    said = start(HTTPS_PROXY=proxy.url).connect().ask(GET).body
    assert b"(it wants a user name and a password: put them into HTTPS_PROXY)" in said


@on_both_loops
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_proxy_that_closes_instead_is_a_502_that_says_so(
    scope: contextlib.ExitStack, start: Start, answer: bytes
) -> None:
    def closing(wire: UpstreamWire) -> None:
        wire.read_head()
        wire.send(answer)

    proxy = scope.enter_context(ScriptedUpstream(closing))
    refusal = start(HTTPS_PROXY=proxy.url).connect().ask(GET)
    assert refusal.status == 502
    assert b"closed the connection before it answered CONNECT" in refusal.body


@on_both_loops
def test_a_proxy_that_is_not_there_is_named(start: Start) -> None:
    refusal = start(HTTPS_PROXY="127.0.0.1:9").connect().ask(GET)
    assert refusal.status == 502
    assert b"the proxy 127.0.0.1:9 cannot be reached: the connection was refused" in refusal.body


def test_so_is_one_that_says_nothing(start: Start, unconnected: str) -> None:
    refusal = start(connect_timeout_seconds=0.3, HTTPS_PROXY=unconnected).connect().ask(GET)
    assert refusal.status == 504
    assert f"through the proxy {unconnected.removeprefix('http://')}".encode() in refusal.body


@on_both_loops
def test_a_client_that_leaves_in_the_middle_of_connect_leaves_nothing_behind(
    scope: contextlib.ExitStack, start: Start
) -> None:
    proxy = scope.enter_context(Upstream())
    sidecar = start(HTTPS_PROXY=proxy.url)
    client = sidecar.connect()
    client.send(GET)
    wire = proxy.accept()
    wire.read_head()
    client.close()
    wire.wait_for_end()
    wait_until(lambda: sidecar.connecting() == 0, "nobody connects any more")


@on_both_loops
def test_the_certificate_is_checked_through_the_proxy_too(
    scope: contextlib.ExitStack, start: Start, authority: Authority
) -> None:
    gateway = scope.enter_context(ScriptedUpstream(answering(OK), tls=authority.server("DNS:else.where")))
    proxy = scope.enter_context(ConnectProxy(gateway.port))
    refusal = start(HTTPS_PROXY=proxy.url).connect().ask(GET)
    assert refusal.status == 502
    assert (
        b"The gateway llm.example.test:8443 cannot be reached: its certificate is for another" in refusal.body
    )


@pytest.mark.parametrize("url", ["https://proxy.test:1", "socks5://proxy.test", "//", "http://"])
def test_only_http_is_spoken_to_a_proxy(url: str) -> None:
    with pytest.raises(ValueError, match="a proxy needs an http URL"):
        ForwardProxy.from_url(url)
