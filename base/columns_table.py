# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of Calibre columns that settings can name, and the check whether a chosen column can be used.

One row describes one column; the form, the first run, the rules, the check and the diagnostics loop over the rows.
Only the values that a sync writes are worked out elsewhere: in `rules/sync_plan`, by the row's role.
No Qt, no Calibre.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from .text import Text, text

STATUS_COMPLETED, STATUS_READING, STATUS_PLANNED = 'Completed', 'Reading', 'Planned'

# Data that BookFusion's user API provides and its private API does not (assumed: no public client reads it there).
READ_TIME, LISTS = 'read_time', 'lists'


# Calibre's datatype of a column that is built from other columns: its cells cannot be written.
COMPUTED_TYPE = 'composite'


@dataclass(frozen=True)
class NewColumn:
    """How the plugin creates a column.

    `label` is the lookup name without `#`; `datatype` and `display` are arguments of Calibre's
    `create_custom_column`. `offer` is the label of the column's check box in the first run; a column without it is
    always created.
    """

    label: str
    heading: Text
    datatype: str
    display: Mapping[str, object] = field(default_factory=dict)
    offer: Text | None = None
    offer_tip: Text | None = None


@dataclass(frozen=True)
class UserApiOnly:
    """Data of the user API that a column depends on: `needs` is READ_TIME or LISTS.

    `log` is the log line when the data is missing, with the placeholders {column} and {interface}. `hint` is the
    sentence that the form shows.
    """

    needs: str
    log: str
    hint: Text


@dataclass(frozen=True, eq=False)
class ColumnRow:
    """A setting that names a column.

    `key`           the key in the settings file
    `role`          the kind of value that a sync writes into the column, '' if a sync never writes it
    `shown_as`      the word before a value in the log, '' for none
    `default`       the lookup name that is chosen by default, '' for none
    `datatypes`     Calibre's datatypes that are accepted; `type_name` is how Calibre's windows call them
    `built_in`      Calibre's own field that can be chosen instead of a custom column, '' for none
    `first_entry`   the form's entry for the built-in field, or for no column
    `new`           how to create the column, None if the plugin never does
    `is_needed`     True if a sync cannot write anything without this column
    """

    key: str
    name: Text
    label: Text
    tip: Text
    datatypes: tuple[str, ...]
    type_name: Text
    role: str = ''
    shown_as: str = ''
    default: str = ''
    built_in: str = ''
    first_entry: Text = field(default_factory=lambda: text('(not used)'))
    new: NewColumn | None = None
    is_needed: bool = False
    needs_percentage: bool = False
    user_api_only: UserApiOnly | None = None

    @property
    def words(self) -> str:
        """The column's name in the log: `read time` for `read_time_column`."""
        return self.key.removesuffix('_column').replace('_', ' ')

    @property
    def is_always_created(self) -> bool:
        """True if the first run creates the column without offering a choice."""
        return self.new is not None and self.new.offer is None

    def fits(self, column: LibraryColumn) -> bool:
        """True if the column can hold this row's values. Columns with several values in a cell cannot."""
        return column.datatype in self.datatypes and not column.is_multiple


COLUMNS = (
    ColumnRow(
        key='last_read_column',
        role='last_read',
        default='#dateread',
        name=text('Last Read Column'),
        label=text('Last &Read Column:'),
        tip=text('The Date column that gets the date of the last reading on BookFusion'),
        datatypes=('datetime',),
        type_name=text('Date'),
        first_entry=text('(choose a column)'),
        new=NewColumn('dateread', text('Last read'), 'datetime', {'date_format': 'dd MMM yyyy'}),
        is_needed=True,
    ),
    ColumnRow(
        key='completed_column',
        role='completed',
        shown_as='Completed',
        name=text('Completed Column'),
        label=text('&Completed Column:'),
        tip=text('The Yes/No column that is set to Yes for finished books. It is never set to No. Empty: not used'),
        datatypes=('bool',),
        type_name=text('Yes/No'),
        new=NewColumn('completed', text('Completed'), 'bool'),
        needs_percentage=True,
    ),
    ColumnRow(
        key='progress_column',
        role='progress',
        shown_as='Progress',
        name=text('Progress Column'),
        label=text('Pro&gress Column:'),
        tip=text('The number column that gets the reading progress in percent. Empty: not used'),
        datatypes=('float', 'int'),
        type_name=text('Integers or Floating point numbers'),
        new=NewColumn(
            'readprogress',
            text('Progress'),
            'int',
            {'number_format': '{}%'},
            offer=text('P&rogress in percent'),
        ),
        needs_percentage=True,
    ),
    ColumnRow(
        key='read_time_column',
        role='read_time',
        shown_as='Reading time',
        name=text('Reading Time Column'),
        label=text('Reading &Time Column:'),
        tip=text(
            'The number column that gets the reading time: hours where it holds floating point numbers, '
            'minutes where it holds integers. Needs the sign-in with a browser. Empty: not used'
        ),
        datatypes=('float', 'int'),
        type_name=text('Integers or Floating point numbers'),
        new=NewColumn(
            'readtime',
            text('Reading time'),
            'float',
            {'number_format': '{:.1f} h', 'decimals': 2},
            offer=text('Reading ti&me in hours'),
            offer_tip=text('BookFusion tells it after a sign-in with a browser'),
        ),
        user_api_only=UserApiOnly(
            READ_TIME,
            '{column} stays as it is: {interface} does not tell the reading time.',
            text('BookFusion tells the reading time only after a sign-in with a browser.'),
        ),
    ),
    ColumnRow(
        key='status_column',
        role='status',
        shown_as='Status',
        name=text('Status Column'),
        label=text('&Status Column:'),
        tip=text(
            'The text or enumeration column that gets Reading, Completed or Planned. '
            'Planned needs the sign-in with a browser. Empty: not used'
        ),
        datatypes=('text', 'enumeration'),
        type_name=text('Text or Text with fixed set of permitted values'),
        new=NewColumn(
            'readstatus',
            text('Reading status'),
            'enumeration',
            {'enum_values': [STATUS_PLANNED, STATUS_READING, STATUS_COMPLETED], 'enum_colors': []},
            offer=text('Reading st&atus: Planned, Reading, Completed'),
        ),
        needs_percentage=True,
        user_api_only=UserApiOnly(
            LISTS,
            '{column} follows the percentage alone: {interface} does not tell the lists.',
            text('Without a sign-in with a browser the status follows the percentage alone; Planned is not known.'),
        ),
    ),
    ColumnRow(
        key='rating_column',
        default='rating',
        built_in='rating',
        name=text('Rating Column'),
        label=text('&Rating Column:'),
        tip=text(
            'The column whose ratings are pushed to Hardcover. '
            'The built-in one may hold ratings that a metadata download wrote'
        ),
        datatypes=('rating',),
        type_name=text('Ratings, shown with stars'),
        first_entry=text('Rating (built in)'),
    ),
)
# The columns that a sync writes, in the order of writing.
SYNC_COLUMNS = tuple(row for row in COLUMNS if row.role)
ROW_OF_KEY = {row.key: row for row in COLUMNS}
ROW_OF_ROLE = {row.role: row for row in SYNC_COLUMNS}


class ColumnState(enum.Enum):
    """Whether a chosen column can be used, and if not, why."""

    USABLE = 'usable'
    NOT_CHOSEN = 'not chosen'
    MISSING = 'missing'
    COMPUTED = 'computed'
    WRONG_TYPE = 'wrong type'
    AWAITING_RESTART = 'waiting for a restart'
    USED_TWICE = 'used for another setting too'


class LibraryColumn(Protocol):
    """A column of a library, as far as this module needs it."""

    @property
    def datatype(self) -> str: ...

    @property
    def is_multiple(self) -> bool: ...


AnyColumn = TypeVar('AnyColumn', bound=LibraryColumn)


def state_of(
    row: ColumnRow,
    chosen: Mapping[str, str],
    columns: Mapping[str, LibraryColumn],
    awaiting_restart: Collection[str] = (),
) -> ColumnState:
    """The state of the column that is chosen for `row`.

    `chosen` maps keys of settings to lookup names, `columns` maps lookup names to the library's columns.
    `awaiting_restart` holds the lookup names of columns that exist only after a restart of Calibre; without it they
    are MISSING.
    """
    name = chosen[row.key]
    if not name:
        return ColumnState.NOT_CHOSEN
    if name == row.built_in:
        return ColumnState.USABLE
    if name in awaiting_restart:
        return ColumnState.AWAITING_RESTART
    if name not in columns:
        return ColumnState.MISSING
    if columns[name].datatype == COMPUTED_TYPE:
        return ColumnState.COMPUTED
    if not row.fits(columns[name]):
        return ColumnState.WRONG_TYPE
    return ColumnState.USABLE if used_before(row, chosen, columns) is None else ColumnState.USED_TWICE


def used_before(row: ColumnRow, chosen: Mapping[str, str], columns: Mapping[str, LibraryColumn]) -> ColumnRow | None:
    """An earlier row that writes into the same column as `row`, None if there is none.

    Two such rows would overwrite each other's values in every sync.
    """
    name = chosen[row.key]
    if row in SYNC_COLUMNS:
        for other in SYNC_COLUMNS[: SYNC_COLUMNS.index(row)]:
            if chosen[other.key] == name and other.fits(columns[name]):
                return other
    return None


def usable_columns(row: ColumnRow, columns: Mapping[str, AnyColumn]) -> list[AnyColumn]:
    """The library's columns that can be chosen for `row`; `columns` maps lookup names to columns."""
    return [column for column in columns.values() if row.fits(column)]
