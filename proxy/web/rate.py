"""POST: a thumb."""

from typing import Any

from aiohttp import web

from proxy import guard, ratings
from proxy.calls import LiveCall
from proxy.errors import NotRatable
from proxy.model import Call, CallState, Rating, Receipt, duration_in_words
from proxy.relay import headers
from proxy.web.answers import answer, describe_receipt
from proxy.web.context import CONTEXT
from proxy.web.remembered import last_call, named_call, refuse_unknown_query

_TOO_EARLY = (
    "It may have come too early to last: Helicone drops the rating of a call that it does not know yet. Rate "
    "again in half a minute to be sure."
)
_SURELY_INGESTED_SECONDS = 30.0
"""From the end of an answer until Helicone has stored it, on an ordinary day: see helicone.py's `rate`."""


async def rate_last(request: web.Request) -> web.Response:
    """POST /feedback/last: rate the newest answer."""
    refuse_unknown_query(request, "rating", "back")
    up = await _thumb(request)
    call = last_call(request)
    return await _rate(request, call.request_id, call, up=up)


async def rate_call(request: web.Request) -> web.Response:
    """POST /feedback/<id>: rate one call, also one that is not remembered here."""
    refuse_unknown_query(request, "rating")
    up = await _thumb(request)
    request_id, call = named_call(request)
    return await _rate(request, request_id, call, up=up)


async def _thumb(request: web.Request) -> bool:
    return ratings.parse_thumb(
        await request.read(),
        request.query_string,
        content_type=request.headers.get("Content-Type", ""),
        browser=guard.is_browser(headers.index(list(request.raw_headers))),
    )


async def _rate(request: web.Request, request_id: str, call: LiveCall | None, *, up: bool) -> web.Response:
    context = request.app[CONTEXT]
    seen = None if call is None else call.snapshot(context.clock())
    if seen is not None and seen.unratable is not None:
        raise NotRatable(f"This call cannot be rated: {seen.unratable}")
    fingerprint = context.keys.own_fingerprint if seen is None else seen.key_fingerprint

    def accepted(receipt: Receipt) -> None:
        if call is not None:
            call.receipt = receipt

    receipt = await context.delivery.submit(Rating(request_id, up, fingerprint), accepted)
    return answer(
        {
            "message": _sentence(receipt, seen),
            "rated": _describe_rated(request_id, seen),
            **describe_receipt(receipt),
            "helicone": {"status": receipt.upstream_status},
        }
    )


def _describe_rated(request_id: str, call: Call | None) -> dict[str, Any]:
    if call is None:
        return {"id": request_id, "known": False}
    return {
        "id": request_id,
        "known": True,
        "model": call.model,
        "path": call.path,
        "status": call.status,
        "age_seconds": round(call.age_seconds, 1),
    }


def _sentence(receipt: Receipt, call: Call | None) -> str:
    thumb = receipt.rating.thumb
    if call is None:
        return f"{thumb} for {receipt.rating.request_id}, which is not remembered here. Helicone accepted it."
    said = (
        f"{thumb} for the answer of {call.model or call.path}, {age(call.age_seconds)}. Helicone accepted it."
    )
    if call.state is CallState.STREAMING or call.age_seconds < _SURELY_INGESTED_SECONDS:
        said += f" {_TOO_EARLY}"
    return said


def age(seconds: float) -> str:
    """How long ago, in words."""
    return "just now" if seconds < 1 else f"{duration_in_words(seconds)} ago"
