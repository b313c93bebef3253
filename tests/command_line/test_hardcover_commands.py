"""hardcover-ids, hardcover-match and hardcover-ratings, as a script meets them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre_plugins.bookfusionbacksync.base import log_file
from calibre_plugins.bookfusionbacksync.base.settings import save
from calibre_plugins.bookfusionbacksync.services import hardcover_quota
from harness.booklore import booklore_server
from harness.hardcover import small_catalogue
from harness.secrets import TEST_HARDCOVER_TOKEN
from standins.booklore import ServerBook
from standins.faults import Status
from standins.hardcover import HardcoverStandIn, isbn13

BOOKS = [
    {'title': 'Emma', 'identifiers': {'isbn': isbn13(11)}, 'rating': 9},
    {'title': 'Dune', 'identifiers': {'isbn': isbn13(12)}, 'rating': 7},
    {'title': 'The Left Hand of Darkness', 'identifiers': {'isbn': isbn13(13)}, 'rating': 2},
    {'title': 'Nobody knows it', 'rating': 2},
]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[HardcoverStandIn]:
    """A stand-in whose quota needs no waiting; each test counts it from the start."""
    monkeypatch.setattr(hardcover_quota, '_shared', {})
    with HardcoverStandIn(small_catalogue(), token=TEST_HARDCOVER_TOKEN, burst=500, per_minute=60_000) as running:
        # What Calibre shows of a built-in rating of 9.
        running.catalogue.shelf[0].rating = 4.0
        yield running
        assert running.violations == []


def settings(service: HardcoverStandIn, **more: Any) -> dict[str, Any]:
    return {'hardcover_api_url': service.api_url, 'hardcover_token': service.token, **more}


@pytest.fixture
def command(quick_cli: Any, service: HardcoverStandIn) -> Any:
    """`command('hardcover-ids', '--library', folder, ...)` in this process."""
    save(settings(service))
    return quick_cli


def test_both_commands_of_the_installed_plugin(
    make_library: Any, service: HardcoverStandIn, run_cli: Any, open_library: Callable[[Path], LibraryDatabase]
) -> None:
    folder = make_library(BOOKS)
    done = run_cli('hardcover-ids', '--library', folder, '--json', settings=settings(service))
    assert (done.returncode, done.stderr) == (0, '')
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == {
        'stored': 3,
        'skipped': 0,
        'failed': 0,
        'ambiguous': [{'book_id': 4, 'title': 'Nobody knows it', 'reason': 'It has no ISBN or ASIN to look up.'}],
        'requests': 1,
    }
    assert 'Done - 3 stored, 0 skipped, 0 failed.' in done.stdout.splitlines()
    done = run_cli('hardcover-ratings', '--library', folder, '--json')
    assert (done.returncode, done.stderr) == (0, '')
    assert json.loads(done.stdout.splitlines()[-1]) == {
        'updated': 1,
        'added': 0,
        'unchanged': 1,
        'skipped': 2,
        'failed': 0,
        # Of these one asks what became of the book that is not on the shelf.
        'requests': 5,
    }
    assert 'OK Dune -> 3 stars (update)' in done.stdout.splitlines()
    library = open_library(folder).new_api
    assert library.field_for('identifiers', 1) == {
        'isbn': isbn13(11),
        'hardcover-id': '11',
        'hardcover-slug': 'emma',
        'hardcover-edition': '21',
    }
    assert [row.rating for row in service.catalogue.shelf] == [4.0, 3.0]


def choices_of(done: Any) -> dict[str, list[int]]:
    return {choice['title']: [found['id'] for found in choice['candidates']] for choice in done.json['choices']}


def test_a_search_prints_the_candidates_of_books_that_need_a_choice(
    make_library: Any, service: HardcoverStandIn, command: Any, open_library: Callable[[Path], LibraryDatabase]
) -> None:
    service.catalogue.works[1].release_year = None
    folder = make_library(
        [
            BOOKS[0],
            {'title': 'The Left Hand of Darkness', 'authors': ['Ursula K. Le Guin']},
            {'title': 'Dune', 'authors': ['Frank Herbert']},
            {'title': 'Qwertz', 'authors': ['Nobody']},
            {'title': '???'},
        ]
    )
    done = command('hardcover-ids', '--library', folder, '--search', '--json')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.json['choices'] == [
        {
            'book_id': 2,
            'title': 'The Left Hand of Darkness',
            'candidates': [
                {
                    'id': 13,
                    'title': 'The Left Hand of Darkness',
                    'authors': ['Ursula K. Le Guin'],
                    'year': 2001,
                    'slug': 'the-left-hand-of-darkness',
                }
            ],
        },
        {
            'book_id': 3,
            'title': 'Dune',
            'candidates': [{'id': 12, 'title': 'Dune', 'authors': ['Frank Herbert'], 'year': None, 'slug': 'dune'}],
        },
        {'book_id': 4, 'title': 'Qwertz', 'candidates': []},
        {'book_id': 5, 'title': '???', 'candidates': []},
    ]
    assert [book['book_id'] for book in done.json['ambiguous']] == [2, 3, 4, 5]
    assert (done.json['stored'], done.json['skipped'], done.json['failed']) == (1, 0, 0)
    lines = done.stdout.splitlines()
    place = lines.index('CHOOSE Dune -> It has no ISBN or ASIN to look up.')
    assert lines[place + 1] == '    12: Dune by Frank Herbert'
    assert '    13: The Left Hand of Darkness by Ursula K. Le Guin (2001)' in lines
    assert lines[lines.index('CHOOSE Qwertz -> It has no ISBN or ASIN to look up.') + 1] == (
        '    Nothing like it was found on Hardcover.'
    )
    # Nobody has chosen yet: nothing is stored, and what was not found is searched for again.
    assert open_library(folder).new_api.field_for('identifiers', 2) == {}
    assert choices_of(command('hardcover-ids', '--library', folder, '--search', '--json'))['Qwertz'] == []


def test_nothing_is_searched_unless_it_is_asked_for(make_library: Any, service: HardcoverStandIn, command: Any) -> None:
    done = command('hardcover-ids', '--library', make_library(BOOKS), '--json')
    assert 'choices' not in done.json
    assert service.operations == ['EditionsByCodes']


def test_books_that_were_skipped_in_the_window_are_not_searched_for(make_library: Any, command: Any) -> None:
    folder = make_library([{'title': 'Dune', 'authors': ['Frank Herbert']}])
    command('hardcover-match', '1', 'none', '--library', folder)
    done = command('hardcover-ids', '--library', folder, '--search', '--json')
    assert (done.json['choices'], done.json['skipped'], done.json['requests']) == ([], 1, 0)


def test_a_search_keeps_to_the_quota_and_keeps_what_it_found(
    make_library: Any, service: HardcoverStandIn, command: Any
) -> None:
    folder = make_library([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune', 'Left Hand')])
    service.set_options(daily=2)
    done = command('hardcover-ids', '--library', folder, '--search', '--json')
    assert done.returncode == 1
    assert "Hardcover's quota is used up (2 requests sent). Start this again after" in done.stderr
    assert list(choices_of(done)) == ['Emma', 'Dune']
    assert [book['title'] for book in done.json['ambiguous']] == ['Emma', 'Dune', 'Left Hand']
    assert done.json['error'] in done.stderr


def test_a_search_that_fails_is_that_of_one_book(make_library: Any, service: HardcoverStandIn, command: Any) -> None:
    folder = make_library([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    service.fail(Status(408, body={'error': 'Request timeout'}), times=2)
    done = command('hardcover-ids', '--library', folder, '--search', '--json')
    assert done.returncode == 0
    assert choices_of(done) == {'Dune': [12]}
    assert (done.json['failed'], len(done.json['ambiguous'])) == (1, 1)


# Storing a choice.


@pytest.mark.parametrize(
    'hardcover',
    ['12', 'https://hardcover.app/books/dune', 'hardcover.app/books/dune/', 'https://hardcover.app/id/book/12'],
)
def test_a_choice_is_stored(
    make_library: Any, command: Any, open_library: Callable[[Path], LibraryDatabase], hardcover: str
) -> None:
    folder = make_library([{'title': 'Der Wüstenplanet', 'identifiers': {'isbn': '1'}}])
    done = command('hardcover-match', '1', hardcover, '--library', folder)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == 'OK Der Wüstenplanet -> hardcover-id=12 (chosen: Dune)\n'
    identifiers = open_library(folder).new_api.field_for('identifiers', 1)
    assert identifiers == {'isbn': '1', 'hardcover-id': '12', 'hardcover-slug': 'dune'}


def test_a_choice_is_changed_and_unlinked(
    make_library: Any, command: Any, open_library: Callable[[Path], LibraryDatabase]
) -> None:
    folder = make_library([BOOKS[0]])
    command('hardcover-ids', '--library', folder)
    assert command('hardcover-match', '1', '13', '--library', folder).returncode == 0
    database = open_library(folder)
    assert database.new_api.field_for('identifiers', 1)['hardcover-id'] == '13'
    database.close()
    done = command('hardcover-match', '1', 'none', '--library', folder)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == ('OK Emma -> unlinked (hardcover-id=13, hardcover-slug=the-left-hand-of-darkness)\n')
    assert open_library(folder).new_api.field_for('identifiers', 1) == {'isbn': isbn13(11)}
    # It stays so.
    assert command('hardcover-ids', '--library', folder, '--json').json['skipped'] == 1


def test_unlinking_takes_neither_account_nor_network(
    make_library: Any, service: HardcoverStandIn, command: Any
) -> None:
    save({'hardcover_token': ''})
    done = command('hardcover-match', '1', 'None', '--library', make_library([BOOKS[0]]))
    assert (done.returncode, done.stdout) == (0, 'OK Emma -> unlinked (there was no match)\n')
    assert service.count() == 0


def test_a_choice_ignores_the_restriction(make_library: Any, command: Any) -> None:
    folder = make_library([BOOKS[0]])
    for restriction in ('title:dune', 'title:dune and ('):
        save({'hardcover_restriction': restriction})
        assert command('hardcover-match', '1', '11', '--library', folder).returncode == 0


@pytest.mark.parametrize(
    ('arguments', 'code', 'sentence'),
    [
        (['5', '12'], 2, 'There is no book with the id 5 in this library.'),
        (['5', 'none'], 2, 'There is no book with the id 5 in this library.'),
        (['1', '99'], 1, 'Hardcover has no book at https://hardcover.app/id/book/99.'),
        (['1', 'https://hardcover.app/books/gone'], 1, 'Hardcover has no book at https://hardcover.app/books/gone.'),
        (['1', 'dune'], 2, 'This is neither the id nor the address of a book on Hardcover.'),
        (['1', 'https://www.goodreads.com/book/show/6969.Emma'], 2, 'This is neither the id nor the address'),
        (['1', '0'], 2, 'This is neither the id nor the address'),
        (['1', ''], 2, 'This is neither the id nor the address'),
        (['emma', '12'], 2, "Wrong usage (argument BOOK_ID: invalid int value: 'emma')."),
        (['1'], 2, 'Wrong usage (the following arguments are required: HARDCOVER).'),
        ([], 2, 'Wrong usage (the following arguments are required: BOOK_ID, HARDCOVER).'),
    ],
)
def test_a_choice_that_cannot_be_stored(
    make_library: Any,
    service: HardcoverStandIn,
    command: Any,
    open_library: Callable[[Path], LibraryDatabase],
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    folder = make_library([BOOKS[0]])
    done = command('hardcover-match', *arguments, '--library', folder)
    assert done.returncode == code
    assert done.stderr.startswith(f'Error: {sentence}')
    assert done.stderr.count('\n') == 1
    assert open_library(folder).new_api.field_for('identifiers', 1) == {'isbn': isbn13(11)}


def test_a_match_of_another_program_is_left_alone(make_library: Any, command: Any) -> None:
    folder = make_library([{'title': 'Emma', 'identifiers': {'hardcover-id': '11'}}])
    for hardcover in ('12', 'none'):
        done = command('hardcover-match', '1', hardcover, '--library', folder)
        assert done.returncode == 1
        assert 'was not stored by this plugin' in done.stderr


@pytest.mark.parametrize('hardcover', ['12', 'none'])
def test_no_choice_is_stored_while_calibre_runs(
    make_library: Any, service: HardcoverStandIn, command: Any, calibre_is_running: None, hardcover: str
) -> None:
    done = command('hardcover-match', '1', hardcover, '--library', make_library([BOOKS[0]]))
    assert done.returncode == 1
    assert 'Calibre is running' in done.stderr
    assert service.count() == 0


def test_a_choice_of_the_installed_plugin(make_library: Any, service: HardcoverStandIn, run_cli: Any) -> None:
    folder = make_library([BOOKS[0]])
    done = run_cli('hardcover-match', '1', '12', '--library', folder, settings=settings(service))
    assert (done.returncode, done.stdout, done.stderr) == (0, 'OK Emma -> hardcover-id=12 (chosen: Dune)\n', '')


def test_a_dry_run_sends_nothing(make_library: Any, service: HardcoverStandIn, command: Any) -> None:
    folder = make_library(BOOKS)
    command('hardcover-ids', '--library', folder)
    done = command('hardcover-ratings', '--library', folder, '--dry-run', '--json')
    assert done.returncode == 0
    assert done.json['updated'] == 1
    assert 'Dune -> 3 stars (update, now no rating)' in done.stdout.splitlines()
    assert 'Dry run: nothing was sent.' in done.stdout.splitlines()
    assert service.writes == []


def test_a_spent_quota_is_a_failure_that_says_what_was_done(
    make_library: Any, service: HardcoverStandIn, command: Any
) -> None:
    folder = make_library([*BOOKS, {'title': 'Dune', 'identifiers': {'hardcover-slug': 'dune'}}])
    service.set_options(daily=1)
    done = command('hardcover-ids', '--library', folder, '--json')
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Hardcover's quota is used up (1 request sent). Start this again after ")
    assert (done.json['stored'], done.json['requests']) == (1, 1)
    assert done.json['error'] in done.stderr


def test_a_spent_quota_of_a_push_says_how_many_were_sent(
    make_library: Any, service: HardcoverStandIn, command: Any
) -> None:
    folder = make_library(
        [
            {'title': title, 'rating': 2, 'identifiers': {'hardcover-id': str(number)}}
            for title, number in (('Emma', 11), ('Dune', 12))
        ]
    )
    service.set_options(daily=3)
    done = command('hardcover-ratings', '--library', folder, '--json')
    assert done.returncode == 1
    assert '(1 rating sent)' in done.stderr
    assert done.json['updated'] == 1


def test_booklore_is_asked_before_hardcover_and_singly_for_what_is_left(make_library: Any, command: Any) -> None:
    books = [
        ServerBook(501, 'Emma', ['Jane Austen'], hardcover_id='11'),
        ServerBook(502, 'Dune', ['Frank Herbert'], hardcover_id='12'),
    ]
    folder = make_library([BOOKS[0], {'title': 'Dune', 'authors': ['Frank Herbert']}])
    with booklore_server() as booklore:
        booklore.books, booklore.grimmory, booklore.has_batch = books, True, False
        save(
            {
                'booklore_url': booklore.address,
                'booklore_username': booklore.username,
                'booklore_password': booklore.password,
            }
        )
        done = command('hardcover-ids', '--library', folder, '--json')
    assert (done.returncode, done.json['stored'], done.json['requests']) == (0, 2, 2)
    assert 'OK Emma -> hardcover-id=11 (by its ISBN or ASIN)' in done.stdout.splitlines()
    assert 'OK Dune -> hardcover-id=12 (from BookLore)' in done.stdout.splitlines()
    assert (booklore.count('/api/v1/books/501'), booklore.count('/api/v1/books/502')) == (0, 1)


@pytest.mark.parametrize('name', ['hardcover-ids', 'hardcover-ratings'])
def test_a_refused_token_is_exit_code_3(make_library: Any, service: HardcoverStandIn, command: Any, name: str) -> None:
    save({'hardcover_token': 'hc_pat_wrong'})
    folder = make_library(
        [
            {**BOOKS[0], 'identifiers': {'isbn': isbn13(11)}},
            {'title': 'X', 'rating': 2, 'identifiers': {'hardcover-id': '11'}},
        ]
    )
    done = command(name, '--library', folder, '--json')
    assert done.returncode == 3
    assert 'expired' in done.json['error']
    assert done.stderr == f'Error: {done.json["error"]}\n'


@pytest.mark.parametrize('name', ['hardcover-ids', 'hardcover-ratings'])
def test_without_an_account_it_is_exit_code_2(make_library: Any, command: Any, name: str) -> None:
    save({'hardcover_token': ''})
    done = command(name, '--library', make_library(BOOKS))
    assert done.returncode == 2
    assert 'Configure Hardcover Account' in done.stderr


def test_a_rating_column_that_is_missing_is_exit_code_2(make_library: Any, command: Any) -> None:
    save({'rating_column': '#gone'})
    done = command('hardcover-ratings', '--library', make_library(BOOKS))
    assert done.returncode == 2
    assert '#gone' in done.stderr


@pytest.mark.parametrize('name', ['hardcover-ids', 'hardcover-ratings'])
def test_a_restriction_that_is_no_search_is_exit_code_2(
    make_library: Any, service: HardcoverStandIn, command: Any, name: str
) -> None:
    save({'hardcover_restriction': 'tags:fiction and ('})
    done = command(name, '--library', make_library(BOOKS), '--json')
    assert done.returncode == 2
    assert done.stderr.startswith('Error: Calibre does not understand the search tags:fiction and ( (')
    assert done.json == {'error': done.stderr.removeprefix('Error: ').strip()}
    assert service.count() == 0


@pytest.mark.parametrize(('name', 'code'), [('hardcover-ids', 1), ('hardcover-ratings', 1)])
def test_a_running_calibre_is_respected(
    make_library: Any, service: HardcoverStandIn, command: Any, calibre_is_running: None, name: str, code: int
) -> None:
    done = command(name, '--library', make_library(BOOKS))
    assert done.returncode == code
    assert 'Calibre is running' in done.stderr
    assert service.count() == 0


def test_a_dry_run_beside_a_running_calibre(make_library: Any, command: Any, calibre_is_running: None) -> None:
    assert command('hardcover-ratings', '--library', make_library(BOOKS), '--dry-run').returncode == 0


def test_the_token_is_nowhere_to_be_seen(make_library: Any, service: HardcoverStandIn, command: Any) -> None:
    folder = make_library(BOOKS)
    service.set_options(scopes=['read:catalog'], scope_errors='message')
    ids = command('hardcover-ids', '--library', folder)
    ratings = command('hardcover-ratings', '--library', folder)
    shown = '\n'.join([ids.stdout, ids.stderr, ratings.stdout, ratings.stderr])
    assert 'read:me:content' in ratings.stderr
    assert TEST_HARDCOVER_TOKEN not in shown


HOSTILE = '\n2026-01-01 00:00:00,000 INFO forged\x1b]0;gone\x07\x1b[2J\u202e\x9b\x0b\u2028end'


def test_titles_and_errors_from_outside_reach_no_terminal_raw(
    make_library: Any, service: HardcoverStandIn, command: Any, open_library: Callable[[Path], LibraryDatabase]
) -> None:
    folder = make_library(BOOKS)
    library = open_library(folder)
    # As a library has it that another program wrote: Calibre itself cleans titles.
    for book_id in library.new_api.all_book_ids():
        with library.new_api.safe_read_lock:
            title = library.new_api.backend.conn.get('SELECT title FROM books WHERE id=?', (book_id,), all=False)
        library.new_api.backend.conn.execute('UPDATE books SET title=? WHERE id=?', (title + HOSTILE, book_id))
    library.close()
    outputs = [
        command('hardcover-ids', '--library', folder),
        command('hardcover-ratings', '--dry-run', '--library', folder),
        command('hardcover-ratings', '--library', folder),
        command('hardcover-ids', '--no-such\x1b[2J\noption', '--library', folder),
    ]
    written = ''.join(done.stdout + done.stderr for done in outputs) + log_file.log_path().read_text()
    assert 'Dune 2026-01-01 00:00:00,000 INFO forged ]0;gone [2J' in written
    assert not {*written} & {*'\x1b\x07\u202e\x9b\x0b\u2028'}
    assert [line for line in written.splitlines() if line.startswith('2026-01-01')] == []
