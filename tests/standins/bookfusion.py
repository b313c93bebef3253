"""A local stand-in for BookFusion: both of its APIs, with records from one list.

This module must not import Calibre or the plugin. As a program it serves until its standard input closes: see `--help`.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.common import JSON_HEADERS, Request, Response, StandIn, dump_json, json_response, serve_until_told

ABSENT: Any = type('Absent', (), {'__repr__': lambda self: 'ABSENT'})()
"""A value for a field of a record: its key is omitted."""
DERIVED: Any = type('Derived', (), {'__repr__': lambda self: 'DERIVED'})()
"""The default of fields that are derived from others."""

SIGN_IN = '/api/v1/auth.json'
LIBRARY = '/api/v3/library/books.json'
USER_SIGN_IN = '/api/v3/auth.json'
DEVICE_CODE = '/api/user/auth/device'
DEVICE_TOKEN = '/api/user/auth/token'
SEARCH = '/api/user/books/search'
VERIFICATION = '/device'
POSITION = re.compile(r'/api/user/books/([^/]+)/reading_position')

GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code'
LARGEST_USER_PAGE = 100
SORTS = ('added_at', 'last_read_at', 'title', 'author', 'reading_progress')
# By how much the user API's ids and numbers are above the private ids: generated records then have both among the
# global book ids, and each record's number is the id of the next.
USER_IDS_BEGIN = 7_000_000
USER_NUMBERS_BEGIN = USER_IDS_BEGIN + 1
LISTS = ('all', 'favorites', 'currently_reading', 'planned_to_read', 'completed')


@dataclass(frozen=True, eq=False)
class LibraryRecord:
    """One book of the user's library, with its record in both APIs.

    Every field may have any JSON value, for invalid data, or ABSENT.

    `id`, `book_id`      of the private API; `book_id` is also in the user API's `read_url` and `source`
    `number`, `user_id`  the user API's `number` and `id`; by default numbers in other, overlapping ranges
    `read_url`, `source` other values for the user API's fields
    `percentage`         0-100; makes the reading position with `position_updated_at`; it is null if both are None
    `reading_position`   the whole reading position instead
    `read_time`          in seconds
    `private_title`      another title for the private API
    `position_inline`    overrides the server's `inline_positions`
    `extra`              further keys of both records
    `private_raw`        the whole record of the private API: any JSON value, or bytes; `user_raw` that of the user API
    """

    id: Any
    book_id: Any = None
    title: Any = 'Untitled'
    authors: Any = ()
    last_read_at: Any = None
    percentage: Any = None
    position_updated_at: Any = None
    read_time: Any = 0
    lists: Any = ()
    number: Any = DERIVED
    user_id: Any = DERIVED
    read_url: Any = DERIVED
    source: Any = DERIVED
    private_title: Any = DERIVED
    added_at: Any = '2024-01-01T00:00:00.000Z'
    reading_position: Any = DERIVED
    position_inline: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    private_raw: Any = DERIVED
    user_raw: Any = DERIVED

    def position(self, **more: Any) -> Any:
        """The reading position as JSON. `more` are further keys, unless `reading_position` is given."""
        if self.reading_position is not DERIVED:
            return self.reading_position
        if self.percentage is None and self.position_updated_at is None:
            return None
        return present({**more, 'percentage': self.percentage, 'updated_at': self.position_updated_at})

    def user_position(self) -> Any:
        """The reading position in the user API, which has more keys."""
        place = self.percentage / 100 if isinstance(self.percentage, (int, float)) else 0
        return self.position(chapter_index=12, page_position_in_book=place, cfi='epubcfi(/6/26!/4/2/1:0)')

    @property
    def identifier(self) -> Any:
        """The user API's `id`."""
        return moved(self.id, USER_IDS_BEGIN) if self.user_id is DERIVED else self.user_id

    @property
    def user_number(self) -> Any:
        """The user API's `number`."""
        return moved(self.id, USER_NUMBERS_BEGIN) if self.number is DERIVED else self.number

    @property
    def reader_address(self) -> Any:
        """The user API's `read_url`."""
        if self.read_url is not DERIVED:
            return self.read_url
        if self.book_id in (None, ABSENT):
            return ABSENT
        slug = re.sub(r'[^a-z0-9]+', '-', self.title.lower()).strip('-') if isinstance(self.title, str) else ''
        return f'https://reader.bookfusion.com/books/{self.book_id}-{slug}?type=epub'

    @functools.cached_property
    def private_json(self) -> bytes:
        """The private API's record."""
        if self.private_raw is not DERIVED:
            return raw(self.private_raw)
        record = {
            'id': self.id,
            'book_id': self.book_id,
            'title': self.title if self.private_title is DERIVED else self.private_title,
            'last_read_at': self.last_read_at,
            'reading_position': self.position(),
            **self.extra,
        }
        return dump_json(present(record))

    @functools.cached_property
    def user_json(self) -> bytes:
        """The user API's record, with the reading position."""
        return self._user_record({'reading_position': self.user_position()})

    @functools.cached_property
    def bare_user_json(self) -> bytes:
        """The user API's record, without a reading position."""
        return self._user_record({})

    def _user_record(self, position: Mapping[str, Any]) -> bytes:
        if self.user_raw is not DERIVED:
            return raw(self.user_raw)
        authors = self.authors
        if isinstance(authors, (list, tuple)):
            authors = [{'name': author} if isinstance(author, str) else author for author in authors]
        record = {
            'id': self.identifier,
            'number': self.user_number,
            'read_url': self.reader_address,
            'title': self.title,
            'authors': authors,
            'lists': self.lists,
            'last_read_at': self.last_read_at,
            'read_time': self.read_time,
            'added_at': self.added_at,
            'updated_at': self.added_at,
            'format': 'epub',
            'type': 'book',
            'bookshelves': [],
            'series': [],
            'tags': [],
            'source': present({'book_id': self.book_id, 'type': 'user'}) if self.source is DERIVED else self.source,
            **position,
            **self.extra,
        }
        return dump_json(present(record))


def moved(private_id: Any, by: int) -> Any:
    """A number of another range for a private id; what is no whole number stays what it is."""
    return private_id + by if isinstance(private_id, int) and not isinstance(private_id, bool) else private_id


def present(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without the keys whose value is ABSENT."""
    return {key: value for key, value in record.items() if value is not ABSENT}


def raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else dump_json(value)


class BookFusionStandIn(StandIn):
    """BookFusion on 127.0.0.1. `records` may be changed at any time; the records themselves are frozen.

    The browser sign-in's `token` is valid from the start. Password sign-ins issue other tokens for each API, and new
    ones after `expire_tokens`. `position_writes` are the requests that would have changed a reading position. They and
    everything else that a client must not do are in `violations` too.
    """

    record_latency: float = 0.0
    """Wait per record of a page, in addition to `latency`."""
    cap: int | None = None
    """The largest page, whatever was requested."""
    ignore_page: bool = False
    """Always send the first page."""
    repeat_page: int | None = None
    """Send this page twice, and all later ones one page later."""
    repeat_last_page: bool = False
    """Send the last page for ever, instead of an empty one."""
    shift_per_page: int = 0
    """How many records of the one before each page repeats, as if books were added meanwhile; negative: omits."""
    before_page: Callable[[int], None] | None = None
    """Called with the number of each requested page, before it is made; may change `records`."""
    total_count: bool | int = True
    """The user API's header Total-Count: True for the right number, False for no header, or this number."""
    private_total_count: bool | int = False
    """The same for the private API."""
    inline_positions: bool = True
    """True if the records of the user API's search contain the reading positions."""
    private_gone: int | None = None
    """The status of the private API if it no longer exists: 404 or 410."""
    private_gone_at: str = 'sign-in'
    """Where that status is sent: from `sign-in` on, or from `page` on, so that signing in still works."""
    refusal: int = 401
    """The status of a private sign-in with a wrong password."""
    account_type: str = 'password'
    """`web` for an account without a password: no password is right, and the user API's sign-in returns this type."""
    same_token: bool = False
    """Signing in again makes the first token valid again instead of issuing a new one."""
    token_expires_after: int | None = None
    """Tokens of a password sign-in expire after so many requests…"""
    token_expiries: int = 1
    """…so many times."""
    device_answers: Sequence[str] = ('authorization_pending', 'success')
    """The responses to polls for the device code's token, in order: `success` or an error. The last one is repeated."""
    device_interval: Any = 5
    """The device code's `interval` in seconds; ABSENT omits it."""
    device_expires_in: Any = 600
    """The device code's `expires_in` in seconds; ABSENT omits it."""
    complete_uri: bool = True
    """True if the device code has a `verification_uri_complete`."""

    def __init__(
        self,
        records: Iterable[LibraryRecord] = (),
        *,
        email: str = 'reader@example.org',
        password: str = 'correct horse',
        token: str = 'browser-token-0123456789abcdef',
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.records = list(records)
        self.email = email
        self.password = password
        self.token = token
        self.user_code = 'BKFN-2468'
        self.position_writes: list[Request] = []
        self._generation = 0
        self._device_of_token: dict[str, str] = {}
        self._valid = {('bearer', token)}
        self._uses = 0
        self._polls: list[float] = []
        self._devices = 0
        self._view_of: list[LibraryRecord] = []
        self._views: dict[Any, Any] = {}
        self._render = functools.lru_cache(maxsize=512)(render)

    @property
    def api_base(self) -> str:
        return self.origin + '/api'

    @property
    def user_api_base(self) -> str:
        return self.origin

    @property
    def secrets(self) -> list[str]:
        """All values that must not appear in a log: the password, and every token that was issued."""
        with self._lock:
            return [self.password, self.token, *self._device_of_token]

    def prepare(self) -> None:
        """Render all records now, so that the first walk is as fast as later ones."""
        for record in self.records:
            render((record,), 'private', self.inline_positions)
            render((record,), 'user', self.inline_positions)

    def expire_tokens(self) -> None:
        """Make all tokens invalid that were issued so far."""
        with self._lock:
            self._valid.clear()

    def respond(self, request: Request) -> Response:
        position = POSITION.fullmatch(request.path)
        if position:
            return self._user_api(request, lambda: self._position(request, position.group(1)))
        routes: dict[str, tuple[str, Callable[[Request], Response]]] = {
            SIGN_IN: ('POST', self._sign_in),
            LIBRARY: ('GET', self._library),
            USER_SIGN_IN: ('POST', lambda sent: self._user_api(sent, lambda: self._user_sign_in(sent), False)),
            DEVICE_CODE: ('POST', lambda sent: self._user_api(sent, lambda: self._device_code(sent), False)),
            DEVICE_TOKEN: ('POST', lambda sent: self._user_api(sent, lambda: self._device_token(sent), False)),
            SEARCH: ('POST', lambda sent: self._user_api(sent, lambda: self._search(sent))),
            VERIFICATION: ('GET', self._verification_page),
        }
        if request.path not in routes:
            return json_response({'error': 'Not Found'}, 404)
        method, respond = routes[request.path]
        if request.method != method:
            return json_response({'error': 'Method Not Allowed'}, 405, {'Allow': method})
        return respond(request)

    def _sign_in(self, request: Request) -> Response:
        """The private API's sign-in."""
        if self.private_gone and self.private_gone_at == 'sign-in':
            return json_response({'error': 'Not Found'}, self.private_gone)
        sent = json_object(request)
        if sent is None or not all(isinstance(sent.get(key), str) for key in ('device', 'login', 'password')):
            self.violation('a sign-in without device, login and password in a JSON object')
            return json_response({'error': 'device, login and password are required'}, 422)
        if not re.fullmatch('[0-9a-f]{16}', sent['device']):
            self.violation(f'a device id of another form: {sent["device"]!r}')
        if not self._password_is_right(sent['login'], sent['password']):
            return json_response({'error': 'Invalid login or password'}, self.refusal)
        return json_response({'token': self._issue('private', sent['device'])})

    def _library(self, request: Request) -> Response:
        """One page of the private API's library."""
        if self.private_gone:
            return json_response({'error': 'Not Found'}, self.private_gone)
        token, device = request.query.get('token', ''), request.query.get('device', '')
        if not self._authorized('private', token, device):
            return json_response({'error': 'Unauthorized'}, 401)
        page, size = whole_number(request.query.get('page', 1)), whole_number(request.query.get('per_page', 20))
        if page is None or size is None:
            self.violation(f'page or per_page is not a positive number: {request.target.partition("?")[0]}')
            return json_response({'error': 'page and per_page must be positive'}, 422)
        records = self._page(lambda: self.records, page, size)
        return self._page_response(records, 'private', self.private_total_count, len(self.records))

    def _user_api(self, request: Request, respond: Callable[[], Response], authorize: bool = True) -> Response:
        """Check what every request of the user API needs, and call `respond`."""
        accepted = [part.strip() for part in request.header('Accept').split(';')]
        if 'application/json' not in accepted[0] or 'api_version=10' not in accepted[1:]:
            self.violation(f'{request.path} without api_version=10 in Accept')
            return json_response({'error': 'Not Acceptable'}, 406)
        if authorize and not self._user_is_signed_in(request):
            return json_response({'error': 'Unauthorized'}, 401)
        return respond()

    def _user_is_signed_in(self, request: Request) -> bool:
        scheme, _, bearer = request.header('Authorization').partition(' ')
        if scheme == 'Bearer':
            return self._authorized('bearer', bearer)
        device = request.header('X-Device')
        if request.header('X-Token') and not device:
            self.violation(f'{request.path} with X-Token but without X-Device')
            return False
        return self._authorized('x-token', request.header('X-Token'))

    def _user_sign_in(self, request: Request) -> Response:
        """The user API's sign-in with a password."""
        sent = json_object(request) or {}
        if self.account_type == 'web' and sent.get('email') == self.email:
            return json_response({'token': None, 'type': 'web'})
        if not self._password_is_right(sent.get('email'), sent.get('password')):
            return json_response({'error': 'Invalid email or password'}, 401)
        return json_response({'token': self._issue('x-token'), 'type': 'password'})

    def _device_code(self, request: Request) -> Response:
        """The first step of the browser sign-in."""
        sent = json_object(request) or {}
        if not isinstance(sent.get('client_id'), str) or not sent['client_id']:
            return json_response({'error': 'invalid_client'}, 401)
        with self._lock:
            self._devices += 1
            self._polls = []
        uri = self.origin + VERIFICATION
        code = {
            'device_code': self._current_device_code(),
            'user_code': self.user_code,
            'verification_uri': uri,
            'verification_uri_complete': f'{uri}?code={self.user_code}' if self.complete_uri else ABSENT,
            'interval': self.device_interval,
            'expires_in': self.device_expires_in,
        }
        return json_response(present(code))

    def _device_token(self, request: Request) -> Response:
        """A poll of the browser sign-in."""
        sent = json_object(request) or {}
        if sent.get('grant_type') != GRANT_TYPE:
            return json_response({'error': 'unsupported_grant_type'}, 400)
        if not sent.get('client_id') or not self._devices or sent.get('device_code') != self._current_device_code():
            self.violation('a poll without client_id, or with a device code that was not given out')
            return json_response({'error': 'invalid_grant'}, 400)
        with self._lock:
            self._note_poll()
            step = self.device_answers[min(len(self._polls), len(self.device_answers)) - 1]
        if step != 'success':
            return json_response({'error': step}, 400)
        return json_response({'access_token': self._issue('bearer'), 'token_type': 'Bearer'})

    def _current_device_code(self) -> str:
        return f'device-code-{self._devices}'

    def _note_poll(self) -> None:
        """Count a poll. It is a violation if it came before the current interval was over."""
        now = time.monotonic()
        interval = self.device_interval if isinstance(self.device_interval, (int, float)) else 5
        sent = list(self.device_answers[: len(self._polls)])
        interval += 5 * sent.count('slow_down')
        if self._polls and now - self._polls[-1] < interval * 0.9:
            self.violation(f'polled again after {now - self._polls[-1]:.2f} s instead of {interval} s')
        self._polls.append(now)

    def _search(self, request: Request) -> Response:
        """One page of the user API's library."""
        sent = json_object(request) or {}
        page, size = whole_number(sent.get('page', 1)), whole_number(sent.get('per_page', 20))
        sort, name = sent.get('sort', 'added_at-desc'), sent.get('list', 'all')
        key, _, direction = str(sort).rpartition('-')
        if page is None or size is None or key not in SORTS or direction not in ('asc', 'desc') or name not in LISTS:
            self.violation(f'a search that makes no sense: {sent!r}')
            return json_response({'error': 'Unprocessable'}, 422)
        if size > LARGEST_USER_PAGE:
            self.violation(f'{size} records a page asked of the user API')
            size = LARGEST_USER_PAGE
        records = self._page(lambda: self._ordered(key, direction, name), page, size)
        return self._page_response(records, 'user', self.total_count, len(self._ordered(key, direction, name)))

    def _position(self, request: Request, identifier: str) -> Response:
        """The reading position of one book."""
        if request.method != 'GET':
            with self._lock:
                self.position_writes.append(request)
            self.violation(f'{request.method} {request.path}: a reading position was written')
            return json_response({})
        by_id = self._view('by id', lambda: {str(record.identifier): record for record in self.records})
        record = by_id.get(identifier)
        position = None if record is None else record.user_position()
        if position in (None, ABSENT):
            return json_response({'error': 'Not Found'}, 404)
        return json_response(position)

    def _verification_page(self, request: Request) -> Response:
        page = f'<!DOCTYPE html><title>Stand-in</title><p>This is where a user enters the code {self.user_code}.</p>'
        return Response(200, {'Content-Type': 'text/html; charset=utf-8'}, page.encode())

    def _page(self, source: Callable[[], list[LibraryRecord]], page: int, size: int) -> list[LibraryRecord]:
        """The records of one page of `source`, changed as the options say."""
        if self.before_page is not None:
            self.before_page(page)
        records = source()
        size = min(size, self.cap or size)
        step = max(1, size - self.shift_per_page)
        if self.ignore_page:
            page = 1
        if self.repeat_page is not None and page > self.repeat_page:
            page -= 1
        if self.repeat_last_page:
            page = min(page, 1 + max(0, -(-(len(records) - size) // step)))
        return records[(page - 1) * step :][:size]

    def _page_response(self, records: list[LibraryRecord], api: str, total: bool | int, count: int) -> Response:
        self.pause(self.record_latency * len(records))
        headers = dict(JSON_HEADERS)
        if total is not False:
            headers['Total-Count'] = str(count if total is True else total)
        return Response(200, headers, self._render(tuple(records), api, self.inline_positions))

    def _ordered(self, key: str, direction: str, name: str) -> list[LibraryRecord]:
        """The records of the list `name`, sorted."""

        def make() -> list[LibraryRecord]:
            listed = [record for record in self.records if name == 'all' or name in (record.lists or ())]
            return sorted(listed, key=functools.partial(sort_key, key), reverse=direction == 'desc')

        ordered: list[LibraryRecord] = self._view((key, direction, name), make)
        return ordered

    def _view(self, key: Any, make: Callable[[], Any]) -> Any:
        """The result of `make`, cached until `records` changes."""
        with self._lock:
            if self._view_of != self.records:
                self._view_of = list(self.records)
                self._views.clear()
            if key not in self._views:
                self._views[key] = make()
            return self._views[key]

    def _password_is_right(self, email: Any, password: Any) -> bool:
        return self.account_type == 'password' and (email, password) == (self.email, self.password)

    def _issue(self, kind: str, device: str = '') -> str:
        """Issue a token of this kind. It is not valid for another API."""
        with self._lock:
            self._generation += 1
            first = kind == 'bearer' and ('bearer', self.token) in self._valid
            number = 1 if self.same_token else self._generation
            token = self.token if first else f'{kind}-token-{number}-{"5ec7e7" * 4}'
            self._valid.add((kind, token))
            self._device_of_token[token] = device
            self._uses = 0
            return token

    def _authorized(self, kind: str, token: str, device: str = '') -> bool:
        with self._lock:
            expires = self.token_expires_after is not None and self.token_expiries > 0
            if expires and self.token_expires_after is not None and self._uses >= self.token_expires_after:
                self.token_expiries -= 1
                self._valid.clear()
            if (kind, token) not in self._valid or (kind == 'private' and self._device_of_token[token] != device):
                return False
            self._uses += 1
            return True


def render(records: tuple[LibraryRecord, ...], api: str, inline: bool) -> bytes:
    """A page as JSON, from cached records."""
    if api == 'private':
        return b'[' + b','.join([record.private_json for record in records]) + b']'
    shown = [inline if record.position_inline is None else record.position_inline for record in records]
    parts = [record.user_json if show else record.bare_user_json for record, show in zip(records, shown, strict=True)]
    return b'[' + b','.join(parts) + b']'


def sort_key(key: str, record: LibraryRecord) -> tuple[float, str]:
    """A sort key for any value of the field."""
    value = {
        'added_at': record.added_at,
        'last_read_at': record.last_read_at,
        'title': record.title,
        'author': record.authors[0] if isinstance(record.authors, (list, tuple)) and record.authors else '',
        'reading_progress': record.percentage,
    }[key]
    return (float(value), '') if isinstance(value, (int, float)) else (-1.0, str(value or ''))


def json_object(request: Request) -> dict[str, Any] | None:
    """The body if it is a JSON object with the content type of JSON, else None."""
    value = request.json() if 'json' in request.header('Content-Type') else None
    return value if isinstance(value, dict) else None


def whole_number(value: Any) -> int | None:
    """A positive integer, from an integer or a string of digits, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not re.fullmatch('[0-9]{1,9}', str(value)):
        return None
    return int(value) or None


FIRST_WORDS = 'Silent Burning Forgotten Golden Hidden Crooked Winter Paper Last Salt Iron Distant Broken Quiet'.split()
SECOND_WORDS = 'River House Garden Letters Kingdom Orchard Machine Harbour Mirror Forest Daughter Map Hour'.split()
GIVEN_NAMES = 'Jane Émile Mary Fyodor Charlotte Leo Agnes Herman Selma Oscar Kate Ivan'.split()
FAMILY_NAMES = 'Ashdown Brontë Calloway Dvořák Eliot Fontaine Grey Hardy Ibsen Keller Lund Moreau'.split()


def generate_records(count: int, seed: int = 1, padding: int = 0) -> list[LibraryRecord]:
    """Make `count` plausible records, the same ones for the same seed. `padding` adds a key with so many bytes.

    No value is both an `id` and a `book_id` of the private API. The user API's ids and numbers are in the range of the
    `book_id`s, so that some of them are another record's `book_id`. About 60 % have been read, half of these to the
    end. All of these have a reading position, about 30 % also a `last_read_at`.
    """
    chance = random.Random(seed)
    book_ids = chance.sample(range(8_000_000, 8_000_000 + 20 * count + 1), count)
    records = [generate_record(chance, place, book_ids[place]) for place in range(count)]
    if not padding:
        return records
    words = ' '.join(chance.choices(FIRST_WORDS + SECOND_WORDS, k=50_000 + padding))
    starts = chance.choices(range(len(words) - padding), k=count)
    return [
        replace(record, extra={'summary': words[start : start + padding]})
        for record, start in zip(records, starts, strict=True)
    ]


def generate_record(chance: random.Random, place: int, book_id: int) -> LibraryRecord:
    """Make the record at index `place` in the order of adding."""
    added = datetime(2015, 1, 1, 8, tzinfo=timezone.utc) + timedelta(minutes=90 * place)
    read = chance.random() < 0.6
    finished = read and chance.random() < 0.5
    moment = datetime(2019, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=chance.randrange(230_000_000))
    fresh = read and chance.random() < 0.3
    return LibraryRecord(
        id=1_000_000 + place,
        book_id=book_id,
        title=f'The {chance.choice(FIRST_WORDS)} {chance.choice(SECOND_WORDS)} {place + 1}',
        authors=(f'{chance.choice(GIVEN_NAMES)} {chance.choice(FAMILY_NAMES)}',),
        last_read_at=timestamp(moment + timedelta(minutes=5)) if fresh else None,
        percentage=100 if finished else round(chance.uniform(0.5, 98), 4) if read else None,
        position_updated_at=timestamp(moment) if read else None,
        read_time=chance.randrange(600, 90_000) if read else 0,
        lists=('completed',) if finished else ('currently_reading',) if fresh else (),
        added_at=timestamp(added),
    )


def timestamp(moment: datetime) -> str:
    """A time in BookFusion's format: `2026-04-20T18:22:31.000Z`."""
    return moment.strftime('%Y-%m-%dT%H:%M:%S.000Z')


def load_records(path: Path) -> list[LibraryRecord]:
    """Read records from a JSON file: a list of objects whose keys are fields of `LibraryRecord`. Raises SystemExit."""
    known = {known_field.name for known_field in fields(LibraryRecord)}
    records = []
    for entry in json.loads(path.read_text(encoding='utf-8')):
        if unknown := set(entry) - known:
            raise SystemExit(f'{path}: unknown fields {", ".join(sorted(unknown))}')
        records.append(LibraryRecord(**entry))
    return records


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='A local stand-in for BookFusion. Serves until its input closes.')
    parser.add_argument('--port', type=int, default=0, help='0: any that is free')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--records', type=Path, metavar='FILE', help='JSON list of objects: fields of LibraryRecord')
    source.add_argument('--count', type=int, default=300, help='so many generated records')
    parser.add_argument('--seed', type=int, default=1, help='of the generated records')
    parser.add_argument('--padding', type=int, default=0, help='bytes more in each generated record')
    parser.add_argument('--latency', type=float, default=0, help='milliseconds a request')
    parser.add_argument('--connection-latency', type=float, default=0, help='milliseconds a new connection')
    parser.add_argument('--record-latency', type=float, default=0, help='milliseconds a record')
    parser.add_argument('--email', default='reader@example.org')
    parser.add_argument('--password', default='correct horse')
    parser.add_argument('--token', default='browser-token-0123456789abcdef', help='of the browser sign-in')
    parser.add_argument('--cap', type=int, help='largest page')
    parser.add_argument('--no-gzip', action='store_true')
    parser.add_argument('--no-inline-positions', action='store_true')
    parser.add_argument('--private-gone', type=int, choices=(404, 410))
    parser.add_argument('--device-answers', default='authorization_pending,success', help='separated by commas')
    parser.add_argument('--device-interval', type=float, default=5, help='seconds')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse_arguments(arguments)
    if chosen.records:
        records = load_records(chosen.records)
    else:
        records = generate_records(chosen.count, chosen.seed, chosen.padding)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with BookFusionStandIn(
        records,
        email=chosen.email,
        password=chosen.password,
        token=chosen.token,
        port=chosen.port,
        latency=chosen.latency / 1000,
        connection_latency=chosen.connection_latency / 1000,
        record_latency=chosen.record_latency / 1000,
        cap=chosen.cap,
        gzip=not chosen.no_gzip,
        inline_positions=not chosen.no_inline_positions,
        private_gone=chosen.private_gone,
        device_answers=chosen.device_answers.split(','),
        device_interval=chosen.device_interval,
    ) as server:
        server.prepare()
        ready = {'api_base': server.api_base, 'user_api_base': server.user_api_base, 'pid': os.getpid()}
        serve_until_told(server, ready)
    return 0


if __name__ == '__main__':
    sys.exit(main())
