"""GET: calls and their ratings."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from proxy import helicone, ratings
from proxy.calls import LiveCall
from proxy.errors import ReadOnly, UnknownCall
from proxy.model import Entry
from proxy.web import last, scopes
from proxy.web.answers import answer, describe_call, describe_progress, describe_standing
from proxy.web.context import CONTEXT, Context
from proxy.web.query import limited, refuse_unknown_query
from proxy.web.turns import in_turns

NO_ID = (
    "That is no id that a call can have: those are UUIDs of version 1 to 5, as in the header Feedback-Id "
    "of every answer."
)

_DEFAULT_LIMIT = 20


def named_call(request: web.Request) -> tuple[str, LiveCall | None]:
    """The id in the path, and the call that it names if it is remembered. Raises UnknownCall for what is no id."""
    text = request.match_info["id"]
    request_id = helicone.valid_request_id(text)
    if request_id is None:
        raise UnknownCall(
            f"{NO_ID} /feedback/last is the newest answer; GET /feedback lists what is remembered."
        )
    return request_id, request.app[CONTEXT].store.find(request_id)


def refuse_rating_by_get(request: web.Request) -> None:
    """A GET never rates: a link, a prefetch or an image would. Raises ReadOnly."""
    if ratings.has_rating(request.query_string):
        raise ReadOnly("GET only looks; to rate, send a POST: add -X POST to the curl command.")


async def list_calls(request: web.Request) -> web.Response:
    """GET /feedback: the newest calls, all or those that the query means, and their ratings."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit", *scopes.NAMES)
    store = request.app[CONTEXT].store
    scope = scopes.scope_of(request)
    newest = store.newest(limited(request, _DEFAULT_LIMIT), scope)
    return answer(
        {
            "remembered": len(store),
            "capacity": store.capacity,
            # Which of them are meant is not known: they are not listed.
            **({} if scope is None else {"unread": scope.unread_count}),
            "calls": await described(request, newest),
        }
    )


async def described(request: web.Request, found: Iterable[LiveCall]) -> list[dict[str, Any]]:
    """Calls and their ratings as JSON, as they stand now."""
    context = request.app[CONTEXT]
    now = context.clock()
    calls = [call.snapshot(now) async for call in in_turns(found)]
    current = await context.delivery.current([call.request_id for call in calls]) if calls else {}
    return [
        describe_call(call, _describe_rating(context, current.get(call.request_id)))
        async for call in in_turns(calls)
    ]


async def show_last(request: web.Request) -> web.Response:
    """GET /feedback/last: the newest answer, its rating and the ratings before."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, *last.NAMES)
    call = last.last_call(request)
    return await _show(request, call.request_id, call)


async def show_call(request: web.Request) -> web.Response:
    """GET /feedback/<id>: one call, its rating and the ratings before; also of a call that was only rated here."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request)
    return await _show(request, *named_call(request))


async def _show(request: web.Request, request_id: str, call: LiveCall | None) -> web.Response:
    context = request.app[CONTEXT]
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
    return answer({**document, "known": call is not None, "history": history})


def _describe_rating(context: Context, entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return describe_progress(context.delivery.standing(entry), context.wall_clock())


async def describe_history(context: Context, request_id: str) -> list[dict[str, Any]]:
    """All ratings of a call that are kept, as JSON, the newest first."""
    entries = await context.delivery.history(request_id)
    return [{"seq": entry.seq, **describe_standing(context.delivery.standing(entry))} for entry in entries]
