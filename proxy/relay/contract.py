"""What the relay asks of the outside, and what it reports: the whole seam between the two planes."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from proxy.relay.messages import AnswerHead, RequestHead
from proxy.relay.refusals import NoContent, Refusal

if TYPE_CHECKING:
    from proxy.relay.routes import Way

TAIL_BYTES = 4 * 1024
"""How much of an answer's end is kept where nothing else is said."""


class Ending(StrEnum):
    """How a call ended."""

    COMPLETE = "complete"
    """The last byte of the answer has passed."""
    CUT = "cut"
    """The upstream broke within its answer, or the rest of the request did; or the grace period was over."""
    LEFT = "left"
    """The client went away."""
    FAILED = "failed"
    """No answer came; the client got one of ours: 502, 503 or 504, or 400 or 408 for the rest of its request."""


class Change(Protocol):
    """What changes an answer's body on its way down."""

    def put(self, data: bytes, *, complete: bool) -> None:
        """More of the body has come; `complete`: all of it."""

    def take(self) -> bytes:
        """Some of what goes down in its place, no more than a client that does not read can be left with; b"" if
        there is nothing more for now. Raises ValueError where the body makes no sense: it is cut there."""


class Trace:
    """What the relay notes of one call while it runs. The observer makes it (or a kind of it) and reads it.

    Moments are readings of the relay's clock, in seconds; None: not come yet. `status` is the upstream's, or
    that of our own refusal. Bytes are those of the bodies, without their framing. `upstream_lines` are header
    lines to add on the way up, each with its line's end; `withheld` are names, in lower case, of those that do
    not go up. `change` is what changes the answer's body, if the observer wants that, who then sees to it that the
    answer's head says nothing of the body that came, above all not its length (`AnswerHead.forget_body`).
    """

    # Defaults stand on the class: a call sets what it has, which costs half of setting everything.
    answered: float | None = None
    ended: float | None = None
    status: int | None = None
    ending: Ending | None = None
    sent: float | None = None
    """When its head went up."""
    passed_on: float | None = None
    """When the head of its answer went down."""
    bytes_up = 0
    bytes_down = 0
    look_bytes = 0
    """How much of a request's body the observer wants to see; nothing for a start."""
    tapped = False
    """Whether the observer wants to see the answer's body as it passes, for now."""
    tail: list[bytes] | None = None
    """The last pieces of the answer's body, where the observer wants them: it puts an empty list there."""
    tail_bytes = TAIL_BYTES
    """So many bytes of them are kept at least, as they came, and hardly more than twice as many."""
    tail_full = TAIL_BYTES
    """When so many bytes have gone down, what is in `tail` takes the place of what was there before."""
    before_tail: tuple[bytes, ...] | list[bytes] = ()
    withheld: frozenset[bytes] = frozenset()

    def __init__(self, method: bytes, path: bytes, started: float) -> None:
        self.method = method
        self.path = path
        self.started = started
        self.upstream_lines = b""
        self.change: Change | None = None  # compiled, one on the class is not there at first

    def keep_end(self, tail: list[bytes], piece: bytes) -> None:
        """`piece` has gone down. With enough in the `tail` another begins, and the one before is forgotten."""
        tail.append(piece)
        if self.bytes_down <= self.tail_full:
            return
        most = self.tail_bytes
        if len(tail[-1]) > most:
            tail = [tail[-1][-most:]]
        self.before_tail = tail
        self.tail = []
        self.tail_full = self.bytes_down + most

    def end_of_body(self) -> bytes:
        """What is kept of the answer's end; from now on nothing is."""
        pieces = [*self.before_tail, *(self.tail or ())]
        self.tail = None
        if self.before_tail:
            self.before_tail = ()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Observer(Protocol):
    """Who is told of calls. None of these may raise: a call goes on when it cannot be looked at or remembered."""

    def begin(self, head: RequestHead, way: "Way", client: str, now: float) -> Trace:
        """A call is about to be sent up. `client` is the address that it came from."""

    def looked(self, trace: Trace, body: bytes, *, complete: bool) -> None:
        """The request's body, while the upstream is at work already: all of it, or its first `look_bytes` bytes
        where there are more. Called once, as soon as so much has gone up. It must not be kept."""

    def answered(self, trace: Trace, head: RequestHead, answer: AnswerHead) -> bytes:
        """The head of its answer has come. Gives header lines to add on the way down, each with its line's end."""

    def passed(self, trace: Trace, piece: bytes, *, complete: bool) -> None:
        """A piece of the answer's body, without its framing, has gone down; `complete`: it was the last. Called
        as long as the call is `tapped`. The piece must not be kept for longer than that."""

    def ended(self, trace: Trace) -> None:
        """It is over; the trace says how."""

    def refused(self, head: RequestHead, refusal: Refusal) -> None:
        """A request was not let through."""


Admit = Callable[[RequestHead, bool], Refusal | NoContent | None]
"""Who may speak to us: None, or why not; or an answer that is no refusal. Asked once per request, with whether it
came through a Unix socket; may take out of the head what is for nobody else."""

Say = Callable[[RequestHead, Refusal, bool], bytes]
"""A refusal as the bytes of an answer to that request; and whether the connection ends with it."""

Route = Callable[[RequestHead], "Way"]
"""Where a call goes."""

Clock = Callable[[], float]
"""Seconds, monotonic."""
