"""The states of changes while they are sent: what is told of them, and what an undo looks at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calibre_plugins.bookfusionbacksync.base.errors import QuotaSpent, ServerTrouble
from calibre_plugins.bookfusionbacksync.jobs.send_ratings import (
    ALL_DONE,
    ALL_FAILED,
    ALL_UNSENT,
    ON_HARDCOVER,
    SETTLED,
    RatingSender,
    State,
)
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Account,
    Action,
    RatingChange,
    RatingPlan,
    RatingsOutcome,
)
from harness.hardcover import Service, hardcover_service
from standins.faults import CloseWithoutAnswer, Status
from standins.hardcover import generate_catalogue

ACCOUNT = Account(7, 'reader', 1)
TIMED_OUT = Status(408, body={'error': 'Request timeout'})


@pytest.fixture
def service() -> Iterator[Service]:
    with hardcover_service(generate_catalogue(5)) as made:
        yield made
        assert made.server.violations == []


def sent(service: Service) -> tuple[RatingsOutcome, list[RatingChange], list[RatingChange]]:
    """The outcome of sending five ratings; then what an undo would look at, and where it would have nothing to do."""
    changes = [
        RatingChange(number, f'Book {number}', Action.UPDATE, row.book_id, row.id, 4.0)
        for number, row in enumerate(service.catalogue.shelf, 1)
    ]
    with service.client() as hardcover:
        sender = RatingSender(hardcover, ACCOUNT, service.reporter, service.cancel, changes)
        sender.run()
        outcome = sender.outcome(RatingPlan())
    failed = [result.change for result in outcome.failed]
    told = [*outcome.updated, *outcome.added, *failed, *outcome.unsent, *outcome.skipped]
    assert len(told) + outcome.unchanged == len(changes)
    return outcome, sender.changes(ON_HARDCOVER), sender.changes(SETTLED)


def numbers(changes: list[RatingChange] | tuple[RatingChange, ...]) -> list[int]:
    return [change.book_id for change in changes]


def test_every_state_is_told_once() -> None:
    told = [*ALL_DONE, *ALL_FAILED, *ALL_UNSENT, State.THERE, State.LEFT]
    assert len(told) == len(State)
    assert set(told) == set(State)


def test_what_was_done_is_on_record(service: Service) -> None:
    outcome, on_record, settled = sent(service)
    assert numbers(outcome.updated) == numbers(on_record) == numbers(settled) == [1, 2, 3, 4, 5]


def test_what_failed_but_may_have_been_done_is_on_record(service: Service) -> None:
    # All five, and then the first three.
    service.server.fail(TIMED_OUT, times=2)
    outcome, on_record, settled = sent(service)
    assert [result.change.book_id for result in outcome.failed] == [1, 2, 3]
    assert (numbers(outcome.updated), numbers(settled)) == ([4, 5], [4, 5])
    assert numbers(on_record) == [1, 2, 3, 4, 5]


def test_what_had_no_response_is_not_sent_and_on_record(service: Service) -> None:
    service.server.fail(CloseWithoutAnswer(), times=None)
    outcome, on_record, settled = sent(service)
    assert isinstance(outcome.stopped, ServerTrouble)
    assert numbers(outcome.unsent) == numbers(on_record) == [1, 2, 3, 4, 5]
    assert settled == []


def test_what_was_turned_away_or_refused_is_not_on_record(service: Service) -> None:
    service.server.refused = {service.catalogue.shelf[0].book_id: 'This book is locked.'}
    outcome, on_record, settled = sent(service)
    assert [result.change.book_id for result in outcome.failed] == [1]
    assert numbers(on_record) == numbers(settled) == [2, 3, 4, 5]
    service.server.fail(Status(429, {'Retry-After': '7200'}), times=None)
    outcome, on_record, settled = sent(service)
    assert isinstance(outcome.stopped, QuotaSpent)
    assert (numbers(outcome.unsent), on_record, settled) == ([1, 2, 3, 4, 5], [], [])


def test_a_book_that_is_nowhere_any_more_is_settled_and_not_on_record(service: Service) -> None:
    service.catalogue.works[0].gone = True
    outcome, on_record, settled = sent(service)
    assert (numbers(outcome.skipped), outcome.failed) == ([1], ())
    assert 'retired' in str(outcome.skipped[0].why)
    assert numbers(on_record) == [2, 3, 4, 5]
    assert numbers(settled) == [1, 2, 3, 4, 5]
