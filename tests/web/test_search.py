"""GET /feedback/search: exactly the calls that are asked for, from Helicone or from here, and exports of them."""

import csv
import io
import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest

from harness.benches import AT_ONCE, Bench, StartBench, document, error_of, id_of, request
from harness.wire import Message, Truncated
from proxy.demo import DEMO_KEY, DEMO_ORGANISATION, StandInSettings
from proxy.demo.faults import ApiFault, too_many_requests
from proxy.demo.ledger import RATING, Row

DAY = 86_400.0


def row(number: int, at: float, **fields: object) -> Row:
    """A call as Helicone has it."""
    return Row(
        request_id=str(UUID(int=(number << 80) | 0x4000_8000_0000_0000_0000, version=4)),
        organisation=DEMO_ORGANISATION,
        created_at=at,
        finished_at=at + 0.25,
        **{"model": "m", "provider": "OPENAI", **fields},  # type: ignore[arg-type]
    )


def many(size: int, seed: int = 1) -> list[Row]:
    """Calls of the last days: some at one moment, rated up, down, not at all, scored."""
    dice, now, rows = random.Random(seed), time.time(), []  # that is chance enough
    for number in range(size):
        at = round(now - dice.choice((dice.random() * 6 * DAY, 3600.0, 7200.5)), 3)
        scores = dice.choice(
            ({}, {RATING: 1}, {RATING: 0}, {"quality": 3}, {RATING: 0, "polite-hcone-bool": 1})
        )
        each = row(number, at, user_id=dice.choice(("ann", "bob", "")), model=dice.choice(("m", "n")))
        each.scores = dict(scores)
        each.properties = dice.choice(({}, {"app": "shop"}, {"app": "shop", "Helicone-Session-Id": "s1"}))
        rows.append(each)
    return rows


def log(bench: Bench, rows: list[Row]) -> None:
    for each in rows:
        bench.standin.ledger.log(each)


def exported(answer: Message) -> list[dict[str, object]]:
    assert answer.status == 200
    return [json.loads(line) for line in answer.body.splitlines()]


CASES: list[tuple[str, Callable[[Row], bool]]] = [
    ("rating=up", lambda each: each.rating is True),
    ("rating=down", lambda each: each.rating is False),
    ("rating=any", lambda each: each.rating is not None),
    ("rating=none", lambda each: each.rating is None),
    (
        "rating=down&user=ann&model=n",
        lambda each: (each.rating, each.user_id, each.model) == (False, "ann", "n"),
    ),
    ("property.App=shop&rating=up", lambda each: each.rating is True and "app" in each.properties),
    ("session=s1", lambda each: "Helicone-Session-Id" in each.properties),
    ("since=3h", lambda each: each.created_at > time.time() - 3 * 3600),
    ("until=3h&since=5d", lambda each: time.time() - 5 * DAY < each.created_at < time.time() - 3 * 3600),
]


@pytest.mark.parametrize("as_strings", [False, True], ids=["numbers", "texts"])
def test_exactly_what_is_asked_for_is_found_among_five_thousand(
    start_bench: StartBench, as_strings: bool
) -> None:  # it is a case
    bench = start_bench(StandInSettings(ingestion_delay_seconds=0.0, scores_as_strings=as_strings))
    rows = many(5000)
    log(bench, rows)
    for query, is_meant in CASES:
        found = exported(bench.get(f"/feedback/search?format=ndjson&{query}"))
        expected = {each.request_id for each in rows if is_meant(each)}
        assert expected, query
        assert [each["id"] for each in found] == list(dict.fromkeys(each["id"] for each in found)), query
        assert {each["id"] for each in found} == expected, query
        assert [each["time"] for each in found] == sorted((str(each["time"]) for each in found), reverse=True)


def test_a_row_is_clean(bench: Bench) -> None:
    each = row(1, time.time() - 60, user_id="ann", prompt_tokens=3, completion_tokens=4)
    each.scores = {RATING: 0, "quality": 4, "polite-hcone-bool": 1}
    each.properties = {"app": "shop", "Helicone-Session-Id": "s1"}
    log(bench, [each])
    said = document(bench.get("/feedback/search"))
    assert (said["source"], said["more"], "why_local" in said) == ("helicone", False, False)
    [found] = said["calls"]
    assert found["id"] == each.request_id
    assert (found["rating"], found["scores"]) == ("down", {"quality": 4, "polite": True})
    assert (found["user"], found["session"], found["properties"]) == ("ann", "s1", {"app": "shop"})
    assert (found["input_tokens"], found["output_tokens"], found["latency_ms"]) == (3, 4, 250)


def test_of_several_versions_of_a_row_the_newest_counts(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=0.0, unmerged=True))
    rows = [row(number, time.time() - 60) for number in range(3)]
    log(bench, rows)
    for value in (1, 0):
        bench.standin.ledger.score(DEMO_ORGANISATION, rows[0].request_id, {RATING: value})
        # Versions have a resolution of one second.
        time.sleep(1.1)
    assert len(bench.standin.ledger.rows) > len(rows)
    assert exported(bench.get("/feedback/search?rating=up&format=ndjson")) == []
    assert [each["id"] for each in exported(bench.get("/feedback/search?rating=down&format=ndjson"))] == [
        rows[0].request_id
    ]
    assert len(exported(bench.get("/feedback/search?format=ndjson"))) == len(rows)


@pytest.mark.parametrize("spread", [0.0, 0.9, 1.5, 3.0])
def test_more_calls_of_one_second_than_a_page_has_are_all_found(bench: Bench, spread: float) -> None:
    at = int(time.time()) - 60
    rows = [row(number, at + round(spread * number / 2500, 3)) for number in range(2500)]
    rows += [row(9000 + number, at - 1) for number in range(5)]
    log(bench, rows)
    found = exported(bench.get("/feedback/search?format=ndjson"))
    assert sorted(str(each["id"]) for each in found) == sorted(each.request_id for each in rows)


def test_a_limit_is_kept_and_it_is_said_that_there_are_more(bench: Bench) -> None:
    log(bench, [row(number, time.time() - number - 1) for number in range(30)])
    said = document(bench.get("/feedback/search?limit=10"))
    assert (len(said["calls"]), said["more"]) == (10, True)
    assert document(bench.get("/feedback/search?limit=30"))["more"] is False
    assert len(exported(bench.get("/feedback/search?limit=7&format=ndjson"))) == 7


def test_csv_is_safe_for_spreadsheets(bench: Bench) -> None:
    each = row(1, time.time() - 60, user_id='=HYPERLINK("x")', model='a,"b"\n')
    each.properties = {"app": "-1", "Helicone-Session-Id": "\n=1+1"}
    log(bench, [each])
    answer = bench.get("/feedback/search?format=csv")
    assert answer.value(b"content-type") == b"text/csv; charset=utf-8"
    assert answer.value(b"feedback-source") == b"helicone"
    assert answer.body.endswith(b"\r\n")
    [found] = csv.DictReader(io.StringIO(answer.body.decode(), newline=""))
    assert found["user"] == '\'=HYPERLINK("x")'
    assert found["session"] == "'\n=1+1"
    assert (found["model"], found["properties"]) == ('a,"b"\n', '{"app": "-1"}')


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("since=yesterday", "since"),
        ("since=2y", "since"),
        ("since=400d", "366"),
        ("since=1d&until=2d", "later"),
        ("until=soon", "until"),
        ("rating=good", "up, down, any or none"),
        ("rating=", "up, down, any or none"),
        ("limit=0", "limit"),
        ("limit=1001", "1000"),
        ("format=xml", "format"),
        ("colour=red", "names"),
        ("user=", "user"),
        ("property.a=%00", "property.a"),
        ("since=99999999w", "366"),
        ("since=0001-01-01", "366"),
    ],
)
def test_a_mistake_gets_a_sentence_and_asks_nobody(bench: Bench, query: str, what: str) -> None:
    status, code, sentence = error_of(bench.get(f"/feedback/search?{query}"))
    assert (status, code) == (400, "bad_request")
    assert what in sentence
    assert bench.posted == []


def test_a_zone_may_be_typed_as_it_is(bench: Bench) -> None:
    each = row(1, time.time() - 3600)
    log(bench, [each])
    ago = datetime.now(timezone(timedelta(hours=2))).replace(microsecond=0) - timedelta(minutes=90)
    for since, number in ((ago, 1), (ago + timedelta(hours=1), 0)):
        query = f"/feedback/search?format=ndjson&since={since.isoformat()}"
        assert "+02:00" in query
        assert len(exported(bench.get(query))) == number


def test_half_an_emoji_in_a_row_hides_no_row(bench: Bench) -> None:
    """JavaScript apps cut texts within a character, and Helicone gives such a half back."""
    log(bench, [row(1, time.time() - 60, properties={"title": "cut \ud83d"}), row(2, time.time() - 90)])
    found = document(bench.get("/feedback/search?since=1h"))
    assert (found["source"], len(found["calls"])) == ("helicone", 2)
    assert found["calls"][0]["properties"] == {"title": "cut \ufffd"}


def test_a_session_is_found_by_its_property_too(bench: Bench) -> None:
    each = row(1, time.time() - 60)
    each.properties = {"Helicone-Session-Id": "s1"}
    log(bench, [each, row(2, time.time() - 60)])
    found = exported(bench.get("/feedback/search?format=ndjson&property.helicone-session-id=s1"))
    assert [found_one["id"] for found_one in found] == [each.request_id]


@pytest.mark.parametrize(
    ("until", "status"), [("9999-12-31T23:59:59.9Z", 200), ("9999-12-31T23:59:59-12:00", 400)]
)
def test_the_end_of_all_dates_is_no_bug(bench: Bench, until: str, status: int) -> None:
    assert bench.get(f"/feedback/search?until={until}").status == status


# -- here


def local(bench: Bench, query: str = "") -> dict[str, object]:
    said = document(bench.get(f"/feedback/search?{query}"))
    assert said["source"] == "local"
    return said


def rate_two(bench: Bench) -> tuple[str, str]:
    """Two calls, of which the second is rated down."""
    first = id_of(bench.chat(b"Helicone-User-Id: ann"))
    second = id_of(bench.chat(b"Helicone-Property-App: shop"))
    assert bench.rate(f"/feedback/{second}", b'{"rating": false, "scores": {"quality": 2}}').status in (
        200,
        202,
    )
    return first, second


def test_without_a_key_what_is_remembered_is_searched_and_it_says_why(start_bench: StartBench) -> None:
    bench = start_bench(AT_ONCE, None, **{"helicone.api_key": None})
    auth = f"Helicone-Auth: Bearer {DEMO_KEY}".encode()
    ours = id_of(bench.chat(auth, b"Helicone-Property-App: shop"))
    assert bench.rate(f"/feedback/{ours}", b'{"rating": false}').status in (200, 202)
    said = local(bench, "rating=down&property.APP=shop")
    assert "HELICONE_API_KEY" in str(said["why_local"])
    assert [each["id"] for each in said["calls"]] == [ours]  # type: ignore[attr-defined]
    assert local(bench, "rating=up")["calls"] == []
    assert [each.target for each in bench.posted if "query" in each.target] == []


def test_a_key_that_may_not_query_has_what_is_remembered_searched(start_bench: StartBench) -> None:
    bench = start_bench(StandInSettings(ingestion_delay_seconds=0.0, read_only_keys=frozenset({DEMO_KEY})))
    first, second = rate_two(bench)
    said = local(bench)
    assert "401" in str(said["why_local"])
    assert [each["id"] for each in said["calls"]] == [second, first]  # type: ignore[attr-defined]
    down = local(bench, "rating=down")["calls"][0]  # type: ignore[index]
    assert (down["scores"], down["rating"], down["status"]) == ({"quality": 2}, "down", 200)
    answer = bench.get("/feedback/search?format=ndjson&rating=none")
    assert [each["id"] for each in exported(answer)] == [first]
    assert answer.value(b"feedback-source") == b"local"
    assert b"401" in (answer.value(b"feedback-why-local") or b"")


def test_the_way_of_a_call_is_known_here_alone(bench: Bench) -> None:
    ours = id_of(bench.chat())
    said = local(bench, "route=default")
    assert [each["id"] for each in said["calls"]] == [ours]  # type: ignore[attr-defined]
    assert "route" in str(said["why_local"])
    assert local(bench, "route=other")["calls"] == []


# -- exports


QUERIES = "/v1/request/query-clickhouse"
FINE = ApiFault(path=QUERIES)


def test_an_export_that_cannot_go_on_has_no_end(bench: Bench) -> None:
    log(bench, [row(number, time.time() - number - 1) for number in range(3000)])
    bench.standin.faults.api.next(FINE, ApiFault(path=QUERIES, status=401))
    client = bench.sidecar.connect()
    with pytest.raises(Truncated):
        client.ask(request("GET", "/feedback/search?format=ndjson"))
    client.close()


def test_an_export_waits_where_helicone_asks_it_to_and_is_whole(bench: Bench) -> None:
    log(bench, [row(number, time.time() - number - 1) for number in range(1500)])
    bench.standin.faults.api.next(FINE, too_many_requests(1, QUERIES), ApiFault(path=QUERIES, status=500))
    assert len(exported(bench.get("/feedback/search?format=ndjson"))) == 1500


def test_a_search_that_helicone_does_not_answer_is_made_here(bench: Bench) -> None:
    first, second = rate_two(bench)
    with bench.standin.faults.api.during(ApiFault(path=QUERIES, status=500)):
        assert [each["id"] for each in local(bench)["calls"]] == [second, first]  # type: ignore[attr-defined]
    with bench.standin.faults.api.during(ApiFault(path=QUERIES, reset=True)):
        assert "broke" in str(local(bench)["why_local"])


@pytest.mark.parametrize("path", ["search?rating=none", "search?rating=none&format=csv", "compare?by=user"])
def test_nothing_more_is_read_for_a_client_that_has_left(
    bench: Bench, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty pages without a call that is wanted: nothing is written, so nothing says that nobody reads it."""
    rows = [row(number, time.time() - number - 1) for number in range(20_000)]
    for each in rows:
        each.scores = {RATING: 1}
    log(bench, rows)
    bench.standin.faults.api.next(FINE, too_many_requests(1, QUERIES))
    client = bench.sidecar.connect()
    client.send(request("GET", f"/feedback/{path}"))
    bench.standin.api.wait_for(lambda _: True, count=2)
    client.close()
    time.sleep(2.5)
    assert len(bench.posted) <= 3
    assert not [each for each in caplog.records if each.exc_info]


# -- who may


def test_a_page_of_another_origin_may_not_search_without_a_token(start_bench: StartBench) -> None:
    page = b"Origin: https://app.example"
    bench = start_bench(AT_ONCE, None, **{"guard.allowed_origins": ["https://app.example"]})
    assert bench.get("/feedback", page).status == 200
    assert error_of(bench.get("/feedback/search", page))[:2] == (403, "not_for_pages")
    assert bench.get("/feedback/search", page, b"Sec-Fetch-Site: same-origin").status == 200
    token = "a-token-of-sixteen-and-more"
    bench = start_bench(
        AT_ONCE, None, **{"guard.allowed_origins": ["https://app.example"], "guard.token": token}
    )
    assert bench.get("/feedback/search", page).status == 401
    assert bench.get("/feedback/search", page, f"Feedback-Proxy-Token: {token}".encode()).status == 200
