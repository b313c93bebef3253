# SPDX-License-Identifier: GPL-3.0-or-later
"""Which books of a BookLore server are Calibre's: by ISBN, by ASIN, or by the same title and exactly its authors.

Pure: no network, no Calibre, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .hardcover_matching import likeness, title_of
from .hardcover_records import SourceMatch
from .isbn import Codes, codes_of
from .records import CalibreBook
from .titles import Likeness, Title, author_names, title_keys

RANKS = ('isbn13', 'isbn10', 'asin', 'names')


@dataclass(frozen=True, slots=True)
class BookLoreBook:
    """A book of the server. `hardcover` is what it knows of the book there, empty where it knows nothing."""

    book_id: int
    title: str = ''
    authors: tuple[str, ...] = ()
    codes: Codes = Codes()
    hardcover: SourceMatch = SourceMatch()

    @property
    def is_known(self) -> bool:
        return bool(self.hardcover.book_id or self.hardcover.slug)


class Index:
    """The server's books by everything that a book of Calibre can be recognised by."""

    def __init__(self, books: Iterable[BookLoreBook]) -> None:
        self._by_key: dict[tuple[str, object], list[BookLoreBook]] = {}
        for book in books:
            for key in _keys(book.codes, Title(book.title), book.authors):
                self._by_key.setdefault(key, []).append(book)

    def hits(self, book: CalibreBook) -> list[list[BookLoreBook]]:
        """The books recognised by ISBN-13, by ISBN-10, by ASIN, and by title and authors, in this order.

        People reuse ISBNs: a book whose title is that of another book is no hit.
        """
        ranks: dict[str, dict[int, BookLoreBook]] = {}
        for key in _keys(codes_of(book), title_of(book), book.authors):
            for found in self._by_key.get(key, ()):
                # An ISBN says something by itself; title and authors do so only where the title is the same.
                least = Likeness.SAME if key[0] == 'names' else Likeness.DOUBTFUL
                if likeness(book, found.title) >= least:
                    ranks.setdefault(key[0], {})[found.book_id] = found
        return [list(ranks[rank].values()) for rank in RANKS if rank in ranks]


def _keys(codes: Codes, title: Title, authors: Sequence[str]) -> Iterator[tuple[str, object]]:
    yield from (('isbn13', code) for code in codes.isbn13)
    yield from (('isbn10', code) for code in codes.isbn10)
    yield from (('asin', code) for code in codes.asin)
    names = frozenset(frozenset(author_names(author)) for author in authors) - {frozenset()}
    if names:
        yield from (('names', (key, names)) for key in title_keys(title))


def match_books(books: Iterable[CalibreBook], server_books: Iterable[BookLoreBook]) -> dict[int, SourceMatch]:
    """What the server knows of Calibre's books, by Calibre's book id; everything where it contradicts itself."""
    index = Index(book for book in server_books if book.is_known)
    matches = {}
    for book in books:
        hits = index.hits(book)
        if hits:
            matches[book.book_id] = _agreed(hits[0])
    return matches


def _agreed(hits: Sequence[BookLoreBook]) -> SourceMatch:
    """What all of these books say they are on Hardcover, with `others` where they are different books there."""
    ids = {hit.hardcover.book_id for hit in hits} - {0}
    slugs = {hit.hardcover.slug for hit in hits} - {''}
    slugs_without_id = {hit.hardcover.slug for hit in hits if not hit.hardcover.book_id}
    slugs_with_id = {hit.hardcover.slug for hit in hits if hit.hardcover.book_id}
    if len(ids) > 1 or (ids and not slugs_without_id <= slugs_with_id) or (not ids and len(slugs) > 1):
        first, *others = sorted({hit.hardcover for hit in hits}, key=lambda match: (match.book_id, match.slug))
        return replace(first, others=tuple(others))
    # Slugs change: of one book known by two of them the id alone is sure.
    return SourceMatch(book_id=next(iter(ids), 0), slug=next(iter(slugs)) if len(slugs) == 1 else '')


def worth_asking(books: Iterable[CalibreBook], server_books: Iterable[BookLoreBook]) -> list[int]:
    """The ids of the server's books that may be among Calibre's, but came without what they are on Hardcover."""
    index = Index(server_books)
    wanted: dict[int, None] = {}
    for book in books:
        for rank in index.hits(book):
            wanted.update((hit.book_id, None) for hit in rank if not hit.is_known)
            if any(hit.is_known for hit in rank):
                break
    return list(wanted)
