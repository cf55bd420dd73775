"""What the relay answers by itself, as bytes. Pure.

Each has the shape of OpenAI's errors, so that SDKs show the sentence, and the header `Feedback-Error`, so that
nobody takes it for the gateway's.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus

_MALFORMED = "The request was not understood and has not been sent on: "

# A browser that shows an answer of ours asks for /favicon.ico next, as a page of our own origin: that would go to
# the gateway, and any site can make a browser show a refusal.
_LOADS_NOTHING = b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, a word for programs, and a sentence for people."""

    status: int
    code: str
    message: str
    header_lines: bytes = b""


@dataclass(frozen=True, slots=True)
class NoContent:
    """204 (RFC 9110 §15.3.5): a request that ends here, and is answered by header lines alone."""

    header_lines: bytes


def malformed(why: str) -> Refusal:
    """400: two readers could understand this request differently, or none at all."""
    return Refusal(400, "malformed_request", f"{_MALFORMED}{why}.")


def head_too_large(limit_bytes: int, limit_fields: int) -> Refusal:
    """431: RFC 6585 §5."""
    return Refusal(
        431,
        "head_too_large",
        f"The request's head is larger than {limit_bytes // 1024} KiB or has more than {limit_fields} fields.",
    )


def method_refused(method: str) -> Refusal:
    """405: CONNECT would open a tunnel to anywhere, TRACE would show credentials."""
    return Refusal(
        405,
        "method_not_allowed",
        f"{method} is not relayed.",
        b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
    )


def post_only(method: str, authority: str) -> Refusal:
    """405: that gateway would answer anything else with an error about something else."""
    return Refusal(
        405,
        "post_only",
        f"The gateway {authority} takes POST alone, so {method} has not been sent on to it.",
        b"Allow: POST\r\n",
    )


def method_unknown() -> Refusal:
    """501: RFC 9110 §15.6.2."""
    return Refusal(501, "method_unknown", "The request's method is not one that is known here.")


def version_refused() -> Refusal:
    """505: RFC 9110 §15.6.6."""
    return Refusal(505, "version_not_supported", "Only HTTP/1.0 and HTTP/1.1 are spoken here.")


def stopping() -> Refusal:
    """503: the sidecar is told to stop, and does not wait any longer."""
    return Refusal(
        503, "stopping", "The sidecar is being stopped, and no answer had come when its time was over."
    )


def head_timed_out(seconds: float) -> Refusal:
    """408: RFC 9110 §15.5.9."""
    return Refusal(408, "request_head_timeout", f"The request's head was not complete within {seconds:g} s.")


def body_timed_out(seconds: float) -> Refusal:
    """408: nothing more of the request's body came."""
    return Refusal(
        408,
        "request_body_timeout",
        f"Nothing of the request's body has come for {seconds:g} s; it is not complete.",
    )


def too_many_connections(limit: int) -> Refusal:
    """503: only local requests are heard now."""
    return Refusal(
        503,
        "too_many_connections",
        f"The sidecar has {limit} connections open, which is its limit ([server] max_connections). "
        "Nothing was sent.",
        b"Retry-After: 1\r\n",
    )


def answer_timed_out(authority: str, seconds: float) -> Refusal:
    """504: the request was sent, so it may have its effects (and its price) all the same."""
    return Refusal(
        504,
        "upstream_answer_timeout",
        f"The gateway {authority} did not begin to answer within {seconds:g} s "
        "([upstream] first_byte_timeout_seconds). The call may have been carried out.",
    )


def loop() -> Refusal:
    """508: our own Via came back (RFC 9110 §7.6.3)."""
    return Refusal(
        508,
        "loop_detected",
        "The call came back to the sidecar that sent it: the route leads here. "
        "Set the url of that route to the gateway's address.",
    )


def unreachable(authority: str, why: str) -> Refusal:
    """502: no connection, so nothing was sent."""
    return Refusal(
        502, "upstream_unreachable", f"The gateway {authority} cannot be reached: {why}. Nothing was sent."
    )


def connect_timed_out(authority: str, seconds: float) -> Refusal:
    """504: no connection in time, so nothing was sent."""
    return Refusal(
        504,
        "upstream_connect_timeout",
        f"The gateway {authority} did not accept a connection within {seconds:g} s. Nothing was sent.",
    )


def pool_full(authority: str, limit: int, seconds: float) -> Refusal:
    """503: no connection has become free in time, so nothing was sent."""
    return Refusal(
        503,
        "upstream_pool_full",
        f"All {limit} connections to the gateway {authority} were busy for {seconds:g} s. Nothing was sent. "
        "[upstream] max_connections allows more of them.",
        b"Retry-After: 1\r\n",
    )


def broke_before_answer(authority: str, *, stale: bool) -> Refusal:
    """502: the connection broke before the answer's head.

    `stale`: it had been used before and most likely timed out at the gateway just now, so the call was not
    read there. Only the client may decide to send it again (RFC 9110 §9.2.2); OpenAI's SDKs obey the header.
    """
    return Refusal(
        502,
        "upstream_broke",
        f"The gateway {authority} closed the connection before it answered.",
        b"x-should-retry: true\r\n" if stale else b"",
    )


def bad_answer(authority: str, why: str) -> Refusal:
    """502: the upstream's answer is not HTTP as it should be."""
    return Refusal(
        502, "upstream_malformed", f"The gateway {authority} sent an answer that cannot be passed on: {why}."
    )


def options_for_server() -> NoContent:
    """The answer to `OPTIONS *` and to `OPTIONS` with `Max-Forwards: 0` (RFC 9110 §9.3.7)."""
    return NoContent(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")


def render_no_content(answer: NoContent, lines: bytes = b"") -> bytes:
    """The answer as bytes, with these header lines besides. The connection ends, too: nothing would hold back a
    client that sends thousands of such requests and reads no answer.
    """
    return b"HTTP/1.1 204 No Content\r\n%b%bConnection: close\r\n\r\n" % (answer.header_lines, lines)


def render(refusal: Refusal, *, close: bool, bodyless: bool = False, lines: bytes = b"") -> bytes:
    """The refusal as an HTTP/1.1 answer. `bodyless`: the answer to HEAD. `lines`: header lines to add."""
    error = {"message": refusal.message, "type": "sidecar_error", "code": refusal.code}
    body = json.dumps({"error": error}, ensure_ascii=False).encode() + b"\n"
    return b"".join(
        (
            b"HTTP/1.1 %d %b\r\n" % (refusal.status, HTTPStatus(refusal.status).phrase.encode()),
            b"Content-Type: application/json; charset=utf-8\r\n",
            b"Content-Length: %d\r\n" % len(body),
            _LOADS_NOTHING,
            b"Feedback-Error: %b\r\n" % refusal.code.encode(),
            refusal.header_lines,
            lines,
            b"Connection: close\r\n" if close else b"",
            b"\r\n",
            b"" if bodyless else body,
        )
    )
