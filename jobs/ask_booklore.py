# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets Hardcover ids of Calibre's books from the user's BookLore server, before Hardcover is asked.

Writes nothing to BookLore. No Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..base import errors
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled, SignInRefused
from ..base.redaction import Secret
from ..base.reporter import Reporter
from ..base.settings import Settings
from ..base.text import Text, counted, text
from ..rules.booklore_matching import BookLoreBook, match_books, worth_asking
from ..rules.hardcover_records import SourceMatch
from ..rules.records import CalibreBook
from ..services.booklore import BATCH_SIZE, Server
from ..transport.paging import each
from ..transport.request import Limits

MOST_SINGLES = 100

ASKING = text('Asking BookLore...')


class BookLoreSource:
    """A source of Hardcover ids for `fetch_ids`, made for one fetch. Called with books, it returns their matches.

    `requests` is the number of HTTP requests that were sent to the server.
    """

    def __init__(self, settings: Settings, reporter: Reporter, limits: Limits | None = None) -> None:
        self._settings = settings
        self._reporter = reporter
        self._limits = limits
        self._server: Server | None = None
        self._server_books: dict[int, BookLoreBook] = {}
        self._batch_missing = False

    @property
    def requests(self) -> int:
        return self._server.requests if self._server is not None else 0

    def __call__(self, books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        """Log in, list the server's books and match them. Returns {Calibre's book id: match}.

        If no book in the list has a Hardcover id, possible matches are requested in batches of BATCH_SIZE: the list
        omits these ids on some servers (documented). Raises BackSyncError if log-in or list fails; failures of batches
        are only logged.
        """
        self._reporter.status(ASKING)
        settings = self._settings
        self._server = Server(
            settings.booklore_url, settings.booklore_username, settings.booklore_password, self._limits
        )
        with self._server as server:
            if server.was_refused:
                raise SignInRefused(errors.BOOKLORE_REFUSED)
            server.log_in(cancel)
            self._server_books = {book.book_id: book for book in server.books(cancel)}
            # A server includes Hardcover ids in its list for all books or for none.
            if not any(book.is_known for book in self._server_books.values()):
                with self._failure_logged():
                    self._complete(server, worth_asking(books, self._server_books.values()), cancel)
        matches = match_books(books, self._server_books.values())
        self._reporter.log(
            f'BookLore knows {len(matches)} of {len(books)} books on Hardcover ({server.requests} requests to it).'
        )
        return matches

    def last_resort(self, books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        """Matches for books that were found nowhere else, by one request a book, MOST_SINGLES at most.

        Returns {} unless list and batches of this server lack Hardcover ids: otherwise the first call has returned all.
        """
        if self._server is None or not self._batch_missing:
            return {}
        wanted = worth_asking(books, self._server_books.values())
        if not wanted:
            return {}
        asked = wanted[:MOST_SINGLES]
        self._reporter.status(ASKING)
        self._reporter.log(
            f'Note: this BookLore tells Hardcover ids only one book at a time; '
            f'asking for {len(asked)} of the {len(wanted)} books that may be there.'
        )
        with self._server as server, self._failure_logged():
            each(self._single(server), asked, cancel, self._reporter.progress)
        return match_books(books, self._server_books.values())

    def _complete(self, server: Server, wanted: Sequence[int], cancel: Cancel) -> None:
        for start in range(0, len(wanted), BATCH_SIZE):
            found = server.batch(wanted[start : start + BATCH_SIZE], cancel)
            if found is None:
                self._batch_missing = True
                return
            self._server_books.update((book.book_id, book) for book in found)

    def _single(self, server: Server) -> Callable[[int, Cancel], None]:
        def ask(book_id: int, cancel: Cancel) -> None:
            book = server.book(book_id, cancel)
            if book is not None:
                self._server_books[book.book_id] = book

        return ask

    @contextmanager
    def _failure_logged(self) -> Iterator[None]:
        try:
            yield
        except Cancelled:
            raise
        except BackSyncError as error:
            self._reporter.log(f'Note: BookLore could not be asked for everything: {error}')


def source_from(settings: Settings, reporter: Reporter) -> BookLoreSource | None:
    """The BookLore server in the settings, None if there is no address."""
    return BookLoreSource(settings, reporter) if settings.booklore_url else None


def try_connection(url: str, username: str, password: Secret, cancel: Cancel, limits: Limits | None = None) -> Text:
    """Describe in one sentence what the server provides, with three requests at most. Raises BackSyncError."""
    with Server(url, username, password, limits) as server:
        server.log_in(cancel)
        books = server.books(cancel)
        sentence = counted(
            'BookLore answered: {count} book, {known} of them with a Hardcover id.',
            'BookLore answered: {count} books, {known} of them with a Hardcover id.',
            len(books),
            known=sum(book.is_known for book in books),
        )
        if not books or any(book.is_known for book in books):
            return sentence
        found = server.batch([book.book_id for book in books[:BATCH_SIZE]], cancel)
    if found is None:
        return counted(
            'BookLore answered: {count} book. This server tells Hardcover ids only one book at a time, '
            'so it is asked for {most} books at most.',
            'BookLore answered: {count} books. This server tells Hardcover ids only one book at a time, '
            'so it is asked for {most} books at most.',
            len(books),
            most=MOST_SINGLES,
        )
    if len(books) <= BATCH_SIZE:
        return sentence.with_values(known=sum(book.is_known for book in found))
    return counted(
        'BookLore answered: {count} book; {known} of the first {looked} have a Hardcover id.',
        'BookLore answered: {count} books; {known} of the first {looked} have a Hardcover id.',
        len(books),
        known=sum(book.is_known for book in found),
        looked=len(found),
    )
