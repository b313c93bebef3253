# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the user's own BookLore server which of Calibre's books it knows on Hardcover.

Every value from the server is checked here, once. Knows neither Qt nor Hardcover, and writes nothing to BookLore.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..base import errors
from ..base.about import USER_AGENT
from ..base.address import checked_address, shown_address
from ..base.cancel import Cancel
from ..base.errors import (
    BackSyncError,
    BadAnswer,
    Cancelled,
    RedirectedAway,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from ..base.parsers import mapping, parse_number_id, parse_text, parse_texts, parse_token
from ..base.redaction import Secret
from ..base.reporter import Reporter
from ..base.settings import Settings
from ..base.text import Text, counted, text
from ..rules.hardcover_records import SourceMatch
from ..rules.isbn import Codes, asin, codes_of, isbns_in, make_codes
from ..rules.records import CalibreBook
from ..rules.titles import nothing_in_common, words
from ..transport.client import HttpClient
from ..transport.paging import each
from ..transport.request import Limits, Request, Response
from .hardcover_answers import parse_slug

SERVICE = 'BookLore'
LOG_IN = '/api/v1/auth/login'
BOOKS = '/api/v1/books'
LOG_IN_REFUSED = frozenset({400, 401, 403, 422})
LOCKED_OUT = frozenset({423, 429})
NOT_THERE = frozenset({404, 405, 410, 501})
# A server without the batch call takes the word `batch` for the id of a book, and trips over it in its own way.
NO_BATCH = NOT_THERE | {400, 422, 500}
# That many ids stay far below the 8 kB that an address may have on most servers.
BATCH_SIZE = 200
MOST_SINGLES = 100
LARGEST_BOOK_ID = 2**63 - 1
# A source that is optional must not hold up the fetch, and a password must not be tried twice: nothing is tried again.
PATIENCE = Limits(connect_timeout=5.0, retry_delays=())
# What people copy from the browser behind the server's address.
PAGES = re.compile(r'/(?:login|dashboard|all-books|api(?:/v1)?)?/?$')
# What Calibre and others write where they know no author.
NO_AUTHOR = frozenset({frozenset(), frozenset({'unknown'})})
# Passwords that a server has refused since Calibre started, so that five fetches do not lock this computer out.
_refused: set[tuple[str, str, Secret]] = set()

ASKING = text('Asking BookLore...')


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


def parse_book(raw: object) -> BookLoreBook | None:
    """A book of the server; None where it is not an object or has no id. Every other odd value counts as absent.

    What BookLore calls `hardcoverId` is the slug, `hardcoverBookId` the numeric id as a text.
    """
    row = mapping(raw)
    book_id = parse_number_id(row.get('id'), LARGEST_BOOK_ID)
    metadata = mapping(row.get('metadata'))
    if not book_id:
        return None
    return BookLoreBook(
        book_id=book_id,
        title=parse_text(metadata.get('title')) or parse_text(row.get('title')),
        authors=parse_texts(metadata.get('authors')),
        codes=make_codes(
            isbns_in(metadata.get('isbn13')) | isbns_in(metadata.get('isbn10')), {asin(metadata.get('asin'))} - {''}
        ),
        hardcover=SourceMatch(
            book_id=parse_number_id(metadata.get('hardcoverBookId')),
            slug=parse_slug(parse_text(metadata.get('hardcoverId'))),
        ),
    )


def parse_books(raw: object) -> list[BookLoreBook]:
    """The books of a list. Raises BadAnswer where it is none."""
    if not isinstance(raw, list):
        raise _odd_answer(text('a list was expected'))
    return [book for book in map(parse_book, raw) if book is not None]


def _odd_answer(reason: Text) -> BadAnswer:
    return BadAnswer(errors.UNEXPECTED_ANSWER, service=SERVICE, reason=reason)


class Index:
    """The server's books by everything that a book of Calibre can be recognised by."""

    def __init__(self, books: Iterable[BookLoreBook]) -> None:
        self._by_key: dict[tuple[str, object], list[BookLoreBook]] = {}
        for book in books:
            for key in _keys(book.codes, book.title, book.authors):
                self._by_key.setdefault(key, []).append(book)

    def hits(self, book: CalibreBook) -> list[list[BookLoreBook]]:
        """The books recognised by ISBN-13, by ISBN-10, by ASIN, and by title and authors, in this order.

        People reuse ISBNs: a book whose title has nothing in common with Calibre's is no hit.
        """
        ranks: dict[str, dict[int, BookLoreBook]] = {}
        for key in _keys(codes_of(book), book.title, book.authors):
            for found in self._by_key.get(key, ()):
                if not nothing_in_common(found.title, book.title):
                    ranks.setdefault(key[0], {})[found.book_id] = found
        return [list(ranks[rank].values()) for rank in RANKS if rank in ranks]


RANKS = ('isbn13', 'isbn10', 'asin', 'names')


def _keys(codes: Codes, title: str, authors: Sequence[str]) -> Iterator[tuple[str, object]]:
    yield from (('isbn13', code) for code in codes.isbn13)
    yield from (('isbn10', code) for code in codes.isbn10)
    yield from (('asin', code) for code in codes.asin)
    names = frozenset(frozenset(words(author)) for author in authors) - NO_AUTHOR
    if words(title) and names:
        yield 'names', (words(title), names)


def match_books(books: Iterable[CalibreBook], server_books: Iterable[BookLoreBook]) -> dict[int, SourceMatch]:
    """What the server knows of Calibre's books, by Calibre's book id; nothing where it contradicts itself."""
    index = Index(book for book in server_books if book.is_known)
    matches = {}
    for book in books:
        hits = index.hits(book)
        agreed = _agreed(hits[0]) if hits else None
        if agreed is not None:
            matches[book.book_id] = agreed
    return matches


def _agreed(hits: Sequence[BookLoreBook]) -> SourceMatch | None:
    """What all of these books say they are on Hardcover, None where they are different books there."""
    ids = {hit.hardcover.book_id for hit in hits} - {0}
    slugs = {hit.hardcover.slug for hit in hits} - {''}
    slugs_without_id = {hit.hardcover.slug for hit in hits if not hit.hardcover.book_id}
    slugs_with_id = {hit.hardcover.slug for hit in hits if hit.hardcover.book_id}
    if len(ids) > 1 or (ids and not slugs_without_id <= slugs_with_id) or (not ids and len(slugs) > 1):
        return None
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


def server_address(url: str) -> str:
    """The address below which the interface is, from what people paste. Raises SettingsTrouble."""
    try:
        parts = checked_address(url.strip())
    except SettingsTrouble:
        raise SettingsTrouble(errors.BOOKLORE_ADDRESS, address=shown_address(url.strip())) from None
    return urlunsplit((parts.scheme, parts.netloc, PAGES.sub('', parts.path).rstrip('/'), '', ''))


class Server:
    """One BookLore server. Log in once, then ask; everything raises BackSyncError with a sentence for the user."""

    def __init__(self, url: str, username: str, password: Secret, limits: Limits | None = None) -> None:
        self.address = server_address(url)
        if not username or not password:
            raise SettingsTrouble(errors.BOOKLORE_INCOMPLETE)
        self._credentials = (self.address, username, password)
        self._token = Secret('')
        self._http = HttpClient(SERVICE, USER_AGENT, limits or PATIENCE)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._http.requests

    @property
    def was_refused(self) -> bool:
        """Whether this very password was refused before."""
        return self._credentials in _refused

    def log_in(self, cancel: Cancel) -> None:
        """Raises SignInRefused after a single try: five failures lock this computer out."""
        _address, username, password = self._credentials
        payload = {'username': username, 'password': password.reveal()}
        with self._redirect_explained():
            response = self._http.send(
                Request('POST', self.address + LOG_IN, payload=payload, repeatable=False, hand_back=LOCKED_OUT), cancel
            )
        if response.status in LOCKED_OUT:
            raise SignInRefused(errors.BOOKLORE_LOCKED)
        if response.status in LOG_IN_REFUSED:
            _refused.add(self._credentials)
            raise SignInRefused(errors.BOOKLORE_REFUSED)
        token = parse_token(mapping(response.data).get('accessToken'))
        if response.status in NOT_THERE:
            raise ServerTrouble(errors.BOOKLORE_NOT_THERE, address=shown_address(self.address), status=response.status)
        _check(response)
        if not token:
            raise _odd_answer(text('no access token'))
        self._token = Secret(token)
        _refused.discard(self._credentials)

    @contextmanager
    def _redirect_explained(self) -> Iterator[None]:
        """A redirect that was not followed, in words: mostly a proxy that wants https."""
        try:
            yield
        except RedirectedAway as error:
            if error.host != urlsplit(self.address).hostname:
                raise
            raise ServerTrouble(errors.BOOKLORE_MOVED, address=f'https://{error.host}') from None

    def _get(self, path: str, cancel: Cancel, hand_back: frozenset[int] = frozenset()) -> Response:
        headers = {'Authorization': f'Bearer {self._token.reveal()}'}
        return self._http.send(Request('GET', self.address + path, headers, hand_back=hand_back), cancel)

    def books(self, cancel: Cancel) -> list[BookLoreBook]:
        """The whole library. On some servers the list leaves out what the books are on Hardcover."""
        response = self._get(f'{BOOKS}?withDescription=true', cancel)
        _check(response)
        return parse_books(response.data)

    def batch(self, ids: Sequence[int], cancel: Cancel) -> list[BookLoreBook] | None:
        """These books in full, BATCH_SIZE at most; None from a server that does not know the call."""
        query = urlencode([('ids', book_id) for book_id in ids])
        response = self._get(f'{BOOKS}/batch?{query}', cancel, NO_BATCH)
        if response.status in NO_BATCH:
            return None
        _check(response)
        return parse_books(response.data)

    def book(self, book_id: int, cancel: Cancel) -> BookLoreBook | None:
        """One book in full; None where it is gone by now."""
        response = self._get(f'{BOOKS}/{book_id}', cancel)
        if response.status in NOT_THERE:
            return None
        _check(response)
        return parse_book(response.data)


def _check(response: Response) -> None:
    if response.status in (401, 403):
        raise ServerTrouble(errors.BOOKLORE_NOT_ALLOWED, status=response.status)
    if not response.ok:
        raise ServerTrouble(errors.REFUSED_REQUEST, service=SERVICE, status=response.status)


class BookLoreSource:
    """The server as the first source of Hardcover ids: called with Calibre's books, it says which ones it knows.

    `requests` counts what was sent to the server. One object serves one fetch.
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
        """One log-in, one list, and, where the list leaves Hardcover out, a batch call for every BATCH_SIZE books.

        Raises BackSyncError where the server gives no list; what goes wrong later costs only the rest.
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
            # A list that tells what one book is on Hardcover tells it of all.
            if not any(book.is_known for book in self._server_books.values()):
                with self._rest_given_up():
                    self._complete(server, worth_asking(books, self._server_books.values()), cancel)
        matches = match_books(books, self._server_books.values())
        self._reporter.log(
            f'BookLore knows {len(matches)} of {len(books)} books on Hardcover ({server.requests} requests to it).'
        )
        return matches

    def last_resort(self, books: Sequence[CalibreBook], cancel: Cancel) -> Mapping[int, SourceMatch]:
        """For books that nothing else resolved: single requests, MOST_SINGLES at most.

        Only where the server keeps its ids to itself otherwise; elsewhere everything was told by the first call.
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
        with self._server as server, self._rest_given_up():
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
    def _rest_given_up(self) -> Iterator[None]:
        try:
            yield
        except Cancelled:
            raise
        except BackSyncError as error:
            self._reporter.log(f'Note: BookLore could not be asked for everything: {error}')


def source_from(settings: Settings, reporter: Reporter) -> BookLoreSource | None:
    """The server that the settings name, None where they name none."""
    return BookLoreSource(settings, reporter) if settings.booklore_url else None


def try_connection(url: str, username: str, password: Secret, cancel: Cancel, limits: Limits | None = None) -> Text:
    """What a server has to offer, in words, in three requests at most. Raises BackSyncError, which says why not."""
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
