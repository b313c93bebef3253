"""A local stand-in for Hardcover: its GraphQL API with a catalogue and a shelf in memory, and its quota.

graphql-core executes the requests, with the part of the published schema in tests/data. This module must not import
Calibre or the plugin. As a program it serves until its standard input closes: see `--help`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import graphql
from graphql.language import FieldNode, ObjectFieldNode, OperationDefinitionNode, OperationType, Visitor, visit

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.common import Request, Response, StandIn, json_response, serve_until_told

PATH = '/v1/graphql'
COVERS = '/covers/'
SCHEMA_FILE = Path(__file__).resolve().parents[1] / 'data' / 'hardcover-schema-part.graphql'
SCOPES = ('read:me:content', 'read:catalog', 'read:library', 'write:library')
SCOPE_OF_FIELD = {
    'me': 'read:me:content',
    'books': 'read:catalog',
    'editions': 'read:catalog',
    'search': 'read:catalog',
    'user_books': 'read:library',
    'user_book_reads': 'read:library',
}
MOST_FIELDS = 5
DEEPEST = 3
REFUSED_OPERATORS = re.compile('_n?(i?like|i?regex|similar)')
RETIRED = "We weren't able to find that book. Was it deleted?"
DAY = 86400
READ = 3
# A PNG of one gray pixel.
PNG = bytes.fromhex(
    '89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000008200'
    '8177cd72b60000000049454e44ae426082'
)


@dataclass
class Work:
    """A book of the catalogue.

    `canonical_id` is the id of the book that it was merged into. With `gone` no request finds it.
    """

    id: int
    title: str | None = 'Untitled'
    slug: str | None = None
    subtitle: str | None = None
    authors: Sequence[str] = ()
    series: Sequence[str] = ()
    release_year: int | None = 2001
    users_count: int = 10
    pages: int | None = 300
    has_ebook: bool = True
    has_audiobook: bool = False
    image_url: str = ''
    canonical_id: int | None = None
    gone: bool = False

    def __post_init__(self) -> None:
        if self.slug is None:
            self.slug = '-'.join(re.findall(r'\w+', (self.title or 'untitled').lower()))


@dataclass
class Printing:
    """An edition. `reading_format_id` is 1 for physical, 2 for audio, 4 for ebook; `title` is a translation's own."""

    id: int
    book_id: int
    isbn_13: str | None = None
    isbn_10: str | None = None
    asin: str | None = None
    reading_format_id: int = 4
    users_count: int = 5
    canonical_id: int | None = None
    title: str | None = None


@dataclass
class ShelfRow:
    """A row of user_books."""

    id: int
    book_id: int
    rating: Any = None
    status_id: int = READ
    edition_id: int | None = None
    updated_at: str = '2024-01-01T00:00:00+00:00'
    user_id: int = 7
    privacy_setting_id: int = 1
    last_read_date: str | None = None
    original_book_id: int | None = None


@dataclass
class ReadRow:
    id: int
    user_book_id: int
    finished_at: str | None = None


@dataclass
class Catalogue:
    """The data of Hardcover: books, editions, and the shelf entries and reads of all users."""

    works: list[Work] = field(default_factory=list)
    editions: list[Printing] = field(default_factory=list)
    shelf: list[ShelfRow] = field(default_factory=list)
    reads: list[ReadRow] = field(default_factory=list)

    def work(self, book_id: int) -> Work | None:
        return next((work for work in self.works if work.id == book_id and not work.gone), None)

    def entry(self, book_id: int, user_id: int = 7) -> ShelfRow | None:
        return next((row for row in self.shelf if (row.book_id, row.user_id) == (book_id, user_id)), None)


@cache
def schema() -> graphql.GraphQLSchema:
    return graphql.build_schema(SCHEMA_FILE.read_text(encoding='utf-8'))


def depth(node: Any) -> int:
    """The levels of fields in a selection, including the field itself."""
    if node.selection_set is None:
        return 1
    return 1 + max(depth(child) for child in node.selection_set.selections)


class _Operators(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        self.names.add(node.name.value)


def matches(row: Any, where: Mapping[str, Any] | None) -> bool:
    """True if a row satisfies a Hasura filter. Only the operators of `compare` are supported."""
    for key, condition in (where or {}).items():
        if key == '_or':
            good = any(matches(row, part) for part in condition)
        elif key == '_and':
            good = all(matches(row, part) for part in condition)
        elif key == '_not':
            good = not matches(row, condition)
        else:
            good = all(compare(getattr(row, key), operator, value) for operator, value in condition.items())
        if not good:
            return False
    return True


def compare(value: Any, operator: str, other: Any) -> bool:
    if operator == '_is_null':
        return (value is None) is other
    if value is None:
        return False
    tests: dict[str, Callable[[], bool]] = {
        '_eq': lambda: value == other,
        '_neq': lambda: value != other,
        '_in': lambda: value in other,
        '_nin': lambda: value not in other,
        '_gt': lambda: value > other,
        '_gte': lambda: value >= other,
        '_lt': lambda: value < other,
        '_lte': lambda: value <= other,
    }
    return tests[operator]()


def words_in(text: str) -> frozenset[str]:
    """What a search takes for words: runs of letters and digits; `10:04` is two."""
    return frozenset(re.findall(r'\w+', text.lower()))


def search_score(wanted: frozenset[str], work: Work) -> int:
    """How well a work fits: each word that was searched for counts by where it stands, title before series and authors.

    One more word found weighs more than where they stand.
    """
    title = words_in(f'{work.title or ""} {work.subtitle or ""}')
    series, authors = words_in(' '.join(work.series)), words_in(' '.join(work.authors))
    return sum(7 if word in title else 6 if word in series else 5 for word in wanted & (title | series | authors))


class HardcoverStandIn(StandIn):
    """Hardcover on 127.0.0.1. `catalogue` may be changed at any time.

    `units` are the used units of the quota, `turned_away` counts the requests that got a 429, `writes` are the executed
    mutations as (field, arguments). `violations` are sentences about everything that a client must not do.
    """

    token: str = 'hc_pat_0123456789abcdef0123456789abcdef'
    scopes: Sequence[str] = SCOPES
    """The token's permissions."""
    scope_errors: str = 'status'
    """The response for a missing scope: `status` (403), `message` (200, names it) or `validation` (200, no field)."""
    user_id: int = 7
    username: Any = 'reader'
    privacy: int = 1
    """The account's default privacy setting."""
    plan: str = 'Free'
    burst: int = 10
    per_minute: int = 60
    daily: int = 5000
    headers: str = 'standard'
    """The quota headers that are sent: `standard`, `legacy`, `both`, or `none`."""
    retry_after: bool = True
    """True if a 429 has a Retry-After header."""
    null_data: bool = False
    """True if the body of a 429 is `{"data": null}` instead of an object with `error`."""
    cap: int | None = None
    """The most rows of a query, whatever was requested."""
    slow_over: int | None = None
    """Queries with more values than this, and mutations with more fields, time out (408)."""
    slow_search_over: int | None = None
    """Searches that request more hits than this time out (408)."""
    search_error: str | None = None
    results_as_text: bool = False
    """True if `search.results` is a string with JSON."""
    dates_on_insert: bool = True
    """True if an insert uses `last_read_date`; otherwise the new entry's read has today's date."""
    entry_on_insert: bool = True
    """True if the response to an insert contains the new entry."""
    refused: Mapping[int, str] = {}
    """Ids of books whose writes fail, mapped to the error."""
    clock: Callable[[], float] = time.monotonic
    """The time in seconds. Tests use one clock for stand-in and client, which never sleeps."""
    today: date = date(2025, 6, 15)
    started_at: datetime = datetime(2025, 6, 15, 9, 30, tzinfo=timezone.utc)

    def __init__(self, catalogue: Catalogue | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.catalogue = catalogue or Catalogue()
        self.units = 0
        self.turned_away = 0
        self.writes: list[tuple[str, dict[str, Any]]] = []
        self.operations: list[str] = []
        self._level = float(self.burst)
        self._level_at = self.clock()
        self._spent_today = 0
        self._numbers = itertools.count(900_001)

    @property
    def api_url(self) -> str:
        return self.origin + PATH

    def use_daily(self, units: int) -> None:
        """Use so many units of the daily quota, as another app of the user would."""
        with self._lock:
            self._spent_today += units

    def reset_log(self) -> None:
        super().reset_log()
        with self._lock:
            self.units = self.turned_away = 0
            self.writes.clear()
            self.operations.clear()

    def statistics(self) -> dict[str, Any]:
        with self._lock:
            return {**super().statistics(), 'units': self.units, 'turned_away': self.turned_away}

    def respond(self, request: Request) -> Response:
        if request.path.startswith(COVERS):
            if request.header('Authorization'):
                self.violation('a cover was asked for with credentials')
            return Response(200, {'Content-Type': 'image/png'}, PNG)
        if request.path != PATH:
            return json_response({'error': 'Not Found'}, 404)
        if request.method != 'POST':
            return json_response({'error': 'Method Not Allowed'}, 405)
        if not re.search(r'\w+/\d', request.header('User-Agent')) or 'python' in request.header('User-Agent').lower():
            self.violation('a User-Agent that does not describe the client')
        if request.header('Authorization') != f'Bearer {self.token}':
            return json_response({'error': 'invalid_token'}, 401)
        with self._lock:
            return self._graphql(request)

    def _graphql(self, request: Request) -> Response:
        sent = request.json()
        query = sent.get('query') if isinstance(sent, dict) else None
        if not isinstance(query, str):
            return json_response({'error': 'invalid_query', 'error_description': 'query is missing'}, 400)
        try:
            document = graphql.parse(query)
        except graphql.GraphQLError as error:
            return json_response({'errors': [{'message': error.message}]})
        definition = document.definitions[0]
        assert isinstance(definition, OperationDefinitionNode)
        fields = [node for node in definition.selection_set.selections if isinstance(node, FieldNode)]
        variables = sent.get('variables') or {}
        return (
            self._refusal(document, definition, fields)
            or self._over_quota(len(fields))
            or self._validation(document)
            or self._time_out(definition, fields, variables)
            or self._execution(document, definition, variables)
        )

    def _refusal(
        self, document: Any, definition: OperationDefinitionNode, fields: Sequence[FieldNode]
    ) -> Response | None:
        """The refusal of a request before it is validated: too many fields, too deep, an operator, a missing scope."""
        names = [node.name.value for node in fields]
        if len(fields) > MOST_FIELDS or (names.count('search') and len(fields) > 1):
            self.violation(f'{len(fields)} top-level fields: {", ".join(names)}')
            return json_response({'errors': ['top_level_limit_exceeded', f'{len(fields)} fields']}, 403)
        if max(depth(node) for node in fields) > DEEPEST:
            self.violation(f'deeper than {DEEPEST} levels')
            return json_response({'errors': ['depth_limit_exceeded']}, 403)
        operators = _Operators()
        visit(document, operators)
        if any(REFUSED_OPERATORS.fullmatch(name) for name in operators.names):
            self.violation('a refused operator')
            return json_response({'error': 'unsupported_operation'}, 403)
        mutation = definition.operation is OperationType.MUTATION
        for name in names:
            scope = 'write:library' if mutation else SCOPE_OF_FIELD.get(name, '')
            if scope and scope not in self.scopes:
                return self._scope_missing(scope, name, 'mutation_root' if mutation else 'query_root')
        return None

    def _scope_missing(self, scope: str, name: str, root: str) -> Response:
        if self.scope_errors == 'status':
            return json_response({'error': 'insufficient_scope', 'scope': scope}, 403, self._quota_headers())
        if self.scope_errors == 'message':
            return json_response({'errors': [{'message': f'Missing scope: {scope}'}]}, 200, self._quota_headers())
        message = f"field '{name}' not found in type: '{root}'"
        return json_response({'errors': [{'message': message}]}, 200, self._quota_headers())

    def _refill(self) -> None:
        now = self.clock()
        self._level = min(float(self.burst), self._level + (now - self._level_at) * self.per_minute / 60)
        self._level_at = now

    def _quota_headers(self) -> dict[str, str]:
        left = max(0, self.daily - self._spent_today)
        reset = self._seconds_to_midnight()
        minute = f'"{self.plan}";q={self.per_minute};w=60;burst={self.burst}'
        standard = {
            'RateLimit-Policy': f'{minute}, "daily";q={self.daily};w={DAY}',
            'RateLimit': f'"{self.plan}";r={int(self._level)};t=42, "daily";r={left};t={reset}',
        }
        legacy = {
            'X-RateLimit-Limit': str(self.per_minute),
            'X-RateLimit-Remaining': str(int(self._level)),
            'X-RateLimit-Reset': '42',
        }
        return {
            'standard': standard,
            'legacy': legacy,
            'both': {**standard, **legacy},
            'none': {},
        }[self.headers]

    def _seconds_to_midnight(self) -> int:
        midnight = datetime.combine(self.started_at.date() + timedelta(days=1), datetime.min.time(), timezone.utc)
        return int((midnight - self.started_at).total_seconds())

    def _over_quota(self, units: int) -> Response | None:
        """Use units of the quota, or return a 429."""
        self._refill()
        wait: float
        if self.daily - self._spent_today < units:
            wait = self._seconds_to_midnight()
        elif self._level < units - 1e-6:
            wait = math.ceil((units - self._level) * 60 / self.per_minute)
        else:
            self._level -= units
            self._spent_today += units
            self.units += units
            return None
        self.turned_away += 1
        headers = self._quota_headers()
        if self.retry_after:
            headers['Retry-After'] = str(int(wait))
        body = {'data': None} if self.null_data else {'error': 'Too Many Requests'}
        return json_response(body, 429, headers)

    def _validation(self, document: Any) -> Response | None:
        errors = graphql.validate(schema(), document)
        if not errors:
            return None
        self.violation(f'not valid: {errors[0].message}')
        return json_response({'errors': [{'message': error.message} for error in errors]}, 200, self._quota_headers())

    def _time_out(
        self, definition: OperationDefinitionNode, fields: Sequence[FieldNode], variables: Mapping[str, Any]
    ) -> Response | None:
        if fields[0].name.value == 'search':
            slow = self.slow_search_over is not None and variables.get('per_page', 10) > self.slow_search_over
        elif definition.operation is OperationType.MUTATION:
            slow = self.slow_over is not None and len(fields) > self.slow_over
        else:
            values = sum(len(value) for value in variables.values() if isinstance(value, list))
            slow = self.slow_over is not None and values > self.slow_over
        return json_response({'error': 'Request timeout'}, 408, self._quota_headers()) if slow else None

    def _execution(self, document: Any, definition: OperationDefinitionNode, variables: Mapping[str, Any]) -> Response:
        self.operations.append(definition.name.value if definition.name else '')
        result = graphql.execute_sync(schema(), document, Root(self), variable_values=dict(variables))
        body: dict[str, Any] = {'data': result.data}
        if result.errors:
            body['errors'] = [{'message': error.message, 'path': error.path} for error in result.errors]
        return json_response(body, 200, self._quota_headers())

    def next_number(self) -> int:
        return next(self._numbers)

    def stamp(self) -> str:
        """The time of a write. It increases with every write."""
        moment = self.started_at + timedelta(seconds=len(self.writes))
        return moment.isoformat()


class Root:
    """The resolvers of the top-level fields."""

    def __init__(self, server: HardcoverStandIn) -> None:
        self._server = server
        self._catalogue = server.catalogue

    def _select(self, rows: Iterable[Any], where: Any, limit: int | None, offset: int | None) -> list[Any]:
        found = sorted((row for row in rows if matches(row, where)), key=lambda row: row.id)
        server = self._server
        limit = min(limit or len(found), server.cap or len(found))
        return found[offset or 0 :][:limit]

    def me(self, info: Any) -> list[dict[str, Any]]:
        server = self._server
        return [{'id': server.user_id, 'username': server.username, 'account_privacy_setting_id': server.privacy}]

    def books(self, info: Any, where: Any = None, limit: Any = None, offset: Any = None, order_by: Any = None) -> Any:
        return self._select([work for work in self._catalogue.works if not work.gone], where, limit, offset)

    def editions(
        self, info: Any, where: Any = None, limit: Any = None, offset: Any = None, order_by: Any = None
    ) -> Any:
        rows = self._select(self._catalogue.editions, where, limit, offset)
        works = {work.id: work for work in self._catalogue.works}
        return [{**vars(row), 'book': works[row.book_id]} for row in rows]

    def user_books(
        self, info: Any, where: Any = None, limit: Any = None, offset: Any = None, order_by: Any = None
    ) -> Any:
        if not where or 'user_id' not in where:
            self._server.violation('the shelves of all users were asked for')
        return self._select(self._catalogue.shelf, where, limit, offset)

    def user_book_reads(
        self, info: Any, where: Any = None, limit: Any = None, offset: Any = None, order_by: Any = None
    ) -> Any:
        return self._select(self._catalogue.reads, where, limit, offset)

    def search(self, info: Any, query: str, query_type: str = 'Book', per_page: int = 25, page: int = 1) -> Any:
        if self._server.search_error is not None:
            return {'error': self._server.search_error, 'ids': None, 'results': None}
        wanted = words_in(query)
        hits = []
        for work in self._catalogue.works:
            score = search_score(wanted, work)
            if score and not work.gone and work.canonical_id is None:
                hits.append((-score, -work.users_count, work.id, work))
        found = [work for *_, work in sorted(hits, key=lambda hit: hit[:3])]
        shown = found[(page - 1) * per_page :][:per_page]
        results: Any = {'found': len(found), 'hits': [{'document': self._document(work)} for work in shown]}
        if self._server.results_as_text:
            results = json.dumps(results)
        return {'ids': [work.id for work in shown], 'results': results, 'error': None}

    def _document(self, work: Work) -> dict[str, Any]:
        isbns = [
            code
            for edition in self._catalogue.editions
            if edition.book_id == work.id
            for code in (edition.isbn_13, edition.isbn_10)
            if code
        ]
        document: dict[str, Any] = {
            'id': str(work.id),
            'title': work.title,
            'subtitle': work.subtitle,
            'author_names': list(work.authors),
            'isbns': isbns,
            'release_year': work.release_year,
            'users_count': work.users_count,
            'slug': work.slug,
            'pages': work.pages,
            'has_ebook': work.has_ebook,
            'has_audiobook': work.has_audiobook,
            'series_names': list(work.series),
        }
        if work.image_url:
            document['image'] = {'url': work.image_url.replace('{origin}', self._server.origin)}
        return document

    def _wrote(self, name: str, **arguments: Any) -> None:
        self._server.writes.append((name, arguments))

    def _check_rating(self, values: Mapping[str, Any]) -> str | None:
        rating = values.get('rating')
        if rating is None or (0 < rating <= 5 and rating * 2 == int(rating * 2)):
            return None
        return 'Rating must be between 0.5 and 5 in halves'

    def update_user_book(self, info: Any, id: int, object: Mapping[str, Any]) -> Any:  # noqa: A002 - the schema's name
        row = next((row for row in self._catalogue.shelf if row.id == id and row.user_id == self._server.user_id), None)
        if row is None or (work := self._catalogue.work(row.book_id)) is None or work.canonical_id:
            return {'id': None, 'error': RETIRED}
        error = self._server.refused.get(row.book_id) or self._check_rating(object)
        if error:
            return {'id': None, 'error': error}
        self._wrote('update_user_book', id=id, **object)
        for key, value in object.items():
            setattr(row, key, value)
        row.updated_at = self._server.stamp()
        return {'id': row.id, 'error': None, 'user_book': row}

    def insert_user_book(self, info: Any, object: Mapping[str, Any]) -> Any:  # noqa: A002
        server = self._server
        work = self._catalogue.work(object['book_id'])
        if work is None or work.canonical_id:
            return {'id': None, 'error': RETIRED}
        error = server.refused.get(work.id) or self._check_rating(object)
        if error:
            return {'id': None, 'error': error}
        if 'status_id' not in object or 'privacy_setting_id' not in object:
            server.violation('a book was added without status or privacy')
        self._wrote('insert_user_book', **object)
        row = self._catalogue.entry(work.id, server.user_id)
        if row is not None:
            server.violation(f'book {work.id} was added although it is on the shelf')
        else:
            row = ShelfRow(server.next_number(), work.id, user_id=server.user_id)
            self._catalogue.shelf.append(row)
        day = object.get('last_read_date') if server.dates_on_insert else None
        for key, value in object.items():
            if hasattr(row, key) and key != 'last_read_date':
                setattr(row, key, value)
        row.updated_at = server.stamp()
        if row.status_id == READ:
            row.last_read_date = day or server.today.isoformat()
            self._catalogue.reads.append(ReadRow(server.next_number(), row.id, row.last_read_date))
        return {'id': row.id, 'error': None, 'user_book': row if server.entry_on_insert else None}

    def insert_user_book_read(self, info: Any, user_book_id: int, user_book_read: Mapping[str, Any]) -> Any:
        if not any(row.id == user_book_id for row in self._catalogue.shelf):
            return {'id': None, 'error': RETIRED}
        self._wrote('insert_user_book_read', user_book_id=user_book_id, **user_book_read)
        read = ReadRow(self._server.next_number(), user_book_id, user_book_read.get('finished_at'))
        self._catalogue.reads.append(read)
        return {'id': read.id, 'error': None}

    def update_user_book_read(self, info: Any, id: int, object: Mapping[str, Any]) -> Any:  # noqa: A002
        read = next((read for read in self._catalogue.reads if read.id == id), None)
        if read is None:
            return {'id': None, 'error': 'That read does not exist'}
        self._wrote('update_user_book_read', id=id, **object)
        read.finished_at = object.get('finished_at', read.finished_at)
        return {'id': read.id, 'error': None}


def isbn13(number: int) -> str:
    """A valid ISBN-13 for a number with up to nine digits."""
    stem = f'978{number:09d}'
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(stem))
    return stem + str(-total % 10)


def isbn10(number: int) -> str:
    """The ISBN-10 that corresponds to `isbn13(number)`."""
    stem = f'{number:09d}'
    check = -sum(int(digit) * (10 - place) for place, digit in enumerate(stem)) % 11
    return stem + ('X' if check == 10 else str(check))


FIRST_WORDS = 'Silent Burning Forgotten Golden Hidden Crooked Winter Paper Last Salt Iron Distant Broken Quiet'.split()
SECOND_WORDS = 'River House Garden Letters Kingdom Orchard Machine Harbour Mirror Forest Daughter Map Hour'.split()
GIVEN_NAMES = 'Jane Emil Mary Fyodor Charlotte Leo Agnes Herman Selma Oscar Kate Ivan'.split()
FAMILY_NAMES = 'Ashdown Bright Calloway Dvorak Eliot Fontaine Grey Hardy Ibsen Keller Lund Moreau'.split()


def generate_catalogue(count: int, seed: int = 1, shelved: bool = True) -> Catalogue:
    """Make `count` books with one ebook edition each, the same ones for the same seed.

    The book with number n, from 1, has the id 100000 + n, the edition 500000 + n and `isbn13(100000 + n)`. With
    `shelved` all books are on the shelf.
    """
    chance = random.Random(seed)
    catalogue = Catalogue()
    for number in range(1, count + 1):
        book_id = 100_000 + number
        title = f'The {chance.choice(FIRST_WORDS)} {chance.choice(SECOND_WORDS)} {number}'
        author = f'{chance.choice(GIVEN_NAMES)} {chance.choice(FAMILY_NAMES)}'
        catalogue.works.append(Work(book_id, title, authors=[author], users_count=chance.randrange(1, 90_000)))
        catalogue.editions.append(Printing(500_000 + number, book_id, isbn13(book_id), isbn10(book_id)))
        if shelved:
            catalogue.shelf.append(ShelfRow(700_000 + number, book_id))
    return catalogue


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='A local stand-in for Hardcover. Serves until its input closes.')
    parser.add_argument('--port', type=int, default=0, help='0: any that is free')
    parser.add_argument('--count', type=int, default=300, help='so many generated books')
    parser.add_argument('--seed', type=int, default=1, help='of the generated books')
    parser.add_argument('--no-shelf', action='store_true', help='no book is on the shelf')
    parser.add_argument('--latency', type=float, default=0, help='milliseconds a request')
    parser.add_argument('--token', default=HardcoverStandIn.token)
    parser.add_argument('--burst', type=int, default=10, help='units at once')
    parser.add_argument('--per-minute', type=int, default=60, help='units that come back in a minute')
    parser.add_argument('--daily', type=int, default=5000, help='units a day')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with HardcoverStandIn(
        generate_catalogue(chosen.count, chosen.seed, not chosen.no_shelf),
        port=chosen.port,
        token=chosen.token,
        latency=chosen.latency / 1000,
        burst=chosen.burst,
        per_minute=chosen.per_minute,
        daily=chosen.daily,
    ) as server:
        serve_until_told(server, {'api_url': server.api_url, 'token': server.token, 'pid': os.getpid()})
    return 0


if __name__ == '__main__':
    sys.exit(main())
