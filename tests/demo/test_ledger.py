"""What Helicone keeps and what it drops, without a network."""

from typing import Any

import pytest

from proxy.demo import RATING, Ledger, Loss, Row, ScoreEvent

ID = "0b50d0d5-6a8d-4f9e-8d43-6f4f5f3a2b10"
DAY = 24 * 3600.0


class Clock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ledger_of(clock: Clock, **settings: Any) -> tuple[Ledger, list[ScoreEvent]]:  # noqa: ANN401 - as Ledger has them
    ledger = Ledger(steady=clock, wall=clock, **settings)
    events: list[ScoreEvent] = []
    ledger.listeners.append(events.append)
    return ledger, events


def row(clock: Clock, request_id: str = ID) -> Row:
    return Row(
        request_id=request_id,
        organisation="org-a",
        created_at=clock.now,
        finished_at=clock.now,
        model="m",
        prompt_id="p",
        prompt_version="1",
        referrer="https://example.org",
    )


def rate(ledger: Ledger, value: int, request_id: str = ID, organisation: str = "org-a") -> None:
    ledger.score(organisation, request_id, {RATING: value})


def test_a_rating_of_an_ingested_request_is_stored_and_told(clock: Clock) -> None:
    ledger, events = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    rate(ledger, 1)
    assert ledger.rating_of(ID) is True
    assert [(event.rating, event.stored) for event in events] == [(True, True)]


def test_a_rating_before_the_end_of_the_ingestion_delay_is_lost_for_good(clock: Clock) -> None:
    ledger, events = ledger_of(clock, ingestion_delay_seconds=10.0)
    ledger.log(row(clock))
    clock.now += 9.9
    rate(ledger, 1)
    clock.now += 60.0
    assert ledger.rating_of(ID) is None
    assert [event.loss for event in events] == [Loss.NOT_INGESTED]
    rate(ledger, 1)
    assert ledger.rating_of(ID) is True


def test_a_rating_is_lost_for_an_unknown_id_another_organisation_and_an_id_in_upper_case(
    clock: Clock,
) -> None:
    ledger, events = ledger_of(clock, ingestion_delay_seconds=0.0)
    rate(ledger, 1)
    ledger.log(row(clock))
    rate(ledger, 1, organisation="org-b")
    rate(ledger, 1, request_id=ID.upper())
    assert [event.loss for event in events] == [Loss.UNKNOWN, Loss.OTHER_ORGANISATION, Loss.UPPER_CASE]
    assert ledger.rating_of(ID) is None


def test_a_request_older_than_thirty_days_cannot_be_rated(clock: Clock) -> None:
    ledger, events = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    clock.now += 30 * DAY - 1
    rate(ledger, 1)
    clock.now += 2
    rate(ledger, 0)
    assert [event.loss for event in events] == [None, Loss.TOO_OLD]
    assert ledger.rating_of(ID) is True


def test_the_last_rating_wins(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    rate(ledger, 1)
    rate(ledger, 0)
    assert ledger.rating_of(ID) is False


def test_a_row_logged_under_an_upper_case_id_is_kept_in_lower_case(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock, ID.upper()))
    rate(ledger, 1)
    assert ledger.rating_of(ID) is True


def test_of_two_rows_with_one_id_only_the_newest_is_rated(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    ledger.log(row(clock))
    rate(ledger, 1)
    assert [each.rating for each in ledger.rows] == [None, True]


@pytest.mark.parametrize("by", ["rating", "property"])
def test_rating_a_row_and_putting_a_property_blank_its_prompt_and_referrer(clock: Clock, by: str) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    if by == "rating":
        rate(ledger, 1)
    else:
        assert ledger.put_property("org-a", ID, "comment", "nice")
    found = ledger.find("org-a", ID)
    assert found is not None
    assert (found.prompt_id, found.prompt_version, found.referrer, found.model) == ("", "", "", "m")


def test_a_property_says_whether_the_row_is_there(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=5.0)
    ledger.log(row(clock))
    assert not ledger.put_property("org-a", ID, "comment", "too early")
    clock.now += 5.0
    assert ledger.put_property("org-a", ID, "comment", "nice")
    assert not ledger.put_property("org-b", ID, "comment", "not mine")


def test_other_scores_stay_when_a_rating_comes(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    ledger.score("org-a", ID, {"quality": 4})
    rate(ledger, 1)
    assert ledger.rows[0].scores == {"quality": 4, RATING: 1}


def test_within_a_batch_the_newest_message_of_a_request_drops_the_others(clock: Clock) -> None:
    ledger, events = ledger_of(clock, ingestion_delay_seconds=0.0, scoring_delay_seconds=5.0)
    ledger.log(row(clock))
    ledger.score("org-a", ID, {"quality": 4})
    rate(ledger, 1)
    assert ledger.rating_of(ID) is None
    clock.now += 5.0
    assert ledger.rows[0].scores == {RATING: 1}
    assert [event.loss for event in events] == [Loss.OVERTAKEN, None]


def test_a_self_hosted_helicone_applies_every_rating_once_more_later(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=5.0, replay_seconds=600.0)
    ledger.log(row(clock))
    rate(ledger, 1)
    clock.now += 60.0
    rate(ledger, 0)
    assert ledger.rating_of(ID) is False
    clock.now += 540.0
    assert ledger.rating_of(ID) is True
    clock.now += 60.0
    assert ledger.rating_of(ID) is False


def test_a_row_that_is_ingested_again_loses_its_rating(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0)
    ledger.log(row(clock))
    rate(ledger, 1)
    ledger.relog(ID)
    assert ledger.rating_of(ID) is None


def test_until_clickhouse_merges_them_the_earlier_versions_of_a_row_are_seen_too(clock: Clock) -> None:
    ledger, _ = ledger_of(clock, ingestion_delay_seconds=0.0, unmerged=True)
    ledger.log(row(clock))
    rate(ledger, 1)
    rate(ledger, 0)
    assert ledger.put_property("org-a", ID, "comment", "nice")
    seen = [(each.rating, each.properties) for each in ledger.ingested("org-a")]
    assert seen == [(None, {}), (True, {}), (False, {}), (False, {"comment": "nice"})]
    found = ledger.find("org-a", ID)
    assert found is not None
    assert found.properties == {"comment": "nice"}
