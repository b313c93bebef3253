"""Fetching ids on real Calibre libraries against the stand-in: what is stored, asked, skipped, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    LIBRARY_NOT_WRITTEN,
    SIGN_IN_REFUSED,
    Cancelled,
    LibraryTrouble,
    QuotaSpent,
    ScopeMissing,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.base.settings import plugin_folder, save
from calibre_plugins.bookfusionbacksync.jobs import hardcover_account
from calibre_plugins.bookfusionbacksync.jobs.change_match import (
    ask_again,
    change_match,
    find_candidates,
    skipped_books,
    unlink_match,
)
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import fetch_ids
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Candidate,
    Question,
    SourceMatch,
    Verdict,
)
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from harness.hardcover import MakeShelf, Shelf, first, skip, small_catalogue
from harness.network import ENDLESS, cancelling, while_held
from standins.faults import CloseWithoutAnswer, Hang, Html, Status, WrongShape
from standins.hardcover import (
    FIRST_WORDS,
    SECOND_WORDS,
    Catalogue,
    Printing,
    Work,
    generate_catalogue,
    isbn10,
    isbn13,
)

Book = Mapping[str, Any]


def emma(**identifiers: str) -> Book:
    return {
        'title': 'Emma',
        'authors': ['Jane Austen'],
        'identifiers': {k.replace('_', '-'): v for k, v in identifiers.items()},
    }


def dune(**identifiers: str) -> Book:
    return {
        'title': 'Dune',
        'authors': ['Frank Herbert'],
        'identifiers': {k.replace('_', '-'): v for k, v in identifiers.items()},
    }


def library_of(count: int, with_isbn: Callable[[int], bool] = lambda number: True) -> list[Book]:
    """The books of `generate_catalogue(count)`, as Calibre may have them."""
    return [
        {
            'title': work.title,
            'authors': list(work.authors),
            'identifiers': {'isbn': isbn13(work.id)} if with_isbn(number) else {},
        }
        for number, work in enumerate(generate_catalogue(count).works)
    ]


EMMA = {'hardcover-id': '11', 'hardcover-slug': 'emma', 'hardcover-edition': '21'}


def test_an_isbn_is_enough(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])
    outcome = shelf.fetch()
    assert shelf.hardcover() == EMMA
    assert (len(outcome.stored), outcome.skipped, outcome.failed, outcome.ambiguous) == (1, (), (), ())
    assert outcome.book_ids == {1}
    assert str(outcome.status) == 'Done - 1 stored, 0 skipped, 0 failed.'
    assert shelf.service.reporter.matching('^OK Emma -> hardcover-id=11')


@pytest.mark.parametrize(
    'code',
    [
        {'isbn': isbn10(11)},
        {'isbn': f'978-{isbn10(11)[0]}-{isbn13(11)[4:]}'},
        {'isbn': f'9780000000000 {isbn13(11)}'},
        {'isbn': f'{isbn13(99)}; {isbn13(11)}'},
        {'isbn10': isbn10(11)},
        {'mobi-asin': 'b000000011'},
        {'amazon_de': 'B000000011'},
    ],
    ids=str,
)
def test_codes_in_every_form(make_shelf: MakeShelf, code: dict[str, str]) -> None:
    catalogue = small_catalogue()
    catalogue.editions[0].asin = 'B000000011'
    shelf = make_shelf([{'title': 'Emma', 'identifiers': code}], catalogue)
    shelf.fetch()
    assert shelf.hardcover() == EMMA
    assert shelf.identifiers().items() >= code.items()


def test_a_slug_that_no_database_takes_is_left_out(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].slug, catalogue.works[0].title = 'emma-\ud800', 'Emma \ud800'
    shelf = make_shelf([emma(isbn=isbn13(11))], catalogue)
    assert len(shelf.fetch().stored) == 1
    assert shelf.hardcover() == {'hardcover-id': '11', 'hardcover-edition': '21'}


def test_a_wrong_check_digit_is_not_looked_up(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)[:-1] + str((int(isbn13(11)[-1]) + 1) % 10))])
    outcome = shelf.fetch()
    assert len(outcome.ambiguous) == 1
    assert shelf.service.server.count() == 0


def test_what_has_an_id_costs_nothing(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11), hardcover_id='77')])
    outcome = shelf.fetch()
    assert (outcome.had_ids, outcome.requests, outcome.units) == (1, 0, 0)
    assert shelf.hardcover() == {'hardcover-id': '77'}


def test_an_id_that_is_no_number_is_named_and_left(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11), hardcover_id='emma')])
    outcome = shelf.fetch()
    assert 'not a number' in str(outcome.skipped[0].why)
    assert shelf.hardcover() == {'hardcover-id': 'emma'}


@pytest.mark.parametrize(
    'known',
    [
        {'hardcover-book': '11'},
        {'hardcover-slug': 'emma'},
        {'hardcover': 'emma'},
        {'hardcover-edition': '21'},
        {'hardcover': '11'},
        {'hardcover': '21'},
        {'hardcover-book': '999', 'hardcover-slug': 'emma'},
        {'hardcover-book': '13', 'hardcover-edition': '21'},
    ],
    ids=str,
)
def test_links_of_other_plugins_are_completed_and_kept(make_shelf: MakeShelf, known: dict[str, str]) -> None:
    shelf = make_shelf([{'title': 'Emma', 'identifiers': known}])
    shelf.fetch()
    assert shelf.hardcover() == {'hardcover-slug': 'emma', **known, 'hardcover-id': '11'}


def test_a_bare_number_that_means_another_book_is_not_believed(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works.append(Work(50, 'Emma and the Vampires'))
    shelf = make_shelf([{'title': 'Emma', 'identifiers': {'hardcover': '50'}}], catalogue)
    outcome = shelf.fetch()
    assert outcome.stored == ()
    assert 'another title' in str(outcome.ambiguous[0].why)
    assert shelf.hardcover() == {'hardcover': '50'}


def test_a_slug_that_was_given_to_another_book_is_not_believed(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].slug = 'emma-1'
    catalogue.works[1].slug = 'emma'
    shelf = make_shelf([emma(hardcover_slug='emma')], catalogue)
    assert shelf.fetch().stored == ()


def test_the_ebook_is_preferred(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.editions = [
        Printing(41, 11, isbn13(11), reading_format_id=2, users_count=9000),
        Printing(42, 11, isbn13(11), reading_format_id=1, users_count=100),
        Printing(43, 11, None, isbn10(11), reading_format_id=4, users_count=1),
    ]
    shelf = make_shelf([emma(isbn=isbn13(11))], catalogue)
    shelf.fetch()
    assert shelf.hardcover()['hardcover-edition'] == '43'


def test_the_title_of_a_translation_is_enough(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works.append(Work(14, "L'\u00c9tranger", 'stranger'))
    catalogue.editions += [
        Printing(24, 14, isbn13(14), title='Der Fremde'),
        Printing(25, 14, isbn13(15), title="L'\u00c9tranger"),
    ]
    books = [
        {'title': 'Der Fremde: Roman', 'identifiers': {'isbn': isbn13(14)}},
        {'title': 'Der Fremde: Roman', 'identifiers': {'isbn': isbn13(15)}},
        {'title': 'Der Fremde: Roman', 'identifiers': {'hardcover-edition': '24'}},
    ]
    shelf = make_shelf(books, catalogue)
    assert [match.book.book_id for match in shelf.fetch().stored] == [3, 1]
    assert shelf.hardcover(1) == {'hardcover-id': '14', 'hardcover-slug': 'stranger', 'hardcover-edition': '24'}


def test_a_library_with_isbns_of_other_volumes(make_shelf: MakeShelf) -> None:
    """500 books, 20 of them with the ISBN of another volume: 480 are stored, 20 asked about, and none is wrong."""
    catalogue = Catalogue()
    for series in range(25):
        for volume in range(1, 21):
            book_id = 1000 + 20 * series + volume
            title = f'{FIRST_WORDS[series % 14]} {SECOND_WORDS[series // 2 % 13]} Saga {volume}'
            catalogue.works.append(Work(book_id, title, f'volume-{book_id}', authors=[f'Author {series}']))
            catalogue.editions.append(Printing(book_id + 5000, book_id, isbn13(book_id)))
    books, right = [], {}
    for number, work in enumerate(catalogue.works, 1):
        another = number % 25 == 0
        code = work.id - 1 if another else work.id
        identifiers = {'isbn': isbn13(code)}
        books.append({'title': work.title, 'authors': list(work.authors), 'identifiers': identifiers})
        right[number] = '' if another else str(work.id)
    shelf = make_shelf(books, catalogue)
    outcome = shelf.fetch()
    stored = {book_id: shelf.hardcover(book_id).get('hardcover-id', '') for book_id in right}
    assert stored == right
    assert (len(outcome.stored), len(outcome.ambiguous), outcome.skipped, outcome.failed) == (480, 20, (), ())
    assert outcome.units <= 2 * 5 + 2
    questions = asked_about(shelf)
    assert len(questions) == 20
    assert {reason for _book_id, reason in first_reasons(questions)} == {'Same ISBN, other volume'}
    for question in questions:
        right_one = catalogue.works[question.book.book_id - 1].id
        assert question.candidates[1].book_id == right_one


@pytest.mark.parametrize('found', [True, False])
def test_an_isbn_on_forty_editions(make_shelf: MakeShelf, found: bool) -> None:
    catalogue = small_catalogue()
    for number in range(40):
        catalogue.works.append(Work(100 + number, f'Collected Works {number}', users_count=9000 - number))
        catalogue.editions.append(Printing(200 + number, 100 + number, isbn13(99), reading_format_id=1 + number % 4))
    title = 'Collected Works 33' if found else 'Emma'
    shelf = make_shelf([{'title': title, 'identifiers': {'isbn': isbn13(99)}}], catalogue)
    (outcome, questions) = (shelf.fetch(), asked_about(shelf))
    if found:
        assert shelf.hardcover()['hardcover-id'] == '133'
        return
    assert len(outcome.ambiguous) == 1
    shown = [candidate.book_id for candidate in questions[0].candidates]
    assert len(shown) == 10
    assert 11 in shown
    assert str(questions[0].candidates[0].reasons[0]) == 'Same ISBN, other title'


def test_a_reused_isbn_asks_instead(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(12))])
    asked: list[Question] = []

    def choose(question: Question) -> Candidate:
        asked.append(question)
        return next(each for each in question.candidates if each.book_id == 11)

    outcome = shelf.fetch(choose=choose)
    assert len(outcome.stored) == 1
    assert [each.book_id for each in asked[0].candidates][:2] == [12, 11]
    assert first_reasons(asked) == [(12, 'Same ISBN, other title')]
    assert 'another title' in str(asked[0].why)
    # A choice is no exact hit, so there is no edition.
    assert shelf.hardcover() == {'hardcover-id': '11', 'hardcover-slug': 'emma'}


def test_merged_books_are_followed_to_the_end(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works += [
        Work(14, 'Emma', 'emma-old', canonical_id=15),
        Work(15, 'Emma', 'emma-less-old', canonical_id=11),
    ]
    catalogue.editions[0] = Printing(24, 14, isbn13(11), canonical_id=21)
    shelf = make_shelf([emma(isbn=isbn13(11)), emma(hardcover_book='15'), emma(hardcover_slug='emma-old')], catalogue)
    outcome = shelf.fetch()
    assert [shelf.hardcover(number)['hardcover-id'] for number in (1, 2, 3)] == ['11', '11', '11']
    assert shelf.hardcover(1) == EMMA
    assert len(outcome.stored) == 3


def asked_about(shelf: Shelf, **more: Any) -> list[Question]:
    """The questions of a fetch, all of them skipped."""
    questions: list[Question] = []
    shelf.fetch(choose=lambda question: (questions.append(question), Verdict.SKIP)[1], **more)
    return questions


def first_reasons(questions: Sequence[Question]) -> list[tuple[int, str]]:
    """(its Hardcover id, its first reason) of the first candidate of each question."""
    return [(question.candidates[0].book_id, str(question.candidates[0].reasons[0])) for question in questions]


def test_books_merged_in_a_circle_are_asked_about(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].canonical_id = 14
    catalogue.works.append(Work(14, 'Emma', 'emma-14', canonical_id=11))
    shelf = make_shelf([emma(isbn=isbn13(11))], catalogue)
    (reason,) = shelf.fetch().ambiguous
    assert 'merged' in str(reason.why)
    assert shelf.hardcover() == {}


@pytest.mark.parametrize('trouble', ['vanished', 'slow'])
def test_a_merged_book_that_cannot_be_looked_up_is_asked_about(make_shelf: MakeShelf, trouble: str) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].canonical_id = 14
    shelf = make_shelf([emma(isbn=isbn13(11))], catalogue)
    if trouble == 'slow':
        catalogue.works.append(Work(14, 'Emma', 'emma-14'))
        shelf.service.server.fail(Status(408), when=lambda sent: b'BooksByIds' in sent.body, times=None)
    outcome = shelf.fetch()
    assert (shelf.hardcover(), outcome.stopped, outcome.failed) == ({}, None, ())
    assert len(outcome.ambiguous) == 1
    assert outcome.units <= 4
    assert first_reasons(asked_about(shelf)) == [(14, 'Same ISBN, merged into a book that was not found')]


def test_a_book_that_was_merged_into_another_one_is_asked_about(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].canonical_id = 14
    catalogue.works.append(Work(14, 'Emma and Persuasion', 'both'))
    shelf = make_shelf([emma(isbn=isbn13(11)), emma(hardcover_slug='emma')], catalogue)
    assert shelf.fetch().stored == ()
    assert first_reasons(asked_about(shelf)) == [
        (14, 'Same ISBN, other title'),
        (14, 'Named by an identifier, other title'),
    ]
    assert (shelf.hardcover(1), shelf.hardcover(2)) == ({}, {'hardcover-slug': 'emma'})


def test_a_merger_that_leads_elsewhere_is_not_the_end(make_shelf: MakeShelf) -> None:
    """Another identifier, or the ISBN, still leads to the book."""
    catalogue = small_catalogue()
    catalogue.works += [Work(14, 'Emma', 'emma-14', canonical_id=15), Work(15, 'Emma and Persuasion', 'both')]
    books = [emma(hardcover_book='14', isbn=isbn13(11)), emma(hardcover_book='14', hardcover_slug='emma')]
    shelf = make_shelf(books, catalogue)

    def never(books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        raise AssertionError(books)

    assert len(shelf.fetch(last_source=never).stored) == 2
    assert [shelf.hardcover(number)['hardcover-id'] for number in (1, 2)] == ['11', '11']


def test_only_what_is_selected(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), dune(isbn=isbn13(12))])
    shelf.fetch(ids=[2])
    assert shelf.hardcover(1) == {}
    assert shelf.hardcover(2)['hardcover-id'] == '12'


# What it costs.


@pytest.mark.parametrize(('count', 'unknown'), [(1, 0), (100, 0), (100, 1), (250, 40)])
def test_units_of_a_first_and_a_second_run(make_shelf: MakeShelf, count: int, unknown: int) -> None:
    catalogue = generate_catalogue(count)
    del catalogue.editions[:unknown]
    shelf = make_shelf(library_of(count), catalogue)
    outcome = shelf.fetch()
    assert len(outcome.stored) == count - unknown
    assert outcome.units <= 2 * -(-count // 100) + 2
    assert outcome.units == shelf.service.server.units
    assert outcome.requests == shelf.service.server.count()
    assert shelf.service.server.turned_away == 0
    again = shelf.fetch()
    assert again.units <= (2 if unknown else 0)
    assert (again.had_ids, len(again.ambiguous)) == (count - unknown, unknown)


def test_units_where_many_were_merged(make_shelf: MakeShelf) -> None:
    catalogue = generate_catalogue(100)
    for work in catalogue.works[:50]:
        catalogue.works.append(Work(work.id + 5000, work.title, f'{work.slug}-kept'))
        work.canonical_id = work.id + 5000
    shelf = make_shelf(library_of(100), catalogue)
    outcome = shelf.fetch()
    assert len(outcome.stored) == 100
    assert shelf.hardcover(1)['hardcover-id'] == '105001'
    assert outcome.units <= 4


def test_units_where_everything_goes_wrong_at_once(make_shelf: MakeShelf) -> None:
    """Ids from BookLore, mergers, and ISBNs of other books, for 200 books with codes."""
    catalogue = generate_catalogue(200)
    said = {}
    for number, work in enumerate(list(catalogue.works), 1):
        if number % 4 == 0:
            catalogue.works.append(Work(work.id + 5000, work.title, f'{work.slug}-kept'))
            work.canonical_id = work.id + 5000
        elif number % 4 == 1:
            said[number] = SourceMatch(work.id)
        elif number % 4 == 2:
            catalogue.editions[number - 1].book_id = 100_001
    shelf = make_shelf(library_of(200), catalogue)
    outcome = shelf.fetch(first_source=lambda books, cancel: said)
    assert (len(outcome.stored), len(outcome.ambiguous)) == (150, 50)
    assert outcome.units <= 2 * 2 + 2


def test_without_a_window_nothing_is_searched(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(), dune(isbn=isbn13(99))])
    outcome = shelf.fetch()
    assert [(each.book_id, each.title) for each in outcome.ambiguous] == [(1, 'Emma'), (2, 'Dune')]
    assert 'SearchBooks' not in shelf.service.server.operations
    assert len(shelf.service.reporter.matching('^CHOOSE')) == 2


# The user chooses.


def test_every_choice_is_stored_at_once(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(), dune(), {'title': 'The Left Hand of Darkness', 'authors': ['Le Guin, Ursula K.']}])
    seen: list[tuple[int, int, str]] = []

    def choose(question: Question) -> Candidate | Verdict:
        seen.append((question.number, question.total, question.book.title))
        if question.number == 2:
            assert shelf.hardcover(1)['hardcover-id'] == '11'
            return Verdict.SKIP
        return Verdict.STOP if question.number == 3 else question.candidates[0]

    outcome = shelf.fetch(choose=choose)
    assert seen == [(1, 3, 'Emma'), (2, 3, 'Dune'), (3, 3, 'The Left Hand of Darkness')]
    assert [shelf.hardcover(number).get('hardcover-id') for number in (1, 2, 3)] == ['11', None, None]
    assert (len(outcome.stored), len(outcome.skipped), len(outcome.ambiguous)) == (1, 1, 1)
    assert outcome.stopped is None


def test_skipped_books_are_not_asked_again_until_asked_for(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(), dune()])
    shelf.fetch(choose=skip)
    assert skipped_books(shelf.open) == {1, 2}
    before = shelf.service.server.units

    def never(question: Question) -> Verdict:
        raise AssertionError(question.book.title)

    outcome = shelf.fetch(choose=never)
    assert len(outcome.skipped) == 2
    assert 'skipped before' in str(outcome.skipped[0].why)
    assert shelf.service.server.units == before
    assert len(shelf.fetch().skipped) == 2
    assert ask_again(shelf.open, [1]) == 1
    assert len(shelf.fetch(choose=first).stored) == 1
    assert ask_again(shelf.open) == 1
    assert len(shelf.fetch(choose=first).stored) == 1


def test_a_skipped_book_is_still_stored_on_an_exact_hit(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma()])
    shelf.fetch(choose=skip)
    shelf.api.set_field('identifiers', {1: {'isbn': isbn13(11)}})
    assert len(shelf.fetch(choose=skip).stored) == 1


def test_what_was_not_found_is_searched_again_only_under_another_name(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Qwertz', 'authors': ['Nobody']}])
    assert 'was found on Hardcover' in str(shelf.fetch(choose=first).skipped[0].why)
    units = shelf.service.server.units
    assert 'found before' in str(shelf.fetch(choose=first).skipped[0].why)
    assert shelf.service.server.units == units
    shelf.api.set_field('title', {1: 'Emma'})
    assert len(shelf.fetch(choose=first).stored) == 1


def test_a_book_without_a_title_is_not_searched(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': '???'}])
    assert 'neither' in str(shelf.fetch(choose=first).skipped[0].why)
    assert shelf.service.server.count() == 0


def test_searches_run_ahead_of_the_user(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma() for _ in range(12)])

    def choose(question: Question) -> Verdict:
        if question.number == 1:
            shelf.service.server.wait_for('/v1', 5)
            return Verdict.SKIP
        # Never further ahead than a few books: each search costs a unit, and the user may stop.
        assert shelf.service.server.count('/v1') <= question.number + 5
        return Verdict.STOP if question.number == 3 else Verdict.SKIP

    outcome = shelf.fetch(choose=choose)
    assert len(outcome.skipped) == 2
    assert shelf.service.server.count('/v1') <= 8


def test_stop_does_not_wait_for_searches_that_hang(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf([emma() for _ in range(5)])
    monkeypatch.setattr(hardcover_account, 'LIMITS', ENDLESS)
    shelf.service.server.fail(Hang(), after=1, times=None)

    def choose(question: Question) -> Verdict:
        shelf.service.server.wait_for('/v1', 2)
        return Verdict.STOP

    with while_held(shelf.service.server):
        outcome = shelf.fetch(choose=choose)
    assert (outcome.stopped, len(outcome.ambiguous)) == (None, 5)


def test_searches_keep_to_the_quota(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma() for _ in range(25)])
    shelf.fetch(choose=skip)
    assert shelf.service.server.units == 25
    assert shelf.service.server.turned_away == 0
    assert shelf.service.clock.waited == pytest.approx(15, abs=1)


def test_covers_come_with_the_question(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].image_url = '{origin}/covers/11.png'
    shelf = make_shelf([emma()], catalogue)
    covers: list[Mapping[int, bytes]] = []

    def choose(question: Question) -> Verdict:
        covers.append(question.covers)
        return Verdict.STOP

    outcome = shelf.fetch(choose=choose)
    assert covers[0][11].startswith(b'\x89PNG')
    assert outcome.requests == outcome.units == 1


def test_a_cover_that_several_questions_show_is_fetched_once(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].image_url = '{origin}/covers/11.png'
    shelf = make_shelf([emma(), emma(), emma()], catalogue)
    shown: list[Mapping[int, bytes]] = []
    shelf.fetch(choose=lambda question: (shown.append(question.covers), Verdict.SKIP)[1])
    assert [list(covers) for covers in shown] == [[11]] * 3
    assert shelf.service.server.count('/covers/11.png') == 1


def test_asking_again_holds_although_a_fetch_is_running(make_shelf: MakeShelf) -> None:
    """The menu forgets what was skipped before, while a job goes on to skip; neither undoes the other."""
    shelf = make_shelf([emma(), dune()])
    shelf.fetch(choose=skip, ids=[1])
    assert skipped_books(shelf.open) == {1}

    def choose(question: Question) -> Verdict:
        assert ask_again(shelf.open) == 1
        return Verdict.SKIP

    shelf.fetch(choose=choose, ids=[2])
    assert skipped_books(shelf.open) == {2}


def test_a_search_that_fails_fails_for_its_book_only(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(), dune()])
    shelf.service.server.fail(Status(408, body={'error': 'Request timeout'}), times=2)
    outcome = shelf.fetch(choose=first)
    assert [each.title for each in outcome.failed] == ['Emma']
    assert [match.book.title for match in outcome.stored] == ['Dune']
    assert outcome.stopped is None


def test_a_batch_that_fails_is_not_the_end(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), emma(hardcover_slug='emma')])
    shelf.service.server.fail(Status(408), when=lambda sent: b'EditionsByCodes' in sent.body, times=None)
    outcome = shelf.fetch(choose=first)
    assert [each.book_id for each in outcome.failed] == [1]
    assert [match.book.book_id for match in outcome.stored] == [2]


@pytest.mark.parametrize('results', [None, {}, [], {'hits': None}], ids=repr)
def test_an_empty_answer_to_a_search_fails_its_book_only(make_shelf: MakeShelf, results: Any) -> None:
    shelf = make_shelf([emma(), dune()])
    empty = WrongShape({'data': {'search': {'ids': [], 'results': results, 'error': None}}})
    shelf.service.server.fail(empty, when=lambda sent: b'SearchBooks' in sent.body)
    outcome = shelf.fetch(choose=first)
    assert outcome.stopped is None
    assert [each.book_id for each in outcome.failed] == [1]
    assert 'its answer was empty' in str(outcome.failed[0].why)
    assert [match.book.book_id for match in outcome.stored] == [2]
    assert shelf.hardcover() == {}


def test_odd_addresses_of_covers_do_not_end_it(make_shelf: MakeShelf) -> None:
    works = [
        replace(work, image_url=url)
        for work in small_catalogue().works
        for url in ['https://[::1', 'https://covers.example:99999/1.png', 'https://covers..example/1.png']
    ]
    works = [replace(work, id=work.id + 100 * number) for number, work in enumerate(works)]
    shelf = make_shelf([emma(), dune()], Catalogue(works=works))
    outcome = shelf.fetch(choose=first)
    assert outcome.stopped is None
    assert len(outcome.stored) == 2
    question = find_candidates(shelf.open, shelf.service.reporter, Cancel(), 1, shelf.service.pace)
    assert len(question.candidates) == 3
    assert question.covers == {}


# What ends it early keeps what was done.


def test_a_spent_quota_keeps_what_was_stored(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), dune(), dune()], daily=2)
    outcome = shelf.fetch(choose=skip)
    assert isinstance(outcome.stopped, QuotaSpent)
    assert outcome.stopped.exit_code == 1
    assert str(outcome.status) == (
        "Hardcover's quota is used up (2 requests sent). "
        'Start this again after 2025-06-16 00:01; what was done is kept.'
    )
    assert shelf.hardcover() == EMMA
    assert shelf.service.server.turned_away == 0


def test_cancel_keeps_what_was_stored(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), dune()])

    def choose(question: Question) -> Verdict:
        shelf.service.cancel.set()
        return Verdict.SKIP

    outcome = shelf.fetch(choose=choose)
    assert isinstance(outcome.stopped, Cancelled)
    assert outcome.stopped.exit_code == 4
    assert shelf.hardcover() == EMMA


def test_cancel_ends_a_search_that_hangs(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf([emma(), dune()])
    monkeypatch.setattr(hardcover_account, 'LIMITS', ENDLESS)
    fault = shelf.service.server.fail(Hang(), times=None)
    with cancelling(shelf.service.cancel, shelf.service.server, fault):
        assert isinstance(shelf.fetch(choose=first).stopped, Cancelled)


@pytest.mark.parametrize(
    ('action', 'kind'),
    [
        (Status(500), ServerTrouble),
        (Html(), ServerTrouble),
        (CloseWithoutAnswer(), ServerTrouble),
        (Status(401), SignInRefused),
    ],
    ids=repr,
)
def test_trouble_in_the_middle_keeps_what_was_stored(make_shelf: MakeShelf, action: Any, kind: type[Exception]) -> None:
    shelf = make_shelf(library_of(120), generate_catalogue(120))
    shelf.service.server.fail(action, after=1, times=None)
    outcome = shelf.fetch()
    assert isinstance(outcome.stopped, kind)
    assert len(outcome.stored) == 100
    assert outcome.ambiguous == ()


def test_a_missing_scope_is_named(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))], scopes=['read:me:content'])
    stopped = shelf.fetch().stopped
    assert isinstance(stopped, ScopeMissing)
    assert 'read:catalog' in str(stopped)


def test_no_account_is_said_before_anything(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])
    save({'hardcover_token': ''})
    with pytest.raises(SettingsTrouble, match='Configure Hardcover Account'):
        shelf.fetch()


def test_a_library_that_is_closed_meanwhile_ends_it(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])
    library = Library(shelf.api)
    times: list[int] = []

    @contextmanager
    def open_once() -> Iterator[Library]:
        times.append(1)
        if len(times) == 2:
            library.retire()
        yield library

    outcome = fetch_ids(open_once, shelf.service.reporter, Cancel(), pace=shelf.service.pace)
    assert isinstance(outcome.stopped, LibraryTrouble)
    assert shelf.hardcover() == {}


def test_a_book_that_was_deleted_meanwhile_has_failed(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(), dune()])

    def choose(question: Question) -> Candidate:
        if question.number == 1:
            shelf.api.remove_books([1])
        return question.candidates[0]

    outcome = shelf.fetch(choose=choose)
    assert [each.book_id for each in outcome.failed] == [1]
    assert [match.book.book_id for match in outcome.stored] == [2]


def test_an_id_that_came_meanwhile_is_not_replaced(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma()])

    def choose(question: Question) -> Candidate:
        shelf.api.set_field('identifiers', {1: {'hardcover-id': '99'}})
        return question.candidates[0]

    shelf.fetch(choose=choose)
    assert shelf.hardcover()['hardcover-id'] == '99'


# Another server first.


def test_the_first_source_saves_requests(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), dune(), dune(isbn=isbn13(12))])
    asked: list[list[str]] = []

    def source(books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        asked.append([book.title for book in books])
        return {1: SourceMatch(11, 'emma'), 2: SourceMatch(slug='dune'), 99: SourceMatch(1)}

    outcome = shelf.fetch(first_source=source)
    assert asked == [['Emma', 'Dune', 'Dune']]
    assert shelf.hardcover(1) == {'hardcover-id': '11', 'hardcover-slug': 'emma'}
    assert shelf.hardcover(2) == {'hardcover-id': '12', 'hardcover-slug': 'dune'}
    assert len(outcome.stored) == 3
    assert shelf.service.server.operations == ['BooksByIds', 'BooksBySlugs', 'EditionsByCodes']
    assert len(shelf.service.reporter.matching('from BookLore')) == 2


def test_the_last_source_is_for_what_nothing_else_resolved(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), dune(), dune(isbn=isbn13(99))])
    asked: list[list[str]] = []

    def last(books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        asked.append([book.title for book in books])
        return {2: SourceMatch(12), 3: SourceMatch(slug='dune')}

    outcome = shelf.fetch(last_source=last, choose=skip)
    assert asked == [['Dune', 'Dune']]
    assert shelf.hardcover(2) == {'hardcover-id': '12', 'hardcover-slug': 'dune'}
    assert shelf.hardcover(3) == {'hardcover-id': '12', 'hardcover-slug': 'dune'}
    assert (len(outcome.stored), outcome.skipped) == (3, ())


@pytest.mark.parametrize(
    ('said', 'reason'),
    [
        (SourceMatch(12, 'emma-in-booklore'), 'From BookLore, other title'),
        (SourceMatch(16), 'From BookLore, other volume'),
        (SourceMatch(slug='dune'), 'From BookLore, other title'),
        (SourceMatch(11, others=(SourceMatch(14),)), 'From BookLore, one of several with this title'),
    ],
)
def test_what_booklore_says_is_asked_about_where_hardcover_has_another_title(
    make_shelf: MakeShelf, said: SourceMatch, reason: str
) -> None:
    catalogue = small_catalogue()
    catalogue.works += [Work(14, 'Emma', 'emma-14'), Work(16, 'Emma 2', 'emma-2')]
    shelf = make_shelf([{'title': 'Emma 1' if said.book_id == 16 else 'Emma'}], catalogue)
    questions = asked_about(shelf, first_source=lambda books, cancel: {1: said})
    assert shelf.hardcover() == {}
    assert first_reasons(questions)[0][1] == reason


def test_of_two_ids_that_booklore_has_for_one_book_the_one_with_the_title_is_stored(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma()])
    shelf.fetch(first_source=lambda books, cancel: {1: SourceMatch(12, others=(SourceMatch(11),))})
    assert shelf.hardcover() == {'hardcover-id': '11', 'hardcover-slug': 'emma'}


def test_an_id_from_booklore_that_hardcover_does_not_have_gives_way_to_its_slug(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma()])
    shelf.fetch(first_source=lambda books, cancel: {1: SourceMatch(999, 'emma')})
    assert shelf.hardcover() == {'hardcover-id': '11', 'hardcover-slug': 'emma'}


@pytest.mark.parametrize('wrong', [0, 30])
def test_ids_from_booklore_are_verified_at_a_unit_a_hundred(make_shelf: MakeShelf, wrong: int) -> None:
    catalogue = generate_catalogue(300)
    shelf = make_shelf(library_of(300), catalogue)
    ids = [work.id for work in catalogue.works]
    said = {number: SourceMatch(ids[number if number <= wrong else number - 1]) for number in range(1, 301)}
    outcome = shelf.fetch(first_source=lambda books, cancel: said)
    assert [shelf.hardcover(number)['hardcover-id'] for number in range(1, 301)] == list(map(str, ids))
    assert len(shelf.service.reporter.matching(r'^OK .*\(from BookLore\)$')) == 300 - wrong
    assert outcome.units == (3 + 1 if wrong else 3)


def test_a_first_source_in_trouble_is_left_out(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])

    def source(books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        raise SignInRefused(SIGN_IN_REFUSED)

    assert len(shelf.fetch(first_source=source).stored) == 1
    assert len(shelf.service.reporter.matching('BookLore was left out')) == 1


# Changing and undoing a match.


def test_a_match_can_be_changed(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works.append(Work(50, 'Emma', 'emma-50', authors=['Alexander McCall Smith']))
    shelf = make_shelf([emma(isbn=isbn13(11), hardcover='kept', goodreads='7')], catalogue)
    shelf.fetch()
    question = find_candidates(shelf.open, shelf.service.reporter, Cancel(), 1, shelf.service.pace)
    assert {each.book_id for each in question.candidates} == {11, 50}
    change_match(shelf.open, 1, next(each for each in question.candidates if each.book_id == 50))
    assert shelf.identifiers() == {
        'isbn': isbn13(11),
        'goodreads': '7',
        'hardcover': 'kept',
        'hardcover-id': '50',
        'hardcover-slug': 'emma-50',
    }
    change_match(shelf.open, 1, next(each for each in question.candidates if each.book_id == 11))
    assert shelf.hardcover() == {'hardcover': 'kept', 'hardcover-id': '11', 'hardcover-slug': 'emma'}


def test_a_match_can_be_unlinked_and_stays_so(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11), hardcover_book='11', hardcover_slug='theirs')])
    shelf.fetch()
    assert shelf.hardcover()['hardcover-id'] == '11'
    assert unlink_match(shelf.open, 1) == {'hardcover-id': '11'}
    assert shelf.hardcover() == {'hardcover-book': '11', 'hardcover-slug': 'theirs'}
    outcome = shelf.fetch(choose=first)
    assert 'unlinked' in str(outcome.skipped[0].why)
    assert outcome.units == 0
    ask_again(shelf.open)
    assert len(shelf.fetch().stored) == 1


@pytest.mark.parametrize('edited', [False, True])
def test_an_id_that_somebody_else_wrote_is_not_touched(make_shelf: MakeShelf, edited: bool) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)) if edited else emma(hardcover_id='77')])
    if edited:
        shelf.fetch()
        shelf.api.set_field('identifiers', {1: {**shelf.identifiers(), 'hardcover-id': '77'}})
    before = shelf.identifiers()
    for change in (lambda: unlink_match(shelf.open, 1), lambda: change_match(shelf.open, 1, Candidate(11, 'emma'))):
        with pytest.raises(LibraryTrouble, match='not stored by this plugin'):
            change()
    assert shelf.identifiers() == before


def test_matches_of_books_that_are_gone(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([])
    with pytest.raises(LibraryTrouble, match='no longer in the library'):
        unlink_match(shelf.open, 5)
    with pytest.raises(LibraryTrouble, match='no longer in the library'):
        find_candidates(shelf.open, shelf.service.reporter, Cancel(), 5, shelf.service.pace)


# The memory on disk.


@pytest.mark.parametrize('damage', [b'', b'{', b'[]', b'{"left": 7, "written": [], "pushes": {}}', b'\xff'])
def test_a_damaged_memory_is_no_obstacle(make_shelf: MakeShelf, damage: bytes) -> None:
    shelf = make_shelf([emma()])
    shelf.fetch(choose=skip)
    (path,) = plugin_folder().glob('hardcover-*.json')
    path.write_bytes(damage)
    assert skipped_books(shelf.open) == frozenset()
    assert len(shelf.fetch(choose=first).stored) == 1


@pytest.mark.parametrize('damage', [b'{', b'[]', b'\xff'])
def test_a_damaged_memory_is_set_aside(make_shelf: MakeShelf, damage: bytes) -> None:
    shelf = make_shelf([emma()])
    shelf.fetch(choose=skip)
    (path,) = plugin_folder().glob('hardcover-*.json')
    path.write_bytes(damage)
    shelf.fetch(choose=skip)
    (aside,) = plugin_folder().glob('hardcover-*unreadable*')
    assert aside.read_bytes() == damage


def test_a_memory_of_0_1_0_is_read(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([emma()])
    shelf.fetch(choose=skip)
    (path,) = plugin_folder().glob('hardcover-*.json')
    path.write_bytes(json.dumps(json.loads(path.read_bytes()), ensure_ascii=False, indent=1).encode())
    assert skipped_books(shelf.open) == frozenset({1})


def test_the_memory_is_private_and_belongs_to_one_library(make_shelf: MakeShelf) -> None:
    one = make_shelf([emma()])
    one.fetch(choose=skip)
    (path,) = plugin_folder().glob('hardcover-*.json')
    assert path.stat().st_mode & 0o777 == 0o600
    other = make_shelf([emma()])
    assert skipped_books(other.open) == frozenset()


def full(*given: object) -> None:
    raise OSError(28, 'No space left on device')


WRITING = 'calibre_plugins.bookfusionbacksync.base.json_file.write_privately'


def test_what_cannot_be_noted_is_not_stored(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """An identifier that the plugin does not know as its own could be neither changed nor unlinked."""
    shelf = make_shelf([emma(isbn=isbn13(11))])
    with monkeypatch.context() as patch:
        patch.setattr(WRITING, full)
        outcome = shelf.fetch()
    assert (len(outcome.stored), shelf.hardcover()) == (0, {})
    assert 'No space left' in str(outcome.stopped)
    assert len(shelf.fetch().stored) == 1
    assert unlink_match(shelf.open, 1) == EMMA


def test_an_error_after_some_were_stored_does_not_deny_them(
    make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11)), dune(hardcover_edition='22')])
    store = Library.store_identifiers

    def then_full(*given: Any, **more: Any) -> set[int]:
        monkeypatch.setattr(WRITING, full)
        return store(*given, **more)

    monkeypatch.setattr(Library, 'store_identifiers', then_full)
    outcome = shelf.fetch()
    assert len(outcome.stored) == 1
    assert str(outcome.stopped).startswith(
        'The record of Hardcover jobs could not be saved (No space left on device), so this step was not taken.'
    )


def refuse(*given: object, **more: object) -> set[int]:
    raise LibraryTrouble(LIBRARY_NOT_WRITTEN, reason='disk I/O error')


def test_a_change_that_fails_leaves_the_match_and_what_is_known_of_it(
    make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])
    shelf.fetch()
    with monkeypatch.context() as patch:
        patch.setattr(Library, 'store_identifiers', refuse)
        with pytest.raises(LibraryTrouble, match='disk I/O error'):
            change_match(shelf.open, 1, Candidate(12, 'dune', 'Dune'))
    assert shelf.hardcover() == EMMA
    assert unlink_match(shelf.open, 1) == EMMA


def test_a_change_is_noted_before_it_is_made(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])
    shelf.fetch()
    with monkeypatch.context() as patch:
        patch.setattr(WRITING, full)
        with pytest.raises(LibraryTrouble, match='so this step was not taken'):
            change_match(shelf.open, 1, Candidate(12, 'dune', 'Dune'))
    assert shelf.hardcover() == EMMA
    change_match(shelf.open, 1, Candidate(12, 'dune', 'Dune'))
    assert shelf.hardcover()['hardcover-id'] == '12'


def test_an_unlinking_that_cannot_be_noted_in_the_end_is_done(
    make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = make_shelf([emma(isbn=isbn13(11))])
    shelf.fetch()
    store = Library.store_identifiers

    def then_full(*given: Any, **more: Any) -> set[int]:
        monkeypatch.setattr(WRITING, full)
        return store(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Library, 'store_identifiers', then_full)
        assert unlink_match(shelf.open, 1) == EMMA
    assert shelf.hardcover() == {}
