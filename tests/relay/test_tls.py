"""TLS to the upstream: the system's trust store decides, and the name is checked."""

import contextlib
import shutil
import ssl
import subprocess
import time
from collections.abc import Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from harness.sidecars import StartSidecar
from harness.upstreams import Script, ScriptedUpstream, UpstreamWire, answering
from harness.wire import Truncated, head, wait_until
from relay.loops import on_both_loops

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl"),
]

GET = head(b"GET /v1/models HTTP/1.1", b"Host: localhost")
OK = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"


NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self.folder / "ca.pem"

    def server(self, name: str) -> ssl.SSLContext:
        """TLS for a server with a certificate for `name` (`DNS:…` or `IP:…`)."""
        stem = self.folder / name.replace(":", "_")
        if not stem.with_suffix(".pem").exists():
            extension = stem.with_suffix(".ext")
            extension.write_text(f"subjectAltName={name}\nbasicConstraints=critical,CA:FALSE\n")
            _openssl(f"req {NEW_KEY} -subj /CN=x -keyout {stem}.key -out {stem}.csr")
            _openssl(
                f"x509 -req -in {stem}.csr -CA {self.certificate} -CAkey {self.folder}/ca.key -CAcreateserial"
                f" -days 2 -extfile {extension} -out {stem}.pem"
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{stem}.pem", f"{stem}.key")
        return context


def _openssl(arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts yet."""
    made = Authority(tmp_path_factory.mktemp("ca"))
    _openssl(
        f"req -x509 {NEW_KEY} -days 2 -subj /CN=Test -keyout {made.folder}/ca.key -out {made.certificate}"
    )
    return made


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
@pytest.mark.parametrize(("certified", "is_trusted"), [("DNS:else.where", True), ("IP:127.0.0.1", False)])
def test_a_certificate_that_does_not_fit_is_a_502_with_a_sentence(
    scope: contextlib.ExitStack,
    start_sidecar: StartSidecar,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    certified: str,
    is_trusted: bool,
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    upstream = serve(scope, answering(OK), authority.server(certified))
    answer = start_sidecar(upstream.url).connect().ask(GET)
    assert answer.status == 502
    assert answer.value(b"feedback-error") == b"upstream_unreachable"
    assert b"certificate" in answer.body
    assert upstream.requests == []


def test_an_upstream_that_speaks_no_tls_is_a_502_with_a_sentence(
    scope: contextlib.ExitStack, start_sidecar: StartSidecar
) -> None:
    plain = scope.enter_context(ScriptedUpstream(lambda wire: wire.send(OK)))
    answer = start_sidecar(plain.url.replace("http:", "https:")).connect().ask(GET)
    assert answer.status == 502
    assert b"TLS" in answer.body


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
