"""What an answer says is the same in any form, coding and chunking: `rules.contents`."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.codings import CODINGS
from proxy.rules.contents import MOST_BYTES, Content, TooLong, Unreadable, content_of
from rules.answers import FORMS, sse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
TOOLS = st.dictionaries(
    st.sampled_from(["search", "weigh", "b"]),
    st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(0, 9)), max_size=2).map(json.dumps),
    max_size=2,
)


@given(
    TEXTS,
    TOOLS,
    st.sampled_from(sorted(FORMS)),
    st.sampled_from([None, *CODINGS]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_the_same_words_give_the_same_text(
    text: str, tools: dict[str, str], form: str, coding: str | None, end: str
) -> None:
    make, streamed = FORMS[form]
    body = make(text, tools, "stop")
    if streamed:
        body = body.replace(b"\n", end.encode())
    label = b""
    if coding is not None:
        label, compress = CODINGS[coding]
        body = compress(body)
    content = content_of(body, streamed=streamed, coding=label)

    called = [
        f"{name}({json.dumps(json.loads(said), separators=(',', ':'), ensure_ascii=False)})"
        for name, said in tools.items()
    ]
    assert content.text.encode() == "\n".join([*([text] if text else []), *called]).encode()
    assert content.tools == tuple(tools)
    assert content.finish_reason == "stop"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]},
            "stop",
        ),
        (
            {
                "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}],
                "status": "x",
            },
            "x",
        ),
        ({"content": [{"type": "text", "text": "I cannot."}], "stop_reason": "refusal"}, "refusal"),
    ],
)
def test_refusals_are_seen(document: dict[str, Any], reason: str) -> None:
    content = content_of(json.dumps(document).encode(), streamed=False)
    assert (content.text, content.has_refusal, content.finish_reason) == ("I cannot.", True, reason)


def test_streamed_refusals_are_seen() -> None:
    chat = sse({"choices": [{"delta": {"refusal": "I "}}]}, {"choices": [{"delta": {"refusal": "cannot."}}]})
    responses = sse({"type": "response.refusal.delta", "delta": "I cannot."})
    for body in (chat, responses):
        content = content_of(body, streamed=True)
        assert (content.text, content.has_refusal) == ("I cannot.", True)


def test_only_the_first_of_several_answers_counts_and_no_thought() -> None:
    choices = [{"index": 1, "message": {"content": "two"}}, {"index": 0, "message": {"content": "one"}}]
    assert content_of(json.dumps({"choices": choices}).encode(), streamed=False).text == "one"
    parts = [{"text": "hm", "thought": True}, {"text": "so"}]
    assert (
        content_of(
            json.dumps([{"candidates": [{"content": {"parts": parts}}]}]).encode(), streamed=False
        ).text
        == "so"
    )


@pytest.mark.parametrize("coding", [None, *CODINGS])
def test_what_is_too_long_is_not_read(coding: str | None) -> None:
    body = json.dumps({"choices": [{"message": {"content": "x" * MOST_BYTES}}]}).encode()
    label, compress = (b"", bytes) if coding is None else CODINGS[coding]
    with pytest.raises(TooLong):
        content_of(compress(body), streamed=False, coding=label)


@pytest.mark.parametrize(
    ("body", "coding"), [(b"no JSON", b""), (b"3", b""), (b"xx", b"gzip"), (b"{}", b"unknown")]
)
def test_what_cannot_be_read_says_nothing(body: bytes, coding: bytes) -> None:
    with pytest.raises(Unreadable):
        content_of(body, streamed=False, coding=coding)


@pytest.mark.parametrize(
    "document", [{"generated_text": "x" * 99}, {"error": {"message": "busy"}}, {"type": "a"}]
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_in_another_form_has_no_short_text_but_none(
    document: dict[str, Any], *, streamed: bool
) -> None:
    with pytest.raises(Unreadable):
        content_of(sse(document) if streamed else json.dumps(document).encode(), streamed=streamed)


LONG = "A long answer. " * 20


@pytest.mark.parametrize(
    "body",
    [
        sse(
            {"type": "message-start", "delta": {"message": {"role": "assistant", "content": []}}},
            {"type": "content-delta", "delta": {"message": {"content": {"text": LONG}}}},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
        ),
        sse(
            {"object": "thread.message", "content": []},
            {
                "object": "thread.message.delta",
                "delta": {"content": [{"type": "text", "text": {"value": LONG}}]},
            },
            done=True,
        ),
        sse({"choices": [{"delta": {"images": [{"type": "image_url"}]}}]}),
        {"choices": [{"message": {"content": None, "audio": {"id": "a", "data": "AAAA"}}}]},
        {"choices": [{"message": {"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}}]},
        {"choices": [{"message": {"content": None, "tool_calls": [{"type": "brain"}]}}]},
        {"candidates": [{"content": {"parts": [{"inlineData": {"data": "AAAA"}}]}}]},
        {"type": "message", "content": [{"type": "picture"}]},
        {"output": [{"type": "image_generation_call", "result": "AAAA"}], "status": "completed"},
        {"object": "response", "output": [], "status": "queued"},
        sse({"type": "response.created", "response": {"output": [], "status": "in_progress"}}),
    ],
    ids=range(11),
)
def test_what_nobody_can_read_is_no_short_text(body: bytes | dict[str, Any]) -> None:
    streamed = isinstance(body, bytes)
    with pytest.raises(Unreadable):
        content_of(body if isinstance(body, bytes) else json.dumps(body).encode(), streamed=streamed)


@pytest.mark.parametrize(
    "document",
    [
        {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]},
        {"candidates": [{"finishReason": "SAFETY"}]},
        {"type": "message", "content": [], "stop_reason": "end_turn"},
        {"output": [{"type": "reasoning", "summary": []}], "status": "incomplete"},
    ],
)
def test_an_answer_that_says_nothing_has_a_short_text(document: dict[str, Any]) -> None:
    assert content_of(json.dumps(document).encode(), streamed=False).text == ""


def called(index: int | None, call_id: str | None, name: str | None, said: object) -> dict[str, Any]:
    call = {"index": index, "id": call_id, "function": {"name": name, "arguments": said}}
    return {"choices": [{"delta": {"tool_calls": [call]}}]}


@pytest.mark.parametrize(
    "events",
    [
        [called(0, "1", "a", ""), called(0, None, None, "{}"), called(1, "2", "b", '{"x":1}')],
        # As Gemini does it where it speaks as OpenAI, as Ollama does, and others.
        [called(0, "1", "a", "{}"), called(0, "2", "b", '{"x":1}')],
        [called(None, None, "a", "{}"), called(None, None, "b", '{"x":1}')],
        [called(0, "1", "a", {}), called(1, "2", "b", {"x": 1})],
        [
            called(0, "1", None, ""),
            called(0, "1", "a", "{}"),
            called(0, "2", "b", '{"x":'),
            called(0, "2", "b", "1}"),
        ],
    ],
    ids=range(5),
)
def test_tools_are_told_apart_however_they_are_numbered(events: list[dict[str, Any]]) -> None:
    content = content_of(sse(*events), streamed=True)
    assert (content.tools, content.text) == (("a", "b"), 'a({})\nb({"x":1})')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"choices": [{"message": {"tool_calls": [{"custom": {"name": "run", "input": "print(1)"}}]}}]},
            "run(print(1))",
        ),
        ({"output": [{"type": "custom_tool_call", "name": "run", "input": "print(1)"}]}, "run(print(1))"),
        (
            sse(
                {"type": "response.output_item.added", "item": {"type": "custom_tool_call", "name": "run"}},
                {"type": "response.custom_tool_call_input.delta", "delta": "print("},
                {"type": "response.custom_tool_call_input.delta", "delta": "1)"},
            ),
            "run(print(1))",
        ),
        ({"choices": [{"message": {"content": None, "audio": {"transcript": "Hello"}}}]}, "Hello"),
        ({"choices": [{"index": None, "message": {"content": "Hello"}}]}, "Hello"),
        ({"choices": [{"message": {"content": "half \ud83d"}}]}, "half \ufffd"),
        (sse({"choices": [{"delta": {"content": "half \ud83d"}}]}), "half \ufffd"),
    ],
    ids=range(7),
)
def test_custom_tools_transcripts_and_halves_of_characters_are_read(
    body: bytes | dict[str, Any], text: str
) -> None:
    streamed = isinstance(body, bytes)
    content = content_of(body if isinstance(body, bytes) else json.dumps(body).encode(), streamed=streamed)
    assert content.text == text


def test_no_text_stands_in_a_repr() -> None:
    assert "canary" not in repr(Content("canary", "stop", tools=("canary",)))


def test_a_cut_stream_says_what_has_come() -> None:
    whole = sse({"choices": [{"delta": {"content": "one "}}]}, {"choices": [{"delta": {"content": "two"}}]})
    assert content_of(whole[:-3], streamed=True).text == "one "
