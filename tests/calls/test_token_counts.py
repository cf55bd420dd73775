"""How many tokens a call took, as its answer says: `calls.token_counts`, and a sidecar that shows it."""

import itertools
import json
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.benches import CHAT_PATH, JSON, Bench, chat_body, document, id_of, request
from harness.codings import CODINGS
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire, answering
from harness.wire import chunked, head
from proxy.calls.live_call import LiveCall
from proxy.calls.token_counts import MOST_COMPRESSED_BYTES, STREAM_TAIL_BYTES, joined, tokens_in
from proxy.model import Tokens

CHAT = {
    "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11,
    "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
}  # fmt: skip
RESPONSES = {
    "input_tokens": 9, "input_tokens_details": {"cached_tokens": 5}, "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 11,
}  # fmt: skip
ANTHROPIC = {
    "input_tokens": 9, "cache_creation_input_tokens": 8, "cache_creation": {"ephemeral_5m_input_tokens": 8},
    "output_tokens": 2, "iterations": [{"input_tokens": 7, "output_tokens": 7}], "service_tier": "standard",
}  # fmt: skip
GEMINI = {
    "promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 1, "totalTokenCount": 11,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
}  # fmt: skip
SAID = Tokens(9, 2)
TEXT = 'Say "usage": {"input_tokens": 5}, \\ and "usage":{"prompt_tokens":5}} '


def raw(document: object, *, indent: int | None = None, ensure_ascii: bool = True) -> bytes:
    return json.dumps(document, indent=indent, ensure_ascii=ensure_ascii).encode()


def event(document: object, end: bytes = b"\n") -> bytes:
    return b"data: " + raw(document) + end * 2


def tail_of(body: bytes, *, streamed: bool, size: int = 1_000_000) -> Tokens | None:
    """What is found in a body that comes in pieces of that size."""
    call = LiveCall(b"POST", b"/", 0.0)
    call.tail = []
    if streamed:
        call.tail_bytes = call.tail_full = STREAM_TAIL_BYTES
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        call.bytes_down += len(piece)
        call.keep_end(call.tail, piece)
    kept = sum(map(len, (*call.before_tail, *call.tail)))
    assert min(call.bytes_down, call.tail_bytes) <= kept <= 2 * call.tail_bytes + min(size, call.tail_bytes)
    tail = call.end_of_body()
    return tokens_in(tail, is_whole=len(tail) == len(body), streamed=streamed, coding=b"")


def long(words: str) -> str:
    return words * (10_000 // len(words))


BODIES: Mapping[str, Callable[[str], object]] = {
    "chat": lambda words: {
        "choices": [{"message": {"content": words}}], "usage": CHAT, "service_tier": "d", "fp": None,
    },
    "responses": lambda words: {
        "output": [{"content": [{"text": words}]}], "usage": RESPONSES, "user": None, "metadata": {"a": TEXT},
    },
    "anthropic": lambda words: {
        "content": [{"text": words}, {"type": "tool_use", "input": {"usage": {"input_tokens": 5}}}],
        "stop_reason": "end_turn", "usage": ANTHROPIC, "context_management": {"applied_edits": [{"a": 1}]},
    },
    "gemini": lambda words: {"candidates": [{"x": words}], "usageMetadata": GEMINI, "modelVersion": "g"},
    "gemini's list": lambda words: [
        {"candidates": [{"x": words}], "usageMetadata": {"promptTokenCount": 9}},
        {"candidates": [{"x": words}], "usageMetadata": GEMINI, "responseId": "r"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize(
    "words", ["Hi", TEXT, long(TEXT), long("é")], ids=["short", "odd", "long", "escaped"]
)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [7, 1000, 1_000_000])
def test_a_body_says_at_its_end_what_it_took(
    body: Callable[[str], object], words: str, indent: int | None, size: int
) -> None:
    assert tail_of(raw(body(words), indent=indent) + b"\n", streamed=False, size=size) == SAID


EMBEDDED = {
    "object": "list",
    "data": [{"embedding": [0.5] * 3000}],
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}
WITHOUT = [
    {},
    {"usage": None},
    {"usage": {}},
    {"usage": {"prompt_tokens": None}},
    {"usage": {"prompt_tokens": -1}},
    {"usage": {"prompt_tokens": "9"}},
    {"usage": {"prompt_tokens": 9.5}},
    {"usage": {"prompt_tokens": True}},
    {"usage": {"prompt_tokens": 10**30}},
    {"usage": [CHAT]},
    {"usage": "5"},
    {"x": {"usage": CHAT}},
    {"content": [{"input": {"usage": CHAT}}], "stop_reason": "tool_use"},
    {"content": [{"input": {"usage": CHAT}, "more": "x" * 50}]},
    {"text": TEXT},
    {"usage\\": 1, 'x"usage': CHAT},
]


def test_an_embedding_says_what_went_in() -> None:
    assert tail_of(raw(EMBEDDED), streamed=False) == Tokens(9, None)


@pytest.mark.parametrize("said", WITHOUT, ids=str)
@pytest.mark.parametrize("pad", ["", "x" * 10_000])
def test_what_is_no_answers_own_count_is_none(said: dict[str, object], pad: str) -> None:
    assert tail_of(raw({"pad": pad, **said}), streamed=False) is None
    # At the end of a long event an object in it cannot be told from the answer in it, which it is as a rule.
    if not (pad and "x" in said):
        assert tail_of(event({"pad": pad, **said}), streamed=True) is None


def test_a_body_that_is_cut_says_nothing() -> None:
    body = raw({"pad": "x" * 10_000, "usage": CHAT, "more": 1})
    for end in range(1, 30):
        assert tail_of(body[:-end], streamed=False) is None


DONE = b"data: [DONE]\n\n"
DELTA = event({"choices": [{"delta": {"content": TEXT}}], "usage": None})
STREAMS = {
    "chat": DELTA * 30 + event({"choices": [], "usage": CHAT}) + DONE,
    "chat, every time": event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}) * 9
    + event({"choices": [], "usage": CHAT})
    + DONE,
    "chat, then comments": DELTA + event({"choices": [], "usage": CHAT}) + b": alive\n\n" * 9 + DONE,
    "responses": b"event: x\n" + event({"delta": TEXT}) * 20
    + event({"type": "response.completed", "response": BODIES["responses"](long(TEXT))}),
    "responses, short": event({"type": "response.completed", "response": BODIES["responses"]("Hi")}),
    "anthropic": event({"type": "content_block_delta", "delta": {"partial_json": TEXT}}) * 30
    + event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": ANTHROPIC})
    + b"event: message_stop\n" + event({"type": "message_stop"}),
    "gemini": event(BODIES["gemini"](TEXT)) * 9,
    "gemini, long": event(BODIES["gemini"](long(TEXT))),
}  # fmt: skip


@pytest.mark.parametrize("stream", STREAMS.values(), ids=list(STREAMS))
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [7, 300, 1_000_000])
def test_a_stream_says_at_its_end_what_it_took(stream: bytes, end: bytes, size: int) -> None:
    assert tail_of(stream.replace(b"\n", end), streamed=True, size=size) == SAID
    assert tail_of(stream.replace(b"\n", end)[: -len(end)], streamed=True, size=size) == SAID


@pytest.mark.parametrize(
    "stream",
    [
        DELTA * 30 + DONE,
        event({"choices": [{"delta": {"content": TEXT}}]}) * 30 + DONE,
        event({"item": {"usage": CHAT}}) * 30,
        event({"x": long(TEXT), "item": [{"usage": CHAT}]}),
        event({"usage": CHAT}).replace(b"data", b"event"),
    ],
)
def test_a_stream_that_says_nothing_says_nothing(stream: bytes) -> None:
    assert tail_of(stream, streamed=True) is None


_JSON = st.recursive(
    st.none() | st.integers(0, 9) | st.text('"\\{}[]usage:', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["usage", "x", "input_tokens"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@example(before=None, behind={"usage": {"input_tokens": 0}, "x": [[[]]]}, pad=2, size=40)
@given(before=_JSON, behind=_JSON, pad=st.integers(0, 12), size=st.sampled_from([40, 500, 10_000]))
def test_whatever_else_a_body_says_its_own_count_is_found_or_none(
    before: object, behind: object, pad: int, size: int
) -> None:
    body = raw({"before": before, "pad": "x" * 1000 * pad, "usage": CHAT, "behind": behind})
    assert tail_of(body, streamed=False, size=size) in (SAID, None)
    assert tail_of(b"data: " + body + b"\n\n", streamed=True, size=size) in (SAID, None)
    without = raw({"before": before, "pad": "x" * 1000 * pad, "behind": behind})
    assert tail_of(without, streamed=False, size=size) is None


@given(
    st.lists(
        st.sampled_from([b'"usage":', b"{", b"}", b"[", b"]", b'"', b"\\", b"data: ", b"\n", b"1", b","])
    )
)
def test_nothing_that_passes_raises(parts: list[bytes]) -> None:
    for streamed, is_whole in itertools.product((True, False), repeat=2):
        tokens_in(b"".join(parts), is_whole=is_whole, streamed=streamed, coding=b"")


def test_a_streams_first_event_says_what_went_in_where_its_end_does_not() -> None:
    assert joined(None, None) is None
    assert joined(9, None) == Tokens(9, None)
    assert joined(9, Tokens(None, 2)) == SAID
    assert joined(4, SAID) == SAID


# -- through a sidecar


def tokens_shown(sidecar: RunningSidecar, target: str, body: bytes) -> object:
    """What is shown of a call when it is over."""
    client = sidecar.connect()
    answer = client.ask(request("POST", target, body, JSON))
    client.close()
    asking = sidecar.connect()
    shown = document(asking.ask(request("GET", f"/feedback/{id_of(answer)}")))
    asking.close()
    return shown["tokens"]


@pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=list(CODINGS))
def test_compressed_answers_say_it_within_a_bound(
    start_sidecar: StartSidecar,
    start_upstream: StartUpstream,
    coding: bytes,
    compress: Callable[[bytes], bytes],
) -> None:
    # What cannot be compressed becomes too long, as does what comes of a bomb.
    chance = random.Random(1)
    noise = "".join(chr(0x4E00 + chance.randrange(20_000)) for _ in range(2 * MOST_COMPRESSED_BYTES))
    bodies = [
        (compress(raw(BODIES["chat"](TEXT))), {"input": 9, "output": 2}),
        (compress(raw(BODIES["chat"](long(TEXT)))), {"input": 9, "output": 2}),
        (compress(raw(BODIES["chat"](noise), ensure_ascii=False)), None),
        (compress(raw(BODIES["chat"]("x" * 10_000_000))), None),
        (raw(BODIES["chat"]("this is not compressed")), None),
    ]
    answers = [
        head(
            b"HTTP/1.1 200 OK",
            JSON,
            b"Content-Encoding: " + coding,
            b"Content-Length: %d" % len(body),
        )
        + body
        for body, _ in bodies
    ]
    sidecar = start_sidecar(start_upstream(answering(*answers)).url)
    for _, shown in bodies:
        assert tokens_shown(sidecar, CHAT_PATH, chat_body()) == shown


USER = [{"role": "user", "content": "How are you?"}]
ASKED: list[tuple[str, dict[str, object]]] = [
    ("/v1/chat/completions", {"messages": USER}),
    ("/v1/chat/completions", {"messages": USER, "stream": True, "stream_options": {"include_usage": True}}),
    ("/v1/completions", {"prompt": "How are you?"}),
    ("/v1/responses", {"input": "How are you?"}),
    ("/v1/responses", {"input": "How are you?", "stream": True}),
    ("/v1/messages", {"messages": USER, "max_tokens": 9}),
    ("/v1/messages", {"messages": USER, "max_tokens": 9, "stream": True}),
    ("/v1/embeddings", {"input": "How are you?"}),
]


@pytest.mark.parametrize(("path", "asked"), ASKED, ids=lambda each: each if isinstance(each, str) else None)
def test_what_the_stand_in_counts_is_shown(bench: Bench, path: str, asked: dict[str, object]) -> None:
    answer = bench.ask("POST", path, raw({"model": "m", **asked}), JSON)
    bench.wait_until_logged()
    [row] = bench.standin.ledger.rows
    shown = document(bench.get(f"/feedback/{id_of(answer)}"))
    counted = row.completion_tokens if path != "/v1/embeddings" else None
    assert shown["tokens"] == {"input": row.prompt_tokens, "output": counted}
    assert row.prompt_tokens > 0
    assert document(bench.get("/feedback"))["calls"][0]["tokens"] == shown["tokens"]


def test_where_an_answer_says_nothing_nothing_is_shown(bench: Bench) -> None:
    for answer in (
        bench.chat(stream=True),
        bench.ask("GET", "/v1/models"),
        bench.ask("POST", "/v1/moderations", raw({"input": "x"}), JSON),
    ):
        assert document(bench.get(f"/feedback/{id_of(answer)}"))["tokens"] is None


def test_a_stream_that_was_cut_keeps_what_its_beginning_said(
    start_sidecar: StartSidecar, start_upstream: StartUpstream
) -> None:
    message = {"id": "msg_1", "model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}}
    begun = b"event: message_start\n" + event({"type": "message_start", "message": message})

    def script(wire: UpstreamWire) -> None:
        wire.read_request()
        wire.send(head(b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked"))
        wire.send(chunked(begun)[:-5])

    sidecar = start_sidecar(start_upstream(script).url)
    client = sidecar.connect()
    client.send(request("POST", "/v1/messages", chat_body(), JSON))
    client.read_to_end()
    client.close()
    asking = sidecar.connect()
    [shown] = document(asking.ask(request("GET", "/feedback")))["calls"]
    asking.close()
    assert (shown["state"], shown["tokens"]) == ("cut", {"input": 9, "output": None})
