"""OpenAI's own SDK understands every answer."""

import base64
import hashlib
import json
import os
import struct
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from proxy.demo import DEMO_KEY, StandIn
from proxy.demo.answers.seeds import pseudo_random_blocks

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
CHAT_TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": WEATHER},
}
RESPONSE_TOOL: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "parameters": WEATHER,
    "strict": True,
}


class Forecast(BaseModel):
    city: str
    degrees: float
    rainy: bool


@pytest.fixture
def client(standin: StandIn) -> Iterator[openai.OpenAI]:
    headers = {"Helicone-Auth": f"Bearer {DEMO_KEY}"}
    with openai.OpenAI(
        base_url=f"{standin.gateway_url}/v1", api_key="sk-demo", default_headers=headers, max_retries=0
    ) as made:
        yield made


def test_a_chat_completion_is_parsed_and_its_id_is_in_the_head(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": "hello there"}]
    )
    completion = raw.parse()
    assert "hello there" in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )
    assert completion.id.startswith("chatcmpl-")
    assert completion.model == "gpt-4o"
    assert len(raw.headers["helicone-id"]) == 36
    assert raw.headers["x-request-id"].startswith("req_")


def test_several_choices_come_when_asked(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="gpt-4o", n=3, messages=[{"role": "user", "content": "hi"}]
    )
    assert [choice.index for choice in completion.choices] == [0, 1, 2]


def test_a_streamed_chat_completion_arrives_in_many_chunks_and_ends_with_usage_when_asked(
    client: openai.OpenAI,
) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "stream this"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(chunks) > 10
    assert "stream this" in text
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_a_tool_is_called_with_arguments_that_fit_its_schema_and_the_result_ends_the_loop(
    client: openai.OpenAI,
) -> None:
    first = client.chat.completions.create(
        model="gpt-4o", tools=[CHAT_TOOL], messages=[{"role": "user", "content": "weather?"}]
    )
    assert first.choices[0].finish_reason == "tool_calls"
    calls = first.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert set(json.loads(calls[0].function.arguments)) == {"city", "days", "unit"}
    second = client.chat.completions.create(
        model="gpt-4o",
        tools=[CHAT_TOOL],
        messages=[
            {"role": "user", "content": "weather?"},
            {"role": "tool", "tool_call_id": "x", "content": "sunny"},
        ],
    )
    assert second.choices[0].finish_reason == "stop"


def test_a_streamed_tool_call_is_put_together_by_the_sdk(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o",
        tools=[{**CHAT_TOOL, "function": {**CHAT_TOOL["function"], "strict": True}}],
        messages=[{"role": "user", "content": "weather?"}],
    ) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.name == "weather"
    assert isinstance(calls[0].function.parsed_arguments, dict)


def test_structured_output_fits_the_callers_model(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(
        model="gpt-4o", response_format=Forecast, messages=[{"role": "user", "content": "weather?"}]
    )
    assert isinstance(parsed.choices[0].message.parsed, Forecast)


def test_an_old_completion_is_parsed_also_streamed(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once")
    pieces = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", stream=True)
    assert whole.choices[0].finish_reason == "stop"
    assert len([piece.choices[0].text for piece in pieces]) > 5


def test_a_response_is_parsed(client: openai.OpenAI) -> None:
    response = client.responses.create(model="gpt-4o", input="hello again", instructions="be brief")
    assert "hello again" in response.output_text
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    assert response.id.startswith("resp_")


def test_a_streamed_response_has_numbered_events_from_created_to_completed(client: openai.OpenAI) -> None:
    with client.responses.stream(model="gpt-4o", input="hello again") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    # The SDK adds nothing: the numbers are the stand-in's.
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text


def test_a_response_calls_a_tool_also_streamed(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="gpt-4o", input="weather?", tools=[RESPONSE_TOOL])
    assert whole.output[0].type == "function_call"
    with client.responses.stream(model="gpt-4o", input="weather?", tools=[RESPONSE_TOOL]) as stream:
        item = stream.get_final_response().output[0]
    assert item.type == "function_call"
    assert isinstance(item.parsed_arguments, dict)


def test_a_response_with_structured_output_fits_the_callers_model(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(model="gpt-4o", input="weather?", text_format=Forecast)
    assert isinstance(parsed.output_parsed, Forecast)


def test_embeddings_are_the_same_as_numbers_and_as_base64(client: openai.OpenAI) -> None:
    packed = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    plain = client.embeddings.create(
        model="text-embedding-3-small", input=["one", "two"], encoding_format="float"
    )
    assert [each.index for each in packed.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert sum(number * number for number in one.embedding) == pytest.approx(1.0)
    assert packed.data[0].embedding != packed.data[1].embedding


def test_models_are_listed_and_an_unknown_one_is_a_404(client: openai.OpenAI) -> None:
    assert "gpt-4o" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("gpt-0")


def test_an_image_is_a_png(client: openai.OpenAI) -> None:
    made = client.images.generate(model="gpt-image-1", prompt="a cat")
    assert made.data is not None
    assert base64.b64decode(made.data[0].b64_json or "").startswith(b"\x89PNG")


def test_a_moderation_flags_nothing(client: openai.OpenAI) -> None:
    assert not client.moderations.create(input="hello").results[0].flagged


def test_an_uploaded_file_is_counted_and_hashed_to_the_last_byte(client: openai.OpenAI) -> None:
    content = os.urandom(3_000_000)
    made = client.files.create(file=("data.jsonl", content), purpose="batch")
    assert made.bytes == len(content)
    assert made.filename == "data.jsonl"
    assert made.purpose == "batch"
    assert made.model_extra == {"sha256": hashlib.sha256(content).hexdigest()}
    assert client.files.retrieve(made.id).bytes == len(content)
    assert [each.id for each in client.files.list()] == [made.id]
    assert client.files.delete(made.id).deleted


def test_a_files_content_depends_on_its_id_alone(client: openai.OpenAI) -> None:
    content = client.files.content("file-abc", extra_query={"bytes": 200_000}).read()
    assert content == b"".join(pseudo_random_blocks("file-abc", 200_000))
    assert len(content) == 200_000


def test_speech_is_binary_and_a_transcription_tells_what_was_heard(client: openai.OpenAI) -> None:
    spoken = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello")
    assert len(spoken.read()) == 4_000
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF" * 1000))
    assert "4000 bytes" in heard.text


def test_what_the_provider_refuses_is_an_openai_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.get("/nowhere", cast_to=object)
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'model'"):
        client.post("/chat/completions", body={}, cast_to=object)


def test_an_embedding_in_base64_is_little_endian_floats(client: openai.OpenAI) -> None:
    raw = client.post(
        "/embeddings", body={"model": "m", "input": "x", "encoding_format": "base64"}, cast_to=object
    )
    assert isinstance(raw, dict)
    packed = base64.b64decode(raw["data"][0]["embedding"])
    assert len(struct.unpack("<32f", packed)) == 32
