"""A rating that was taken arrives: over real sockets, at a stand-in whose hours pass in seconds."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, document, error_of, id_of
from harness.fast_time import FastTime
from harness.wire import Message, wait_until
from proxy.demo import DEMO_KEY, ApiFault, Loss, StandInSettings
from proxy.demo.faults import invalid_token, too_many_requests

SPEED = 100.0
"""20 s until the first look become 0.2."""
OTHER_KEY = "sk-helicone-canary2-canary2-canary2-canary2"
FEEDBACK = "/v1/request/"


def rate(bench: Bench, request_id: str, body: object = None, query: str = "?wait=queued") -> Message:
    """Rate a call, and do not wait."""
    said = json.dumps({"rating": True} if body is None else body).encode()
    return bench.ask("POST", f"/feedback/{request_id}{query}", said, JSON)


def shown(bench: Bench, request_id: str) -> dict[str, Any]:
    """The rating of a call as GET shows it."""
    found = document(bench.get(f"/feedback/{request_id}"))["rating"]
    assert isinstance(found, dict)
    return found


def wait_for_state(bench: Bench, request_id: str, state: str) -> dict[str, Any]:
    """Wait until the rating of a call has come so far."""
    wait_until(lambda: shown(bench, request_id)["state"] == state, f"{request_id} is {state}")
    return shown(bench, request_id)


def posts(bench: Bench) -> Counter[str]:
    """How often each call was rated at the API."""
    return Counter(
        each.target.split("/")[3]
        for each in bench.posted
        if each.target.endswith(("/feedback", "/score")) and each.status == 201
    )


def health(bench: Bench) -> dict[str, Any]:
    """What the health answer says of the outbox."""
    found = document(bench.get("/feedback/health"))["delivery"]
    assert isinstance(found, dict)
    return found


# -- accepted is not stored


@pytest.mark.parametrize(("ingested_after", "most_posts"), [(0.0, 1), (5.0, 2), (60.0, 3)])
def test_every_rating_is_stored_however_late_helicone_knows_the_call(
    start_bench: StartBench, ingested_after: float, most_posts: int
) -> None:
    # Slow enough that a busy machine, too, rates a call before those five seconds are over.
    speed = SPEED / 5 if ingested_after == 5 else SPEED
    bench = start_bench(StandInSettings(ingestion_delay_seconds=ingested_after), FastTime(speed))
    ids = []
    for number in range(10):
        ids.append(id_of(bench.chat()))
        assert rate(bench, ids[-1], {"rating": number % 2 == 0}).status == 202
    for number, request_id in enumerate(ids):
        wait_for_state(bench, request_id, "verified")
        assert bench.standin.ledger.rating_of(request_id) is (number % 2 == 0)
    assert max(posts(bench).values()) <= most_posts
    lost = [event for event in bench.events if event.loss is Loss.NOT_INGESTED]
    assert bool(lost) is (ingested_after > 0)


def test_looks_are_for_many_ratings_at_once(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED), **{"delivery.burst": 100})
    ids = [id_of(bench.chat()) for _ in range(30)]
    for request_id in ids:
        rate(bench, request_id)
    for request_id in ids:
        wait_for_state(bench, request_id, "verified")
    looks = [each for each in bench.posted if each.target.endswith("/query-clickhouse")]
    # One each would be thirty. How many there are depends on how long thirty calls and ratings take here.
    assert len(looks) <= len(ids) / 2


def test_a_call_that_is_never_logged_has_its_rating_refused_after_a_day_and_says_why(
    start_bench: StartBench,
) -> None:
    bench = start_bench(AT_ONCE, FastTime(100_000.0))
    unknown = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
    rate(bench, unknown)
    said = wait_for_state(bench, unknown, "refused")
    assert "never logged" in said["reason"]
    assert health(bench)["refused"] == 1


def test_a_changed_rating_is_looked_at_again_after_a_self_hosted_api_has_replayed_the_first(
    start_bench: StartBench,
) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=0, replay_seconds=600), FastTime(500.0))
    request_id = id_of(bench.chat())
    rate(bench, request_id, {"rating": True}, "?wait=accepted")
    rate(bench, request_id, {"rating": False}, "?wait=accepted")
    wait_until(lambda: len([e for e in bench.events if e.rating is True]) >= 2, "the first was replayed")
    wait_until(
        lambda: (
            bench.standin.ledger.rating_of(request_id) is False
            and shown(bench, request_id)["state"] == "verified"
        ),
        "the second stands again",
    )


# -- the last rating stands


def test_of_ratings_that_change_quickly_the_last_one_stands(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    ids = [id_of(bench.chat()) for _ in range(5)]
    for turn in range(20):
        for number, request_id in enumerate(ids):
            rate(bench, request_id, {"rating": (turn + number) % 2 == 0})
    for number, request_id in enumerate(ids):
        wait_for_state(bench, request_id, "verified")
        assert bench.standin.ledger.rating_of(request_id) is ((19 + number) % 2 == 0)


def test_two_ratings_of_a_call_never_leave_within_two_seconds(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(4.0))
    request_id = id_of(bench.chat())
    moments: list[float] = []
    bench.standin.ledger.listeners.append(lambda event: moments.append(event.at))
    for turn in range(6):
        rate(bench, request_id, {"rating": turn % 2 == 0}, "?wait=accepted")
    wait_for_state(bench, request_id, "verified")
    assert len(moments) >= 2
    # They are seen where they arrive: the first may have been held up on its way.
    assert all(later - earlier > 0.5 for earlier, later in pairwise(moments))


# -- what may go wrong


@pytest.mark.parametrize(
    "fault",
    [
        ApiFault(path=FEEDBACK, status=500),
        ApiFault(path=FEEDBACK, status=503, headers=(("Retry-After", "3"),)),
        too_many_requests(5),
        ApiFault(path=FEEDBACK, reset=True),
        ApiFault(path=FEEDBACK, reset_after_work=True),
        ApiFault(path=FEEDBACK, half_head=True),
        ApiFault(path=FEEDBACK, half_open=True),
        ApiFault(path=FEEDBACK, silent=True),
        ApiFault(path=FEEDBACK, status=302, headers=(("Location", "http://localhost/"),)),
    ],
    ids=["500", "503", "429", "reset", "reset after work", "half a head", "half open", "silent", "redirect"],
)
def test_whatever_goes_wrong_once_the_rating_is_stored_in_the_end(
    start_bench: StartBench, fault: ApiFault
) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED), **{"helicone.timeout_seconds": 0.3})
    request_id = id_of(bench.chat())
    bench.standin.faults.api.next(fault)
    rate(bench, request_id)
    wait_for_state(bench, request_id, "verified")
    assert bench.standin.ledger.rating_of(request_id) is True


@pytest.mark.parametrize(
    "fault", [ApiFault(status=401), ApiFault(status=403), invalid_token()], ids=["401", "403", "400"]
)
def test_a_key_that_is_refused_pauses_its_ratings_says_so_and_goes_on_by_itself(
    start_bench: StartBench, fault: ApiFault
) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    request_id, other = id_of(bench.chat()), id_of(bench.chat())
    with bench.standin.faults.api.during(fault):
        answer = rate(bench, request_id, query="?timeout=30")
        assert answer.status == 202
        said = document(answer)
        assert said["state"] == "paused"
        assert "key" in said["message"]
        # It is known to be paused: nobody waits.
        assert document(rate(bench, other, query="?timeout=60"))["state"] == "paused"
        (pause,) = health(bench)["paused_keys"]
        assert "refused the key" in pause["reason"]
        assert DEMO_KEY not in json.dumps(pause)
    for each in (request_id, other):
        wait_for_state(bench, each, "verified")
    assert health(bench)["paused_keys"] == []


def test_one_refused_key_does_not_hold_up_another(start_bench: StartBench) -> None:
    standin = StandInSettings(ingestion_delay_seconds=0, keys={DEMO_KEY: "org-demo"})
    bench = start_bench(standin, FastTime(SPEED))
    bad = id_of(bench.chat(f"Helicone-Auth: Bearer {OTHER_KEY}".encode()))
    good = id_of(bench.chat())
    assert document(rate(bench, bad, query="?timeout=30"))["state"] == "paused"
    rate(bench, good)
    wait_for_state(bench, good, "verified")
    assert shown(bench, bad)["state"] == "paused"
    assert "Check the key that the app sends itself" in shown(bench, bad)["reason"]


def test_a_rating_that_helicone_refuses_for_its_form_is_refused_at_once_and_can_be_sent_again(
    start_bench: StartBench,
) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    request_id = id_of(bench.chat())
    bench.standin.faults.api.next(ApiFault(status=422, body="{}"))
    assert error_of(rate(bench, request_id, query=""))[0] == 502
    assert shown(bench, request_id)["state"] == "refused"
    assert bench.ask("POST", "/feedback/outbox/retry", b"{}", JSON).status == 200
    wait_for_state(bench, request_id, "verified")


def test_while_the_api_is_known_to_be_down_nobody_waits(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    ids = [id_of(bench.chat()) for _ in range(3)]
    with bench.standin.faults.api.during(ApiFault(status=503)):
        rate(bench, ids[0])
        wait_until(lambda: health(bench)["api_down"] is not None, "the API is known to be down")
        said = document(rate(bench, ids[1], query="?timeout=60"))
        assert said["state"] == "queued"
        assert "503" in said["message"]
    for request_id in ids[:2]:
        wait_for_state(bench, request_id, "verified")


def test_a_key_that_may_not_look_leaves_ratings_accepted_and_sends_them_twice_more(
    start_bench: StartBench,
) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=30), FastTime(500.0))
    request_id = id_of(bench.chat())
    with bench.standin.faults.api.during(ApiFault(path="/v1/request/query", status=401)):
        rate(bench, request_id)
        wait_until(lambda: posts(bench)[request_id] == 3, "it was sent three times")
        assert bench.standin.ledger.rating_of(request_id) is True
        assert shown(bench, request_id)["state"] == "accepted"
        assert health(bench)["keys_that_may_not_look"] != []


# -- what is held


def test_a_rating_of_an_answer_that_still_streams_waits_for_its_end(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=0, token_interval_seconds=0.05))
    client = bench.stream()
    raw_head = client.read_head()
    request_id = id_of(Message(raw_head))
    answer = rate(bench, request_id, query="")
    assert answer.status == 202
    assert document(answer)["state"] == "held"
    assert bench.posted == []
    client.read_body(raw_head, until_close=False)
    wait_for_state(bench, request_id, "accepted")
    assert posts(bench)[request_id] == 1


def test_a_held_rating_that_is_taken_back_never_leaves(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE)
    request_id = id_of(bench.chat())
    assert document(rate(bench, request_id, query="?hold=600"))["state"] == "held"
    gone = bench.ask("DELETE", f"/feedback/{request_id}")
    assert gone.status == 200
    assert bench.posted == []


def test_a_rating_that_has_left_cannot_be_taken_back(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    rate(bench, request_id, query="?wait=accepted&timeout=30")
    status, code, message = error_of(bench.ask("DELETE", f"/feedback/{request_id}"))
    assert (status, code) == (409, "already_sent")
    assert "only change it" in message


# -- words and scores


def test_a_rating_with_scores_and_words_arrives_whole(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=5), FastTime(SPEED))
    request_id = id_of(bench.chat())
    rate(
        bench,
        request_id,
        {
            "rating": False,
            "scores": {"quality": 4, "funny": True},
            "comment": "too long\nand dull",
            "rater": "anna",
            "source": "end_user",
            "tags": ["tone", "length"],
        },
    )
    wait_for_state(bench, request_id, "verified")
    (row,) = [row for row in bench.standin.ledger.rows if row.request_id == request_id]
    assert row.scores == {"helicone-score-feedback": 0, "quality": 4, "funny-hcone-bool": 1}
    assert {name: row.properties[name] for name in row.properties if name.startswith("Feedback-")} == {
        "Feedback-Comment": "too long\nand dull",
        "Feedback-Rater": "anna",
        "Feedback-Source": "end_user",
        "Feedback-Tags": "tone,length",
    }


def test_words_alone_are_put_onto_the_call_once_it_is_known(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=5), FastTime(SPEED))
    request_id = id_of(bench.chat())
    rate(bench, request_id, {"comment": "fine"})
    wait_for_state(bench, request_id, "verified")
    assert posts(bench)[request_id] == 0


def test_a_later_thumb_keeps_the_comment_of_the_first(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, FastTime(SPEED))
    request_id = id_of(bench.chat())
    rate(bench, request_id, {"rating": True, "comment": "fine"})
    rate(bench, request_id, {"rating": False})
    said = wait_for_state(bench, request_id, "verified")
    assert (said["rating"], said["comment"]) == (False, "fine")
    (row,) = [row for row in bench.standin.ledger.rows if row.request_id == request_id]
    assert row.properties["Feedback-Comment"] == "fine"
