"""What holds on one way up, besides where it leads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy import helicone


@dataclass(frozen=True, slots=True)
class RouteRules:
    """What calls on one way get on their way up, in places that Helicone reads.

    `route`: the name of the route, as people know it. `key_name`: the header in which Helicone's key goes there,
    and `key_line` its line with our key; None where that may not go, or where there is none. `added`: lines for
    calls that come without such a header. `instead`: lines that go up whatever the app sent. Names are in lower
    case, and lines have their ends. `passes_raw`: whether Helicone hands audio and files on unread there.
    `user`, `session` and `properties` (names in lower case): whom its calls are for where they do not say so.
    """

    route: str = "default"
    key_name: bytes = helicone.AUTH
    key_line: bytes | None = None
    added: tuple[tuple[bytes, bytes], ...] = ()
    instead: tuple[tuple[bytes, bytes], ...] = ()
    passes_raw: bool = True
    user: str | None = None
    session: str | None = None
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
