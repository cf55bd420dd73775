"""Which call "last" means."""

from typing import Any

from aiohttp import web

from proxy.calls.live_call import LiveCall
from proxy.errors import Ambiguous, NoAnswer, UnreadBody
from proxy.stores.contract import RecentCalls
from proxy.web import scopes
from proxy.web.context import CONTEXT, Context
from proxy.web.query import number, truth
from proxy.web.scopes import Held, Scope
from proxy.web.submissions import describe_rated
from proxy.web.words import age_in_words

NAMES = ("back", "strict", *scopes.NAMES)
"""What a query may say of it."""

ACTIVE_SECONDS = 60.0
_LOOKED_AT_BEFORE = 1000
"""Of the answers that began before that minute, how many are looked at: one may still stream."""
_SHOWN = 20
_IN_WORDS = 3
_UNREAD = "its body is longer than the 64 KiB that are looked at, or no plain JSON."
_SAY_IT = "or have the app say it in a header (Helicone-User-Id, Helicone-Session-Id)"


def last_call(request: web.Request) -> LiveCall:
    """The newest answer that the query means, or the `?back=`-th before it.

    Raises NoAnswer if there is none, UnreadBody if that cannot be said, and Ambiguous where the query (or the
    settings) asks not to guess between conversations.
    """
    context = request.app[CONTEXT]
    back = number(request, "back", 0)
    is_strict = truth(request, "strict", default=context.feedback.strict)
    scope = scopes.scope_of(request)
    call, newer = _meant(context.store, scope, back)
    if call is None:
        raise NoAnswer(_why_none(request, scope, back, newer))
    if is_strict:
        _refuse_ambiguity(context, scope)
    return call


def _meant(store: RecentCalls[LiveCall], scope: Scope | None, back: int) -> tuple[LiveCall | None, int]:
    """The newest answer that is meant, or the `back`-th before it; and how many that are meant are newer than it.

    Raises UnreadBody.
    """
    newer = 0
    for call in store.answers():
        held = Held.YES if scope is None else scope.holds(call)
        if held is Held.UNKNOWN:
            raise UnreadBody(
                f"Whether {scope} holds of the newer call {call.request_id} is not known: {_UNREAD} Rate "
                f"that one, or the one that you mean, by its id; {_SAY_IT}."
            )
        if held is Held.YES:
            if newer == back:
                return call, newer
            newer += 1
    return None, newer


def _why_none(request: web.Request, scope: Scope | None, back: int, newer: int) -> str:
    remembered = len(request.app[CONTEXT].store)
    if newer:
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
    by_client = "?client=, " if len({seen.client for seen in candidates}) > 1 else ""
    raise Ambiguous(
        f"{len(newest)} conversations were active in the last minute: {'; '.join(named)}. Say which one is "
        f"meant, as in {by_client}?session= or ?user=, or give its id.",
        details,
    )


def _active(store: RecentCalls[LiveCall], scope: Scope | None, *, since: float) -> list[LiveCall]:
    """The newest call of each conversation in which an answer came, or was still coming, since then.

    Raises UnreadBody.
    """
    found: dict[tuple[str | None, ...], LiveCall] = {}
    left = _LOOKED_AT_BEFORE
    for call in store.answers():
        if call.answered is None or call.answered < since:
            left -= 1
            if left < 0:
                break
            # One that was streaming as the sidecar was killed has ended, though nobody knows when.
            if not call.is_streaming and (call.ended is None or call.ended < since):
                continue
        held = Held.YES if scope is None else scope.holds(call)
        if held is Held.UNKNOWN:
            raise UnreadBody(
                "strict does not choose between conversations that were active in the last minute, and whether "
                f"{scope} holds of the call {call.request_id}, which was, is not known: {_UNREAD} Ask with "
                f"?strict=0; rate the one that you mean by its id; {_SAY_IT}."
            )
        if held is Held.YES:
            found.setdefault(_conversation(call), call)
    return list(found.values())


def _conversation(call: LiveCall) -> tuple[str | None, ...]:
    """What tells the conversation of a call from others, as well as it is known."""
    # Whoever has a token of their own shares no conversation with others, whatever the app says.
    if call.session is not None:
        return call.caller, "session", call.session
    if call.user is not None:
        return call.caller, "user", call.user
    return call.caller, "client", call.client, call.user_agent


def _conversation_in_words(call: LiveCall) -> str:
    of_whom = f" of {call.caller}" if call.caller else ""
    if call.session is not None:
        return f"session {call.session}{of_whom}"
    if call.user is not None:
        return f"user {call.user}{of_whom}"
    return f"client {call.user_agent or call.client}{of_whom}"
