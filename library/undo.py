# SPDX-License-Identifier: GPL-3.0-or-later
"""The undo records: the values that each sync replaced, one file per sync, the last ten syncs of each library.

A record is saved before the library is written, so that a sync that is interrupted can be undone too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..base import errors
from ..base.errors import LibraryTrouble
from ..base.json_file import Damaged, JsonFile
from ..rules.sync_plan import Value
from .calibre_library import Cell, Library, Written

logger = logging.getLogger(__name__)

RECORDS_KEPT = 10
FORMAT = 1
# The suffix of a record's file until the library has been written.
PENDING = '.pending.json'


@dataclass(frozen=True)
class UndoOutcome:
    """The result of an undo.

    `when` is the time of the sync that was undone, None if there was nothing to undo. `put_back` are the restored
    cells. `changed_since` counts cells that the user has changed, `gone` those whose book or column no longer exists.
    """

    when: datetime | None
    put_back: tuple[Cell, ...] = ()
    changed_since: int = 0
    gone: int = 0

    @property
    def book_ids(self) -> frozenset[int]:
        return frozenset(cell.book_id for cell in self.put_back)


@dataclass(frozen=True)
class UndoRecord:
    """The cells that one sync replaced. `pending` is True if the sync may have ended before it wrote them."""

    path: Path
    pending: bool
    when: datetime
    cells: tuple[Cell, ...]


class UndoRecords:
    """The records of one library, in a subfolder of `folder`."""

    def __init__(self, folder: Path, library_id: str) -> None:
        self._folder = folder / 'undo' / re.sub(r'[^0-9A-Za-z-]', '_', library_id)

    @contextmanager
    def keeping(self, cells: Sequence[Cell]) -> Iterator[None]:
        """Save a record of the cells that are written inside this context. Raises LibraryTrouble if that fails."""
        path = self._add(cells)
        try:
            yield
        except LibraryTrouble:
            # Nothing was written. After any other error the record stays, and undo_last compares it with the library.
            with suppress(OSError):
                path.unlink()
            raise
        with suppress(OSError):
            path.replace(path.with_name(path.name.removesuffix(PENDING) + '.json'))
        for old in self._paths()[:-RECORDS_KEPT]:
            with suppress(OSError):
                old.unlink()

    def _add(self, cells: Sequence[Cell]) -> Path:
        when = datetime.now(timezone.utc)
        record = {'format': FORMAT, 'when': when.isoformat(), 'cells': [_as_json(cell) for cell in cells]}
        try:
            path = self._folder / f'{self._next_number():08d}-{when:%Y%m%dT%H%M%SZ}{PENDING}'
            _file(path).write(record)
        except OSError as error:
            raise LibraryTrouble(
                errors.RECORD_NOT_WRITTEN, reason=error.strerror or type(error).__name__, path=self._folder
            ) from None
        return path

    def _paths(self) -> list[Path]:
        """The records, oldest first."""
        with suppress(OSError):
            found = [path for path in self._folder.iterdir() if re.fullmatch(r'\d{8,}-.*\.json', path.name, re.ASCII)]
            return sorted(found, key=_number)
        return []

    def _next_number(self) -> int:
        paths = self._paths()
        return _number(paths[-1]) + 1 if paths else 1

    def newest_first(self) -> Iterator[UndoRecord]:
        """The readable records, newest first. Unreadable ones are skipped and logged."""
        for path in reversed(self._paths()):
            try:
                record = _read(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                reason = error if isinstance(error, Damaged) else type(error).__name__
                logger.warning('Undo record %s cannot be read: %s', path.name, reason)
            else:
                yield record

    def undo_last(self, library: Library) -> UndoOutcome:
        """Undo the last sync that changed something: restore old values in cells that still hold the new ones.

        The record of a sync that ended before it wrote anything is deleted, and the one before it is used.
        Raises LibraryTrouble.
        """
        for record in self.newest_first():
            backwards = [Cell(cell.book_id, cell.column, cell.new, cell.old) for cell in record.cells]
            possible, impossible = _possible(library, backwards)
            written = library.write(possible)
            never_written = (
                record.pending and not written.cells and not impossible and _all_hold_old_values(library, written)
            )
            with suppress(OSError):
                record.path.unlink()
            if not never_written:
                changed_since = len(written.edited) + len(impossible)
                return UndoOutcome(record.when, written.cells, changed_since, len(written.gone))
        return UndoOutcome(None)


def _possible(library: Library, cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells that can be restored, and those whose old value is no longer permitted in an enumeration column.

    Calibre ignores such a value without an error (seen).
    """
    columns = library.columns()
    possible: list[Cell] = []
    impossible: list[Cell] = []
    for cell in cells:
        column = columns.get(cell.column)
        lost = column is not None and column.datatype == 'enumeration' and cell.new not in (None, *column.enum_values)
        (impossible if lost else possible).append(cell)
    return possible, impossible


def _all_hold_old_values(library: Library, untouched: Written) -> bool:
    """True if all cells that could not be restored hold their old values, so nothing was written."""
    by_column: dict[str, dict[int, Value]] = {}
    for cell in untouched.edited:
        by_column.setdefault(cell.column, {})[cell.book_id] = cell.new
    return all(library.values(column, list(old_values)) == old_values for column, old_values in by_column.items())


def _number(path: Path) -> int:
    return int(path.name.partition('-')[0])


def _file(path: Path) -> JsonFile:
    return JsonFile(path, indent=None)


def _read(path: Path) -> UndoRecord:
    data = _file(path).read()
    if data['format'] != FORMAT:
        raise ValueError('another format')
    cells = tuple(_from_json(cell) for cell in data['cells'])
    return UndoRecord(path, path.name.endswith(PENDING), datetime.fromisoformat(data['when']), cells)


def _as_json(cell: Cell) -> list[object]:
    return [cell.book_id, cell.column, _value_as_json(cell.old), _value_as_json(cell.new)]


def _value_as_json(value: Value) -> object:
    return {'date': value.isoformat()} if isinstance(value, datetime) else value


def _from_json(data: Sequence[object]) -> Cell:
    book_id, column, old, new = data
    if not isinstance(book_id, int) or not isinstance(column, str):
        raise TypeError('not a cell')
    return Cell(book_id, column, _value_from_json(old), _value_from_json(new))


def _value_from_json(data: object) -> Value:
    if isinstance(data, dict):
        moment = datetime.fromisoformat(data['date'])
        if moment.tzinfo is None:
            raise ValueError('a date without a time zone')
        return moment
    if data is None or isinstance(data, bool | int | float | str):
        return data
    raise TypeError('not a value')
