# SPDX-License-Identifier: GPL-3.0-or-later
"""What BookFusion and Calibre know of a book, in the shape that the rest of the plugin works with.

Pure data: the services and the library fill it, the plan reads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Union

from ..base.columns_table import LISTS, READ_TIME

IDENTIFIER = 'bookfusion'

# The id spaces of the two interfaces, in the order in which identifiers are looked up in them.
PRIVATE_ID_SPACES = ('book_id', 'id')
USER_ID_SPACES = ('id', 'source.book_id', 'number')

LAST_READ_AT = 'last_read_at'
POSITION_UPDATED_AT = 'reading_position.updated_at'

COMPLETED_LIST = 'completed'
READING_LIST = 'currently_reading'
PLANNED_LIST = 'planned_to_read'


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that is there but cannot be understood, shown in the log as `shown`."""

    shown: str


# A moment in UTC without microseconds, something unreadable, or nothing at all.
MaybeDate = Union[datetime, Unreadable, None]


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """One book of the reader's BookFusion library.

    `ids` holds (id space, value) pairs, values as decimal text where BookFusion gives numbers.
    `percentage` is 0-100 as `reading_position` reports it, `read_time` seconds; both None where unknown.
    `lists` are BookFusion's own names. `odd` names the fields whose values were there but unusable.
    """

    ids: tuple[tuple[str, str], ...] = ()
    title: str = ''
    last_read_at: MaybeDate = None
    position_updated_at: MaybeDate = None
    percentage: float | None = None
    read_time: int | None = None
    lists: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    @property
    def read_date(self) -> tuple[MaybeDate, str]:
        """The date of the last reading and the field it comes from; the second field counts only without the first."""
        if self.last_read_at is not None:
            return self.last_read_at, LAST_READ_AT
        return self.position_updated_at, POSITION_UPDATED_AT

    @property
    def known_date(self) -> datetime | None:
        """The date of the last reading where there is a readable one."""
        date = self.read_date[0]
        return date if isinstance(date, datetime) else None


@dataclass(frozen=True, slots=True)
class FetchedLibrary:
    """All records of an account, and how they came: which interface, its id spaces, and what it cannot tell."""

    records: tuple[ReadingRecord, ...]
    id_spaces: tuple[str, ...]
    interface: str
    has_read_time: bool = False
    has_lists: bool = False

    def tells(self, what: str) -> bool:
        """Whether the interface tells this: READ_TIME or LISTS."""
        return {READ_TIME: self.has_read_time, LISTS: self.has_lists}[what]


@dataclass(frozen=True, slots=True)
class CalibreBook:
    """One book of a Calibre library, as far as matching needs it."""

    book_id: int
    title: str
    authors: tuple[str, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)


def parse_id(value: object) -> str:
    """An id as decimal text where it is a number, stripped text otherwise, '' where there is none."""
    if isinstance(value, bool):
        return ''
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else ''
    if not isinstance(value, str) or len(value) > 100:
        return ''
    plain = value.strip()
    return (plain.lstrip('0') or '0') if re.fullmatch(r'\d+', plain, re.ASCII) else plain
