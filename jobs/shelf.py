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
from ..rules.hardcover_matching import Hit, survives, verdict_of
from ..rules.hardcover_records import Account, HardcoverBook, RatingChange, ShelfEntry
from ..rules.records import CalibreBook
from ..rules.titles import Likeness
from ..services.hardcover_client import BATCH, Hardcover, in_batches
from .mergers import follow_mergers

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
    """What retired books are now, by Calibre's book id. Those that cannot be found under the same title are left out.

    Looks by edition, then by slug, then by id, a unit for each hundred books and kind, and as much again where what is
    found was merged. Raises BackSyncError.
    """
    found: dict[int, Successor] = {}

    def look_up(
        key_of: Callable[[RatingChange], Key],
        look: Callable[[Sequence[Key]], Mapping[Key, Hit]],
        has_edition: bool = False,
    ) -> None:
        left = [change for change in changes if key_of(change) and change.book_id not in found]
        for batch in in_batches(left):
            hits = look([key_of(change) for change in batch])
            merged = [hit.hardcover for hit in hits.values() if hit.hardcover.canonical_id]
            survivors = follow_mergers(hardcover, merged, cancel) if merged else {}
            for change in batch:
                hit = hits.get(key_of(change))
                if hit is not None and (now := successor_of(change, hit, survivors)):
                    found[change.book_id] = Successor(now, has_edition)

    def by_edition(ids: Sequence[int]) -> dict[int, Hit]:
        editions = hardcover.editions_by_ids(ids, cancel)
        return {edition.edition_id: Hit(edition.book, edition.title) for edition in editions}

    def by_slug(slugs: Sequence[str]) -> dict[str, Hit]:
        return {book.slug: Hit(book) for book in hardcover.books_by_slugs(slugs, cancel)}

    def by_id(ids: Sequence[int]) -> dict[int, Hit]:
        return {book.book_id: Hit(book) for book in hardcover.books_by_ids(ids, cancel)}

    look_up(lambda change: change.edition_id, by_edition, has_edition=True)
    look_up(lambda change: change.slug, by_slug)
    look_up(lambda change: change.hardcover_id, by_id)
    return found


def book_of(change: RatingChange) -> CalibreBook:
    """Calibre's book of a change, as far as titles need it."""
    return CalibreBook(change.book_id, change.title, series=change.series)


def successor_of(change: RatingChange, hit: Hit, survivors: Mapping[int, HardcoverBook]) -> HardcoverBook | None:
    """What a retired book is by a hit, or by what that was merged into; None where it has another title.

    The slug of a book may have gone to another volume.
    """
    book, now = book_of(change), survivors.get(hit.hardcover.book_id)
    agrees = verdict_of(book, hit) is Likeness.SAME
    is_same = agrees if now is None else survives(book, hit.hardcover, now, edition_agrees=agrees)
    now = now or hit.hardcover
    return now if is_same and now.book_id != change.hardcover_id else None


def find_survivors(hardcover: Hardcover, book_ids: Sequence[int], cancel: Cancel) -> dict[int, HardcoverBook]:
    """What those of these books were merged into that were merged, by their ids. Raises BackSyncError.

    A shelf does not always know a merged book under its old id. Costs a unit for each hundred books, and as much again
    for those that were merged.
    """
    books = [book for batch in in_batches(book_ids) for book in hardcover.books_by_ids(batch, cancel)]
    return follow_mergers(hardcover, [book for book in books if book.canonical_id], cancel)
