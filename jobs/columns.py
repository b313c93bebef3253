# SPDX-License-Identifier: GPL-3.0-or-later
"""The custom columns that the plugin offers to create, and what a library still lacks for a first sync.

Creates and never changes: a column that exists already is used as it is, or left alone. Knows no Qt.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..base import settings
from ..base.columns_table import COLUMNS, SYNC_COLUMNS, ColumnRow, ColumnState, NewColumn, state_of, usable_columns
from ..base.errors import SettingsTrouble
from ..base.settings import Settings
from ..base.text import Text, text
from ..library.calibre_library import Library
from ..library.library_preferences import save_columns
from ..rules.records import IDENTIFIER
from ..services.bookfusion import Account
from .sync import rules_for


@dataclass(frozen=True)
class PlannedColumn:
    """What becomes of one wanted column: its lookup name with #, and whether it has to be created."""

    row: ColumnRow
    new: NewColumn
    name: str
    create: bool


def plan_columns(library: Library, keys: Collection[str], current: Settings = settings.DEFAULTS) -> list[PlannedColumn]:
    """Which columns are created for these settings. One that is chosen or has the right name is used as it is.

    Where a column of that name has another type, or waits for a restart to go, the new one gets the next free name.
    """
    existing, waiting = library.columns(), library.columns_awaiting_restart()
    taken, going = library.column_names_taken(), library.columns_going()
    planned: list[PlannedColumn] = []
    for row in COLUMNS:
        if row.new is not None and row.key in keys:
            # Two columns of one type must not become the same one.
            used = {other.name for other in planned}
            good = ({column.name for column in usable_columns(row, existing)} - going | waiting) - used
            chosen, label = current.columns[row.key], row.new.label
            names = itertools.chain(
                [chosen] if chosen in good else [],
                [f'#{label}'],
                (f'#{label}_{number}' for number in itertools.count(2)),
            )
            name = next(name for name in names if name in good or name not in taken | used)
            planned.append(PlannedColumn(row, row.new, name, create=name not in good))
    return planned


def create_columns(library: Library, planned: Collection[PlannedColumn], headings: Mapping[str, str]) -> bool:
    """Creates what has to be, and points the settings of this library at all of them. `headings` go by setting.

    True where a restart is needed before they can be used. Raises LibraryTrouble, SettingsTrouble.
    """
    used = {column.heading for column in library.columns().values()}
    for each in planned:
        if each.create:
            heading = headings[each.row.key]
            if heading in used:
                heading = f'{heading} ({each.name})'
            library.add_column(each.name[1:], heading, each.new.datatype, each.new.display)
    save_columns(library.api, {each.row.key: each.name for each in planned})
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
    restart = library is not None and _waits_for_restart(library, current)
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


def _waits_for_restart(library: Library, current: Settings) -> bool:
    """Whether a restart brings a column that a sync cannot do without."""
    columns, waiting = library.columns(), library.columns_awaiting_restart()
    needed = [row for row in SYNC_COLUMNS if row.is_needed]
    return any(state_of(row, current.columns, columns, waiting) is ColumnState.AWAITING_RESTART for row in needed)


def count_identifiers(library: Library) -> tuple[int, int]:
    """How many books have a `bookfusion` identifier, and how many have none. Raises LibraryTrouble."""
    with_one = len(library.identifiers(IDENTIFIER))
    return with_one, len(library.api.all_book_ids()) - with_one
