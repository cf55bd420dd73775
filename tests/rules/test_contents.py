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


def test_no_text_stands_in_a_repr() -> None:
    assert "canary" not in repr(Content("canary", "stop", tools=("canary",)))


def test_a_cut_stream_says_what_has_come() -> None:
    whole = sse({"choices": [{"delta": {"content": "one "}}]}, {"choices": [{"delta": {"content": "two"}}]})
    assert content_of(whole[:-3], streamed=True).text == "one "
