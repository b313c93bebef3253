# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardcover's GraphQL interface: look-ups, searches, the shelf and its ratings, within the quota.

Every error that it can answer gets a sentence that says what to do. Knows nothing of Calibre.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from ..base import errors
from ..base.address import checked_address
from ..base.cancel import Cancel
from ..base.errors import (
    BackSyncError,
    BadAnswer,
    ErrorPage,
    OnlyThisFailed,
    ScopeMissing,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
    TimedOut,
)
from ..base.parsers import mapping, parse_count, parse_number_id, parse_text
from ..base.redaction import Secret
from ..base.text import Text, text
from ..rules.hardcover_records import (
    READ_STATUS,
    Account,
    Candidate,
    Edition,
    HardcoverBook,
    NewEntry,
    ShelfEntry,
    WriteResult,
)
from ..rules.isbn import Codes
from ..transport.body import parse_json
from ..transport.client import HttpClient
from ..transport.request import BYTES_A_VALUE, Limits, Request, Response, body_limit
from . import hardcover_operations as operations
from .hardcover_answers import (
    error_messages,
    keyed_edition,
    keyed_read,
    keyed_shelf_entry,
    parse_book,
    parse_candidate,
    parse_edition,
    parse_write_result,
    plain_reason,
    refuses_the_key,
)
from .hardcover_operations import MOST_FIELDS, Kind, Operation
from .hardcover_quota import Pace, shared_pace

logger = logging.getLogger(__name__)
Row = TypeVar('Row')
Item = TypeVar('Item')

SERVICE = 'Hardcover'
# Hardcover gives up on a query after 30 s and says so; that answer is worth waiting for.
LIMITS = Limits(read_timeout=40.0)
BATCH = 100
EDITIONS_A_PAGE, ROWS_A_PAGE = 500, 100
CANDIDATES, FEWER_CANDIDATES = 10, 5
MOST_PAGES = 50
TRIES = 4
HANDED_BACK = frozenset({408, 429})
SCOPE_TALK = re.compile(r'scope|permission|not allowed|not authori[sz]ed|unauthori[sz]ed', re.IGNORECASE)


def not_accepted(messages: Sequence[str], operation: Operation) -> BackSyncError:
    """The error for an answer 200 with `errors`: a scope is missing, or the request is not valid any more."""
    reason = plain_reason('; '.join(messages))
    named = next((scope for scope in operations.SCOPES for message in messages if scope in message), '')
    if named or any(SCOPE_TALK.search(message) for message in messages):
        return ScopeMissing(errors.HARDCOVER_SCOPE_MISSING, scope=named or operation.scope)
    return ServerTrouble(errors.HARDCOVER_NOT_ACCEPTED, reason=reason, scope=operation.scope)


def refusal(response: Response, operation: Operation) -> BackSyncError:
    """The error for a status that is neither a success nor gets better by trying again."""
    messages = error_messages(response.data)
    if response.status == 403 and 'insufficient_scope' in messages:
        scope = parse_text(mapping(response.data).get('scope')) or operation.scope
        return ScopeMissing(errors.HARDCOVER_SCOPE_MISSING, scope=plain_reason(scope))
    if response.status == 403 and any(SCOPE_TALK.search(message) for message in messages):
        return not_accepted(messages, operation)
    if response.status in (400, 403) and messages:
        return ServerTrouble(errors.HARDCOVER_LIMIT, reason=plain_reason('; '.join(messages)))
    return ServerTrouble(errors.REFUSED_REQUEST, service=SERVICE, status=response.status)


def bad_answer(reason: Text) -> BadAnswer:
    return BadAnswer(errors.UNEXPECTED_ANSWER, service=SERVICE, reason=reason)


def _empty_search() -> OnlyThisFailed:
    return OnlyThisFailed(errors.HARDCOVER_SEARCH_FAILED, reason=text('its answer was empty'))


def rows_asked(operation: Operation, variables: Mapping[str, object]) -> int:
    """The most rows that the answer to an operation should have."""
    for name in ('limit', 'per_page'):
        if isinstance(most := variables.get(name), int):
            return most
    return max([operation.units, *(len(value) for value in variables.values() if isinstance(value, list))])


def in_batches(items: Sequence[Item], size: int = BATCH) -> Iterable[Sequence[Item]]:
    """The items, as many at a time as one request takes."""
    return (items[start : start + size] for start in range(0, len(items), size))


class Hardcover:
    """One account. Usable from several threads; `units` counts what was taken from the quota, `requests` what was sent.

    `token` comes from the settings; `pace` is the token's own unless a test brings another.
    All methods raise SignInRefused, ScopeMissing, TimedOut, QuotaSpent, ServerTrouble and Cancelled.
    """

    def __init__(self, http: HttpClient, url: str, token: Secret, pace: Pace | None = None) -> None:
        checked_address(url, allow_plain=False)
        if not token:
            raise SettingsTrouble(errors.HARDCOVER_KEY_MISSING)
        self.units = 0
        self.pace = pace or shared_pace(token)
        self._http = http
        self._url = url
        self._token = token
        self._lock = threading.Lock()
        # Whether the key was accepted at least once.
        self._answered = False

    @property
    def requests(self) -> int:
        return self._http.requests

    def _answer(self, operation: Operation, variables: Mapping[str, object], cancel: Cancel) -> Mapping[str, object]:
        """The whole answer to one operation, after as many tries as the quota's 429s make necessary."""
        request = Request(
            'POST',
            self._url,
            {'Authorization': f'Bearer {self._token.reveal()}', 'Accept': 'application/json'},
            {'query': operation.document, 'variables': dict(variables)},
            repeatable=operation.kind is not Kind.MUTATION or operation.name in ('Rate', 'DateRead'),
            hand_back=HANDED_BACK,
            max_body=body_limit(rows_asked(operation, variables)),
        )
        for attempt in range(TRIES):
            self.pace.take(operation.units, cancel)
            response = self._send(request, operation, cancel)
            if response.status != 429:
                break
            self.pace.turned_away(response.headers, attempt)
        else:
            raise ServerTrouble(errors.TOO_MANY_REQUESTS, service=SERVICE, wait=text('a few minutes'))
        self.pace.learn(response.headers)
        with self._lock:
            self.units += operation.units
        if response.status == 408:
            raise TimedOut(errors.TOO_SLOW, service=SERVICE)
        if refuses_the_key(response.status, response.data, response.page):
            raise SignInRefused(errors.HARDCOVER_KEY_REFUSED)
        if not response.ok:
            raise refusal(response, operation)
        self._answered = True
        if not isinstance(response.data, dict):
            raise bad_answer(text('an object was expected'))
        return response.data

    def _send(self, request: Request, operation: Operation, cancel: Cancel) -> Response:
        """Sends a request. An error page at first means a key that is not accepted (seen)."""
        try:
            return self._http.send(request, cancel)
        except ErrorPage as error:
            # Whether a mutation was carried out is not known, and a refused key would mean that it was not.
            if error.status != 500 or self._answered or operation.kind is Kind.MUTATION:
                raise
            raise SignInRefused(errors.HARDCOVER_KEY_PROBABLY_REFUSED, status=error.status) from None

    def _fields(self, operation: Operation, variables: Mapping[str, object], cancel: Cancel) -> Mapping[str, object]:
        """The `data` of a query. Raises where the answer has errors."""
        answer = self._answer(operation, variables, cancel)
        messages = error_messages(answer)
        if messages:
            raise not_accepted(messages, operation)
        data = answer.get('data')
        if not isinstance(data, dict) or any(name not in data for name in operation.fields):
            raise bad_answer(text('the answer lacks what was asked'))
        return data

    def _rows(self, operation: Operation, variables: Mapping[str, object], cancel: Cancel) -> list[object]:
        rows = self._fields(operation, variables, cancel)[operation.fields[0]]
        if not isinstance(rows, list):
            raise bad_answer(text('a list was expected'))
        return rows

    def _pages(
        self,
        operation: Operation,
        variables: Mapping[str, object],
        limit: int,
        parse: Callable[[object], tuple[Hashable, Row] | None],
        all_answered: Callable[[Iterable[Row]], bool],
        cancel: Cancel,
    ) -> list[Row]:
        """All rows, each once. A short page may have been capped, so it is the last one only when all is answered.

        Raises BadAnswer where MOST_PAGES pages are not all.
        """
        found: dict[Hashable, Row] = {}
        offset = longest = 0
        for number in range(MOST_PAGES):
            rows = self._rows(operation, {**variables, 'limit': limit, 'offset': offset}, cancel)
            known = len(found)
            for row in rows:
                cancel.check()
                if (parsed := parse(row)) is not None:
                    found[parsed[0]] = parsed[1]
            offset += len(rows)
            cut = len(rows) >= limit or (number > 0 and len(rows) >= longest)
            longest = max(longest, len(rows))
            if not rows or len(found) == known or (not cut and all_answered(found.values())):
                return list(found.values())
        # What is missing in a part of the shelf would be added to it.
        raise bad_answer(text('its list does not end: {count} records so far', count=len(found)))

    def _halved(self, items: Sequence[Item], ask: Callable[[Sequence[Item]], list[Row]]) -> list[Row]:
        """What `ask` answers; after a time-out it is asked once more, in two smaller parts where that is possible."""
        if not items:
            return []
        try:
            return ask(items)
        except TimedOut:
            middle = (len(items) + 1) // 2
            first = ask(items[:middle])
            return first + ask(items[middle:]) if items[middle:] else first

    def who_am_i(self, cancel: Cancel) -> Account:
        """Whose token this is. One unit."""
        rows = self._halved([None], lambda _one: self._rows(operations.WHO_AM_I, {}, cancel))
        row = mapping(rows[0] if rows else None)
        user_id = parse_number_id(row.get('id'))
        if not user_id:
            raise bad_answer(text('no account came'))
        return Account(user_id, parse_text(row.get('username')), parse_count(row.get('account_privacy_setting_id')))

    def editions_by_codes(self, wanted: Sequence[Codes], cancel: Cancel) -> list[Edition]:
        """Editions that have any of these codes; 100 books at most. One unit a page."""

        def ask(some: Sequence[Codes]) -> list[Edition]:
            lists = {
                key: sorted({code for codes in some for code in getattr(codes, key)})
                for key in ('isbn13', 'isbn10', 'asin')
            }

            def all_answered(editions: Iterable[Edition]) -> bool:
                seen = frozenset().union(*(edition.codes for edition in editions))
                return all(codes.all & seen for codes in some)

            return self._pages(
                operations.EDITIONS_BY_CODES, lists, EDITIONS_A_PAGE, keyed_edition, all_answered, cancel
            )

        return self._halved(wanted, ask)

    def editions_by_ids(self, ids: Sequence[int], cancel: Cancel) -> list[Edition]:
        """Editions by their own ids; 100 at most. One unit."""

        def ask(some: Sequence[int]) -> list[Edition]:
            rows = self._rows(operations.EDITIONS_BY_IDS, {'ids': list(some)}, cancel)
            return [edition for edition in map(parse_edition, rows) if edition is not None]

        return self._halved(ids, ask)

    def books_by_ids(self, ids: Sequence[int], cancel: Cancel) -> list[HardcoverBook]:
        """Books by their ids, merged ones too; 100 at most. One unit."""
        return self._halved(ids, lambda some: self._books(operations.BOOKS_BY_IDS, {'ids': list(some)}, cancel))

    def books_by_slugs(self, slugs: Sequence[str], cancel: Cancel) -> list[HardcoverBook]:
        """Books that have one of these slugs now; 100 at most. One unit."""
        return self._halved(slugs, lambda some: self._books(operations.BOOKS_BY_SLUGS, {'slugs': list(some)}, cancel))

    def _books(self, operation: Operation, variables: Mapping[str, object], cancel: Cancel) -> list[HardcoverBook]:
        rows = self._rows(operation, variables, cancel)
        return [book for book in map(parse_book, rows) if book is not None]

    def search(self, query: str, cancel: Cancel) -> list[Candidate]:
        """Up to ten candidates, in Hardcover's own order. One unit, alone in its request."""
        try:
            return self._search(query, CANDIDATES, cancel)
        except TimedOut:
            return self._search(query, FEWER_CANDIDATES, cancel)

    def _search(self, query: str, most: int, cancel: Cancel) -> list[Candidate]:
        answer = self._fields(operations.SEARCH_BOOKS, {'q': query, 'per_page': most}, cancel)['search']
        if answer is None:
            raise _empty_search()
        if not isinstance(answer, dict):
            raise bad_answer(text('a search result was expected'))
        if answer.get('error'):
            raise OnlyThisFailed(errors.HARDCOVER_SEARCH_FAILED, reason=plain_reason(answer['error']))
        results = answer.get('results')
        if isinstance(results, str):
            try:
                results = parse_json(results.strip() or 'null', body_limit(most) // BYTES_A_VALUE)
            except (ValueError, RecursionError):
                raise bad_answer(text('a list of hits was expected')) from None
        # Seen as null, {} and [], and with null in place of the hits: that search failed, others may not.
        if not results or mapping(results).get('hits', ...) is None:
            raise _empty_search()
        hits = mapping(results).get('hits')
        if not isinstance(hits, list):
            raise bad_answer(text('a list of hits was expected'))
        candidates = [candidate for candidate in map(parse_candidate, hits[:CANDIDATES]) if candidate is not None]
        return list({candidate.book_id: candidate for candidate in candidates}.values())

    def shelf(self, account: Account, book_ids: Sequence[int], cancel: Cancel) -> list[ShelfEntry]:
        """The shelf entries of these books, or of what they were merged into; 100 at most. One unit a page."""

        def ask(some: Sequence[int]) -> list[ShelfEntry]:
            def all_answered(entries: Iterable[ShelfEntry]) -> bool:
                seen = {book_id for entry in entries for book_id in (entry.book_id, entry.original_book_id)}
                return seen.issuperset(some)

            variables = {'user_id': account.user_id, 'book_ids': list(some)}
            return self._pages(operations.SHELF, variables, ROWS_A_PAGE, keyed_shelf_entry, all_answered, cancel)

        return self._halved(book_ids, ask)

    def rate(self, ratings: Sequence[tuple[int, float | None]], cancel: Cancel) -> list[WriteResult]:
        """Sets ratings of shelf entries, (entry id, stars or None to clear); five at most. One unit each."""

        def ask(some: Sequence[tuple[int, float | None]]) -> list[WriteResult]:
            variables: dict[str, object] = {}
            for number, (entry_id, stars) in enumerate(some):
                variables[f'id{number}'], variables[f'rating{number}'] = entry_id, stars
            return self._write(operations.rate(len(some)), variables, cancel)

        return self._written(ratings, ask)

    def add(self, books: Sequence[NewEntry], cancel: Cancel) -> list[WriteResult]:
        """Adds books as Read; five at most. One unit each. Hardcover dates them today unless it takes `read_on`."""

        def ask(some: Sequence[NewEntry]) -> list[WriteResult]:
            variables = {f'object{number}': _new_entry(book) for number, book in enumerate(some)}
            return self._write(operations.add(len(some)), variables, cancel)

        return self._written(books, ask)

    def reads(self, entry_ids: Sequence[int], cancel: Cancel) -> dict[int, tuple[int, date | None]]:
        """The latest read of each of these shelf entries, as (its id, its last day); 100 at most. One unit a page."""

        def ask(some: Sequence[int]) -> list[tuple[int, int, date | None]]:
            def all_answered(rows: Iterable[tuple[int, int, date | None]]) -> bool:
                return {entry_id for entry_id, _read_id, _day in rows}.issuperset(some)

            variables = {'user_book_ids': list(some)}
            return self._pages(operations.READS, variables, ROWS_A_PAGE, keyed_read, all_answered, cancel)

        return {entry_id: (read_id, day) for entry_id, read_id, day in self._halved(entry_ids, ask)}

    def add_reads(self, reads: Sequence[tuple[int, date]], cancel: Cancel) -> list[WriteResult]:
        """Adds reads that ended on a day: (shelf entry's id, day); five at most. One unit each."""
        return self._write_days(operations.add_read, 'user_book_id', reads, cancel)

    def date_reads(self, reads: Sequence[tuple[int, date]], cancel: Cancel) -> list[WriteResult]:
        """Changes the day on which reads ended: (read's id, day); five at most. One unit each."""
        return self._write_days(operations.date_read, 'id', reads, cancel)

    def _write_days(
        self,
        operation: Callable[[int], Operation],
        key: str,
        reads: Sequence[tuple[int, date]],
        cancel: Cancel,
    ) -> list[WriteResult]:
        def ask(some: Sequence[tuple[int, date]]) -> list[WriteResult]:
            variables: dict[str, object] = {}
            for number, (its_id, day) in enumerate(some):
                variables[f'{key}{number}'] = its_id
                variables[f'read{number}'] = {'finished_at': day.isoformat()}
            return self._write(operation(len(some)), variables, cancel)

        return self._written(reads, ask)

    def _written(self, items: Sequence[Item], ask: Callable[[Sequence[Item]], list[WriteResult]]) -> list[WriteResult]:
        """Like `_halved`, but a part that times out again fails by itself, so that the other's result is not lost."""

        def ask_part(part: Sequence[Item]) -> list[WriteResult]:
            try:
                return ask(part)
            except TimedOut as error:
                return [WriteResult(error=error.sentence, unsure=True)] * len(part)

        assert len(items) <= MOST_FIELDS
        try:
            return ask(items)
        except TimedOut:
            middle = (len(items) + 1) // 2
            return ask_part(items[:middle]) + (ask_part(items[middle:]) if items[middle:] else [])

    def _write(self, operation: Operation, variables: Mapping[str, object], cancel: Cancel) -> list[WriteResult]:
        """One result for each alias. Where some were done and others not, nothing of that is lost."""
        answer = self._answer(operation, variables, cancel)
        data = mapping(answer.get('data'))
        if not any(isinstance(data.get(alias), dict) for alias in operation.fields):
            messages = error_messages(answer)
            raise not_accepted(messages, operation) if messages else bad_answer(text('the answer lacks what was asked'))
        listed = answer.get('errors')
        by_alias = {
            str(path[0]): mapping(each).get('message')
            for each in (listed if isinstance(listed, list) else [])
            if isinstance(path := mapping(each).get('path'), list) and path
        }
        return [parse_write_result(data.get(alias), by_alias.get(alias)) for alias in operation.fields]


def _new_entry(book: NewEntry) -> dict[str, object]:
    entry: dict[str, object] = {'book_id': book.book_id, 'status_id': READ_STATUS, 'rating': book.stars}
    if book.privacy:
        entry['privacy_setting_id'] = book.privacy
    if book.edition_id:
        entry['edition_id'] = book.edition_id
    if book.read_on is not None:
        entry['last_read_date'] = book.read_on.isoformat()
    return entry
