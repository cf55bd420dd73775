"""What apps do with OpenAI's SDK: each function makes one call and gives its parsed result."""

import hashlib
import random
from collections.abc import Callable

import openai
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.responses import FunctionToolParam

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CHAT_TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": WEATHER, "strict": True},
}
RESPONSE_TOOL: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "parameters": WEATHER,
    "strict": True,
}
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello, Zürich 🧂"}]
FIXED_BOUNDARY = {"Content-Type": "multipart/form-data; boundary=the-same-in-every-run"}
"""The SDK's own is random; with this one two uploads are equal."""

UPLOAD_BYTES = 8 * 1024 * 1024
DOWNLOAD_BYTES = 3_000_001


def upload_content() -> bytes:
    """8 MB of noise, the same at every call."""
    return random.Random(8).randbytes(UPLOAD_BYTES)


def chat(client: openai.OpenAI) -> object:
    return client.chat.completions.create(model="gpt-4o", messages=HELLO).model_dump()


def chat_streamed(client: openai.OpenAI) -> object:
    stream = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    return [chunk.model_dump() for chunk in stream]


def chat_with_tool(client: openai.OpenAI) -> object:
    made = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[CHAT_TOOL])
    assert made.choices[0].finish_reason == "tool_calls"
    return made.model_dump()


def chat_with_tool_streamed(client: openai.OpenAI) -> object:
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=[CHAT_TOOL]) as stream:
        events = [event.type for event in stream]
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert calls is not None
    return events, [call.model_dump() for call in calls]


def response(client: openai.OpenAI) -> object:
    return client.responses.create(model="gpt-4o", input="hello again").model_dump()


def response_streamed(client: openai.OpenAI) -> object:
    with client.responses.stream(model="gpt-4o", input="hello again") as stream:
        events = [event.model_dump(warnings=False) for event in stream]
        return events, stream.get_final_response().output_text


def response_with_tool_streamed(client: openai.OpenAI) -> object:
    with client.responses.stream(model="gpt-4o", input="weather?", tools=[RESPONSE_TOOL]) as stream:
        return [item.model_dump(warnings=False) for item in stream.get_final_response().output]


def embeddings(client: openai.OpenAI) -> object:
    made = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"], dimensions=1536)
    assert [len(each.embedding) for each in made.data] == [1536, 1536]
    return made.model_dump()


def upload(client: openai.OpenAI) -> object:
    content = upload_content()
    made = client.files.create(file=("8 MB.bin", content), purpose="batch", extra_headers=FIXED_BOUNDARY)
    assert made.bytes == UPLOAD_BYTES
    assert made.model_extra == {"sha256": hashlib.sha256(content).hexdigest()}
    return made.model_dump()


def download(client: openai.OpenAI) -> object:
    content = client.files.content("file-abc", extra_query={"bytes": DOWNLOAD_BYTES}).read()
    assert len(content) == DOWNLOAD_BYTES
    return hashlib.sha256(content).hexdigest()


def download_streamed(client: openai.OpenAI) -> object:
    digest = hashlib.sha256()
    query = {"bytes": DOWNLOAD_BYTES}
    with client.files.with_streaming_response.content("file-abc", extra_query=query) as answer:
        for piece in answer.iter_bytes():
            digest.update(piece)
    return digest.hexdigest()


def image(client: openai.OpenAI) -> object:
    return client.images.generate(model="gpt-image-1", prompt="a cat").model_dump()


def models(client: openai.OpenAI) -> object:
    return [model.model_dump() for model in client.models.list()]


def moderation(client: openai.OpenAI) -> object:
    return client.moderations.create(input="hello").model_dump()


def speech(client: openai.OpenAI) -> object:
    return client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello").read()


def transcription(client: openai.OpenAI) -> object:
    heard = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", b"RIFF" * 50_000), extra_headers=FIXED_BOUNDARY
    )
    return heard.model_dump()


CALLS: tuple[Callable[[openai.OpenAI], object], ...] = (
    chat,
    chat_streamed,
    chat_with_tool,
    chat_with_tool_streamed,
    response,
    response_streamed,
    response_with_tool_streamed,
    embeddings,
    upload,
    download,
    download_streamed,
    image,
    models,
    moderation,
    speech,
    transcription,
)
