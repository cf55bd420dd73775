"""What a body says of itself, whole or cut off: `calls.answer_bodies` and `calls.json_beginnings`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.calls.answer_bodies import Said, answer_says, event_says, id_that_comes_first
from proxy.calls.json_beginnings import MOST_TOKENS, top_level

CHAT = (
    b'{"id": "chatcmpl-1", "model": "gpt-4o", '
    b'"choices": [{"id": "inner", "message": {"tool_calls": [{"id": "call_1"}]}}]}'
)
LAST = b'{"candidates": [{"content": {"id": "inner"}}], "modelVersion": "gemini-3", "responseId": "abc"}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (CHAT, Said("chatcmpl-1", "gpt-4o")),
        (LAST, Said("abc", "gemini-3")),
        (b'{"choices": [{"id": "inner"}], "x": {"id": "deep"}}', Said(None, None)),
        (b'{"id": 7, "model": "m"}', Said(None, "m")),
        (b'{"id": "", "model": null}', Said(None, None)),
        (b'{"id": "a", "model": ["m"]}', Said("a", None)),
        (b'{"id": "a", "model": "\\ud83d\\udc4d"}', Said("a", "👍")),
        (b'{"id": "a", "model": "\\u001b[31m"}', Said("a", None)),
        (b'{"\\u0069d": "a"', Said("a", None)),
        (b'[{"responseId": "abc", "id": "x"},\n', Said("abc", None)),
        (b'[{"id": "x"}]', Said(None, None)),
        (b'{"response": {"id": "resp_1"}}', Said(None, None)),
        (b'"id"', Said(None, None)),
        (b"", Said(None, None)),
        (b"[[[[", Said(None, None)),
        (b'{"id": "a"}{"id": "b"}', Said("a", None)),
        (b'{"id":"\xff"}', Said(None, None)),
        (b'{"a":' * 5000, Said(None, None)),
    ],
)
def test_an_answer_says_its_own_id_and_model(body: bytes, said: Said) -> None:
    assert answer_says(body) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CHAT, Said("chatcmpl-1", "gpt-4o")),
        (b'{"type": "response.created", "response": {"id": "resp_1", "model": "o3"}}', Said("resp_1", "o3")),
        (b'{"type": "response.created", "response": {"id": "resp_1", "tools": [{"na', Said("resp_1", None)),
        (b'{"type": "message_start", "message": {"id": "msg_1", "model": "c"}}', Said("msg_1", "c")),
        (b'{"type": "x", "item": {"id": "item_1"}, "item_id": "i"}', Said(None, None)),
        (b'{"response": "text", "message": {"id": "msg_1"}}', Said("msg_1", None)),
        (b'{"id": "", "model": ""}', Said(None, None)),
        (b"[DONE]", Said(None, None)),
    ],
)
def test_an_event_says_what_its_answer_is_called(data: bytes, said: Said) -> None:
    assert event_says(data, is_whole=False) == said


@pytest.mark.parametrize(
    ("body", "streamed", "found"),
    [
        (b'{"id":"a-1","x":', False, "a-1"),
        (b' \r\n{ "id" : "a" }', False, "a"),
        (b'data: {"id":"a"', True, "a"),
        (b'data:{"id":"a"', True, "a"),
        (b'{"id":"a"}', True, None),
        (b'data: {"id":"a"}', False, None),
        (b'{"id":"a', False, None),
        (b'{"id":"a\\u0062"}', False, None),
        (b'{"id":""}', False, None),
        (b'{"object":"x","id":"a"}', False, None),
    ],
)
def test_an_id_that_comes_first_is_seen_without_reading_on(
    body: bytes, streamed: bool, found: str | None
) -> None:
    assert id_that_comes_first(body, streamed=streamed) == found


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        (b'{"a": 1, "b": "x"}', {b"a": b"1", b"b": b'"x"'}),
        (b'{"a": 1', {}),
        (b'{"a": 1,', {b"a": b"1"}),
        (b'{"a": "x', {}),
        (b'{"a": "x\\"', {}),
        (b'{"a": "x\\\\"', {b"a": b'"x\\\\"'}),
        (
            b'{"c": {"a": 2, "}": "]"}, "a": [1, {"b": 3}], "b": true}',
            {b"a": b'[1, {"b": 3}]', b"b": b"true"},
        ),
        (b'{"c": {"a": "cut off, "b": 1}', {}),
        (b'{"a": {"b": 1', {b"a": b'{"b": 1'}),
        (b'{"c": {}, "a": 1}', {b"a": b"1"}),
        (b'{"a": 1, "a": 2}', {b"a": b"1"}),
        (b'{"a" 1, "b": 2}', {}),
        (b'{"c": x, "b": 2}', {b"b": b"2"}),
        (b"{}", {}),
    ],
)
def test_a_beginning_says_what_stands_at_its_top_level(prefix: bytes, found: dict[bytes, bytes]) -> None:
    assert top_level(prefix, (b"a", b"b")) == found


_NAMES = st.sampled_from(["id", "model", "a", "ü", '"', "\\", "{"])
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0.5, -1e300])
    | st.text('ab"\\{}[]é👍', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=5), st.booleans(), st.data())
def test_of_any_object_the_scanner_finds_what_a_parser_does_and_of_a_beginning_nothing_else(
    document: dict[str, Any], ascii_only: bool, data: st.DataObject
) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    names = (b"id", b"model", b"\\")
    whole = {name: json.loads(value) for name, value in top_level(body, names).items()}
    assert whole == {name.encode(): value for name, value in document.items() if name.encode() in names}
    cut = top_level(body[: data.draw(st.integers(0, len(body)))], names)
    for name, value in cut.items():
        assert value[:1] in (b"{", b"[") or json.loads(value) == whole[name]


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ id', max_size=60).map(str.encode))
def test_nothing_that_a_body_holds_raises(body: bytes) -> None:
    top_level(body, (b"id",))
    for is_whole in (True, False):
        event_says(body, is_whole=is_whole)
    for streamed in (True, False):
        id_that_comes_first(body, streamed=streamed)


@pytest.mark.parametrize("filler", [b'"a": 1, ', b'"a": [], ', b'"a": {"b": "c"}, '])
def test_what_stands_behind_a_thousand_tokens_is_not_found(filler: bytes) -> None:
    """And nothing is read behind them, however much that would be."""
    assert top_level(b"{" + filler * 100 + b'"id": "a"}', (b"id",)) == {b"id": b'"a"'}
    assert top_level(b"{" + filler * MOST_TOKENS + b'"id": "a"}', (b"id",)) == {}
    assert top_level(b'{"x": [' + filler * MOST_TOKENS + b'"x"], "id": "a"}', (b"id",)) == {}


def test_of_an_event_that_is_whole_and_no_json_nothing_is_read() -> None:
    assert event_says(b'{"id": "a", "x": y}', is_whole=True) == Said(None, None)
    assert event_says(b'{"id": "a", "x": y}', is_whole=False) == Said("a", None)
