"""Streams through the sidecar: events come at once, a broken end looks broken, a client that leaves is missed."""

import asyncio
import threading
import time
from collections.abc import Callable

import anthropic
import httpx2
import openai
import pytest

from harness.loops import DEADLINE_SECONDS
from harness.sidecars import RunningSidecar, StartSidecar
from harness.upstreams import StartUpstream, UpstreamWire
from harness.wire import head
from proxy.demo import GatewayFault, StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.openai_calls import HELLO
from sdks.test_anthropic import HELLO as ANTHROPIC_HELLO

TRIES = 50

BROKEN = (openai.APIError, anthropic.APIError, httpx2.TransportError)
"""What the SDKs raise when an answer breaks off: their own error for a whole answer, httpx's within a stream."""

LEFT_AT_ONCE_SECONDS = 5.0
"""A verdict for a machine that is busy elsewhere; alone it takes a few milliseconds."""

STREAM_HEAD = head(
    b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream; charset=utf-8", b"Transfer-Encoding: chunked"
)
CHUNK = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
    '"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}'
)


def event(text: str) -> bytes:
    """One chunk of a streamed chat, as one HTTP chunk."""
    data = b"data: " + (CHUNK % text).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


# -- each event when it comes


def test_an_event_reaches_the_sdk_before_the_next_one_is_sent(
    start_upstream: StartUpstream, start_sidecar: StartSidecar
) -> None:
    seen = [threading.Event() for _ in range(3)]

    def script(connection: UpstreamWire) -> None:
        connection.read_request()
        connection.send(STREAM_HEAD)
        for number, step in enumerate(seen):
            connection.send(event(f"word{number}"))
            assert step.wait(DEADLINE_SECONDS), "the SDK has not seen what was sent"
        connection.send(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    sidecar = start_sidecar(start_upstream(script).url)
    with openai.OpenAI(base_url=f"{url_of(sidecar)}/v1", api_key="sk-demo", max_retries=0) as client:
        words = []
        for number, chunk in enumerate(
            client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        ):
            words.append(chunk.choices[0].delta.content)
            seen[number].set()
    assert words == ["word0", "word1", "word2"]


@pytest.mark.parametrize("standin", ["plain", "gzip"], indirect=True)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_the_stand_in_has_said_is_there_while_it_is_silent(
    count: int, standin: StandIn, openai_client: openai.OpenAI
) -> None:
    standin.faults.gateway.next(GatewayFault(silent_after_events=count))
    with openai_client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True) as stream:
        assert len({next(stream).id for _ in range(count)}) == 1
    assert standin.gateway.last.left.wait(DEADLINE_SECONDS)


def test_anthropics_first_event_comes_while_the_model_is_silent(
    standin: StandIn, anthropic_client: anthropic.Anthropic
) -> None:
    standin.faults.gateway.next(GatewayFault(silent_after_events=1))
    with anthropic_client.messages.create(
        model="claude-sonnet-5", max_tokens=9, messages=ANTHROPIC_HELLO, stream=True
    ) as stream:
        assert next(iter(stream)).type == "message_start"


# -- a broken answer looks broken


def fails(client: openai.OpenAI, call: Callable[[openai.OpenAI], object], number: int) -> None:
    with pytest.raises(BROKEN):
        pytest.fail(f"try {number}: a broken answer looked whole: {call(client)!r:.200}")


def whole_chat(client: openai.OpenAI) -> object:
    return client.chat.completions.create(model="gpt-4o", messages=HELLO)


def streamed_chat(client: openai.OpenAI) -> object:
    return list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))


def whole_download(client: openai.OpenAI) -> object:
    return len(client.files.content("file-abc", extra_query={"bytes": 300_000}).read())


def assert_remembered_as_cut(feedback: Feedback, standin: StandIn) -> None:
    # The exception reaches the client before the sidecar has written down how the call ended.
    for _ in range(1000):
        states = [call["state"] for call in feedback.ask("GET", "?limit=1000").document["calls"]]
        if "streaming" not in states:
            break
        time.sleep(0.005)
    assert states == ["cut"] * TRIES
    assert standin.gateway.total == TRIES, "a call was sent twice"


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("chunked", [False, True], ids=["fixed length", "chunked"])
@pytest.mark.parametrize("call", [whole_chat, whole_download])
def test_an_upstream_that_dies_within_a_body_gives_an_error_every_time(
    call: Callable[[openai.OpenAI], object],
    chunked: bool,
    reset: bool,
    standin: StandIn,
    openai_client: openai.OpenAI,
    feedback: Feedback,
) -> None:
    step = 6_000 if call is whole_download else 12
    for number in range(TRIES):
        standin.faults.gateway.next(GatewayFault(die_after_bytes=number * step, chunked=chunked, reset=reset))
        fails(openai_client, call, number)
    assert_remembered_as_cut(feedback, standin)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("standin", ["plain", "gzip"], indirect=True)
def test_an_upstream_that_dies_within_a_stream_gives_an_error_every_time(
    reset: bool, standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    for number in range(TRIES):
        standin.faults.gateway.next(GatewayFault(die_after_events=number % 12, reset=reset))
        fails(openai_client, streamed_chat, number)
    assert_remembered_as_cut(feedback, standin)


def test_an_upstream_that_dies_within_anthropics_stream_gives_an_error_every_time(
    standin: StandIn, anthropic_client: anthropic.Anthropic
) -> None:
    for number in range(TRIES):
        standin.faults.gateway.next(GatewayFault(die_after_events=number % 12, path="/v1/messages"))
        with (
            pytest.raises(BROKEN),
            anthropic_client.messages.stream(
                model="claude-sonnet-5", max_tokens=9, messages=ANTHROPIC_HELLO
            ) as stream,
        ):
            pytest.fail(f"try {number}: it looked whole: {stream.get_final_message()!r:.200}")


def test_the_next_call_is_well_again(standin: StandIn, openai_client: openai.OpenAI) -> None:
    standin.faults.gateway.next(GatewayFault(die_after_events=2))
    fails(openai_client, streamed_chat, 0)
    assert whole_chat(openai_client)


# -- a client that leaves stops the paid call


def assert_left_at_once(standin: StandIn, left_at: float) -> None:
    received = standin.gateway.last
    assert received.left.wait(DEADLINE_SECONDS), "the gateway goes on working for nobody"
    assert received.left_at is not None
    assert received.left_at - left_at < LEFT_AT_ONCE_SECONDS


def test_closing_a_silent_stream_ends_the_upstream_call(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    standin.faults.gateway.next(GatewayFault(silent_after_events=2))
    stream = openai_client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    next(stream)
    left_at = time.monotonic()
    stream.close()
    assert_left_at_once(standin, left_at)
    assert feedback.call("last")["state"] == "left"


def test_a_timeout_of_the_sdks_ends_a_call_that_has_no_answer_yet(
    standin: StandIn, openai_client: openai.OpenAI
) -> None:
    standin.faults.gateway.next(GatewayFault(silent_before_head=True))
    with pytest.raises(openai.APITimeoutError):
        whole_chat(openai_client.with_options(timeout=0.2))
    assert_left_at_once(standin, time.monotonic())


def test_a_timeout_of_the_sdks_ends_a_download_that_stalls(
    standin: StandIn, openai_client: openai.OpenAI
) -> None:
    standin.faults.gateway.next(GatewayFault(silent_after_bytes=100_000))
    with pytest.raises(BROKEN):
        whole_download(openai_client.with_options(timeout=0.2))
    assert_left_at_once(standin, time.monotonic())


def test_cancelling_a_task_ends_its_call_and_no_other(standin: StandIn, sidecar: RunningSidecar) -> None:
    async def cancel_one_of_two() -> float:
        async with openai.AsyncOpenAI(base_url=f"{url_of(sidecar)}/v1", api_key="sk-demo") as client:
            standin.faults.gateway.next(GatewayFault(silent_before_head=True))
            asked = asyncio.create_task(client.chat.completions.create(model="gpt-4o", messages=HELLO))
            await asyncio.to_thread(standin.gateway.wait_for)
            other = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
            assert other.choices[0].message.content
            asked.cancel()
            left_at = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await asked
            return left_at

    left_at = asyncio.run(cancel_one_of_two())
    first, second = standin.gateway.all()
    assert first.left.wait(DEADLINE_SECONDS)
    assert first.left_at is not None
    assert first.left_at - left_at < LEFT_AT_ONCE_SECONDS
    assert not second.left.is_set()
