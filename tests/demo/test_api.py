"""The API's answers, row by row of the contract."""

import http.client
import json
import time
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo.conftest import StartStandIn
from demo.wire import API_AUTH, Answer, ask, chat
from harness.loops import LoopThread
from harness.standins import running_standin
from proxy.demo import DEMO_KEY, DEMO_ORGANISATION, StandIn, StandInSettings

OTHER_KEY = "sk-helicone-otherke-otherke-otherke-otherke"
READ_ONLY_KEY = "sk-helicone-readonl-readonl-readonl-readonl"
ACCEPTED = b'{"data":null,"error":null}'


@pytest.fixture
def rated(standin: StandIn) -> str:
    """The id of an ingested call."""
    return chat(standin.gateway_url).request_id


def feedback(
    standin: StandIn, request_id: str, body: object = None, headers: dict[str, str] | None = None
) -> Answer:
    body = {"rating": True} if body is None else body
    return ask(
        standin.api_url, "POST", f"/v1/request/{request_id}/feedback", body, {**API_AUTH, **(headers or {})}
    )


def query(standin: StandIn, where: object, **fields: object) -> list[dict[str, Any]]:
    found = ask(
        standin.api_url, "POST", "/v1/request/query-clickhouse", {"filter": where, **fields}, API_AUTH
    )
    assert found.status == 201, found.body
    assert found.json["error"] is None
    rows: list[dict[str, Any]] = found.json["data"]
    return rows


def leaf(column: str, operator: str, value: object) -> dict[str, Any]:
    return {"request_response_rmt": {column: {operator: value}}}


@pytest.mark.parametrize(
    ("body", "content_type", "stored"),
    [
        (b'{"rating": true}', "application/json", True),
        (b'{"rating": false}', "application/json; charset=utf-8", False),
        (b'{"rating": "false"}', "application/json", False),
        (b'{"rating": "TRUE"}', "application/json", True),
        (b'{"rating": null}', "application/json", False),
        (b"rating=true", "application/x-www-form-urlencoded", True),
    ],
)
def test_a_rating_is_accepted_and_stored_with_helicones_coercions(
    standin: StandIn, rated: str, body: bytes, content_type: str, stored: bool
) -> None:
    answer = feedback(standin, rated, body, {"Content-Type": content_type})
    assert (answer.status, answer.body) == (201, ACCEPTED)
    assert standin.ledger.rating_of(rated) is stored


@pytest.mark.parametrize(
    ("body", "content_type", "details"),
    [
        (
            b'{"rating": 1}',
            "application/json",
            {"requestBody.rating": {"message": "invalid boolean value", "value": 1}},
        ),
        (b"{}", "application/json", {"requestBody.rating": {"message": "'rating' is required"}}),
        (b"", "application/json", {"requestBody.rating": {"message": "'rating' is required"}}),
        (b'{"rating":true}', "text/plain", {"requestBody.rating": {"message": "'rating' is required"}}),
        (
            b'{"rating":true,"helicone-id":"x"}',
            "application/json",
            {
                "requestBody": {
                    "message": '"helicone-id" is an excess property and therefore is not allowed',
                    "value": {"helicone-id": "x"},
                }
            },
        ),
    ],
)
def test_a_body_of_the_wrong_shape_is_a_422_with_the_field(
    standin: StandIn, rated: str, body: bytes, content_type: str, details: object
) -> None:
    answer = feedback(standin, rated, body, {"Content-Type": content_type})
    assert answer.status == 422
    assert answer.json == {"message": "Validation Failed", "details": details}
    assert standin.ledger.rating_of(rated) is None


@pytest.mark.parametrize(
    "body", [b'{"rating": tru', b'"x"', b'{"rating":true,"x":"' + b"x" * 10_500_000 + b'"}']
)
def test_a_malformed_or_huge_body_is_a_500_even_for_a_stranger(
    standin: StandIn, rated: str, body: bytes
) -> None:
    answer = feedback(
        standin, rated, body, {"Content-Type": "application/json", "Authorization": "Bearer nobody"}
    )
    assert answer.status == 500
    assert answer.json["message"] == "Internal Server Error"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "No authorization header"),
        ({"Helicone-Auth": f"Bearer {DEMO_KEY}"}, "No authorization header"),
        ({"Authorization": "Bearer sk-helicone-unknown-unknown-unknown-unknown"}, "No API key found"),
        ({"Authorization": f"Bearer {READ_ONLY_KEY}"}, None),
    ],
)
def test_a_key_that_may_not_rate_is_a_401_in_helicones_words(
    start: StartStandIn, headers: dict[str, str], error: str | None
) -> None:
    keys = {DEMO_KEY: DEMO_ORGANISATION, READ_ONLY_KEY: DEMO_ORGANISATION}
    standin = start(StandInSettings(keys=keys, read_only_keys=frozenset({READ_ONLY_KEY})))
    path = f"/v1/request/{uuid.uuid4()}/feedback"
    answer = ask(standin.api_url, "POST", path, {"rating": True}, headers)
    assert answer.status == 401
    assert answer.json == {"error": error, "trace": "isAuthenticated.error"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": DEMO_KEY},
        {"Helicone-Authorization": json.dumps({"_type": "bearer", "token": f"Bearer {DEMO_KEY}"})},
    ],
)
def test_a_bare_key_and_the_dashboards_json_authenticate_too(
    standin: StandIn, rated: str, headers: dict[str, str]
) -> None:
    answer = ask(standin.api_url, "POST", f"/v1/request/{rated}/feedback", {"rating": True}, headers)
    assert answer.status == 201
    assert standin.ledger.rating_of(rated) is True


@pytest.mark.parametrize(
    "request_id",
    [
        "ticket-1",
        "00000000-0000-0000-0000-000000000000",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "1ec9414c-232a-6b00-b3c8-9e6bdeced846",
    ],
)
def test_an_id_that_is_no_uuid_of_version_1_to_5_is_a_500(standin: StandIn, request_id: str) -> None:
    answer = feedback(standin, request_id)
    assert answer.status == 500
    assert answer.json == {"data": None, "error": "Invalid requestId: must be a valid UUID"}


def test_ratings_that_will_be_lost_get_the_same_201(start: StartStandIn) -> None:
    keys = {DEMO_KEY: DEMO_ORGANISATION, OTHER_KEY: "org-other"}
    standin = start(StandInSettings(keys=keys, ingestion_delay_seconds=60.0))
    fresh = chat(standin.gateway_url).request_id
    losses: list[str] = []
    standin.ledger.listeners.append(lambda event: losses.append(event.loss.name if event.loss else ""))
    for answer in (
        feedback(standin, str(uuid.uuid4())),
        feedback(standin, fresh),
        feedback(standin, fresh, headers={"Authorization": f"Bearer {OTHER_KEY}"}),
    ):
        assert (answer.status, answer.body) == (201, ACCEPTED)
    assert losses == ["UNKNOWN", "NOT_INGESTED", "OTHER_ORGANISATION"]
    assert standin.ledger.rating_of(fresh) is None


def test_an_upper_case_id_is_accepted_and_lost(standin: StandIn, rated: str) -> None:
    assert feedback(standin, rated.upper()).status == 201
    assert standin.ledger.rating_of(rated) is None


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_a_foreign_origin_is_a_500_in_the_cloud_whatever_the_key(
    standin: StandIn, rated: str, method: str
) -> None:
    headers = {"Origin": "http://localhost:8747"}
    answer = ask(standin.api_url, method, f"/v1/request/{rated}/feedback", {"rating": True}, headers)
    assert answer.status == 500
    assert "Not allowed by CORS" in answer.body.decode()


def test_a_self_hosted_api_takes_any_origin(start: StartStandIn) -> None:
    standin = start(StandInSettings(cloud=False))
    assert feedback(standin, str(uuid.uuid4()), headers={"Origin": "http://localhost:8747"}).status == 201


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_method_on_the_feedback_path_is_a_404_page_after_authentication(
    standin: StandIn, rated: str, method: str
) -> None:
    path = f"/v1/request/{rated}/feedback"
    page = ask(standin.api_url, method, path, headers=API_AUTH)
    assert page.status == 404
    assert f"<pre>Cannot {method} {path}</pre>" in page.body.decode()
    assert ask(standin.api_url, method, path).status == 401


def test_over_the_budget_everything_is_a_429_until_the_window_ends(start: StartStandIn) -> None:
    standin = start(StandInSettings(api_budget=2, api_window_seconds=0.4))
    first = feedback(standin, str(uuid.uuid4()))
    assert first.header("RateLimit-Limit") == "2"
    assert first.header("RateLimit-Remaining") == "1"
    assert feedback(standin, "no-uuid").status == 500
    refused = feedback(standin, str(uuid.uuid4()))
    assert refused.status == 429
    assert refused.json == {"error": "Too many requests, please try again later."}
    assert refused.header("Retry-After") == "1"
    assert refused.header("RateLimit-Policy") == "2;w=1"
    time.sleep(0.45)
    assert feedback(standin, str(uuid.uuid4())).status == 201


def test_the_budget_is_per_organisation(start: StartStandIn) -> None:
    standin = start(StandInSettings(keys={DEMO_KEY: "org-a", OTHER_KEY: "org-b"}, api_budget=1))
    other = {"Authorization": f"Bearer {OTHER_KEY}"}
    statuses = [feedback(standin, str(uuid.uuid4()), headers=each).status for each in ({}, {}, other, other)]
    assert statuses == [201, 429, 201, 429]


def test_scores_are_integers_or_booleans_and_an_integer_can_be_the_rating(
    standin: StandIn, rated: str
) -> None:
    scores = {"helicone-score-feedback": 1, "quality": 4, "helpful": True}
    answer = ask(standin.api_url, "POST", f"/v1/request/{rated}/score", {"scores": scores}, API_AUTH)
    assert (answer.status, answer.body) == (201, ACCEPTED)
    stored = standin.ledger.rows[0].scores
    assert stored == {"helicone-score-feedback": 1, "quality": 4, "helpful-hcone-bool": 1}


def test_a_boolean_under_the_ratings_name_is_not_the_rating(standin: StandIn, rated: str) -> None:
    body = {"scores": {"helicone-score-feedback": True}}
    assert ask(standin.api_url, "POST", f"/v1/request/{rated}/score", body, API_AUTH).status == 201
    assert standin.ledger.rating_of(rated) is None


@pytest.mark.parametrize("value", [0.5, "4", None])
def test_any_other_score_is_a_500(standin: StandIn, rated: str, value: object) -> None:
    body = {"scores": {"quality": value}}
    answer = ask(standin.api_url, "POST", f"/v1/request/{rated}/score", body, API_AUTH)
    assert answer.status == 500
    assert answer.json["message"] == "Internal Server Error"


def test_the_score_route_looks_at_no_id(standin: StandIn) -> None:
    answer = ask(standin.api_url, "POST", "/v1/request/ticket-1/score", {"scores": {"a": 1}}, API_AUTH)
    assert answer.status == 201


def test_a_property_is_stored_or_said_to_be_too_early(start: StartStandIn) -> None:
    standin = start(StandInSettings(ingestion_delay_seconds=0.2))
    request_id = chat(standin.gateway_url).request_id
    path, body = f"/v1/request/{request_id}/property", {"key": "comment", "value": "nice"}
    early = ask(standin.api_url, "PUT", path, body, API_AUTH)
    assert (early.status, early.json) == (500, {"data": None, "error": "Request not found"})
    time.sleep(0.25)
    assert ask(standin.api_url, "PUT", path, body, API_AUTH).status == 201
    rows = query(standin, {"request_response_rmt": {"properties": {"comment": {"equals": "nice"}}}})
    assert [row["request_id"] for row in rows] == [request_id]


@pytest.mark.parametrize(
    "body",
    [
        {"Environment": "production"},
        {"key": "a"},
        {"key": "a", "value": 1},
        {"key": "a", "value": "b", "c": 1},
    ],
)
def test_a_property_of_another_shape_is_a_422(standin: StandIn, rated: str, body: object) -> None:
    assert ask(standin.api_url, "PUT", f"/v1/request/{rated}/property", body, API_AUTH).status == 422


def test_a_query_by_id_shows_the_rating_in_the_scores(standin: StandIn, rated: str) -> None:
    assert query(standin, leaf("request_id", "equals", rated))[0]["scores"] == {}
    feedback(standin, rated)
    row = query(standin, leaf("request_id", "equals", rated))[0]
    assert row["scores"] == {"helicone-score-feedback": 1}
    assert row["model"] == "gpt-4o"
    assert row["response_status"] == 200


def test_older_servers_quote_the_scores(start: StartStandIn) -> None:
    standin = start(StandInSettings(ingestion_delay_seconds=0.0, scores_as_strings=True))
    request_id = chat(standin.gateway_url).request_id
    feedback(standin, request_id, {"rating": False})
    assert query(standin, "all")[0]["scores"] == {"helicone-score-feedback": "0"}


def test_asking_for_thumbs_down_also_finds_what_nobody_rated(standin: StandIn) -> None:
    up, down, unrated = (chat(standin.gateway_url).request_id for _ in range(3))
    feedback(standin, up, {"rating": True})
    feedback(standin, down, {"rating": False})

    def ids(rows: list[dict[str, Any]]) -> set[str]:
        return {row["request_id"] for row in rows}

    assert ids(query(standin, leaf("helicone-score-feedback", "equals", True))) == {up}
    assert ids(query(standin, leaf("helicone-score-feedback", "equals", False))) == {down, unrated}
    assert ids(query(standin, leaf("helicone-score-feedback", "equals", False), isScored=True)) == {down}


def test_many_ids_can_be_asked_for_at_once(standin: StandIn) -> None:
    wanted = [chat(standin.gateway_url).request_id for _ in range(3)]
    chat(standin.gateway_url)
    where: object = leaf("request_id", "equals", wanted[0])
    for request_id in wanted[1:]:
        where = {"left": where, "operator": "or", "right": leaf("request_id", "equals", request_id)}
    recent = leaf("request_created_at", "gte", "2020-01-01T00:00:00.000Z")
    rows = query(standin, {"left": recent, "operator": "and", "right": where})
    assert {row["request_id"] for row in rows} == set(wanted)


def test_a_chain_of_two_hundred_ids_is_understood(standin: StandIn, rated: str) -> None:
    where: object = leaf("request_id", "equals", rated)
    for _ in range(200):
        where = {"left": leaf("request_id", "equals", str(uuid.uuid4())), "operator": "or", "right": where}
    assert len(query(standin, where)) == 1


def test_a_query_for_ids_finds_what_its_whole_filter_says(standin: StandIn) -> None:
    first, second, third = (chat(standin.gateway_url, model=f"m{number}").request_id for number in range(3))

    def both(one: object, operator: str, other: object) -> dict[str, Any]:
        return {"left": one, "operator": operator, "right": other}

    def found(where: object) -> set[str]:
        return {row["request_id"] for row in query(standin, where)}

    is_first, is_second = (leaf("request_id", "equals", each) for each in (first.upper(), second))
    is_third = leaf("model", "equals", "m2")
    assert found(both(is_first, "or", is_second)) == {first, second}
    assert found(both(is_first, "or", is_third)) == {first, third}
    assert found(both(is_first, "and", is_second)) == set()
    assert found(both(is_first, "and", leaf("model", "equals", "m0"))) == {first}
    assert found(both(both(is_first, "or", is_second), "and", leaf("model", "equals", "m1"))) == {second}
    assert found(both("all", "and", is_second)) == {second}
    assert found(leaf("request_id", "not-equals", first)) == {second, third}


def test_a_query_pages_ten_at_a_time_newest_first_unless_told_otherwise(standin: StandIn) -> None:
    made = [chat(standin.gateway_url).request_id for _ in range(12)]
    assert [row["request_id"] for row in query(standin, {})] == made[:1:-1]
    oldest = query(standin, "all", limit=2, offset=1, sort={"created_at": "asc"})
    assert [row["request_id"] for row in oldest] == made[1:3]


def test_a_query_sees_neither_other_organisations_nor_what_is_not_ingested(start: StartStandIn) -> None:
    keys = {DEMO_KEY: DEMO_ORGANISATION, OTHER_KEY: "org-other"}
    standin = start(StandInSettings(keys=keys, ingestion_delay_seconds=0.2))
    chat(standin.gateway_url, {"Helicone-Auth": f"Bearer {OTHER_KEY}"})
    own = chat(standin.gateway_url).request_id
    assert query(standin, "all") == []
    time.sleep(0.25)
    assert [row["request_id"] for row in query(standin, "all")] == [own]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": {"request": {"id": {"equals": "x"}}}},
        {"filter": leaf("request_id", "in", ["x"])},
        {"filter": leaf("helicone-score-feedback", "equals", "true")},
        {"filter": {"left": "all", "operator": "xor", "right": "all"}},
        {"filter": "all", "ids": []},
        {"filter": "all", "limit": "ten"},
        {"filter": "all", "isScored": "yes"},
        {"filter": "all", "sort": "desc"},
    ],
)
def test_a_query_of_an_unknown_shape_is_a_422(standin: StandIn, body: object) -> None:
    assert ask(standin.api_url, "POST", "/v1/request/query-clickhouse", body, API_AUTH).status == 422


def test_a_query_for_a_score_by_name_breaks_in_clickhouse(standin: StandIn) -> None:
    where = {"request_response_rmt": {"scores": {"helicone-score-feedback": {"equals": "1"}}}}
    answer = ask(standin.api_url, "POST", "/v1/request/query-clickhouse", {"filter": where}, API_AUTH)
    assert answer.status == 500


def test_getting_a_request_by_id_is_cached_and_never_shows_a_later_rating(
    standin: StandIn, rated: str
) -> None:
    path = f"/v1/request/{rated}"
    assert ask(standin.api_url, "GET", path, headers=API_AUTH).json["data"]["scores"] == {}
    feedback(standin, rated)
    assert ask(standin.api_url, "GET", path, headers=API_AUTH).json["data"]["scores"] == {}


def test_getting_an_unknown_request_is_a_200_without_data(standin: StandIn) -> None:
    answer = ask(standin.api_url, "GET", f"/v1/request/{uuid.uuid4()}", headers=API_AUTH)
    assert (answer.status, answer.json) == (200, {"error": None})


def test_a_chain_too_long_for_the_stand_in_is_an_error_of_its_own(standin: StandIn) -> None:
    where = '{"left":"all","operator":"or","right":' * 3000 + '"all"' + "}" * 3000
    body = f'{{"filter":{where}}}'.encode()
    headers = {**API_AUTH, "Content-Type": "application/json"}
    assert ask(standin.api_url, "POST", "/v1/request/query-clickhouse", body, headers).status == 500


def test_an_authorization_that_makes_the_code_throw_is_an_invalid_token(standin: StandIn, rated: str) -> None:
    headers = {"Helicone-Authorization": "{"}
    answer = ask(standin.api_url, "POST", f"/v1/request/{rated}/feedback", {"rating": True}, headers)
    assert (answer.status, answer.body) == (400, b"Invalid token.")


def test_a_connection_serves_many_calls(standin: StandIn, rated: str) -> None:
    parts = urlsplit(standin.api_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    for _ in range(3):
        connection.request("GET", f"/v1/request/{rated}", headers=API_AUTH)
        assert connection.getresponse().read()
    connection.close()
    assert len({received.peer_port for received in standin.api.all()}) == 1


def test_a_clock_that_runs_ahead_shortens_delays_and_windows(loop: LoopThread) -> None:
    ahead = [0.0]
    settings = StandInSettings(ingestion_delay_seconds=3600.0, api_budget=2, api_window_seconds=7200.0)
    with running_standin(
        loop,
        settings,
        steady=lambda: time.monotonic() + ahead[0],
        wall=lambda: time.time() + ahead[0],
    ) as standin:
        request_id = chat(standin.gateway_url).request_id
        assert query(standin, "all") == []
        ahead[0] = 3700.0
        assert [row["request_id"] for row in query(standin, "all")] == [request_id]
        assert feedback(standin, request_id).status == 429
        ahead[0] = 7300.0
        assert feedback(standin, request_id).status == 201
        later = query(standin, "all")[0]["updated_at"]
        assert datetime.fromisoformat(f"{later}+00:00").timestamp() > time.time() + 7000


def test_a_rows_version_is_no_finer_than_a_second(standin: StandIn, rated: str) -> None:
    assert len(query(standin, leaf("request_id", "equals", rated))[0]["updated_at"]) == 19
