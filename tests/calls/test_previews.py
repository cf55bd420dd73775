"""How a call's question and its answer begin: `calls.previews`, and where it is shown, and nowhere else."""

import contextlib
import gzip
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.benches import AT_ONCE, CHAT_PATH, JSON, Bench, StartBench, document, id_of, request
from harness.canaries import living, shown_everywhere, traces_of
from harness.loops import LoopThread
from harness.sidecars import RunningSidecar, StartSidecar, settings_of
from harness.standins import running_standin
from harness.upstreams import StartUpstream, answering
from harness.wire import head, wait_until
from proxy.calls.previews import LOOK_BYTES, MOST_CHARACTERS, AnswerText, asked_in, beginning
from proxy.demo import DEMO_KEY, GatewayFault
from proxy.events.ring import size_for
from proxy.redaction import Redaction

OWN = "a.secret.of.ours.0123"
TOOL = {"name": "weigh", "description": "x", "parameters": {"type": "object", "properties": {}}}


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


# -- how a text begins


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hi", "Hi"),
        ("  one\n\ttwo\r\n\x00\x1b[31mthree\x7f\u2028four  ", "one two [31mthree four"),
        ("a\u202eb\u200bc\ufeff", "abc"),
        ("👩\u200d💻 کتاب\u200cها", "👩\u200d💻 کتاب\u200cها"),
        ("x" * 31 + "é" * 400, "x" * 31 + "é" * 169),
        ("👍" * 300, "👍" * 200),
        (" \n\x01 ", None),
        ("", None),
        ("My key is sk-proj-abcdefgh, why?", "My key is ***, why?"),
        ("Bearer abcdefgh0123", "***"),
        (f"it says {OWN}!", "it says ***!"),
        ("a " * 95 + "sk-" + "z" * 50, "a " * 95 + "***"),
        ("a" + " b" * 95 + f" {OWN}", "a" + " b" * 95 + " ***"),
        ("ghp_0123456789abcdef and AIzaSyA0123456789abcdefg", "*** and ***"),
        ("hf_abcdefghijklmnop xoxb-123456789012 AKIAIOSFODNN7EXAMPLE", "*** *** ***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***"),
        ("0123456789abcdef0123456789abcdef", "***"),
        ("antidisestablishmentarianism_is_a_long_word", "antidisestablishmentarianism_is_a_long_word"),
        ("sk\u200b-proj-abcdefgh", "***"),
        ("task-list, key-value, risk-free", "task-list, key-value, risk-free"),
    ],
)
def test_a_text_is_shown_in_one_line_of_200_characters_without_keys(text: str, shown: str | None) -> None:
    assert beginning(text, Redaction([OWN])) == shown


@pytest.mark.parametrize("gap", [" ", "\n", "\u200b"])
def test_a_key_that_is_cut_behind_long_gaps_is_not_shown_in_part(gap: str) -> None:
    for size in range(2048 - len(OWN), 2048):
        assert beginning(f"Hi {gap * (size - 3)}{OWN}", Redaction([OWN])) in ("Hi", "Hi ***")
    assert beginning("Hi" + " " * 3000, Redaction()) == "Hi"


@given(st.text(max_size=400))
def test_whatever_a_text_is_a_terminal_bears_it(text: str) -> None:
    shown = beginning(text, Redaction())
    assert shown is None or 0 < len(shown) <= MOST_CHARACTERS
    assert shown is None or all(each.isprintable() or each in "\u200c\u200d" for each in shown)


@pytest.mark.parametrize("text", ["_" * 4096, "a_" * 2048, "1_" * 2048, "sk-" * 1400, "a-" * 2048])
def test_no_text_keeps_the_loop_for_long(text: str) -> None:
    """A form to be filled in has lines of underscores: 30 ms for each call, once. Now all of these take 0.1 s."""
    began = time.process_time()
    for _ in range(200):
        beginning(text, Redaction())
    assert time.process_time() - began < 2


# -- what was asked


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}, "u"),
        ({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}, "u"),
        ({"messages": [{"role": "user", "content": "1"}, {"role": "user", "content": "2"}]}, "2"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "See"},
                            {"type": "image_url", "image_url": {"url": "data:canary"}},
                            {"type": "text", "text": "this"},
                        ],
                    }
                ]
            },
            "See this",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "u"},
                    {"role": "user", "content": [{"type": "tool_result", "content": "r"}]},
                ]
            },
            "u",
        ),
        ({"input": "u"}, "u"),
        ({"input": ["t", "u"]}, "u"),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "u"}]},
                    {"type": "function_call_output", "output": "o"},
                ]
            },
            "u",
        ),
        ({"input": [{"role": "developer", "content": "d"}]}, None),
        ({"prompt": "u"}, "u"),
        ({"prompt": [1, 2]}, None),
        ({"contents": [{"role": "user", "parts": [{"text": "u"}]}, {"role": "model", "parts": []}]}, "u"),
        ({"messages": [{"role": "user", "content": 7}]}, None),
        ({"messages": "no"}, None),
        ({"messages": []}, None),
        ([], None),
        ({}, None),
    ],
)
def test_the_last_thing_that_a_user_says_is_what_was_asked(body: object, asked: str | None) -> None:
    assert asked_in(raw(body)) == asked


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"input": "\xff"}', b'{"messages": [{"role": "user"'])
def test_what_cannot_be_read_asks_nothing(body: bytes) -> None:
    assert asked_in(body) is None


# -- what was answered


def said(*events: object) -> str:
    text = AnswerText()
    for each in events:
        text.add_event(raw(each))
    return text.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"choices": [{"message": {"content": "a"}}, {"index": 1, "message": {"content": "b"}}]}, "a"),
        ({"choices": [{"message": {"content": None, "refusal": "no"}}]}, "no"),
        ({"choices": [{"text": "a"}]}, "a"),
        ({"choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "f"}}]}}]}, " [f]"),
        ({"choices": [{"message": {"content": "a", "function_call": {"name": "f"}}}]}, "a [f]"),
        ({"content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}]}, "a"),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "tool_use", "name": "f", "input": {}}]},
            "a  [f]",
        ),
        (
            {
                "output": [
                    {"type": "reasoning"},
                    {"type": "message", "content": [{"type": "output_text", "text": "a"}]},
                    {"type": "function_call", "name": "f"},
                ]
            },
            "a  [f]",
        ),
        ({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, "a"),
        ([{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}] * 2, "aa"),
        ({"data": []}, ""),
        ({"choices": [{"message": {"content": "a" * 40_000}}]}, "a" * 2048),
    ],
)
def test_an_answers_words_are_found(body: object, words: str) -> None:
    text = AnswerText()
    text.add_body(raw(body))
    assert text.text == words


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_of_a_long_answer_the_beginning_is_enough(ensure_ascii: bool) -> None:
    body = json.dumps(
        {"choices": [{"message": {"content": 'Ö "x"\n' * 10_000}}]}, ensure_ascii=ensure_ascii
    ).encode()
    for end in range(20_000, 20_020):
        text = AnswerText()
        text.add_body(body[:end])
        assert (beginning(text.text, Redaction()) or "").startswith('Ö "x" Ö "x"')
    short = AnswerText()
    short.add_body(body[:45])
    assert short.text.startswith("Ö ")


def test_the_words_of_streams_are_found() -> None:
    assert said(*({"choices": [{"delta": {"content": each}}]} for each in ("a", "b"))) == "ab"
    assert said({"choices": [{"delta": {"reasoning_content": "r"}}]}, {"choices": [{"text": "a"}]}) == "a"
    calls = [{"function": {"name": "f", "arguments": ""}}]
    assert said({"choices": [{"delta": {"tool_calls": calls}}]}) == " [f]"
    assert said({"type": "response.output_text.delta", "delta": "a"}, {"type": "x", "delta": "b"}) == "a"
    assert (
        said({"type": "response.output_item.added", "item": {"type": "function_call", "name": "f"}})
        == " [f] "
    )
    assert said({"type": "response.output_item.done", "item": {"type": "function_call", "name": "f"}}) == ""
    assert said(
        {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "t"}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "f", "input": {}}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ).split() == ["a", "[f]"]


@given(st.binary(max_size=60) | st.text('{}[]":content,text\\u0', max_size=60).map(str.encode))
def test_nothing_that_passes_raises(body: bytes) -> None:
    text = AnswerText()
    text.add_event(body)
    text.add_body(body)
    asked_in(body)


# -- through a sidecar


@pytest.fixture
def shown_bench(start_bench: StartBench) -> Bench:
    """A sidecar that keeps previews."""
    return start_bench(**{"calls.preview": True})


def preview_of(bench: Bench, path: str, body: Mapping[str, object], *lines: bytes) -> Any:  # noqa: ANN401
    answer = bench.ask("POST", path, raw({"model": "m", **body}), JSON, *lines)
    shown = document(bench.get(f"/feedback/{id_of(answer)}"))
    listed = document(bench.get("/feedback"))
    assert listed["preview"] is True
    assert listed["calls"][0]["preview"] == shown["preview"]
    return shown["preview"]


QUESTION = "Which colour is the sky?"
USER = [{"role": "user", "content": QUESTION}]
CHATS: list[tuple[str, dict[str, object]]] = [
    ("/v1/chat/completions", {"messages": USER}),
    ("/v1/completions", {"prompt": QUESTION}),
    ("/v1/responses", {"input": QUESTION}),
    ("/v1/messages", {"messages": USER, "max_tokens": 9}),
]
TOOLS: list[tuple[str, dict[str, object]]] = [
    ("/v1/chat/completions", {"messages": USER, "tools": [{"type": "function", "function": TOOL}]}),
    ("/v1/responses", {"input": QUESTION, "tools": [{"type": "function", **TOOL}]}),
    (
        "/v1/messages",
        {"messages": USER, "max_tokens": 9, "tools": [{"name": "weigh", "input_schema": TOOL["parameters"]}]},
    ),
]


@pytest.mark.parametrize(("path", "body"), CHATS, ids=[path for path, _ in CHATS])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_shows_how_question_and_answer_begin(
    shown_bench: Bench, path: str, body: dict[str, object], stream: bool
) -> None:
    preview = preview_of(shown_bench, path, {**body, "stream": stream})
    assert preview["prompt"] == QUESTION
    assert "colour" in preview["answer"]
    assert "  " not in preview["answer"]


@pytest.mark.parametrize(("path", "body"), TOOLS, ids=[path for path, _ in TOOLS])
@pytest.mark.parametrize("stream", [False, True])
def test_the_tools_that_an_answer_calls_are_named(
    shown_bench: Bench, path: str, body: dict[str, object], stream: bool
) -> None:
    assert preview_of(shown_bench, path, {**body, "stream": stream}) == {
        "prompt": QUESTION,
        "answer": "[weigh]",
    }


def test_what_does_not_answer_in_words_shows_the_question_alone(shown_bench: Bench) -> None:
    asked = {"prompt": QUESTION, "answer": None}
    assert preview_of(shown_bench, "/v1/embeddings", {"input": QUESTION}) == asked
    shown_bench.standin.faults.gateway.next(GatewayFault(status=500))
    assert preview_of(shown_bench, CHAT_PATH, {"messages": USER}) == asked
    models = document(shown_bench.get(f"/feedback/{id_of(shown_bench.get('/v1/models'))}"))
    assert models["preview"] == {"prompt": None, "answer": None}


def test_of_a_long_request_the_end_is_needed(shown_bench: Bench) -> None:
    for size, prompt in ((LOOK_BYTES // 2, QUESTION), (LOOK_BYTES, None)):
        messages = [{"role": "system", "content": "x" * size}, *USER]
        assert preview_of(shown_bench, CHAT_PATH, {"messages": messages})["prompt"] == prompt


def test_a_model_that_thinks_for_long_is_waited_for_and_keys_are_masked(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    def event(delta: dict[str, str]) -> bytes:
        return b"data: " + raw({"id": "c-1", "choices": [{"index": 0, "delta": delta}]}) + b"\n\n"

    body = (
        event({"reasoning_content": "Hm. " * 50}) * 500
        + event({"content": "Your key: sk-pro"})
        + event({"content": "j-0123456789"})
        + event({"content": " is fine. "}) * 200
    )
    answers = [
        head(b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Content-Length: %d" % len(each), *more)
        + each
        for each, more in ((body, ()), (gzip.compress(body), (b"Content-Encoding: gzip",)))
    ]
    sidecar = start_sidecar(start_upstream(answering(*answers)).url, **{"calls.preview": True})
    for _ in answers:
        client = sidecar.connect()
        answer = client.ask(request("POST", CHAT_PATH, raw({"model": "m", "messages": USER}), JSON))
        client.close()
        asking = sidecar.connect()
        shown = document(asking.ask(request("GET", f"/feedback/{id_of(answer)}")))
        asking.close()
        assert shown["preview"]["answer"].startswith("Your key: *** is fine. is fine.")
        assert len(shown["preview"]["answer"]) == MOST_CHARACTERS
        assert "c-1" in shown["aliases"]


def test_a_call_that_is_forgotten_takes_its_preview_along(start_bench: StartBench) -> None:
    bench = start_bench(**{"calls.preview": True, "calls.capacity": 1})
    before = living()
    bench.chat(messages=[{"role": "user", "content": "canary"}])
    assert [type(each).__name__ for each in living().values() if _holds(each)] != []
    bench.chat()
    assert "canary" not in bench.get("/feedback").body.decode()
    # Its events hold it, too, until as many others have come.
    for _ in range(size_for(1) // 3):
        bench.chat()
    # What is written of calls is written for several, a tenth of a second later.
    wait_until(
        lambda: not [each for key, each in living().items() if key not in before and _holds(each)],
        "nobody holds the preview",
    )


def _holds(each: object) -> bool:
    preview = getattr(each, "preview", None)
    return preview is not None and "canary" in (getattr(preview, "prompt", None) or "")


# -- and nowhere else

ELSEWHERE = (
    "/feedback/health",
    "/feedback/metrics",
    "/feedback/openapi.json",
    "/feedback/outbox?history=true",
)
LOOKING = ("/feedback", "/feedback/last", "/feedback/last/session")


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_a_preview_is_in_what_shows_calls_and_nowhere_else(
    loop: LoopThread,
    scope: contextlib.ExitStack,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    on: bool,
    stream: bool,
) -> None:
    before = living()
    caplog.set_level(logging.DEBUG, "proxy")
    standin = scope.enter_context(running_standin(loop, AT_ONCE))
    given = {
        "helicone.api_key": DEMO_KEY,
        "helicone.api_url": standin.api_url,
        "outbox.path": str(tmp_path / "outbox.db"),
        "calls.persist": True,
        "calls.preview": on,
        "log.level": "debug",
    }
    with RunningSidecar(loop, settings_of(standin.gateway_url, **given)) as sidecar:
        bench = Bench(standin, sidecar)
        words = [{"role": "user", "content": "canary of a question"}]
        chat = bench.chat(messages=words, stream=stream)
        # The stand-in says again what it was asked.
        assert b"canary" in chat.body
        bench.standin.faults.gateway.next(GatewayFault(die_after_events=2))
        bench.stream(messages=words).read_to_end()
        quiet = [
            bench.rate(f"/feedback/{id_of(chat)}"),
            bench.rate("/feedback/last?rating=down&strict=1", b""),
        ]
        looked = [bench.get(path) for path in LOOKING]
        quiet += [bench.get(path) for path in ELSEWHERE]
        sidecar.wait_for_log("/v1/chat/completions")
    shown = [answer.body.decode() for answer in looked]
    assert [bool(traces_of(each)) for each in shown] == [on] * len(shown)
    texts = [answer.body.decode() for answer in quiet]
    texts += [
        sidecar.log,
        *(caplog.handler.format(each) for each in caplog.records if each.name.startswith("proxy.")),
    ]
    files = [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    assert files
    found = shown_everywhere([*texts, *files], before)
    assert not found, "\n".join(found)


def test_with_previews_off_nothing_of_them_is_shown(bench: Bench) -> None:
    chat = bench.chat()
    listed = document(bench.get("/feedback"))
    assert listed["preview"] is False
    assert "preview" not in listed["calls"][0]
    assert "preview" not in document(bench.get(f"/feedback/{id_of(chat)}"))
