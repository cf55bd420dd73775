"""When what is done for a rating: pure functions from how far it has come to how far it is then.

Helicone's 201 means accepted, not stored: a rating of a call that it has not ingested yet is dropped. So a
rating is posted at once, and then looked for; where the call is there without it, it is posted again.
"""

from dataclasses import dataclass, replace

from proxy.helicone_api import Stored, holds_scores, missing_properties
from proxy.model import Entry, Progress, Rating, RatingState

_LOOKS = (1.0, 1.0, 1.0, 3.0, 9.0, 30.0, 135.0)
"""Gaps between looks for a call that Helicone does not know yet, in times of the first one: with 20 s, looks come
at 20, 40 s, 1, 2, 5, 15, 60 min. From then on every six hours."""
_RARELY = 1080.0
_BLIND = (3.0, 42.0)
"""Where nobody may look: posted once more after a minute, and after a quarter of an hour."""
_REPLAY_SECONDS = 11 * 60.0
"""A self-hosted Helicone applies a rating again after 10 minutes, over the one that changed it (ScoreManager)."""
BETWEEN_POSTS_SECONDS = 2.0
"""`updated_at` has a resolution of a second: of two posts within one, either may stand."""
LONGEST_WAIT_SECONDS = 6 * 3600.0
"""Nothing is put off for longer."""
_NEVER_LOGGED_SECONDS = 24 * 3600.0
_TOO_OLD_SECONDS = 30 * 24 * 3600.0
"""Helicone looks no further back for the call of a rating."""
_LONGEST_BACKOFF_SECONDS = 300.0

NEVER_LOGGED = (
    "Helicone never logged this call: it was not known there a day later. Was it made with a valid key, and is "
    "nothing left out by sampling?"
)
TOO_OLD = "Helicone takes ratings for 30 days, and did not take this one in that time."


@dataclass(frozen=True, slots=True)
class Pace:
    """How eager delivery is. `first_look_seconds`: from a post until the rating is looked for."""

    first_look_seconds: float = 20.0

    @property
    def look_gap_seconds(self) -> float:
        """Looks under one key are this far apart: each is for many ratings."""
        return self.first_look_seconds / 4


def is_posted(rating: Rating) -> bool:
    """Whether there is something to post: a thumb or scores. Words alone are put onto a call that is known."""
    return rating.up is not None or bool(rating.scores)


def wants_post(entry: Entry) -> bool:
    """Whether the next step is a post; if not, it is a look."""
    return entry.progress.state in (RatingState.HELD, RatingState.QUEUED) and is_posted(entry.rating)


def leaving(progress: Progress, now: float) -> Progress:
    """It is about to be sent. That is kept before it happens: after a crash nobody knows whether it arrived."""
    return replace(progress, state=RatingState.QUEUED, posts=progress.posts + 1, posted_at=now, due_at=now)


def not_left(claimed: Progress, due_at: float, reason: str) -> Progress:
    """It was about to be sent and certainly did not arrive (no connection, the key, the limit): no attempt."""
    return replace(claimed, posts=claimed.posts - 1, due_at=due_at, reason=reason)


def failed(progress: Progress, reason: str, now: float, chance: float) -> Progress:
    """An attempt went wrong; `chance` in [0, 1) spreads the next one: a crowd does not come back as one."""
    if now - progress.since > _TOO_OLD_SECONDS:
        return refused(progress, f"{TOO_OLD} The last problem: {reason}", now)
    failures = progress.failures + 1
    longest = min(_LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures, 16))
    wait = 1.0 + chance * (longest - 1.0)
    return replace(progress, failures=failures, due_at=now + wait, reason=reason)


def refused(progress: Progress, reason: str, now: float) -> Progress:
    """It can never arrive."""
    return replace(
        progress, state=RatingState.REFUSED, due_at=None, settled_at=now, reason=reason, failures=0
    )


def accepted(progress: Progress, pace: Pace, now: float) -> Progress:
    """Helicone said 201. It is looked for soon; later and later, the more often it was posted in vain."""
    accepts = progress.accepts + 1
    wait = pace.first_look_seconds * min(3.0 ** max(0, accepts - 2), _RARELY)
    return replace(
        progress,
        state=RatingState.ACCEPTED,
        accepts=accepts,
        accepted_at=progress.accepted_at or now,
        due_at=now + wait,
        failures=0,
        reason=None,
    )


def accepted_blindly(progress: Progress, pace: Pace, now: float) -> Progress:
    """Helicone said 201, and the key may not look: it is posted again twice, and that is all that can be done."""
    after = accepted(progress, pace, now)
    if after.accepts <= len(_BLIND):
        return replace(after, due_at=now + pace.first_look_seconds * _BLIND[after.accepts - 1])
    return replace(after, due_at=None, settled_at=now)


def put_on(entry: Entry, now: float) -> Progress:
    """Words were put onto the call, which wrote the call's row anew: look once more whether all is there."""
    progress = entry.progress
    return replace(
        progress,
        state=RatingState.ACCEPTED,
        accepts=progress.accepts if is_posted(entry.rating) else progress.posts,
        accepted_at=progress.accepted_at or now,
        due_at=now + BETWEEN_POSTS_SECONDS,
        failures=0,
        reason=None,
    )


def looked(entry: Entry, stored: Stored | None, pace: Pace, now: float) -> Progress:
    """Helicone was asked; `stored` is what it has of the call, None when it does not know the call.

    Where only words are missing nothing changes: the caller puts them onto the call, then it is `put_on`.
    """
    progress = entry.progress
    if stored is None:
        return _unknown_call(progress, pace, now)
    if not holds_scores(entry.rating, stored):
        return _post_again(progress, now)
    if missing_properties(entry.rating, stored):
        return progress
    return _verified(entry, now)


def _unknown_call(progress: Progress, pace: Pace, now: float) -> Progress:
    if progress.state is RatingState.VERIFIED:
        return replace(progress, due_at=None)
    if now - max(progress.accepted_at or 0.0, progress.since) > _NEVER_LOGGED_SECONDS:
        return refused(progress, NEVER_LOGGED, now)
    factor = _LOOKS[progress.looks + 1] if progress.looks + 1 < len(_LOOKS) else _RARELY
    state = RatingState.QUEUED if progress.state is RatingState.HELD else progress.state
    return replace(
        progress,
        state=state,
        looks=progress.looks + 1,
        failures=0,
        due_at=now + pace.first_look_seconds * factor,
        reason="Helicone does not know the call yet.",
    )


def _post_again(progress: Progress, now: float) -> Progress:
    if now - progress.since > _TOO_OLD_SECONDS:
        return refused(progress, TOO_OLD, now)
    earliest = now if progress.posted_at is None else progress.posted_at + BETWEEN_POSTS_SECONDS
    return replace(
        progress,
        state=RatingState.QUEUED,
        settled_at=None,
        failures=0,
        due_at=max(now, earliest),
        reason="Helicone knows the call and has not stored the rating; it is sent again.",
    )


def _verified(entry: Entry, now: float) -> Progress:
    progress = entry.progress
    replayed_at = None if progress.posted_at is None else progress.posted_at + _REPLAY_SECONDS
    # A post without a known outcome may be applied late, as one that Helicone itself repeats.
    is_contested = entry.changes_another or progress.posts > progress.accepts
    is_last_look = progress.state is RatingState.VERIFIED
    look_again = is_contested and not is_last_look and replayed_at is not None and replayed_at > now
    return replace(
        progress,
        state=RatingState.VERIFIED,
        accepted_at=progress.accepted_at or now,
        settled_at=progress.settled_at or now,
        due_at=replayed_at if look_again else None,
        failures=0,
        reason=None,
    )


def unseen(entry: Entry, now: float) -> Progress:
    """Nobody may look under this key: an accepted rating is posted once more, words alone are left at that."""
    if entry.progress.state is RatingState.VERIFIED or not is_posted(entry.rating):
        return replace(entry.progress, due_at=None, settled_at=entry.progress.settled_at or now)
    return replace(entry.progress, state=RatingState.QUEUED, due_at=now)
