"""DELETE: take a rating back."""

from aiohttp import web

from proxy.calls.live_call import LiveCall
from proxy.web import last
from proxy.web.answers import answer, describe_standing
from proxy.web.context import CONTEXT, caller_of, may_know_whom
from proxy.web.meant import by_path
from proxy.web.query import refuse_unknown_query
from proxy.web.submissions import describe_rated, seen_call
from proxy.web.words import rating_in_words


async def withdraw_last(request: web.Request) -> web.Response:
    """DELETE /feedback/last: take back the rating of the newest answer."""
    refuse_unknown_query(request, *last.NAMES)
    call = last.last_call(request)
    return await _withdraw(request, call.request_id, call)


async def withdraw_call(request: web.Request) -> web.Response:
    """DELETE /feedback/<id>: take back the rating of one call."""
    refuse_unknown_query(request)
    meant = by_path(request)
    return await _withdraw(request, meant.request_id, meant.call)


async def _withdraw(request: web.Request, request_id: str, meant: LiveCall | None) -> web.Response:
    """Take back what has not left. `stands` is the rating that stands now: an earlier one that has left."""
    context = request.app[CONTEXT]
    entry = await context.delivery.withdraw(request_id)
    current = (await context.delivery.current([request_id])).get(request_id)
    call = seen_call(context, request_id, meant)
    if current is None:
        stands = "No rating of the call is left."
    else:
        stands = f"What stands is {current.rating.thumb}, which had left before."
    return answer(
        {
            "message": f"Taken back: {rating_in_words(entry, call, caller_of(request))} {stands}",
            "rated": describe_rated(request_id, call, with_whom=may_know_whom(request)),
            **describe_standing(context.delivery.standing(entry)),
            "stands": None if current is None else describe_standing(context.delivery.standing(current)),
        }
    )
