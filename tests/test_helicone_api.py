"""The vendor's facts as the API has them: what leaves for a rating, what is read of a call, what a no means."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy import helicone_api
from proxy.errors import (
    AnswerTooLong,
    HeliconeBroke,
    HeliconeBusy,
    HeliconeError,
    HeliconeRejected,
    HeliconeTimeout,
    HeliconeUnauthorized,
    HeliconeUnreachable,
    NotIngested,
    Remedy,
)
from proxy.helicone_api import (
    Allowance,
    Refusal,
    Stored,
    allowance,
    error_of,
    holds_scores,
    look_for,
    missing_properties,
    post_of,
    properties_of,
    retry_after,
    rows_of,
    usable_score_name,
)
from proxy.model import Rating

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
OTHER_ID = "1b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
KEY = "sk-helicone-canaryx-canaryx-canaryx-canaryx"
EU_KEY = "sk-helicone-eu-canaryx-canaryx-canaryx-canaryx"
URL = "https://api.example.org/jawn"
NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
RATING = "helicone-score-feedback"


# -- how a rating leaves


def test_a_thumb_alone_leaves_as_feedback() -> None:
    assert post_of(ID, Rating(up=True)) == (f"/v1/request/{ID}/feedback", {"rating": True})
    assert post_of(ID, Rating(up=False, comment="no")) == (f"/v1/request/{ID}/feedback", {"rating": False})


def test_a_thumb_with_scores_leaves_in_one_post_and_as_an_integer() -> None:
    found = post_of(ID, Rating(up=False, scores={"quality": 4, "helpful": True}))
    assert found is not None
    assert found[0] == f"/v1/request/{ID}/score"
    assert json.dumps(found[1]) == f'{{"scores": {{"quality": 4, "helpful": true, "{RATING}": 0}}}}'


def test_scores_alone_leave_without_a_thumb() -> None:
    assert post_of(ID, Rating(scores={"quality": 0})) == (
        f"/v1/request/{ID}/score",
        {"scores": {"quality": 0}},
    )


def test_words_alone_are_no_post() -> None:
    assert post_of(ID, Rating(comment="nice", tags=("a",))) is None


def test_words_leave_as_properties() -> None:
    assert properties_of(
        Rating(up=True, comment="nice", rater="ann", source="developer", tags=("a", "b"))
    ) == {
        "Feedback-Comment": "nice",
        "Feedback-Rater": "ann",
        "Feedback-Source": "developer",
        "Feedback-Tags": "a,b",
    }
    assert properties_of(Rating(up=True)) == {}
    assert properties_of(Rating(comment="")) == {"Feedback-Comment": ""}


def test_a_property_is_put_as_the_schema_wants_it_and_not_as_the_docs_have_it() -> None:
    assert helicone_api.property_put(ID, "Feedback-Rater", "ann") == (
        f"/v1/request/{ID}/property",
        {"key": "Feedback-Rater", "value": "ann"},
    )


@pytest.mark.parametrize(
    "name", ["quality", "Quality", "a b", "ton-hcone-boolean", "hcone-bool", "é", "👍", "x" * 100, "0"]
)
def test_a_score_may_have_any_other_name(name: str) -> None:
    assert usable_score_name(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        (RATING, "the rating itself"),
        ("Helicone_Score_Feedback", "the rating itself"),
        ("helicone score  feedback ", "the rating itself"),
        ("helpful-hcone-bool", "yes-or-no"),
        ("helpful-HCONE-bool ", "yes-or-no"),
        ("x" * 101, "100 characters"),
        ("a\nb", "control character"),
        ("a\x7f", "control character"),
        ("a\x00", "control character"),
        ("a\ud83d", "half a character"),
        ("__proto__", "JavaScript"),
    ],
)
def test_a_name_that_helicone_would_lose_or_mistake_is_refused_with_the_reason(name: str, why: str) -> None:
    assert why in (usable_score_name(name) or "")


# -- what is stored


def test_what_is_stored_holds_a_rating_when_all_of_it_is_there() -> None:
    rating = Rating(up=True, scores={"quality": 4, "helpful": False})
    whole = {RATING: 1, "quality": 4, "helpful-hcone-bool": 0, "other": 7}
    assert holds_scores(rating, Stored(whole, {}))
    for name in (RATING, "quality", "helpful-hcone-bool"):
        assert not holds_scores(rating, Stored({**whole, name: 2}, {}))
        assert not holds_scores(rating, Stored({each: whole[each] for each in whole if each != name}, {}))


def test_nothing_stored_holds_no_thumb_down() -> None:
    assert not holds_scores(Rating(up=False), Stored({}, {}))
    assert holds_scores(Rating(up=False), Stored({RATING: 0}, {}))
    assert holds_scores(Rating(comment="words"), Stored({}, {}))


def test_words_are_missing_when_they_are_not_there_or_others() -> None:
    rating = Rating(comment="nice", rater="ann", source="")
    assert missing_properties(rating, Stored({}, {})) == {"Feedback-Comment": "nice", "Feedback-Rater": "ann"}
    held = {"Feedback-Comment": "nice", "Feedback-Rater": "bob", "Feedback-Source": "x"}
    assert missing_properties(rating, Stored({}, held)) == {"Feedback-Rater": "ann", "Feedback-Source": ""}


# -- looking


def depth(node: Mapping[str, Any]) -> int:
    return 1 + max(depth(node["left"]), depth(node["right"])) if "left" in node else 0


def leaves(node: Mapping[str, Any]) -> list[str]:
    if "left" in node:
        assert node["operator"] == "or"
        return leaves(node["left"]) + leaves(node["right"])
    assert set(node["request_response_rmt"]) == {"request_id"}
    return [node["request_response_rmt"]["request_id"]["equals"]]


@pytest.mark.parametrize(("count", "deep"), [(1, 0), (2, 1), (3, 2), (64, 6), (65, 7), (100, 7)])
def test_many_calls_are_looked_for_at_once_in_a_flat_tree(count: int, deep: int) -> None:
    ids = [f"{number:08x}-6a8d-4f9e-8d43-6f4f5f3a2b10" for number in range(count)]
    path, payload = look_for(ids, NOW)
    assert path == "/v1/request/query-clickhouse"
    where = payload["filter"]
    assert where["left"] == {
        "request_response_rmt": {"request_created_at": {"gte": "2026-11-14T08:00:00.000Z"}}
    }
    assert where["operator"] == "and"
    assert leaves(where["right"]) == ids
    assert depth(where["right"]) == deep
    assert count <= payload["limit"] <= 1000


@pytest.mark.parametrize("count", [0, 101])
def test_no_more_than_a_hundred_calls_are_looked_for_at_once(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} ids"):
        look_for([ID] * count, NOW)


def answer(*rows: object) -> bytes:
    return json.dumps({"data": rows, "error": None}).encode()


def test_rows_are_read_as_new_and_as_old_servers_write_them() -> None:
    body = answer(
        {"request_id": ID, "scores": {RATING: 1, "a": -4, "b": 2.0}, "properties": {"x": "y"}, "cost": 0.1},
        {"request_id": OTHER_ID.upper(), "scores": {RATING: "0", "a": "-4"}, "request_body": {"a": [1]}},
    )
    assert rows_of(body) == {
        ID: Stored({RATING: 1, "a": -4, "b": 2}, {"x": "y"}),
        OTHER_ID: Stored({RATING: 0, "a": -4}, {}),
    }


def test_what_cannot_be_read_of_a_row_is_left_out() -> None:
    scores = {"a": 0.5, "b": "soon", "c": None, "d": [1], "e": "٣", "f": "1" * 5000, "g": 1}
    rows = rows_of(answer({"request_id": ID, "scores": scores, "properties": {"x": 1, "y": None, "z": "z"}}))
    assert rows == {ID: Stored({"g": 1}, {"z": "z"})}


def test_a_row_without_scores_has_none() -> None:
    rows = rows_of(answer({"request_id": ID}, {"request_id": OTHER_ID, "scores": None, "properties": None}))
    assert rows == {ID: Stored({}, {}), OTHER_ID: Stored({}, {})}
    assert rows_of(answer()) == {}


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_versions_of_a_row_the_newest_counts(order: int) -> None:
    versions = [
        {"request_id": ID, "updated_at": "2026-11-23 10:00:00", "scores": {}},
        {"request_id": ID, "updated_at": "2026-11-23 10:00:09", "scores": {RATING: 0}},
        {"request_id": ID, "updated_at": "2026-11-23 10:00:01", "scores": {RATING: 1}},
    ][::order]
    assert rows_of(answer(*versions)) == {ID: Stored({RATING: 0}, {})}


@pytest.mark.parametrize("order", [1, -1])
def test_of_versions_of_the_same_second_only_what_all_say_counts(order: int) -> None:
    at = "2026-11-23 10:00:09"
    versions = [
        {"request_id": ID, "updated_at": at, "scores": {RATING: 1, "a": 1}, "properties": {"x": "1"}},
        {
            "request_id": ID,
            "updated_at": at,
            "scores": {RATING: 0, "a": 1},
            "properties": {"x": "1", "y": "2"},
        },
        {"request_id": ID, "updated_at": "2026-11-23 10:00:08", "scores": {}},
    ][::order]
    assert rows_of(answer(*versions)) == {ID: Stored({"a": 1}, {"x": "1"})}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b'"\xff"',
        b"[]",
        b"{}",
        b'{"data":null,"error":"Query timeout."}',
        b'{"data":{}}',
        b'{"data":[1]}',
        b'{"data":[{}]}',
        b'{"data":[{"request_id":7}]}',
        b'{"data":[{"request_id":"x","scores":[]}]}',
        b'{"data":[{"request_id":"x","properties":"y"}]}',
        b'{"data":[]',
        b"[" * 100_000,
        b'{"x":' + b"[" * 100_000,
        b'{"data":[{"request_id":"x","scores":{"a":' + b"[" * 100_000,
    ],
)
def test_an_answer_that_is_something_else_is_an_error_with_a_sentence(body: bytes) -> None:
    with pytest.raises(HeliconeError) as caught:
        rows_of(body)
    assert type(caught.value) is HeliconeError
    assert caught.value.message == "Helicone's API answered a look for calls with something else."


def test_half_an_emoji_in_a_prompt_hides_no_rating() -> None:
    body = {"text": "cut \ud83d"}
    row = {"request_id": ID, "request_body": body, "scores": {RATING: 1}, "properties": {"x": "\udc4d"}}
    assert rows_of(answer(row)) == {ID: Stored({RATING: 1}, {"x": "\ufffd"})}


# -- what Helicone grants


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ({}, None),
        ({"RateLimit-Limit": "10000", "RateLimit-Policy": "10000;w=300"}, Allowance(10_000, 300.0)),
        ({"ratelimit-limit": " 500 ", "ratelimit-policy": "500; w=60"}, Allowance(500, 60.0)),
        ({"RateLimit-Limit": "500"}, Allowance(500, 300.0)),
        ({"RateLimit-Policy": "600;w=10"}, Allowance(600, 10.0)),
        ({"RateLimit-Limit": "600", "RateLimit-Policy": "10;w=1, 600;w=30"}, Allowance(600, 30.0)),
        ({"RateLimit-Limit": "700", "RateLimit-Policy": "10;w=1"}, Allowance(700, 300.0)),
        ({"RateLimit-Limit": "600", "RateLimit-Policy": "600;w=0"}, Allowance(600, 300.0)),
        ({"RateLimit-Limit": "0"}, None),
        ({"RateLimit-Limit": "many", "RateLimit-Policy": "some"}, None),
        ({"RateLimit-Limit": "1" * 5000}, None),
        ({"RateLimit-Limit": "٣"}, None),
        ({"RateLimit-Limit": "-5"}, None),
    ],
)
def test_what_helicone_grants_is_read(headers: dict[str, str], granted: Allowance | None) -> None:
    assert allowance(CIMultiDict(headers)) == granted


# -- what a refusal means


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("77", 77),
        ("0", 1),
        ("3601", 3600),
        ("9" * 5000, 3600),
        ("Fri, 15 Jan 2027 08:02:00 GMT", 120),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 1),
        ("Sat, 16 Jan 2027 08:00:00 GMT", 3600),
        ("Friday, 15-Jan-27 08:02:00 GMT", 120),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("Fri, 99 Jan 2027 08:02:00 GMT", None),
        ("Fri, 15 Jan 99999999 08:02:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_at_most_an_hour(
    value: str | None, seconds: int | None
) -> None:
    assert retry_after(value, NOW) == seconds


def refused(
    status: int, said: str = "", key: str = KEY, *, is_own: bool = True, **headers: str
) -> HeliconeError:
    given = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return error_of(Refusal(status, said, given), base_url=URL, key=key, is_own=is_own, now=NOW)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, '{"error":"No API key found","trace":"isAuthenticated.error"}'),
        (403, ""),
        (400, "Invalid token."),
    ],
)
def test_a_refused_key_names_key_permission_and_region(status: int, said: str) -> None:
    error = refused(status, said)
    assert type(error) is HeliconeUnauthorized
    for word in (str(status), "HELICONE_API_KEY", "may not write", "permission", "region", "api_url", URL):
        assert word in error.message
    assert "not European" in error.message
    apps = refused(status, said, is_own=False).message
    assert "Check the key that the app sends itself (Helicone-Auth), its write permission" in apps
    assert "HELICONE_API_KEY" not in apps
    assert "a European key" in refused(status, said, EU_KEY).message
    assert "canaryx" not in error.message + refused(status, said, EU_KEY).message


@pytest.mark.parametrize("said", ['{"error":null,"trace":"isAuthenticated.error"}', '{ "error" : null }'])
def test_a_key_that_may_only_read_is_told_so(said: str) -> None:
    error = refused(401, said)
    assert type(error) is HeliconeUnauthorized
    assert f"{URL} knows it, and it may not write." in error.message
    assert "region" not in error.message


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (422, '{"message":"Validation Failed","details":{}}'),
        (500, '{"data":null,"error":"Invalid requestId: must be a valid UUID"}'),
    ],
)
def test_a_refused_form_is_called_our_bug(status: int, said: str) -> None:
    error = refused(status, said)
    assert type(error) is HeliconeRejected
    assert "bug of helicone-feedback-proxy" in error.message
    assert "report" in error.message


def test_the_rate_limit_says_how_long_it_lasts_if_helicone_does() -> None:
    error = refused(429, Retry_After="77")
    assert type(error) is HeliconeBusy
    assert error.retry_after_seconds == 77
    assert "wait for 77 s" in error.message
    assert "organisation" in error.message
    silent = refused(429)
    assert (type(silent), silent.retry_after_seconds) == (HeliconeBusy, None)
    assert "wait" not in silent.message


@pytest.mark.parametrize(
    "said",
    [
        '{"data":null,"error":"Request not found"}',
        '{"data":null,"error":"Request not found in ClickHouse"}',
        '{"data":null,"error":"Could not find previous version of request"}',
    ],
)
def test_a_call_that_is_not_known_is_told_from_other_500s(said: str) -> None:
    assert type(refused(500, said)) is NotIngested
    assert type(refused(502, said)) is HeliconeError


@pytest.mark.parametrize("status", [400, 404, 408, 409, 425, 500, 501, 502, 503, 504, 524, 600])
def test_any_other_status_is_just_said(status: int) -> None:
    error = refused(status, '{"data":null,"error":"Error adding scores to request."}')
    assert type(error) is HeliconeError
    assert error.message == f"Helicone's API answered {status}."
    assert refused(status, Retry_After="9").retry_after_seconds == 9


@pytest.mark.parametrize("said", ["Invalid token.", "must be a valid UUID", "Request not found"])
def test_an_error_page_in_between_that_happens_to_say_so_decides_nothing_for_good(said: str) -> None:
    assert type(refused(502, said)) is HeliconeError


@pytest.mark.parametrize(("status", "what"), [(200, "success"), (204, "success"), (302, "redirect")])
def test_another_yes_or_a_redirect_asks_whether_the_address_is_right(status: int, what: str) -> None:
    error = refused(status)
    assert type(error) is HeliconeError
    assert what in error.message
    assert "api_url" in error.message
    assert URL in error.message


def test_every_error_says_what_helps() -> None:
    kinds: list[type[HeliconeError]] = [HeliconeError, *HeliconeError.__subclasses__()]
    assert {kind: kind.remedy for kind in kinds} == {
        HeliconeError: Remedy.AGAIN,
        AnswerTooLong: Remedy.AGAIN,
        HeliconeUnreachable: Remedy.AGAIN,
        HeliconeBroke: Remedy.AGAIN,
        HeliconeTimeout: Remedy.AGAIN,
        HeliconeBusy: Remedy.WAIT,
        HeliconeUnauthorized: Remedy.PAUSE,
        NotIngested: Remedy.INGESTION,
        HeliconeRejected: Remedy.NONE,
    }


def test_no_sentence_tells_anybody_to_send_again() -> None:
    for status in (200, 302, 400, 401, 422, 429, 500, 503):
        assert "again" not in refused(status, Retry_After="9").message


@pytest.mark.parametrize("module", ["proxy.helicone", "proxy.helicone_api"])
def test_the_vendors_facts_need_no_http_library(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('aiohttp', 'yarl', 'asyncio') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
