"""Which call is meant by what somebody gives as its id: the one place where that is decided."""

from typing import NamedTuple

from aiohttp import web

from proxy import helicone
from proxy.calls.live_call import LiveCall
from proxy.errors import UnknownCall
from proxy.web.context import CONTEXT, LIMITED_TO, Context
from proxy.web.words import age_in_words

_KINDS = (
    "A call goes by its request id (a UUID, as in the header Feedback-Id of every answer), by the id in the "
    "answer's body (chatcmpl-..., resp_..., msg_...), by the answer's x-request-id, by the X-Client-Request-Id "
    "that the app sent, or by a chat UI's message id. GET /feedback lists what is remembered."
)


class Meant(NamedTuple):
    """A call that somebody means: its request id, and itself if it is remembered.

    `others` go by that name, too, and are older; the newest of them first.
    """

    request_id: str
    call: LiveCall | None
    others: list[LiveCall]


def by_name(context: Context, name: str, *, others: int = 0) -> Meant:
    """The call that goes by that name: a remembered one, else whatever Helicone has under it.

    `others`: at most so many that go by it, too, are wanted. Raises UnknownCall for what is no request id
    and no name of a remembered call.
    """
    store = context.store
    request_id = helicone.valid_request_id(name)
    if request_id is not None and (call := store.find(request_id)) is not None:
        return Meant(request_id, call, [])
    # Before its shape is judged: an alias may look like a request id.
    limit = others + 1
    if named := store.named(name, limit) or store.named(name.lower() if request_id else "", limit):
        return Meant(named[0].request_id, named[0], named[1:])
    if request_id is None:
        raise UnknownCall(f"No call goes by that id here. {_KINDS} {_how_far_back(context)}")
    return Meant(request_id, None, [])


def _how_far_back(context: Context) -> str:
    oldest = context.store.oldest()
    if oldest is None:
        return "No call is remembered yet."
    return f"The oldest call that is remembered came {age_in_words(context.clock() - oldest.started)}."


def by_path(request: web.Request, *, others: int = 0) -> Meant:
    """The call that the path names, and at most so many others that go by that. Raises UnknownCall."""
    context, limited_to = request.app[CONTEXT], request.get(LIMITED_TO)
    if limited_to is not None:
        # Not by its name again: another call may go by that since the door was passed.
        return Meant(limited_to, context.store.find(limited_to), [])
    return by_name(context, request.match_info["id"], others=others)
