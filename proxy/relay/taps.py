"""A bounded look at passing bytes."""

from collections.abc import Callable


class WholeBody:
    """Keeps a body that is at most `limit_bytes` long, and hands it over once, when it is complete.

    It holds references to pieces that pass anyway; a body that turns out longer is let go of at once.
    """

    __slots__ = ("_limit_bytes", "_pieces", "_size", "_use")

    def __init__(self, limit_bytes: int, use: Callable[[bytes], None]) -> None:
        self._limit_bytes = limit_bytes
        self._use = use
        self._pieces: list[bytes] = []
        self._size = 0

    def see(self, piece: bytes) -> None:
        """The next bytes of the body."""
        self._size += len(piece)
        if self._size <= self._limit_bytes:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def end(self) -> None:
        """The body is complete: hand it over if all of it was kept."""
        pieces, self._pieces = self._pieces, []
        if pieces and self._size <= self._limit_bytes:
            self._use(pieces[0] if len(pieces) == 1 else b"".join(pieces))
