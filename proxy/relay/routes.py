"""Which way up a call takes: the longest prefix wins, by whole raw segments."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from proxy.relay import targets
from proxy.relay.messages import RequestHead
from proxy.relay.pool import Pool

_NOTHING: Mapping[str, "Way"] = MappingProxyType({})


class Way:
    """One way up: calls at `path` and below it go to the upstream of `pool`, without `path`.

    `path` is empty where it takes all calls that no other way takes. `name` is how the observer knows it.
    `keeps_host`: the upstream gets the `Host` that the client said, in place of its own.
    """

    def __init__(self, name: str, path: bytes, pool: Pool, *, keeps_host: bool = False) -> None:
        self.name = name
        self.path = path
        self.pool = pool
        self.keeps_host = keeps_host
        self.upstream = pool.upstream
        self._cut = len(path)

    def __repr__(self) -> str:
        return f"<Way {self.name}: {self.path.decode('ascii')}/ to {self.upstream}>"

    def target(self, ours: bytes) -> bytes:
        """A target, or a path, as the upstream gets it: its own path stands where ours stood."""
        theirs = self.upstream.prefix + ours[self._cut :]
        return theirs if theirs.startswith(b"/") else b"/" + theirs

    def ours(self, theirs: bytes) -> bytes:
        """What a client has to ask for to get to that target of the upstream. What lies beside the upstream's own
        path stays on this way, too, rather than go to another gateway with this one's key."""
        prefix = self.upstream.prefix
        is_below = targets.is_below(theirs.partition(b"?")[0], prefix)
        return self.path + (theirs[len(prefix) :] if is_below else theirs)


class Ways:
    """All ways up. `rest` takes what no other does. `for_websockets` has, by the name of a way, the one that its
    handshakes take at exactly the path of that."""

    def __init__(
        self, rest: Way, others: Sequence[Way] = (), for_websockets: Mapping[str, Way] = _NOTHING
    ) -> None:
        self.rest = rest
        self._for_websockets = {(name, way.path): way for name, way in for_websockets.items()}
        self._by_first_segment: dict[bytes, list[Way]] = {}
        for way in sorted(others, key=lambda way: len(way.path), reverse=True):
            self._by_first_segment.setdefault(_first_segment(way.path), []).append(way)

    def find(self, head: RequestHead) -> Way:
        """The way that a call takes."""
        path, found = head.path, self.rest
        if self._by_first_segment:
            for way in self._by_first_segment.get(_first_segment(path), ()):
                if targets.is_below(path, way.path):
                    found = way
                    break
        # A handshake that another route takes is that one's, with its provider's key.
        return self._for_websockets.get((found.name, path), found) if head.websocket else found


def _first_segment(path: bytes) -> bytes:
    """The beginning of a path, with its first segment: b"/v1" of b"/v1/models"."""
    end = path.find(b"/", 1)
    return path if end < 0 else path[:end]
