"""GET /feedback/compare: versions are compared by ratings that Helicone has, or that are remembered here."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.benches import AT_ONCE, Bench, StartBench, document, error_of
from proxy.demo import ApiFault
from proxy.demo.ledger import RATING, Row

BY_VERSION = "/feedback/compare?by=property.Prompt-Version"
WHERE = "&where=property.Experiment=prompt-test-1"


def log(
    bench: Bench,
    count: int,
    scores: Mapping[str, int],
    *,
    days_ago: float = 1.0,
    **said: Any,  # noqa: ANN401
) -> None:
    """Have Helicone know so many calls with those scores."""
    ledger = bench.standin.ledger
    properties = {"Experiment": "prompt-test-1", **said.pop("properties", {})}
    for number in range(count):
        at = time.time() - days_ago * 86_400 - number / 1000
        place = len(ledger.rows) + 1
        ledger.log(
            Row(
                request_id=f"00000000-0000-4000-8000-{place:012d}",
                organisation="org-demo",
                created_at=at,
                finished_at=at + 0.5,
                properties=dict(properties),
                scores=dict(scores),
                **said,
            )
        )


def log_ratings(bench: Bench, version: str, *, up: int, down: int, unrated: int = 0, **said: Any) -> None:  # noqa: ANN401
    said["properties"] = {"Prompt-Version": version, **said.pop("properties", {})}
    for count, scores in ((up, {RATING: 1}), (down, {RATING: 0}), (unrated, {})):
        log(bench, count, scores, **{**said, "properties": dict(said["properties"])})


def values(found: Mapping[str, Any]) -> list[tuple[str, int | None, int, int]]:
    return [(each["value"], each["calls"], each["up"], each["down"]) for each in found["variants"]]


def test_what_helicone_cannot_count_is_not_counted(bench: Bench) -> None:
    """A user of the name null is for Helicone one without a name, and all calls would count as theirs."""
    log(bench, 3, {RATING: 1}, user_id="null")
    log(bench, 17, {RATING: 1}, user_id="ann")
    assert values(document(bench.get("/feedback/compare?by=user"))) == [
        ("ann", 17, 17, 0),
        ("null", None, 3, 0),
    ]


def test_versions_are_compared_by_what_helicone_has(bench: Bench) -> None:
    log_ratings(bench, "A", up=48, down=32, unrated=5)
    log_ratings(bench, "B", up=56, down=14)
    log_ratings(bench, "B", up=100, down=0, properties={"Experiment": "another"})
    log_ratings(bench, "A", up=100, down=0, days_ago=31)
    log(bench, 3, {RATING: 1})
    log(bench, 2, {"quality": 4, "is-polite-hcone-bool": 1}, properties={"Prompt-Version": "B"})
    found = document(bench.get(f"{BY_VERSION}{WHERE}&since=30d"))
    assert (found["by"], found["where"], found["source"]) == (
        "property.Prompt-Version",
        {"property.Experiment": "prompt-test-1"},
        "helicone",
    )
    assert values(found) == [("B", 72, 56, 14), ("A", 85, 48, 32)]
    assert found["variants"][0]["scores"] == {
        "is-polite": {"mean": 1.0, "number": 2},
        "quality": {"mean": 4.0, "number": 2},
    }
    assert found["verdict"]["sentence"].startswith("“B” is better than “A”")
    assert found["without"] == 3
    assert found["calls"] == 160
    assert "why_local" not in found
    # Without where, of all experiments; and as far back as is asked for.
    assert values(document(bench.get(BY_VERSION)))[0] == ("B", 172, 156, 14)
    assert values(document(bench.get(f"{BY_VERSION}{WHERE}&since=5w")))[0] == ("A", 185, 148, 32)
    assert values(document(bench.get(f"{BY_VERSION}{WHERE}&until=2d"))) == []


def test_it_is_compared_by_model_and_by_user_too(bench: Bench) -> None:
    log(bench, 12, {RATING: 1}, model="gpt-4o", user_id="ann")
    log(bench, 11, {RATING: 0}, model="gpt-4o-mini", user_id="ann")
    log(bench, 1, {RATING: 0}, model="gpt-4o-mini")
    by_model = document(bench.get("/feedback/compare?by=model"))
    assert values(by_model) == [("gpt-4o", 12, 12, 0), ("gpt-4o-mini", 12, 0, 12)]
    by_user = document(bench.get("/feedback/compare?by=user&where=model=gpt-4o-mini"))
    assert (values(by_user), by_user["without"]) == ([("ann", 11, 0, 11)], 1)


def test_it_is_compared_by_session_by_either_of_its_names(bench: Bench) -> None:
    log(bench, 3, {RATING: 1}, properties={"Helicone-Session-Id": "one"})
    log(bench, 2, {RATING: 0}, properties={"Helicone-Session-Id": "two"})
    log(bench, 1, {}, properties={"Helicone-Session-Id": "two"})
    for by in ("session", "property.Helicone-Session-Id", "property.helicone-session-id"):
        found = document(bench.get(f"/feedback/compare?by={by}"))
        assert (found["by"], values(found)) == ("session", [("one", 3, 3, 0), ("two", 3, 0, 2)])


def test_old_servers_write_numbers_as_texts(start_bench: StartBench) -> None:
    bench = start_bench(replace(AT_ONCE, scores_as_strings=True))
    log_ratings(bench, "A", up=3, down=2, unrated=1)
    assert values(document(bench.get(BY_VERSION))) == [("A", 6, 3, 2)]


def test_routes_are_compared_by_what_is_remembered_here(bench: Bench) -> None:
    for up in (True, False, True):
        bench.chat()
        bench.rate(body=b'{"rating": %s}' % (b"true" if up else b"false"))
    bench.chat()
    found = document(bench.get("/feedback/compare?by=route"))
    assert (found["source"], values(found)) == ("local", [("default", 4, 2, 1)])
    assert found["why_local"]
    assert found["calls"] == 4


def test_while_helicone_cannot_be_asked_what_is_remembered_is_compared(start_bench: StartBench) -> None:
    bench = start_bench(**{"helicone.api_url": "http://127.0.0.1:9"})
    for version, up in (("A", b"true"), ("A", b"false"), ("B", b"true")):
        bench.chat(b"Helicone-Property-Prompt-Version: " + version.encode())
        bench.rate("/feedback/last?wait=queued", b'{"rating": %s}' % up)
    bench.chat(b"Helicone-Property-Prompt-Version: C")
    found = document(bench.get(BY_VERSION))
    assert found["source"] == "local"
    assert found["why_local"]
    assert sorted(values(found)) == [("A", 2, 1, 1), ("B", 1, 1, 0), ("C", 1, 0, 0)]
    assert found["verdict"]["finding"] == "too_early"


def test_of_a_part_of_the_calls_nothing_is_said(bench: Bench) -> None:
    log_ratings(bench, "A", up=900, down=300)
    queries = "/v1/request/query-clickhouse"
    bench.standin.faults.api.next(ApiFault(path=queries), ApiFault(path=queries, status=401))
    status, code, _ = error_of(bench.get(BY_VERSION))
    assert (status, code) == (502, "helicone_unauthorized")
    assert values(document(bench.get(BY_VERSION))) == [("A", 1200, 900, 300)]


def test_a_page_of_another_origin_may_not_compare_without_a_token(start_bench: StartBench) -> None:
    page = b"Origin: https://app.example"
    bench = start_bench(**{"guard.allowed_origins": ["https://app.example"]})
    assert error_of(bench.get(BY_VERSION, page))[:2] == (403, "not_for_pages")
    assert bench.get(BY_VERSION, page, b"Sec-Fetch-Site: same-origin").status == 200


def test_who_may_rate_one_call_may_not_compare(start_bench: StartBench) -> None:
    bench = start_bench(**{"hooks.token": True})
    token = bench.chat().value(b"feedback-token")
    assert token is not None
    assert error_of(bench.get(BY_VERSION, b"Feedback-Token: " + token))[:2] == (
        403,
        "feedback_token_elsewhere",
    )


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            "",
            "by has to be property.<Name>, model, user, session or route, as in ?by=property.Prompt-Version.",
        ),
        (
            "by=colour",
            "by has to be property.<Name>, model, user, session or route, as in ?by=property.Prompt-Version.",
        ),
        (
            "by=property.",
            "by has to be property.<Name>, model, user, session or route, as in ?by=property.Prompt-Version.",
        ),
        ("by=model&where=ann", "where has to be NAME=VALUE, as in ?where=property.Experiment=prompt-test-1."),
        ("by=model&where=user=a&where=user=b", "where says user twice, and no call has two of it."),
        ("by=model&by=user", "The query says one of its names twice."),
    ],
)
def test_what_cannot_be_asked_is_said(bench: Bench, query: str, sentence: str) -> None:
    assert error_of(bench.get(f"/feedback/compare?{query}")) == (400, "bad_request", sentence)


@pytest.mark.parametrize(
    "query", ["where=colour=red", "since=never", "since=-1d", "limit=5", "where=property.=x"]
)
def test_what_is_no_filter_is_refused(bench: Bench, query: str) -> None:
    assert error_of(bench.get(f"/feedback/compare?by=model&{query}"))[:2] == (400, "bad_request")
