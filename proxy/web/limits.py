"""Requests that may do one thing alone: those with a Feedback-Token, and webhooks with their secret."""

from typing import Final

from aiohttp import web

from proxy import feedback_tokens, helicone
from proxy.errors import UnknownCall
from proxy.guard import call_tokens
from proxy.guard.decisions import ANYONE, Entry, is_same_origin
from proxy.guard.tokens import bearer
from proxy.relay.headers import Fields
from proxy.relay.refusals import Refusal
from proxy.web.context import CONTEXT, LIMITED_TO
from proxy.web.meant import by_name
from proxy.web.query import secrets_said

OPEN_WEBUI_PATH: Final = "/feedback/webhooks/open-webui"
SEARCH_PATH: Final = "/feedback/search"
COMPARE_PATH: Final = "/feedback/compare"
_ORGANISATION_PATHS: Final = frozenset({SEARCH_PATH, COMPARE_PATH})
"""What is said there is of calls of the whole organisation, and not only of those that came through here."""
WIDGET_PATH: Final = "/feedback/widget.js"
"""A page of any site may load this, and nothing else: nobody's secret is in it."""

_ONE_CALL: Final = "/feedback/{id}"
_RATING_METHODS: Final = frozenset({"POST", "DELETE"})


def decided(request: web.Request, fields: Fields, entry: Entry | Refusal) -> Entry | Refusal:
    """What the guard has decided, where nothing else stands in a token's place or limits what that opens.

    Host and Origin have been looked at by then, and are not asked again.
    """
    if (entry.status != 401) if isinstance(entry, Refusal) else entry.is_preflight:
        return entry
    path = route_of(request)
    known = ANYONE if isinstance(entry, Refusal) else entry
    if feedback_tokens.HEADER in fields:
        return _with_token(request, path, fields[feedback_tokens.HEADER]) or known
    if path == OPEN_WEBUI_PATH and request.method == "POST":
        secret = request.app[CONTEXT].open_webui_secret
        expected = None if secret is None else secret.text
        return call_tokens.why_no_webhook(expected, _secret(request, fields)) or known
    if isinstance(entry, Entry) and entry.origin and path != WIDGET_PATH:
        context = request.app[CONTEXT]
        if path in _ORGANISATION_PATHS and not entry.token_places and not is_same_origin(fields):
            return call_tokens.PAGE_MAY_NOT_SEARCH
        if context.feedback_tokens is not None and context.guard.tokens is None:
            return call_tokens.PAGE_NEEDS_ONE
    return entry


def route_of(request: web.Request) -> str:
    """Which of the routes it is for."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _with_token(request: web.Request, path: str, said: bytes) -> Refusal | None:
    """Have the request rate the one call that its token is for, or say why it may not."""
    context = request.app[CONTEXT]
    is_rating = path == _ONE_CALL and request.method in _RATING_METHODS
    name = request.match_info["id"] if is_rating else ""

    def find() -> str | None:
        try:
            return by_name(context, name).request_id
        except UnknownCall:
            return None

    why = call_tokens.why_no_rating(
        context.feedback_tokens,
        said,
        find if is_rating else None,
        helicone.valid_request_id(name),
        context.wall_clock(),
    )
    if why is None:
        request[LIMITED_TO] = feedback_tokens.call_of(said)
    return why


def _secret(request: web.Request, fields: Fields) -> bytes | None:
    """What stands where a webhook says its secret."""
    secret = bearer(fields.get(b"authorization", b""))
    if secret is not None:
        return secret or None
    said = secrets_said(request, "secret")
    return said[0] if len(said) == 1 else None
