"""POST /feedback/batch: many ratings, one commit, one result for each."""

import json
from typing import Any

import pytest

from harness.benches import AT_ONCE, JSON, Bench, StartBench, document, error_of, id_of
from harness.wire import Message, wait_until
from proxy.demo import ApiFault

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"


def send(bench: Bench, items: object, query: str = "", *lines: bytes) -> Message:
    """A batch as a program sends it."""
    return bench.ask("POST", f"/feedback/batch{query}", json.dumps(items).encode(), JSON, *lines)


def results(answer: Message) -> list[dict[str, Any]]:
    found = json.loads(answer.body)["results"]
    assert isinstance(found, list)
    assert [each["index"] for each in found] == list(range(len(found)))
    return found


def test_every_item_has_its_result_in_the_order_of_the_items(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    items = [{"id": each, "rating": number % 2 == 0, "comment": "x"} for number, each in enumerate(ids)]
    answer = send(bench, items)
    assert answer.status == 202
    said = document(answer)
    assert said["taken"] == 3
    assert said["message"] == "3 of 3 ratings were taken: 3 queued."
    assert [(each["id"], each["rating"], each["state"]) for each in results(answer)] == [
        (ids[0], True, "queued"),
        (ids[1], False, "queued"),
        (ids[2], True, "queued"),
    ]
    ledger = bench.standin.ledger
    wait_until(lambda: [ledger.rating_of(each) for each in ids] == [True, False, True], "all have arrived")


def test_a_batch_waits_when_it_is_asked_to(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    answer = send(bench, [{"id": each, "rating": "up"} for each in ids], "?wait=accepted&timeout=10")
    assert answer.status == 200
    assert [each["state"] for each in results(answer)] == ["accepted"] * 3


def test_items_that_are_wrong_keep_no_other_from_being_taken(bench: Bench) -> None:
    good = id_of(bench.chat())
    unratable = id_of(bench.ask("POST", "/v1/audio/speech", b"{}", JSON))
    items = [
        {"id": "x", "rating": True},
        {"id": good.upper(), "rating": True},
        {"id": good},
        {"rating": True},
        {"id": unratable, "rating": True},
        {"id": UNKNOWN, "rating": False},
        {"id": UNKNOWN, "rating": 1},
        "x",
    ]
    answer = send(bench, items, "?wait=accepted&timeout=10")
    assert answer.status == 202
    found = results(answer)
    errors = [each["error"]["code"] if "error" in each else None for each in found]
    invalid = "invalid_rating"
    assert errors == ["unknown_call", None, invalid, invalid, "not_ratable", None, invalid, invalid]
    assert [each["id"] for each in found] == [
        None, good, good, None, unratable, UNKNOWN, UNKNOWN, None,
    ]  # fmt: skip
    assert all(each["error"]["message"] for each in found if "error" in each)
    assert document(answer)["message"] == "2 of 8 ratings were taken: 2 accepted."


def test_the_last_of_two_ratings_of_one_call_stands(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    send(bench, [{"id": request_id, "rating": True}, {"id": request_id, "rating": False}])
    shown = document(bench.get(f"/feedback/{request_id}"))
    assert (shown["rating"]["rating"], len(shown["history"])) == (False, 2)
    wait_until(lambda: bench.standin.ledger.rating_of(request_id) is False, "the last one has arrived")
    assert len(bench.posted) == 1


def test_a_batch_of_nothing_but_mistakes_is_422_and_says_each(bench: Bench) -> None:
    answer = send(bench, [{"id": "x", "rating": True}, {"id": UNKNOWN, "rating": None}])
    assert answer.status == 422
    assert answer.value(b"feedback-error") == b"invalid_rating"
    assert [each["error"]["code"] for each in results(answer)] == ["unknown_call", "invalid_rating"]
    assert document(bench.get("/feedback/outbox"))["ratings"] == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"rating=up", b'{"rating": true}', b"[{}" + b",{}" * 1000 + b"]"]
)
def test_what_is_no_batch_is_422(bench: Bench, body: bytes) -> None:
    status, code, sentence = error_of(bench.rate("/feedback/batch", body))
    assert (status, code) == (422, "invalid_rating")
    assert "batch" in sentence.lower()


def test_a_call_without_a_key_keeps_no_other_from_being_rated(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, **{"helicone.api_key": None})
    keyless = id_of(bench.chat())
    keyed = id_of(bench.chat(b"Helicone-Auth: Bearer sk-helicone-aaaaaaa-aaaaaaa-aaaaaaa-aaaaaaa"))
    first, second = results(send(bench, [{"id": keyless, "rating": True}, {"id": keyed, "rating": True}]))
    assert first["error"]["code"] == "not_ratable"
    assert second["state"] == "queued"


def test_a_batch_is_held_as_it_says(bench: Bench) -> None:
    answer = send(bench, [{"id": UNKNOWN, "rating": True}], "?hold=30s")
    assert [each["state"] for each in results(answer)] == ["held"]
    assert bench.posted == []


def test_the_same_batch_again_rates_once(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    items = [{"id": request_id, "rating": None}, {"id": request_id, "rating": True}, {"id": "x"}]
    first = send(bench, items, "?wait=accepted&timeout=10", b"Idempotency-Key: k")
    again = send(bench, items, "?wait=accepted&timeout=10", b"Idempotency-Key: k")
    assert (first.value(b"idempotent-replayed"), again.value(b"idempotent-replayed")) == (None, b"true")
    assert results(first) == results(again)
    assert ["error" in each for each in results(first)] == [True, False, True]
    assert len(document(bench.get(f"/feedback/{request_id}"))["history"]) == 1


def test_an_item_that_helicone_refuses_has_the_reason_in_its_result(bench: Bench) -> None:
    bench.standin.faults.api.next(ApiFault(status=422))
    answer = send(bench, [{"id": UNKNOWN, "rating": True}], "?wait=accepted&timeout=10")
    assert answer.status == 202
    (result,) = results(answer)
    assert result["state"] == "refused"
    assert "422" in result["reason"]
