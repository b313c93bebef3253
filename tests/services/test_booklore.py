"""BookLore as the first source of Hardcover ids: what is asked of the server, what is believed, and what goes wrong."""

from __future__ import annotations

import random
import string
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    BackSyncError,
    BadAnswer,
    Cancelled,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.base.parsers import LARGEST_ID
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.settings import Settings
from calibre_plugins.bookfusionbacksync.base.text import Text
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import fetch_ids
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import SourceMatch
from calibre_plugins.bookfusionbacksync.rules.isbn import Codes, codes_of, isbns_in, make_codes
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from calibre_plugins.bookfusionbacksync.rules.titles import nothing_in_common
from calibre_plugins.bookfusionbacksync.services import booklore
from calibre_plugins.bookfusionbacksync.services.booklore import (
    MOST_SINGLES,
    BookLoreBook,
    BookLoreSource,
    match_books,
    parse_book,
    server_address,
    try_connection,
    worth_asking,
)
from calibre_plugins.bookfusionbacksync.transport.request import Limits
from harness.hardcover import hardcover_service, opener
from harness.secrets import TEST_BOOKLORE_PASSWORD, TEST_BOOKLORE_TOKEN
from hypothesis import assume, given
from hypothesis import strategies as st
from standins import faults
from standins.booklore import BATCH, BOOKS, LOGIN, BookLoreStandIn, ServerBook
from standins.common import Action, unused_port
from standins.hardcover import generate_catalogue, isbn10, isbn13

PATIENT = Limits(connect_timeout=5, read_timeout=20, total_timeout=40, retry_delays=())
IMPATIENT = Limits(connect_timeout=1.0, read_timeout=0.3, total_timeout=0.6, retry_delays=())
SINGLE = BOOKS + '/1'


class Listener:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.statuses: list[Text] = []

    def status(self, sentence: Text) -> None:
        self.statuses.append(sentence)

    def progress(self, done: int, total: int | None) -> None:
        pass

    def log(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def no_memory() -> Iterator[None]:
    """What an earlier test's server refused is forgotten."""
    booklore._refused.clear()
    yield
    booklore._refused.clear()


@pytest.fixture
def server() -> Iterator[BookLoreStandIn]:
    with BookLoreStandIn(password=TEST_BOOKLORE_PASSWORD, token=TEST_BOOKLORE_TOKEN) as running:
        yield running


@pytest.fixture
def listener() -> Listener:
    return Listener()


def settings_for(server: BookLoreStandIn, password: str = TEST_BOOKLORE_PASSWORD) -> Settings:
    return Settings(booklore_url=server.address, booklore_username=server.username, booklore_password=Secret(password))


@pytest.fixture
def source(server: BookLoreStandIn, listener: Listener) -> BookLoreSource:
    return BookLoreSource(settings_for(server), listener, PATIENT)


@pytest.fixture
def impatient_source(server: BookLoreStandIn, listener: Listener) -> BookLoreSource:
    return BookLoreSource(settings_for(server), listener, IMPATIENT)


def calibre_book(book_id: int, title: str = 'Dune', author: str = 'Frank Herbert', **identifiers: str) -> CalibreBook:
    return CalibreBook(book_id, title, (author,), identifiers)


def pairs(count: int, known: Callable[[int], bool]) -> tuple[list[CalibreBook], list[ServerBook]]:
    """Books of Calibre, and those of them that the server has too; one in three is told by its ISBN, ASIN or names."""
    ours, theirs = [], []
    for number in range(1, count + 1):
        title, author = f'Volume {number}', f'Writer {number % 7} Surname'
        identifiers = ({'isbn': isbn13(number)}, {'amazon': f'B0{number:08d}'}, {})[number % 3]
        ours.append(CalibreBook(number, title, (author,), identifiers))
        if known(number):
            theirs.append(
                ServerBook(
                    id=7000 + number,
                    title=title,
                    authors=[author],
                    isbn10=isbn10(number),
                    asin=f'B0{number:08d}',
                    hardcover_id=str(90000 + number),
                    hardcover_slug=f'volume-{number}',
                )
            )
    return ours, theirs


def half(number: int) -> bool:
    return number % 2 == 0


def all_matches(numbers: Sequence[int]) -> dict[int, SourceMatch]:
    return {number: SourceMatch(90000 + number, f'volume-{number}') for number in numbers}


@pytest.mark.parametrize('grimmory', [False, True])
def test_500_books_half_of_them_known_in_few_requests(
    server: BookLoreStandIn, source: BookLoreSource, listener: Listener, grimmory: bool
) -> None:
    ours, server.books = pairs(500, half)
    server.grimmory = grimmory
    found = source(ours, Cancel())
    assert found == all_matches(range(2, 501, 2))
    assert server.count(LOGIN) == 1
    assert server.count(BOOKS) - server.count(BATCH) == 1
    assert len(server.requests) == source.requests == (4 if grimmory else 2)
    assert server.violations == []
    assert any('BookLore knows 250 of 500 books' in line for line in listener.lines)
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
        source = BookLoreSource(settings_for(server), service.notes)
        outcome = fetch_ids(
            opener(api),
            service.notes,
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
    assert len(service.notes.matching(r'^OK .*\(from BookLore\)$')) == 250


def test_a_large_stripped_library_is_asked_only_for_what_calibre_has(
    server: BookLoreStandIn, source: BookLoreSource
) -> None:
    _all, server.books = pairs(3000, lambda number: True)
    ours, _none = pairs(30, lambda number: False)
    server.grimmory = True
    assert source(ours, Cancel()) == all_matches(range(1, 31))
    assert len(server.requests) == 3


def test_a_server_without_the_batch_call_is_asked_singly_and_late(
    server: BookLoreStandIn, source: BookLoreSource, listener: Listener
) -> None:
    ours, server.books = pairs(250, lambda number: True)
    server.grimmory, server.has_batch = True, False
    assert source(ours, Cancel()) == {}
    assert len(server.requests) == 3
    unresolved = ours[:20]
    assert source.last_resort(unresolved, Cancel()) == all_matches(range(1, 21))
    assert server.count(SINGLE) == 0
    assert len(server.requests) == 23
    assert any('only one book at a time; asking for 20 of the 20' in line for line in listener.lines)
    assert server.violations == []


def test_single_requests_end_at_a_hundred(server: BookLoreStandIn, source: BookLoreSource, listener: Listener) -> None:
    ours, server.books = pairs(250, lambda number: True)
    server.grimmory, server.has_batch = True, False
    source(ours, Cancel())
    assert len(source.last_resort(ours, Cancel())) == MOST_SINGLES == 100
    assert len(server.requests) == 103
    assert any('asking for 100 of the 250' in line for line in listener.lines)


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


def test_a_server_below_a_path_of_its_own(server: BookLoreStandIn, listener: Listener) -> None:
    ours, server.books = pairs(6, half)
    server.prefix = '/reading/books'
    assert BookLoreSource(settings_for(server), listener)(ours, Cancel()) == all_matches([2, 4, 6])


def test_an_empty_library_and_an_empty_server(server: BookLoreStandIn, source: BookLoreSource) -> None:
    assert source([], Cancel()) == {}
    assert source(pairs(5, half)[0], Cancel()) == {}


def test_no_address_means_not_used(listener: Listener) -> None:
    assert booklore.source_from(Settings(), listener) is None
    assert booklore.source_from(Settings(booklore_url='http://nas'), listener) is not None


@pytest.mark.parametrize('refusal', [400, 401, 403, 422])
def test_a_wrong_password_is_tried_once(server: BookLoreStandIn, listener: Listener, refusal: int) -> None:
    server.refusal = refusal
    settings = settings_for(server, 'something else')
    for _fetch in range(7):
        with pytest.raises(SignInRefused, match='refused the user name or the password'):
            BookLoreSource(settings, listener)([], Cancel())
    assert server.failures == len(server.requests) == 1
    assert BookLoreSource(settings_for(server), listener)([], Cancel()) == {}


def test_a_password_that_was_corrected_on_the_server(server: BookLoreStandIn, listener: Listener) -> None:
    settings = settings_for(server, 'the new one')
    with pytest.raises(SignInRefused):
        BookLoreSource(settings, listener)([], Cancel())
    server.password = 'the new one'
    assert 'BookLore answered' in str(
        try_connection(settings.booklore_url, settings.booklore_username, settings.booklore_password, Cancel())
    )
    assert BookLoreSource(settings, listener)([], Cancel()) == {}


@pytest.mark.parametrize('status', [423, 429])
def test_locked_out(server: BookLoreStandIn, source: BookLoreSource, status: int) -> None:
    server.fail(faults.Status(status, {'Retry-After': '1'}), LOGIN, times=None)
    with pytest.raises(SignInRefused, match='Wait 15 minutes'):
        source([], Cancel())
    assert len(server.requests) == 1


def test_the_stand_in_locks_out_after_five_failures(server: BookLoreStandIn) -> None:
    for attempt in range(6):
        with pytest.raises(SignInRefused, match='15 minutes' if attempt < 5 else 'lets nobody log in'):
            try_connection(server.address, 'reader', Secret('wrong'), Cancel())
    assert server.violations == ['a log-in after the lock-out']


@pytest.mark.parametrize(('username', 'password'), [('', 'secret'), ('reader', '')])
def test_half_of_an_account(server: BookLoreStandIn, listener: Listener, username: str, password: str) -> None:
    settings = Settings(booklore_url=server.address, booklore_username=username, booklore_password=Secret(password))
    with pytest.raises(SettingsTrouble, match='missing'):
        BookLoreSource(settings, listener)([], Cancel())
    assert server.requests == []


@pytest.mark.parametrize(
    'answer',
    [None, [], 'token', {}, {'accessToken': None}, {'accessToken': 7}, {'accessToken': ''}, {'accessToken': 'a\nb'}],
)
def test_a_log_in_without_a_usable_token(server: BookLoreStandIn, source: BookLoreSource, answer: object) -> None:
    server.fail(faults.WrongShape(answer), LOGIN)
    with pytest.raises(BadAnswer, match='no access token'):
        source([], Cancel())
    assert len(server.requests) == 1


def test_the_token_shows_nowhere(server: BookLoreStandIn, source: BookLoreSource, listener: Listener) -> None:
    source(pairs(5, half)[0], Cancel())
    assert TEST_BOOKLORE_TOKEN not in repr((vars(source), vars(source._server))) + ''.join(listener.lines)
    assert TEST_BOOKLORE_PASSWORD not in repr((vars(source), vars(source._server))) + ''.join(listener.lines)


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
    started = time.monotonic()
    with pytest.raises(kind):
        impatient_source(ours, Cancel())
    assert time.monotonic() - started < 5
    assert server.count(path) == 1


@pytest.mark.parametrize(
    'fault', [faults.Hang(), faults.Reset(), faults.Html(), faults.Status(503), faults.Status(403)]
)
def test_trouble_in_the_middle_costs_only_the_rest(
    server: BookLoreStandIn, impatient_source: BookLoreSource, listener: Listener, fault: Action
) -> None:
    ours, server.books = pairs(500, lambda number: True)
    server.grimmory = True
    server.fail(fault, BATCH, after=1)
    assert impatient_source(ours, Cancel()) == all_matches(range(1, booklore.BATCH_SIZE + 1))
    assert sum('could not be asked for everything' in line for line in listener.lines) == 1
    assert impatient_source.last_resort(ours, Cancel()) == {}


def test_trouble_with_single_requests_costs_only_the_rest(
    server: BookLoreStandIn, source: BookLoreSource, listener: Listener
) -> None:
    ours, server.books = pairs(60, lambda number: True)
    server.grimmory, server.has_batch = True, False
    source(ours, Cancel())
    server.fail(faults.Status(503), BOOKS, after=10, times=None)
    found = source.last_resort(ours, Cancel())
    # Three of the ten may still have been on their way when a fourth met the trouble.
    assert 7 <= len(found) < 20
    assert sum('could not be asked for everything' in line for line in listener.lines) == 1


def test_nobody_there(listener: Listener) -> None:
    settings = Settings(
        booklore_url=f'http://127.0.0.1:{unused_port()}', booklore_username='reader', booklore_password=Secret('secret')
    )
    with pytest.raises(ServerTrouble, match='BookLore could not be reached'):
        BookLoreSource(settings, listener)([], Cancel())


def test_another_program_at_the_address(server: BookLoreStandIn, source: BookLoreSource) -> None:
    server.fail(faults.Status(404), LOGIN)
    with pytest.raises(ServerTrouble, match='There is no BookLore at http://127'):
        source([], Cancel())


def test_a_proxy_that_wants_https(server: BookLoreStandIn, source: BookLoreSource) -> None:
    server.fail(faults.Redirect('https://127.0.0.1{target}', 301), LOGIN)
    with pytest.raises(ServerTrouble, match=r'sends this request on to https://127\.0\.0\.1\. Enter that address'):
        source([], Cancel())


@pytest.mark.parametrize('path', [LOGIN, BOOKS, BATCH, SINGLE])
def test_stopping_answers_at_once(server: BookLoreStandIn, listener: Listener, path: str) -> None:
    ours, server.books = pairs(5, lambda number: True)
    server.books = [replace(book, id=1000 + place) for place, book in enumerate(server.books)]
    server.grimmory, server.has_batch = True, path == BATCH
    server.fail(faults.Hang(), path, times=None)
    source, cancel = BookLoreSource(settings_for(server), listener), Cancel()

    def stop_it() -> None:
        server.wait_for(path)
        cancel.set()

    def ask_everything() -> None:
        source(ours, cancel)
        source.last_resort(ours, cancel)

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        ask_everything()
    assert time.monotonic() - started < 2
    stopper.join()


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


@pytest.mark.parametrize(
    ('pasted', 'address'),
    [
        ('http://nas:6060', 'http://nas:6060'),
        (' https://books.example.org/ ', 'https://books.example.org'),
        ('https://books.example.org/login?returnUrl=%2F', 'https://books.example.org'),
        ('http://nas:6060/dashboard#top', 'http://nas:6060'),
        ('http://nas:6060/api/v1/', 'http://nas:6060'),
        ('https://example.org/library', 'https://example.org/library'),
        ('https://example.org/reading/login', 'https://example.org/reading'),
        ('http://[fd00::1]:6060/', 'http://[fd00::1]:6060'),
    ],
)
def test_addresses_as_people_paste_them(pasted: str, address: str) -> None:
    assert server_address(pasted) == address


@pytest.mark.parametrize(
    'pasted', ['nas:6060', 'books.example.org', 'ftp://nas', 'http://', 'http://a b', 'http://nas:x']
)
def test_addresses_that_cannot_be_used(pasted: str) -> None:
    with pytest.raises(SettingsTrouble, match='http:// or https:// in front'):
        server_address(pasted)


def test_an_address_with_a_password_in_it_is_not_shown() -> None:
    with pytest.raises(SettingsTrouble) as caught:
        server_address('ftp://reader:hunter22@nas')
    assert 'hunter22' not in str(caught.value)


def known(book_id: int, hardcover_id: int, slug: str = '', title: str = 'Dune', **codes: str) -> BookLoreBook:
    return BookLoreBook(
        book_id,
        title,
        ('Frank Herbert',),
        make_codes(isbns_in(codes.get('isbn')), {codes['asin']} if 'asin' in codes else ()),
        SourceMatch(hardcover_id, slug),
    )


def test_a_code_weighs_more_than_names() -> None:
    server_books = [known(1, 11), known(2, 22, isbn=isbn13(5)), known(3, 33, asin='B000000001')]
    ours = [
        calibre_book(1),
        calibre_book(2, isbn=isbn10(5)),
        calibre_book(3, mobi_asin='x', **{'mobi-asin': 'b000000001'}),
    ]
    assert match_books(ours[1:], server_books) == {2: SourceMatch(22), 3: SourceMatch(33)}
    # Three books of the same names that are different books on Hardcover: nobody can tell which one it is.
    assert match_books(ours[:1], server_books) == {}


def test_an_isbn_that_was_used_for_another_book_is_no_hit() -> None:
    server_books = [known(1, 11, title='Gardening for Everybody', isbn=isbn13(5))]
    assert match_books([calibre_book(1, isbn=isbn13(5))], server_books) == {}
    assert match_books([calibre_book(1, isbn=isbn13(5))], [*server_books, known(2, 22)]) == {1: SourceMatch(22)}


@pytest.mark.parametrize(
    ('hits', 'found'),
    [
        ([(11, 'dune'), (11, 'dune')], SourceMatch(11, 'dune')),
        ([(11, 'dune'), (11, 'dune-1965')], SourceMatch(11, '')),
        ([(11, 'dune'), (0, 'dune')], SourceMatch(11, 'dune')),
        ([(11, ''), (0, 'dune')], None),
        ([(0, 'dune'), (0, 'dune')], SourceMatch(0, 'dune')),
        ([(0, 'dune'), (0, 'dune-messiah')], None),
        ([(11, 'dune'), (12, 'dune')], None),
        ([(11, 'dune'), (0, '')], SourceMatch(11, 'dune')),
        ([(0, '')], None),
    ],
)
def test_several_hits(hits: list[tuple[int, str]], found: SourceMatch | None) -> None:
    server_books = [known(place, *hit, isbn=isbn13(5)) for place, hit in enumerate(hits, 1)]
    assert match_books([calibre_book(1, isbn=isbn13(5))], server_books).get(1) == found


@pytest.mark.parametrize(
    ('title', 'authors', 'matches'),
    [
        ('THE Left hand of darkness!', ('Ursula K. Le Guin',), True),
        ('The Left Hand of Darkness', ('Le Guin, Ursula K.',), True),
        ('The Left Hand of Darkness', ('Ursula Le Guin',), False),
        ('The Left Hand of Darkness', (), False),
        ('The Left Hand of Darkness', ('Unknown',), False),
        ('The Left Hand of Darkness: Annotated', ('Ursula K. Le Guin',), False),
        ('The Left Hand of Darkness', ('Ursula K. Le Guin', 'David Mitchell'), False),
        ('', ('Ursula K. Le Guin',), False),
    ],
)
def test_names_match_exactly_or_not_at_all(title: str, authors: tuple[str, ...], matches: bool) -> None:
    server_book = BookLoreBook(
        1, 'The Left Hand of Darkness', ('Ursula K. Le Guin',), hardcover=SourceMatch(5, 'left-hand')
    )
    assert (1 in match_books([CalibreBook(1, title, authors)], [server_book])) is matches


def test_no_author_is_nobody_in_particular() -> None:
    server_book = BookLoreBook(1, 'Poems', ('Unknown',), hardcover=SourceMatch(5))
    assert match_books([CalibreBook(1, 'Poems', ('Unknown',))], [server_book]) == {}


def test_only_what_could_change_a_match_is_worth_asking() -> None:
    unknown_namesake, by_code = known(1, 0), known(2, 22, isbn=isbn13(5))
    assert worth_asking([calibre_book(1, isbn=isbn13(5))], [unknown_namesake, by_code]) == []
    assert worth_asking([calibre_book(1)], [unknown_namesake]) == [1]
    assert worth_asking([calibre_book(1, title='Emma')], [unknown_namesake]) == []


@pytest.mark.parametrize(
    ('identifiers', 'codes'),
    [
        ({'isbn': '978-0-306-40615-7'}, {'9780306406157', '0306406152'}),
        ({'isbn': '0-8044-2957-x'}, {'080442957X', '9780804429573'}),
        ({'isbn': '9780306406158'}, set()),
        ({'isbn': '9780306406157|978-0-8044-2957-3'}, {'9780306406157', '0306406152', '080442957X', '9780804429573'}),
        ({'isbn': '9780306406157 9780804429573'}, {'9780306406157', '0306406152', '080442957X', '9780804429573'}),
        ({'isbn': '9791034304905'}, {'9791034304905'}),
        ({'isbn': '4006381333931'}, set()),
        ({'isbn': '0000000000'}, set()),
        (
            {'isbn13': '9780306406157', 'isbn2': '080442957X'},
            {'9780306406157', '0306406152', '080442957X', '9780804429573'},
        ),
        ({'amazon_de': 'b00abcdefg'}, {'B00ABCDEFG'}),
        ({'amazon': '0306406152'}, {'0306406152', '9780306406157'}),
        ({'mobi-asin': '1f0e8b4c-9e0c-4b5e-8f3a-000000000000'}, set()),
        ({'goodreads': '0306406152', 'uri': '9780306406157'}, set()),
    ],
)
def test_codes_as_they_stand_in_identifiers(identifiers: dict[str, str], codes: set[str]) -> None:
    assert codes_of(CalibreBook(1, 'Title', (), identifiers)).all == codes


NUMBERS = st.integers(0, 10**9 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
METADATA = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(('title', 'authors', 'isbn13', 'isbn10', 'asin', 'hardcoverId', 'hardcoverBookId'), JSON),
)
RECORDS = st.fixed_dictionaries({}, optional={'id': JSON | NUMBERS, 'title': JSON, 'metadata': METADATA | JSON})


@given(RECORDS | JSON)
def test_no_record_is_too_odd(raw: Any) -> None:
    book = parse_book(raw)
    if book is None:
        return
    assert book.book_id > 0
    assert 0 <= book.hardcover.book_id <= LARGEST_ID
    assert not set(book.hardcover.slug) & set('/?# \n')
    assert all(isinstance(author, str) for author in book.authors)
    assert isinstance(book.codes, Codes)
    match_books([CalibreBook(1, book.title, book.authors, {})], [book])


@pytest.mark.parametrize('slug', ['\ud800', 'emma\x00', 'emma, jane', 'emma|jane'])
def test_a_slug_that_no_identifier_keeps_is_left_out(slug: str) -> None:
    book = parse_book({'id': 1, 'metadata': {'hardcoverBookId': '11', 'hardcoverId': slug}})
    assert book is not None
    assert book.hardcover == SourceMatch(11, '')


@given(st.integers(1, 2**31 - 1), st.text(string.ascii_lowercase + '-', min_size=1, max_size=40))
def test_the_id_may_be_a_text_or_a_number(number: int, slug: str) -> None:
    for given_id in (number, str(number), f' {number} '):
        book = parse_book({'id': 1, 'metadata': {'hardcoverBookId': given_id, 'hardcoverId': slug}})
        assert book is not None
        assert book.hardcover == SourceMatch(number, slug)


@given(NUMBERS)
def test_either_form_of_an_isbn_finds_the_other(number: int) -> None:
    assume(isbn13(number) in isbns_in(isbn13(number)))
    assume(isbn10(number) in isbns_in(isbn10(number)))
    for ours, theirs in ((isbn13(number), isbn10(number)), (isbn10(number), isbn13(number))):
        assert match_books([calibre_book(1, isbn=ours)], [known(1, 9, isbn=theirs)]) == {1: SourceMatch(9)}


SERVER_BOOKS = st.builds(
    BookLoreBook,
    book_id=st.integers(1, 30),
    title=st.sampled_from(['Dune', 'Dune Messiah', 'Emma', '']),
    authors=st.sampled_from([('Frank Herbert',), ('Jane Austen',), ()]),
    codes=st.sets(st.integers(1, 4).map(isbn13), max_size=2).map(make_codes),
    hardcover=st.builds(SourceMatch, st.integers(0, 3), st.sampled_from(['', 'dune', 'emma'])),
)
OUR_BOOKS = st.builds(
    CalibreBook,
    book_id=st.integers(1, 5),
    title=st.sampled_from(['Dune', 'DUNE!', 'Emma', 'Other', '']),
    authors=st.sampled_from([('Herbert, Frank',), ('Jane Austen',), ()]),
    identifiers=st.sampled_from([{}, {'isbn': isbn13(1)}, {'isbn': isbn10(2)}, {'isbn': isbn13(3)}]),
)


@given(
    OUR_BOOKS,
    st.lists(SERVER_BOOKS, max_size=8, unique_by=lambda book: book.book_id),
    st.randoms(use_true_random=False),
)
def test_a_match_is_one_that_nobody_contradicts(
    book: CalibreBook, server_books: list[BookLoreBook], chance: random.Random
) -> None:
    found = match_books([book], server_books).get(book.book_id)
    chance.shuffle(server_books)
    assert match_books([book], server_books).get(book.book_id) == found
    if found is None:
        return
    by_code = [
        other.hardcover
        for other in server_books
        if other.is_known and other.codes.all & codes_of(book).all and not nothing_in_common(other.title, book.title)
    ]
    if by_code:
        assert {hit.book_id for hit in by_code} <= {0, found.book_id}
        assert found.slug in {'', *(hit.slug for hit in by_code)}
    else:
        assert book.authors
        assert any(found.book_id in (0, other.hardcover.book_id) for other in server_books if other.authors)


def test_every_sentence_says_what_to_do() -> None:
    sentences = [getattr(errors, name) for name in dir(errors) if name.startswith('BOOKLORE_')]
    assert len(sentences) == 7
    assert all(
        'Settings' in str(sentence) or 'Write it' in str(sentence) or 'Give' in str(sentence) for sentence in sentences
    )
