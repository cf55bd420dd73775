"""Each rating goes to the API of the route that its call took, over real sockets: two stand-ins, one sidecar."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.benches import AT_ONCE, CHAT_PATH, JSON, chat_body, document, id_of, request
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, settings_of
from harness.standins import running_standin
from harness.upstreams import ScriptedUpstream, answering
from harness.wire import Message, head, wait_until
from proxy.demo import DEMO_KEY, StandIn
from proxy.demo.faults import invalid_token

APPS_KEY = "sk-helicone-canary2-canary2-canary2-canary2"
SENT_BY_THE_APP = f"Helicone-Auth: Bearer {APPS_KEY}".encode()
HOME = b"/home"


class World:
    """Two Helicones, and the sidecar before both."""

    def __init__(self, loop: LoopThread, scope: ExitStack, folder: Path) -> None:
        settings = replace(AT_ONCE, keys={DEMO_KEY: "ours", APPS_KEY: "the app's"})
        self.cloud, self.home = (scope.enter_context(running_standin(loop, settings)) for _ in range(2))
        self._loop, self._scope = loop, scope
        self._settings = settings_of(
            self.cloud.gateway_url,
            **{
                "helicone.api_key": DEMO_KEY,
                "helicone.api_url": self.cloud.api_url,
                "routes.home.url": self.home.gateway_url,
                "routes.home.api_url": self.home.api_url,
                "outbox.path": str(folder / "outbox.db"),
                "delivery.first_look_seconds": 0.2,
            },
        )
        self._running = ExitStack()
        self._start()

    def _start(self) -> None:
        self._scope.push(self._running)
        self.sidecar = self._running.enter_context(RunningSidecar(self._loop, self._settings))

    def restart(self, between: Callable[[], None]) -> None:
        """End the sidecar, and start another one on the same outbox."""
        self._running.close()
        between()
        self._start()

    def ask(self, method: str, target: str, body: bytes = b"", *lines: bytes) -> Message:
        """One request."""
        client = self.sidecar.connect()
        try:
            return client.ask(request(method, target, body, JSON, *lines))
        finally:
            client.close()

    def call(self, route: bytes, *lines: bytes) -> str:
        """A call on a route; gives its id."""
        return id_of(self.ask("POST", route.decode() + CHAT_PATH, chat_body(), *lines))

    def rate(self, request_id: str, wait: str = "queued") -> str:
        """Rate a call; gives the state."""
        said = document(
            self.ask("POST", f"/feedback/{request_id}?wait={wait}&timeout=20", b'{"rating": true}')
        )
        return str(said["state"])

    def shown(self, request_id: str) -> dict[str, Any]:
        """The rating of a call."""
        found = document(self.ask("GET", f"/feedback/{request_id}"))["rating"]
        assert isinstance(found, dict)
        return found

    def wait_for_state(self, request_id: str, state: str) -> None:
        wait_until(lambda: self.shown(request_id)["state"] == state, f"{request_id} is {state}")

    def health(self) -> dict[str, Any]:
        found = document(self.ask("GET", "/feedback/health"))["delivery"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def world(loop: LoopThread, scope: ExitStack, tmp_path: Path) -> World:
    return World(loop, scope, tmp_path)


def rated_at(standin: StandIn) -> dict[str, str | None]:
    """Which calls were rated at an API, under which key."""
    return {
        each.target.split("/")[3]: each.header("authorization")
        for each in standin.api.all()
        if each.target.endswith("/feedback")
    }


def test_each_rating_arrives_at_the_api_of_its_calls_route_under_its_calls_key(world: World) -> None:
    calls = {
        (route, lines): world.call(route, *lines)
        for route in (b"", HOME)
        for lines in ((), (SENT_BY_THE_APP,))
    }
    for request_id in calls.values():
        world.rate(request_id)
    for request_id in calls.values():
        world.wait_for_state(request_id, "verified")
    for route, standin in ((b"", world.cloud), (HOME, world.home)):
        assert rated_at(standin) == {
            calls[route, ()]: f"Bearer {DEMO_KEY}",
            calls[route, (SENT_BY_THE_APP,)]: f"Bearer {APPS_KEY}",
        }


def test_a_call_that_is_not_remembered_is_rated_at_the_api_of_the_default_route(
    loop: LoopThread, scope: ExitStack
) -> None:
    home = scope.enter_context(running_standin(loop, AT_ONCE))
    settings = settings_of(
        home.gateway_url, **{"helicone.api_key": DEMO_KEY, "routes.default.api_url": home.api_url}
    )
    client = scope.enter_context(RunningSidecar(loop, settings)).connect()
    unknown = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
    said = client.ask(request("POST", f"/feedback/{unknown}", b'{"rating": true}', JSON))
    assert document(said)["state"] == "accepted"
    assert list(rated_at(home)) == [unknown]


def test_a_key_that_one_api_refuses_goes_on_at_the_other_and_health_tells_which_is_which(
    world: World,
) -> None:
    at_home, in_the_cloud = world.call(HOME), world.call(b"")
    with world.home.faults.api.during(invalid_token()):
        assert world.rate(at_home, "accepted") == "paused"
        assert world.rate(in_the_cloud, "accepted") == "accepted"
        world.wait_for_state(in_the_cloud, "verified")
        health = world.health()
    assert [(lane["api"], lane["state"]) for lane in health["lanes"]] == [
        (world.home.api_url, "paused"),
        (world.cloud.api_url, "ok"),
    ]
    assert [pause["api"] for pause in health["paused_keys"]] == [world.home.api_url]
    assert world.home.api_url in health["paused_keys"][0]["reason"]
    assert DEMO_KEY not in json.dumps(health)


def test_after_a_restart_ratings_under_our_key_go_on_at_both_and_an_apps_own_waits_for_its_key_and_route(
    world: World,
) -> None:
    ours = [world.call(b""), world.call(HOME)]
    theirs = world.call(HOME, SENT_BY_THE_APP)
    refusing = ExitStack()
    for each in (world.cloud, world.home):
        refusing.enter_context(each.faults.api.during(invalid_token()))
    for request_id in (*ours, theirs):
        world.rate(request_id)
    wait_until(lambda: len(world.health()["paused_keys"]) == 3, "nothing can leave")
    world.restart(between=refusing.close)
    for request_id in ours:
        world.wait_for_state(request_id, "verified")
    assert list(rated_at(world.home).values()).count(f"Bearer {DEMO_KEY}") == 1
    assert world.shown(theirs)["state"] == "paused"
    world.call(b"", SENT_BY_THE_APP)
    assert world.shown(theirs)["state"] == "paused", "that was another API"
    world.call(HOME, SENT_BY_THE_APP)
    world.wait_for_state(theirs, "verified")


def test_our_key_does_not_go_to_an_api_that_follows_from_a_gateway_which_nobody_has_marked(
    loop: LoopThread, scope: ExitStack
) -> None:
    created = head(b"HTTP/1.1 201 Created", b"Content-Length: 11") + b'{"data":[]}'
    foreign = scope.enter_context(ScriptedUpstream(answering(created)))
    unknown = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
    for helicone, status, asked in ((None, 503, 0), (True, 200, 1)):
        settings = settings_of(
            # No name and no address of this machine's own, and yet it can be reached.
            f"http://0.0.0.0:{foreign.port}/v1/gateway/oai",
            **{
                "helicone.api_key": DEMO_KEY,
                "helicone.api_url": None,
                "routes.default.preset": "self-hosted",
                "routes.default.helicone": helicone,
            },
        )
        client = scope.enter_context(RunningSidecar(loop, settings)).connect()
        said = client.ask(request("POST", f"/feedback/{unknown}", b'{"rating": true}', JSON))
        assert said.status == status
        if status == 503:
            assert said.value(b"feedback-error") == b"helicone_key_missing"
        assert (
            sum(each.target == f"/v1/request/{unknown}/feedback".encode() for each in foreign.requests)
            == asked
        )
        assert asked or foreign.requests == []
