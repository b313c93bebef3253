"""Searching for one book on the stand-in: that it is found among ten, and how often is asked for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.jobs import hardcover_account
from calibre_plugins.bookfusionbacksync.jobs.change_match import find_candidates
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Candidate
from harness.hardcover import MakeLibrary, MakeShelf, OpenLibrary, Shelf, shelves
from harness.network import PATIENT
from standins.faults import Status
from standins.hardcover import Catalogue, Work

WANTED = 7


@pytest.fixture
def make_shelf(
    make_library: MakeLibrary, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeShelf]:
    monkeypatch.setattr(hardcover_account, 'LIMITS', PATIENT)
    with shelves(make_library, open_library) as make:
        yield make


def candidates(shelf: Shelf) -> Sequence[Candidate]:
    return find_candidates(shelf.open, shelf.service.reporter, Cancel(), 1, shelf.service.pace).candidates


def crowd(wanted: Work, titles: Sequence[str], authors: Sequence[str] = (), series: Sequence[str] = ()) -> Catalogue:
    """The book that is wanted, and others that more people read."""
    others = [
        Work(100 + number, title, f'other-{number}', authors=authors, series=series, users_count=50_000 + number)
        for number, title in enumerate(titles)
    ]
    return Catalogue([wanted, *others])


def numbered(title: str, count: int = 15) -> list[str]:
    return [title.format(number) for number in range(2, count + 2)]


@pytest.mark.parametrize(
    ('title', 'authors', 'series', 'catalogue'),
    [
        (
            '10:04',
            ['Ben Lerner'],
            '',
            crowd(Work(WANTED, '10:04', 'wanted', authors=['Ben Lerner']), numbered('10 Ways to Win {}')),
        ),
        (
            '4:50 from Paddington',
            ['Agatha Christie'],
            '',
            crowd(
                Work(WANTED, '4:50 from Paddington', 'wanted', authors=['Agatha Christie']),
                numbered('Agatha Christie {}'),
                ['Agatha Christie'],
            ),
        ),
        (
            'Re:Zero, Vol. 1',
            ['Tappei Nagatsuki'],
            '',
            crowd(
                Work(
                    WANTED,
                    'Re:ZERO -Starting Life in Another World-, Vol. 1',
                    'wanted',
                    authors=['Tappei Nagatsuki'],
                ),
                numbered('Re:ZERO -Starting Life in Another World-, Vol. {}'),
                ['Tappei Nagatsuki'],
            ),
        ),
        (
            'Riftwar 01: Magician',
            ['Raymond E. Feist'],
            '',
            crowd(
                Work(WANTED, 'Magician', 'wanted', authors=['Raymond E. Feist']),
                numbered('Riftwar 01: Silverthorn {}'),
                ['Raymond E. Feist'],
            ),
        ),
        (
            'Star Wars: Thrawn',
            ['Timothy Zahn'],
            'Star Wars',
            crowd(
                Work(WANTED, 'Thrawn', 'wanted', authors=['Timothy Zahn']),
                numbered('Star Wars: Heir to the Empire {}'),
                ['Timothy Zahn'],
                ['Star Wars'],
            ),
        ),
        (
            'The Sparrow - A Novel',
            ['Mary Doria Russell'],
            '',
            crowd(
                Work(WANTED, 'The Sparrow', 'wanted', authors=['Mary Doria Russell']),
                numbered('The Sparrow: A Novel of Birds {}'),
                ['Somebody Else'],
            ),
        ),
        (
            'Emma: Fully Annotated, With Letters and Maps',
            ['Jane Austen'],
            '',
            crowd(
                Work(WANTED, 'Emma', 'wanted', authors=['Jane Austen']),
                numbered('Fully Annotated Letters, With Maps {}'),
                ['Jane Austen'],
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_book_is_found_among_ten(
    make_shelf: MakeShelf, title: str, authors: list[str], series: str, catalogue: Catalogue
) -> None:
    shelf = make_shelf([{'title': title, 'authors': authors, **({'series': series} if series else {})}], catalogue)
    found = candidates(shelf)
    assert len(found) <= 10
    assert found[0].book_id == WANTED
    assert shelf.service.server.units <= 3


@pytest.mark.parametrize(
    ('title', 'on_hardcover', 'searches'),
    [
        ('Emma', 'Emma', 1),
        ('Emma: Annotated', 'Emma: Annotated', 1),
        ('Emma: Annotated', 'Emma', 1),
        ('Emma: Annotated', 'Emmanuel Annotated', 2),
        ('Riftwar 01: Magician', 'Riftwar 02: Silverthorn', 3),
        ('Emma', 'Emma and the Vampires', 1),
    ],
)
def test_a_shorter_title_is_searched_only_where_no_candidate_has_it(
    make_shelf: MakeShelf, title: str, on_hardcover: str, searches: int
) -> None:
    shelf = make_shelf([{'title': title}], Catalogue([Work(WANTED, on_hardcover)]))
    candidates(shelf)
    assert shelf.service.server.operations == ['SearchBooks'] * searches


def test_a_second_search_that_fails_keeps_what_the_first_one_brought(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Emma: Annotated'}], Catalogue([Work(WANTED, 'Emmanuel Annotated')]))
    shelf.service.server.fail(Status(408), after=1, times=None)
    assert [candidate.book_id for candidate in candidates(shelf)] == [WANTED]


def test_no_author_in_the_users_language_is_no_other_author(make_shelf: MakeShelf, monkeypatch: Any) -> None:
    from calibre_plugins.bookfusionbacksync.jobs import search_ahead

    monkeypatch.setattr(search_ahead, 'NULL_VALUES', {'authors': ['Unbekannt']})
    shelf = make_shelf(
        [{'title': 'Emma', 'authors': ['Unbekannt']}], Catalogue([Work(WANTED, 'Emma', authors=['Jane Austen'])])
    )
    (found,) = candidates(shelf)
    assert str(found.reasons[0]) == 'Same title'


def test_an_audiobook_is_not_offered_before_a_book(make_shelf: MakeShelf) -> None:
    catalogue = Catalogue(
        [
            Work(WANTED, 'Emma', authors=['Jane Austen'], users_count=5),
            Work(8, 'Emma', 'heard', authors=['Jane Austen'], users_count=9000, has_ebook=False, has_audiobook=True),
        ]
    )
    shelf = make_shelf([{'title': 'Emma', 'authors': ['Jane Austen']}], catalogue)
    assert [candidate.book_id for candidate in candidates(shelf)] == [WANTED, 8]


@pytest.mark.parametrize('title', ['x' * 10_000, '(' * 3000, 'Том ' * 3000, '1984', '10:04', '채식 주의자'])
def test_odd_titles_are_searched_for_in_one_line(make_shelf: MakeShelf, title: str) -> None:
    shelf = make_shelf([{'title': title, 'authors': ['y' * 10_000]}])
    candidates(shelf)
    assert shelf.service.server.violations == []
