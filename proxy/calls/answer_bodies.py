"""What the bodies of answers say of themselves. Nothing is made of the parts that nobody asks for.

JSON that is whole is read with msgspec; of a beginning, a scanner finds what stands at its top level.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from proxy.calls.json_beginnings import top_level
from proxy.calls.token_counts import given_tokens

_LONGEST_MODEL = 200

# Possessive throughout: no input makes them go back and try again.
_SPACE = rb"[ \t\r\n]*+"
_LIST = re.compile(_SPACE + rb"\[")
_ID = rb'"id"[ \t]*+:[ \t]*+"((?![sp]k-|\.{1,2}")[\w.~:@!$&\'()*+,;=-]{1,200}+)"'
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
    given_tokens: int | None = None
    """Said at the beginning by Anthropic's streams alone."""


_NOTHING = Said(None, None)


class _Answer(msgspec.Struct):
    """What we want to know of an answer's body, or of an event in it."""

    id: msgspec.Raw = msgspec.Raw()
    model: msgspec.Raw = msgspec.Raw()
    responseId: msgspec.Raw = msgspec.Raw()  # noqa: N815  # so Gemini calls it
    modelVersion: msgspec.Raw = msgspec.Raw()  # noqa: N815
    response: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


_read_answer = msgspec.json.Decoder(_Answer).decode
_read_text = msgspec.json.Decoder(str).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def id_that_comes_first(body: bytes, *, streamed: bool) -> str | None:
    """The id of an answer's body, or of its first event, where it stands first: nearly always."""
    match = (_ID_FIRST_IN_EVENT if streamed else _ID_FIRST_IN_JSON).match(body, 0, _FIRST_BYTES)
    return None if match is None else match[1].decode("ascii")


def answer_says(body: bytes) -> Said:
    """What the body of an answer says, or what there is of it, if that is JSON."""
    return _own(_said(body, is_whole=False))


def event_says(data: bytes, *, is_whole: bool) -> Said:
    """What an event says: itself, of its `response` (the Responses API), or of its `message` (Anthropic).

    `is_whole`: nothing of it is missing, so that it is JSON or says nothing.
    """
    said = _said(data, is_whole=is_whole)
    own = _own(said)
    if own.id is not None:
        return own
    for name in (b"response", b"message"):
        inner = said.get(name, b"")
        if inner[:1] == b"{" and (found := answer_says(inner)) != _NOTHING:
            given = given_tokens(inner) if name == b"message" else None
            return Said(found.id, found.model or own.model, given)
    return own


def _own(said: Mapping[bytes, bytes]) -> Said:
    return Said(
        _text(said.get(b"id")) or _text(said.get(b"responseId")),
        _shown_model(said.get(b"model", b"")) or _shown_model(said.get(b"modelVersion", b"")),
    )


def _said(body: bytes, *, is_whole: bool) -> dict[bytes, bytes]:
    """The raw values of an answer's fields that are worth knowing."""
    try:
        read = _read_answer(body)
    except _UNREADABLE:
        if is_whole:
            return {}
        # Gemini streams a list, unless it is asked for events.
        return top_level(body, _GEMINI_NAMES if _LIST.match(body) else _EVENT_NAMES)
    return {
        b"id": bytes(read.id),
        b"model": bytes(read.model),
        b"responseId": bytes(read.responseId),
        b"modelVersion": bytes(read.modelVersion),
        b"response": bytes(read.response),
        b"message": bytes(read.message),
    }


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
