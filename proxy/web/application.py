"""Puts the local application together."""

from aiohttp import web

from proxy.web import batch, health, metrics, outbox, rate, remembered, sessions, withdraw
from proxy.web.answers import errors_as_sentences
from proxy.web.context import CONTEXT, Context
from proxy.web.protection import (
    BATCH_PATH,
    LONGEST_BODY_BYTES,
    expect_later,
    guarded,
    one_answer_per_connection,
)

PREFIX = "/feedback"
"""Everything at and below it is ours; all other paths are the gateway's."""

ROUTES = (
    ("GET", PREFIX, remembered.list_calls),
    ("GET", f"{PREFIX}/health", health.show_health),
    ("GET", f"{PREFIX}/metrics", metrics.show_metrics),
    ("GET", f"{PREFIX}/outbox", outbox.list_outbox),
    ("POST", f"{PREFIX}/outbox/retry", outbox.retry),
    ("POST", BATCH_PATH, batch.rate_batch),
    ("GET", f"{PREFIX}/last", remembered.show_last),
    ("POST", f"{PREFIX}/last", rate.rate_last),
    ("DELETE", f"{PREFIX}/last", withdraw.withdraw_last),
    ("GET", f"{PREFIX}/last/session", sessions.show_last_session),
    ("GET", f"{PREFIX}/{{id}}", remembered.show_call),
    ("POST", f"{PREFIX}/{{id}}", rate.rate_call),
    ("DELETE", f"{PREFIX}/{{id}}", withdraw.withdraw_call),
    ("GET", f"{PREFIX}/{{id}}/session", sessions.show_session),
)
"""The whole API. What stands before `{id}` never becomes an id."""


async def no_such_route(request: web.Request) -> web.Response:
    """Any other path, or any other method. Raises what aiohttp would have raised."""
    allowed = {method for method, path, _ in ROUTES if _matches(path, request.path)}
    if allowed:
        raise web.HTTPMethodNotAllowed(
            request.method, sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)
        )
    raise web.HTTPNotFound


def _matches(path: str, asked: str) -> bool:
    start, variable, end = path.partition("{id}")
    if not variable or not asked.startswith(start) or not asked.endswith(end):
        return asked == path
    rest = asked.removeprefix(start).removesuffix(end)
    return bool(rest) and not set("/{}") & set(rest)


def make_application(context: Context) -> web.Application:
    """The local application."""
    application = web.Application(
        middlewares=[errors_as_sentences, guarded], client_max_size=LONGEST_BODY_BYTES
    )
    application[CONTEXT] = context
    for method, path, handler in ROUTES:
        if method == "GET":
            application.router.add_get(path, handler, expect_handler=expect_later)
        else:
            application.router.add_route(method, path, handler, expect_handler=expect_later)
    # Aiohttp answers an unknown path or method itself, and asks for its body first: so all of them are known.
    application.router.add_route("*", f"{PREFIX}{{tail:.*}}", no_such_route, expect_handler=expect_later)
    application.on_response_prepare.append(one_answer_per_connection)
    return application
