"""What the answer to a rating waits for, and what it says of a rating that has not arrived."""

import re

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, document, error_of, id_of
from harness.wire import Message, wait_until
from proxy.demo import ApiFault, GatewayFault, StandInSettings

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
SOON = {"delivery.first_look_seconds": 0.05}
DOWN = ApiFault(status=503)


def state_of(bench: Bench, name: str = "last") -> object:
    """How far the rating of a call has come."""
    rating = document(bench.get(f"/feedback/{name}"))["rating"]
    return None if rating is None else rating["state"]


# -- wait


def test_it_waits_for_helicone_unless_asked_otherwise(bench: Bench) -> None:
    bench.chat()
    answer = bench.rate()
    assert (answer.status, document(answer)["state"]) == (200, "accepted")


def test_wait_queued_answers_as_soon_as_the_rating_is_kept(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(ApiFault(latency_seconds=0.3)):
        answer = bench.rate("/feedback/last?wait=queued")
        said = document(answer)
        assert (answer.status, said["state"]) == (202, "queued")
        assert (
            said["message"] == "👍 for the answer of gpt-4o-mini, just now. It is queued. It leaves at once."
        )
        assert bench.events == []
        wait_until(lambda: state_of(bench) == "accepted", "Helicone has accepted it")


def test_wait_verified_answers_when_it_is_stored(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **SOON)
    bench.chat()
    answer = bench.rate("/feedback/last?wait=verified")
    said = document(answer)
    assert (answer.status, said["state"]) == (200, "verified")
    assert said["message"].endswith("Helicone has stored it.")
    shown = document(bench.get("/feedback/last"))["rating"]
    assert shown["verified_at"] is not None
    assert shown["next_attempt_at"] is None or shown["state"] == "verified"


def test_who_asks_for_verified_is_given_the_time_that_it_takes(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"delivery.first_look_seconds": 0.4, "feedback.timeout_seconds": 0.1})
    bench.chat()
    assert document(bench.rate("/feedback/last?wait=verified"))["state"] == "verified"


def test_what_it_waits_for_is_a_setting(start_bench: StartBench) -> None:
    for wait, state in (("queued", "queued"), ("verified", "verified")):
        bench = start_bench(AT_ONCE, **SOON, **{"feedback.wait": wait, "feedback.timeout_seconds": 30})
        bench.chat()
        with bench.standin.faults.api.during(ApiFault(latency_seconds=0.1)):
            assert document(bench.rate())["state"] == state


def test_a_rating_for_which_the_time_is_too_short_is_on_its_way_all_the_same(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(ApiFault(latency_seconds=0.5)):
        answer = bench.rate("/feedback/last?timeout=50ms")
        assert (answer.status, document(answer)["state"]) == (202, "queued")
        wait_until(lambda: state_of(bench) == "accepted", "Helicone has accepted it")


def test_a_rating_that_is_not_stored_in_time_is_accepted_and_no_more(bench: Bench) -> None:
    bench.chat()
    answer = bench.rate("/feedback/last?wait=verified&timeout=0.2")
    assert (answer.status, document(answer)["state"]) == (200, "accepted")
    assert document(bench.get("/feedback/last"))["rating"]["verified_at"] is None


@pytest.mark.parametrize(
    "query",
    [
        "wait=", "wait=stored", "wait=ACCEPTED", "timeout=", "timeout=-1", "timeout=x", "timeout=61", "timeout=2m",
        "timeout=1e3", "timeout=nan", "timeout=%D9%A3", "timeout=60001ms", "timeout=.5", "hold=3601", "hold=2h",
        "hold=-1s", "timeout=" + "9" * 5000,
    ],
)  # fmt: skip
def test_a_wish_that_is_not_understood_rates_nothing(bench: Bench, query: str) -> None:
    bench.chat()
    name = query.partition("=")[0]
    for target in ("/feedback/last", f"/feedback/{UNKNOWN}", "/feedback/batch"):
        body = b"rating=up" if "batch" not in target else b'[{"id": "%b", "rating": true}]' % UNKNOWN.encode()
        status, code, sentence = error_of(bench.rate(f"{target}?{query}", body))
        assert (status, code) == (400, "bad_request")
        assert f"?{name}=" in sentence
    assert document(bench.get("/feedback/outbox"))["ratings"] == []


@pytest.mark.parametrize("timeout", ["2", "2s", "2.5", "0.5s", "1500ms", "0", "60", "60000ms", "1m"])
def test_a_time_may_be_written_in_several_ways(bench: Bench, timeout: str) -> None:
    bench.chat()
    assert bench.rate(f"/feedback/last?timeout={timeout}").status in (200, 202)


# -- what keeps a rating


def test_while_helicone_is_down_a_rating_is_kept_and_the_answer_says_why_and_what_comes(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(DOWN):
        answer = bench.rate("/feedback/last?timeout=0.3")
        said = document(answer)
        assert (answer.status, said["state"]) == (202, "queued")
        assert "503" in said["reason"]
        assert said["reason"] in said["message"]
        wait_until(lambda: document(bench.get("/feedback/last"))["rating"]["failures"] > 0, "it has failed")
        shown = document(bench.get("/feedback/last"))["rating"]
        assert shown["attempts"] >= 1
        assert shown["next_attempt_in_seconds"] >= 0
    wait_until(lambda: state_of(bench) == "accepted", "Helicone has accepted it")


def test_while_helicone_is_down_nothing_is_said_to_leave_at_once(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(DOWN):
        bench.rate()
        wait_until(lambda: document(bench.get("/feedback/health"))["delivery"]["api_down"], "it is down")
        bench.chat()
        said = document(bench.rate())["message"]
    assert said.endswith("Helicone's API answered 503. It leaves when the API works again.")


def test_a_second_rating_of_a_call_is_said_to_leave_when_it_may(bench: Bench) -> None:
    bench.chat()
    bench.rate()
    said = document(bench.rate("/feedback/last?wait=queued", b"rating=down"))
    assert re.search(r"It is queued\. It leaves in [12] s\.$", said["message"])
    (listed,) = document(bench.get("/feedback/outbox"))["ratings"]
    assert 0 < listed["next_attempt_in_seconds"] <= 2


def test_what_the_budget_holds_back_is_not_said_to_leave_at_once(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"delivery.burst": 1, "delivery.per_second": 0.02})
    bench.chat()
    bench.rate()
    bench.chat()
    assert re.search(
        r"It leaves in (4|5)\d s\.$", document(bench.rate("/feedback/last?timeout=0"))["message"]
    )


def test_a_key_that_helicone_refuses_pauses_the_rating_and_is_named(bench: Bench) -> None:
    bench.chat()
    with bench.standin.faults.api.during(ApiFault(status=401)):
        answer = bench.rate()
        said = document(answer)
        assert (answer.status, said["state"]) == (202, "paused")
        assert "HELICONE_API_KEY" in said["reason"]
        assert "waits for its key" in said["message"]
        assert document(bench.get("/feedback/outbox?state=queued"))["ratings"] == []
        (listed,) = document(bench.get("/feedback/outbox?state=paused"))["ratings"]
        assert listed["next_attempt_at"] is None
        assert document(bench.get("/feedback/health"))["delivery"]["paused_keys"]


def test_what_helicone_refuses_for_good_is_502_and_is_kept(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    bench.standin.faults.api.next(ApiFault(status=422))
    status, code, sentence = error_of(bench.rate())
    assert (status, code) == (502, "helicone_rejected")
    assert "422" in sentence
    assert "outbox retry" in sentence
    shown = document(bench.get("/feedback/last"))["rating"]
    assert (shown["state"], shown["next_attempt_at"]) == ("refused", None)
    assert "422" in shown["reason"]
    (listed,) = document(bench.get("/feedback/outbox?state=refused"))["ratings"]
    assert listed["id"] == request_id


# -- hold


def test_a_rating_that_is_held_leaves_when_its_time_has_come(bench: Bench) -> None:
    bench.chat()
    answer = bench.rate("/feedback/last?hold=700ms")
    said = document(answer)
    assert (answer.status, said["state"]) == (202, "held")
    assert re.search(
        r"It leaves (at once|in 1 s); until then DELETE /feedback/[0-9a-f-]{36} takes", said["message"]
    )
    assert bench.posted == []
    wait_until(lambda: state_of(bench) == "accepted", "Helicone has accepted it")


def test_holding_is_a_setting(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"feedback.hold_seconds": 30})
    bench.chat()
    assert document(bench.rate())["state"] == "held"
    assert document(bench.rate("/feedback/last?hold=0", b"rating=down"))["state"] == "accepted"


# -- streams


def test_a_rating_of_an_answer_that_still_streams_waits_for_its_end(bench: Bench) -> None:
    bench.standin.faults.gateway.next(GatewayFault(silent_after_events=2, silence_seconds=0.4))
    client = bench.stream()
    raw_head = client.read_head()
    request_id = id_of(Message(raw_head))
    assert document(bench.get("/feedback/last"))["state"] == "streaming"
    answer = bench.rate()
    said = document(answer)
    assert (answer.status, said["state"], said["rated"]["id"]) == (202, "held", request_id)
    assert "It is kept until the answer has ended, then it leaves" in said["message"]
    assert bench.posted == []
    client.read_body(raw_head, until_close=False)
    wait_until(lambda: state_of(bench) == "accepted", "Helicone has accepted it")
    assert [(event.request_id, event.rating, event.loss) for event in bench.events] == [
        (request_id, True, None)
    ]


def test_a_rating_that_came_too_early_is_called_accepted_and_sent_again(start_bench: StartBench) -> None:
    slow = StandInSettings(ingestion_delay_seconds=1, token_interval_seconds=0.0005)
    bench = start_bench(slow, **SOON)
    request_id = id_of(bench.chat())
    said = document(bench.rate())
    assert said["state"] == "accepted"
    assert said["message"].endswith("if it is not, it is sent again.")
    assert bench.standin.ledger.rating_of(request_id) is None
    wait_until(lambda: bench.standin.ledger.rating_of(request_id) is True, "it has arrived")


# -- the same request again

KEY = b"Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324"


def test_the_same_request_again_rates_once_and_is_answered_the_same(bench: Bench) -> None:
    first = id_of(bench.chat())
    answer = bench.rate("/feedback/last", b"rating=up", KEY)
    assert answer.value(b"idempotent-replayed") is None
    # By now "the last answer" is another one.
    bench.chat()
    again = bench.rate("/feedback/last", b"rating=up", KEY)
    assert again.value(b"idempotent-replayed") == b"true"
    assert (again.status, document(again)["state"]) == (200, "accepted")
    assert document(again)["rated"]["id"] == document(answer)["rated"]["id"] == first
    assert document(again)["rated_at"] == document(answer)["rated_at"]
    assert len(document(bench.get(f"/feedback/{first}"))["history"]) == 1
    assert len(bench.posted) == 1


def test_it_tells_how_the_rating_stands_by_then(bench: Bench) -> None:
    bench.chat()
    assert document(bench.rate("/feedback/last?hold=30", b"rating=up", KEY))["state"] == "held"
    bench.ask("DELETE", "/feedback/last")
    assert document(bench.rate("/feedback/last?hold=30", b"rating=up", KEY))["state"] == "withdrawn"
    assert bench.posted == []


def test_who_asks_again_may_wait_for_more(bench: Bench) -> None:
    bench.chat()
    assert bench.rate("/feedback/last?wait=queued&hold=0", b"rating=up", KEY).status in (200, 202)
    again = bench.rate("/feedback/last?hold=0&wait=verified&timeout=20s", b"rating=up", KEY)
    assert again.value(b"idempotent-replayed") == b"true"
    assert document(again)["state"] == "verified"
    # How long it is held is part of what was said.
    assert bench.rate("/feedback/last?wait=queued&hold=1", b"rating=up", KEY).status == 422


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/feedback/last", b"rating=down"),
        ("/feedback/last", b'{"rating": "up"}'),
        ("/feedback/last?back=0", b"rating=up"),
        (f"/feedback/{UNKNOWN}", b"rating=up"),
        ("/feedback/batch", b'[{"id": "%b", "rating": true}]' % UNKNOWN.encode()),
    ],
)
def test_another_request_under_the_same_key_is_refused(bench: Bench, target: str, body: bytes) -> None:
    bench.chat()
    assert bench.rate("/feedback/last", b"rating=up", KEY).status == 200
    status, code, sentence = error_of(bench.rate(target, body, KEY))
    assert (status, code) == (422, "idempotency_key_reused")
    assert sentence
    assert len(bench.posted) == 1


def test_a_request_that_failed_may_come_again_under_its_key(bench: Bench) -> None:
    assert bench.rate("/feedback/last", b"rating=up", KEY).status == 404
    bench.chat()
    assert bench.rate("/feedback/last", b"rating=up", KEY).status == 200


@pytest.mark.parametrize("value", [b"", b"a b", "é".encode(), b"x" * 201])
def test_a_key_that_is_none_rates_nothing(bench: Bench, value: bytes) -> None:
    bench.chat()
    answer = bench.ask("POST", "/feedback/last", b'{"rating": true}', JSON, b"Idempotency-Key: " + value)
    assert error_of(answer)[:2] == (400, "bad_request")
    two = (b"Idempotency-Key: a", b"Idempotency-Key: a")
    assert bench.ask("POST", "/feedback/last", b'{"rating": true}', JSON, *two).status == 400
    assert bench.posted == []
