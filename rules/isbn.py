# SPDX-License-Identifier: GPL-3.0-or-later
"""ISBN-13, ISBN-10 and Amazon's ASIN in the identifiers of a book: extraction, validation and conversion.

Pure, except that Calibre computes the check digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from calibre.ebooks.metadata import check_digit_for_isbn10, check_digit_for_isbn13, check_isbn

from .records import CalibreBook

LONGEST_VALUE = 500
ISBN_KEY = re.compile(r'e?isbn([_-]?\d+)?')
ASIN_KEY = re.compile(r'asin|mobi-asin|amazon|amazon_[a-z]{2,3}')
ASIN = re.compile(r'[0-9A-Z]{10}', re.ASCII)
# Only numbers with these prefixes are ISBNs; other 13-digit numbers with a valid check digit belong to other goods.
BOOK_PREFIXES = ('978', '979')


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of a book, without hyphens and in upper case. An ISBN that has two forms is included in both."""

    isbn13: frozenset[str] = frozenset()
    isbn10: frozenset[str] = frozenset()
    asin: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.isbn13 or self.isbn10 or self.asin)

    @property
    def all(self) -> frozenset[str]:
        return self.isbn13 | self.isbn10 | self.asin


def codes_of(book: CalibreBook) -> Codes:
    """All valid codes in a book's identifiers. Codes with a wrong check digit or format are skipped.

    ISBNs are read from `isbn`, `eisbn` and numbered variants such as `isbn13`. ASINs are read from `asin`, `mobi-asin`,
    `amazon` and `amazon_<country>` (Calibre's Amazon source writes the last two: seen in its code).
    """
    isbns: set[str] = set()
    asins: set[str] = set()
    for key, value in book.identifiers.items():
        if ISBN_KEY.fullmatch(key.lower()):
            isbns |= isbns_in(value)
        elif ASIN_KEY.fullmatch(key.lower()):
            asins |= {asin(value)} - {''}
    return make_codes(isbns, asins)


def make_codes(isbns: Iterable[str], asins: Iterable[str] = ()) -> Codes:
    """Codes from valid ISBNs, of 10 or 13 characters, and from ASINs.

    An ASIN that is a valid ISBN-10 also counts as an ISBN: the ASIN of a printed book is its ISBN-10
    (documented by Amazon).
    """
    codes = frozenset(asins)
    given = {*isbns, *(code for code in codes if check_isbn(code))}
    forms = {form for isbn in given for form in both_forms(isbn)}
    return Codes(
        isbn13=frozenset(form for form in forms if len(form) == 13),
        isbn10=frozenset(form for form in forms if len(form) == 10),
        asin=codes,
    )


def isbns_in(value: object) -> set[str]:
    """All valid ISBNs in a text, without hyphens and spaces. The empty set if `value` is not a string.

    Only the first LONGEST_VALUE characters are searched.
    """
    if not isinstance(value, str):
        return set()
    found = set()
    for part in re.split(r'[^0-9Xx\s\u2010-\u2015-]+', value[:LONGEST_VALUE]):
        whole = _valid(part)
        pieces = {whole} if whole else {_valid(piece) for piece in part.split()}
        found |= pieces - {''}
    return found


def _valid(text: str) -> str:
    isbn = check_isbn(text) or ''
    return isbn if len(isbn) == 10 or isbn.startswith(BOOK_PREFIXES) else ''


def both_forms(isbn: str) -> set[str]:
    """The 10- and 13-character forms of a valid ISBN. An ISBN that starts with 979 has no ISBN-10."""
    if len(isbn) == 10:
        stem = '978' + isbn[:9]
        return {isbn, stem + check_digit_for_isbn13(stem)}
    if isbn.startswith('978'):
        stem = isbn[3:12]
        return {isbn, stem + check_digit_for_isbn10(stem)}
    return {isbn}


def asin(value: object) -> str:
    """The ASIN in upper case, '' if `value` is not an ASIN."""
    plain = value.strip().upper() if isinstance(value, str) and len(value) <= LONGEST_VALUE else ''
    return plain if ASIN.fullmatch(plain) else ''
