"""What bodies say of themselves. Read with msgspec, which makes nothing of the parts that nobody asks for."""

import msgspec

_LONGEST_MODEL = 200


class _Request(msgspec.Struct):
    """What we want to know of a request's body."""

    model: str | None = None


_read_request = msgspec.json.Decoder(_Request).decode


def model_of(body: bytes) -> str | None:
    """The `model` of a request's body, if it is JSON and has one that can be shown."""
    try:
        model = _read_request(body).model
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # Not for us to judge: the gateway will say what it thinks of the body.
    # Printable, because it is shown on terminals.
    return model if model and len(model) <= _LONGEST_MODEL and model.isprintable() else None
