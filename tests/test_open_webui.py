"""What Open WebUI says of a thumb, in the shapes that its release 0.12.4 has."""

import json

import pytest

from proxy.errors import InvalidRating
from proxy.model import Rating
from proxy.open_webui import Feedback, KeptOut, parse_feedback

MESSAGE = "3f2c9d0e-5b1a-4a57-9a52-0c1f5d2f6b11"
RECORD: dict[str, object] = {
    "id": "5d4a2f6c-0a3e-4c8e-8f5e-9a0c5b7d1e22",
    "user_id": "9b1c6a4e-7f52-4f0c-b0d6-2f3f5a8c9d01",
    "version": 0,
    "type": "rating",
    "data": {
        "rating": -1,
        "reason": "too_verbose",
        "comment": "too long",
        "tags": ["Greetings", "Small, talk"],
        "details": {"rating": 3},
        "model_id": "gpt-4o-mini",
    },
    "meta": {"arena": False, "message_id": MESSAGE, "message_index": 2, "chat_id": "c-1"},
    "created_at": 1793400000,
    "updated_at": 1793400000,
}
EVENT: dict[str, object] = {
    "schema": "0.12.4",
    "id": "e-1",
    "event": "feedback.created",
    "resource": "feedback",
    "operation": "created",
    "created_at": 1793400000,
    "instance_id": None,
    "version": "0.12.4",
    "source": "api",
    "actor": {"id": "u-1", "name": "Ann", "email": "ann@example.com", "role": "user", "type": "user"},
    "subject": {"type": "feedback", "id": "5d4a2f6c-0a3e-4c8e-8f5e-9a0c5b7d1e22"},
    "data": {"rating": -1},
    "message": None,
}
"""As Open WebUI's own webhook sends it."""
EXPECTED = Feedback(
    MESSAGE,
    Rating(
        up=False,
        comment="too long",
        rater="9b1c6a4e-7f52-4f0c-b0d6-2f3f5a8c9d01",
        source="open-webui",
        tags=("too_verbose", "Greetings", "Small  talk"),
    ),
)


def parsed(said: object) -> Feedback | KeptOut:
    return parse_feedback(json.dumps(said).encode())


def with_data(**data: object) -> dict[str, object]:
    return {"data": data, "meta": {"message_id": MESSAGE}}


@pytest.mark.parametrize("said", [RECORD, {"event": "feedback.updated", **RECORD}, {**EVENT, "data": RECORD}])
def test_a_record_and_an_event_with_one_are_a_rating(said: object) -> None:
    assert parsed(said) == EXPECTED


@pytest.mark.parametrize(("rating", "up"), [(1, True), (-1, False), ("1", True), ("-1", False)])
def test_thumbs(rating: object, up: bool) -> None:
    found = parsed(with_data(rating=rating))
    assert isinstance(found, Feedback)
    assert found.rating == Rating(up=up, source="open-webui")


@pytest.mark.parametrize(
    "said",
    [
        with_data(rating=None),
        with_data(comment="no thumb yet"),
        {**EVENT, "data": {"rating": None}},
        {**EVENT, "event": "feedback.deleted", "data": {}},
        {**EVENT, "event": "chat.created"},
        {"event": 7},
        {"event": ["feedback.created"]},
        {"event": {}},
    ],
)
def test_what_is_no_thumb_is_kept_out(said: object) -> None:
    assert isinstance(parsed(said), KeptOut)


def test_open_webuis_own_event_names_no_message_and_is_told_so() -> None:
    with pytest.raises(InvalidRating, match=r"docs/open-webui\.md"):
        parsed(EVENT)


@pytest.mark.parametrize("rating", [0, 2, -2, True, False, 1.0, "up", "+1", [], {"rating": 1}])
def test_any_other_rating_is_refused(rating: object) -> None:
    with pytest.raises(InvalidRating, match="1, -1 or null"):
        parsed(with_data(rating=rating))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'"x"', b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"\x80\x00{"]
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRating):
        parse_feedback(body)


@pytest.mark.parametrize("message_id", ["", "x" * 201, 7, ["a"], {"a": 1}])
def test_an_id_that_nothing_goes_by_is_refused(message_id: object) -> None:
    with pytest.raises(InvalidRating):
        parsed({"data": {"rating": 1}, "meta": {"message_id": message_id}})


def test_words_that_do_not_fit_are_cut_and_never_cost_the_thumb() -> None:
    tags = ["a,b", 7, "", "\x00", *map(str, range(30))]
    data = with_data(rating=1, comment="ü" * 5000 + "\x1b[31m", reason="r" * 99, tags=tags)
    found = parsed({**data, "user_id": "u" * 300 + "\n"})
    assert isinstance(found, Feedback)
    said = found.rating
    assert said.comment == "ü" * 2048
    assert said.rater == "u" * 200
    assert said.tags[:3] == ("r" * 50, "a b", "0")
    assert len(said.tags) == 16
    assert parsed(with_data(rating=1, comment=" \x1b\ud800 ", reason=None, tags="no list")) == Feedback(
        MESSAGE, Rating(up=True, source="open-webui")
    )
