"""GET: calls and their ratings."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from aiohttp import web

from proxy import ratings
from proxy.calls.live_call import LiveCall
from proxy.errors import ReadOnly, UnknownCall
from proxy.model import Call, Entry
from proxy.turns import in_turns
from proxy.web import last, scopes, static
from proxy.web.answers import answer, describe_call, describe_progress, describe_standing
from proxy.web.context import CONTEXT, Context
from proxy.web.meant import Meant, by_path
from proxy.web.query import limited, refuse_unknown_query

_DEFAULT_LIMIT = 20
_MOST_OTHERS = 1000


def refuse_rating_by_get(request: web.Request) -> None:
    """A GET never rates: a link, a prefetch or an image would. Raises ReadOnly."""
    if ratings.has_rating(request.rel_url.raw_query_string):
        raise ReadOnly("GET only looks; to rate, send a POST: add -X POST to the curl command.")


async def list_calls(request: web.Request) -> web.Response:
    """GET /feedback: the newest calls, all or those that are meant, and their ratings; to a browser the page."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit", "before", *scopes.NAMES)
    context = request.app[CONTEXT]
    scope = scopes.scope_of(request)
    limit, unread = limited(request, _DEFAULT_LIMIT), 0
    if static.wants_page(request):
        return static.page("page")
    calls = _from(context, request.query.get("before"))
    if scope is None:
        meant = list(islice(calls, limit))
    else:
        meant, unread = scopes.meant_among(calls, scope, limit)
    response = answer(
        {
            "remembered": len(context.store),
            "capacity": context.store.capacity,
            "preview": context.previews_on,
            # Whether those are meant is not known, so they are not listed.
            **({} if scope is None else {"unread": unread}),
            "calls": await describe_calls(context, meant),
        }
    )
    response.headers["Vary"] = "Accept"
    return response


def _from(context: Context, before: str | None) -> Iterator[LiveCall]:
    """All calls, the newest first; with `before` those that came before the one with that request id."""
    calls = context.store.calls()
    # Not by `find`: to be gone past is no use of it.
    if before is not None and not any(call.request_id == before for call in calls):
        raise UnknownCall("The call that before= names is not remembered any more, and nor is what is older.")
    return calls


async def describe_calls(context: Context, calls: Sequence[LiveCall]) -> list[dict[str, Any]]:
    """Calls and their ratings, as JSON."""
    now = context.clock()
    shown = [call.snapshot(now) async for call in in_turns(calls)]
    current = await context.delivery.current([call.request_id for call in shown]) if shown else {}
    return [
        describe_call(call, _describe_rating(context, current.get(call.request_id)))
        async for call in in_turns(shown)
    ]


async def show_last(request: web.Request) -> web.Response:
    """GET /feedback/last: the newest answer, its rating and the ratings before."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, *last.NAMES)
    call = last.last_call(request)
    return await _show(request, Meant(call.request_id, call, []))


async def show_call(request: web.Request) -> web.Response:
    """GET /feedback/<id>: one call, its rating and the ratings before; also of a call that was only rated here."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request)
    return await _show(request, by_path(request, others=_MOST_OTHERS))


async def _show(request: web.Request, meant: Meant) -> web.Response:
    context = request.app[CONTEXT]
    request_id, call = meant.request_id, meant.call
    history = await describe_history(context, request_id)
    if call is None and not history:
        raise UnknownCall(
            f"No call with the id {request_id} is remembered here. It may be older than what fits into memory, or "
            "have gone another way; it can be rated by POST all the same."
        )
    current = (await context.delivery.current([request_id])).get(request_id)
    rating = _describe_rating(context, current)
    if call is None:
        document: dict[str, Any] = {"id": request_id, "rating": rating}
    else:
        document = describe_call(call.snapshot(context.clock()), rating)
    others = [_describe_other(other.snapshot(context.clock())) async for other in in_turns(meant.others)]
    return answer({**document, "known": call is not None, "others": others, "history": history})


def _describe_other(call: Call) -> dict[str, Any]:
    """A call that goes by the same name, in short."""
    described = describe_call(call, None)
    return {name: described[name] for name in ("id", "started_at", "age_seconds", "path", "model", "status")}


def _describe_rating(context: Context, entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return describe_progress(context.delivery.standing(entry), context.wall_clock())


async def describe_history(context: Context, request_id: str) -> list[dict[str, Any]]:
    """All ratings of a call that are kept, as JSON, the newest first."""
    entries = await context.delivery.history(request_id)
    return [{"seq": entry.seq, **describe_standing(context.delivery.standing(entry))} for entry in entries]
