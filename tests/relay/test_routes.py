"""Routes: which way a call takes, what it looks like there, and what goes along."""

import contextlib
import json
from collections.abc import Callable, Mapping

import pytest

from harness.benches import StartBench
from harness.handshakes import HANDSHAKE_LINES, SWITCH
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import ScriptedUpstream, StartUpstream, Upstream, UpstreamWire, answering
from harness.wire import Message, head

KEY = "sk-helicone-abcdefg-abcdefg-abcdefg-abcdefg"
ID = b"0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
APPS_KEY = b"sk-helicone-appsapp-appsapp-appsapp-appsapp"

Asked = Callable[..., tuple[str, Message]]


def said_by(name: str) -> bytes:
    """An answer that says who gave it."""
    return head(b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(name)) + name.encode()


class World:
    """Gateways by name, and a sidecar before them."""

    def __init__(self, gateways: Mapping[str, ScriptedUpstream], sidecar: RunningSidecar) -> None:
        self.gateways = gateways
        self.sidecar = sidecar

    def ask(self, target: bytes, *lines: bytes, method: bytes = b"POST") -> tuple[str, Message]:
        """One call. Gives who answered it, and what had come there."""
        fields = (
            lines
            if any(line.lower().startswith(b"host:") for line in lines)
            else (b"Host: a.localhost", *lines)
        )
        answer = self.sidecar.connect().ask(head(method + b" " + target + b" HTTP/1.1", *fields))
        name = answer.body.decode()
        return name, self.gateways[name].requests[-1]


Start = Callable[..., World]


@pytest.fixture
def start(scope: contextlib.ExitStack, start_sidecar: StartSidecar) -> Start:
    """Start gateways with these names besides `default`, and a sidecar. `below`: the path of their URLs."""

    def starting(*names: str, below: str = "", **dotted: object) -> World:
        gateways = {
            name: scope.enter_context(ScriptedUpstream(answering(said_by(name))))
            for name in ("default", *names)
        }
        urls = {f"routes.{name}.url": gateways[name].url + below for name in names}
        given = {"upstream.via": False, "helicone.api_key": KEY, **urls, **dotted}
        return World(gateways, start_sidecar(gateways["default"].url, **given))

    return starting


@pytest.mark.parametrize(
    ("target", "name", "arrives"),
    [
        (b"/v1/models", "default", b"/v1/models"),
        (b"/anthropic/v1/messages", "anthropic", b"/v1/messages"),
        (b"/anthropic/v1/messages?beta=true", "anthropic", b"/v1/messages?beta=true"),
        (b"/anthropic", "anthropic", b"/"),
        (b"/anthropic/", "anthropic", b"/"),
        (b"/anthropic?x=1", "anthropic", b"/?x=1"),
        (b"/anthropic//v1", "anthropic", b"//v1"),
        (b"/anthropics/v1", "default", b"/anthropics/v1"),
        (b"/Anthropic/v1", "default", b"/Anthropic/v1"),
        (b"/%61nthropic/v1", "default", b"/%61nthropic/v1"),
        (b"/anthropic%2Fv1", "default", b"/anthropic%2Fv1"),
        (b"/v1/anthropic", "default", b"/v1/anthropic"),
        (b"//anthropic/v1", "default", b"//anthropic/v1"),
        (b"/ai/chat/completions", "ai", b"/chat/completions"),
        (b"/ai/v1/chat/completions", "ai-v1", b"/chat/completions"),
        (b"/ai/v1", "ai-v1", b"/"),
        (b"/ai/v1beta/x", "ai", b"/v1beta/x"),
        (b"/ai/v", "ai", b"/v"),
        (b"http://localhost:8747/anthropic/v1/messages?x", "anthropic", b"/v1/messages?x"),
        (b"/anthropic/a%2fb/%7E", "anthropic", b"/a%2fb/%7E"),
    ],
)
def test_the_longest_path_wins_by_whole_raw_segments_and_is_cut_off(
    start: Start, target: bytes, name: str, arrives: bytes
) -> None:
    world = start("anthropic", "ai", "ai-v1", **{"routes.ai-v1.path": "/ai/v1"})
    assert world.sidecar.sidecar.routes[0].name == "default"
    by, request = world.ask(target)
    assert (by, request.target) == (name, arrives)
    assert request.value(b"host") == world.gateways[name].authority


@pytest.mark.parametrize(
    ("target", "arrives"),
    [(b"/own/v1/x?y", b"/base/path/v1/x?y"), (b"/own", b"/base/path"), (b"/own?x=1", b"/base/path?x=1")],
)
def test_the_upstreams_own_path_stands_where_ours_stood(start: Start, target: bytes, arrives: bytes) -> None:
    assert start("own", below="/base/path").ask(target)[1].target == arrives


def test_a_call_on_a_route_is_remembered_with_its_name(start: Start) -> None:
    world = start("anthropic")
    world.ask(b"/anthropic/v1/messages")
    world.ask(b"/v1/messages")
    store = world.sidecar.sidecar.parts.store
    assert [(call.route, call.path) for call in store.newest(2)] == [
        ("default", b"/v1/messages"),
        ("anthropic", b"/anthropic/v1/messages"),
    ]


def test_routes_to_one_url_share_their_connections(start_sidecar: StartSidecar, upstream: Upstream) -> None:
    sidecar = start_sidecar(
        upstream.url, **{"routes.a.url": upstream.url, "routes.b.url": upstream.url + "/b"}
    )
    client = sidecar.connect()
    client.send(head(b"GET /x HTTP/1.1", b"Host: localhost"))
    call = upstream.accept()
    for target in (b"/x", b"/x"):
        assert call.read_request().target == target
        call.send(said_by("ok"))
        assert client.read_answer().body == b"ok"
        client.send(head(b"GET /a/x HTTP/1.1", b"Host: localhost"))
    assert call.read_request().target == b"/x"
    call.send(said_by("ok"))
    client.read_answer()
    assert len(sidecar.sidecar.parts.pools) == 2


# -- whose key, in which header


@pytest.mark.parametrize(
    ("place", "lines", "authorization", "helicone_auth"),
    [
        ("authorization", (), b"Bearer " + KEY.encode(), None),
        ("authorization", (b"Authorization: Bearer placeholder",), b"Bearer " + KEY.encode(), None),
        ("authorization", (b"authorization: Bearer " + APPS_KEY,), b"Bearer " + APPS_KEY, None),
        ("authorization", (b"Helicone-Auth: Bearer " + APPS_KEY,), None, b"Bearer " + APPS_KEY),
        (
            "authorization",
            (b"Authorization: Bearer sk-helicone-short",),
            b"Bearer sk-helicone-short",
            None,
        ),
        ("authorization", (b"Authorization: pk-helicone-short",), b"pk-helicone-short", None),
        ("helicone-auth", (b"Authorization: Bearer sk-x",), b"Bearer sk-x", b"Bearer " + KEY.encode()),
        ("none", (b"Authorization: Bearer sk-x",), b"Bearer sk-x", None),
        (None, (b"Authorization: Bearer sk-x",), b"Bearer sk-x", b"Bearer " + KEY.encode()),
    ],
)
def test_the_key_goes_where_the_route_says_and_the_apps_own_is_left_alone(
    start: Start,
    place: str | None,
    lines: tuple[bytes, ...],
    authorization: bytes | None,
    helicone_auth: bytes | None,
) -> None:
    _, request = start("own", **{"routes.own.helicone_key": place}).ask(b"/own/v1/x", *lines)
    assert request.value(b"authorization") == authorization
    assert request.value(b"helicone-auth") == helicone_auth


def test_a_route_without_a_place_for_the_key_leaves_calls_that_cannot_be_rated(start: Start) -> None:
    world = start("own", **{"routes.own.helicone_key": "none"})
    world.ask(b"/own/v1/chat/completions")
    answer = world.sidecar.connect().ask(
        head(b"POST /feedback/last?rating=up HTTP/1.1", b"Host: localhost", b"Content-Length: 0")
    )
    assert answer.status == 409


@pytest.mark.parametrize(
    ("setting", "lines", "why"),
    [
        ({"helicone.api_key": None}, (), b"Set HELICONE_API_KEY"),
        ({}, (), b"the sidecar's may not go to that gateway"),
        ({"routes.own.helicone_key": "none"}, (), b"helicone_key of its route says"),
        ({}, (b"Helicone-Auth: " + APPS_KEY,), b"Its Helicone-Auth holds no key after Bearer"),
    ],
)
def test_a_call_without_a_key_is_told_why_it_went_without(
    start_sidecar: StartSidecar,
    start_upstream: StartUpstream,
    setting: Mapping[str, object],
    lines: tuple[bytes, ...],
    why: bytes,
) -> None:
    gateway = start_upstream(answering(said_by("own")))
    # Reached at an address that is no loopback address to us.
    own = {"helicone.api_key": KEY, "routes.own.url": f"http://0.0.0.0:{gateway.port}", **setting}
    client = start_sidecar(gateway.url, **own).connect()
    call = head(b"POST /own/v1/chat/completions HTTP/1.1", b"Host: localhost", b"Content-Length: 0", *lines)
    assert client.ask(call).body == b"own"
    rate = head(b"POST /feedback/last?rating=up HTTP/1.1", b"Host: localhost", b"Content-Length: 0")
    refused = client.ask(rate)
    assert refused.status == 409
    assert why in refused.body


@pytest.mark.parametrize(("says", "status"), [(b"", 409), (b"Helicone-Id: " + ID, 200)])
def test_where_our_ids_are_ignored_the_answers_counts_and_without_it_nothing_can_be_rated(
    start_bench: StartBench, start_upstream: StartUpstream, says: bytes, status: int
) -> None:
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: 2", *((says,) if says else ()))
    gateway = start_upstream(answering(head(*lines) + b"ok"))
    route = {"routes.rust.preset": "rust-ai-gateway", "routes.rust.url": gateway.url}
    bench = start_bench(**route)
    answer = bench.chat(target="/rust/v1/chat/completions")
    assert (answer.value(b"feedback-id") == ID) is (status == 200)
    rated = bench.rate("/feedback/last?wait=queued")
    assert rated.status == (202 if status == 200 else 409)
    if status == 409:
        assert b"makes its ids itself" in rated.body


# -- headers of the configuration


def test_headers_are_added_and_yield_to_the_apps(start: Start) -> None:
    headers = {"Helicone-User-Id": "me", "Helicone-Property-Team": "blue", "X-Other": "1"}
    world = start("own", **{"routes.own.headers": headers})
    _, request = world.ask(b"/own/x", b"helicone-user-ID: you")
    assert request.values(b"helicone-user-id") == [b"you"]
    assert b"\r\nHelicone-Property-Team: blue\r\nX-Other: 1\r\n" in request.head
    _, request = world.ask(b"/v1/x")
    assert request.values(b"x-other") == []


def test_a_header_that_connection_names_is_not_the_apps_any_more(start: Start) -> None:
    world = start("own", **{"routes.own.headers": {"X-Team": "blue"}})
    _, request = world.ask(b"/own/x", b"X-Team: red", b"Connection: X-Team")
    assert request.values(b"x-team") == [b"blue"]


# -- POST alone


def test_a_gateway_that_takes_post_alone_as_the_default_route(
    start_sidecar: StartSidecar, scope: contextlib.ExitStack
) -> None:
    gateway = scope.enter_context(ScriptedUpstream(_switching_or_ok))
    sidecar = start_sidecar(gateway.url, **{"routes.default.preset": "self-hosted"})
    refused = sidecar.connect().ask(head(b"GET /v1/models HTTP/1.1", b"Host: localhost"))
    assert (refused.status, refused.value(b"allow")) == (405, b"POST")
    us = sidecar.connect().ask(head(b"OPTIONS * HTTP/1.1", b"Host: localhost"))
    assert us.status != 405
    foreign = sidecar.connect().ask(head(b"GET /v1/models HTTP/1.1", b"Host: evil.test"))
    assert foreign.status == 403
    local = sidecar.connect().ask(head(b"GET /feedback/health HTTP/1.1", b"Host: localhost"))
    assert local.status == 200
    answer = sidecar.connect().ask(head(b"POST /v1/x HTTP/1.1", b"Host: localhost", b"Content-Length: 0"))
    assert answer.body == b"ok"
    for path, status in ((b"/v1/realtime", 101), (b"/v1/other", 405)):
        shake = head(b"GET " + path + b"?model=x HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES)
        assert sidecar.connect().ask(shake).status == status
    # Not a handshake, so no realtime session.
    plain = sidecar.connect().ask(head(b"GET /v1/realtime HTTP/1.1", b"Host: localhost"))
    assert plain.status == 405
    assert [request.target for request in gateway.requests] == [b"/v1/x", b"/realtime?model=x"]


def _switching_or_ok(wire: UpstreamWire) -> None:
    request = wire.read_request()
    wire.send(SWITCH if request.values(b"upgrade") else said_by("ok"))


# -- what people see of them


def test_health_tells_the_api_of_a_self_hosted_default_route(start: Start) -> None:
    world = start(**{"routes.default.preset": "self-hosted", "helicone.api_url": None})
    health = world.sidecar.connect().ask(head(b"GET /feedback/health HTTP/1.1", b"Host: localhost"))
    assert json.loads(health.body)["helicone_api"] == world.gateways["default"].url


def test_health_and_metrics_know_all_routes(start: Start) -> None:
    world = start("anthropic", "ai")
    for target in (b"/v1/x", b"/anthropic/v1/x", b"/ai/v1/x"):
        world.ask(target)
    health = world.sidecar.connect().ask(head(b"GET /feedback/health HTTP/1.1", b"Host: localhost"))
    assert json.loads(health.body)["routes"] == [
        {"name": name, "path": path, "url": world.gateways[name].url, "helicone_api": "http://127.0.0.1:9"}
        for name, path in (("default", "/"), ("anthropic", "/anthropic"), ("ai", "/ai"))
    ]
    metrics = world.sidecar.connect().ask(head(b"GET /feedback/metrics HTTP/1.1", b"Host: localhost"))
    assert b"helicone_proxy_pool_opened_total 3.0" in metrics.body


# -- handshakes and redirects stay on their route


def _handshake(path: bytes) -> bytes:
    return head(b"GET " + path + b"?model=x HTTP/1.1", b"Host: localhost", *HANDSHAKE_LINES)


def test_a_handshake_that_another_route_takes_is_that_routes(
    start: Start, scope: contextlib.ExitStack
) -> None:
    sessions, others = (
        scope.enter_context(ScriptedUpstream(answering(said_by(name)))) for name in ("ours", "theirs")
    )
    world = start(
        "own",
        "deep",
        **{
            "routes.default.realtime_url": f"{sessions.url}/rt",
            "routes.own.path": "/v1",
            "routes.deep.realtime_url": f"{others.url}/rt",
        },
    )
    for path, by in (
        (b"/v1/realtime", b"own"),
        (b"/deep/v1/realtime", b"theirs"),
        (b"/deep/v1/realtime/x", b"deep"),
    ):
        assert world.sidecar.connect().ask(_handshake(path)).body == by
    assert sessions.requests == []


@pytest.mark.parametrize(
    ("location", "below", "arrives"),
    [
        (b"/v1/messages/", "", b"/own/v1/messages/"),
        (b"/v1/messages/?a=/b", "", b"/own/v1/messages/?a=/b"),
        (b"/", "", b"/own/"),
        (b"/base/v1/x", "/base", b"/own/v1/x"),
        (b"/base?x=1", "/base", b"/own?x=1"),
        (b"/based/v1/x", "/base", b"/own/based/v1/x"),
        (b"//other.test/v1/x", "", b"//other.test/v1/x"),
        (b"https://other.test/v1/x", "", b"https://other.test/v1/x"),
        (b"v1/x", "", b"v1/x"),
    ],
)
def test_a_redirect_to_a_path_stays_on_its_route(
    start_sidecar: StartSidecar, start_upstream: StartUpstream, location: bytes, below: str, arrives: bytes
) -> None:
    gateway = start_upstream(
        answering(head(b"HTTP/1.1 307 T", b"LOCATION: " + location, b"Content-Length: 0"))
    )
    sidecar = start_sidecar(gateway.url, **{"routes.own.url": gateway.url + below})
    for path, expected in ((b"/own/v1/messages", arrives), (b"/v1/messages", location)):
        answer = sidecar.connect().ask(
            head(b"POST " + path + b" HTTP/1.1", b"Host: localhost", b"Content-Length: 0")
        )
        assert (b"LOCATION", expected) in answer.lines
