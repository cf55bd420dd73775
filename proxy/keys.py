"""Helicone keys, in memory only, known to the rest of the program by fingerprints."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_CAPACITY = 1_000
"""Of apps' own keys: one sidecar has a handful. The bound is against a caller who makes keys up."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a rating leaves under: a key, and the API that is asked with it."""

    key: str = field(repr=False)
    api_url: str


class Keyring:
    """Gives the credential that belongs to a fingerprint, as long as its key has been seen in this process.

    `fingerprint` makes one of a text. `url_for` says which API is the default one for a key: for that it is the
    key's alone. `api_urls` are those that there are, None being the default one: ratings under the configured key
    leave for each of them.
    """

    def __init__(
        self,
        own: str | None,
        fingerprint: Callable[[str], str],
        url_for: Callable[[str], str],
        api_urls: Iterable[str | None] = (),
    ) -> None:
        self._fingerprint = fingerprint
        self._url_for = url_for
        self._own: dict[str, Credential] = {}
        self._own_at: dict[str | None, str | None] = {}
        for api_url in (None, *api_urls):
            self._own_at[api_url] = None if own is None else self._keep_own(own, api_url)
        self.own_fingerprint = self._own_at[None]
        """Of the configured key at the default API; None when there is no such key."""
        self._fingerprints: OrderedDict[str, str] = OrderedDict()
        self._seen: dict[str, Credential] = {}
        self.on_new: Callable[[str], None] = lambda _: None
        """Told the fingerprint of a credential that has come up."""

    def __repr__(self) -> str:
        return f"<Keyring {self.own_fingerprint or 'no key of its own'}, {len(self._seen)} seen>"

    def _keep_own(self, key: str, api_url: str | None) -> str:
        fingerprint = self._fingerprint(self._both(key, api_url))
        self._own[fingerprint] = Credential(key, api_url or self._url_for(key))
        return fingerprint

    def _both(self, key: str, api_url: str | None) -> str:
        """One text for a key and an API: the key where that is the default one, which may be spelt out. No key
        holds an end of line, so no other pair has the same text."""
        return key if api_url is None or api_url == self._url_for(key) else f"{key}\n{api_url}"

    def own_fingerprint_at(self, api_url: str | None) -> str | None:
        """Of the configured key at that API, one of those given at the start; None: the default one."""
        return self._own_at[api_url]

    def remember(self, key: str, api_url: str | None = None) -> str:
        """Keep an app's own key for that API; None: the default one. Gives the fingerprint."""
        both = key if api_url is None else self._both(key, api_url)
        known = self._fingerprints.get(both)
        if known is not None:
            self._fingerprints.move_to_end(both)
            return known
        if len(self._fingerprints) >= _CAPACITY:
            _, oldest = self._fingerprints.popitem(last=False)
            del self._seen[oldest]
        self._fingerprints[both] = fingerprint = self._fingerprint(both)
        self._seen[fingerprint] = Credential(key, api_url or self._url_for(key))
        self.on_new(fingerprint)
        return fingerprint

    def get(self, fingerprint: str | None) -> Credential | None:
        """The credential, or None when it is not known (any more)."""
        if fingerprint is None:
            return None
        return self._own.get(fingerprint) or self._seen.get(fingerprint)
