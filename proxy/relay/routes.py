"""Which way up a call takes: the longest prefix wins, by whole raw segments."""

from collections.abc import Sequence

from proxy.relay import targets
from proxy.relay.messages import RequestHead
from proxy.relay.pool import Pool


class Way:
    """One way up: calls at `path` and below it go to the upstream of `pool`, without `path`.

    `path` is empty where it takes all calls that no other way takes. `name` is how the observer knows it.
    """

    def __init__(self, name: str, path: bytes, pool: Pool) -> None:
        self.name = name
        self.path = path
        self.pool = pool
        self.upstream = pool.upstream
        self._cut = len(path)

    def __repr__(self) -> str:
        return f"<Way {self.name}: {self.path.decode('ascii')}/ to {self.upstream}>"

    def target(self, ours: bytes) -> bytes:
        """A target, or a path, as the upstream gets it: its own path stands where ours stood."""
        theirs = self.upstream.prefix + ours[self._cut :]
        return theirs if theirs.startswith(b"/") else b"/" + theirs


class Ways:
    """All ways up. `rest` takes what no other does; `for_websockets` are asked first, by handshakes at exactly
    their path."""

    def __init__(self, rest: Way, others: Sequence[Way] = (), for_websockets: Sequence[Way] = ()) -> None:
        self.rest = rest
        self._for_websockets = {way.path: way for way in for_websockets}
        self._by_first_segment: dict[bytes, list[Way]] = {}
        for way in sorted(others, key=lambda way: len(way.path), reverse=True):
            self._by_first_segment.setdefault(_first_segment(way.path), []).append(way)

    def find(self, head: RequestHead) -> Way:
        """The way that a call takes."""
        path = head.path
        if head.websocket and (way := self._for_websockets.get(path)) is not None:
            return way
        if self._by_first_segment:
            for way in self._by_first_segment.get(_first_segment(path), ()):
                if targets.is_below(path, way.path):
                    return way
        return self.rest


def _first_segment(path: bytes) -> bytes:
    """The beginning of a path, with its first segment: b"/v1" of b"/v1/models"."""
    end = path.find(b"/", 1)
    return path if end < 0 else path[:end]
