"""GET search: calls by how they were rated, all that Helicone has."""

import asyncio
import contextlib
import logging
from functools import partial
from typing import Final

from aiohttp import web

from proxy.errors import SidecarError
from proxy.relay import closing
from proxy.search.finder import Findings
from proxy.web import wanted_calls
from proxy.web.answers import HEADERS, answer, moment
from proxy.web.context import CONTEXT
from proxy.web.exports import FORMATS, Format
from proxy.web.query import limited, number, refuse_unknown_query, word

logger = logging.getLogger(__name__)

_USUAL_LIMIT: Final = 100
_USUAL_SINCE: Final = "7d"
_AT_ONCE_BYTES: Final = 32 * 1024


async def find_calls(request: web.Request) -> web.StreamResponse:
    """GET /feedback/search: the newest calls that are asked for, in one answer or, as an export, all of them."""
    refuse_unknown_query(request, "limit", "format", *wanted_calls.NAMES)
    context = request.app[CONTEXT]
    now = context.wall_clock()
    wanted = wanted_calls.wanted_of(request, now, since=_USUAL_SINCE)
    has_left = partial(wanted_calls.has_left, request)
    form = word(request, "format", "json", ("json", *FORMATS))
    if form != "json":
        most = number(request, "limit", 0) or None
        found = await context.finder.find(wanted, most, has_left=has_left)
        return await _export(request, found, FORMATS[form])
    limit = limited(request, _USUAL_LIMIT)
    # One more, to know whether there are more.
    found = await context.finder.find(wanted, limit + 1, has_left=has_left)
    async with contextlib.aclosing(found.calls) as left:
        calls = [call.as_document() async for call in left]
    return answer(
        {
            "source": found.source,
            **({} if found.why_local is None else {"why_local": found.why_local}),
            "since": moment(wanted.since),
            "until": moment(wanted.until),
            "more": len(calls) > limit,
            "calls": calls[:limit],
        }
    )


async def _export(request: web.Request, found: Findings, form: Format) -> web.StreamResponse:
    """All that is found, as it comes. Where the rest cannot be had, the answer has no end."""
    response = web.StreamResponse(headers={**HEADERS, "Feedback-Source": found.source})
    response.content_type, response.charset = form.content_type, "utf-8"
    if found.why_local is not None:
        response.headers["Feedback-Why-Local"] = found.why_local.encode("ascii", "replace").decode()
    async with contextlib.aclosing(found.calls) as calls:
        if request.method == "HEAD":
            return response
        await response.prepare(request)
        kept = bytearray(form.head)
        try:
            async for call in calls:
                kept += form.line(call)
                if len(kept) >= _AT_ONCE_BYTES:
                    await response.write(bytes(kept))
                    kept.clear()
        except SidecarError as error:
            logger.warning("An export broke off: %s", error.message)
            _break_off(request.transport)
            return response
        await response.write(bytes(kept))
    return response


def _break_off(transport: asyncio.Transport | None) -> None:
    if transport is not None:
        closing.end_with_reset(transport)
        transport.abort()
