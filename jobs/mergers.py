# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of books that Hardcover merged into others.

Asks Hardcover and decides nothing: whether a survivor still is the same book is said by its title.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from ..base.cancel import Cancel
from ..base.errors import OnlyThisFailed
from ..rules.hardcover_records import HardcoverBook
from ..services.hardcover_client import Hardcover, in_batches

# Mergers of mergers are followed this far.
MOST_MERGERS = 5


def follow_mergers(hardcover: Hardcover, merged: Iterable[HardcoverBook], cancel: Cancel) -> dict[int, HardcoverBook]:
    """The surviving books, by the ids of the merged ones. Raises BackSyncError.

    A book whose survivor cannot be looked up, or that leads round in circles, still has a `canonical_id`. Costs a unit
    for each hundred books, and again for those of them that were merged further.
    """
    books = {book.book_id: book for book in merged}
    known: dict[int, HardcoverBook] = {}
    asked = {0}
    for _merger in range(MOST_MERGERS):
        wanted = sorted({_survivor(book, known).canonical_id for book in books.values()} - asked)
        asked.update(wanted)
        for batch in in_batches(wanted):
            with suppress(OnlyThisFailed):
                known.update((book.book_id, book) for book in hardcover.books_by_ids(batch, cancel))
    return {book_id: _survivor(book, known) for book_id, book in books.items()}


def _survivor(book: HardcoverBook, known: Mapping[int, HardcoverBook]) -> HardcoverBook:
    for _merger in range(MOST_MERGERS):
        book = known.get(book.canonical_id, book)
    return book
