"""The search that limits which books the Hardcover jobs look up or send: what it holds back, and what ignores it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import SettingsTrouble
from calibre_plugins.bookfusionbacksync.base.settings import save
from calibre_plugins.bookfusionbacksync.jobs.change_match import change_match, find_candidates
from calibre_plugins.bookfusionbacksync.library.library_preferences import save_for_library
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from harness.hardcover import MakeShelf, Shelf
from standins.hardcover import isbn13

NOT_A_SEARCH = 'title:"Emma" and ('


def books(**more: Any) -> list[dict[str, Any]]:
    return [
        {'title': 'Emma', 'tags': ['Classics'], 'identifiers': {'isbn': isbn13(11)}, **more},
        {'title': 'Dune', 'tags': ['Space'], 'identifiers': {'isbn': isbn13(12)}, **more},
    ]


def linked(shelf: Shelf) -> set[int]:
    return {book_id for book_id in (1, 2) if 'hardcover-id' in shelf.identifiers(book_id)}


@pytest.mark.parametrize(
    ('restriction', 'found'),
    [
        ('', {1, 2}),
        ('tags:space', {2}),
        ('not tags:space', {1}),
        ('dune', {2}),
        ('tags:nothing', set()),
        ('   ', {1, 2}),
    ],
)
def test_only_what_it_finds_is_looked_up(make_shelf: MakeShelf, restriction: str, found: set[int]) -> None:
    shelf = make_shelf(books())
    save({'hardcover_restriction': restriction})
    outcome = shelf.fetch()
    assert linked(shelf) == found
    assert len(outcome.stored) == len(found)
    assert shelf.service.server.units == (1 if found else 0)
    assert outcome.restriction == restriction.strip()


def test_a_selection_is_narrowed_down_further(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([*books(), {'title': 'The Left Hand of Darkness', 'tags': ['Space']}])
    save({'hardcover_restriction': 'tags:space'})
    assert len(shelf.fetch(ids=[1, 2]).stored) == 1
    assert linked(shelf) == {2}
    assert shelf.service.reporter.matching('Note: only the 1 book that the search tags:space finds.')


def test_another_server_is_not_asked_for_the_others_either(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(books())
    save({'hardcover_restriction': 'tags:space'})
    asked: list[str] = []

    def source(books: Any, cancel: Cancel) -> dict[int, Any]:
        asked.extend(book.title for book in books if isinstance(book, CalibreBook))
        return {}

    shelf.fetch(first_source=source)
    assert asked == ['Dune']


def test_only_what_it_finds_is_sent(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(
        [
            {'title': 'Emma', 'tags': ['Classics'], 'identifiers': {'hardcover-id': '11'}, 'rating': 2},
            {'title': 'Dune', 'tags': ['Space'], 'identifiers': {'hardcover-id': '12'}, 'rating': 8},
        ]
    )
    save({'hardcover_restriction': 'tags:space'})
    planned = shelf.plan()
    assert [change.title for change in planned.plan.changes] == ['Dune']
    assert planned.restriction == 'tags:space'
    shelf.push(planned)
    assert {row.book_id: row.rating for row in shelf.service.catalogue.shelf} == {11: 4.5, 12: 4.0}
    # What was sent can be taken back whatever is searched for by now.
    save({'hardcover_restriction': 'tags:classics'})
    shelf.undo()
    assert {row.book_id: row.rating for row in shelf.service.catalogue.shelf} == {11: 4.5, 12: None}


@pytest.mark.parametrize('job', [Shelf.fetch, Shelf.plan])
@pytest.mark.parametrize('search', [NOT_A_SEARCH, 'search:"=nobody saved it"', 'vl:"=gone"', 'title:~('])
def test_one_that_is_no_search_lets_nothing_through(
    make_shelf: MakeShelf, job: Callable[[Shelf], object], search: str
) -> None:
    shelf = make_shelf(books(rating=8))
    save({'hardcover_restriction': search})
    with pytest.raises(SettingsTrouble, match='does not understand the search') as caught:
        job(shelf)
    assert caught.value.exit_code == 2
    assert shelf.service.server.count() == 0
    assert linked(shelf) == set()


def test_it_belongs_to_the_library(make_shelf: MakeShelf) -> None:
    one, other = make_shelf(books()), make_shelf(books())
    other.service.set_up()
    save_for_library(one.api, {'hardcover_restriction': 'tags:space'})
    save_for_library(other.api, {'hardcover_restriction': 'tags:classics'})
    assert other.fetch().restriction == 'tags:classics'
    assert linked(other) == {1}
    one.service.set_up()
    one.fetch()
    assert linked(one) == {2}


def test_changing_a_match_ignores_it(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(books())
    for restriction in ('tags:space', NOT_A_SEARCH):
        save({'hardcover_restriction': restriction})
        question = find_candidates(shelf.open, shelf.service.reporter, Cancel(), 1, shelf.service.pace)
        change_match(shelf.open, 1, question.candidates[0])
    assert linked(shelf) == {1}
