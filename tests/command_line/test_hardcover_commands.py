"""hardcover-ids and hardcover-ratings, as a script meets them."""

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
