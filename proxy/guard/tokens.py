"""Tokens: who says one, where it stands, and sessions of browsers that have said one. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

TOKEN_HEADER: Final = b"feedback-proxy-token"
KEY_PLACES: Final = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where SDKs put what they take for the provider's key."""
_PLACES: Final = (TOKEN_HEADER, *KEY_PLACES)
_BEARER: Final = re.compile(rb"Bearer[ \t]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that was said: its name, itself, and the headers in which it, or another one of ours, stands."""

    name: str
    token: bytes
    places: tuple[bytes, ...]


class Tokens:
    """The tokens that open the door, by the names of those who have them; "" is nobody's name.

    `secret` is random and of this process. A said token is looked up by its digest under it, which nobody outside
    can steer, so the time that takes says nothing about the tokens.
    """

    def __init__(self, named: Mapping[str, str], secret: bytes) -> None:
        self._secret = secret
        self._tokens = {name: token.encode("ascii") for name, token in named.items()}
        self._names = {self._digest(token): name for name, token in self._tokens.items()}
        self._sessions = {name: self._digest(b"session of " + name.encode()).hex() for name in named}

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._tokens)}>"

    def find(self, fields: Mapping[bytes, bytes]) -> Presented | None:
        """The token that a request says, and every place where one of ours stands; None if it says none."""
        said = list(self._said(fields))
        if not said:
            return None
        _, name = said[0]
        return Presented(name, self._tokens[name], tuple([place for place, _ in said]))

    def _said(self, fields: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, str]]:
        for place in _PLACES:
            value = fields.get(place)
            if value is not None:
                bearer = _BEARER.match(value)
                name = self.name_of(value if bearer is None else value[bearer.end() :])
                if name is not None:
                    yield place, name

    def name_of(self, token: bytes) -> str | None:
        """Whose token that is; None for one that is none."""
        name = self._names.get(self._digest(token))
        return name if name is not None and hmac.compare_digest(self._tokens[name], token) else None

    def session(self, name: str) -> str:
        """What a browser keeps in a cookie: good for our own pages only, and as long as this process runs."""
        return self._sessions[name]

    def name_of_session(self, session: str) -> str | None:
        """Whose session that is; None for one that is none."""
        known = [
            name
            for name, each in self._sessions.items()
            if hmac.compare_digest(each.encode(), session.encode("utf-8", "replace"))
        ]
        return known[0] if known else None

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self._secret, text, hashlib.sha256)
