"""DELETE /feedback/...: a rating is taken back as long as it has not left."""

import pytest

from harness.benches import Bench, document, error_of, id_of
from harness.wire import wait_until

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"


def test_a_rating_that_is_held_is_taken_back_and_never_leaves(bench: Bench) -> None:
    request_id = id_of(bench.chat(model="gpt-4o"))
    bench.rate("/feedback/last?hold=30s")
    answer = bench.ask("DELETE", "/feedback/last")
    said = document(answer)
    assert (answer.status, said["state"], said["stands"]) == (200, "withdrawn", None)
    assert said["rated"]["id"] == request_id
    assert said["message"].startswith("Taken back: 👍 for the answer of gpt-4o, just now. No rating")
    shown = document(bench.get("/feedback/last"))
    assert shown["rating"] is None
    assert [each["state"] for each in shown["history"]] == ["withdrawn"]
    assert bench.posted == []


def test_what_stood_before_stands_again(bench: Bench) -> None:
    bench.chat()
    bench.rate()
    bench.rate("/feedback/last?hold=30s", b"rating=down")
    said = document(bench.ask("DELETE", "/feedback/last"))
    assert (said["thumb"], said["stands"]["thumb"]) == ("👎", "👍")
    assert "What stands is 👍" in said["message"]
    assert document(bench.get("/feedback/last"))["rating"]["thumb"] == "👍"


def test_one_call_is_meant_by_its_id_or_counted_back(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    for request_id in ids:
        bench.rate(f"/feedback/{request_id}?hold=30s")
    assert document(bench.ask("DELETE", f"/feedback/{ids[0].upper()}"))["rated"]["id"] == ids[0]
    assert document(bench.ask("DELETE", "/feedback/last?back=1"))["rated"]["id"] == ids[1]
    assert [each["id"] for each in document(bench.get("/feedback/outbox"))["ratings"]] == [ids[2]]


def test_a_call_that_is_not_remembered_is_no_obstacle(bench: Bench) -> None:
    bench.rate(f"/feedback/{UNKNOWN}?hold=30s")
    said = document(bench.ask("DELETE", f"/feedback/{UNKNOWN}"))
    assert (said["rated"], said["state"]) == ({"id": UNKNOWN, "known": False}, "withdrawn")
    assert document(bench.get(f"/feedback/{UNKNOWN}"))["rating"] is None


def test_what_has_left_cannot_be_taken_back(bench: Bench) -> None:
    bench.chat()
    bench.rate()
    status, code, sentence = error_of(bench.ask("DELETE", "/feedback/last"))
    assert (status, code) == (409, "already_sent")
    assert "Helicone cannot remove a rating, only change it" in sentence
    assert document(bench.get("/feedback/last"))["rating"]["state"] == "accepted"


def test_what_was_never_rated_cannot_be_taken_back(bench: Bench) -> None:
    assert error_of(bench.ask("DELETE", "/feedback/last"))[:2] == (404, "unknown_call")
    bench.chat()
    for target in ("/feedback/last", f"/feedback/{UNKNOWN}"):
        assert error_of(bench.ask("DELETE", target))[:2] == (404, "unknown_rating")
    assert error_of(bench.ask("DELETE", "/feedback/x"))[:2] == (404, "unknown_call")


@pytest.mark.parametrize("query", ["rating=up", "hold=5s", "x=1"])
def test_a_name_in_the_query_that_is_not_known_takes_nothing_back(bench: Bench, query: str) -> None:
    bench.chat()
    bench.rate("/feedback/last?hold=30s")
    assert bench.ask("DELETE", f"/feedback/last?{query}").status == 400
    assert document(bench.get("/feedback/last"))["rating"]["state"] == "held"


def test_a_toggle_costs_one_post(bench: Bench) -> None:
    request_id = id_of(bench.chat())
    for word in (b"rating=up", b"rating=down", b"rating=up", b"rating=down"):
        bench.rate("/feedback/last?hold=300ms", word)
    wait_until(lambda: bench.standin.ledger.rating_of(request_id) is False, "the last one has arrived")
    assert len(bench.posted) == 1
