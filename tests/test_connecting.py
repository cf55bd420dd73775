"""`check --connect` tries all that calls and ratings go to, over real sockets, and says in words what is wrong."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import MappingProxyType

import pytest

from harness.authorities import Authority
from harness.loops import LoopThread
from harness.programs import run_command
from harness.proxies import ConnectProxy, saying
from harness.sidecars import settings_of
from harness.standins import running_standin
from harness.upstreams import ScriptedUpstream, UpstreamWire, answering
from harness.wire import head, wait_until
from proxy import helicone_api
from proxy.connecting import Finding, explore
from proxy.demo import DEMO_KEY, ApiFault, StandIn, StandInSettings, invalid_token, too_many_requests
from proxy.helicone import API_URL, EU_API_URL
from proxy.helicone_api import Refusal
from proxy.routing import resolve
from relay.loops import needs_openssl

OTHER_KEY = "sk-helicone-canaryx-canaryx-canaryx-canaryx"
EU_KEY = "sk-helicone-eu-canaryx-canaryx-canaryx-canaryx"
LOOK = "/v1/request/query-clickhouse"
NAME = "llm.example.test"
NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def standin(sound_loop: LoopThread, scope: ExitStack) -> StandIn:
    read_only = frozenset({OTHER_KEY})
    keys = {DEMO_KEY: "org-demo", OTHER_KEY: "org-demo"}
    return scope.enter_context(
        running_standin(sound_loop, StandInSettings(keys=keys, read_only_keys=read_only))
    )


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that nobody else gets, and on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def silence(wire: UpstreamWire) -> None:
    """Listen, and say nothing."""
    wire.read_to_end()


def found(
    loop: LoopThread,
    gateway: str,
    api: str,
    environ: Mapping[str, str] = NOTHING,
    /,
    **dotted: object,
) -> list[Finding]:
    """What comes of trying a gateway and an API."""
    settings = settings_of(gateway, **{"helicone.api_key": DEMO_KEY, "helicone.api_url": api, **dotted})
    findings = loop.run(explore(settings, resolve(settings), environ))
    assert "canary" not in repr(findings)
    return findings


def at_the_gateway(loop: LoopThread, url: str, standin: StandIn, **dotted: object) -> Finding:
    """What is found at a gateway, beside an API that works."""
    gateway, api = found(loop, url, standin.api_url, **dotted)
    assert api.is_fine
    return gateway


def at_the_api(loop: LoopThread, url: str, standin: StandIn, *, key: str | None = DEMO_KEY) -> Finding:
    """What is found at an API, beside a gateway that works."""
    gateway, api = found(loop, standin.gateway_url, url, **{"helicone.api_key": key})
    assert gateway.is_fine
    return api


def test_all_is_fine_and_nothing_is_left_behind(loop: LoopThread, standin: StandIn) -> None:
    gateway, api = found(loop, standin.gateway_url, standin.api_url)
    authority = standin.gateway_url.removeprefix("http://")
    assert str(gateway) == f"Fine: The gateway {authority} (route default) can be reached."
    assert str(api) == (
        f"Fine: Helicone's API at {standin.api_url} takes the key: it may rate, and ask what is stored."
    )
    (asked,) = standin.api.all()
    assert (asked.method, asked.target, asked.status) == ("POST", LOOK, 201)
    assert not standin.ledger.rows


# -- gateways


def test_a_gateway_of_which_there_is_none_is_told(loop: LoopThread, standin: StandIn, closed: int) -> None:
    unresolved = at_the_gateway(loop, "https://gateway.example.invalid", standin)
    assert str(unresolved) == (
        "Wrong: The gateway gateway.example.invalid (route default) cannot be reached: its name cannot be "
        "resolved."
    )
    refused = at_the_gateway(loop, f"http://127.0.0.1:{closed}", standin)
    assert str(refused) == (
        f"Wrong: The gateway 127.0.0.1:{closed} (route default) cannot be reached: the connection was refused."
    )


def test_a_gateway_that_accepts_nothing_in_time_is_told(
    loop: LoopThread, scope: ExitStack, standin: StandIn
) -> None:
    silent = scope.enter_context(ScriptedUpstream(silence))
    gateway = at_the_gateway(
        loop,
        silent.url.replace("http:", "https:"),
        standin,
        **{"upstream.connect_timeout_seconds": 0.3},
    )
    assert not gateway.is_fine
    assert gateway.sentence.endswith("(route default) did not accept a connection within 0.3 s.")


@needs_openssl[1]
def test_tls_that_works_and_a_certificate_that_does_not_fit_are_told(
    loop: LoopThread, scope: ExitStack, authority: Authority, standin: StandIn
) -> None:
    good = scope.enter_context(ScriptedUpstream(answering(b""), tls=authority.server("IP:127.0.0.1")))
    bad = scope.enter_context(ScriptedUpstream(answering(b""), tls=authority.server("DNS:else.where")))
    trusting = {"upstream.ca_file": str(authority.certificate)}
    assert at_the_gateway(loop, good.url, standin, **trusting).sentence.endswith("reached, and TLS works.")
    wrong = at_the_gateway(loop, bad.url, standin, **trusting)
    assert not wrong.is_fine
    assert "cannot be reached: its certificate is for another address." in wrong.sentence
    unknown = at_the_gateway(loop, good.url, standin)
    assert not unknown.is_fine
    assert "comes from an authority that is not trusted here" in unknown.sentence
    assert good.requests == bad.requests == []


def test_a_port_that_speaks_no_tls_is_told(loop: LoopThread, standin: StandIn) -> None:
    gateway = at_the_gateway(loop, standin.gateway_url.replace("http:", "https:"), standin)
    assert not gateway.is_fine
    assert "it does not speak TLS on that port; is https:// right?" in gateway.sentence


@needs_openssl[1]
def test_what_is_reached_through_a_proxy_is_tried_through_it(
    loop: LoopThread, scope: ExitStack, authority: Authority
) -> None:
    created = head(b"HTTP/1.1 201 Created", b"Content-Length: 11") + b'{"data":[]}'
    server = scope.enter_context(ScriptedUpstream(answering(created), tls=authority.server(f"DNS:{NAME}")))
    proxy = scope.enter_context(ConnectProxy(server.port))
    dotted = {"upstream.trust_env": True, "upstream.ca_file": str(authority.certificate)}
    environ = {"HTTPS_PROXY": proxy.url.replace("http://", "http://user:canary@")}
    gateway, api = found(loop, f"https://{NAME}", f"https://{NAME}:8443", environ, **dotted)
    assert (gateway.is_fine, api.is_fine) == (True, True)
    assert f"{NAME} (through the proxy 127.0.0.1:{proxy.port}) (route default) can be" in gateway.sentence
    assert {each.start for each in proxy.requests} == {
        f"CONNECT {NAME}:443 HTTP/1.1".encode(),
        f"CONNECT {NAME}:8443 HTTP/1.1".encode(),
    }
    environ["NO_PROXY"] = NAME
    for each in found(loop, f"https://{NAME}", f"https://{NAME}:8443", environ, **dotted):
        assert "its name cannot be resolved" in each.sentence


def test_a_proxy_that_refuses_is_told(loop: LoopThread, scope: ExitStack) -> None:
    proxy = scope.enter_context(ScriptedUpstream(saying(head(b"HTTP/1.1 407 No", b"Content-Length: 0"))))
    environ = {"HTTPS_PROXY": proxy.url}
    for each in found(loop, f"https://{NAME}", f"https://{NAME}:1", environ, **{"upstream.trust_env": True}):
        assert not each.is_fine
        assert "answered 407 to CONNECT" in each.sentence


def test_a_gateway_of_several_routes_is_tried_once_and_all_are_told_in_order(
    loop: LoopThread, scope: ExitStack, standin: StandIn, closed: int
) -> None:
    gateway = scope.enter_context(ScriptedUpstream(silence))
    dead = f"http://127.0.0.1:{closed}"
    settings = settings_of(
        gateway.url,
        **{
            "helicone.api_key": DEMO_KEY,
            "helicone.api_url": standin.api_url,
            "routes.dead.url": dead,
            "routes.dead.api_url": dead,
            "routes.same.url": gateway.url,
            "routes.same.api_url": standin.api_url,
        },
    )
    findings = loop.run(explore(settings, resolve(settings), {}))
    assert [each.is_fine for each in findings] == [True, False, True, False]
    assert "(routes default, same)" in findings[0].sentence
    assert "(route dead)" in findings[1].sentence
    wait_until(lambda: len(gateway.connections) >= 1, "the gateway has seen that")
    assert len(gateway.connections) == 1
    assert len(standin.api.all()) == 1


# -- the API


def test_a_key_that_the_api_does_not_know_is_told(loop: LoopThread, standin: StandIn) -> None:
    unknown = at_the_api(loop, standin.api_url, standin, key=EU_KEY)
    assert not unknown.is_fine
    assert "Helicone refused the key with 401: it is unknown or deleted" in unknown.sentence
    assert f"a European key was sent to {standin.api_url}" in unknown.sentence
    with standin.faults.api.during(invalid_token()):
        assert "refused the key with 400" in at_the_api(loop, standin.api_url, standin).sentence
    with standin.faults.api.during(ApiFault(status=403)):
        assert "refused the key with 403" in at_the_api(loop, standin.api_url, standin).sentence


def test_a_key_that_may_only_read_is_told(loop: LoopThread, standin: StandIn) -> None:
    read_only = at_the_api(loop, standin.api_url, standin, key=OTHER_KEY)
    assert not read_only.is_fine
    assert f"{standin.api_url} knows it, and it may not write" in read_only.sentence


@pytest.mark.parametrize(
    ("key", "url", "region", "home"),
    [
        (EU_KEY, API_URL, "a European key", EU_API_URL),
        (OTHER_KEY, EU_API_URL, "a key that is not European", API_URL),
    ],
)
def test_a_key_at_the_api_of_the_other_region_is_told_where_it_belongs(
    key: str, url: str, region: str, home: str
) -> None:
    refusal = Refusal(401, '{"error":"No API key found"}', {})
    said = helicone_api.error_of(refusal, base_url=url, is_own=True, key=key, now=0.0).message
    assert f"{region} was sent to {url}, and the API of its region is {home}." in said


def test_a_limit_is_told_with_its_api(loop: LoopThread, standin: StandIn) -> None:
    with standin.faults.api.during(too_many_requests(30)):
        limited = at_the_api(loop, standin.api_url, standin)
    assert not limited.is_fine
    assert "Helicone's limit on API calls is reached" in limited.sentence
    assert "wait for 30 s" in limited.sentence
    assert standin.api_url in limited.sentence


def test_an_api_that_is_none_is_told(
    loop: LoopThread, scope: ExitStack, standin: StandIn, closed: int
) -> None:
    refused = at_the_api(loop, f"http://127.0.0.1:{closed}", standin)
    assert str(refused) == (
        f"Wrong: Helicone's API at http://127.0.0.1:{closed} cannot be reached: the connection was refused."
    )
    ssh = scope.enter_context(ScriptedUpstream(answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")))
    assert str(at_the_api(loop, ssh.url, standin)) == (
        f"Wrong: The connection to Helicone's API at {ssh.url} broke: what answers there does not speak HTTP."
    )
    page = head(b"HTTP/1.1 200 OK", b"Content-Length: 2") + b"hi"
    website = scope.enter_context(ScriptedUpstream(answering(page)))
    assert "is api_url right" in at_the_api(loop, website.url, standin).sentence
    no_tls = at_the_api(loop, standin.api_url.replace("http:", "https:"), standin)
    assert "it does not speak TLS on that port" in no_tls.sentence


def test_an_api_that_is_silent_is_told_in_time(loop: LoopThread, standin: StandIn) -> None:
    with standin.faults.api.during(ApiFault(silent=True)):
        _, api = found(loop, standin.gateway_url, standin.api_url, **{"helicone.timeout_seconds": 0.3})
    assert not api.is_fine
    assert "did not answer within 0.3 s" in api.sentence


def test_without_a_key_the_api_is_reached_and_asked_nothing(
    loop: LoopThread, standin: StandIn, closed: int
) -> None:
    api = at_the_api(loop, standin.api_url, standin, key=None)
    assert api.is_fine
    assert "no key is configured: HELICONE_API_KEY) can be reached." in api.sentence
    assert standin.api.all() == []
    assert not at_the_api(loop, f"http://127.0.0.1:{closed}", standin, key=None).is_fine


def test_a_host_is_tried_once_and_sessions_are_told_apart_from_calls(
    loop: LoopThread, scope: ExitStack, standin: StandIn
) -> None:
    sessions, gateway = (scope.enter_context(ScriptedUpstream(silence)) for _ in range(2))
    findings = found(
        loop,
        standin.gateway_url,
        standin.api_url,
        **{
            "routes.default.realtime_url": f"{sessions.url}/rt",
            "routes.own.url": f"{gateway.url}/calls",
            "routes.own.realtime_url": f"{gateway.url}/sessions",
            "routes.more.url": standin.gateway_url,
            "routes.more.realtime_url": f"{sessions.url}/more",
        },
    )
    assert [each.sentence.partition(" can be")[0] for each in findings[:-1]] == [
        f"The gateway {standin.gateway_url.removeprefix('http://')} (routes default, more)",
        f"The host {sessions.authority.decode()} (realtime sessions of default, more)",
        f"The gateway {gateway.authority.decode()} (route own)",
    ]
    wait_until(lambda: bool(sessions.connections and gateway.connections), "both have been tried")
    assert (len(sessions.connections), len(gateway.connections)) == (1, 1)


def test_a_configured_key_that_is_refused_is_told_by_its_own_name(loop: LoopThread, standin: StandIn) -> None:
    said = at_the_api(loop, standin.api_url, standin, key=EU_KEY).sentence
    assert "Check HELICONE_API_KEY, its write permission, and api_url" in said


def test_an_api_that_our_key_may_not_go_to_is_reached_and_asked_nothing(
    loop: LoopThread, scope: ExitStack, standin: StandIn
) -> None:
    page = head(b"HTTP/1.1 201 Created", b"Content-Length: 11") + b'{"data":[]}'
    foreign = scope.enter_context(ScriptedUpstream(answering(page)))
    route = {
        "routes.own.preset": "self-hosted",
        "routes.own.url": f"http://0.0.0.0:{foreign.port}/v1/gateway/oai",
    }
    *_, api = found(loop, standin.gateway_url, standin.api_url, **route)
    assert api.is_fine
    assert "our key may not go there: helicone = true" in api.sentence
    assert foreign.requests == []
    found(loop, standin.gateway_url, standin.api_url, **route, **{"routes.own.helicone": True})
    assert [each.value(b"authorization") for each in foreign.requests] == [f"Bearer {DEMO_KEY}".encode()]


# -- the command


def test_the_command_says_all_of_it_and_its_exit_code_tells_scripts(standin: StandIn, closed: int) -> None:
    arguments = ("check", "--connect", "--upstream", standin.gateway_url, "--api-url", standin.api_url)
    done = run_command(*arguments, env={"HELICONE_API_KEY": DEMO_KEY})
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(" ")[0] for line in done.stdout.splitlines() if line[0] != " "] == [
        "The",
        "Fine:",
        "Fine:",
    ]
    arguments = (*arguments[:3], f"http://127.0.0.1:{closed}", *arguments[4:])
    done = run_command(*arguments, env={"HELICONE_API_KEY": DEMO_KEY})
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.partition(" ")[0] for line in done.stdout.splitlines() if line[0] != " "] == [
        "The",
        "Wrong:",
        "Fine:",
    ]
    # A configuration that cannot be used is not tried.
    done = run_command(*arguments, "--port", "nine", env={"HELICONE_API_KEY": DEMO_KEY})
    assert (done.returncode, done.stdout) == (2, "")
