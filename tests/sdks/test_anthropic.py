"""Anthropic's SDK gets the same through the sidecar as directly, with nothing changed but its base URL."""

import asyncio
from collections.abc import Callable

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from harness.sidecars import RunningSidecar
from proxy.demo import GatewayFault, StandIn
from sdks.comparing import assert_same
from sdks.conftest import url_of
from sdks.recording import SEEDED, AsyncRecorder, Recorder, Run

Call = Callable[[anthropic.Anthropic], object]

HELLO: list[MessageParam] = [{"role": "user", "content": "hello, Zürich 🧂"}]
TOOL: ToolParam = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def message(client: anthropic.Anthropic) -> object:
    return client.messages.create(model="claude-sonnet-5", max_tokens=100, messages=HELLO).model_dump()


def message_streamed(client: anthropic.Anthropic) -> object:
    with client.messages.stream(model="claude-sonnet-5", max_tokens=100, messages=HELLO) as stream:
        events = [event.type for event in stream]
        return events, stream.get_final_message().model_dump()


def message_in_raw_events(client: anthropic.Anthropic) -> object:
    stream = client.messages.create(model="claude-sonnet-5", max_tokens=100, messages=HELLO, stream=True)
    return [event.model_dump() for event in stream]


def tool(client: anthropic.Anthropic) -> object:
    made = client.messages.create(model="claude-sonnet-5", max_tokens=100, messages=HELLO, tools=[TOOL])
    assert made.stop_reason == "tool_use"
    return made.model_dump()


def tool_streamed(client: anthropic.Anthropic) -> object:
    with client.messages.stream(
        model="claude-sonnet-5", max_tokens=100, messages=HELLO, tools=[TOOL]
    ) as stream:
        made = stream.get_final_message()
    assert made.stop_reason == "tool_use"
    return made.model_dump()


def count(client: anthropic.Anthropic) -> object:
    return client.messages.count_tokens(model="claude-sonnet-5", messages=HELLO).model_dump()


CALLS = (message, message_streamed, message_in_raw_events, tool, tool_streamed, count)


def run(url: str, call: Call) -> Run:
    """Make `call` against the gateway at `url`, and keep what passed."""
    recorder = Recorder()
    with anthropic.Anthropic(
        base_url=url,
        api_key="sk-ant-demo",
        default_headers=SEEDED,
        max_retries=0,
        http_client=anthropic.DefaultHttpxClient(transport=recorder),
    ) as client:
        return Run(call(client), recorder.passed)


@pytest.mark.parametrize("standin", ["plain", "gzip"], indirect=True)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_results_and_bodies_are_those_of_a_direct_run(
    call: Call, standin: StandIn, sidecar: RunningSidecar
) -> None:
    direct = run(standin.gateway_url, call)
    assert_same(direct, run(url_of(sidecar), call), standin)


async def _streamed_async(url: str) -> Run:
    recorder = AsyncRecorder()
    async with anthropic.AsyncAnthropic(
        base_url=url,
        api_key="sk-ant-demo",
        default_headers=SEEDED,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(transport=recorder),
    ) as client:
        async with client.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=HELLO) as stream:
            texts = [text async for text in stream.text_stream]
        return Run(texts, recorder.passed)


def test_an_asynchronous_stream_is_that_of_a_direct_run(standin: StandIn, sidecar: RunningSidecar) -> None:
    direct = asyncio.run(_streamed_async(standin.gateway_url))
    assert_same(direct, asyncio.run(_streamed_async(url_of(sidecar))), standin)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
    ],
)
def test_an_error_answer_raises_the_exception_that_it_raises_directly(
    status: int, kind: type[anthropic.APIStatusError], standin: StandIn, sidecar: RunningSidecar
) -> None:
    def call(client: anthropic.Anthropic) -> object:
        with pytest.raises(anthropic.APIStatusError) as caught:
            message(client)
        assert type(caught.value) is kind
        return caught.value.status_code, caught.value.body

    standin.faults.gateway.next(GatewayFault(status=status), GatewayFault(status=status))
    direct = run(standin.gateway_url, call)
    assert_same(direct, run(url_of(sidecar), call), standin)
