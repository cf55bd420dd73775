"""Tokens: who says one, where it stands, and sessions of browsers that have said one. Pure."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from proxy.relay.headers import PROVIDER_KEY_NAMES

TOKEN_HEADER: Final = b"feedback-proxy-token"
_PLACES: Final = (TOKEN_HEADER, *PROVIDER_KEY_NAMES)
_BEARER: Final = b"bearer"
_MOST_KNOWN: Final = 256
_LONGEST_SEARCHED: Final = 1024


class Presented(NamedTuple):
    """Whose token was said, and in which headers it, or another one of ours, stands."""

    name: str
    places: tuple[bytes, ...]


class Tokens:
    """The tokens that open the door, by the names of those who have them; "" is nobody's name.

    `secret` is random and of this process. What is said is looked up by its digest under it: nobody outside knows
    two texts whose digests begin alike, so how long a lookup takes says nothing about the tokens, nor how many of
    them there are. Comparing with each in constant time would tell the number, and cost more with each.

    What has proven right, and what has proven harmless, is known again by Python's hash of it, which is keyed per
    process likewise: an app sends the same lines with every call.
    """

    def __init__(self, named: Mapping[str, str], secret: bytes) -> None:
        self._secret = secret
        self._named = {
            self._digest(token): (name, token)
            for name, token in [(name, text.encode("ascii")) for name, text in named.items()]
        }
        self._sessions = {self._digest(self._session(name).encode()): name for name in named}
        self._known: dict[bytes, str] = {}
        self._harmless: set[int] = set()
        self._all = tuple([token for _, token in self._named.values()])
        self.names = frozenset(name for name in named if name)
        """Everybody who has a token of their own."""

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._named)}>"

    def find(self, fields: Mapping[bytes, bytes]) -> Presented | None:
        """Who says a token, and every place where one of ours stands; None if a request says none."""
        who = ""
        places: list[bytes] = []
        for place in _PLACES:
            value = fields.get(place)
            if value is not None:
                name = self._known.get(value)
                if name is None:
                    name = self.name_of(_bare(value))
                    if name is None:
                        continue
                    if len(self._known) >= _MOST_KNOWN:
                        self._known.clear()
                    self._known[value] = name
                if not places:
                    who = name
                places.append(place)
        return Presented(who, tuple(places)) if places else None

    def name_of(self, token: bytes) -> str | None:
        """Whose token that is; None for one that is none."""
        found = self._named.get(self._digest(token))
        return found[0] if found is not None and hmac.compare_digest(found[1], token) else None

    def are_in_any(self, texts: Iterable[bytes]) -> bool:
        """Whether one of them stands in any of these, which may well be the same as the last time."""
        harmless = self._harmless
        # Their hashes, not they themselves: there are keys among them.
        new = [text for text in texts if hash(text) not in harmless]
        if not new:
            return False
        if self.are_in(b"\n".join(new)):
            return True
        if len(harmless) >= _MOST_KNOWN:
            harmless.clear()
        harmless.update(map(hash, new))
        return False

    def are_in(self, text: bytes) -> bool:
        """Whether one of them, whoever's, stands anywhere in `text`, as it is or percent-encoded."""
        texts = (text, unquote_to_bytes(text)) if text.find(b"%") >= 0 else (text,)
        for token in self._all:
            for each in texts:
                if each.find(token) >= 0:
                    return True
        return False

    def may_be_in(self, path: bytes) -> bool:
        """Whether a path that is refused should rather not be shown. A long one is not even searched: whoever has
        no token could have us do that as often as they like."""
        return len(path) > _LONGEST_SEARCHED or self.are_in(path)

    def session_of(self, token: bytes) -> str | None:
        """What a browser that says this token keeps in a cookie while this process runs; None for none of ours.

        It is good for our own pages, and opens no way to a gateway.
        """
        name = self.name_of(token)
        return None if name is None else self._session(name)

    def name_of_session(self, session: str) -> str | None:
        """Whose session that is; None for one that is none."""
        return self._sessions.get(self._digest(session.encode("utf-8", "replace")))

    def _session(self, name: str) -> str:
        # No token's digest begins so: tokens have no spaces.
        return self._digest(b"session of " + name.encode()).hex()

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._secret, digest_size=32).digest()


def is_one_said(fields: Mapping[bytes, bytes]) -> bool:
    """Whether anything stands where a token may stand."""
    return any(_bare(fields.get(place, b"")) for place in _PLACES)


def bearer(value: bytes) -> bytes | None:
    """What stands behind `Bearer`, in any case (RFC 9110 §11.1); None where that word is not said."""
    scheme, space, rest = value.partition(b" ")
    return rest.lstrip(b" \t") if space and scheme.lower() == _BEARER else None


def _bare(value: bytes) -> bytes:
    """A header's value without the word `Bearer`."""
    token = bearer(value)
    return value if token is None else token
