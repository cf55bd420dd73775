"""Whom a call is for, as it says itself: in its headers, by its route, in its body."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from proxy import helicone
from proxy.calls import request_bodies
from proxy.calls.route_rules import RouteRules
from proxy.relay.contract import Trace

K = TypeVar("K")
V = TypeVar("V")

LONGEST_VALUE = 200
_MOST_PROPERTIES = 50
_MOST_SHARED = 2048
"""Thousands of calls say the same, and share it. How much is known at a time, so that it can be shared."""
_KEY = re.compile(r"(?<![0-9A-Za-z])[sp]k-\S*")
_NONE: Mapping[str, str] = MappingProxyType({})


def masked(value: str | None) -> str | None:
    """A value as it may be shown: printable, not too long, keys as `***`; None if it is no such value."""
    if not value or len(value) > LONGEST_VALUE or not value.isprintable():
        return None
    return _KEY.sub("***", value) if value.find("k-") >= 0 else value


def usable(value: str | None) -> str | None:
    """A value by which a call may be found: one that can be shown as it is. With a key in it there is none: what
    is left of two of them would be the same."""
    return value if masked(value) == value else None


def decoded(raw: bytes) -> str:
    """A header's value as a text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class Attributed(Trace):
    """A call, with whom it is for."""

    model: str | None = None
    model_asked = True
    """Whether that is the one that was asked for; else the one that has answered."""
    user: str | None = None
    session: str | None = None
    properties: Mapping[str, str] = _NONE
    """Helicone's custom properties; their names are in lower case, as Helicone has them."""
    client = ""
    """The address that it came from."""
    caller = ""
    """The name of the token that it came with."""
    user_agent: str | None = None
    body_unread = False
    """Whether its body, or the end of it, was not read: what is not known of the call may stand there."""


class Attribution:
    """Finds out whom calls are for. `scope_header`, in lower case, is another header that names the session."""

    def __init__(self, scope_header: bytes) -> None:
        self._scope_header = scope_header
        self.headers = (helicone.USER_ID, helicone.SESSION_ID, scope_header)
        """Those that say whom a call is for, besides properties."""
        self._read: dict[bytes, str] = {}
        self._shared: dict[str, str] = {}
        self._sets: dict[tuple[str, tuple[tuple[bytes, bytes], ...]], Mapping[str, str]] = {}

    def value(self, raw: bytes | None) -> str | None:
        """A header's value as it is kept; None if there is none, or none that can be."""
        if not raw:
            return None
        known = self._read.get(raw)
        if known is not None:
            return known
        kept = self.text(decoded(raw))
        # What has a key in it is not kept, not even to know it again.
        if kept is not None:
            _keep(self._read, raw, kept)
        return kept

    def text(self, text: str | None) -> str | None:
        """A text as it is kept; None if it cannot be."""
        if not text:
            return None
        known = self._shared.get(text)
        if known is not None:
            return known
        kept = usable(text)
        if kept is None:
            return None
        _keep(self._shared, kept, kept)
        return kept

    def note_head(self, call: Attributed, said: Mapping[bytes, bytes], rules: RouteRules) -> None:
        """Take what the headers say, and what holds on the call's route where they say nothing."""
        call.user = self.value(said.get(helicone.USER_ID)) or rules.user
        call.session = (
            self.value(said.get(helicone.SESSION_ID))
            or rules.session
            or self.value(said.get(self._scope_header))
        )
        pairs = tuple(
            [(name, value) for name, value in said.items() if name.startswith(helicone.PROPERTY_PREFIX)]
        )
        if pairs or rules.properties:
            call.properties = self._sets.get((rules.route, pairs)) or self._properties(pairs, rules)

    def _properties(self, pairs: tuple[tuple[bytes, bytes], ...], rules: RouteRules) -> Mapping[str, str]:
        """The properties that headers give, over the route's."""
        properties = dict(rules.properties)
        is_plain = len(pairs) <= _MOST_PROPERTIES
        for name, raw in pairs[:_MOST_PROPERTIES]:
            value = self.value(raw)
            short = self.value(name[len(helicone.PROPERTY_PREFIX) :])
            if value is not None and short is not None:
                properties[short] = value
            is_plain = is_plain and raw in self._read and len(name) <= LONGEST_VALUE
        # As above: what has a key in it is not kept, nor what nobody has looked at.
        if is_plain:
            _keep(self._sets, (rules.route, pairs), properties)
        return properties

    def note_body(
        self,
        call: Attributed,
        body: bytes,
        complete: bool,  # noqa: FBT001
        named: Callable[[str, int], Sequence[Attributed]],
    ) -> None:
        """Take what a body, or its beginning, says where nothing else has said it.

        `named` gives the calls with an alias, the newest first, and no more than so many.
        """
        read = request_bodies.said_in if complete else request_bodies.said_at_the_beginning
        said = read(body)
        if said is None or not complete:
            call.body_unread = True
        if said is None:
            return
        model = self.text(said.model) or masked(said.model)
        if model is not None:
            call.model = model
            if not call.model_asked:
                call.model_asked = True
        if said.says_whom():
            self._note_whom(call, said, named)

    def _note_whom(
        self, call: Attributed, said: request_bodies.Said, named: Callable[[str, int], Sequence[Attributed]]
    ) -> None:
        """Take whom a body says that its call is for."""
        if call.user is None:
            user = self.text(said.user)
            # Behind a beginning there may still be a user, who would go before.
            if user is None and not call.body_unread:
                user = self.text(said.safety_identifier)
            call.user = user
        if call.session is None:
            call.session = self.text(said.conversation_id())
        if call.session is None:
            previous = self.text(said.previous_response_id)
            if previous is not None:
                call.session = _joined(previous, named)


def _keep(known: dict[K, V], key: K, value: V) -> None:
    """Have it known, within the bound."""
    if len(known) >= _MOST_SHARED:
        known.clear()
    known[key] = value


def _joined(previous: str, named: Callable[[str, int], Sequence[Attributed]]) -> str:
    """The session of a call that goes on from another answer: that one's; the first of them gives it its name."""
    earlier = named(previous, 1)
    if not earlier:
        return previous
    if earlier[0].session is None:
        earlier[0].session = previous
    return earlier[0].session
