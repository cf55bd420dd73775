"""GET /feedback/outbox and POST /feedback/outbox/retry: what is kept, and what goes out again."""

import pytest

from harness.benches import JSON, Bench, document, error_of, id_of
from harness.wire import wait_until
from proxy.demo import ApiFault

UNKNOWN = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"


def listed(bench: Bench, query: str = "") -> list[str]:
    """The ids of the ratings that are listed."""
    return [each["id"] for each in document(bench.get(f"/feedback/outbox{query}"))["ratings"]]


def refuse(bench: Bench, request_id: str) -> None:
    """Rate a call so that Helicone refuses it for good."""
    bench.standin.faults.api.next(ApiFault(status=422))
    assert bench.rate(f"/feedback/{request_id}").status == 502


def test_current_ratings_are_listed_the_newest_first(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    for request_id in ids:
        bench.rate(f"/feedback/{request_id}?hold=30s")
    bench.rate(f"/feedback/{ids[0]}?hold=30s", b"rating=down")
    said = document(bench.get("/feedback/outbox"))
    assert [(each["id"], each["thumb"]) for each in said["ratings"]] == [
        (ids[0], "👎"), (ids[2], "👍"), (ids[1], "👍"),
    ]  # fmt: skip
    assert said["next_before"] is None
    assert all(each["state"] == "held" and each["attempts"] == 0 for each in said["ratings"])
    assert all("history" not in each for each in said["ratings"])


def test_an_empty_outbox_is_a_list(bench: Bench) -> None:
    assert document(bench.get("/feedback/outbox")) == {"ratings": [], "next_before": None}


def test_the_list_is_read_page_by_page(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(5)]
    for request_id in ids:
        bench.rate(f"/feedback/{request_id}?hold=30s")
    found, query = [], "?limit=2"
    while True:
        said = document(bench.get(f"/feedback/outbox{query}"))
        found += [each["id"] for each in said["ratings"]]
        if said["next_before"] is None:
            break
        query = f"?limit=2&before={said['next_before']}"
    assert found == ids[::-1]


def test_the_list_may_be_of_some_states(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    bench.rate(f"/feedback/{ids[0]}")
    bench.rate(f"/feedback/{ids[1]}?hold=30s")
    refuse(bench, ids[2])
    assert listed(bench, "?state=accepted") == [ids[0]]
    assert listed(bench, "?state=held,refused") == [ids[2], ids[1]]
    assert listed(bench, "?state=verified") == []
    assert listed(bench, "?state=") == ids[::-1]


def test_the_older_ratings_are_told_on_request(bench: Bench) -> None:
    bench.chat()
    bench.rate("/feedback/last?hold=30s")
    bench.rate("/feedback/last?hold=30s", b"rating=down")
    (rating,) = document(bench.get("/feedback/outbox?history=true"))["ratings"]
    assert [(each["thumb"], each["state"]) for each in rating["history"]] == [
        ("👎", "held"),
        ("👍", "superseded"),
    ]


@pytest.mark.parametrize(
    "query",
    ["state=x", "state=superseded", "limit=0", "limit=1001", "limit=x", "before=x", "history=yes", "back=1"],
)
def test_a_query_that_is_not_understood_is_said_to_be_none(bench: Bench, query: str) -> None:
    status, code, sentence = error_of(bench.get(f"/feedback/outbox?{query}"))
    assert (status, code) == (400, "bad_request")
    assert sentence


def test_what_was_refused_goes_out_again_by_its_id_or_all(bench: Bench) -> None:
    ids = [id_of(bench.chat()) for _ in range(3)]
    for request_id in ids:
        refuse(bench, request_id)
    said = document(bench.ask("POST", "/feedback/outbox/retry", b'{"id": "%b"}' % ids[0].encode(), JSON))
    assert (said["retried"], said["message"]) == (1, "1 rating is on the way again.")
    assert document(bench.ask("POST", "/feedback/outbox/retry", b"{}", JSON))["retried"] == 2
    ledger = bench.standin.ledger
    wait_until(lambda: [ledger.rating_of(each) for each in ids] == [True] * 3, "all have arrived")


def test_with_nothing_refused_nothing_goes_out(bench: Bench) -> None:
    assert document(bench.ask("POST", "/feedback/outbox/retry"))["retried"] == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"x", 422, "invalid_rating"),
        (b"[]", 422, "invalid_rating"),
        (b'{"ids": []}', 422, "invalid_rating"),
        (b'{"id": "x"}', 404, "unknown_call"),
        (b'{"id": "%b"}' % UNKNOWN.encode(), 404, "unknown_rating"),
    ],
)
def test_a_retry_that_is_not_understood_sends_nothing(
    bench: Bench, body: bytes, status: int, code: str
) -> None:
    request_id = id_of(bench.chat())
    refuse(bench, request_id)
    answer = bench.ask("POST", "/feedback/outbox/retry", body, JSON)
    assert error_of(answer)[:2] == (status, code)
    assert listed(bench, "?state=refused") == [request_id]
