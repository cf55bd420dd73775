"""Commands that ask a sidecar which wants a token."""

import socket
from pathlib import Path

import pytest

from harness.benches import Bench, StartBench, id_of, request
from harness.clients import Client
from harness.programs import Program
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import head
from proxy.errors import RemoteError
from proxy.remote import RemoteSidecar
from test_cli import READY, Outcome, command, one_sentence

ANNS = "anns-token-0123456789"
BOBS = "bobs-token-9876543210"
EVERYBODYS = "everybodys-0123456789"
TOKEN = "HELICONE_PROXY_GUARD__TOKEN"
COMMANDS = [
    ("rate", "up"),
    ("recent",),
    ("withdraw",),
    ("outbox", "list"),
    ("outbox", "export"),
    ("outbox", "retry"),
]


@pytest.fixture
def guarded(start_bench: StartBench) -> Bench:
    """A sidecar that wants a token, and has relayed a call."""
    bench = start_bench(**{"guard.token": EVERYBODYS, "guard.tokens": {"ann": ANNS}})
    bench.chat(b"Feedback-Proxy-Token: " + ANNS.encode(), b"Authorization: Bearer sk-x")
    return bench


def asked(bench: Bench, *arguments: str, **env: str) -> Outcome:
    """Run a command that talks to `bench`."""
    return command(*arguments, HELICONE_PROXY_URL=f"http://127.0.0.1:{bench.sidecar.sidecar.port}", **env)


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize(
    "env",
    [
        {TOKEN: EVERYBODYS},
        {TOKEN: ANNS},
        {f"{TOKEN}S": f'{{"ann": "{ANNS}", "bob": "{BOBS}"}}'},
        {TOKEN: EVERYBODYS, f"{TOKEN}S": f'{{"bob": "{BOBS}"}}'},
    ],
)
def test_every_command_says_the_token(
    guarded: Bench, arguments: tuple[str, ...], env: dict[str, str]
) -> None:
    guarded.rate("/feedback/last?hold=1h", b"rating=up", b"Feedback-Proxy-Token: " + ANNS.encode())
    outcome = asked(guarded, *arguments, **env)
    assert (outcome.status, outcome.stderr) == (0, ""), outcome
    for token in (ANNS, BOBS, EVERYBODYS):
        assert token not in outcome.stdout


@pytest.mark.parametrize("arguments", COMMANDS)
def test_without_the_token_a_command_says_how_to_give_it(guarded: Bench, arguments: tuple[str, ...]) -> None:
    sentence = one_sentence(asked(guarded, *arguments))
    assert "wants a token" in sentence
    assert TOKEN in sentence
    wrong = one_sentence(asked(guarded, *arguments, **{TOKEN: BOBS}))
    assert "does not know the token" in wrong
    assert TOKEN in wrong
    assert BOBS not in wrong


def test_the_token_of_a_configuration_is_said(guarded: Bench, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[guard.tokens]\nann = "{ANNS}"\n')
    port = str(guarded.sidecar.sidecar.port)
    assert asked(guarded, "recent", "--config", str(file)).status == 0
    assert command("recent", "--config", str(file), HELICONE_PROXY_SERVER__PORT=port).status == 0


def test_a_broken_configuration_is_no_obstacle_to_asking_a_sidecar_elsewhere(
    guarded: Bench, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("no toml")
    assert asked(guarded, "recent", "--config", str(file), **{TOKEN: ANNS}).status == 0
    assert "wants a token" in one_sentence(asked(guarded, "recent", "--config", str(file)))
    # A token that cannot be one is what to mend, wherever the sidecar is.
    outcome = asked(guarded, "recent", **{TOKEN: "short"})
    assert outcome.status == 2
    assert outcome.stderr.startswith(f"{TOKEN}: must be 16 to 200")


def test_a_call_is_found_by_the_name_of_its_token(guarded: Bench) -> None:
    own = id_of(guarded.chat(b"Feedback-Proxy-Token: " + ANNS.encode(), b"Authorization: Bearer sk-x"))
    guarded.chat(b"Feedback-Proxy-Token: " + EVERYBODYS.encode(), b"Authorization: Bearer sk-x")
    outcome = asked(guarded, "rate", "up", "--client", "ann", "--json", **{TOKEN: EVERYBODYS})
    assert outcome.document["rated"]["id"] == own


def test_a_token_is_not_carried_to_where_a_redirect_leads(start_upstream: StartUpstream) -> None:
    other = start_upstream(answering(head(b"HTTP/1.1 200 OK", b"Content-Length: 13") + b'{"calls": []}'))
    redirect = head(
        b"HTTP/1.1 302 Found", b"Location: " + other.url.encode() + b"/feedback", b"Content-Length: 2"
    )
    upstream = start_upstream(answering(redirect + b"{}"))
    outcome = command("recent", "--url", upstream.url, **{TOKEN: EVERYBODYS})
    assert "answered 302" in one_sentence(outcome)
    assert upstream.requests[0].value(b"feedback-proxy-token") == EVERYBODYS.encode()
    assert other.requests == []


@pytest.mark.parametrize("host", ["a..b", "a" * 80])
def test_no_sidecar_answers_at_what_can_be_no_name(host: str) -> None:
    assert "No sidecar answers" in one_sentence(command("recent", "--url", f"http://{host}:1"))


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
def test_a_sidecar_that_ends_meanwhile_may_have_done_what_was_asked(
    start_upstream: StartUpstream, beginning: bytes
) -> None:
    def script(wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(beginning)

    sentence = one_sentence(command("rate", "up", "--url", start_upstream(script).url))
    assert "may have been done" in sentence


def test_a_sidecar_that_says_nothing_is_not_said_to_be_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote = RemoteSidecar(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(RemoteError, match="has said nothing for too long"):
            remote.get("/feedback/search", having="calls", within=0.2)


def test_serve_prints_no_token_and_no_key(start_upstream: StartUpstream) -> None:
    ok = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"ok"
    flags = ("--port", "0", "--upstream", start_upstream(answering(ok)).url, "--host", "127.0.0.1")
    secret = {TOKEN: EVERYBODYS, "HELICONE_PROXY_ROUTES__DEFAULT__PROVIDER_KEY": "sk-proj-canary"}
    with Program("serve", *flags, "--log-format", "json", env=secret) as program:
        port = int(program.wait_for(READY)[1])
        for line in (b"Authorization: Bearer " + EVERYBODYS.encode(), b"X-Api-Key: wrong"):
            with Client.connect(("127.0.0.1", port)) as client:
                client.ask(request("GET", f"/v1/models?key={EVERYBODYS}", b"", line))
            with Client.connect(("127.0.0.1", port)) as client:
                client.ask(request("GET", "/v1/models", b"", line))
        assert command("recent", "--url", f"localhost:{port}", **{TOKEN: EVERYBODYS}).status == 0
        assert program.stop() == 0
    for text in (program.stdout, program.stderr):
        assert EVERYBODYS not in text
        assert "canary" not in text
