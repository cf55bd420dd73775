"""What a sidecar and the process that judges answers say to each other: messages, each behind its length."""

from typing import Any, Final

import msgspec

from proxy.config.rules import When

LENGTH_BYTES: Final = 4
_encode_into: Final = msgspec.msgpack.Encoder().encode_into


class Asked(msgspec.Struct):
    """One rule, as far as the content of an answer goes. `call`: the function that says more."""

    when: When
    call: str | None = None


class Setup(msgspec.Struct):
    """The first message: all rules, in the file's order."""

    rules: list[Asked]


class Job(msgspec.Struct, array_like=True, gc=False):
    """One answer. `rules`: the places of those that are asked. `body` is None where there is none to be read."""

    body: bytes | None
    streamed: bool
    coding: bytes
    rules: list[int]
    facts: dict[str, Any] | None = None


class Verdict(msgspec.Struct, array_like=True, gc=False):
    """What came of a job. `job`: its place in the message. Of jobs of which no rule holds nothing is said."""

    job: int
    holding: list[int]
    """The rules that hold."""
    why_not: str = ""
    """`too_long` or `unreadable` where the answer could not be judged; `failed` where the function did."""
    said: Any = None
    """What the function gave."""


def framed(message: object) -> bytearray:
    """A message with its length before it."""
    data = bytearray(LENGTH_BYTES)
    _encode_into(message, data, LENGTH_BYTES)
    data[:LENGTH_BYTES] = (len(data) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big")
    return data
