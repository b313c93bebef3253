# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a book on Hardcover by what a user entered: words, the address of a book, or its id.

No Qt, no library.
"""

from __future__ import annotations

from dataclasses import replace

from ..base import errors
from ..base.cancel import Cancel
from ..base.errors import Cancelled, NotOnHardcover, ServerTrouble
from ..base.text import text
from ..rules.hardcover_address import EXAMPLE_PAGE, NamedBook, book_named, cut_query, is_address
from ..rules.hardcover_matching import Look, number_id
from ..rules.hardcover_records import Candidate, HardcoverBook
from ..rules.hardcover_search import CANDIDATES_SHOWN, rank
from ..rules.isbn import codes_of
from ..rules.records import CalibreBook
from ..services.hardcover_client import Hardcover
from .mergers import follow_mergers

ENTERED = text('You entered its address or id')


def find_named(hardcover: Hardcover, named: NamedBook, cancel: Cancel) -> HardcoverBook:
    """Look up one book, and follow it to the book that it was merged into.

    Costs one unit, and one more for each merge. Raises NotOnHardcover, BackSyncError.
    """
    if named.look is Look.SLUG:
        found = hardcover.books_by_slugs([named.value], cancel)
    else:
        found = hardcover.books_by_ids([int(named.value)], cancel)
    if not found:
        raise NotOnHardcover(errors.NOT_ON_HARDCOVER, address=named.link)
    book = found[0]
    if book.canonical_id:
        book = follow_mergers(hardcover, [book], cancel)[book.book_id]
    return HardcoverBook(book.surviving_id, '' if book.canonical_id else book.slug, book.title)


def search_by_hand(hardcover: Hardcover, book: CalibreBook, words: str, cancel: Cancel) -> tuple[Candidate, ...]:
    """The candidates for what a user entered, the best first; at most ten.

    An address gives its book alone. A number may be an id or a title, so its book comes before what a search for the
    number finds. Raises NotOnHardcover for an address without a book, BackSyncError.
    """
    named = book_named(words)
    if named is None and is_address(words):
        raise NotOnHardcover(errors.NOT_A_BOOKS_ADDRESS, example=EXAMPLE_PAGE)
    first: tuple[Candidate, ...] = ()
    if named is not None:
        try:
            first = (_as_candidate(hardcover, book, find_named(hardcover, named, cancel), cancel),)
        except NotOnHardcover:
            if not number_id(words):
                raise
        if not number_id(words):
            return first
    found = rank(book, hardcover.search(cut_query(words), cancel), codes_of(book))
    known = {candidate.book_id for candidate in first}
    return (*first, *(candidate for candidate in found if candidate.book_id not in known))[:CANDIDATES_SHOWN]


def _as_candidate(hardcover: Hardcover, book: CalibreBook, hit: HardcoverBook, cancel: Cancel) -> Candidate:
    """The book with authors, year, cover and so on, which only a search returns; without them if that fails."""
    candidate = Candidate(hit.book_id, hit.slug, hit.title)
    try:
        found = hardcover.search(cut_query(hit.title), cancel) if hit.title else []
    except Cancelled:
        raise
    except ServerTrouble:
        found = []
    candidate = next((other for other in found if other.book_id == hit.book_id), candidate)
    (ranked,) = rank(book, [candidate], codes_of(book))
    return replace(ranked, reasons=(ENTERED, *ranked.reasons))
