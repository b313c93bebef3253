# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading Hardcover for a push: what is on the shelf, and what became of books that are gone.

Sends nothing. Knows no Qt and no library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..base.cancel import Cancel
from ..base.reporter import Reporter
from ..base.text import text
from ..rules.hardcover_records import Account, HardcoverBook, RatingChange, ShelfEntry
from ..rules.titles import Likeness, Title, compare
from ..services.hardcover_client import BATCH, Hardcover, in_batches

Key = TypeVar('Key', int, str)

READING_SHELF = text('Reading the Hardcover shelf...')


def read_shelf(
    hardcover: Hardcover, account: Account, book_ids: Sequence[int], reporter: Reporter, cancel: Cancel
) -> list[ShelfEntry]:
    """The shelf entries of these books, a hundred books a request. Raises BackSyncError."""
    reporter.status(READING_SHELF)
    entries: list[ShelfEntry] = []
    for number, batch in enumerate(in_batches(book_ids), 1):
        entries += hardcover.shelf(account, batch, cancel)
        reporter.progress(min(number * BATCH, len(book_ids)), len(book_ids))
    return entries


@dataclass(frozen=True)
class Successor:
    """What a retired book is now. `has_edition`: it was found by the edition of the change, so that it has that one."""

    book: HardcoverBook
    has_edition: bool = False


def find_successors(hardcover: Hardcover, changes: Sequence[RatingChange], cancel: Cancel) -> dict[int, Successor]:
    """What retired books are now, by Calibre's book id; those that cannot be found are left out.

    Looks by edition, then by slug, then by id, a unit for each hundred books and kind. Raises BackSyncError.
    """
    found: dict[int, Successor] = {}

    def look_up(
        key_of: Callable[[RatingChange], Key],
        look: Callable[[Sequence[Key]], Mapping[Key, HardcoverBook]],
        has_edition: bool = False,
    ) -> None:
        left = [change for change in changes if key_of(change) and change.book_id not in found]
        for batch in in_batches(left):
            hits = look([key_of(change) for change in batch])
            for change in batch:
                hit = hits.get(key_of(change))
                if hit is not None and leads_elsewhere(change, hit):
                    found[change.book_id] = Successor(hit, has_edition)

    def by_edition(ids: Sequence[int]) -> dict[int, HardcoverBook]:
        return {edition.edition_id: edition.book for edition in hardcover.editions_by_ids(ids, cancel)}

    def by_slug(slugs: Sequence[str]) -> dict[str, HardcoverBook]:
        return {book.slug: book for book in hardcover.books_by_slugs(slugs, cancel)}

    def by_id(ids: Sequence[int]) -> dict[int, HardcoverBook]:
        return {book.book_id: book for book in hardcover.books_by_ids(ids, cancel)}

    look_up(lambda change: change.edition_id, by_edition, has_edition=True)
    look_up(lambda change: change.slug, by_slug)
    look_up(lambda change: change.hardcover_id, by_id)
    return found


def leads_elsewhere(change: RatingChange, hit: HardcoverBook) -> bool:
    """Whether a hit is another book than the retired one and has the same title: the slug may be another volume's."""
    same = compare(Title(change.title), Title(hit.title)) is Likeness.SAME
    return hit.surviving_id != change.hardcover_id and same
