"""POST: ratings that other programs' webhooks tell of."""

from aiohttp import web

from proxy import open_webui
from proxy.delivery.intake import Until
from proxy.errors import UnknownCall
from proxy.web import wishes
from proxy.web.answers import answer
from proxy.web.context import CONTEXT
from proxy.web.query import refuse_unknown_query
from proxy.web.rate import Found, take
from proxy.web.submissions import sent_body


async def rate_for_open_webui(request: web.Request) -> web.Response:
    """POST /feedback/webhooks/open-webui: rate the call that a message of Open WebUI's came from.

    The secret has been looked at by the door.
    """
    refuse_unknown_query(request, "secret", *wishes.NAMES)
    body = await sent_body(request)
    said = open_webui.parse_feedback(body)
    if isinstance(said, open_webui.KeptOut):
        return answer({"message": said.why})

    def find() -> Found:
        return _call_of(request, said.message_id)

    # Nobody looks at what a webhook is answered, so nothing is waited for.
    return await take(request, said.rating, find, wishes.once_only(request, body), Until.QUEUED)


def _call_of(request: web.Request, message_id: str) -> Found:
    """The call of a message. An id that looks like a request id is none: that would be any app's call."""
    context = request.app[CONTEXT]
    named = context.store.named(message_id, 1)
    if not named:
        header = context.feedback.message_id_header or "feedback.message_id_header"
        raise UnknownCall(
            "No remembered call is known by that message's id. Open WebUI says it with a call where the "
            f'connection has the header {{"{header}": "{{{{MESSAGE_ID}}}}{{{{TASK}}}}"}}; see docs/open-webui.md.'
        )
    return named[0].request_id, named[0]
