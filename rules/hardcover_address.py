# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user enters to find a book on Hardcover: words to search for, the address of a book, or its id.

Pure: sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from .hardcover_matching import LONGEST_SLUG, Look, number_id
from .hardcover_records import book_link
from .hardcover_search import LONGEST_QUERY, plain_author
from .records import CalibreBook

HOSTS = frozenset({'hardcover.app', 'www.hardcover.app'})
BOOK_PAGE = 'https://hardcover.app/books/'
EXAMPLE_PAGE = f'{BOOK_PAGE}dune'
SEARCH_PAGE = 'https://hardcover.app/search?q='


@dataclass(frozen=True, slots=True)
class NamedBook:
    """One book on Hardcover. `look` is BOOK if `value` is its id, SLUG if it is the slug in its address."""

    look: Look
    value: str

    @property
    def link(self) -> str:
        return book_link(int(self.value)) if self.look is Look.BOOK else f'{BOOK_PAGE}{quote(self.value, safe="")}'


def is_address(words: str) -> bool:
    """True for a web address of any site, and for one of Hardcover without its scheme."""
    plain = words.strip().lower()
    return plain.startswith(('http://', 'https://')) or re.split('[/?#]', plain, maxsplit=1)[0] in HOSTS


def book_at(address: str) -> NamedBook | None:
    """The book whose page this is, None for every other page.

    A book's page is `/books/<slug>`, with its editions, reviews and so on below it (seen), or `/id/book/<id>`
    (documented).
    """
    plain = address.strip()
    if not is_address(plain):
        return None
    try:
        parts = urlsplit(plain if '://' in plain else f'https://{plain}')
        host = parts.hostname
    except ValueError:
        return None
    steps = [unquote(step) for step in parts.path.split('/') if step]
    if host not in HOSTS or len(steps) < 2:
        return None
    if steps[:2] == ['id', 'book'] and len(steps) > 2 and number_id(steps[2]):
        return NamedBook(Look.BOOK, str(number_id(steps[2])))
    if steps[0] == 'books' and len(steps[1]) <= LONGEST_SLUG and re.fullmatch(r'[^\s/?#]+', steps[1]):
        return NamedBook(Look.SLUG, steps[1])
    return None


def book_named(words: str) -> NamedBook | None:
    """The book that an id or an address stands for, None for all other words."""
    if number := number_id(words):
        return NamedBook(Look.BOOK, str(number))
    return book_at(words)


def words_for(book: CalibreBook, unknown_authors: Collection[str] = ()) -> str:
    """The title and the first author: what a search by hand starts with."""
    known = [name for name in book.authors if name.strip() and name not in unknown_authors]
    return cut_query(f'{book.title} {plain_author(known[0]) if known else ""}')


def cut_query(words: str) -> str:
    """The words on one line, at most as long as a search query may be."""
    return ' '.join(words.split())[:LONGEST_QUERY].strip()


def search_page(words: str) -> str:
    """The address of Hardcover's own search page for these words (assumed)."""
    return SEARCH_PAGE + quote(cut_query(words), safe='', errors='replace')
