"""The forms that answers come in, whole or as events of a stream, as far as they say something.

OpenAI's chat completions, completions and Responses (platform.openai.com/docs/api-reference), Anthropic's Messages
(docs.anthropic.com/en/api/messages), Gemini's generateContent (ai.google.dev/api/generate-content).
"""

from typing import Any

import msgspec


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class Custom(msgspec.Struct):
    """A tool that takes any text."""

    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class Called(msgspec.Struct):
    """Gemini's."""

    name: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Part(msgspec.Struct):
    """A part of an answer: text, a refusal, or the use of a tool; Gemini's may be a thought."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    thought: bool = False
    functionCall: Called | None = None  # noqa: N815  # so Gemini calls them

    @property
    def is_strange(self) -> bool:
        """Whether nobody here knows what it says: it is a picture, say."""
        is_said = self.text is not None or self.refusal is not None or self.functionCall is not None
        return not (is_said or self.thought or self.type in ("tool_use", "thinking", "redacted_thinking"))


class Audio(msgspec.Struct):
    transcript: str | None = None


class Spoken(msgspec.Struct):
    """A chat's message, or a piece of one; a piece of Anthropic's; Gemini's content."""

    type: str | None = None
    content: str | list[Part] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    parts: list[Part] | None = None
    text: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    audio: Audio | None = None
    images: list[Any] | None = None


class Choice(msgspec.Struct):
    index: int | None = None
    message: Spoken | None = None
    delta: Spoken | None = None
    content: Spoken | None = None
    text: str | None = None
    finish_reason: str | None = None
    finishReason: str | None = None  # noqa: N815


class Item(msgspec.Struct):
    """What the Responses API puts out."""

    type: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: list[Part] | None = None

    @property
    def is_strange(self) -> bool:
        """Whether nobody here knows what it says: it is a picture, say."""
        return self.name is None and self.type not in ("message", "reasoning")


class Why(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """An answer of the Responses API, or of Anthropic's (its content), as the whole body or within an event."""

    status: str | None = None
    incomplete_details: Why | None = None
    output: list[Item] | None = None


class Said(Response):
    """An answer's body, or an event of one."""

    type: str | None = None
    choices: list[Choice] | None = None
    candidates: list[Choice] | None = None
    content: list[Part] | None = None
    stop_reason: str | None = None
    delta: str | Spoken | None = None
    index: int = 0
    content_block: Part | None = None
    item: Item | None = None
    output_index: int = 0
    response: Response | None = None

    @property
    def is_message(self) -> bool:
        """Whether it is a message of Anthropic's: others have a content, too."""
        return self.content is not None and (self.type == "message" or self.stop_reason is not None)


read_said = msgspec.json.Decoder(Said).decode
read_body = msgspec.json.Decoder(Said | list[Said]).decode
read_any = msgspec.json.Decoder().decode
