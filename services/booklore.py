# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own BookLore server: log in, and read its books with what it knows of them on Hardcover.

Every value from the server is checked here, once. Knows neither Calibre nor Hardcover, and writes nothing to BookLore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..base import errors
from ..base.about import USER_AGENT
from ..base.address import checked_address, shown_address
from ..base.cancel import Cancel
from ..base.errors import (
    BadAnswer,
    RedirectedAway,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from ..base.parsers import mapping, parse_number_id, parse_text, parse_texts, parse_token
from ..base.redaction import Secret
from ..base.text import Text, text
from ..rules.booklore_matching import BookLoreBook
from ..rules.hardcover_records import SourceMatch
from ..rules.isbn import asin, isbns_in, make_codes
from ..transport.client import HttpClient
from ..transport.request import LARGEST_BODY, Limits, Request, Response, body_limit, is_web_page
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
LARGEST_BOOK_ID = 2**63 - 1
# A source that is optional must not hold up the fetch, and a password must not be tried twice: nothing is tried again.
PATIENCE = Limits(connect_timeout=5.0, retry_delays=())
# What people copy from the browser behind the server's address.
PAGES = re.compile(r'/(?:login|dashboard|all-books|api(?:/v1)?)?/?$')
# Passwords that a server has refused since Calibre started, so that five fetches do not lock this computer out.
_refused: set[tuple[str, str, Secret]] = set()


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


def parse_books(raw: object, cancel: Cancel) -> list[BookLoreBook]:
    """The books of a list. Raises BadAnswer where it is none, Cancelled."""
    if not isinstance(raw, list):
        raise _odd_answer(text('a list was expected'))
    books = []
    for row in raw:
        cancel.check()
        books.append(parse_book(row))
    return [book for book in books if book is not None]


def _odd_answer(reason: Text) -> BadAnswer:
    return BadAnswer(errors.UNEXPECTED_ANSWER, service=SERVICE, reason=reason)


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
        if response.status == 403 and is_web_page(response.page):
            # A web page comes from a proxy before BookLore, which has not seen the password.
            raise ServerTrouble(errors.SERVER_TROUBLE, service=SERVICE, status=response.status)
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
            elsewhere = error.host != urlsplit(self.address).hostname
            if elsewhere or not error.origin.startswith(('http://', 'https://')):
                raise
            raise ServerTrouble(errors.BOOKLORE_MOVED, address=error.origin) from None

    def _get(self, path: str, cancel: Cancel, max_body: int, hand_back: frozenset[int] = frozenset()) -> Response:
        headers = {'Authorization': f'Bearer {self._token.reveal()}'}
        request = Request('GET', self.address + path, headers, hand_back=hand_back, max_body=max_body)
        return self._http.send(request, cancel)

    def books(self, cancel: Cancel) -> list[BookLoreBook]:
        """The whole library. On some servers the list leaves out what the books are on Hardcover."""
        response = self._get(f'{BOOKS}?withDescription=true', cancel, LARGEST_BODY)
        _check(response)
        return parse_books(response.data, cancel)

    def batch(self, ids: Sequence[int], cancel: Cancel) -> list[BookLoreBook] | None:
        """These books in full, BATCH_SIZE at most; None from a server that does not know the call."""
        query = urlencode([('ids', book_id) for book_id in ids])
        response = self._get(f'{BOOKS}/batch?{query}', cancel, body_limit(len(ids)), NO_BATCH)
        if response.status in NO_BATCH:
            return None
        _check(response)
        return parse_books(response.data, cancel)

    def book(self, book_id: int, cancel: Cancel) -> BookLoreBook | None:
        """One book in full; None where it is gone by now."""
        response = self._get(f'{BOOKS}/{book_id}', cancel, body_limit(1))
        if response.status in NOT_THERE:
            return None
        _check(response)
        return parse_book(response.data)


def _check(response: Response) -> None:
    if response.status in (401, 403):
        raise ServerTrouble(errors.BOOKLORE_NOT_ALLOWED, status=response.status)
    if not response.ok:
        raise ServerTrouble(errors.REFUSED_REQUEST, service=SERVICE, status=response.status)
