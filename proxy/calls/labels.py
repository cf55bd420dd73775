"""What a call's headers say of it: who it is for, what else it is called. Most say nothing, and cost little."""

from collections.abc import Iterable, Mapping

_KNOWN_NAMES = 256
"""An app sends the same few names with every call: what is decided about each is remembered, within a bound."""
_LONGEST_KNOWN_NAME = 100


class Labels:
    """Finds the headers that say something of a call.

    `names` and `prefix` are in lower case: headers so called, and those that begin like that, say something.
    """

    def __init__(self, names: Iterable[bytes], prefix: bytes) -> None:
        self._names = frozenset(name for name in names if name)
        self._prefix = prefix
        self._dull: set[bytes] = set()

    def read(self, fields: Mapping[bytes, bytes]) -> dict[bytes, bytes] | None:
        """The headers of a request that say something, in their order, by lower-case names; None if none does."""
        # One look at them all together: nearly every call ends here.
        if self._dull.issuperset(fields):
            return None
        found: dict[bytes, bytes] = {}
        for name, value in fields.items():
            if name in self._dull:
                continue
            if name in self._names or name.startswith(self._prefix):
                found[name] = value
            elif len(name) <= _LONGEST_KNOWN_NAME:
                if len(self._dull) >= _KNOWN_NAMES:
                    self._dull.clear()
                self._dull.add(name)
        return found or None
