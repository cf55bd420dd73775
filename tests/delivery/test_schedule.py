"""When what is done for a rating: a table of what is next, and whole lives against a Helicone of a few lines."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.delivery import schedule
from proxy.delivery.schedule import Pace
from proxy.helicone_api import Stored
from proxy.model import Entry, Progress, Rating, RatingState

NOW = 1_750_000_000.0
DAY = 24 * 3600.0
PACE = Pace(20.0)
UP = Rating(up=True)
STORED_UP = Stored({"helicone-score-feedback": 1}, {})
STORED_NOTHING = Stored({}, {})
S = RatingState


def progress(state: RatingState = S.ACCEPTED, **fields: object) -> Progress:
    base = Progress(state=state, since=NOW, due_at=NOW, posts=1, accepts=1, posted_at=NOW, accepted_at=NOW)
    return replace(base, **fields)  # type: ignore[arg-type]


def entry(kept: Progress, rating: Rating = UP, *, changes_another: bool = False) -> Entry:
    return Entry(
        seq=1,
        request_id="0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10",
        key_fingerprint="f",
        rating=rating,
        rated_at=NOW,
        changes_another=changes_another,
        progress=kept,
    )


# -- posts


def test_what_is_about_to_leave_is_written_down_as_having_left_and_stays_due() -> None:
    fresh = Progress(state=S.HELD, since=NOW, due_at=NOW)
    assert schedule.leaving(fresh, NOW + 1) == replace(
        fresh, state=S.QUEUED, posts=1, posted_at=NOW + 1, due_at=NOW + 1
    )


@pytest.mark.parametrize(
    ("accepts_before", "look_after"), [(0, 20), (1, 20), (2, 60), (3, 180), (9, 20 * 1080), (400, 20 * 1080)]
)
def test_after_a_yes_it_is_looked_for_later_the_more_often_it_was_posted_in_vain(
    accepts_before: int, look_after: float
) -> None:
    after = schedule.accepted(
        progress(S.QUEUED, accepts=accepts_before, failures=4, reason="x"), PACE, NOW + 5
    )
    assert (after.state, after.accepts, after.failures, after.reason) == (
        S.ACCEPTED,
        accepts_before + 1,
        0,
        None,
    )
    assert after.due_at == NOW + 5 + look_after
    assert after.accepted_at == NOW


def test_the_first_yes_is_when_it_was_accepted() -> None:
    fresh = progress(S.QUEUED, accepts=0, accepted_at=None)
    assert schedule.accepted(fresh, PACE, NOW + 5).accepted_at == NOW + 5


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"), [(0, 1, 2), (1, 1, 4), (4, 1, 32), (8, 1, 300), (10_000, 1, 300)]
)
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999_999])
def test_after_a_failure_it_waits_by_chance_within_a_growing_bound(
    failures: int, shortest: float, longest: float, chance: float
) -> None:
    after = schedule.failed(progress(S.QUEUED, failures=failures), "broke", NOW, chance)
    assert after.due_at == pytest.approx(NOW + shortest + chance * (longest - shortest))
    assert (after.state, after.failures, after.reason) == (S.QUEUED, failures + 1, "broke")


def test_after_30_days_of_failures_it_is_refused_and_the_last_one_is_told() -> None:
    after = schedule.failed(progress(S.QUEUED), "It broke.", NOW + 30 * DAY + 1, 0.5)
    assert (after.state, after.due_at, after.settled_at) == (S.REFUSED, None, NOW + 30 * DAY + 1)
    assert after.reason is not None
    assert after.reason.startswith("Helicone takes ratings for 30 days")
    assert after.reason.endswith("It broke.")


def test_what_certainly_did_not_arrive_was_no_post() -> None:
    before = progress(S.QUEUED, posts=0, accepts=0, accepted_at=None, posted_at=None)
    claimed = schedule.leaving(before, NOW)
    after = schedule.not_left(claimed, NOW, "refused")
    assert (after.posts, after.failures, after.state) == (0, 0, S.QUEUED)


# -- looks


@pytest.mark.parametrize(
    ("looks", "gap"), [(0, 20), (1, 20), (2, 60), (3, 180), (4, 600), (5, 2700), (6, 21_600), (60, 21_600)]
)
def test_a_call_that_helicone_does_not_know_is_looked_for_later_and_later(looks: int, gap: float) -> None:
    after = schedule.looked(entry(progress(looks=looks)), None, PACE, NOW + 100)
    assert (after.state, after.looks, after.due_at) == (S.ACCEPTED, looks + 1, NOW + 100 + gap)
    assert after.posts == 1


def test_looks_come_20_s_40_s_1_2_5_15_and_60_min_after_the_post() -> None:
    now, kept, moments = NOW, schedule.accepted(progress(S.QUEUED, accepts=0), PACE, NOW), []
    for _ in range(9):
        assert kept.due_at is not None
        now = kept.due_at
        moments.append(now - NOW)
        kept = schedule.looked(entry(kept), None, PACE, now)
    assert moments == [20, 40, 60, 120, 300, 900, 3600, 3600 + 21_600, 3600 + 43_200]


def test_a_call_that_is_not_known_after_a_day_was_never_logged() -> None:
    after = schedule.looked(entry(progress()), None, PACE, NOW + DAY + 1)
    assert (after.state, after.due_at) == (S.REFUSED, None)
    assert after.reason == schedule.NEVER_LOGGED


@pytest.mark.parametrize(
    "stored", [STORED_NOTHING, Stored({"helicone-score-feedback": 0}, {}), Stored({"other": 1}, {})]
)
def test_a_known_call_without_our_rating_is_posted_again_two_seconds_after_the_last_post(
    stored: Stored,
) -> None:
    soon = schedule.looked(entry(progress()), stored, PACE, NOW + 0.5)
    later = schedule.looked(entry(progress()), stored, PACE, NOW + 20)
    assert (soon.state, soon.due_at) == (S.QUEUED, NOW + 2)
    assert (later.state, later.due_at) == (S.QUEUED, NOW + 20)
    assert later.accepted_at == NOW


def test_a_known_call_is_tried_for_30_days() -> None:
    after = schedule.looked(entry(progress()), STORED_NOTHING, PACE, NOW + 30 * DAY + 1)
    assert (after.state, after.reason) == (S.REFUSED, schedule.TOO_OLD)


def test_what_is_stored_is_verified_and_nothing_is_left_to_do() -> None:
    after = schedule.looked(entry(progress(failures=2, reason="x")), STORED_UP, PACE, NOW + 20)
    assert (after.state, after.settled_at, after.due_at, after.reason) == (S.VERIFIED, NOW + 20, None, None)


@pytest.mark.parametrize(
    ("changes_another", "posts"),
    [(True, 1), (False, 2)],
    ids=["it changed another", "a post with unknown outcome"],
)
def test_what_may_be_undone_later_is_looked_at_once_more_after_eleven_minutes(
    changes_another: bool, posts: int
) -> None:
    first = schedule.looked(
        entry(progress(posts=posts), changes_another=changes_another), STORED_UP, PACE, NOW + 20
    )
    assert (first.state, first.due_at) == (S.VERIFIED, NOW + 660)
    second = schedule.looked(entry(first, changes_another=changes_another), STORED_UP, PACE, NOW + 660)
    assert (second.state, second.due_at, second.settled_at) == (S.VERIFIED, None, NOW + 20)


def test_what_was_undone_is_posted_again() -> None:
    verified = progress(S.VERIFIED, settled_at=NOW + 20)
    undone = Stored({"helicone-score-feedback": 0}, {})
    after = schedule.looked(entry(verified, changes_another=True), undone, PACE, NOW + 660)
    assert (after.state, after.settled_at, after.due_at) == (S.QUEUED, None, NOW + 660)


# -- words


WORDS = Rating(up=True, comment="too long")


def test_words_are_put_on_when_the_rating_is_stored_and_then_it_is_looked_for_once_more() -> None:
    kept = progress()
    assert schedule.looked(entry(kept, WORDS), STORED_UP, PACE, NOW + 20) == kept
    after = schedule.put_on(entry(kept, WORDS), NOW + 21)
    assert (after.state, after.due_at) == (S.ACCEPTED, NOW + 23)
    all_there = Stored({"helicone-score-feedback": 1}, {"Feedback-Comment": "too long"})
    assert schedule.looked(entry(after, WORDS), all_there, PACE, NOW + 23).state is S.VERIFIED


def test_words_alone_are_not_posted_and_wait_for_the_call() -> None:
    words = entry(Progress(state=S.QUEUED, since=NOW, due_at=NOW), Rating(comment="too long"))
    assert not schedule.wants_post(words)
    waits = schedule.looked(words, None, PACE, NOW)
    assert (waits.state, waits.due_at, waits.posts) == (S.QUEUED, NOW + 20, 0)
    assert schedule.looked(words, STORED_NOTHING, PACE, NOW) == words.progress


def test_words_alone_that_were_held_are_queued_once_they_have_been_looked_for() -> None:
    held = entry(Progress(state=S.HELD, since=NOW, due_at=NOW), Rating(comment="too long"))
    assert schedule.looked(held, None, PACE, NOW).state is S.QUEUED


# -- where nobody may look


def test_without_looks_it_is_posted_again_after_a_minute_and_a_quarter_of_an_hour_and_then_left() -> None:
    now, kept, moments = NOW, progress(S.QUEUED, accepts=0, posts=0), []
    while True:
        kept = schedule.accepted_blindly(schedule.leaving(kept, now), PACE, now)
        moments.append(now - NOW)
        if kept.due_at is None:
            break
        now = kept.due_at
        kept = schedule.unseen(entry(kept), now)
        assert (kept.state, kept.due_at) == (S.QUEUED, now)
    assert moments == [0, 60, 900]
    assert (kept.state, kept.posts) == (S.ACCEPTED, 3)


# -- whole lives


def life(ingested_after: float, scored_after: float = 0.0) -> tuple[Progress, int, float]:
    """One rating, posted at once; Helicone ingests the call then, and applies a post that much later."""
    kept = Progress(state=S.QUEUED, since=NOW, due_at=NOW)
    lands_at: list[float] = []
    while True:
        assert kept.due_at is not None
        now = kept.due_at
        if schedule.wants_post(entry(kept)):
            lands_at.append(now + scored_after)
            kept = schedule.accepted(schedule.leaving(kept, now), PACE, now)
            continue
        is_known = now >= NOW + ingested_after
        is_stored = any(NOW + ingested_after <= moment <= now for moment in lands_at)
        stored = (STORED_UP if is_stored else STORED_NOTHING) if is_known else None
        kept = schedule.looked(entry(kept), stored, PACE, now)
        if kept.state in (S.VERIFIED, S.REFUSED):
            return kept, kept.accepts, now - NOW


@pytest.mark.parametrize(
    ("ingested_after", "posts", "at_most"), [(0, 1, 20), (5, 2, 41), (60, 2, 121), (3600, 2, 3700)]
)
def test_however_late_helicone_knows_the_call_the_rating_arrives_with_few_posts(
    ingested_after: float, posts: int, at_most: float
) -> None:
    kept, accepts, took = life(ingested_after)
    assert kept.state is S.VERIFIED
    assert accepts == posts
    assert took <= at_most


@given(st.floats(0, 20 * 3600), st.floats(0, 3600))
def test_a_rating_of_a_logged_call_always_arrives(ingested_after: float, scored_after: float) -> None:
    kept, accepts, took = life(ingested_after, scored_after)
    assert kept.state is S.VERIFIED
    assert accepts <= 8
    assert took <= ingested_after + 3 * scored_after + 2 * 21_600


def test_a_rating_of_a_call_that_is_never_logged_is_refused_after_a_day() -> None:
    kept, accepts, took = life(float("inf"))
    assert (kept.state, accepts) == (S.REFUSED, 1)
    assert DAY < took <= DAY + 21_600
