"""TLS to the upstream: the system's trust store decides, and the name is checked."""

import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Sized
from functools import partial
from pathlib import Path

import pytest

from harness.authorities import Authority
from harness.handshakes import HANDSHAKE, SWITCH
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar, settings_of
from harness.upstreams import Script, ScriptedUpstream, UpstreamWire, answering
from harness.wire import End, Truncated, head, wait_until
from proxy.errors import CannotStart
from relay.loops import needs_openssl, on_both_loops

pytestmark = needs_openssl

GET = head(b"GET /v1/models HTTP/1.1", b"Host: localhost")
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The same, in the system's trust store, as OpenSSL reads it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    return authority


def serve(scope: contextlib.ExitStack, script: Script, tls: ssl.SSLContext) -> ScriptedUpstream:
    """A gateway that speaks TLS."""
    return scope.enter_context(ScriptedUpstream(script, tls=tls))


@on_both_loops
@pytest.mark.parametrize("name", ["IP:127.0.0.1", "DNS:localhost"])
def test_an_upstream_that_the_system_trusts_is_served(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, trusted: Authority, name: str
) -> None:
    upstream = serve(scope, answering(OK), trusted.server(name))
    url = upstream.url.replace("127.0.0.1", name.partition(":")[2])
    client = start_sidecar(url).connect()
    for _ in range(3):
        assert client.ask(GET).body == b"ok"
    assert len(upstream.connections) == 1
    assert upstream.requests[0].value(b"host") == url.removeprefix("https://").encode()


@on_both_loops
@pytest.mark.parametrize(
    ("tls", "is_trusted", "why"),
    [
        (lambda authority: authority.server("DNS:else.where"), True, "is for another"),
        (lambda authority: authority.server("IP:127.0.0.1", days=-1), True, "has expired"),
        (
            lambda authority: authority.server("IP:127.0.0.1"),
            False,
            "comes from an authority that is not trusted",
        ),
        (lambda authority: authority.itself(), False, "is signed by itself"),
    ],
)
def test_a_certificate_that_does_not_fit_is_a_502_that_says_which_and_why(
    scope: contextlib.ExitStack,
    start_sidecar: StartSidecar,
    authority: Authority,
    tls: Callable[[Authority], ssl.SSLContext],
    is_trusted: bool,
    why: str,
) -> None:
    upstream = serve(scope, answering(OK), tls(authority))
    more = {"upstream.ca_file": str(authority.certificate)} if is_trusted else {}
    answer = start_sidecar(upstream.url, **more).connect().ask(GET)
    assert answer.status == 502
    assert answer.value(b"feedback-error") == b"upstream_unreachable"
    said = answer.body.decode()
    assert f"The gateway {upstream.authority.decode()} cannot be reached: its certificate {why}" in said
    assert ("[upstream] ca_file" in said) == (not is_trusted)
    assert upstream.requests == []


@on_both_loops
def test_an_authority_can_be_trusted_besides_the_systems(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, authority: Authority
) -> None:
    upstream = serve(scope, answering(OK), authority.server("IP:127.0.0.1"))
    sidecar = start_sidecar(upstream.url, **{"upstream.ca_file": str(authority.certificate)})
    assert sidecar.connect().ask(GET).body == b"ok"
    system = ssl.create_default_context().cert_store_stats()["x509"]
    tls = sidecar.pool.upstream.tls
    assert tls is not None
    assert tls.cert_store_stats()["x509"] == system + 1


def test_a_bundle_that_has_gone_since_it_was_checked_keeps_us_from_starting(
    loop: LoopThread, authority: Authority, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority.certificate.read_bytes())
    settings = settings_of("https://127.0.0.1:1", **{"upstream.ca_file": str(bundle)})
    bundle.unlink()
    with pytest.raises(CannotStart, match="ca_file can no longer be read: No such file"):
        RunningSidecar(loop, settings).__enter__()


@on_both_loops
def test_an_upstream_that_closes_in_the_handshake_is_a_502_with_a_sentence(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar
) -> None:
    plain = scope.enter_context(ScriptedUpstream(lambda wire: None))
    answer = start_sidecar(plain.url.replace("http:", "https:")).connect().ask(GET)
    assert answer.status == 502
    assert b"it closed the connection while it was being opened" in answer.body


def test_an_upstream_that_speaks_no_tls_is_a_502_with_a_sentence(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar
) -> None:
    plain = scope.enter_context(ScriptedUpstream(lambda wire: wire.send(OK)))
    answer = start_sidecar(plain.url.replace("http:", "https:")).connect().ask(GET)
    assert answer.status == 502
    assert b"it does not speak TLS on that port; is https:// right?" in answer.body


@on_both_loops
def test_a_large_body_passes_both_ways_over_tls(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, trusted: Authority
) -> None:
    body = bytes(range(256)) * 20_000

    def echo(wire: UpstreamWire) -> None:
        request = wire.read_request()
        wire.send(head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(request.body)) + request.body)

    client = start_sidecar(serve(scope, echo, trusted.server("IP:127.0.0.1")).url).connect()
    length = b"Content-Length: %d" % len(body)
    with client.sending(head(b"POST / HTTP/1.1", b"Host: localhost", length) + body):
        assert client.read_answer().body == body


@on_both_loops
@pytest.mark.parametrize(
    "answer",
    [
        head(b"HTTP/1.1 200 OK", b"Content-Length: 100") + b"only this",
        head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked") + b"5\r\nwhole\r\n",
        # RFC 9112 §9.8: without a close_notify this one is incomplete too.
        head(b"HTTP/1.1 200 OK") + b"who knows whether this is all",
    ],
)
def test_a_cut_answer_over_tls_is_an_error_for_the_client(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, trusted: Authority, answer: bytes
) -> None:
    def breaking(wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(answer)

    sidecar = start_sidecar(serve(scope, breaking, trusted.server("IP:127.0.0.1")).url)
    for _ in range(20):
        with sidecar.connect() as client, pytest.raises(Truncated):
            client.ask(GET)


@on_both_loops
def test_an_answer_that_ends_with_a_close_notify_is_whole(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, trusted: Authority
) -> None:
    def ending(wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(head(b"HTTP/1.1 200 OK") + b"this is all")
        assert isinstance(wire.sock, ssl.SSLSocket)
        with contextlib.suppress(OSError):
            wire.sock.unwrap()

    sidecar = start_sidecar(serve(scope, ending, trusted.server("IP:127.0.0.1")).url)
    for _ in range(20):
        assert sidecar.connect().ask(GET).body == b"this is all"


@on_both_loops
def test_a_tunnel_that_the_upstream_closes_over_tls_ends_on_both_sides_without_a_word_in_the_log(
    scope: contextlib.ExitStack,
    start_sidecar: StartSidecar,
    trusted: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def switching(wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(SWITCH + b"last words")
        assert isinstance(wire.sock, ssl.SSLSocket)
        with contextlib.suppress(OSError):
            wire.sock.unwrap()

    sidecar = start_sidecar(serve(scope, switching, trusted.server("IP:127.0.0.1")).url)
    client = sidecar.connect()
    client.send(HANDSHAKE)
    assert client.read_answer().status == 101
    assert client.read_to_end() == b"last words"
    assert client.end is End.CLOSED
    sidecar.wait_for_log("GET /v1/realtime 101 ")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@on_both_loops
def test_a_client_that_leaves_ends_the_call_over_tls_too(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar, trusted: Authority
) -> None:
    begun: list[bool] = []
    ended: list[float] = []

    def silent(wire: UpstreamWire) -> None:
        wire.read_request()
        begun.append(True)
        wire.read_to_end()
        ended.append(wire.ended_at)

    upstream = serve(scope, silent, trusted.server("IP:127.0.0.1"))
    sidecar = start_sidecar(upstream.url)
    for number in range(1, 6):
        client = sidecar.connect()
        client.send(GET)
        wait_until(partial(_has, begun, number), "the upstream has the request")
        left = time.perf_counter()
        client.close()
        wait_until(partial(_has, ended, number), "the upstream saw the end")
        assert ended[-1] - left < 2


def _has(found: Sized, number: int) -> bool:
    return len(found) == number
