"""What the body of a request says of itself, whole or cut off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.calls.request_bodies import Said, said_at_the_beginning, said_in

WHOLE = {
    "messages": [{"role": "user", "user": "inner", "content": 'a "user": {[ \\ " quote'}],
    "model": "gpt-4o",
    "user": "José",
    "conversation": {"id": "conv_1", "metadata": {"id": "inner"}},
    "previous_response_id": "resp_1",
    "safety_identifier": "safe",
}


def told(said: Said | None) -> list[str | None]:
    assert said is not None
    return [
        said.model,
        said.user,
        said.safety_identifier,
        said.conversation_id(),
        said.previous_response_id,
    ]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", ": ")])
def test_a_whole_body_and_its_beginning_say_the_same(separators: tuple[str, str]) -> None:
    body = json.dumps(WHOLE, separators=separators).encode()
    assert told(said_in(body)) == ["gpt-4o", "José", "safe", "conv_1", "resp_1"]
    assert told(said_at_the_beginning(body)) == told(said_in(body))


def test_a_beginning_says_what_is_whole_in_it_and_nothing_else() -> None:
    body = json.dumps(WHOLE).encode()
    whole = told(said_in(body))
    for length in range(len(body)):
        for found, right in zip(told(said_at_the_beginning(body[:length])), whole, strict=True):
            assert found in (None, right), length


@pytest.mark.parametrize("field", [b"42", b"null", b"[]", b'{"id": 5}', b'"\xff"', b"[[[[[[]]]]]]", b'""'])
@pytest.mark.parametrize(
    "name", ["model", "user", "safety_identifier", "conversation", "previous_response_id"]
)
def test_an_odd_field_spoils_no_other(name: str, field: bytes) -> None:
    others = {key: value for key, value in WHOLE.items() if key not in (name, "messages")}
    body = b'{"%b": %b, %b' % (name.encode(), field, json.dumps(others).encode()[1:])
    right = ["" if field == b'""' and key == name else None if key == name else value for key, value in (
        ("model", "gpt-4o"),
        ("user", "José"),
        ("safety_identifier", "safe"),
        ("conversation", "conv_1"),
        ("previous_response_id", "resp_1"),
    )]  # fmt: skip
    assert [each or None for each in told(said_in(body))] == [each or None for each in right]


def test_half_an_emoji_in_a_prompt_hides_nothing_else() -> None:
    """JavaScript apps cut texts within a character, and msgspec refuses what that gives."""
    body = json.dumps({"model": "gpt-4o", "messages": [{"content": "cut \ud83d"}], "user": "ann"}).encode()
    assert told(said_in(body)) == ["gpt-4o", "ann", None, None, None]


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ user', max_size=60).map(str.encode))
def test_nothing_that_a_body_holds_raises(body: bytes) -> None:
    said_in(body)
    said_at_the_beginning(body)


def test_what_is_no_object_says_nothing_and_what_is_no_json_cannot_be_read() -> None:
    assert told(said_in(b'["user"]')) == told(said_in(b"7")) == [None] * 5
    for body in (b"", b"{", b"user=ann", b"\xff", b'{"a":' * 30_000):
        assert said_in(body) is None
        assert told(said_at_the_beginning(body)) == [None] * 5
