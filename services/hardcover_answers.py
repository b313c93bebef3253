# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Hardcover's answers into checked records: whatever a server may send, nothing behind this module meets it raw.

Pure: JSON in, records out. What cannot be used becomes 0, '' or None, and a row without an id is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import date

from ..base import errors
from ..base.parsers import (
    mapping,
    parse_count,
    parse_day,
    parse_moment,
    parse_number,
    parse_number_id,
    parse_text,
    parse_texts,
)
from ..base.redaction import redact
from ..base.text import text
from ..rules.hardcover_records import Candidate, Edition, HardcoverBook, ShelfEntry, WriteResult

LONGEST_REASON = 200
SLUG = re.compile(r'[\w.~%+-]{1,300}')
# What Hardcover and the Hasura behind it say of a key.
KEY_TALK = re.compile(
    r'\binvalid[-_ ](?:jwt|token|headers)\b|\bverify (?:the )?(?:jwt|token)\b|\bjwt ?expired\b|'
    r"\bauthori[sz]ation\b['\"]?(?: or \S+)? header|\bheader\b.{0,20}\bauthori[sz]ation\b|\bjwt authentication",
    re.IGNORECASE,
)
RETIRED = re.compile(r'weren.?t able to find that book', re.IGNORECASE)


def parse_slug(value: object) -> str:
    """The slug of a book; '' where it is anything else, or has marks in it that an identifier does not keep."""
    return value if isinstance(value, str) and SLUG.fullmatch(value) else ''


def parse_stars(value: object) -> float | None:
    """A rating of 0.5-5; None for none, and where it is anything else. Numbers may come as text."""
    stars = parse_number(value)
    return stars if stars is not None and 0 < stars <= 5 else None


def normal_code(value: object) -> str:
    """An ISBN or ASIN as it is compared: without hyphens and blanks, in upper case."""
    return re.sub(r'[^0-9A-Z]', '', value.upper()) if isinstance(value, str) and len(value) < 40 else ''


def parse_book(raw: object) -> HardcoverBook | None:
    """A row of `books`; None without an id."""
    row = mapping(raw)
    book_id = parse_number_id(row.get('id'))
    if not book_id:
        return None
    return HardcoverBook(
        book_id, parse_slug(row.get('slug')), parse_text(row.get('title')), parse_number_id(row.get('canonical_id'))
    )


def parse_edition(raw: object) -> Edition | None:
    """A row of `editions`; None without an id or a book."""
    row = mapping(raw)
    edition_id = parse_number_id(row.get('id'))
    book = parse_book(row.get('book'))
    if not edition_id or book is None:
        return None
    codes = frozenset(filter(None, (normal_code(row.get(key)) for key in ('isbn_13', 'isbn_10', 'asin'))))
    return Edition(
        edition_id,
        book,
        codes,
        parse_count(row.get('reading_format_id')),
        parse_count(row.get('users_count')),
        parse_number_id(row.get('canonical_id')),
        parse_text(row.get('title')),
    )


def parse_shelf_entry(raw: object) -> ShelfEntry | None:
    """A row of `user_books`; None without its ids."""
    row = mapping(raw)
    entry_id, book_id = parse_number_id(row.get('id')), parse_number_id(row.get('book_id'))
    if not entry_id or not book_id:
        return None
    return ShelfEntry(
        entry_id,
        book_id,
        parse_stars(row.get('rating')),
        parse_count(row.get('status_id')),
        parse_number_id(row.get('edition_id')),
        parse_moment(row.get('updated_at')),
        parse_number_id(row.get('original_book_id')),
    )


def parse_candidate(raw: object) -> Candidate | None:
    """A hit of the search; None without an id or a title."""
    document = mapping(mapping(raw).get('document'))
    book_id, title = parse_number_id(document.get('id')), parse_text(document.get('title'))
    if not book_id or not title:
        return None
    return Candidate(
        book_id=book_id,
        slug=parse_slug(document.get('slug')),
        title=title,
        subtitle=parse_text(document.get('subtitle')),
        authors=parse_texts(document.get('author_names')),
        series=parse_texts(document.get('series_names')),
        isbns=tuple(filter(None, map(normal_code, parse_texts(document.get('isbns'))))),
        release_year=parse_count(document.get('release_year')),
        pages=parse_count(document.get('pages')),
        users_count=parse_count(document.get('users_count')),
        has_ebook=document.get('has_ebook') is True,
        has_audiobook=document.get('has_audiobook') is True,
        image_url=parse_text(mapping(document.get('image')).get('url')),
    )


def plain_reason(message: object) -> str:
    """What the server says, short enough for a sentence and without secrets."""
    return redact(parse_text(message))[:LONGEST_REASON].rstrip('.') or 'no reason given'


def error_messages(data: object) -> list[str]:
    """The texts of `errors`, which may be objects or bare strings, and of `error`."""
    body = mapping(data)
    found = body.get('errors')
    listed = found if isinstance(found, list) else []
    messages = [each if isinstance(each, str) else mapping(each).get('message') for each in listed[:10]]
    messages += [body.get('error'), body.get('message'), body.get('error_description')]
    return [message for message in messages if isinstance(message, str) and message]


def error_codes(data: object) -> list[str]:
    """The codes of `errors`, as `invalid-jwt`."""
    found = mapping(data).get('errors')
    listed = found if isinstance(found, list) else []
    codes = [mapping(mapping(each).get('extensions')).get('code') for each in listed[:10]]
    return [code for code in codes if isinstance(code, str)]


def refuses_the_key(status: int, data: object, page: str = '') -> bool:
    """Whether a response says that the key is wrong or has expired; `page` is the text of one that is not JSON.

    Hardcover answers 401 (documented), but also 400 or 200 with a sentence about the header or the JWT (seen). A 403
    is about a scope or a limit, never about the key (documented).
    """
    if status == 401:
        return True
    if status != 400 and not 200 <= status < 300:
        return False
    if any(value is not None for value in mapping(mapping(data).get('data')).values()):
        return False
    return any(KEY_TALK.search(said) for said in (*error_messages(data), *error_codes(data), page))


def parse_write_result(raw: object, message: object) -> WriteResult:
    """What a mutation answered under one alias; `message` is what `errors` says of it."""
    row = mapping(raw)
    error = row.get('error') or message
    if error:
        reason = plain_reason(error)
        return WriteResult(
            error=errors.HARDCOVER_WRITE_FAILED.with_values(reason=reason), retired=bool(RETIRED.search(reason))
        )
    entry_id = parse_number_id(row.get('id'))
    if not entry_id:
        return WriteResult(error=errors.HARDCOVER_WRITE_FAILED.with_values(reason=text('it gave no reason')))
    return WriteResult(entry_id, last_read=parse_day(mapping(row.get('user_book')).get('last_read_date')))


def keyed_edition(raw: object) -> tuple[Hashable, Edition] | None:
    edition = parse_edition(raw)
    return (edition.edition_id, edition) if edition else None


def keyed_shelf_entry(raw: object) -> tuple[Hashable, ShelfEntry] | None:
    entry = parse_shelf_entry(raw)
    return (entry.entry_id, entry) if entry else None


def keyed_read(raw: object) -> tuple[Hashable, tuple[int, int, date | None]] | None:
    row = mapping(raw)
    read_id, entry_id = parse_number_id(row.get('id')), parse_number_id(row.get('user_book_id'))
    return (read_id, (entry_id, read_id, parse_day(row.get('finished_at')))) if read_id and entry_id else None
