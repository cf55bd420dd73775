"""Helicone keys, in memory only, known to the rest of the program by their fingerprints."""

from collections import OrderedDict
from collections.abc import Callable

_CAPACITY = 1_000
"""Of apps' own keys: one sidecar has a handful. The bound is against a caller who makes keys up."""


class Keyring:
    """Gives the key that belongs to a fingerprint, as long as it has been seen in this process."""

    def __init__(self, own: str | None, fingerprint: Callable[[str], str]) -> None:
        self._fingerprint = fingerprint
        self._own = own
        self.own_fingerprint = None if own is None else fingerprint(own)
        """Of the configured key; None when there is none."""
        self._fingerprints: OrderedDict[str, str] = OrderedDict()
        self._keys: dict[str, str] = {}
        self.on_new: Callable[[str], None] = lambda _: None
        """Told the fingerprint of a key that has come up."""

    def __repr__(self) -> str:
        return f"<Keyring {self.own_fingerprint or 'no key of its own'}, {len(self._keys)} seen>"

    def remember(self, key: str) -> str:
        """Keep an app's own key. Gives its fingerprint."""
        known = self._fingerprints.get(key)
        if known is not None:
            self._fingerprints.move_to_end(key)
            return known
        if len(self._fingerprints) >= _CAPACITY:
            _, oldest = self._fingerprints.popitem(last=False)
            del self._keys[oldest]
        self._fingerprints[key] = fingerprint = self._fingerprint(key)
        self._keys[fingerprint] = key
        self.on_new(fingerprint)
        return fingerprint

    def get(self, fingerprint: str | None) -> str | None:
        """The key, or None when it is not known (any more)."""
        if fingerprint is None:
            return None
        return self._own if fingerprint == self.own_fingerprint else self._keys.get(fingerprint)
