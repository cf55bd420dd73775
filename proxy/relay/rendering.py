"""Heads, written anew from their parsed parts: what goes on is never the bytes that came. Pure."""

from proxy.relay import headers, refusals
from proxy.relay.contract import Trace
from proxy.relay.framing import Framing
from proxy.relay.messages import AnswerHead, RequestHead
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Way

UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"


def request_head(head: RequestHead, way: Way, trace: Trace, via: bytes | None) -> bytes:
    """A request's head as it goes up, with the lines of `trace` added and its names withheld."""
    kept, added = head.kept, head.added_lines + trace.upstream_lines
    if trace.withheld:
        kept = headers.without(kept, trace.withheld)
    host = head.fields[b"host"] if way.keeps_host else way.upstream.authority
    lines = headers.towards_upstream(kept, head.fields, host)
    if head.framing is Framing.CHUNKED:
        added += CHUNKED
    if head.websocket:
        added += UPGRADE
    if via is not None:
        added += b"Via: 1.%d %b\r\n" % (0 if head.http10 else 1, via)
    return headers.head(b"%b %b HTTP/1.1" % (head.method, way.target(head.target)), lines, added)


def answer_head(answer: AnswerHead, way: Way, added: bytes) -> bytes:
    """An answer's head as it goes down. `added`: header lines, each with its line's end."""
    lines = headers.without_named(answer.kept, answer.fields)
    if way.path and b"location" in answer.fields:
        lines = headers.with_location(lines, way.ours)
    return headers.head(b"HTTP/1.1 %d %b" % (answer.status, answer.reason), lines, added)


def refusal(head: RequestHead, why: Refusal, close: bool) -> bytes:  # noqa: FBT001  # see `contract.Say`
    """What that request is refused with."""
    return refusals.render(why, close=close, bodyless=head.method == b"HEAD", lines=head.answer_lines)
