"""GET compare: versions of a prompt, models or users side by side, as they are rated."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from aiohttp import web

from proxy.comparing.comparison import compare
from proxy.comparing.variants import By, Kind
from proxy.errors import CallerError
from proxy.search.wanted import Wanted
from proxy.web import wanted_calls
from proxy.web.answers import answer, moment
from proxy.web.context import CONTEXT
from proxy.web.query import refuse_unknown_query
from proxy.web.remembered import refuse_rating_by_get

_PROPERTY: Final = f"{Kind.PROPERTY}."
_PLAIN: Final[Mapping[str, Kind]] = MappingProxyType(
    {str(kind): kind for kind in (Kind.MODEL, Kind.USER, Kind.SESSION, Kind.ROUTE)}
)
_USUAL_SINCE: Final = "30d"
_BY: Final = "by has to be property.<Name>, model, user, session or route, as in ?by=property.Prompt-Version."


async def show_comparison(request: web.Request) -> web.Response:
    """GET /feedback/compare: what versions come to, and which is better."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "by", "where", "since", "until", repeatable=("where",))
    by, where = _by(request.query.get("by", "")), _where(request.query.getall("where", []))
    context = request.app[CONTEXT]
    wanted = _wanted(request, where, context.wall_clock())
    found = await compare(context.finder, by, wanted, has_left=partial(wanted_calls.has_left, request))
    return answer(
        {
            "by": str(by),
            "where": where,
            "since": moment(wanted.since),
            "until": moment(wanted.until),
            **found.as_document(),
        }
    )


def _by(said: str) -> By:
    """What tells versions apart. Raises CallerError."""
    if said.lower() == wanted_calls.SESSION_PROPERTY:
        return By(Kind.SESSION)
    if said.startswith(_PROPERTY) and len(said) > len(_PROPERTY):
        return By(Kind.PROPERTY, said.removeprefix(_PROPERTY))
    if said in _PLAIN:
        return By(_PLAIN[said])
    raise CallerError(_BY)


def _where(said: list[str]) -> dict[str, str]:
    """Which calls are compared, as a query for them has it. Raises CallerError."""
    where: dict[str, str] = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not equals:
            raise CallerError("where has to be NAME=VALUE, as in ?where=property.Experiment=prompt-test-1.")
        if where.setdefault(name, value) != value:
            raise CallerError(f"where says {name} twice, and no call has two of it.")
    return where


def _wanted(request: web.Request, where: Mapping[str, str], now: float) -> Wanted:
    """The same, with when they were. Raises CallerError."""
    since, until = wanted_calls.span_of(request, now, since=_USUAL_SINCE)
    return wanted_calls.wanted_with(where, since=since, until=until)
