# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the responses of BookFusion's two APIs into ReadingRecords. All values are checked here.

Pure functions, from JSON to records. The fields and their types were seen in the code of public clients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from ..base import errors
from ..base.errors import BadAnswer
from ..base.parsers import LONGEST_TEXT, mapping, parse_moment, parse_number, parse_text, parse_texts
from ..base.text import text
from ..rules.records import (
    COMPLETED_LIST,
    LAST_READ_AT,
    READING_LIST,
    MaybeDate,
    ReadingRecord,
    Unreadable,
    parse_id,
)
from ..transport.paging import Page
from ..transport.request import Response

SERVICE = 'BookFusion'
# A date in 1970 is a zero timestamp, not the date of a reading (assumed). The upper limit keeps conversions to other
# time zones within datetime's range.
EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=timezone.utc), datetime(9000, 1, 1, tzinfo=timezone.utc)
LONGEST_SHOWN = 60
_READ_URL = re.compile(
    r'\s*(?i:https://reader\.bookfusion\.com)(?::443)?/books/(\d{1,20})(?:-[^/?#\s]*)?/?(?:[?#]\S*)?\s*', re.ASCII
)
NOT_A_RECORD = ReadingRecord(odd=('not an object',))


def shown(value: object) -> str:
    """The repr of a server's value for a log line, cut to LONGEST_SHOWN characters."""
    shortened = repr(value[:LONGEST_SHOWN] if isinstance(value, str) else value)
    return shortened if len(shortened) <= LONGEST_SHOWN + 2 else shortened[:LONGEST_SHOWN] + '...'


def parse_read_date(value: object) -> MaybeDate:
    """A timestamp in UTC without microseconds. None if it is null or empty, Unreadable if it cannot be parsed.

    Timestamps have been seen with and without milliseconds, with `Z` and with `+00:00`.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    moment = parse_moment(value)
    if moment is None or not EARLIEST <= moment < LATEST:
        return Unreadable(shown(value))
    return moment.astimezone(timezone.utc).replace(microsecond=0)


def parse_percentage(value: object) -> float | None:
    """A percentage from 0 to 100; None for anything else. Up to 100.5 counts as a rounding error and becomes 100."""
    number = parse_number(value)
    if number is None or not 0 <= number <= 100.5:
        return None
    return min(number, 100.0)


def _ids(*pairs: tuple[str, object]) -> tuple[tuple[str, str], ...]:
    found = ((space, parse_id(value)) for space, value in pairs)
    return tuple((space, value) for space, value in found if value)


def book_id_of(read_url: object) -> str:
    """The global book id in the address of BookFusion's reader, '' where there is none.

    Seen: `https://reader.bookfusion.com/books/8902995-the-name-of-the-wind?type=epub`.
    """
    if not isinstance(read_url, str) or len(read_url) > LONGEST_TEXT:
        return ''
    found = _READ_URL.fullmatch(read_url)
    return parse_id(found[1]) if found else ''


def parse_private_record(raw: object) -> ReadingRecord | None:
    """A record of the private API (`v3/library/books.json`); None if it is not an object."""
    if not isinstance(raw, dict):
        return None
    position = mapping(raw.get('reading_position'))
    percentage = parse_percentage(position.get('percentage'))
    return ReadingRecord(
        ids=_ids(('book_id', raw.get('book_id')), ('id', raw.get('id'))),
        title=parse_text(raw.get('title')),
        last_read_at=parse_read_date(raw.get(LAST_READ_AT)),
        position_updated_at=parse_read_date(position.get('updated_at')),
        percentage=percentage,
        odd=_odd_percentage(position, percentage),
    )


def parse_user_record(raw: object) -> ReadingRecord | None:
    """A record of the user API (`api/user/books/search`); None if it is not an object."""
    if not isinstance(raw, dict):
        return None
    position = mapping(raw.get('reading_position'))
    percentage = parse_percentage(position.get('percentage'))
    read_time = parse_number(raw.get('read_time'))
    source = mapping(raw.get('source'))
    return ReadingRecord(
        ids=_ids(
            ('read_url', book_id_of(raw.get('read_url'))),
            ('source.book_id', source.get('book_id')),
            ('number', raw.get('number')),
            ('id', raw.get('id')),
        ),
        title=parse_text(raw.get('title')),
        last_read_at=parse_read_date(raw.get(LAST_READ_AT)),
        position_updated_at=parse_read_date(position.get('updated_at')),
        percentage=percentage,
        read_time=int(read_time) if read_time is not None and 0 <= read_time < 10**9 else None,
        lists=parse_texts(raw.get('lists')),
        odd=_odd_percentage(position, percentage),
    )


def _odd_percentage(position: Mapping[str, object], percentage: float | None) -> tuple[str, ...]:
    given = position.get('percentage')
    return (f'percentage {shown(given)}',) if given is not None and percentage is None else ()


def raw_records(response: Response) -> list[object]:
    """The records of a page, not parsed. Raises BadAnswer if the response is not a list."""
    if not isinstance(response.data, list):
        raise BadAnswer(errors.UNEXPECTED_ANSWER, service=SERVICE, reason=text('a list of books was expected'))
    return response.data


def total_of(response: Response) -> int | None:
    """The number of records on all pages, from the header `Total-Count`; None without it. Not every API sends it."""
    header = response.headers.get('total-count', '').strip()
    return int(header) if re.fullmatch(r'\d{1,9}', header, re.ASCII) else None


def own_id(raw: object) -> str:
    """The `id` of a record, as `parse_id` returns it; '' if it has none."""
    return parse_id(mapping(raw).get('id'))


def record_page(
    response: Response, parse: Callable[[object], ReadingRecord | None], asked: int
) -> Page[tuple[ReadingRecord, bool]]:
    """Parse a page for which `asked` records were requested. Raises BadAnswer.

    The items are pairs of a record and whether its reading position came with it. An entry that is not an object
    becomes NOT_A_RECORD: the walk counts it as an item, and the caller ignores it.
    """
    items = []
    for raw in raw_records(response):
        # A record without an id is identified by its whole contents.
        key = own_id(raw) or ('', hash(repr(raw)))
        position_came = isinstance(mapping(raw).get('reading_position'), dict)
        items.append((key, (parse(raw) or NOT_A_RECORD, position_came)))
    return Page(tuple(items), full=len(items) >= asked, total=total_of(response))


def worth_a_request(record: ReadingRecord, need_percentage: bool) -> bool:
    """True if a book without a reading position was probably read, so that its position should be requested."""
    if not re.fullmatch(r'\d+', dict(record.ids).get('id', ''), re.ASCII):
        return False
    if record.last_read_at is not None and not need_percentage:
        return False
    return record.last_read_at is not None or COMPLETED_LIST in record.lists or READING_LIST in record.lists


def with_position(record: ReadingRecord, position: Mapping[str, object]) -> ReadingRecord:
    """A copy of the record with the values of its reading position, a JSON object of the user API."""
    percentage = parse_percentage(position.get('percentage'))
    return replace(
        record,
        position_updated_at=parse_read_date(position.get('updated_at')),
        percentage=percentage,
        odd=record.odd + _odd_percentage(position, percentage),
    )
