"""BookLore as the first source of Hardcover ids: how often it is asked, for what, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    BackSyncError,
    BadAnswer,
    Cancelled,
    ServerTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.settings import Settings
from calibre_plugins.bookfusionbacksync.jobs.ask_booklore import (
    MOST_SINGLES,
    BookLoreSource,
    source_from,
    try_connection,
)
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import fetch_ids
from calibre_plugins.bookfusionbacksync.services.booklore import BATCH_SIZE
from harness.booklore import all_matches, booklore_server, half, pairs, settings_for
from harness.hardcover import hardcover_service
from harness.jobs import RecordingReporter, opener
from harness.network import ENDLESS, ONE_TRY, QUICK, cancelling
from harness.secrets import TEST_BOOKLORE_PASSWORD, TEST_BOOKLORE_TOKEN
from standins import faults
from standins.booklore import BATCH, BOOKS, LOGIN, BookLoreStandIn, ServerBook
from standins.common import Action
from standins.hardcover import generate_catalogue, isbn10, isbn13

# For servers that do not answer.
IMPATIENT = replace(QUICK, retry_delays=())
SINGLE = BOOKS + '/1'


@pytest.fixture
def server() -> Iterator[BookLoreStandIn]:
    with booklore_server() as running:
        yield running


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def source(server: BookLoreStandIn, reporter: RecordingReporter) -> BookLoreSource:
    return BookLoreSource(settings_for(server), reporter, ONE_TRY)


@pytest.fixture
def impatient_source(server: BookLoreStandIn, reporter: RecordingReporter) -> BookLoreSource:
    return BookLoreSource(settings_for(server), reporter, IMPATIENT)


@pytest.mark.parametrize('grimmory', [False, True])
def test_500_books_half_of_them_known_in_few_requests(
    server: BookLoreStandIn, source: BookLoreSource, reporter: RecordingReporter, grimmory: bool
) -> None:
    ours, server.books = pairs(500, half)
    server.grimmory = grimmory
    found = source(ours, Cancel())
    assert found == all_matches(range(2, 501, 2))
    assert server.count(LOGIN) == 1
    assert server.count(BOOKS) - server.count(BATCH) == 1
    assert len(server.requests) == source.requests == (4 if grimmory else 2)
    assert server.violations == []
    assert any('BookLore knows 250 of 500 books' in line for line in reporter.lines)
    assert source.last_resort(ours, Cancel()) == {}
    assert len(server.requests) <= 4


@pytest.mark.parametrize('grimmory', [False, True])
def test_a_whole_fetch_of_500_books(
    server: BookLoreStandIn, make_library: Callable[..., Path], open_library: Any, grimmory: bool
) -> None:
    """Half of them come from BookLore, by whatever they can be recognised by, and the rest from Hardcover by ISBN."""
    catalogue = generate_catalogue(500)
    books = []
    for number, work in enumerate(catalogue.works):
        by_names = number % 4 == 0
        books.append(
            {'title': work.title, 'authors': work.authors, 'identifiers': {} if by_names else {'isbn': isbn13(work.id)}}
        )
        if number % 2 == 0:
            server.books.append(
                ServerBook(
                    number + 1,
                    work.title,
                    work.authors,
                    isbn10=isbn10(work.id),
                    hardcover_id=str(work.id),
                    hardcover_slug=work.slug,
                )
            )
    server.grimmory = grimmory
    api = open_library(make_library(books)).new_api
    with hardcover_service(catalogue) as service:
        service.set_up()
        source = BookLoreSource(settings_for(server), service.reporter)
        outcome = fetch_ids(
            opener(api),
            service.reporter,
            service.cancel,
            first_source=source,
            last_source=source.last_resort,
            pace=service.pace,
        )
        assert service.server.violations == server.violations == []
        assert service.server.units <= 2 * 3 + 2
    assert len(outcome.stored) == 500
    assert len(server.requests) <= 10
    stored = api.all_field_for('identifiers', api.all_book_ids())
    titles = api.all_field_for('title', api.all_book_ids())
    ids = {work.title: str(work.id) for work in catalogue.works}
    assert {titles[book_id]: found['hardcover-id'] for book_id, found in stored.items()} == ids
    assert len(service.reporter.matching(r'^OK .*\(from BookLore\)$')) == 250


def test_a_large_stripped_library_is_asked_only_for_what_calibre_has(
    server: BookLoreStandIn, source: BookLoreSource
) -> None:
    _all, server.books = pairs(3000, lambda number: True)
    ours, _none = pairs(30, lambda number: False)
    server.grimmory = True
    assert source(ours, Cancel()) == all_matches(range(1, 31))
    assert len(server.requests) == 3


def test_a_server_without_the_batch_call_is_asked_singly_and_late(
    server: BookLoreStandIn, source: BookLoreSource, reporter: RecordingReporter
) -> None:
    ours, server.books = pairs(250, lambda number: True)
    server.grimmory, server.has_batch = True, False
    assert source(ours, Cancel()) == {}
    assert len(server.requests) == 3
    unresolved = ours[:20]
    assert source.last_resort(unresolved, Cancel()) == all_matches(range(1, 21))
    assert server.count(SINGLE) == 0
    assert len(server.requests) == 23
    assert any('only one book at a time; asking for 20 of the 20' in line for line in reporter.lines)
    assert server.violations == []


def test_single_requests_end_at_a_hundred(
    server: BookLoreStandIn, source: BookLoreSource, reporter: RecordingReporter
) -> None:
    ours, server.books = pairs(250, lambda number: True)
    server.grimmory, server.has_batch = True, False
    source(ours, Cancel())
    assert len(source.last_resort(ours, Cancel())) == MOST_SINGLES == 100
    assert len(server.requests) == 103
    assert any('asking for 100 of the 250' in line for line in reporter.lines)


def test_a_book_that_vanishes_between_list_and_single_request(server: BookLoreStandIn, source: BookLoreSource) -> None:
    ours, server.books = pairs(3, lambda number: True)
    server.grimmory, server.has_batch = True, False
    source(ours, Cancel())
    server.books = server.books[1:]
    assert source.last_resort(ours, Cancel()) == all_matches([2, 3])


@pytest.mark.parametrize('status', [400, 404, 405, 500, 501])
def test_ways_not_to_know_the_batch_call(server: BookLoreStandIn, source: BookLoreSource, status: int) -> None:
    ours, server.books = pairs(3, lambda number: True)
    server.grimmory = True
    server.fail(faults.Status(status), BATCH)
    assert source(ours, Cancel()) == {}
    assert source.last_resort(ours, Cancel()) == all_matches([1, 2, 3])


def test_a_server_below_a_path_of_its_own(server: BookLoreStandIn, reporter: RecordingReporter) -> None:
    ours, server.books = pairs(6, half)
    server.prefix = '/reading/books'
    assert BookLoreSource(settings_for(server), reporter)(ours, Cancel()) == all_matches([2, 4, 6])


def test_an_empty_library_and_an_empty_server(server: BookLoreStandIn, source: BookLoreSource) -> None:
    assert source([], Cancel()) == {}
    assert source(pairs(5, half)[0], Cancel()) == {}


def test_no_address_means_not_used(reporter: RecordingReporter) -> None:
    assert source_from(Settings(), reporter) is None
    assert source_from(Settings(booklore_url='http://nas'), reporter) is not None


@pytest.mark.parametrize('refusal', [400, 401, 403, 422])
def test_a_wrong_password_is_tried_once(server: BookLoreStandIn, reporter: RecordingReporter, refusal: int) -> None:
    server.refusal = refusal
    settings = settings_for(server, 'something else')
    for _fetch in range(7):
        with pytest.raises(SignInRefused, match='refused the user name or the password'):
            BookLoreSource(settings, reporter)([], Cancel())
    assert server.failures == len(server.requests) == 1
    assert BookLoreSource(settings_for(server), reporter)([], Cancel()) == {}


def test_a_password_that_was_corrected_on_the_server(server: BookLoreStandIn, reporter: RecordingReporter) -> None:
    settings = settings_for(server, 'the new one')
    with pytest.raises(SignInRefused):
        BookLoreSource(settings, reporter)([], Cancel())
    server.password = 'the new one'
    assert 'BookLore answered' in str(
        try_connection(settings.booklore_url, settings.booklore_username, settings.booklore_password, Cancel())
    )
    assert BookLoreSource(settings, reporter)([], Cancel()) == {}


def test_the_stand_in_locks_out_after_five_failures(server: BookLoreStandIn) -> None:
    for attempt in range(6):
        with pytest.raises(SignInRefused, match='15 minutes' if attempt < 5 else 'lets nobody log in'):
            try_connection(server.address, 'reader', Secret('wrong'), Cancel())
    assert server.violations == ['a log-in after the lock-out']


def test_the_token_shows_nowhere(server: BookLoreStandIn, source: BookLoreSource, reporter: RecordingReporter) -> None:
    source(pairs(5, half)[0], Cancel())
    assert TEST_BOOKLORE_TOKEN not in repr((vars(source), vars(source._server))) + ''.join(reporter.lines)
    assert TEST_BOOKLORE_PASSWORD not in repr((vars(source), vars(source._server))) + ''.join(reporter.lines)


@pytest.mark.parametrize(
    ('fault', 'kind'),
    [
        (faults.Hang(), ServerTrouble),
        (faults.SlowBody(10), ServerTrouble),
        (faults.Reset(), ServerTrouble),
        (faults.CloseWithoutAnswer(), ServerTrouble),
        (faults.Truncated(), ServerTrouble),
        (faults.NotHttp(), ServerTrouble),
        (faults.Html(), BadAnswer),
        (faults.Html(502), ServerTrouble),
        (faults.Empty(), BadAnswer),
        (faults.BadJson(), BadAnswer),
        (faults.InvalidUtf8(), BadAnswer),
        (faults.Deep(), BadAnswer),
        (faults.Huge(70), BadAnswer),
        (faults.WrongShape({'content': []}), BackSyncError),
        (faults.Status(403), BackSyncError),
        (faults.Status(404), BackSyncError),
        (faults.Status(418), ServerTrouble),
        (faults.Status(500), ServerTrouble),
        (faults.Status(503, {'Retry-After': '1'}), ServerTrouble),
        (faults.Redirect('https://elsewhere.example/login'), ServerTrouble),
    ],
)
@pytest.mark.parametrize('path', [LOGIN, BOOKS])
def test_a_server_in_trouble_is_asked_once(
    server: BookLoreStandIn, impatient_source: BookLoreSource, path: str, fault: Action, kind: type[BackSyncError]
) -> None:
    ours, server.books = pairs(5, half)
    server.fail(fault, path, times=None)
    with pytest.raises(kind):
        impatient_source(ours, Cancel())
    assert server.count(path) == 1


@pytest.mark.parametrize('path', [LOGIN, BOOKS, BATCH])
def test_more_than_any_library_holds_is_refused_unparsed(
    server: BookLoreStandIn, source: BookLoreSource, reporter: RecordingReporter, path: str
) -> None:
    ours, server.books = pairs(5, half)
    server.grimmory = path == BATCH
    server.fail(faults.ManyLists(60), path, times=None)
    if path == BATCH:
        assert source(ours, Cancel()) == {}
        assert sum('could not be asked for everything' in line for line in reporter.lines) == 1
    else:
        with pytest.raises(BadAnswer):
            source(ours, Cancel())
    assert server.count(path) == 1


@pytest.mark.parametrize(
    'fault', [faults.Hang(), faults.Reset(), faults.Html(), faults.Status(503), faults.Status(403)]
)
def test_trouble_in_the_middle_costs_only_the_rest(
    server: BookLoreStandIn, impatient_source: BookLoreSource, reporter: RecordingReporter, fault: Action
) -> None:
    ours, server.books = pairs(500, lambda number: True)
    server.grimmory = True
    server.fail(fault, BATCH, after=1)
    assert impatient_source(ours, Cancel()) == all_matches(range(1, BATCH_SIZE + 1))
    assert sum('could not be asked for everything' in line for line in reporter.lines) == 1
    assert impatient_source.last_resort(ours, Cancel()) == {}


def test_trouble_with_single_requests_costs_only_the_rest(
    server: BookLoreStandIn, source: BookLoreSource, reporter: RecordingReporter
) -> None:
    ours, server.books = pairs(60, lambda number: True)
    server.grimmory, server.has_batch = True, False
    source(ours, Cancel())
    server.fail(faults.Status(503), BOOKS, after=10, times=None)
    found = source.last_resort(ours, Cancel())
    # Three of the ten may still have been on their way when a fourth met the trouble.
    assert 7 <= len(found) < 20
    assert sum('could not be asked for everything' in line for line in reporter.lines) == 1


@pytest.mark.parametrize('path', [LOGIN, BOOKS, BATCH, SINGLE])
def test_stopping_ends_a_request_that_hangs(server: BookLoreStandIn, reporter: RecordingReporter, path: str) -> None:
    ours, server.books = pairs(5, lambda number: True)
    server.books = [replace(book, id=1000 + place) for place, book in enumerate(server.books)]
    server.grimmory, server.has_batch = True, path == BATCH
    fault = server.fail(faults.Hang(), path, times=None)
    source, cancel = BookLoreSource(settings_for(server), reporter, ENDLESS), Cancel()

    def ask_everything() -> None:
        source(ours, cancel)
        source.last_resort(ours, cancel)

    with cancelling(cancel, server, fault), pytest.raises(Cancelled):
        ask_everything()


@pytest.mark.parametrize(
    ('grimmory', 'has_batch', 'count', 'words'),
    [
        (False, True, 0, 'BookLore answered: 0 books, 0 of them with a Hardcover id.'),
        (False, True, 1, 'BookLore answered: 1 book, 0 of them with a Hardcover id.'),
        (False, True, 300, 'BookLore answered: 300 books, 150 of them with a Hardcover id.'),
        (True, True, 150, 'BookLore answered: 150 books, 75 of them with a Hardcover id.'),
        (True, True, 300, 'BookLore answered: 300 books; 100 of the first 200 have a Hardcover id.'),
        (True, False, 300, 'BookLore answered: 300 books. This server tells Hardcover ids only one book at a time'),
    ],
)
def test_the_answer_in_words(server: BookLoreStandIn, grimmory: bool, has_batch: bool, count: int, words: str) -> None:
    _ours, books = pairs(count, lambda number: True)
    server.books = [
        book if half(place + 1) else replace(book, hardcover_id=None, hardcover_slug=None)
        for place, book in enumerate(books)
    ]
    server.grimmory, server.has_batch = grimmory, has_batch
    answer = try_connection(server.address, server.username, Secret(server.password), Cancel())
    assert str(answer).startswith(words)
    assert len(server.requests) <= 3
