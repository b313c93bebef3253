"""A local stand-in for a BookLore server: log-in, the list of the library, and books by id.

This module must not import Calibre or the plugin.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.common import Request, Response, StandIn, dump_json, json_response

LOGIN = '/api/v1/auth/login'
BOOKS = '/api/v1/books'
BATCH = '/api/v1/books/batch'
ONE_BOOK = re.compile(r'/api/v1/books/([0-9]+)')
MOST_FAILURES = 5
LONGEST_TARGET = 8192
HARDCOVER_KEYS = ('hardcoverId', 'hardcoverBookId')


@dataclass(frozen=True)
class ServerBook:
    """A book on the server. Every field may have any JSON value. None is omitted, as by the server (seen).

    `hardcover_slug` is sent as `hardcoverId` and `hardcover_id` as `hardcoverBookId`, which are BookLore's names.
    `raw` is the whole record instead.
    """

    id: Any
    title: Any = 'Untitled'
    authors: Any = ('A. Nobody',)
    isbn13: Any = None
    isbn10: Any = None
    asin: Any = None
    hardcover_id: Any = None
    hardcover_slug: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    raw: Any = None

    def json(self, with_hardcover: bool) -> Any:
        if self.raw is not None:
            return self.raw
        metadata = {
            'title': self.title,
            'authors': self.authors,
            'isbn13': self.isbn13,
            'isbn10': self.isbn10,
            'asin': self.asin,
            'hardcoverId': self.hardcover_slug,
            'hardcoverBookId': self.hardcover_id,
            **self.extra,
        }
        if not with_hardcover:
            metadata = {key: value for key, value in metadata.items() if key not in HARDCOVER_KEYS}
        present = {key: value for key, value in metadata.items() if value is not None}
        return {'id': self.id, 'title': self.title, 'metadata': present}


class BookLoreStandIn(StandIn):
    """BookLore on 127.0.0.1. `failures` counts wrong passwords. After MOST_FAILURES every log-in is refused."""

    grimmory: bool = False
    """True for the fork Grimmory, whose list never contains Hardcover ids."""
    has_batch: bool = True
    """True if the server has the batch request. Otherwise it treats `batch` as a malformed book id."""
    refusal: int = 401
    """The status of a log-in with a wrong password."""
    prefix: str = ''
    """The path below which a reverse proxy serves BookLore."""

    def __init__(
        self,
        books: Iterable[ServerBook] = (),
        *,
        username: str = 'reader',
        password: str = 'correct horse',
        token: str = 'booklore-access-token-0123456789',
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.books = list(books)
        self.username = username
        self.password = password
        self.token = token
        self.failures = 0

    @property
    def address(self) -> str:
        """The address that a user enters in the settings."""
        return self.origin + self.prefix

    def respond(self, request: Request) -> Response:
        if not request.path.startswith(self.prefix):
            return json_response({'status': 404, 'message': 'Not Found'}, 404)
        path = request.path.removeprefix(self.prefix)
        if path == LOGIN:
            return self._log_in(request)
        if not path.startswith('/api/'):
            # The web interface serves its start page under all other paths.
            return Response(200, {'Content-Type': 'text/html'}, b'<!doctype html><title>BookLore</title>')
        if request.header('Authorization') != f'Bearer {self.token}':
            return json_response({'status': 401, 'message': 'Unauthorized'}, 401)
        if request.method != 'GET':
            self.violation(f'{request.method} {request.path}: something was written')
            return json_response({'status': 405, 'message': 'Method Not Allowed'}, 405)
        if len(request.target) > LONGEST_TARGET:
            self.violation(f'an address of {len(request.target)} characters')
            return Response(400, {'Content-Type': 'text/html'}, b'<h1>Bad Request</h1>')
        return self._look_up(path, request)

    def _log_in(self, request: Request) -> Response:
        if request.method != 'POST':
            return json_response({'status': 405, 'message': 'Method Not Allowed'}, 405)
        sent = request.json()
        with self._lock:
            if self.failures >= MOST_FAILURES:
                self.violation('a log-in after the lock-out')
                return json_response({'status': 429, 'message': 'Too many failed login attempts'}, 429)
            if not isinstance(sent, dict) or (sent.get('username'), sent.get('password')) != (
                self.username,
                self.password,
            ):
                self.failures += 1
                return json_response({'status': self.refusal, 'message': 'Invalid credentials'}, self.refusal)
        return json_response(
            {'accessToken': self.token, 'refreshToken': 'refresh-' + self.token, 'isDefaultPassword': 'false'}
        )

    def _look_up(self, path: str, request: Request) -> Response:
        if path == BOOKS:
            with_hardcover = request.query.get('withDescription') == 'true' and not self.grimmory
            return self._books(self.books, with_hardcover)
        if path == BATCH and self.has_batch:
            wanted = set(parse_qs(urlsplit(request.target).query).get('ids', []))
            return self._books([book for book in self.books if str(book.id) in wanted], True)
        single = ONE_BOOK.fullmatch(path)
        if single is None:
            return json_response({'status': 400, 'message': "Failed to convert 'bookId'"}, 400)
        found = [book for book in self.books if str(book.id) == single.group(1)]
        return (
            json_response(found[0].json(True)) if found else json_response({'status': 404, 'message': 'Not Found'}, 404)
        )

    def _books(self, books: Iterable[ServerBook], with_hardcover: bool) -> Response:
        return Response(
            200, {'Content-Type': 'application/json'}, dump_json([book.json(with_hardcover) for book in books])
        )
