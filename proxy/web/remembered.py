"""GET: calls and their ratings."""

from aiohttp import web

from proxy import helicone, ratings
from proxy.calls import LiveCall
from proxy.errors import CallerError, ReadOnly, UnknownCall
from proxy.web.answers import answer, describe_call
from proxy.web.context import CONTEXT

_DEFAULT_LIMIT = 20


def number(request: web.Request, name: str, default: int) -> int:
    """The query's `name` as a whole number from 0. Raises CallerError."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise CallerError(f"{name} has to be a whole number from 0, as in ?{name}={default}.")
    return int(text)


def refuse_unknown_query(request: web.Request, *known: str) -> None:
    """A mistyped name must not rate or show another call than the one that was meant. Raises CallerError."""
    unknown = [name for name in request.query if name not in known]
    if unknown:
        takes = f"it takes {' and '.join(known)}" if known else "it takes none"
        raise CallerError(f"This path does not know all of the query's names; {takes}.")


def last_call(request: web.Request) -> LiveCall:
    """The newest answer, or the `?back=`-th before it. Raises UnknownCall."""
    store = request.app[CONTEXT].store
    back = number(request, "back", 0)
    call = store.last(back)
    if call is not None:
        return call
    if back and store.last() is not None:
        raise UnknownCall(
            f"There are not {back} remembered answers before the newest one. Try a smaller ?back=."
        )
    raise UnknownCall(
        "No answer has come through the sidecar yet. Send a first call, for example: "
        f"curl http://{request.host}/v1/chat/completions -H 'Authorization: Bearer <your key>' "
        "-H 'Content-Type: application/json' "
        """-d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'"""
    )


def named_call(request: web.Request) -> tuple[str, LiveCall | None]:
    """The id in the path, and the call that it names if it is remembered. Raises UnknownCall for what is no id."""
    text = request.match_info["id"]
    request_id = helicone.valid_request_id(text)
    if request_id is None:
        raise UnknownCall(
            "That is no id that a call can have: those are UUIDs of version 1 to 5, as in the header Feedback-Id "
            "of every answer. /feedback/last is the newest answer; GET /feedback lists what is remembered."
        )
    return request_id, request.app[CONTEXT].store.find(request_id)


def refuse_rating_by_get(request: web.Request) -> None:
    """A GET never rates: a link, a prefetch or an image would. Raises ReadOnly."""
    if ratings.has_rating(request.query_string):
        raise ReadOnly("GET only looks; to rate, send a POST: add -X POST to the curl command.")


async def list_calls(request: web.Request) -> web.Response:
    """GET /feedback: the newest calls."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "limit")
    context = request.app[CONTEXT]
    now = context.clock()
    calls = context.store.newest(number(request, "limit", _DEFAULT_LIMIT))
    return answer(
        {
            "remembered": len(context.store),
            "capacity": context.store.capacity,
            "calls": [describe_call(call.snapshot(now)) for call in calls],
        }
    )


async def show_last(request: web.Request) -> web.Response:
    """GET /feedback/last: the newest answer and its rating."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, "back")
    return answer(describe_call(last_call(request).snapshot(request.app[CONTEXT].clock())))


async def show_call(request: web.Request) -> web.Response:
    """GET /feedback/<id>: one call and its rating."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request)
    request_id, call = named_call(request)
    if call is None:
        raise UnknownCall(
            f"No call with the id {request_id} is remembered here. It may be older than what fits into memory, or "
            "have gone another way; it can be rated by POST all the same."
        )
    return answer(describe_call(call.snapshot(request.app[CONTEXT].clock())))
