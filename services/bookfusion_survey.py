# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics about a sample of a BookFusion library: page sizes, fields and their types, id spaces.

Pure functions, from JSON to counts. No value of a record is kept, so the result can be published in a bug report.
"""

from __future__ import annotations

import enum
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..base.parsers import parse_moment
from ..rules.records import ReadingRecord, Unreadable, parse_id
from ..rules.sync_plan import Snapshot
from ..rules.titles import Likeness, Title, compare, has_title

# The nested objects and lists whose fields are counted too.
CONTAINERS = frozenset({'reading_position', 'source', 'authors', 'series', 'bookshelves'})
# Only such keys are shown: a key of another form may be the user's data.
FIELD_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]{0,39}', re.ASCII)
MOST_FIELDS = 80
OTHER_FIELDS = '(other names)'


class PageSizes(enum.Enum):
    """How a server treats `per_page`."""

    HONOURED = 'honoured'
    IGNORED = 'ignored'
    CAPPED = 'capped'
    UNCLEAR = 'unclear'


@dataclass(frozen=True)
class Asked:
    """One page: how many records were requested, and how many came."""

    asked: int
    came: int


def judge_page_sizes(small: Asked, large: Asked, whole: bool) -> PageSizes:
    """How the server treats `per_page`, judged by two first pages of different sizes.

    `whole` is True if the large page is known to contain the whole library.
    """
    if small.came > small.asked or large.came > large.asked:
        return PageSizes.IGNORED
    if small.came == small.asked and (whole or large.came == large.asked):
        return PageSizes.HONOURED
    if not whole:
        return PageSizes.CAPPED
    # Either the whole library fits on the small page, or the server returned fewer records than requested.
    return PageSizes.UNCLEAR if small.came == large.came else PageSizes.CAPPED


def type_name(value: object) -> str:
    """The type of a JSON value in words, without the value."""
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return 'true or false'
    if isinstance(value, int):
        return 'integer'
    if isinstance(value, float):
        return 'number' if math.isfinite(value) else 'odd number'
    if isinstance(value, list):
        return 'list' if value else 'empty list'
    return 'object' if isinstance(value, dict) else _text_type(str(value))


def _text_type(value: str) -> str:
    if not value.strip():
        return 'empty text'
    if parse_moment(value):
        return 'date as text'
    return 'number as text' if re.fullmatch(r'\s*-?\d+(\.\d+)?\s*', value, re.ASCII) else 'text'


def fields_of(records: Iterable[object]) -> dict[str, Counter[str]]:
    """The types of every field with their counts: `{'id': {'integer': 100}, 'reading_position.percentage': {...}}`.

    There are MOST_FIELDS fields at most; further ones are counted together as OTHER_FIELDS.
    """
    found: dict[str, Counter[str]] = {}
    for record in records:
        pairs = _fields(record, '') if isinstance(record, dict) else [('(a record)', type_name(record))]
        for name, kind in pairs:
            if name not in found and len(found) >= MOST_FIELDS:
                name = OTHER_FIELDS  # noqa: PLW2901
            found.setdefault(name, Counter())[kind] += 1
    return found


def _fields(record: Mapping[object, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        name = prefix + key if isinstance(key, str) and FIELD_NAME.fullmatch(key) else OTHER_FIELDS
        yield name, type_name(value)
        if prefix or key not in CONTAINERS:
            continue
        if isinstance(value, dict):
            yield from _fields(value, f'{key}.')
        elif isinstance(value, list):
            for item in value[:20]:
                yield f'{key}[]', type_name(item)
                if isinstance(item, dict):
                    yield from _fields(item, f'{key}[].')


@dataclass(frozen=True)
class Positions:
    """How many records came with a reading position, with null in its place, and without the field."""

    inline: int
    null: int
    absent: int


def positions_of(records: Iterable[object]) -> Positions:
    """Count the records (as JSON) with and without a reading position. Entries that are not objects are ignored."""
    kinds = Counter(
        ('absent' if 'reading_position' not in record else 'inline' if record['reading_position'] else 'null')
        for record in records
        if isinstance(record, dict)
    )
    return Positions(kinds['inline'], kinds['null'], kinds['absent'])


def unreadable_dates(records: Iterable[ReadingRecord]) -> int:
    """The number of dates that cannot be parsed."""
    return sum(
        isinstance(moment, Unreadable)
        for record in records
        for moment in (record.last_read_at, record.position_updated_at)
    )


@dataclass(frozen=True)
class IdSpace:
    """How many of Calibre's identifiers are ids in this id space, and how many titles agree.

    Of the `matched` ones, `agree` have a title that may be the book's and `contradict` have another; the others lack
    one of the titles.
    """

    name: str
    matched: int
    agree: int
    contradict: int


def compare_ids(records: Sequence[ReadingRecord], id_spaces: Sequence[str], books: Snapshot) -> tuple[IdSpace, ...]:
    """Compare Calibre's `bookfusion` identifiers with each id space of the records."""
    return tuple(_compare(space, records, books) for space in id_spaces)


def _compare(space: str, records: Sequence[ReadingRecord], books: Snapshot) -> IdSpace:
    by_value: dict[str, list[str]] = {}
    for record in records:
        for name, value in record.ids:
            if name == space:
                by_value.setdefault(value, []).append(record.title)
    matched = agree = contradict = 0
    for book_id, identifier in books.identifiers.items():
        theirs = by_value.get(parse_id(identifier))
        if theirs is None:
            continue
        matched += 1
        title = books.title(book_id)
        comparable = [other for other in theirs if has_title(title.text) and has_title(other)]
        agrees = any(compare(title, Title(other)) is not Likeness.DIFFERENT for other in comparable)
        agree += agrees
        contradict += bool(comparable) and not agrees
    return IdSpace(space, matched, agree, contradict)


def matched_by_several(
    records: Sequence[ReadingRecord], id_spaces: Sequence[str], identifiers: Mapping[int, str]
) -> int:
    """The number of Calibre's identifiers that match several records, in different id spaces or in one."""
    claims: dict[str, set[int]] = {}
    for place, record in enumerate(records):
        for space, value in record.ids:
            if space in id_spaces:
                claims.setdefault(value, set()).add(place)
    return sum(len(claims.get(parse_id(identifier), ())) > 1 for identifier in identifiers.values())
