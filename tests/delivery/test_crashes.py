"""The sidecar is killed at any moment: what was answered 2xx is not lost, and in the end it is stored.

`make crashes` runs the first test with 10,000 ratings and 40 kills, which takes a minute and a half.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from harness.benches import JSON, chat_body, document, id_of
from harness.crashes import Crowd, MortalSidecar, is_kept, known_calls
from harness.loops import LoopThread
from harness.programs import Program
from harness.standins import running_standin
from harness.wire import wait_until
from proxy.demo import DEMO_KEY, ApiFault, ScoreEvent, StandIn, StandInSettings

APPS_KEY = "sk-helicone-canary2-canary2-canary2-canary2"
STANDIN = StandInSettings(
    ingestion_delay_seconds=0.0,
    token_interval_seconds=0.0005,
    api_budget=None,
    keys={DEMO_KEY: "org-demo", APPS_KEY: "org-apps"},
)
RATINGS = int(os.environ.get("CRASHES_RATINGS", "300"))
KILLS = int(os.environ.get("CRASHES_KILLS", "4"))
TIMES = 4
"""How often each call is rated."""
PEOPLE = 8
WORKERS = 8
"""Posts that the sidecar has under way at a time."""

StartMortal = Callable[..., MortalSidecar]


@pytest.fixture
def standin(loop: LoopThread) -> Iterator[StandIn]:
    """Helicone, which knows a call as soon as it has ended."""
    with running_standin(loop, STANDIN) as standin:
        yield standin


@pytest.fixture
def events(standin: StandIn) -> list[ScoreEvent]:
    """What has been posted."""
    events: list[ScoreEvent] = []
    standin.ledger.listeners.append(events.append)
    return events


@pytest.fixture
def start(standin: StandIn, tmp_path: Path) -> Iterator[StartMortal]:
    """Start a sidecar that may be killed."""
    with ExitStack() as stack:

        def start(key: str | None = DEMO_KEY, **dotted: object) -> MortalSidecar:
            sidecar = stack.enter_context(MortalSidecar(standin, tmp_path, key=key, **dotted))
            sidecar.wait_until_up()
            return sidecar

        yield start


def wait_for_state(sidecar: MortalSidecar, request_id: str, state: str) -> None:
    """Wait until the rating of a call has come so far."""
    wait_until(lambda: sidecar.shown(request_id)["state"] == state, f"{request_id} is {state}")


def chance_kills(sidecar: MortalSidecar, is_time: Callable[[], bool]) -> None:
    """Wait until it is time, then a random moment more; kill it, and start it again at once."""
    wait_until(is_time, "it is time for the next kill")
    time.sleep(random.uniform(0.0, 0.6))
    sidecar.kill()
    sidecar.start()


@pytest.mark.timeout(900)
def test_no_rating_that_was_answered_2xx_is_lost_however_often_the_sidecar_is_killed(
    standin: StandIn, start: StartMortal, events: list[ScoreEvent]
) -> None:
    began = time.monotonic()
    ids = known_calls(standin, RATINGS // TIMES)
    sidecar = start()
    while_rating = KILLS - KILLS // 5
    crowd = Crowd(sidecar, ids, times=TIMES, people=PEOPLE)
    with crowd:
        for threshold in sorted(random.randrange(RATINGS) for _ in range(while_rating)):
            chance_kills(sidecar, partial(crowd.has_come_to, threshold))
    rated = time.monotonic()
    for _ in range(KILLS - while_rating):
        chance_kills(sidecar, lambda: True)
    sidecar.wait_until_up()
    wait_until(lambda: sidecar.health()["open"] == 0, "nothing is left to be done", seconds=300)

    kept = sidecar.outbox()
    answered = {request_id: told for request_id, told in crowd.told.items() if told.answered is not None}
    lost = [request_id for request_id in answered if request_id not in kept]
    assert lost == []
    assert {each["state"] for each in kept.values()} == {"verified"}
    wrong = [
        (request_id, told) for request_id, told in answered.items() if not is_kept(standin, request_id, told)
    ]
    assert wrong == []
    # No more is posted twice than was under way at a kill.
    assert len(events) <= crowd.sent + WORKERS * KILLS
    assert sidecar.lives == KILLS + 1
    assert "bug" not in sidecar.said + sidecar.program.stderr
    print(  # noqa: T201  # the figures of `make crashes`
        f"\n{crowd.sent} ratings sent, {crowd.answered} answered 2xx of {len(answered)} calls, {KILLS} kills: "
        f"{len(lost)} lost, {len(events)} posts; slowest answer {crowd.slowest_seconds * 1000:.0f} ms; "
        f"rated in {rated - began:.1f} s, all verified after {time.monotonic() - began:.1f} s"
    )


def test_killed_between_a_post_and_writing_it_down_it_posts_twice_and_helicone_stores_one(
    standin: StandIn, start: StartMortal, events: list[ScoreEvent]
) -> None:
    (request_id,) = known_calls(standin, 1)
    sidecar = start()
    # Helicone does the work, and its answer never comes.
    standin.faults.api.next(ApiFault(path=f"/v1/request/{request_id}", half_head=True))
    assert sidecar.rate(request_id).status == 202
    wait_until(lambda: len(events) == 1, "Helicone has taken it")
    sidecar.kill()
    sidecar.start()
    sidecar.wait_until_up()
    wait_for_state(sidecar, request_id, "verified")
    assert [event.stored for event in events] == [True, True]
    assert sidecar.shown(request_id)["attempts"] == 2
    (row,) = [row for row in standin.ledger.rows if row.request_id == request_id]
    assert row.rating is True


def test_a_rating_that_changes_right_after_a_kill_leaves_two_seconds_after_the_one_before(
    standin: StandIn, start: StartMortal, events: list[ScoreEvent]
) -> None:
    (request_id,) = known_calls(standin, 1)
    sidecar = start()
    standin.faults.api.next(ApiFault(path=f"/v1/request/{request_id}", half_head=True))
    sidecar.rate(request_id, {"rating": True})
    wait_until(lambda: len(events) == 1, "Helicone has taken it")
    sidecar.rate(request_id, {"rating": False})
    sidecar.kill()
    sidecar.start()
    sidecar.wait_until_up()
    wait_for_state(sidecar, request_id, "verified")
    assert standin.ledger.rating_of(request_id) is False
    assert all(later.at - earlier.at >= 1.9 for earlier, later in pairwise(events))


def test_a_rating_under_an_apps_own_key_waits_after_a_restart_until_that_key_is_seen_again(
    standin: StandIn, start: StartMortal, events: list[ScoreEvent]
) -> None:
    sidecar = start(key=None)
    own = f"Helicone-Auth: Bearer {APPS_KEY}".encode()

    def chat() -> str:
        return id_of(sidecar.ask("POST", "/v1/chat/completions", chat_body(), JSON, own))

    with standin.faults.api.during(ApiFault(status=503)):
        request_id = chat()
        assert document(sidecar.rate(request_id))["state"] == "queued"
        sidecar.kill()
    assert not any(b"canary" in content for content in sidecar.files().values())
    sidecar.start()
    sidecar.wait_until_up()
    shown = sidecar.shown(request_id)
    assert shown["state"] == "paused"
    assert "as soon as a call is made with that key" in shown["reason"]
    assert len(sidecar.health()["keys_not_known"]) == 1
    assert events == []
    chat()
    wait_for_state(sidecar, request_id, "verified")
    assert standin.ledger.rating_of(request_id) is True
    assert sidecar.health()["keys_not_known"] == []
    sidecar.stop()
    files = sidecar.files()
    assert request_id.encode() in b"".join(files.values())
    assert not any(b"canary" in content for content in files.values())
    assert "canary" not in sidecar.said


def test_a_second_sidecar_on_the_same_file_or_port_ends_at_once_and_says_why(start: StartMortal) -> None:
    sidecar = start()
    for flags, sentence in (
        (("--port", "0"), f"Another sidecar uses the outbox {sidecar.file}."),
        (("--port", str(sidecar.port)), f"Port {sidecar.port} on 127.0.0.1 is in use already"),
    ):
        began = time.monotonic()
        with Program(*sidecar.arguments, *flags, env=sidecar.environment) as second:
            assert second.wait() == 1
            assert sentence in second.stderr
            assert "Traceback" not in second.stderr
        assert time.monotonic() - began < 10
    assert sidecar.get("/feedback/health")["status"] == "ok"


def test_told_to_stop_with_ratings_that_cannot_leave_it_ends_well_and_they_leave_after_the_next_start(
    standin: StandIn, start: StartMortal
) -> None:
    ids = known_calls(standin, 3)
    sidecar = start()
    with standin.faults.api.during(ApiFault(status=503)):
        for request_id in ids:
            sidecar.rate(request_id)
        wait_until(lambda: sidecar.health()["api_down"] is not None, "the API is known to be down")
        assert sidecar.stop() == 0
    sidecar.start()
    sidecar.wait_until_up()
    for request_id in ids:
        wait_for_state(sidecar, request_id, "verified")
        assert standin.ledger.rating_of(request_id) is True


def test_told_to_stop_it_sends_what_may_leave_at_once(
    standin: StandIn, start: StartMortal, events: list[ScoreEvent]
) -> None:
    ids = known_calls(standin, 40)
    sidecar = start()
    for request_id in ids:
        sidecar.rate(request_id)
    assert sidecar.stop() == 0
    assert {event.request_id for event in events} == set(ids)
