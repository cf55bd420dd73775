"""An app made with OpenAI's Agents SDK. It writes down the ids that the SDK gives it, one a line."""

import asyncio
import json
import sys

from agents import (
    Agent,
    ModelResponse,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from pydantic import BaseModel


class Forecast(BaseModel):
    """What the last agent answers with."""

    city: str
    degrees: int


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}."


def write(how: str, words: str, held: object, turn: int = -1) -> None:
    """One id on a line of its own."""
    print(json.dumps({"how": how, "words": words, "id": held, "turn": turn}))  # noqa: T201


def chat_id(response: ModelResponse) -> object:
    """The answer's own id, which a chat's items carry along."""
    return response.output[-1].model_dump()["provider_data"]["response_id"]


async def by_responses(client: AsyncOpenAI) -> None:
    """The SDK's default: the Responses API. Each run makes two calls, since there is a tool."""
    model = OpenAIResponsesModel(model="gpt-4o", openai_client=client)
    agent = Agent(name="Weather", instructions="Be short.", model=model, tools=[weather])
    result = await Runner.run(agent, "agent: responses")
    write("the first call's response_id", "agent: responses", result.raw_responses[0].response_id, 0)
    write("last_response_id", "agent: responses", result.last_response_id)
    result = await Runner.run(agent, "agent: request id")
    write("the first call's request_id", "agent: request id", result.raw_responses[0].request_id, 0)
    write("the last call's request_id", "agent: request id", result.raw_responses[-1].request_id)

    streamed = Runner.run_streamed(agent, "agent: streamed")
    begun = [
        event.data.response.id
        async for event in streamed.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.created"
    ]
    write("streamed, the first response.created", "agent: streamed", begun[0], 0)
    write("streamed, last_response_id", "agent: streamed", streamed.last_response_id)

    shaped = Agent(name="Shaped", model=model, tools=[weather], output_type=Forecast)
    result = await Runner.run(shaped, "agent: shaped")
    assert isinstance(result.final_output, Forecast)
    write("with an output_type, last_response_id", "agent: shaped", result.last_response_id)

    named = ModelSettings(extra_headers={"Helicone-Session-Id": "agent-session-1"})
    result = await Runner.run(
        Agent(name="Named", model=model, model_settings=named, tools=[weather]), "agent: named"
    )
    write("in a session, last_response_id", "agent: named", result.last_response_id)


async def by_chat(client: AsyncOpenAI) -> None:
    """The Chat Completions model: it keeps no response id, but the head's id."""
    model = OpenAIChatCompletionsModel(model="gpt-4o", openai_client=client)
    agent = Agent(name="Weather", instructions="Be short.", model=model, tools=[weather])
    result = await Runner.run(agent, "agent: chat")
    write("chat, the first call's request_id", "agent: chat", result.raw_responses[0].request_id, 0)
    write("chat, the last call's request_id", "agent: chat", result.raw_responses[-1].request_id)
    result = await Runner.run(agent, "agent: items")
    write("chat, provider_data", "agent: items", chat_id(result.raw_responses[-1]))

    streamed = Runner.run_streamed(agent, "agent: chat streamed")
    async for _ in streamed.stream_events():
        pass
    first, last = streamed.raw_responses
    write("chat streamed, the first call's request_id", "agent: chat streamed", first.request_id, 0)
    write("chat streamed, provider_data", "agent: chat streamed", chat_id(last))


async def main() -> None:
    """Everything, one after the other."""
    async with AsyncOpenAI(base_url=f"{sys.argv[1]}/v1", api_key="sk-demo", max_retries=0) as client:
        await by_responses(client)
        await by_chat(client)


if __name__ == "__main__":
    asyncio.run(main())
