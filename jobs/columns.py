# SPDX-License-Identifier: GPL-3.0-or-later
"""The custom columns that the plugin offers to create, and what a library still lacks for a first sync.

Creates and never changes: a column that exists already is used as it is, or left alone. Knows no Qt.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..base import settings
from ..base.errors import SettingsTrouble
from ..base.settings import Settings
from ..base.text import Text, text
from ..library.calibre_library import Library
from ..library.library_preferences import save_columns
from ..rules.records import IDENTIFIER
from ..rules.sync_plan import STATUS_COMPLETED, STATUS_PLANNED, STATUS_READING
from ..services.bookfusion import Account
from .sync import rules_for, usable_columns


@dataclass(frozen=True)
class NewColumn:
    """A column as it is created: the setting that will point at it, its lookup name without #, Calibre's datatype."""

    key: str
    label: str
    heading: Text
    datatype: str
    display: Mapping[str, object] = field(default_factory=dict)


NEW_COLUMNS = (
    NewColumn('last_read_column', 'dateread', text('Last read'), 'datetime', {'date_format': 'dd MMM yyyy'}),
    NewColumn('completed_column', 'completed', text('Completed'), 'bool'),
    NewColumn('progress_column', 'readprogress', text('Progress'), 'int', {'number_format': '{}%'}),
    NewColumn(
        'read_time_column', 'readtime', text('Reading time'), 'float', {'number_format': '{:.1f} h', 'decimals': 2}
    ),
    NewColumn(
        'status_column',
        'readstatus',
        text('Reading status'),
        'enumeration',
        {'enum_values': [STATUS_PLANNED, STATUS_READING, STATUS_COMPLETED], 'enum_colors': []},
    ),
)
# Always made together; the others where they are ticked.
NEEDED_KEYS = ('last_read_column', 'completed_column')


@dataclass(frozen=True)
class PlannedColumn:
    """What becomes of one wanted column: its lookup name with #, and whether it has to be created."""

    column: NewColumn
    name: str
    create: bool


def plan_columns(library: Library, keys: Collection[str], current: Settings = settings.DEFAULTS) -> list[PlannedColumn]:
    """Which columns are created for these settings. One that is chosen or has the right name is used as it is.

    Where a column of that name has another type, or waits for a restart to go, the new one gets the next free name.
    """
    existing, waiting = library.columns(), library.columns_awaiting_restart()
    taken, going = library.column_names_taken(), library.columns_going()
    planned = []
    for column in NEW_COLUMNS:
        if column.key in keys:
            good = {usable.name for usable in usable_columns(existing, column.key)} - going | waiting
            chosen = getattr(current, column.key)
            names = itertools.chain(
                [chosen] if chosen in good else [],
                [f'#{column.label}'],
                (f'#{column.label}_{number}' for number in itertools.count(2)),
            )
            name = next(name for name in names if name in good or name not in taken)
            planned.append(PlannedColumn(column, name, create=name not in good))
    return planned


def create_columns(library: Library, planned: Collection[PlannedColumn], headings: Mapping[str, str]) -> bool:
    """Creates what has to be, and points the settings of this library at all of them. `headings` go by setting.

    True where a restart is needed before they can be used. Raises LibraryTrouble, SettingsTrouble.
    """
    used = {column.heading for column in library.columns().values()}
    for each in planned:
        if each.create:
            heading = headings[each.column.key]
            if heading in used:
                heading = f'{heading} ({each.name})'
            library.add_column(each.name[1:], heading, each.column.datatype, each.column.display)
    save_columns(library.api, {each.column.key: each.name for each in planned})
    return any(each.name in library.columns_awaiting_restart() for each in planned)


RESTART_FIRST = text('The columns are created. Restart Calibre to use them.')


@dataclass(frozen=True)
class Missing:
    """What a first sync still needs; each is None where nothing is missing. `restart`: a restart brings the column."""

    account: SettingsTrouble | None
    column: Text | None
    restart: bool = False

    @property
    def is_nothing(self) -> bool:
        return self.account is None and self.column is None


def what_is_missing(library: Library | None, current: Settings) -> Missing:
    """What the settings lack: the errors that a sync would end with, or their words."""
    account: SettingsTrouble | None = None
    column: Text | None = None
    restart = library is not None and current.last_read_column in library.columns_awaiting_restart()
    try:
        Account.from_settings(current, '')
    except SettingsTrouble as trouble:
        account = trouble
    if library is not None:
        try:
            rules_for(library, current)
        except SettingsTrouble as trouble:
            column = RESTART_FIRST if restart else trouble.sentence
    return Missing(account, column, restart)


def count_identifiers(library: Library) -> tuple[int, int]:
    """How many books have a `bookfusion` identifier, and how many have none. Raises LibraryTrouble."""
    with_one = len(library.identifiers(IDENTIFIER))
    return with_one, len(library.api.all_book_ids()) - with_one
