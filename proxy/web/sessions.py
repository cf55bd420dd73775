"""GET: the calls of one session, as an agent makes many for one answer."""

from itertools import islice

from aiohttp import web

from proxy.calls.live_call import LiveCall
from proxy.errors import UnknownCall
from proxy.web import last
from proxy.web.answers import answer
from proxy.web.context import CONTEXT
from proxy.web.meant import by_path
from proxy.web.query import limited, refuse_unknown_query
from proxy.web.remembered import describe_calls, refuse_rating_by_get

_DEFAULT_LIMIT = 100


async def show_last_session(request: web.Request) -> web.Response:
    """GET /feedback/last/session: the calls of the session that the newest answer belongs to, the newest first."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit", *last.NAMES)
    return await _show(request, last.last_call(request))


async def show_session(request: web.Request) -> web.Response:
    """GET /feedback/<id>/session: the calls of the session that one call belongs to."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit")
    meant = by_path(request)
    if meant.call is None:
        raise UnknownCall(
            f"No call with the id {meant.request_id} is remembered here, so nothing is known of its session."
        )
    return await _show(request, meant.call)


async def _show(request: web.Request, call: LiveCall) -> web.Response:
    """The session's calls; without one, the call by itself."""
    context = request.app[CONTEXT]
    limit, session = limited(request, _DEFAULT_LIMIT), call.session
    if session is None:
        return answer({"session": None, "calls": await describe_calls(context, [call])})
    calls = list(islice((each for each in context.store.calls() if each.session == session), limit))
    return answer({"session": session, "calls": await describe_calls(context, calls)})
