"""The heads of requests and answers, as the parsers leave them."""

from collections.abc import Callable, Sequence

from proxy.relay import headers
from proxy.relay.framing import Framing
from proxy.relay.headers import Fields, Lines
from proxy.relay.refusals import Refusal

HEAD_LIMIT_BYTES = 64 * 1024
HEAD_LIMIT_FIELDS = 256
"""Of a head in either direction: far above what any SDK or gateway sends, far below what hurts."""

_SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})


def head_size(start: bytes, lines: Lines) -> int:
    """How large a head was on the wire: `start` is what varies of its first line (target, or reason)."""
    return len(start) + sum([len(name) + len(value) + 4 for name, value in lines])


class RequestHead:
    """What a client asked for.

    `target`: path and query, raw. `path`: the same without the query. `kept`: the lines that go up, as they are
    written. `fields["host"]` is the host of an absolute-form target where there was one.
    """

    # Defaults stand on the class: few requests differ from them.
    http10 = False
    keep_alive = True
    upgrade = False
    """Whether it asks for another protocol, which one or other."""
    websocket = False
    caller = ""
    """The name under which whoever admits it knows who asks, where there is one."""
    added_lines = b""
    """Header lines, each with its line's end, that whoever admits it has go up with it."""
    is_unsaid: Callable[[bytes], bool] | None = None
    """Says of the names and values of trailer fields behind its body which may not go up."""
    answer_lines = b""
    """Header lines, each with its line's end, that every answer to it gets, whoever gives it."""

    def __init__(  # a head has these parts
        self, method: bytes, target: bytes, path: bytes, kept: list[bytes], fields: Fields, framing: Framing
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.kept = kept
        self.fields = fields
        self.framing = framing

    def is_safe_to_repeat(self) -> bool:
        """Whether nothing comes of sending it once more: its method is safe, and it has no body."""
        return self.method in _SAFE_METHODS and self.framing is Framing.NONE

    def let_go(self) -> None:
        """Keep no more of the fields than what has been made of them."""
        self.kept = []
        self.fields = {}
        self.added_lines = b""


class Request:
    """A request on its way in: its head, and as much of its body as nobody has taken yet.

    One that cannot be served has a `refusal` in its place; one for the local application that came behind
    an open call has `dropped`. Both end the connection when their turn comes.
    """

    # Defaults stand on the class: a call sets what it comes to.
    complete = False
    trailers: Sequence[tuple[bytes, bytes]] = ()
    refusal: Refusal | None = None
    dropped = False

    def __init__(self, head: RequestHead) -> None:
        self.head = head
        self.pieces: list[bytes] = []

    def take(self) -> list[bytes]:
        """The pieces of the body that have come since the last time."""
        pieces, self.pieces = self.pieces, []
        return pieces


class AnswerHead:
    """What the upstream answered. `kept`: the lines that go down, as they are written."""

    def __init__(
        self, status: int, reason: bytes, kept: list[bytes], fields: Fields, framing: Framing
    ) -> None:
        self.status = status
        self.reason = reason
        self.kept = kept
        self.fields = fields
        self.framing = framing

    def forget_body(self) -> None:
        """Say nothing of the body's length: another one goes down."""
        self.kept = headers.without(self.kept, {b"content-length"})
        self.framing = Framing.CHUNKED
