# SPDX-License-Identifier: GPL-3.0-or-later
"""Searching for candidates on Hardcover, a few books ahead of the one that the user looks at.

Knows nothing of windows or of Calibre's database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from calibre.ebooks.metadata.book.base import NULL_VALUES

from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled, OnlyThisFailed, QuotaSpent
from ..base.text import Text, counted
from ..rules.hardcover_address import words_for
from ..rules.hardcover_matching import Clue, Doubt
from ..rules.hardcover_records import Candidate, Match, Question
from ..rules.hardcover_search import has_title, rank, search_queries, without_unknown_authors
from ..rules.isbn import Codes
from ..rules.records import CalibreBook
from ..services.covers import Covers
from ..services.hardcover_client import Hardcover
from .search_by_hand import search_by_hand

# How many searches may run ahead of the user: each costs a unit, and Stop makes them vain.
AHEAD = 4
# Pictures that take longer than this together are not waited for.
COVER_SECONDS = 4.0


@dataclass
class OpenBook:
    """A book whose id is not known yet: what it can be looked up by, and hits that are in doubt, by their ids.

    `merged` is a match whose book was merged into another one, which is still to be looked up, with what led to it.
    """

    book: CalibreBook
    codes: Codes
    clues: list[Clue] = field(default_factory=list)
    doubtful: dict[int, Doubt] = field(default_factory=dict)
    merged: tuple[Match, Text] | None = None
    codes_asked: bool = False

    def add_doubts(self, doubts: Iterable[Doubt]) -> None:
        """Keeps hits that are not stored unasked; the first reason for a book stays."""
        for doubt in doubts:
            self.doubtful.setdefault(doubt.hardcover.surviving_id, doubt)


@dataclass(frozen=True)
class Found:
    """What a search brought: the candidates, ranked, and the pictures that came in time, by book id."""

    candidates: tuple[Candidate, ...]
    covers: dict[int, bytes]


def unknown_authors() -> tuple[str, ...]:
    """What Calibre writes, in the user's language, where there is no author."""
    return ('Unknown', *NULL_VALUES['authors'])


def first_words(book: CalibreBook) -> str:
    """What a search by hand for this book starts with."""
    return words_for(book, unknown_authors())


class Searches:
    """Searches on a thread of their own, a few books ahead of the one that the user looks at.

    Leaving it as a context ends those that are still going on. Without `covers` no pictures are fetched.
    """

    def __init__(self, hardcover: Hardcover, covers: Covers | None, cancel: Cancel) -> None:
        self._hardcover = hardcover
        self._covers = covers
        self._cancel = cancel.child()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix='search')

    def __enter__(self) -> Searches:
        return self

    def __exit__(self, *exception: object) -> None:
        self._cancel.set()
        self._cancel.release()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, entries: Sequence[OpenBook]) -> Iterator[tuple[OpenBook, Future[Found]]]:
        """Each book with its search, in order."""
        pending = [self._pool.submit(self.search, entry) for entry in entries[: AHEAD + 1]]
        for place, entry in enumerate(entries):
            yield entry, pending.pop(0)
            if place + AHEAD + 1 < len(entries):
                pending.append(self._pool.submit(self.search, entries[place + AHEAD + 1]))

    def search(self, entry: OpenBook) -> Found:
        """The candidates, ranked, and the pictures that came in time. One to three units."""
        book = without_unknown_authors(entry.book, unknown_authors())
        found = self._candidates(book)
        candidates = rank(book, found, entry.codes, entry.doubtful.values())
        return Found(candidates, self._pictures(candidates))

    def again(self, question: Question, words: str) -> Question:
        """The same question with what Hardcover has for the user's own words. May be called from any thread.

        If the search fails, the candidates stay and the question says why. Raises Cancelled only.
        """
        try:
            book = without_unknown_authors(question.book, unknown_authors())
            candidates = search_by_hand(self._hardcover, book, words, self._cancel)
            pictures = self._pictures(candidates)
        except Cancelled:
            raise
        except BackSyncError as error:
            return replace(question, words=words, trouble=self._sentence_of(error))
        return replace(question, candidates=candidates, covers=pictures, words=words, trouble=None)

    def _sentence_of(self, error: BackSyncError) -> Text:
        if isinstance(error, QuotaSpent):
            sent = self._hardcover.requests
            return error.after(counted('{count} request sent', '{count} requests sent', sent)).sentence
        return error.sentence

    def _candidates(self, book: CalibreBook) -> list[Candidate]:
        """What the search for the whole title brings, and, while no candidate has it, that for a shorter one.

        A search takes a unit. One that fails after another brought something costs only what it would have brought.
        """
        found: dict[int, Candidate] = {}
        for query in search_queries(book):
            self._cancel.check()
            try:
                candidates = self._hardcover.search(query, self._cancel)
            except OnlyThisFailed:
                if not found:
                    raise
                break
            for candidate in candidates:
                found.setdefault(candidate.book_id, candidate)
            if any(has_title(book, candidate) for candidate in candidates):
                break
        return list(found.values())

    def _pictures(self, candidates: Sequence[Candidate]) -> dict[int, bytes]:
        clock = self._hardcover.pace.clock
        deadline = clock.now() + COVER_SECONDS
        pictures = {}
        for candidate in candidates:
            if self._covers is not None and candidate.image_url and clock.now() < deadline:
                picture = self._covers.fetch(candidate.image_url, self._cancel)
                if picture:
                    pictures[candidate.book_id] = picture
        return pictures
