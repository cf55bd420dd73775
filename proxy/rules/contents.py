"""What an answer says, assembled from its body in any provider's form; and what a rule asks of it. Pure.

The text is the words of the first answer, then each tool that is called, on a line of its own, as
`name(arguments)`. It is the same for a stream and for the body that comes in one piece.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from proxy import half_characters
from proxy.calls import decoding
from proxy.rules.answer_forms import (
    Choice,
    Item,
    Part,
    Response,
    Said,
    Spoken,
    read_any,
    read_body,
    read_said,
)

MOST_BYTES: Final = 256 * 1024
"""How long an answer may be, as it came and decoded; what is longer is not judged."""
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REFUSED: Final = "refusal"
_EVENTS: Final = ("response.", "message_", "content_block_")
_UNDER_WAY: Final = ("queued", "in_progress")
"""How a response of the Responses API stands that has still to say what it says."""

_Arguments = bytes | str | dict[str, Any] | None


class TooLong(Exception):
    """There is more than is judged."""


class Unreadable(Exception):
    """It is not in a form that is known here."""


class Content(msgspec.Struct, frozen=True, gc=False):
    """What an answer says."""

    text: str
    finish_reason: str | None = None
    has_refusal: bool = False
    tools: tuple[str, ...] = ()

    def __repr__(self) -> str:
        # No part of it: it is somebody's.
        return f"<Content of {len(self.text)} characters>"


def _plain(arguments: _Arguments) -> str:
    """Arguments in their one spelling, since some come as JSON within JSON and some as an object."""
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    try:
        return msgspec.json.encode(read_any(arguments or "{}")).decode()
    except _UNREADABLE:
        return arguments.decode("utf-8", "replace") if isinstance(arguments, bytes) else arguments or ""


class _Gathered:
    """What has been said so far."""

    def __init__(self) -> None:
        self.words: dict[int, list[str]] = {}
        self.tools: dict[object, tuple[str, list[str]]] = {}
        self.finish: str | None = None
        self.refused = False
        self.is_known = False
        """Whether it has a form that is known here."""
        self.is_strange = False
        """Whether a part of it has not: where there are no words either, nobody knows what it says."""
        self._keys: dict[int, tuple[int, str | None]] = {}

    def say(self, words: str | None, place: int = 0) -> None:
        if words:
            self.words.setdefault(place, []).append(words)

    def refuse(self, words: str | None, place: int = 0) -> None:
        if words:
            self.refused = True
            self.say(words, place)

    def call(self, key: object, name: str | None, arguments: _Arguments) -> None:
        known, pieces = self.tools.get(key, ("", []))
        self.tools[key] = (known or name or "", pieces)
        if arguments:
            pieces.append(arguments if isinstance(arguments, str) else _plain(arguments))

    def call_in_chat(self, index: int, call_id: str | None, name: str | None, arguments: _Arguments) -> None:
        """A piece of a call: the first one names its tool. Some servers give all calls the same index, or none."""
        key = self._keys.get(index)
        known = "" if key is None else self.tools[key][0]
        is_another = name and known and (call_id != key[1] if key and call_id else name != known)
        if key is None or is_another:
            key = self._keys[index] = (len(self.tools), call_id)
        self.call(key, name, arguments)

    def call_whole(self, name: str | None, arguments: bytes | str) -> None:
        self.call(("whole", len(self.tools)), name, _plain(arguments))

    def content(self) -> Content:
        if not self.tools and len(self.words) == 1:
            [words] = self.words.values()
            return Content("".join(words), self.finish, self.refused or self.finish == _REFUSED)
        lines = ["".join(words) for _, words in sorted(self.words.items())]
        lines += [f"{name}({_plain(''.join(pieces))})" for name, pieces in self.tools.values()]
        return Content(
            "\n".join(lines),
            self.finish,
            self.refused or self.finish == _REFUSED,
            tuple([name for name, _ in self.tools.values()]),
        )


def _take_parts(parts: Iterable[Part], gathered: _Gathered, place: int = 0) -> None:
    for part in parts:
        gathered.is_strange |= part.is_strange
        if part.thought:
            continue
        gathered.say(part.text, place)
        gathered.refuse(part.refusal, place)
        if part.type == "tool_use":
            gathered.call_whole(part.name, bytes(part.input))
        elif part.functionCall is not None:
            gathered.call_whole(part.functionCall.name, bytes(part.functionCall.args))


def _take_choice(choice: Choice, gathered: _Gathered) -> None:
    gathered.say(choice.text)
    gathered.finish = choice.finish_reason or choice.finishReason or gathered.finish
    spoken = choice.delta or choice.message or choice.content
    if spoken is None:
        return
    if isinstance(spoken.content, str):
        gathered.say(spoken.content)
    elif spoken.content is not None:
        _take_parts(spoken.content, gathered)
    gathered.refuse(spoken.refusal)
    if spoken.audio is not None:
        gathered.say(spoken.audio.transcript)
    gathered.is_strange |= bool(spoken.audio or spoken.images)
    if spoken.parts is not None:
        _take_parts(spoken.parts, gathered)
    _take_calls(spoken, gathered)


def _take_calls(spoken: Spoken, gathered: _Gathered) -> None:
    for place, each in enumerate(spoken.tool_calls or ()):
        index = place if each.index is None else each.index
        if each.function is not None:
            gathered.call_in_chat(index, each.id, each.function.name, each.function.arguments)
        elif each.custom is not None:
            gathered.call_in_chat(index, each.id, each.custom.name, each.custom.input)
        else:
            gathered.is_strange = True
    if spoken.function_call is not None:
        gathered.call("function", spoken.function_call.name, spoken.function_call.arguments)


def _take_response(response: Response, gathered: _Gathered) -> None:
    """How it ended; what it says has come piece by piece where it is within an event."""
    if response.incomplete_details is not None and response.incomplete_details.reason:
        gathered.finish = response.incomplete_details.reason
    else:
        gathered.finish = response.status or gathered.finish
    gathered.is_strange |= any(each.is_strange for each in response.output or ())


def _take_output(items: Iterable[Item], gathered: _Gathered) -> None:
    for place, item in enumerate(items):
        if item.type == "message":
            _take_parts(item.content or (), gathered, place)
        elif item.name is not None:
            gathered.call(("item", place), item.name, item.arguments or item.input)


def _take_delta(delta: str, said: Said, gathered: _Gathered) -> None:
    if said.type == "response.output_text.delta":
        gathered.say(delta, said.output_index)
    elif said.type == "response.refusal.delta":
        gathered.refuse(delta, said.output_index)
    elif said.type in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
        gathered.call(("item", said.output_index), None, delta)


def _take_event(said: Said, gathered: _Gathered) -> None:
    """An event of Anthropic's or of the Responses API. Others have some of the same fields in other events."""
    if said.type is None or not said.type.startswith(_EVENTS):
        return
    delta = said.delta
    found = (delta, said.content_block, said.item, said.response)
    gathered.is_known |= any(each is not None for each in found)
    if isinstance(delta, str):
        _take_delta(delta, said, gathered)
    elif delta is not None:
        gathered.say(delta.text)
        gathered.finish = delta.stop_reason or gathered.finish
        if delta.partial_json is not None:
            gathered.call(("block", said.index), None, delta.partial_json)
    elif said.content_block is not None:
        gathered.say(said.content_block.text)
        if said.content_block.type == "tool_use":
            gathered.call(("block", said.index), said.content_block.name, None)
    elif said.type == "response.output_item.added" and said.item is not None and said.item.name is not None:
        gathered.call(("item", said.output_index), said.item.name, None)
    elif said.response is not None:
        _take_response(said.response, gathered)


def _take(said: Said, gathered: _Gathered) -> None:
    choices = said.choices if said.choices is not None else said.candidates
    gathered.is_known |= not (choices is None and said.output is None and not said.is_message)
    if choices is not None:
        for choice in choices:
            if not choice.index:
                _take_choice(choice, gathered)
    elif said.output is not None:
        _take_output(said.output, gathered)
        _take_response(said, gathered)
    elif said.is_message:
        _take_parts(said.content or (), gathered)
        gathered.finish = said.stop_reason or gathered.finish
    else:
        _take_event(said, gathered)


def _take_stream(body: bytes, gathered: _Gathered) -> None:
    """Server-sent events, as their standard has them; of an event that is cut nothing counts."""
    lines = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    data: list[bytes] = []
    for line in lines:
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            event, data = b"\n".join(data), []
            try:
                said = half_characters.read(read_said, event)
            except _UNREADABLE:
                continue
            _take(said, gathered)


def decoded(body: bytes, coding: bytes) -> bytes:
    """A body without its `Content-Encoding`. Raises TooLong and Unreadable."""
    if len(body) > MOST_BYTES:
        raise TooLong
    if not coding:
        return body
    if not decoding.is_known(coding):
        raise Unreadable
    try:
        plain = decoding.decoder_for(coding).decode(body, MOST_BYTES + 1)
    except decoding.Undecodable:
        raise Unreadable from None
    if len(plain) > MOST_BYTES:
        raise TooLong
    return plain


def content_of(body: bytes, *, streamed: bool, coding: bytes = b"") -> Content:
    """What an answer says. Raises TooLong and Unreadable."""
    plain = decoded(body, coding)
    gathered = _Gathered()
    if streamed:
        _take_stream(plain, gathered)
    else:
        try:
            read: Said | list[Said] = half_characters.read(read_body, plain)
        except _UNREADABLE:
            raise Unreadable from None
        for said in read if isinstance(read, list) else (read,):
            _take(said, gathered)
    content = gathered.content()
    is_strange = gathered.is_strange or gathered.finish in _UNDER_WAY
    if not gathered.is_known or (is_strange and not content.text):
        # No words are found in it, which does not say that it has none: its text is not a short one.
        raise Unreadable
    return content


def is_like(value: str | None, wanted: str) -> bool:
    """Whether a text is the one that is wanted, of which a `*` at its end stands for any rest."""
    if value is None:
        return False
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def plain_data(content: Content) -> dict[str, Any]:
    """What a function of somebody's own is told of an answer besides its text."""
    return {
        "finish_reason": content.finish_reason,
        "has_refusal": content.has_refusal,
        "tools": list(content.tools),
    }
