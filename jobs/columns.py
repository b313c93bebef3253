# SPDX-License-Identifier: GPL-3.0-or-later
"""Creation of custom columns, and the check for what a first sync still needs.

Existing columns are never changed. No Qt.
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
from ..library.library_preferences import save_for_library
from ..rules.records import IDENTIFIER
from ..services.bookfusion import Account
from .sync import rules_for


@dataclass(frozen=True)
class PlannedColumn:
    """A column to set up. `name` is its lookup name with `#`; `create` is False if an existing column is used."""

    row: ColumnRow
    new: NewColumn
    name: str
    create: bool


def plan_columns(library: Library, keys: Collection[str], current: Settings = settings.DEFAULTS) -> list[PlannedColumn]:
    """Plan a column for each of `keys`, the keys of column settings. Raises LibraryTrouble.

    An existing column of the right type is used if it is chosen in `current` or has the default name. A new column gets
    the default name, or the next free one (`#dateread_2`) if that is taken. Columns that the next restart deletes still
    take their names.
    """
    existing, waiting = library.columns(), library.columns_awaiting_restart()
    taken, going = library.column_names_taken(), library.columns_going()
    planned: list[PlannedColumn] = []
    for row in COLUMNS:
        if row.new is not None and row.key in keys:
            # Two settings must not share a column.
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
    """Create the planned columns that do not exist, and save all of them as this library's settings.

    `headings` maps keys of settings to column headings. Returns True if Calibre must be restarted before the columns
    can be used. Raises LibraryTrouble, SettingsTrouble.
    """
    used = {column.heading for column in library.columns().values()}
    for column in planned:
        if column.create:
            heading = headings[column.row.key]
            if heading in used:
                heading = f'{heading} ({column.name})'
            library.add_column(column.name[1:], heading, column.new.datatype, column.new.display)
    save_for_library(library.api, {column.row.key: column.name for column in planned})
    return any(column.name in library.columns_awaiting_restart() for column in planned)


RESTART_FIRST = text('The columns are created. Restart Calibre to use them.')


@dataclass(frozen=True)
class Missing:
    """What a first sync still needs.

    `account` is the error of a missing account and `column` the message about a missing column, None if nothing is
    missing. `restart` is True if a restart of Calibre makes the column available.
    """

    account: SettingsTrouble | None
    column: Text | None
    restart: bool = False

    @property
    def is_nothing(self) -> bool:
        return self.account is None and self.column is None


def what_is_missing(library: Library | None, current: Settings) -> Missing:
    """Check the settings without any request. Without a library only the account is checked."""
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
    """True if a restart of Calibre makes a column available without which a sync writes nothing."""
    columns, waiting = library.columns(), library.columns_awaiting_restart()
    needed = [row for row in SYNC_COLUMNS if row.is_needed]
    return any(state_of(row, current.columns, columns, waiting) is ColumnState.AWAITING_RESTART for row in needed)


def count_identifiers(library: Library) -> tuple[int, int]:
    """The number of books with and without a `bookfusion` identifier. Raises LibraryTrouble."""
    with_one = len(library.identifiers(IDENTIFIER))
    return with_one, len(library.api.all_book_ids()) - with_one
