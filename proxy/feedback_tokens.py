"""Feedback-Tokens: each lets whoever has it rate one call, until it expires. Pure.

One reads `v1.<expiry, as Unix seconds>.<request id>.<HMAC-SHA256 of all that, in base64url without padding>`.
Nothing is kept of it: whoever has the signing secret can check it. It names its call, or one that was changed and
one for another call could not be told apart.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from enum import Enum
from typing import Final

HEADER: Final = b"feedback-token"

_SHAPE: Final = re.compile(rb"(v1\.(0|[1-9][0-9]{0,11})\.([0-9a-f-]{36}))\.([A-Za-z0-9_-]{43})")
"""No more digits than any clock needs."""


class Verdict(Enum):
    """What a token is worth."""

    GOOD = "good"
    ANOTHERS = "for another call"
    EXPIRED = "expired"
    INVALID = "not made with this secret"


class FeedbackTokens:
    """Makes tokens, and checks them, with the signing secret of this sidecar, or of several that share it."""

    def __init__(self, secret: str, seconds: float) -> None:
        # Hashing the secret takes as long as hashing a token: it is done once.
        self._keyed = hmac.new(secret.encode(), digestmod="sha256")
        self._seconds = seconds

    def __repr__(self) -> str:
        return f"<FeedbackTokens for {self._seconds:g} s>"

    def make(self, request_id: bytes, now: float) -> bytes:
        """A token for that call. `now` is a Unix time."""
        said = b"v1.%d.%b" % (int(now + self._seconds), request_id)
        return said + b"." + self._signature(said)

    def check(self, token: bytes, request_id: str | None, now: float) -> Verdict:
        """What `token` is worth for that call; None: for one that no request id is known of."""
        found = _SHAPE.fullmatch(token)
        if found is None or not hmac.compare_digest(self._signature(found[1]), found[4]):
            return Verdict.INVALID
        if now >= int(found[2]):
            return Verdict.EXPIRED
        return Verdict.GOOD if found[3].decode() == request_id else Verdict.ANOTHERS

    def _signature(self, said: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(said)
        return urlsafe_b64encode(keyed.digest())[:43]


def call_of(token: bytes) -> str:
    """The id of the call that a token is for, which has been found to be good."""
    return token.split(b".")[2].decode("ascii")
