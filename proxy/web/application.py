"""Puts the local application together."""

from aiohttp import web

from proxy.web import health, rate, remembered
from proxy.web.answers import errors_as_sentences
from proxy.web.context import CONTEXT, Context
from proxy.web.protection import guarded, one_answer_per_connection

PREFIX = "/feedback"
"""Everything at and below it is ours; all other paths are the gateway's."""

LONGEST_BODY_BYTES = 64 * 1024

ROUTES = (
    web.get(PREFIX, remembered.list_calls),
    web.get(f"{PREFIX}/health", health.show_health),
    web.get(f"{PREFIX}/last", remembered.show_last),
    web.post(f"{PREFIX}/last", rate.rate_last),
    web.get(f"{PREFIX}/{{id}}", remembered.show_call),
    web.post(f"{PREFIX}/{{id}}", rate.rate_call),
)
"""The whole API. What stands before `{id}` never becomes an id."""


def make_application(context: Context) -> web.Application:
    """The local application."""
    application = web.Application(
        middlewares=[errors_as_sentences, guarded], client_max_size=LONGEST_BODY_BYTES
    )
    application[CONTEXT] = context
    application.add_routes(ROUTES)
    application.on_response_prepare.append(one_answer_per_connection)
    return application
