"""Which calls are meant: what a query asks of them."""

from collections.abc import Container, Iterable, Mapping
from enum import Enum, auto

from aiohttp import web

from proxy.calls.attribution import LONGEST_VALUE, masked
from proxy.calls.live_call import LiveCall
from proxy.errors import CallerError, UnknownCall
from proxy.relay import targets
from proxy.web.context import CONTEXT

_PROPERTY = "property."
_PLAIN = ("user", "session", "model", "path", "client")
NAMES = (*_PLAIN, f"{_PROPERTY}<Name>")
"""What a query may ask for, as `refuse_unknown_query` has it."""


OF_PERSON = web.RequestKey("of_person", Mapping[str, str])
"""Under that a request may have what is the same for all calls of whoever asks: no others are meant."""


class Held(Enum):
    """Whether something holds of a call."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()
    """Its body, which was not read, may say what is asked for."""


class Scope:
    """What is asked of a call. Thousands may be asked in a row: it compares what is there and makes nothing."""

    def __init__(
        self, texts: Mapping[str, str], properties: Mapping[str, str], names: Container[str] = ()
    ) -> None:
        """`names` are those of tokens: one that is asked for means who has that token, and nobody else, since a
        `User-Agent` may say anything.
        """
        self._user = texts.get("user")
        self._session = texts.get("session")
        self._model = texts.get("model")
        path = texts.get("path")
        self._path = None if path is None else path.rstrip("/").encode()
        self._client = texts.get("client")
        self._agent = texts.get("client", "").lower()
        self._is_name = self._client in names
        self._properties = tuple(properties.items())
        said = [*texts.items(), *((_PROPERTY + name, value) for name, value in properties.items())]
        self._words = " and ".join(f"{name}={value}" for name, value in said)

    def __str__(self) -> str:
        return self._words

    def holds(self, call: LiveCall) -> Held:
        """Whether it holds of a call, as far as is known."""
        if self._path is not None and not targets.is_below(call.path, self._path):
            return Held.NO
        if self._client is not None and not self._is_from(call):
            return Held.NO
        for name, value in self._properties:
            if call.properties.get(name) != value:
                return Held.NO
        if self._is_said_by(call):
            return Held.YES
        # What is known to be another one settles what is not known.
        return Held.UNKNOWN if call.body_unread and not self._is_another(call) else Held.NO

    def _is_said_by(self, call: LiveCall) -> bool:
        return (
            (self._user is None or call.user == self._user)
            and (self._session is None or call.session == self._session)
            and (self._model is None or call.model == self._model)
        )

    def _is_another(self, call: LiveCall) -> bool:
        return (
            (self._user is not None and call.user not in (None, self._user))
            or (self._session is not None and call.session not in (None, self._session))
            # The model that has answered may have another name than the one that was asked for.
            or (self._model is not None and call.model_asked and call.model not in (None, self._model))
        )

    def _is_from(self, call: LiveCall) -> bool:
        if self._is_name or call.caller == self._client:
            return call.caller == self._client
        agent = call.user_agent
        return call.client == self._client or (agent is not None and agent.lower().startswith(self._agent))


def meant_among(calls: Iterable[LiveCall], scope: Scope, limit: int) -> tuple[list[LiveCall], int]:
    """The first of which it holds, at most `limit`; and of how many before the last of them that is not known."""
    meant: list[LiveCall] = []
    unread = 0
    for call in calls:
        if len(meant) == limit:
            break
        held = scope.holds(call)
        if held is Held.YES:
            meant.append(call)
        elif held is Held.UNKNOWN:
            unread += 1
    return meant, unread


def scope_of(request: web.Request) -> Scope | None:
    """What the query asks of calls, and who asks; None if that is nothing. Raises CallerError."""
    query = request.query
    texts = {name: _asked(name, query[name]) for name in _PLAIN if name in query}
    properties = {
        name.removeprefix(_PROPERTY).lower(): _asked(name, value)
        for name, value in query.items()
        if name.startswith(_PROPERTY)
    }
    for name, value in request.get(OF_PERSON, {}).items():
        if texts.setdefault(name, value) != value:
            raise UnknownCall(f"The {name} that the query names is somebody else.")
    if not texts and not properties:
        return None
    if not texts.get("path", "/").startswith("/"):
        raise CallerError("path has to begin with a slash, as in ?path=/v1/chat/completions.")
    known = request.app[CONTEXT].guard.tokens
    return Scope(texts, properties, () if known is None else known.names)


def _asked(name: str, value: str) -> str:
    shown = masked(value)
    if shown is None:
        raise CallerError(f"{name} has to be a text of 1 to {LONGEST_VALUE} printable characters.")
    if shown != value:
        raise CallerError(
            f"{name} looks like a key (sk-, pk-); those are not kept, so no call is found by one."
        )
    return value
