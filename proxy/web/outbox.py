"""GET and POST: the ratings that are kept, and those that Helicone refused."""

from typing import Any

from aiohttp import web

from proxy import ratings
from proxy.errors import CallerError
from proxy.model import Entry, RatingState
from proxy.turns import in_turns
from proxy.web.answers import answer, describe_progress
from proxy.web.context import CONTEXT, Context
from proxy.web.meant import by_name
from proxy.web.query import limited, listed, number, refuse_unknown_query, word
from proxy.web.remembered import describe_history
from proxy.web.submissions import sent_body

_DEFAULT_LIMIT = 100
_CURRENT = tuple(
    state for state in RatingState if state not in (RatingState.SUPERSEDED, RatingState.WITHDRAWN)
)
"""The states that a current rating may be in."""


async def list_outbox(request: web.Request) -> web.Response:
    """GET /feedback/outbox: current ratings, the newest first; `?history=true` adds all of each call."""
    refuse_unknown_query(request, "state", "limit", "before", "history")
    context = request.app[CONTEXT]
    limit = limited(request, _DEFAULT_LIMIT)
    before = number(request, "before", 0) if "before" in request.query else None
    with_history = word(request, "history", "false", ("true", "false")) == "true"
    entries = await context.delivery.listing(_states(request), before, limit)
    return answer(
        {
            "ratings": [
                await _describe(context, entry, with_history=with_history)
                async for entry in in_turns(entries)
            ],
            "next_before": entries[-1].seq if len(entries) == limit else None,
        }
    )


async def retry(request: web.Request) -> web.Response:
    """POST /feedback/outbox/retry: send what was refused once more, of one call or of all."""
    refuse_unknown_query(request)
    context = request.app[CONTEXT]
    name = ratings.parse_retry(await sent_body(request))
    request_id = None if name is None else by_name(context, name).request_id
    count = await context.delivery.retry(request_id)
    if count:
        message = f"{count} {'rating is' if count == 1 else 'ratings are'} on the way again."
    else:
        message = "Nothing was refused there, so nothing has to be sent again."
        paused = await request.app[CONTEXT].delivery.paused()
        if paused == 1:
            message += " 1 waits for its key; it leaves by itself then."
        elif paused:
            message += f" {paused} wait for their keys; they leave by themselves then."
    return answer({"message": message, "retried": count})


def _states(request: web.Request) -> list[RatingState]:
    text = request.query.get("state", "")
    names = [name for name in text.split(",") if name]
    if not set(names) <= set(_CURRENT):
        raise CallerError(f"state has to be one or more of {listed(_CURRENT, 'and')}, with commas between.")
    return [RatingState(name) for name in names]


async def _describe(context: Context, entry: Entry, *, with_history: bool) -> dict[str, Any]:
    standing = context.delivery.standing(entry)
    document = {
        "seq": entry.seq,
        "id": entry.request_id,
        **describe_progress(standing, context.wall_clock()),
    }
    if with_history:
        document["history"] = await describe_history(context, entry.request_id)
    return document
