"""What bodies say of themselves. Nothing is made of the parts that nobody asks for.

JSON that is whole is read with msgspec; of a beginning, a scanner finds what stands at its top level.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec

_LONGEST_MODEL = 200

# Possessive throughout: no input makes them go back and try again.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SPACE = rb"[ \t\r\n]*+"
_MEMBER = re.compile(_SPACE + b"(" + _STRING + b")" + _SPACE + b":" + _SPACE, re.DOTALL)
_VALUE = re.compile(_STRING + rb"|[^\s\"\[\]{},:]++(?=[\s,\]}])", re.DOTALL)
_NESTED = re.compile(_STRING + rb"|[\[\]{}]|\"", re.DOTALL)
_BEHIND = re.compile(_SPACE + b",")
_OPENING = re.compile(_SPACE + b"(" + rb"\[" + _SPACE + rb")?+\{")
_ID = rb'"id"[ \t]*+:[ \t]*+"([\w.~:@!$&\'()*+,;=-]++)"'
_ID_FIRST_IN_JSON = re.compile(_SPACE + rb"\{" + _SPACE + _ID)
_ID_FIRST_IN_EVENT = re.compile(rb"data:[ \t]*+\{[ \t]*+" + _ID)
_FIRST_BYTES = 1024

_NAMES = (b"id", b"model", b"responseId", b"modelVersion")
_GEMINI_NAMES = (b"responseId", b"modelVersion")
_EVENT_NAMES = (*_NAMES, b"response", b"message")


class Said(NamedTuple):
    """What an answer's body says: its own id, and the model that made it."""

    id: str | None
    model: str | None


_NOTHING = Said(None, None)


class _Request(msgspec.Struct):
    """What we want to know of a request's body. Raw, so that one odd field loses no other."""

    model: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct):
    """What we want to know of an answer's body, or of an event in it."""

    id: msgspec.Raw = msgspec.Raw()
    model: msgspec.Raw = msgspec.Raw()
    responseId: msgspec.Raw = msgspec.Raw()  # noqa: N815  # so Gemini calls it
    modelVersion: msgspec.Raw = msgspec.Raw()  # noqa: N815
    response: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


_read_request = msgspec.json.Decoder(_Request).decode
_read_answer = msgspec.json.Decoder(_Answer).decode
_read_text = msgspec.json.Decoder(str).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def model_of(body: bytes) -> str | None:
    """The `model` of a request's body, if it is JSON and has one that can be shown."""
    try:
        return _shown_model(_read_request(body).model)
    except _UNREADABLE:
        return None  # Not for us to judge: the gateway will say what it thinks of the body.


def id_that_comes_first(body: bytes, *, streamed: bool) -> str | None:
    """The id of an answer's body, or of its first event, where it stands first: nearly always."""
    match = (_ID_FIRST_IN_EVENT if streamed else _ID_FIRST_IN_JSON).match(body, 0, _FIRST_BYTES)
    return None if match is None else match[1].decode("ascii")


def answer_says(body: bytes) -> Said:
    """What the body of an answer says, or what there is of it, if that is JSON."""
    said = _said(body)
    return Said(
        _text(said.get(b"id")) or _text(said.get(b"responseId")),
        _shown_model(said.get(b"model", b"")) or _shown_model(said.get(b"modelVersion", b"")),
    )


def event_says(data: bytes) -> Said:
    """What an event says: itself, of its `response` (the Responses API), or of its `message` (Anthropic)."""
    own = answer_says(data)
    if own.id is not None:
        return own
    said = _said(data)
    for name in (b"response", b"message"):
        inner = said.get(name, b"")
        if inner[:1] == b"{" and (found := answer_says(inner)) != _NOTHING:
            return Said(found.id, found.model or own.model)
    return own


def _said(body: bytes) -> dict[bytes, bytes]:
    """The raw values of an answer's fields that are worth knowing."""
    try:
        read = _read_answer(body)
    except _UNREADABLE:
        # Gemini streams a list, unless it is asked for events.
        is_list = (match := _OPENING.match(body)) is not None and match[1] is not None
        return top_level(body, _GEMINI_NAMES if is_list else _EVENT_NAMES)
    return {
        b"id": bytes(read.id),
        b"model": bytes(read.model),
        b"responseId": bytes(read.responseId),
        b"modelVersion": bytes(read.modelVersion),
        b"response": bytes(read.response),
        b"message": bytes(read.message),
    }


def top_level(prefix: bytes, names: Collection[bytes]) -> dict[bytes, bytes]:
    """The values of these names in a JSON object, or in the first one of a list, as JSON and as they came.

    `prefix` may be the beginning of a longer text: what is cut off is left out, but for an object or a list, of
    which that much is given as there is. Of a name that comes twice the first counts. Never raises.
    """
    found: dict[bytes, bytes] = {}
    opening = _OPENING.match(prefix)
    if opening is None:
        return found
    place = opening.end()
    while len(found) < len(names) and (member := _MEMBER.match(prefix, place)) is not None:
        name, start = member[1][1:-1], member.end()
        end = _end_of_value(prefix, start)
        if b"\\" in name:
            name = (_text(member[1]) or "").encode()
        if name in names and (end is not None or prefix[start : start + 1] in (b"{", b"[")):
            found.setdefault(name, prefix[start:end])
        if end is None or (comma := _BEHIND.match(prefix, end)) is None:
            break
        place = comma.end()
    return found


def _end_of_value(text: bytes, start: int) -> int | None:
    """Where the value ends that begins there; None if it does not."""
    if text[start : start + 1] not in (b"{", b"["):
        value = _VALUE.match(text, start)
        return None if value is None else value.end()
    depth = 0
    for token in _NESTED.finditer(text, start):
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if not depth:
                return token.end()
        elif mark == b'"':
            return None  # A string that is cut off: what stands in it is no structure.
    return None


def _text(value: bytes | msgspec.Raw | None) -> str | None:
    """A raw value as a text, if it is one that is not empty."""
    if not value:
        return None
    try:
        return _read_text(value) or None
    except _UNREADABLE:
        return None


def _shown_model(value: bytes | msgspec.Raw) -> str | None:
    """A raw value as a model's name. Printable, because it is shown on terminals."""
    model = _text(value)
    return model if model and len(model) <= _LONGEST_MODEL and model.isprintable() else None
