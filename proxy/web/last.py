"""Which call "last" means."""

from typing import Any

from aiohttp import web

from proxy.errors import Ambiguous, UnknownCall
from proxy.live_call import LiveCall
from proxy.stores.contract import RecentCalls
from proxy.web import scopes
from proxy.web.context import CONTEXT, Context
from proxy.web.query import number, truth
from proxy.web.scopes import Scope
from proxy.web.submissions import describe_rated
from proxy.web.words import age_in_words

NAMES = ("back", "strict", *scopes.NAMES)
"""What a query may say of it."""

ACTIVE_SECONDS = 60.0
_LOOKED_AT_BEFORE = 1000
"""Of the answers that began before that minute, how many are looked at: one may still stream."""
_SHOWN = 20
_IN_WORDS = 3


def last_call(request: web.Request) -> LiveCall:
    """The newest answer that the query means, or the `?back=`-th before it.

    Raises UnknownCall if there is none, UnreadBody if that cannot be said, and Ambiguous where the query (or the
    settings) asks not to guess between conversations.
    """
    context = request.app[CONTEXT]
    back = number(request, "back", 0)
    is_strict = truth(request, "strict", default=context.feedback.strict)
    scope = scopes.scope_of(request)
    call = context.store.last(back, scope)
    if scope is not None:
        scope.refuse_unread()
    if call is None:
        raise UnknownCall(_why_none(request, back, scope))
    if is_strict:
        _refuse_ambiguity(context, scope)
    return call


def _why_none(request: web.Request, back: int, scope: Scope | None) -> str:
    store = request.app[CONTEXT].store
    remembered = len(store)
    if back and store.last(0, scope) is not None:
        which = "" if scope is None else f" with {scope}"
        return f"There are not {back} remembered answers{which} before the newest one. Try a smaller ?back=."
    if scope is not None and remembered:
        return (
            f"No answer with {scope} is among the {remembered} calls that are remembered. GET /feedback shows "
            "whom each was for; each can be rated by its id."
        )
    if remembered:
        return (
            "No answer that could be meant has come through the sidecar yet: a POST that was answered with 2xx "
            "and made content. GET /feedback shows the calls that came, and which cannot be rated."
        )
    return (
        "No answer has come through the sidecar since it was started (with [calls] persist on, those before "
        "that are remembered, too). Send a first call, for example: "
        f"curl http://{request.host}/v1/chat/completions -H 'Authorization: Bearer <your key>' "
        "-H 'Content-Type: application/json' "
        """-d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'"""
    )


def _refuse_ambiguity(context: Context, scope: Scope | None) -> None:
    """Raises Ambiguous when more than one conversation that could be meant is active."""
    now = context.clock()
    newest = _active(context.store, scope, since=now - ACTIVE_SECONDS)
    if scope is not None:
        scope.refuse_unread()
    if len(newest) < 2:
        return
    candidates = [call.snapshot(now) for call in newest[:_SHOWN]]
    named = [
        f"{_conversation_in_words(call)} ({age_in_words(seen.age_seconds)}, {seen.request_id})"
        for call, seen in zip(newest, candidates[:_IN_WORDS], strict=False)
    ]
    if len(newest) > _IN_WORDS:
        named.append(f"{len(newest) - _IN_WORDS} more")
    details: dict[str, Any] = {
        "candidates": [describe_rated(each.request_id, each) for each in candidates],
        "conversations": len(newest),
    }
    raise Ambiguous(
        f"{len(newest)} conversations were active in the last minute: {'; '.join(named)}. Say which one is "
        "meant, as in ?session= or ?user=, or give its id.",
        details,
    )


def _active(store: RecentCalls[LiveCall], scope: Scope | None, *, since: float) -> list[LiveCall]:
    """The newest call of each conversation in which an answer came, or was still coming, since then."""
    found: dict[tuple[str | None, ...], LiveCall] = {}
    left = _LOOKED_AT_BEFORE

    def is_enough(call: LiveCall) -> bool:
        nonlocal left
        if call.answered is None or call.answered < since:
            left -= 1
            if call.ended is not None and call.ended < since:
                return left < 0
        if scope is None or scope(call):
            found.setdefault(_conversation(call), call)
        return left < 0

    store.last(0, is_enough)
    return list(found.values())


def _conversation(call: LiveCall) -> tuple[str | None, ...]:
    """What tells the conversation of a call from others, as well as it is known."""
    if call.session is not None:
        return "session", call.session
    if call.user is not None:
        return "user", call.user
    return "client", call.client, call.user_agent


def _conversation_in_words(call: LiveCall) -> str:
    if call.session is not None:
        return f"session {call.session}"
    if call.user is not None:
        return f"user {call.user}"
    return f"client {call.user_agent or call.client}"
