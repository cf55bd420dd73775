"""Whose key it is, and which ids Helicone takes for ids."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

UUID_V1_TO_V5 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
"""Helicone's rule on both sides: v6, v7, v8 and the nil UUID are no ids."""

KEY_SHAPE = re.compile(r"[sp]k(-helicone)?(-eu)?(-cp)?(-rl)?-\w{7}-\w{7}-\w{7}-\w{7}")


def is_request_id(text: str) -> bool:
    """Whether Helicone takes `text` as the id of a request."""
    return UUID_V1_TO_V5.fullmatch(text) is not None


def without_bearer(value: str) -> str:
    """The key of an authorization value; a bare key is one too."""
    return value.removeprefix("Bearer ").strip()


class WorkerRefusal(Enum):
    """What the worker's own routes say to a key, in Helicone's words."""

    MISSING = "invalid auth key"
    NO_BEARER = "Must included Bearer in API Key"
    MALFORMED = "API Key is not well formed"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Which organisation a key belongs to, and what it may do."""

    organisations: Mapping[str, str] = field(repr=False)
    read_only: frozenset[str] = field(default=frozenset(), repr=False)

    def organisation(self, key: str) -> str | None:
        """The organisation that `key` belongs to, if any."""
        return self.organisations.get(key)

    def may_write(self, key: str) -> bool:
        """Whether `key` has the permission `w`; write-only keys (`pk-`) do."""
        return key in self.organisations and key not in self.read_only

    def of_gateway_call(self, headers: Mapping[str, str]) -> str | None:
        """The organisation under which the gateway logs a call, or `None`: then it is proxied and not logged."""
        for name in ("Helicone-Auth", "Authorization", "x-api-key"):
            value = headers.get(name)
            if value is not None:
                # The first header that is there decides, also when it holds the provider's key.
                return self.organisation(without_bearer(value))
        return None

    def of_worker_route(self, headers: Mapping[str, str]) -> str | WorkerRefusal:
        """The key for a route of the worker's own, or its reason for a 401."""
        value = headers.get("Helicone-Auth") or headers.get("Authorization")
        if value is not None and not value.startswith("Bearer "):
            return WorkerRefusal.NO_BEARER
        value = value or headers.get("x-api-key")
        if value is None:
            return WorkerRefusal.MISSING
        key = without_bearer(value)
        return key if KEY_SHAPE.fullmatch(key) else WorkerRefusal.MALFORMED
