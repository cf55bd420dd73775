"""GET: the calls that share a session with another one, as an agent's many calls do."""

from aiohttp import web

from proxy.calls import LiveCall
from proxy.errors import UnknownCall
from proxy.web import last
from proxy.web.answers import answer
from proxy.web.context import CONTEXT
from proxy.web.query import limited, refuse_unknown_query
from proxy.web.remembered import described, named_call, refuse_rating_by_get

_DEFAULT_LIMIT = 100


async def show_last_session(request: web.Request) -> web.Response:
    """GET /feedback/last/session: the calls of the conversation in which the newest answer came."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit", *last.NAMES)
    return await _show(request, last.last_call(request))


async def show_session(request: web.Request) -> web.Response:
    """GET /feedback/<id>/session: the calls that share the session of that one."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit")
    request_id, call = named_call(request)
    if call is None:
        raise UnknownCall(
            f"No call with the id {request_id} is remembered here, so its session is not known."
        )
    return await _show(request, call)


async def _show(request: web.Request, call: LiveCall) -> web.Response:
    """The calls of that one's session, the newest first; it alone, if it has none."""
    limit = limited(request, _DEFAULT_LIMIT)
    session = call.session
    calls = [call]
    if session is not None:
        calls = request.app[CONTEXT].store.newest(limit, lambda each: each.session == session)
    return answer({"session": session, "calls": await described(request, calls)})
