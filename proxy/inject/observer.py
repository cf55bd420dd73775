"""What the relay asks before an app: which header lines pass, who may come in, and where the tag goes in."""

import re
from collections.abc import Callable
from typing import Final

from proxy.guard.decisions import Guard
from proxy.inject import heads, policies
from proxy.inject.bodies import TaggedBody
from proxy.inject.codings import undoing
from proxy.relay import headers
from proxy.relay.contract import Trace
from proxy.relay.destination import Upstream
from proxy.relay.headers import Direction
from proxy.relay.messages import AnswerHead, RequestHead
from proxy.relay.refusals import Refusal
from proxy.relay.routes import Way

PREFIX: Final = "/_helicone-feedback"
"""Everything at and below it is ours; all other paths are the app's."""
SCRIPT: Final = f"{PREFIX}/widget.js"
_CALLS: Final = f"{PREFIX}/"

_OUR_COOKIE: Final = re.compile(rb"(?:^|[;,])\s*helicone-proxy-[0-9]+=[^;,]*")
"""The session of a browser with the sidecar's own pages: cookies ignore ports. Lines are joined by commas."""


def direction_up() -> Direction:
    """What goes up to an app: all but what speaks of the connection, and a token, which is for the sidecar."""
    return Direction(headers.HOP_BY_HOP | {b"feedback-proxy-token"})


def direction_down() -> Direction:
    """What comes down from an app: all but what speaks of the connection, and where else it is to be found."""
    return Direction(headers.HOP_BY_HOP | {b"alt-svc"})


class Entrance:
    """Lets in whoever calls by a name that is ours: see `relay.contract.Admit`. The app has its own login."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, head: RequestHead, by_socket: bool) -> Refusal | None:  # noqa: FBT001
        """Whether it may go on."""
        return self._guard.check_host(head.fields, by_socket=by_socket)


class PageObserver:
    """Puts the tag into pages as they pass: see `relay.contract.Observer`. It remembers nothing.

    `make_nonce` gives a text that nobody guesses (CSP §7.1).
    """

    def __init__(
        self,
        upstream: Upstream,
        make_nonce: Callable[[], str],
        on_refused: Callable[[bytes, bytes, Refusal], None],
    ) -> None:
        self._upstream = upstream
        self._make_nonce = make_nonce
        self._on_refused = on_refused

    def begin(self, head: RequestHead, way: Way, client: str, now: float) -> Trace:
        """A request is about to be sent up."""
        del way, client
        trace = Trace(head.method, head.path, now)
        trace.withheld, trace.upstream_lines = heads.asked(head)
        cookies = head.fields.get(b"cookie")
        if cookies is not None and _OUR_COOKIE.search(cookies):
            trace.withheld |= {b"cookie"}
            left = _OUR_COOKIE.sub(b"", headers.index([(b"cookie", cookies)])[b"cookie"]).lstrip(b";, ")
            trace.upstream_lines += b"Cookie: %b\r\n" % left if left else b""
        return trace

    def looked(self, trace: Trace, body: bytes, *, complete: bool) -> None:
        """Bodies of requests are the app's own business."""

    def answered(self, trace: Trace, head: RequestHead, answer: AnswerHead) -> bytes:
        """The head of its answer has come: it is changed in place."""
        heads.lead_here(answer, self._upstream, head.fields[b"host"])
        if head.method != b"GET":
            return b""
        if not heads.opens_page(head) or (answer.status != 304 and not heads.is_document(head, answer)):
            if heads.is_html(answer.fields):
                heads.describe_other(answer)
            return b""
        nonce = self._nonce(answer)
        self._allow(answer, head.fields[b"host"], nonce or b"")
        # A kept document has the nonce of its own day.
        heads.describe_tagged(answer, asks_again=nonce is None)
        if answer.status != 304:
            answer.forget_body()
            trace.change = TaggedBody(_tag(nonce), undoing(heads.coding_of(answer.fields)))
        return b""

    def _nonce(self, answer: AnswerHead) -> bytes | None:
        """One for this answer, if a policy of the app's asks for one."""
        said = [answer.fields[name] for name in policies.NAMES if name in answer.fields]
        return self._make_nonce().encode("ascii") if any(map(policies.needs_nonce, said)) else None

    def _allow(self, answer: AnswerHead, host: bytes, nonce: bytes) -> None:
        """Have the app's policies allow the script."""
        if answer.fields.keys().isdisjoint(policies.NAMES):
            return
        kept = []
        for line in answer.kept:
            name, _, value = line.partition(b":")
            if name.lower() in policies.NAMES:
                allowed = policies.allowing(value, host, nonce, SCRIPT.encode(), _CALLS.encode())
                kept.append(name + b": " + allowed)
            else:
                kept.append(line)
        answer.kept = kept

    def passed(self, trace: Trace, piece: bytes, *, complete: bool) -> None:
        """Nothing is tapped here."""

    def ended(self, trace: Trace) -> None:
        """No call has been made, so none is remembered."""

    def refused(self, head: RequestHead, refusal: Refusal) -> None:
        """A request was not let through."""
        self._on_refused(head.method, head.path, refusal)


def _tag(nonce: bytes | None) -> bytes:
    said = b"" if nonce is None else b' nonce="%b"' % nonce
    return b'<script src="%b" data-mode="last"%b async></script>' % (SCRIPT.encode(), said)
