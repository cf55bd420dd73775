"""Which calls a query asks for where Helicone may be asked, too: since when, how rated, whose."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from aiohttp import web

from proxy import helicone_queries
from proxy.calls.attribution import LONGEST_VALUE
from proxy.errors import CallerError
from proxy.search.wanted import Thumb, Wanted
from proxy.web.query import listed

NAMES: Final = ("since", "until", "rating", "model", "user", "session", "route", "property.<Name>")
"""What a query may ask for, as `refuse_unknown_query` has it."""

_PROPERTY: Final = "property."
SESSION_PROPERTY: Final = f"{_PROPERTY}{helicone_queries.SESSION}".lower()
"""Of a call that was found it is no property, but its session."""
_PLAIN: Final = ("model", "user", "session", "route")
_MOST_DAYS: Final = 366
_DAY_SECONDS: Final = 86_400.0
_SPAN: Final = re.compile(r"([0-9]{1,9})(s|m|h|d|w)", re.ASCII)
_LOST_PLUS: Final = re.compile(r"(T\S+) ([0-9]{2}:?[0-9]{2})", re.ASCII)
"""A zone of which a query's decoding has left no `+`: people type it as it is."""
_UNIT_SECONDS: Final[Mapping[str, float]] = MappingProxyType(
    {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY_SECONDS, "w": 7 * _DAY_SECONDS}
)


def wanted_of(request: web.Request, now: float, *, since: str) -> Wanted:
    """What the query asks of calls; `since`, where it says nothing of that. `now` is Unix time.

    Raises CallerError.
    """
    query = request.query
    begins, until = span_of(request, now, since=since)
    said = {name: value for name, value in query.items() if name in _PLAIN or name.startswith(_PROPERTY)}
    return wanted_with(said, since=begins, until=until, rating=_rating(query.get("rating")))


def span_of(request: web.Request, now: float, *, since: str) -> tuple[float, float | None]:
    """From when on calls are asked for, and until when; `since`, where the query does not say it.

    Raises CallerError.
    """
    query = request.query
    begins = moment_of("since", query.get("since", since), now)
    if begins < now - _MOST_DAYS * _DAY_SECONDS - 1:
        raise CallerError(f"since has to lie within the last {_MOST_DAYS} days, as in ?since={since}.")
    until = moment_of("until", query["until"], now) if "until" in query else None
    if until is not None and until <= begins:
        raise CallerError("until has to be later than since, or no call can be found.")
    return begins, until


def wanted_with(
    said: Mapping[str, str], *, since: float, until: float | None, rating: Thumb | None = None
) -> Wanted:
    """What is asked by name and value: `model`, `user`, `session`, `route`, `property.<Name>`.

    Raises CallerError.
    """
    plain: dict[str, str] = {}
    properties: dict[str, str] = {}
    for name, value in said.items():
        if not 0 < len(value) <= LONGEST_VALUE or not value.isprintable():
            raise CallerError(f"{name} has to be a text of 1 to {LONGEST_VALUE} printable characters.")
        if name in _PLAIN:
            plain[name] = value
        elif name.lower() == SESSION_PROPERTY:
            plain["session"] = value
        elif name.startswith(_PROPERTY) and len(name) > len(_PROPERTY):
            properties[name.removeprefix(_PROPERTY)] = value
        else:
            raise CallerError(f"Calls are asked for by {listed((*_PLAIN, 'property.<Name>'), 'or')}.")
    return Wanted(
        since=since,
        until=until,
        rating=rating,
        model=plain.get("model"),
        user=plain.get("user"),
        session=plain.get("session"),
        route=plain.get("route"),
        properties=properties,
    )


def has_left(request: web.Request) -> bool:
    """Whether nobody is there any more to read an answer."""
    transport = request.transport
    return transport is None or transport.is_closing()


def moment_of(name: str, said: str, now: float) -> float:
    """A moment as people say it: so long ago (`7d`, `36h`, `2w`), or a date, in UTC where it says no zone."""
    span = _SPAN.fullmatch(said)
    if span is not None:
        return max(0.0, now - int(span[1]) * _UNIT_SECONDS[span[2]])
    try:
        found = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", said))
        return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise CallerError(
            f"{name} has to be a time span such as 45m, 36h, 7d or 4w, or a date such as 2026-11-24 or "
            f"2026-11-24T08:00:00Z, as in ?{name}=7d."
        ) from None


def _rating(said: str | None) -> Thumb | None:
    if said is None:
        return None
    try:
        return Thumb(said)
    except ValueError:
        raise CallerError(f"rating has to be {listed(tuple(Thumb), 'or')}, as in ?rating=down.") from None
