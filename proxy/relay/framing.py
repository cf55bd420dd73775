"""How a body is delimited, on each side (RFC 9112 §6). Pure.

The parser reads bodies; what it leaves to us is here: which combinations are refused, what an answer without
a length means, and how the same body is delimited for the other side.
"""

from collections.abc import Mapping
from enum import Enum, auto


class Framing(Enum):
    """How the end of a body is recognised."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


class BadFraming(ValueError):
    """A message whose end two readers could see in different places (RFC 9112 §11.2, smuggling)."""


def _declared(fields: Mapping[bytes, bytes]) -> Framing | None:
    if b"transfer-encoding" not in fields:
        return Framing.LENGTH if b"content-length" in fields else None
    if b"content-length" in fields:
        raise BadFraming("both Content-Length and Transfer-Encoding")
    # Anything else would have to be decoded to be passed on, and `chunked` twice is a known smuggling form.
    if fields[b"transfer-encoding"].lower() != b"chunked":
        raise BadFraming("a Transfer-Encoding other than chunked")
    return Framing.CHUNKED


def of_request(fields: Mapping[bytes, bytes]) -> Framing:
    """How a request's body ends. `fields`: lower-case names to values, repeated lines joined by commas.

    Raises BadFraming, for which the answer is 400.
    """
    return _declared(fields) or Framing.NONE


def of_answer(method: bytes, status: int, fields: Mapping[bytes, bytes]) -> Framing:
    """How an answer's body ends, which depends on what was asked (RFC 9112 §6.3).

    Raises BadFraming, for which the answer is 502.
    """
    declared = _declared(fields)
    if method == b"HEAD" or status in (204, 304) or status < 200:
        return Framing.NONE
    return declared or Framing.UNTIL_CLOSE


def towards_client(framing: Framing, *, http10: bool) -> Framing:
    """How the client gets to see the end of the same body: kept where possible.

    HTTP/1.0 knows no chunks, so there the connection's end stands for them; for everybody else an end of
    connection would look complete when it is a break, so it becomes chunks.
    """
    if framing is Framing.CHUNKED and http10:
        return Framing.UNTIL_CLOSE
    if framing is Framing.UNTIL_CLOSE and not http10:
        return Framing.CHUNKED
    return framing


def is_announced(status: int, fields: Mapping[bytes, bytes], *, http10: bool) -> bool:
    """Whether an answer without a body may say that one would have been chunked: to HEAD, and with 304.

    Not with 204, and never to HTTP/1.0 (RFC 9112 §6.1).
    """
    return b"transfer-encoding" in fields and status != 204 and not http10


LAST_CHUNK = b"0\r\n\r\n"


def chunk(body: bytes) -> bytes:
    """`body`, which must not be empty (that would be the last chunk), as one chunk."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def last_chunk(trailers: list[tuple[bytes, bytes]]) -> bytes:
    """The end of a chunked body, with its trailer fields (RFC 9112 §7.1.2)."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n%b\r\n" % b"".join([b"%b: %b\r\n" % field for field in trailers])
