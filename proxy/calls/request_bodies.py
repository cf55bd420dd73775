"""What the body of a request says of itself. Read with msgspec, which makes nothing of what nobody asks for."""

from collections.abc import Mapping

import msgspec

from proxy import half_characters
from proxy.calls.json_beginnings import top_level

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_VALUE_BYTES = 2048
"""At most so much is read of a value that may be cut off; longer ones are of no use."""


class Conversation(msgspec.Struct):
    """How the Responses API has it, where it is no text."""

    id: str | None = None


class Said(msgspec.Struct):
    """What a request's body says."""

    model: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    conversation: str | Conversation | None = None
    previous_response_id: str | None = None

    def says_whom(self) -> bool:
        """Whether it says anything but the model."""
        return (
            self.user is not None
            or self.safety_identifier is not None
            or self.conversation is not None
            or self.previous_response_id is not None
        )

    def conversation_id(self) -> str | None:
        """The conversation's id, however that is written."""
        named = self.conversation
        return named.id if isinstance(named, Conversation) else named


class _Raw(msgspec.Struct):
    """The same, each field by itself."""

    model: msgspec.Raw = msgspec.Raw(b"null")
    user: msgspec.Raw = msgspec.Raw(b"null")
    safety_identifier: msgspec.Raw = msgspec.Raw(b"null")
    conversation: msgspec.Raw = msgspec.Raw(b"null")
    previous_response_id: msgspec.Raw = msgspec.Raw(b"null")


_FIELDS = Said.__struct_fields__
_NAMES = frozenset(name.encode() for name in _FIELDS)
_KEYS = tuple(b'"%b":' % name for name in _NAMES)
_read = msgspec.json.Decoder(Said).decode
_read_raw = msgspec.json.Decoder(_Raw).decode
_read_value = msgspec.json.Decoder(str | Conversation | None).decode


def is_plain_json(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a body is labelled as JSON, and not compressed."""
    label = fields.get(b"content-type", b"")
    if label != b"application/json" and label.lower().find(b"json") < 0:
        return False
    return b"content-encoding" not in fields or fields[b"content-encoding"].lower() == b"identity"


def said_in(body: bytes) -> Said | None:
    """What a body says; None if that cannot be read, which is for the gateway to judge."""
    try:
        return _read(body)
    except _UNREADABLE:
        pass
    # One field that is odd spoils no other.
    try:
        raw = half_characters.read(_read_raw, body)
    except msgspec.ValidationError:
        return Said()  # It is JSON, but no object.
    except _UNREADABLE:
        return None
    # An altered name is nobody's.
    given = {name: getattr(raw, name) for name in _FIELDS}
    return _said(
        {name: value for name, value in given.items() if half_characters.UNKNOWN not in bytes(value)}
    )


def said_at_the_beginning(prefix: bytes) -> Said:
    """What the beginning of a body says. A value that is cut off is not said, nor what stands behind it."""
    # Nothing is read behind the last key that matters: that may be most of a prompt, or all.
    last = max(map(prefix.rfind, _KEYS))
    if last < 0:
        return Said()
    found = top_level(prefix[: last + _VALUE_BYTES], _NAMES)
    return _said({name.decode(): value for name, value in found.items()})


def _said(raw: Mapping[str, bytes | msgspec.Raw]) -> Said:
    said = Said()
    for name, value in raw.items():
        read = _value(value)
        if name == "conversation" or read is None or isinstance(read, str):
            setattr(said, name, read)
    return said


def _value(raw: bytes | msgspec.Raw) -> str | Conversation | None:
    try:
        read: str | Conversation | None = _read_value(raw)
    except _UNREADABLE:
        return None
    return read
