"""What the widget needs on the pages of a chat app that we stand in front of: see `proxy/inject`.

Nobody there has a token of ours; the page is the listener's own, so the guard lets it in and no other. Who is at
the page is known by a header or a cookie of the app's, as the settings say, and they see and rate no calls but
their own. Where nothing is set there is one person, and the newest answer is theirs.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from proxy.calls.attribution import usable
from proxy.config.injecting import Inject
from proxy.errors import Ambiguous, NoAnswer, UnknownCall, UnreadBody
from proxy.inject.observer import PREFIX, SCRIPT
from proxy.web import last, rate, scopes, widget, withdraw
from proxy.web.answers import HEADERS, answer, refusal
from proxy.web.context import CONTEXT, LIMITED_TO, Context
from proxy.web.meant import by_path
from proxy.web.protection import guarded_application
from proxy.web.query import refuse_unknown_query
from proxy.web.remembered import describe_calls, refuse_rating_by_get
from proxy.web.scopes import Held, Scope

_SETTINGS = web.AppKey("inject", Inject)

_SHOWN: Final = (
    *("id", "model", "path", "status", "state", "started_at", "age_seconds", "first_byte_ms", "duration_ms"),
    *("rating", "unratable"),
)
"""Of a call. Who else calls from where is nothing for a page."""
_NOT_YOURS: Final = "No call of yours goes by that id; rate the one that GET last shows."


async def show_last(request: web.Request) -> web.Response:
    """GET last: the newest answer of the person at the page, and its rating; 204 while there is none."""
    refuse_rating_by_get(request)
    refuse_unknown_query(request, *last.NAMES)
    _know_person(request)
    try:
        call = last.last_call(request)
    except NoAnswer:
        return _nothing()
    except (Ambiguous, UnreadBody) as error:
        # What they say of it speaks of other people's calls, too.
        return refusal(error.status, error.code, "Which answer is the last one of this page cannot be said.")
    [described] = await describe_calls(request.app[CONTEXT], [call])
    return answer({name: described[name] for name in _SHOWN if name in described})


async def rate_own(request: web.Request) -> web.Response:
    """POST <id>: rate a call of the person at the page."""
    _check_own(request)
    return await rate.rate_call(request)


async def withdraw_own(request: web.Request) -> web.Response:
    """DELETE <id>: take the rating of a call of theirs back."""
    _check_own(request)
    return await withdraw.withdraw_call(request)


async def tell_nothing(_: web.Request) -> web.Response:
    """GET events: what others do is nothing for this page. At 204 an EventSource gives up, and the widget looks by
    itself."""
    return _nothing()


async def no_such_route(request: web.Request) -> web.Response:
    """Anything else."""
    return refusal(
        HTTPStatus.NOT_FOUND,
        "no_such_route",
        f"Here are GET {SCRIPT}, GET {PREFIX}/last, and POST and DELETE {PREFIX}/<id>; the rest is on the "
        f"sidecar's own port. This was {request.method}.",
    )


def _nothing() -> web.Response:
    """There is nothing to tell. A 404 would stand in the app's console as a complaint."""
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=HEADERS)


def _check_own(request: web.Request) -> None:
    """Raises UnknownCall unless the path names a remembered call of the person at the page."""
    mine = _know_person(request)
    meant = by_path(request)
    if meant.call is None or (mine and Scope(mine, {}).holds(meant.call) is not Held.YES):
        raise UnknownCall(_NOT_YOURS)
    # Another call may go by that name a moment later, and who rates is told of this one alone.
    request[LIMITED_TO] = meant.request_id


def _know_person(request: web.Request) -> Mapping[str, str]:
    """What is the same for all calls of the person at the page; empty where there is one person alone. Raises
    UnknownCall."""
    settings = request.app[_SETTINGS]
    known: dict[str, str] = {}
    for what, header, cookie in (
        ("user", settings.user_header, settings.user_cookie),
        ("session", settings.session_header, settings.session_cookie),
    ):
        if header is None and cookie is None:
            continue
        said = set() if header is None else set(request.headers.getall(header, []))
        if not said and cookie is not None:
            said = _cookies(request, cookie)
        value = said.pop() if len(said) == 1 else ""
        if usable(value) is None:
            places = " or ".join(name for name in (header, cookie) if name is not None)
            raise UnknownCall(
                f"Who is at this page is not known: {places} ([inject]) does not say the {what}. Sign in to the "
                "app, and load the page again."
            )
        known[what] = value
    request[scopes.OF_PERSON] = known
    return known


def _cookies(request: web.Request, wanted: str) -> set[str]:
    """The values of the cookies of that name."""
    found = set()
    for line in request.headers.getall("Cookie", []):
        for pair in line.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == wanted:
                found.add(unquote(value.strip().strip('"')))
    return found


_OWN_CALL: Final = PREFIX + r"/{id:(?!(?:last|widget\.js|events)$)[^/{}]+}"

_ROUTES: Final = (
    ("GET", SCRIPT, widget.show_widget),
    ("GET", f"{PREFIX}/last", show_last),
    ("GET", f"{PREFIX}/events", tell_nothing),
    ("POST", _OWN_CALL, rate_own),
    ("DELETE", _OWN_CALL, withdraw_own),
)


def make_page_application(context: Context, settings: Inject) -> web.Application:
    """The local application of the listener before an app. `context` has a guard that asks nobody for a token."""
    # Nor is one of an answer's wanted: behind a TLS proxy the app's own page is one of `allowed_origins`.
    context = replace(context, feedback_tokens=None)
    application = guarded_application(context, _ROUTES, f"{PREFIX}{{tail:.*}}", no_such_route)
    application[_SETTINGS] = settings
    return application
