"""Anthropic's own SDK understands every answer."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic.types import ToolParam

from proxy.demo import DEMO_KEY, StandIn

TOOL: ToolParam = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def client(standin: StandIn) -> Iterator[anthropic.Anthropic]:
    headers = {"Helicone-Auth": f"Bearer {DEMO_KEY}"}
    with anthropic.Anthropic(
        base_url=standin.gateway_url, api_key="sk-ant-demo", default_headers=headers, max_retries=0
    ) as made:
        yield made


def test_a_message_is_parsed_and_its_id_is_in_the_head(client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(
        model="claude-sonnet-5", max_tokens=100, messages=[{"role": "user", "content": "hello there"}]
    )
    message = raw.parse()
    assert message.content[0].type == "text"
    assert "hello there" in message.content[0].text
    assert message.stop_reason == "end_turn"
    assert message.id.startswith("msg_01")
    assert len(raw.headers["helicone-id"]) == 36
    assert raw.headers["request-id"].startswith("req_")


def test_a_streamed_message_adds_up(client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model="claude-sonnet-5", max_tokens=100, messages=[{"role": "user", "content": "stream this"}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "stream this" in text
    assert final.content[0].type == "text"
    assert final.content[0].text == text
    assert final.usage.output_tokens > 10
    assert final.stop_reason == "end_turn"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_used(client: anthropic.Anthropic, streamed: bool) -> None:
    message: anthropic.types.Message
    if streamed:
        with client.messages.stream(
            model="claude-sonnet-5", max_tokens=9, tools=[TOOL], messages=[{"role": "user", "content": "w?"}]
        ) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(
            model="claude-sonnet-5", max_tokens=9, tools=[TOOL], messages=[{"role": "user", "content": "w?"}]
        )
    block = message.content[0]
    assert message.stop_reason == "tool_use"
    assert block.type == "tool_use"
    assert set(block.input) == {"city"}


def test_after_a_tools_result_the_model_speaks(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="claude-sonnet-5",
        max_tokens=9,
        tools=[TOOL],
        messages=[
            {"role": "user", "content": "w?"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "sunny"}]},
        ],
    )
    assert message.stop_reason == "end_turn"


def test_tokens_are_counted(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(
        model="claude-sonnet-5", messages=[{"role": "user", "content": "a b"}]
    )
    assert counted.input_tokens == 6


def test_what_the_provider_refuses_is_an_anthropic_error(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.post("/v1/messages", body={"model": "m"}, cast_to=object)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "invalid_request_error"
