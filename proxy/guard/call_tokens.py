"""What a Feedback-Token or a webhook's secret opens, and the words for what they do not. Pure.

Either stands in the place of a token of ours, and opens one thing. A Feedback-Token closes all others, too:
whoever sends one says that nothing else is meant.
"""

import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from proxy.feedback_tokens import FeedbackTokens, Verdict
from proxy.relay.refusals import Refusal

_TOKEN_CHALLENGE: Final = b'WWW-Authenticate: Feedback-Token realm="helicone-feedback-proxy"\r\n'
_SECRET_CHALLENGE: Final = b'WWW-Authenticate: Bearer realm="helicone-feedback-proxy"\r\n'

PAGE_NEEDS_ONE: Final = Refusal(
    401,
    "feedback_token_missing",
    "A page of another origin rates with the Feedback-Token of an answer, which its app's server got with that "
    "answer: send it as the header Feedback-Token (hooks.token is on here).",
    _TOKEN_CHALLENGE,
)
PAGE_MAY_NOT_SEARCH: Final = Refusal(
    403,
    "not_for_pages",
    "A page of another origin may rate what came through here, and not search all calls of the organisation; with "
    "one of guard.tokens it may.",
)
_ELSEWHERE: Final = Refusal(
    403,
    "feedback_token_elsewhere",
    "A Feedback-Token rates one call, with POST /feedback/<id>, or takes that rating back, with DELETE. It opens "
    "nothing else; leave it out if you may do more.",
)
_OFF: Final = Refusal(
    401,
    "feedback_token_invalid",
    "This sidecar makes no Feedback-Tokens, so none is good here: hooks.token is off.",
    _TOKEN_CHALLENGE,
)
_BY_VERDICT: Final[Mapping[Verdict, Refusal]] = MappingProxyType(
    {
        Verdict.INVALID: Refusal(
            401,
            "feedback_token_invalid",
            "That is no Feedback-Token of this sidecar: it has been changed, or was made with another secret "
            "(hooks.secret).",
            _TOKEN_CHALLENGE,
        ),
        Verdict.EXPIRED: Refusal(
            401,
            "feedback_token_expired",
            "That Feedback-Token has expired (hooks.token_seconds); the rating has to come from the app's server "
            "now.",
            _TOKEN_CHALLENGE,
        ),
        Verdict.ANOTHERS: Refusal(
            403, "token_for_another_call", "That Feedback-Token is for another call, and rates only that one."
        ),
    }
)

_WEBHOOK_OFF: Final = Refusal(
    403, "webhook_off", "Nothing is taken here until webhooks.open_webui_secret is set."
)
_SECRET_MISSING: Final = Refusal(
    401,
    "webhook_secret_missing",
    "No secret was sent. Send webhooks.open_webui_secret as `Authorization: Bearer <secret>`; a program that can "
    "only be given an address has it there, as ?secret=.",
    _SECRET_CHALLENGE,
)
_SECRET_WRONG: Final = Refusal(
    401, "webhook_secret_wrong", "That is not the secret in webhooks.open_webui_secret.", _SECRET_CHALLENGE
)


def why_no_rating(
    tokens: FeedbackTokens | None,
    said: bytes,
    found: Callable[[], str | None] | None,
    direct: str | None,
    now: float,
) -> Refusal | None:
    """Why a request may not rate with the Feedback-Token that it says; None if it may.

    `direct`: the request id that its path is; None if it is none. `found` gives the id of the call that goes by
    what the path says, if there is one, and is None where the request would not rate one call. `now` is Unix time.
    """
    if found is None:
        return _ELSEWHERE
    if tokens is None:
        return _OFF
    verdict = tokens.check(said, direct, now)
    # A request id is never asked for as a name: anybody may call a call of their own by it.
    if verdict is Verdict.ANOTHERS:
        verdict = tokens.check(said, found(), now)
    return _BY_VERDICT.get(verdict)


def why_no_webhook(secret: str | None, said: bytes | None) -> Refusal | None:
    """Why a webhook may not rate that says this as its secret; None if it may."""
    if secret is None:
        return _WEBHOOK_OFF
    if said is None:
        return _SECRET_MISSING
    return None if hmac.compare_digest(said, secret.encode()) else _SECRET_WRONG
