"""Ratings as people read them: which call was meant, and how far the rating has come."""

from collections.abc import Mapping
from types import MappingProxyType

from proxy.delivery.intake import Standing
from proxy.model import Call, Entry, Rating, RatingState, duration_in_words

_SHOWN_OF_A_COMMENT = 40

_SENTENCES: Mapping[RatingState, str] = MappingProxyType(
    {
        RatingState.HELD: "",
        RatingState.QUEUED: "It is queued.",
        RatingState.PAUSED: "It is queued, and waits for its key.",
        RatingState.ACCEPTED: "Helicone accepted it.",
        RatingState.VERIFIED: "Helicone has stored it.",
        RatingState.REFUSED: "It can never arrive.",
        RatingState.SUPERSEDED: "A newer rating of the call has taken its place.",
        RatingState.WITHDRAWN: "It was taken back.",
    }
)


def rating_in_words(entry: Entry, call: Call | None, caller: str | None) -> str:
    """What was rated: `👍 for the answer of gpt-4o, just now.` It says whose that was, if not that of `caller`.

    So nobody rates the newest answer of somebody else without being told. None: that is nothing for whoever rates.
    """
    thumb = entry.rating.thumb
    if call is None:
        return f"{thumb} for {entry.request_id}, which is not remembered here: check the id."
    is_anothers = caller is not None and call.client not in (call.address, caller)
    which = f"{call.client}'s answer" if is_anothers else "the answer"
    return f"{thumb} for {which} of {call.model or call.path}, {age_in_words(call.age_seconds)}."


def state_in_words(standing: Standing, now: float) -> str:
    """How far a rating has come, why no further, and what happens next. `now` is a Unix time."""
    due_at = standing.due_at
    wait = None if due_at is None else max(0.0, due_at - now)
    # What a held one waits for is said below.
    reason = None if standing.state is RatingState.HELD else standing.reason
    parts = (_SENTENCES[standing.state], reason, _next(standing, wait))
    return " ".join(part for part in parts if part)


def _stands(state: RatingState) -> bool:
    return state.is_open or state is RatingState.VERIFIED


def comment_that_stands(standing: Standing, said: Rating) -> str:
    """A sentence on an earlier comment, where `said` has none: beside another thumb it may surprise."""
    comment = standing.entry.rating.comment
    if comment is None or said.comment is not None or not _stands(standing.state):
        return ""
    line = " ".join(comment.split())
    shown = line if len(line) <= _SHOWN_OF_A_COMMENT else f"{line[:_SHOWN_OF_A_COMMENT]}…"
    return f' Its comment "{shown}" stands; say another one to replace it.'


def why_not_taken(standing: Standing, said: Rating) -> str:
    """A sentence, where an automated rating has met a person's."""
    if not said.is_automated or standing.entry.rating.is_automated:
        return ""
    return " That is what a person said: it stands, and no automated rating takes its place."


def _next(standing: Standing, wait: float | None) -> str:
    """What happens next, and when."""
    entry = standing.entry
    taken_back = f"; until then DELETE /feedback/{entry.request_id} takes it back."
    match standing.state:
        case RatingState.HELD if wait is None:
            return f"It is kept until the answer has ended, then it leaves{taken_back}"
        case RatingState.HELD if wait is not None:
            return f"It leaves {_in_words(wait)}{taken_back}"
        case RatingState.QUEUED if standing.is_api_down:
            return "It leaves when the API works again."
        case RatingState.QUEUED if wait is not None:
            what = (
                "The next attempt comes" if entry.progress.posts or entry.progress.failures else "It leaves"
            )
            return f"{what} {_in_words(wait)}."
        case RatingState.PAUSED:
            return "It leaves as soon as that key works."
        case RatingState.ACCEPTED if wait is not None:
            return f"Whether it is stored is looked at {_in_words(wait)}; if it is not, it is sent again."
        case RatingState.REFUSED:
            return "It is kept and shown; helicone-proxy outbox retry sends it again."
        case _:
            return ""


def _in_words(seconds: float) -> str:
    return "at once" if seconds < 1 else f"in {duration_in_words(seconds)}"


def age_in_words(seconds: float) -> str:
    """How long ago."""
    return "just now" if seconds < 1 else f"{duration_in_words(seconds)} ago"
