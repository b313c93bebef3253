# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of BookFusion and books of Calibre, in the form that services and library deliver and rules compare.

Data only.
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

# The id spaces of BookFusion's two APIs, in the order in which an identifier is looked up in them.
PRIVATE_ID_SPACES = ('book_id', 'id')
USER_ID_SPACES = ('read_url', 'source.book_id', 'number', 'id')
# The number of a record in one library, or what may be one: these ranges overlap with that of the global ids.
WEAK_ID_SPACES = frozenset({'id', 'number'})

LAST_READ_AT = 'last_read_at'
POSITION_UPDATED_AT = 'reading_position.updated_at'

COMPLETED_LIST = 'completed'
READING_LIST = 'currently_reading'
PLANNED_LIST = 'planned_to_read'


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that could not be parsed. The log shows it as `shown`."""

    shown: str


# A datetime in UTC without microseconds, a value that could not be parsed, or None if there is no date.
MaybeDate = Union[datetime, Unreadable, None]


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """One book of the reader's BookFusion library.

    Both dates are a MaybeDate.

    `ids`          (id space, value) pairs; numbers are decimal text
    `percentage`   progress from 0 to 100, None if unknown
    `read_time`    seconds, None if unknown
    `lists`        BookFusion's names of the reader's lists
    `odd`          names of the fields whose values could not be used
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
        """The last-read date and the name of its field. `position_updated_at` counts only if `last_read_at` is None."""
        if self.last_read_at is not None:
            return self.last_read_at, LAST_READ_AT
        return self.position_updated_at, POSITION_UPDATED_AT

    @property
    def known_date(self) -> datetime | None:
        """The last-read date in UTC, None if there is none or it could not be parsed."""
        date = self.read_date[0]
        return date if isinstance(date, datetime) else None


@dataclass(frozen=True, slots=True)
class FetchedLibrary:
    """All records of an account, and the API that they came from.

    `interface` is the API's name for the log, `id_spaces` are the id spaces of its records in the order of look-up.
    `has_read_time` and `has_lists` say whether the API provides these fields.
    """

    records: tuple[ReadingRecord, ...]
    id_spaces: tuple[str, ...]
    interface: str
    has_read_time: bool = False
    has_lists: bool = False

    def provides(self, what: str) -> bool:
        """True if the API provides this kind of data: READ_TIME or LISTS."""
        return {READ_TIME: self.has_read_time, LISTS: self.has_lists}[what]


@dataclass(frozen=True, slots=True)
class CalibreBook:
    """A book of a Calibre library, with what matching needs. `identifiers` maps Calibre's keys to values."""

    book_id: int
    title: str
    authors: tuple[str, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)
    series: str = ''


def parse_id(value: object) -> str:
    """An id as text: a number in decimal digits without leading zeros, other text stripped, '' if there is none.

    Numbers from JSON may be int, float or str. A number of more than 40 digits and text of more than 100
    characters count as no id.
    """
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
