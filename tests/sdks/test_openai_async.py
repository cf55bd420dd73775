"""OpenAI's asynchronous SDK gets the same through the sidecar as directly."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import openai
import pytest

from harness.sidecars import RunningSidecar
from proxy.demo import StandIn
from sdks.comparing import assert_same
from sdks.conftest import url_of
from sdks.openai_calls import CHAT_TOOL, DOWNLOAD_BYTES, FIXED_BOUNDARY, HELLO, upload_content
from sdks.recording import SEEDED, AsyncRecorder, Run

Call = Callable[[openai.AsyncOpenAI], Awaitable[object]]


async def chat(client: openai.AsyncOpenAI) -> object:
    return (await client.chat.completions.create(model="gpt-4o", messages=HELLO)).model_dump()


async def chat_streamed(client: openai.AsyncOpenAI) -> object:
    stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    return [chunk.model_dump() async for chunk in stream]


async def chat_with_tool(client: openai.AsyncOpenAI) -> object:
    made = await client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[CHAT_TOOL])
    return made.model_dump()


async def chat_with_tool_streamed(client: openai.AsyncOpenAI) -> object:
    async with client.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=[CHAT_TOOL]) as stream:
        events = [event.type async for event in stream]
        return events, (await stream.get_final_completion()).choices[0].message.model_dump()


async def response(client: openai.AsyncOpenAI) -> object:
    return (await client.responses.create(model="gpt-4o", input="hello again")).model_dump()


async def response_streamed(client: openai.AsyncOpenAI) -> object:
    async with client.responses.stream(model="gpt-4o", input="hello again") as stream:
        return [event.model_dump(warnings=False) async for event in stream]


async def embeddings(client: openai.AsyncOpenAI) -> object:
    return (await client.embeddings.create(model="text-embedding-3-small", input="one")).model_dump()


async def upload(client: openai.AsyncOpenAI) -> object:
    content = upload_content()
    made = await client.files.create(
        file=("8 MB.bin", content), purpose="batch", extra_headers=FIXED_BOUNDARY
    )
    assert made.model_extra == {"sha256": hashlib.sha256(content).hexdigest()}
    return made.model_dump()


async def download(client: openai.AsyncOpenAI) -> object:
    content = await client.files.content("file-abc", extra_query={"bytes": DOWNLOAD_BYTES})
    return hashlib.sha256(content.read()).hexdigest()


async def many_at_once(client: openai.AsyncOpenAI) -> object:
    made = await asyncio.gather(
        *(client.embeddings.create(model="text-embedding-3-small", input=f"text {i}") for i in range(20))
    )
    return [each.model_dump() for each in made]


CALLS = (
    chat,
    chat_streamed,
    chat_with_tool,
    chat_with_tool_streamed,
    response,
    response_streamed,
    embeddings,
    upload,
    download,
)


async def _run(url: str, call: Call) -> Run:
    recorder = AsyncRecorder()
    async with openai.AsyncOpenAI(
        base_url=f"{url}/v1",
        api_key="sk-demo",
        default_headers=SEEDED,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(transport=recorder),
    ) as client:
        return Run(await call(client), recorder.passed)


def run(url: str, call: Call) -> Run:
    """Make `call` against the gateway at `url`, and keep what passed."""
    return asyncio.run(_run(url, call))


@pytest.mark.parametrize("standin", ["plain", "gzip"], indirect=True)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_results_and_bodies_are_those_of_a_direct_run(
    call: Call, standin: StandIn, sidecar: RunningSidecar
) -> None:
    direct = run(standin.gateway_url, call)
    assert_same(direct, run(url_of(sidecar), call), standin)


def test_calls_that_run_at_once_each_get_their_own_answer(standin: StandIn, sidecar: RunningSidecar) -> None:
    direct = run(standin.gateway_url, many_at_once)
    through = run(url_of(sidecar), many_at_once)
    assert through.result == direct.result
