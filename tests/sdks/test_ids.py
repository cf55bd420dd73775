"""SDKs hide the answer's head: the ids that they do show find the call, compressed or not, streamed or not."""

import asyncio
from collections.abc import Callable, Coroutine

import anthropic
import openai
import pytest

from harness.sidecars import RunningSidecar
from proxy.demo import GatewayFault, StandIn
from sdks.conftest import url_of
from sdks.feedback import Feedback
from sdks.finding import Held, assert_each_is_found, requests_with
from sdks.openai_calls import CHAT_TOOL

both_codings = pytest.mark.parametrize("standin", ["plain", "gzip"], indirect=True)


def said(words: str) -> list[openai.types.chat.ChatCompletionMessageParam]:
    return [{"role": "user", "content": words}]


# -- openai


def chat(client: openai.OpenAI, words: str) -> str | None:
    completion = client.chat.completions.create(model="gpt-4o", messages=said(words))
    return completion.id


def chat_request_id(client: openai.OpenAI, words: str) -> str | None:
    completion = client.chat.completions.create(model="gpt-4o", messages=said(words))
    return completion._request_id


def chat_streamed(client: openai.OpenAI, words: str) -> str | None:
    stream = client.chat.completions.create(model="gpt-4o", messages=said(words), stream=True)
    ids = [chunk.id for chunk in stream]
    return ids[0]


def chat_tool_streamed(client: openai.OpenAI, words: str) -> str | None:
    with client.chat.completions.stream(model="gpt-4o", messages=said(words), tools=[CHAT_TOOL]) as stream:
        return stream.get_final_completion().id


def completion(client: openai.OpenAI, words: str) -> str | None:
    return client.completions.create(model="gpt-3.5-turbo-instruct", prompt=words).id


def response(client: openai.OpenAI, words: str) -> str | None:
    response = client.responses.create(model="gpt-4o", input=words)
    return response.id


def response_request_id(client: openai.OpenAI, words: str) -> str | None:
    response = client.responses.create(model="gpt-4o", input=words)
    return response._request_id


def response_created(client: openai.OpenAI, words: str) -> str | None:
    event, *_ = client.responses.create(model="gpt-4o", input=words, stream=True)
    assert event.type == "response.created"
    return event.response.id


def response_stream_final(client: openai.OpenAI, words: str) -> str | None:
    with client.responses.stream(model="gpt-4o", input=words) as stream:
        return stream.get_final_response().id


def chosen_by_the_app(client: openai.OpenAI, words: str) -> str | None:
    client.chat.completions.create(
        model="gpt-4o", messages=said(words), extra_headers={"X-Client-Request-Id": "the-apps-own-42"}
    )
    return "the-apps-own-42"


OPENAI: tuple[Callable[[openai.OpenAI, str], str | None], ...] = (
    chat,
    chat_request_id,
    chat_streamed,
    chat_tool_streamed,
    completion,
    response,
    response_request_id,
    response_created,
    response_stream_final,
    chosen_by_the_app,
)


@both_codings
def test_each_id_that_openai_shows_finds_its_call(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    words = [f"openai: {call.__name__}." for call in OPENAI]
    held = [Held(each, each, call(openai_client, each)) for call, each in zip(OPENAI, words, strict=True)]
    assert_each_is_found(standin, feedback, held)


async def async_chat(client: openai.AsyncOpenAI, words: str) -> str | None:
    return (await client.chat.completions.create(model="gpt-4o", messages=said(words))).id


async def async_chat_request_id(client: openai.AsyncOpenAI, words: str) -> str | None:
    return (await client.chat.completions.create(model="gpt-4o", messages=said(words)))._request_id


async def async_chat_streamed(client: openai.AsyncOpenAI, words: str) -> str | None:
    stream = await client.chat.completions.create(model="gpt-4o", messages=said(words), stream=True)
    ids = [chunk.id async for chunk in stream]
    return ids[0]


async def async_response(client: openai.AsyncOpenAI, words: str) -> str | None:
    return (await client.responses.create(model="gpt-4o", input=words)).id


async def async_response_created(client: openai.AsyncOpenAI, words: str) -> str | None:
    stream = await client.responses.create(model="gpt-4o", input=words, stream=True)
    ids = [event.response.id async for event in stream if event.type == "response.created"]
    return ids[0]


ASYNC_OPENAI: tuple[Callable[[openai.AsyncOpenAI, str], Coroutine[object, object, str | None]], ...] = (
    async_chat,
    async_chat_request_id,
    async_chat_streamed,
    async_response,
    async_response_created,
)


def test_each_id_that_the_asynchronous_client_shows_finds_its_call(
    standin: StandIn, sidecar: RunningSidecar, feedback: Feedback
) -> None:
    async def calls() -> list[Held]:
        base_url = f"{url_of(sidecar)}/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="sk-demo", max_retries=0) as client:
            words = [f"openai: {call.__name__}." for call in ASYNC_OPENAI]
            ids = await asyncio.gather(
                *(call(client, each) for call, each in zip(ASYNC_OPENAI, words, strict=True))
            )
        return [Held(each, each, found) for each, found in zip(words, ids, strict=True)]

    assert_each_is_found(standin, feedback, asyncio.run(calls()))


def test_a_stream_is_found_by_its_first_chunk_while_it_runs(
    standin: StandIn, openai_client: openai.OpenAI, feedback: Feedback
) -> None:
    standin.faults.gateway.next(GatewayFault(silent_after_events=1))
    with openai_client.chat.completions.create(
        model="gpt-4o", messages=said("openai: running"), stream=True
    ) as stream:
        found = feedback.call(next(iter(stream)).id)
        assert (found["id"], found["state"]) == (requests_with(standin, "openai: running")[0], "streaming")


# -- anthropic


CLAUDE = "claude-sonnet-5"


def asked(words: str) -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": words}]


def message(client: anthropic.Anthropic, words: str) -> str | None:
    message = client.messages.create(model=CLAUDE, max_tokens=9, messages=asked(words))
    return message.id


def message_request_id(client: anthropic.Anthropic, words: str) -> str | None:
    message = client.messages.create(model=CLAUDE, max_tokens=9, messages=asked(words))
    return message._request_id


def message_start(client: anthropic.Anthropic, words: str) -> str | None:
    event, *_ = client.messages.create(model=CLAUDE, max_tokens=9, messages=asked(words), stream=True)
    assert event.type == "message_start"
    return event.message.id


def message_stream_final(client: anthropic.Anthropic, words: str) -> str | None:
    with client.messages.stream(model=CLAUDE, max_tokens=9, messages=asked(words)) as stream:
        return stream.get_final_message().id


def message_stream_request_id(client: anthropic.Anthropic, words: str) -> str | None:
    with client.messages.stream(model=CLAUDE, max_tokens=9, messages=asked(words)) as stream:
        stream.until_done()
        return stream.request_id


ANTHROPIC: tuple[Callable[[anthropic.Anthropic, str], str | None], ...] = (
    message,
    message_request_id,
    message_start,
    message_stream_final,
    message_stream_request_id,
)


@both_codings
def test_each_id_that_anthropic_shows_finds_its_call(
    standin: StandIn, anthropic_client: anthropic.Anthropic, feedback: Feedback
) -> None:
    words = [f"anthropic: {call.__name__}." for call in ANTHROPIC]
    held = [
        Held(each, each, call(anthropic_client, each)) for call, each in zip(ANTHROPIC, words, strict=True)
    ]
    assert_each_is_found(standin, feedback, held)
