"""POST: a rating."""

from collections.abc import Callable

from aiohttp import web

from proxy import ratings
from proxy.calls.live_call import LiveCall
from proxy.delivery.intake import Standing, Until
from proxy.errors import HeliconeRejected
from proxy.model import Rating, RatingState
from proxy.stores.contract import OnceOnly
from proxy.web import last, wishes
from proxy.web.answers import answer, describe_standing, refusal
from proxy.web.context import CONTEXT, caller_of, may_know_whom
from proxy.web.meant import by_path
from proxy.web.query import refuse_unknown_query
from proxy.web.submissions import REPLAYED, describe_rated, how_far, seen_call, sent_body, submission
from proxy.web.words import comment_that_stands, rating_in_words, state_in_words, why_not_taken

Found = tuple[str, LiveCall | None]
"""An id, and its call if that is remembered."""


async def rate_last(request: web.Request) -> web.Response:
    """POST /feedback/last: rate the newest answer."""
    refuse_unknown_query(request, *ratings.PLAIN_FIELDS, *last.NAMES, *wishes.NAMES)

    def find() -> Found:
        call = last.last_call(request)
        return call.request_id, call

    return await _rate(request, find)


async def rate_call(request: web.Request) -> web.Response:
    """POST /feedback/<id>: rate one call, also one that is not remembered here."""
    refuse_unknown_query(request, *ratings.PLAIN_FIELDS, *wishes.NAMES)
    return await _rate(request, lambda: by_path(request)[:2])


async def _rate(request: web.Request, find: Callable[[], Found]) -> web.Response:
    body = await sent_body(request)
    # The query as it came: decoded once already, a percent sign in a comment would be taken for an escape.
    rating = ratings.parse_rating(body, request.rel_url.raw_query_string, request.host)
    return await take(request, rating, find, wishes.once_only(request, body))


async def take(
    request: web.Request,
    rating: Rating,
    find: Callable[[], Found],
    once: OnceOnly | None,
    default: Until | None = None,
) -> web.Response:
    """Take a rating of what `find` gives, and tell how it stands. `default`: what is waited for if nobody says."""
    context = request.app[CONTEXT]
    wanted = wishes.wishes(request, default)
    # Before anything is looked up: "the last answer" may mean another one by now.
    entries = None if once is None else await context.delivery.recall(once)
    is_replayed = entries is not None
    call = None
    if entries is None:
        request_id, call = find()
        taken = submission(context, request_id, call, rating, wanted.hold_seconds)
        entries = await context.delivery.take([taken], once)
    standing = await how_far(context, entries[0], wanted)
    response = _answer(request, standing, rating, call)
    if is_replayed:
        response.headers[REPLAYED] = "true"
    return response


def _answer(request: web.Request, standing: Standing, rating: Rating, rated: LiveCall | None) -> web.Response:
    context, request_id = request.app[CONTEXT], standing.entry.request_id
    call = seen_call(context, request_id, rated)
    said = rating_in_words(standing.entry, call, caller_of(request))
    said += f" {state_in_words(standing, context.wall_clock())}"
    said += comment_that_stands(standing, rating) + why_not_taken(standing, rating)
    if standing.state is RatingState.REFUSED:
        return refusal(HeliconeRejected.status, HeliconeRejected.code, said)
    arrived = standing.state in (RatingState.ACCEPTED, RatingState.VERIFIED)
    return answer(
        {
            "message": said,
            "rated": describe_rated(request_id, call, with_whom=may_know_whom(request)),
            **describe_standing(standing),
        },
        status=200 if arrived else 202,
    )
