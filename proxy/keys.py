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

    `fingerprint` makes one of a text. `url_for` says where the API of a key's region is: for that the fingerprint
    is the key's alone. `api_urls` are those that the configured key may go to, None being the default one:
    `default_url`, where that is configured, else the region's.
    """

    def __init__(
        self,
        own: str | None,
        fingerprint: Callable[[str], str],
        url_for: Callable[[str], str],
        api_urls: Iterable[str | None] = (),
        *,
        default_url: str | None = None,
    ) -> None:
        self._fingerprint = fingerprint
        self._url_for = url_for
        self._default_url = default_url
        self._own: dict[str, Credential] = {}
        self._own_at: dict[str | None, str | None] = {}
        for api_url in (None, *api_urls):
            self._own_at[api_url] = None if own is None else self._keep_own(own, api_url)
        if own is not None:
            # Ratings of earlier versions have the key's own fingerprint at any API that was configured.
            self._own.setdefault(fingerprint(own), Credential(own, self._resolved(own, None)))
        self.own_fingerprint = self._own_at[None]
        """Of the configured key at the default API; None when there is no such key."""
        self._fingerprints: OrderedDict[str, str] = OrderedDict()
        self._seen: dict[str, Credential] = {}
        self.on_new: Callable[[str], None] = lambda _: None
        """Told the fingerprint of a credential that has come up."""
        self.on_key: Callable[[str], None] = lambda _: None
        """Told an app's own key that has come up, before anybody else is."""

    def __repr__(self) -> str:
        return f"<Keyring {self.own_fingerprint or 'no key of its own'}, {len(self._seen)} seen>"

    def _keep_own(self, key: str, api_url: str | None) -> str:
        fingerprint = self._fingerprint(self._both(key, api_url))
        self._own[fingerprint] = Credential(key, self._resolved(key, api_url))
        return fingerprint

    def _resolved(self, key: str, api_url: str | None) -> str:
        return api_url or self._default_url or self._url_for(key)

    def _both(self, key: str, api_url: str | None) -> str:
        """One text for a key and an API: the key alone at its region's, spelt out or not. Any other is named:
        a rating may outlive the configuration. No key holds an end of line, so no other pair has the same text."""
        resolved = self._resolved(key, api_url)
        return key if resolved == self._url_for(key) else f"{key}\n{resolved}"

    def own_fingerprint_at(self, api_url: str | None) -> str | None:
        """Of the configured key at that API; None: the default one. None for an API that it may not go to."""
        return self._own_at.get(api_url)

    def remember(self, key: str, api_url: str | None = None) -> str:
        """Keep an app's own key for that API; None: the default one. Gives the fingerprint."""
        both = key if api_url is None and self._default_url is None else self._both(key, api_url)
        known = self._fingerprints.get(both)
        if known is not None:
            self._fingerprints.move_to_end(both)
            return known
        if len(self._fingerprints) >= _CAPACITY:
            _, oldest = self._fingerprints.popitem(last=False)
            del self._seen[oldest]
        self.on_key(key)
        self._fingerprints[both] = fingerprint = self._fingerprint(both)
        self._seen[fingerprint] = Credential(key, self._resolved(key, api_url))
        self.on_new(fingerprint)
        return fingerprint

    def get(self, fingerprint: str | None) -> Credential | None:
        """The credential, or None when it is not known (any more)."""
        if fingerprint is None:
            return None
        return self._own.get(fingerprint) or self._seen.get(fingerprint)
