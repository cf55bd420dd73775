"""What the path of a call says about it."""

import re
from typing import NamedTuple

from proxy import helicone
from proxy.relay.routes import Way

_KEPT_PATHS = 256
_LONGEST_SHOWN_PATH = 512
_CONTENT = (
    b"/chat/completions",
    b"/completions",
    b"/responses",
    b"/messages",
    b"/images/generations",
    b"/images/edits",
    b"/images/variations",
    b"/runs",
    b"/converse",
    b"/converse-stream",
    b"/invoke",
    b"/invoke-with-response-stream",
    b":generateContent",
    b":streamGenerateContent",
    b":rawPredict",
    b":streamRawPredict",
    b"/v2/chat",
    b"/api/chat",
    b"/api/generate",
)
_KEY_SEGMENT = re.compile(rb"/[sp]k-[^/]*")


def makes_content(path: bytes) -> bool:
    """Whether a POST to `path` makes something that a person would rate.

    Not audio, which Helicone does not log; not a message that is put into a thread, which is somebody's question;
    not the run of an evaluation.
    """
    path = path.removesuffix(b"/")
    return (
        path.endswith(_CONTENT)
        and b"audio" not in path
        and not (b"/threads/" in path and path.endswith(b"/messages"))
        and not (b"/evals/" in path and path.endswith(b"/runs"))
    )


def without_keys(path: bytes) -> bytes:
    """`path` as it may be kept and logged: a segment that looks like a key becomes `***`."""
    return _KEY_SEGMENT.sub(b"/***", path) if b"/sk-" in path or b"/pk-" in path else path


def shown_path(path: bytes) -> bytes:
    """`path` without keys, and not longer than is any use to a reader."""
    bare = without_keys(path)
    return bare if len(bare) <= _LONGEST_SHOWN_PATH else bare[:_LONGEST_SHOWN_PATH] + b"..."


class PathFacts(NamedTuple):
    """What the path of a call says about it. `shown`: as it may be kept and logged."""

    shown: bytes
    passed_raw: bool
    makes_content: bool


class PathBook:
    """Knows the facts about the few paths that an app uses, and looks at others anew."""

    def __init__(self) -> None:
        self._known: dict[bytes, PathFacts] = {}

    def look_up(self, path: bytes, way: Way) -> PathFacts:
        """The facts about `path`, which takes that way, as it always does: Helicone's rules are about theirs."""
        facts = self._known.get(path)
        if facts is None:
            shown, theirs = shown_path(path), way.target(path)
            facts = PathFacts(shown, helicone.is_passed_raw(theirs), makes_content(theirs))
            # Nothing with a key in it is kept, nothing long, and never more than a bounded number.
            if shown == path:
                if len(self._known) >= _KEPT_PATHS:
                    self._known.clear()
                self._known[path] = facts
        return facts
