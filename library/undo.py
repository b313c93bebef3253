# SPDX-License-Identifier: GPL-3.0-or-later
"""The undo record: what each sync replaced, one file a sync, the last ten of each library.

A record is on disk before the library is touched, so that whatever happens in between can be put back.
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
# The ending of a record's name from before the write until the write is known to have been done.
PENDING = '.pending.json'


@dataclass(frozen=True)
class UndoOutcome:
    """What an undo did: the cells put back, those the user changed since, those of books or columns that are gone.

    `when` is the moment of the sync that was undone, None where there was nothing left to undo.
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
    """What one sync replaced, and the file that says so; `pending` where nobody noted that it was written."""

    path: Path
    pending: bool
    when: datetime
    cells: tuple[Cell, ...]


class UndoRecords:
    """The records of one library, in a folder of its own below `folder`."""

    def __init__(self, folder: Path, library_id: str) -> None:
        self._folder = folder / 'undo' / re.sub(r'[^0-9A-Za-z-]', '_', library_id)

    @contextmanager
    def keeping(self, cells: Sequence[Cell]) -> Iterator[None]:
        """Keeps a record of the cells that are written inside. Raises LibraryTrouble where it cannot be kept."""
        path = self._add(cells)
        try:
            yield
        except LibraryTrouble:
            # Nothing was written. After any other end the record stays, and undo_last sees what came of it.
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
        """The records that can be read; one that cannot is passed over and logged."""
        for path in reversed(self._paths()):
            try:
                record = _read(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                reason = error if isinstance(error, Damaged) else type(error).__name__
                logger.warning('Undo record %s cannot be read: %s', path.name, reason)
            else:
                yield record

    def undo_last(self, library: Library) -> UndoOutcome:
        """Puts back what the last sync that changed something replaced, where the library still holds what it wrote.

        A record whose sync was broken off before it came to write (the old values are all still there) is dropped,
        and the one before it taken. Raises LibraryTrouble.
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
    """The cells that can be put back, and those whose old value the column no longer takes.

    Calibre silently drops a value that is not among an enumeration's.
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
    """Whether every cell that could not be put back holds its old value already: nothing was ever written."""
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
