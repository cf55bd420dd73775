"""What is common to taking one rating and taking many: what a call is rated under, and what the answer says."""

from typing import Any

from aiohttp import web

from proxy import ratings
from proxy.calls.live_call import LiveCall
from proxy.delivery.intake import Standing, Submission
from proxy.errors import NotRatable, OutboxFailed
from proxy.guard.decisions import is_browser
from proxy.model import Call, Entry, Rating
from proxy.relay import headers
from proxy.web.context import Context
from proxy.web.wishes import Wishes

REPLAYED = "Idempotent-Replayed"
"""The header of an answer that tells of an earlier request with the same `Idempotency-Key`."""


async def sent_body(request: web.Request) -> bytes:
    """A request's body. Raises JsonRequired when a browser labels it as anything else."""
    by_browser = is_browser(headers.index(list(request.raw_headers)))
    ratings.require_json(request.headers.get("Content-Type", ""), browser=by_browser)
    return await request.read()


def submission(
    context: Context, request_id: str, call: LiveCall | None, rating: Rating, hold_seconds: float
) -> Submission:
    """A rating as Delivery takes it. Raises NotRatable."""
    if call is None:
        # Helicone has it under some key; ours, on the route that most calls take, is the best guess.
        fingerprint, is_streaming = context.keys.own_fingerprint_at(context.routes[0].api_url), False
    else:
        unratable = call.snapshot(context.clock()).unratable
        if unratable is not None:
            raise NotRatable(f"This call cannot be rated: {unratable}")
        fingerprint, is_streaming = call.key_fingerprint, call.is_streaming
    return Submission(
        request_id=request_id,
        key_fingerprint=fingerprint,
        rating=rating,
        hold_seconds=hold_seconds,
        is_streaming=is_streaming,
    )


async def how_far(context: Context, entry: Entry, wanted: Wishes) -> Standing:
    """Wait for as much as is wanted; gives how the rating stands then."""
    try:
        return await context.delivery.wait(entry, wanted.until, wanted.timeout_seconds)
    except OutboxFailed:
        # It has been taken, so this is no failure: only how far it has come cannot be read.
        return context.delivery.standing(entry)


def seen_call(context: Context, request_id: str, meant: LiveCall | None) -> Call | None:
    """How the call stands that was meant, or that is remembered under that id.

    While somebody waited it may have been forgotten, and another may have come under its id.
    """
    is_meant = meant is not None and meant.request_id == request_id
    call = meant if is_meant else context.store.find(request_id)
    return None if call is None else call.snapshot(context.clock())


def describe_rated(request_id: str, call: Call | None, *, with_whom: bool = True) -> dict[str, Any]:
    """Which call was rated, as JSON. `with_whom`: also whom it was for, and what else it goes by."""
    if call is None:
        return {"id": request_id, "known": False}
    whom = {"aliases": list(call.aliases), "user": call.user, "session": call.session, "client": call.client}
    return {
        "id": request_id,
        "known": True,
        "model": call.model,
        "path": call.path,
        **(whom if with_whom else {}),
        "status": call.status,
        "age_seconds": round(call.age_seconds, 1),
    }
