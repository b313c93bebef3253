# SPDX-License-Identifier: GPL-3.0-or-later
"""Linking books to Hardcover by their identifiers: storing, changing and undoing single matches.

Only identifiers that this plugin wrote are ever changed or removed. Knows no Qt.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..base import errors
from ..base.about import USER_AGENT
from ..base.cancel import Cancel
from ..base.errors import LibraryTrouble, NoSuchBook
from ..base.reporter import Reporter
from ..base.settings import load, plugin_folder
from ..base.text import Text, text
from ..library.calibre_library import Library
from ..library.hardcover_memory import UNLINKED, Memory
from ..rules.hardcover_address import NamedBook
from ..rules.hardcover_matching import EDITION_KEY, ID_KEY, SLUG_KEY, to_store
from ..rules.hardcover_records import Candidate, HardcoverBook, Match, Question
from ..rules.isbn import codes_of
from ..rules.records import CalibreBook
from ..services.covers import Covers
from ..services.hardcover_quota import Pace
from .hardcover_account import connected
from .search_ahead import OpenBook, Searches, first_words
from .search_by_hand import find_named
from .sync import OpenLibrary

logger = logging.getLogger(__name__)

SEARCHING = text('Searching on Hardcover...')
CHANGING = text('You are changing its match.')
CHOSEN = text('chosen')
MOVED = text('moved on Hardcover')
OUR_KEYS = (ID_KEY, SLUG_KEY, EDITION_KEY)


class Store:
    """Writes matches into the library, in one short step, and remembers what it writes, before it does."""

    def __init__(self, open_library: OpenLibrary, memory: Memory) -> None:
        self._open_library = open_library
        self._memory = memory

    def add(self, matches: Sequence[Match]) -> list[tuple[Match, Text | None]]:
        """Stores what is missing in each book as it is now; each match with None, or with why it was not stored."""
        results: list[tuple[Match, Text | None]] = []
        changes: dict[int, dict[str, str]] = {}
        with self._open_library() as library:
            current = library.books([match.book.book_id for match in matches])
            for match in matches:
                book = current.get(match.book.book_id)
                if book is None:
                    results.append((match, errors.BOOK_GONE))
                    continue
                changes[book.book_id] = to_store(replace(match, book=book))
                results.append((match, None))
            changes = {book_id: added for book_id, added in changes.items() if added}
            with self._memory.noting(with_earlier(self._memory, changes)):
                library.store_identifiers(changes)
        return results


def question_about(book: CalibreBook, trouble: Text | None = None) -> Question:
    """The question to change a book's match, without candidates: nothing is searched for yet, or `trouble` says why."""
    return Question(book, (), CHANGING, words=first_words(book), trouble=trouble)


def find_candidates(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    book_id: int,
    pace: Pace | None = None,
    words: str = '',
) -> Question:
    """The candidates for one book, to change its match; there may be none. Raises BackSyncError.

    `words` are searched for instead of title and author; they may be the address or id of a book on Hardcover. If that
    search fails, the question says why, and has no candidates.
    """
    with open_library() as library:
        settings = load(library.api).settings
        book = _book(library, book_id)
    reporter.status(SEARCHING)
    question = question_about(book)
    with (
        connected(settings, reporter, pace) as hardcover,
        Covers(USER_AGENT, settings.hardcover_api_url) as covers,
        Searches(hardcover, covers, cancel) as searches,
    ):
        if words:
            return searches.again(question, words)
        found = searches.search(OpenBook(book, codes_of(book)))
    return replace(question, candidates=found.candidates, covers=found.covers)


def _book(library: Library, book_id: int) -> CalibreBook:
    book = library.books([book_id]).get(book_id)
    if book is None:
        raise LibraryTrouble(errors.BOOK_GONE)
    return book


def change_match(open_library: OpenLibrary, book_id: int, candidate: Candidate) -> Match:
    """Links the book to a candidate instead. Only identifiers that this plugin stored are replaced.

    Raises LibraryTrouble where `hardcover-id` is not one of them.
    """
    with open_library() as library:
        memory = Memory(plugin_folder(), library.library_id)
        book = _book(library, book_id)
        ours = _replaceable(book, memory)
        foreign = {key: value for key, value in book.identifiers.items() if key not in ours}
        match = Match(
            replace(book, identifiers=foreign),
            HardcoverBook(candidate.book_id, candidate.slug, candidate.title),
            CHOSEN,
        )
        added = to_store(match)
        with memory.noting({book_id: added}):
            library.store_identifiers({book_id: added}, {book_id: ours})
    with logging_failures('it may be counted as skipped'):
        memory.ask_again([book_id])
    return match


def match_named(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    book_id: int,
    named: NamedBook | None,
    pace: Pace | None = None,
) -> None:
    """Store one book on Hardcover as the match of a Calibre book, or with None unlink that; log what changed.

    Ignores the restriction. Raises NoSuchBook, NotOnHardcover, BackSyncError.
    """
    with open_library() as library:
        loaded = load(library.api)
        book = library.books([book_id]).get(book_id)
    for problem in loaded.problems:
        reporter.log(f'Note: {problem}')
    if book is None:
        raise NoSuchBook(book_id)
    if named is None:
        removed = unlink_match(open_library, book_id)
        what = ', '.join(f'{key}={value}' for key, value in sorted(removed.items())) or 'there was no match'
        reporter.log(f'OK {book.title} -> unlinked ({what})')
        return
    with connected(loaded.settings, reporter, pace) as hardcover:
        hit = find_named(hardcover, named, cancel)
    change_match(open_library, book_id, Candidate(hit.book_id, hit.slug, hit.title))
    reporter.log(f'OK {book.title} -> {ID_KEY}={hit.book_id} ({CHOSEN}: {hit.title or "no title"})')


def unlink_match(open_library: OpenLibrary, book_id: int) -> dict[str, str]:
    """Removes the identifiers that this plugin stored in a book, and returns them. The book is not looked up again.

    Raises LibraryTrouble where `hardcover-id` is not one of them.
    """
    with open_library() as library:
        memory = Memory(plugin_folder(), library.library_id)
        book = _book(library, book_id)
        ours = _replaceable(book, memory)
        memory.leave(book, UNLINKED)
        library.store_identifiers({}, {book_id: ours})
    with logging_failures('what was removed stays noted'):
        memory.note_written({book_id: {}})
    return ours


@contextmanager
def logging_failures(what: str) -> Iterator[None]:
    """A context for what is noted after the library was changed: failing is logged, for the change is made."""
    try:
        yield
    except LibraryTrouble as error:
        logger.warning('A match was changed, but %s: %s', what, error.sentence.values.get('reason'))


def with_earlier(memory: Memory, changes: Mapping[int, Mapping[str, str]]) -> dict[int, dict[str, str]]:
    """Identifiers to be written, by book, together with those that this plugin wrote before."""
    return {book_id: {**memory.written(book_id), **added} for book_id, added in changes.items()}


def _replaceable(book: CalibreBook, memory: Memory) -> dict[str, str]:
    """What this plugin stored in a book. Raises LibraryTrouble where `hardcover-id` is there, but not from here."""
    ours = our_identifiers(book, memory)
    if ID_KEY in book.identifiers and ID_KEY not in ours:
        raise LibraryTrouble(errors.HARDCOVER_ID_NOT_OURS)
    return ours


def relink(open_library: OpenLibrary, memory: Memory, moved: Mapping[int, HardcoverBook]) -> set[int]:
    """Stores what retired books are now, by Calibre's ids, where this plugin stored what they were.

    Returns the books that changed. Raises LibraryTrouble.
    """
    changes: dict[int, dict[str, str]] = {}
    removals: dict[int, dict[str, str]] = {}
    with open_library() as library:
        for book_id, book in library.books(list(moved)).items():
            ours = our_identifiers(book, memory)
            if ID_KEY not in ours:
                continue
            now = moved[book_id]
            foreign = {key: value for key, value in book.identifiers.items() if key not in ours}
            slug = '' if now.canonical_id else now.slug
            match = Match(replace(book, identifiers=foreign), HardcoverBook(now.surviving_id, slug), MOVED)
            removals[book_id] = {key: ours[key] for key in (ID_KEY, SLUG_KEY) if key in ours}
            changes[book_id] = to_store(match)
        with memory.noting(with_earlier(memory, changes)):
            library.store_identifiers(changes, removals)
    return set(changes)


def our_identifiers(book: CalibreBook, memory: Memory) -> dict[str, str]:
    """Of the identifiers that this plugin stored in a book, those that still are as it wrote them."""
    written = memory.written(book.book_id)
    return {key: written[key] for key in OUR_KEYS if key in written and book.identifiers.get(key) == written[key]}


def skipped_books(open_library: OpenLibrary) -> frozenset[int]:
    """The books that are not asked about, for a menu that says how many there are."""
    with open_library() as library:
        return Memory(plugin_folder(), library.library_id).left


def ask_again(open_library: OpenLibrary, ids: Collection[int] | None = None) -> int:
    """Forgets that books were skipped, all or these; how many it were. Raises LibraryTrouble."""
    with open_library() as library:
        return Memory(plugin_folder(), library.library_id).ask_again(ids)
