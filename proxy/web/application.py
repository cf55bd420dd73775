"""Puts the local application together."""

import re

from aiohttp import web

from proxy.config.route_problems import LOCAL_PATH
from proxy.web import (
    batch,
    compare,
    events,
    health,
    limits,
    metrics,
    openapi,
    outbox,
    rate,
    remembered,
    search,
    sessions,
    static,
    webhooks,
    widget,
    withdraw,
)
from proxy.web.context import Context
from proxy.web.protection import BATCH_PATH, guarded_application

PREFIX = LOCAL_PATH
"""Everything at and below it is ours; all other paths are the gateway's."""

ROUTES = (
    ("GET", PREFIX, remembered.list_calls),
    ("GET", limits.COMPARE_PATH, compare.show_comparison),
    ("GET", f"{PREFIX}/events", events.stream_events),
    ("GET", f"{PREFIX}/health", health.show_health),
    ("GET", f"{PREFIX}/metrics", metrics.show_metrics),
    ("GET", f"{PREFIX}/openapi.json", openapi.show_openapi),
    ("GET", f"{PREFIX}/outbox", outbox.list_outbox),
    ("GET", f"{PREFIX}/page/{{name}}", static.serve_asset),
    ("GET", limits.SEARCH_PATH, search.find_calls),
    ("POST", f"{PREFIX}/outbox/retry", outbox.retry),
    ("POST", BATCH_PATH, batch.rate_batch),
    ("POST", limits.OPEN_WEBUI_PATH, webhooks.rate_for_open_webui),
    ("GET", limits.WIDGET_PATH, widget.show_widget),
    ("GET", f"{PREFIX}/last", remembered.show_last),
    ("POST", f"{PREFIX}/last", rate.rate_last),
    ("DELETE", f"{PREFIX}/last", withdraw.withdraw_last),
    ("GET", f"{PREFIX}/last/session", sessions.show_last_session),
    ("GET", f"{PREFIX}/{{id}}", remembered.show_call),
    ("POST", f"{PREFIX}/{{id}}", rate.rate_call),
    ("DELETE", f"{PREFIX}/{{id}}", withdraw.withdraw_call),
    ("GET", f"{PREFIX}/{{id}}/session", sessions.show_session),
)
"""The whole API."""

_ID = "{id}"
_OPEN = frozenset({_ID, "{name}"})
"""What stands for any segment."""

RESERVED = frozenset(
    segment for _, path, _ in ROUTES for segment in path.split("/")[2:] if segment not in ("", *_OPEN)
)
"""What stands where an id may stand, or behind one: none of these is ever an id."""


_ANY_ID = f"{{id:(?!(?:{'|'.join(map(re.escape, sorted(RESERVED)))})(?:/|$))[^/{{}}]+}}"
"""As aiohttp has it: any segment but these."""


async def no_such_route(request: web.Request) -> web.Response:
    """Any other path, or any other method. Raises what aiohttp would have raised."""
    asked = request.path
    allowed = {method for method, path, _ in ROUTES if path == asked} or {
        method for method, path, _ in ROUTES if _is_like(path, asked)
    }
    if allowed:
        raise web.HTTPMethodNotAllowed(
            request.method, sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)
        )
    raise web.HTTPNotFound


def _is_like(path: str, asked: str) -> bool:
    """Whether `asked` is that path, with some id."""
    theirs, ours = path.split("/"), asked.split("/")
    return len(theirs) == len(ours) and all(
        each == wanted
        or (wanted in _OPEN and bool(each) and each not in RESERVED and not set("{}") & set(each))
        for wanted, each in zip(theirs, ours, strict=True)
    )


def make_application(context: Context) -> web.Application:
    """The local application."""
    routes = [(method, path.replace(_ID, _ANY_ID), handler) for method, path, handler in ROUTES]
    return guarded_application(context, routes, f"{PREFIX}{{tail:.*}}", no_such_route)
