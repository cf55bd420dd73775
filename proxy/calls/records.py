"""A call as it is kept on disk, and back: all that is shown of it and that its rating needs, and nothing else."""

import msgspec

from proxy.calls.live_call import LiveCall
from proxy.calls.route_rules import NO_KEY
from proxy.model import Tokens
from proxy.relay.contract import Ending
from proxy.stores.contract import SavedCall


class UnreadableRecord(Exception):
    """What is on disk is no record of a call."""


class _Document(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What is said of a call. `started_at` is a Unix time; `..._after`: so many seconds later (None: never)."""

    method: str
    path: str
    started_at: float
    sent_after: float | None = None
    answered_after: float | None = None
    passed_on_after: float | None = None
    ended_after: float | None = None
    ending: Ending | None = None
    status: int | None = None
    model: str | None = None
    key_fingerprint: str | None = None
    bytes_up: int = 0
    bytes_down: int = 0
    id_is_known: bool = True
    keyless: str | bool = ""
    """Why it is, as a sentence; earlier versions kept whether it is."""
    counts_as_last: bool = False
    makes_content: bool = False
    passed_raw: bool = False
    streamed: bool = False
    route: str = "default"
    aliases: tuple[str, ...] = ()
    user: str | None = None
    session: str | None = None
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    client: str = ""
    """The address that it came from."""
    caller: str = ""
    user_agent: str | None = None
    body_unread: bool = False
    model_asked: bool = True
    tokens: Tokens | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Document).decode


def saved(call: LiveCall) -> SavedCall:
    """The call as it stands, to be saved."""
    started = call.started
    document = _Document(
        method=call.method.decode("ascii"),
        path=call.path.decode("ascii"),
        started_at=call.started_at,
        sent_after=None if call.sent is None else call.sent - started,
        answered_after=None if call.answered is None else call.answered - started,
        passed_on_after=None if call.passed_on is None else call.passed_on - started,
        ended_after=None if call.ended is None else call.ended - started,
        ending=call.ending,
        status=call.status,
        model=call.model,
        key_fingerprint=call.key_fingerprint,
        bytes_up=call.bytes_up,
        bytes_down=call.bytes_down,
        id_is_known=call.id_is_known,
        keyless=call.keyless,
        counts_as_last=call.counts_as_last,
        makes_content=call.makes_content,
        passed_raw=call.passed_raw,
        streamed=call.streamed,
        route=call.route,
        aliases=call.aliases,
        user=call.user,
        session=call.session,
        properties=dict(call.properties),
        client=call.client,
        caller=call.caller,
        user_agent=call.user_agent,
        body_unread=call.body_unread,
        model_asked=call.model_asked,
        tokens=call.tokens,
    )
    return SavedCall(call.place, call.arrived, call.used, call.request_id, _encode(document).decode())


def remembered(record: SavedCall, *, now: float, wall_now: float) -> LiveCall:
    """The call that was saved. `now` is a reading of the relay's clock, `wall_now` the Unix time.

    Raises UnreadableRecord. One that had not ended was cut, since what relayed it is gone; when, nobody
    knows, so it has no duration.
    """
    try:
        document = _decode(record.document)
        method, path = document.method.encode("ascii"), document.path.encode("ascii")
    # Not the error's own words: they may quote what is there.
    except (msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableRecord(type(error).__name__) from None
    # A wall clock that was set back makes no call later than now.
    started = now - max(0.0, wall_now - document.started_at)
    call = LiveCall(method, path, started)
    call.request_id = record.request_id
    call.place, call.arrived, call.used = record.place, record.arrived, record.used
    call.remembered = True
    call.started_at = document.started_at
    call.sent = _moment(started, document.sent_after)
    call.answered = _moment(started, document.answered_after)
    call.passed_on = _moment(started, document.passed_on_after)
    call.ended = _moment(started, document.ended_after)
    call.ending = document.ending or Ending.CUT
    call.status = document.status
    call.model = document.model
    call.key_fingerprint = document.key_fingerprint
    call.bytes_up, call.bytes_down = document.bytes_up, document.bytes_down
    call.id_is_known = document.id_is_known
    call.keyless = NO_KEY if document.keyless is True else document.keyless or ""
    call.counts_as_last = document.counts_as_last
    call.makes_content = document.makes_content
    call.passed_raw = document.passed_raw
    call.streamed = document.streamed
    call.route = document.route
    # The store counts on each being there once.
    call.aliases = tuple(dict.fromkeys(document.aliases))
    call.user, call.session, call.properties = document.user, document.session, document.properties
    call.client, call.caller, call.user_agent = document.client, document.caller, document.user_agent
    call.body_unread, call.model_asked = document.body_unread, document.model_asked
    call.tokens = document.tokens
    return call


def _moment(started: float, after: float | None) -> float | None:
    return None if after is None else started + after
