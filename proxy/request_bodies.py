"""What the body of a request says of itself. Read with msgspec, which makes nothing of what nobody asks for."""

from collections.abc import Mapping

import msgspec

from proxy import bodies

_UNSAID = msgspec.Raw()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Said(msgspec.Struct):
    """What a request's body says. Each field is read on its own, so that an odd one spoils no other."""

    model: msgspec.Raw = _UNSAID
    user: msgspec.Raw = _UNSAID
    safety_identifier: msgspec.Raw = _UNSAID
    conversation: msgspec.Raw = _UNSAID
    previous_response_id: msgspec.Raw = _UNSAID


_NAMES = frozenset(name.encode() for name in Said.__struct_fields__)
_read_request = msgspec.json.Decoder(Said).decode
_read_value = msgspec.json.Decoder().decode


def is_plain_json(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a body is labelled as JSON, and not compressed."""
    label = fields.get(b"content-type", b"")
    if label != b"application/json" and label.lower().find(b"json") < 0:
        return False
    return b"content-encoding" not in fields or fields[b"content-encoding"].lower() == b"identity"


def said_in(body: bytes) -> Said | None:
    """What a body says; None if that cannot be read, which is for the gateway to judge."""
    try:
        return _read_request(body)
    except msgspec.ValidationError:
        return Said()  # It is JSON, but no object.
    except _UNREADABLE:
        return None


def said_at_the_beginning(prefix: bytes) -> Said:
    """What the beginning of a body says. A value that is cut off is not said, nor what stands behind it."""
    found = bodies.top_level(prefix, _NAMES)
    return Said(**{name.decode(): msgspec.Raw(value) for name, value in found.items()})


def text_of(value: msgspec.Raw) -> str | None:
    """A field's value, if it is text."""
    read = _value(value)
    return read if isinstance(read, str) else None


def id_of(value: msgspec.Raw) -> str | None:
    """A field's value, if it is text, or else the `id` of the object that it is."""
    read = _value(value)
    if isinstance(read, dict):
        read = read.get("id")
    return read if isinstance(read, str) else None


def _value(raw: msgspec.Raw) -> object:
    if raw is _UNSAID:
        return None
    try:
        return _read_value(raw)
    except _UNREADABLE:
        return None
