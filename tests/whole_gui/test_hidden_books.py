"""Books of a result that the book list does not show: never an empty list without a word, and a way to see them."""

from __future__ import annotations

from typing import Any

from harness.whole_gui import SCRIPTS

RECORDS = [
    {'id': 101, 'title': 'Emma', 'last_read_at': '2024-11-03T12:00:00Z'},
    {'id': 102, 'title': 'Dune', 'last_read_at': '2024-11-02T12:00:00Z'},
    {'id': 103, 'title': 'Walden', 'last_read_at': '2024-11-01T12:00:00Z'},
    {'id': 104, 'title': 'Ulysses'},
]
DONE = 'Done - 3 updated, 1 skipped.'
BY_WHAT = 'hidden by the virtual library or the restriction in the main window.'
FREE = ['', '']


def shown(books: list[int], status: str = DONE) -> dict[str, Any]:
    return {'status': status, 'books': books, 'offered': False, 'restrictions': FREE}


def hidden(books: list[int], status: str, *restrictions: str) -> dict[str, Any]:
    return {'status': status, 'books': books, 'offered': True, 'restrictions': list(restrictions)}


def test_books_that_the_list_hides(run_gui: Any, make_library: Any, in_good_order: Any) -> None:
    library = make_library(
        [
            *({'title': record['title'], 'identifiers': {'bookfusion': record['id']}} for record in RECORDS),
            {'title': 'Without an identifier'},
        ]
    )
    order = {'argument': {'count': 0, 'extra': RECORDS}}
    result = in_good_order(run_gui(SCRIPTS / 'hidden_books.py', library, **order))
    assert result['done'] == DONE
    found = result['found']
    # A search is replaced by the search for the marks.
    assert found['search'] == [shown([1, 2, 3])]
    assert found['some'] == [hidden([1], f'2 of these books are {BY_WHAT}', 'Only Emma', ''), shown([1, 2, 3])]
    assert found['all'] == [hidden([], f'3 of these books are {BY_WHAT}', 'Nothing', ''), shown([1, 2, 3])]
    restriction = '*title:"=Nothing"'
    assert found['restriction'] == [hidden([], f'3 of these books are {BY_WHAT}', '', restriction), shown([1, 2, 3])]
    assert found['both'] == [hidden([], f'3 of these books are {BY_WHAT}', 'Only Emma', restriction), shown([1, 2, 3])]
    assert found['skipped'] == [hidden([], f'That book is {BY_WHAT}', 'Only Emma', ''), shown([4])]
    assert found['line'] == [hidden([1], f'That book is {BY_WHAT}', 'Only Emma', ''), shown([1, 2, 3, 4, 5])]
    assert found['selected'] == [2]
    assert found['gone'] == [shown([1, 3], '1 of these books is not in the library any more.')]
    assert found['gone line'] == [shown([1, 3, 4, 5], 'That book is not in the library that is open now.')]
