# SPDX-License-Identifier: GPL-3.0-or-later
"""The undo records: the values that each sync replaced, one file per sync, the last ten syncs of each library.

A record is saved before the library is written, so that a sync that is interrupted can be undone too. The name of its
file is `<number>-<time>[-<mark of the library's place>][.pending|.undoing].json`: a copy of a library has the same id
as the original, and each of them undoes its own syncs only.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..base import errors
from ..base.errors import BackSyncError, LibraryTrouble
from ..base.json_file import Damaged, JsonFile
from ..rules.sync_plan import Value
from .calibre_library import Cell, ColumnInfo, Library, Recording, library_id_at
from .file_names import mark_of, name_of, old_name_of

logger = logging.getLogger(__name__)

RECORDS_KEPT = 10
FORMAT = 1
# The suffix of a record's file until the library has been written, and from the moment when an undo writes it.
PENDING, UNDOING = '.pending.json', '.undoing.json'
# SQLite's integers.
LARGEST_NUMBER = 2**63 - 1
_FILE_NAME = re.compile(r'\d{8,}-.*\.json', re.ASCII)
_MARK = re.compile(r'-([0-9a-f]{16})(?:\.\w+)?\.json$')
# The types of a column's values, as the sync writes them. Nothing is put back into columns of other types.
FITTING: Mapping[str, tuple[type, ...]] = {
    'datetime': (datetime,),
    'bool': (bool,),
    'int': (int,),
    'float': (int, float),
    'text': (str,),
    'enumeration': (str,),
}


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
    """The cells that one sync replaced.

    `pending` is True if the sync may have ended before it wrote them, `undoing` if an undo may have put them back.
    """

    path: Path
    pending: bool
    undoing: bool
    when: datetime
    cells: tuple[Cell, ...]


class UndoRecords:
    """The records of one library, in a subfolder of `folder`.

    `place` is the real path of the library; '' if it does not matter, then all records with its id are used.
    """

    def __init__(self, folder: Path, library_id: str, place: str = '') -> None:
        self._folder = folder / 'undo' / name_of(library_id)
        self._old_folder = folder / 'undo' / old_name_of(library_id)
        self._library_id = library_id
        self._place = place
        self._mark = mark_of(place) if place else ''

    @contextmanager
    def keeping(self, cells: Sequence[Cell]) -> Iterator[None]:
        """Save a record of the cells that are written inside this context. Raises LibraryTrouble if that fails."""
        self._take_over()
        path = self._add(cells)
        try:
            yield
        except LibraryTrouble:
            # Nothing was written. After any other error the record stays, and undo_last compares it with the library.
            with suppress(OSError):
                path.unlink()
            raise
        _renamed(path, '.json')
        for old in self._paths()[:-RECORDS_KEPT]:
            with suppress(OSError):
                old.unlink()

    def _add(self, cells: Sequence[Cell]) -> Path:
        when = datetime.now(timezone.utc)
        record = {
            'format': FORMAT,
            'when': when.isoformat(),
            'place': self._place or None,
            'cells': [_as_json(cell) for cell in cells],
        }
        mark = f'-{self._mark}' if self._mark else ''
        try:
            path = self._folder / f'{self._next_number():08d}-{when:%Y%m%dT%H%M%SZ}{mark}{PENDING}'
            _file(path).write(record)
        except OSError as error:
            raise LibraryTrouble(
                errors.RECORD_NOT_WRITTEN, reason=error.strerror or type(error).__name__, path=self._folder
            ) from None
        return path

    def _all_paths(self) -> list[Path]:
        """The records of all libraries with this id, oldest first."""
        found: list[Path] = []
        for folder in dict.fromkeys((self._old_folder, self._folder)):
            with suppress(OSError):
                found += [path for path in folder.iterdir() if _FILE_NAME.fullmatch(path.name)]
        return sorted(found, key=_number)

    def _paths(self) -> list[Path]:
        """The records of this library, oldest first. Those without a mark belong to every library with this id."""
        return [path for path in self._all_paths() if not self._mark or _mark(path) in ('', self._mark)]

    def _next_number(self) -> int:
        paths = self._all_paths()
        return _number(paths[-1]) + 1 if paths else 1

    def _take_over(self) -> None:
        """Make the records of a place that no longer holds this library those of this place: it was moved."""
        elsewhere: dict[str, list[Path]] = {}
        for path in self._all_paths() if self._mark else ():
            if _mark(path) not in ('', self._mark):
                elsewhere.setdefault(_mark(path), []).append(path)
        for mark, paths in elsewhere.items():
            place = next(filter(None, map(_place_of, paths)), '')
            if mark_of(place) == mark and library_id_at(place) not in ('', self._library_id):
                logger.info('The library was moved, so its %d undo records are taken over', len(paths))
                for path in paths:
                    self._move_here(path, mark)

    def _move_here(self, path: Path, mark: str) -> None:
        try:
            moved = path.with_name(path.name.replace(f'-{mark}', f'-{self._mark}'))
            _file(moved).write({**_file(path).read(), 'place': self._place})
            path.unlink()
        except (OSError, Damaged) as error:
            logger.warning('Undo record %s was not taken over: %s', path.name, type(error).__name__)

    def newest_first(self) -> Iterator[UndoRecord]:
        """The readable records, newest first. Unreadable ones are skipped and logged."""
        for path in reversed(self._paths()):
            try:
                record = _read(path)
            except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
                reason = error if isinstance(error, Damaged | Unfit) else type(error).__name__
                logger.warning('Undo record %s cannot be read: %s', path.name, reason)
            else:
                yield record

    def undo_last(self, library: Library) -> UndoOutcome:
        """Undo the last sync that changed something: restore old values in cells that still hold the new ones.

        The record of a sync that ended before it wrote anything is deleted, and the one before it is used. So is one
        that does not fit the library, but it is kept. An undo that was interrupted is completed. Raises LibraryTrouble.
        """
        self._take_over()
        for record in self.newest_first():
            try:
                outcome = _undo(record, library)
            except BackSyncError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever Calibre makes of a value that it cannot hold)
                logger.warning('Undo record %s does not fit the library: %s', record.path.name, type(error).__name__)
                continue
            if outcome is not None:
                return outcome
        return UndoOutcome(None)


def _undo(record: UndoRecord, library: Library) -> UndoOutcome | None:
    """Undo one record and delete it; None if it has nothing to undo. Raises Unfit, LibraryTrouble."""
    sorted_cells = _sort(library, [Cell(cell.book_id, cell.column, cell.new, cell.old) for cell in record.cells])
    if record.cells and len(sorted_cells.unfit) == len(record.cells):
        raise Unfit('no value fits its column')
    if sorted_cells.unfit:
        logger.warning(
            'Undo record %s has %d values that do not fit their columns', record.path.name, len(sorted_cells.unfit)
        )
    path = record.path

    @contextmanager
    def marked(_cells: tuple[Cell, ...]) -> Iterator[None]:
        nonlocal path
        path = _renamed(path, UNDOING)
        try:
            yield
        except Exception:
            # Nothing was put back.
            path = _renamed(path, PENDING if record.pending else '.json')
            raise

    recording: Recording = marked
    written = library.write(sorted_cells.possible, recording)
    holding_old, edited = _by_held(library, written.edited)
    never_written = (
        record.pending and not written.cells and not sorted_cells.impossible and not sorted_cells.unfit and not edited
    )
    try:
        path.unlink()
    except OSError as error:
        logger.warning('Undo record %s could not be removed: %s', path.name, error.strerror)
    if never_written:
        return None
    if not record.undoing:
        # Values that the user has put back.
        edited, holding_old = [*holding_old, *edited], []
    return UndoOutcome(
        record.when,
        (*written.cells, *holding_old),
        len(edited) + len(sorted_cells.impossible),
        len(written.gone) + len(sorted_cells.unfit),
    )


class Unfit(ValueError):
    """A record parses, but holds what no sync writes, or what the library cannot hold. The message gives the reason."""


@dataclass(frozen=True)
class _Sorted:
    """Cells that can be restored.

    The old value of `impossible` ones is no longer permitted in an enumeration; Calibre ignores such a value without
    an error (seen). Those in `unfit` have values of another type than their column.
    """

    possible: list[Cell]
    impossible: list[Cell]
    unfit: list[Cell]


def _sort(library: Library, cells: Sequence[Cell]) -> _Sorted:
    columns = library.columns()
    found = _Sorted([], [], [])
    for cell in cells:
        column = columns.get(cell.column)
        if column is None:
            # `write` counts it as gone.
            found.possible.append(cell)
        elif not (_fits(cell.old, column) and _fits(cell.new, column)):
            found.unfit.append(cell)
        elif column.datatype == 'enumeration' and cell.new not in (None, *column.enum_values):
            found.impossible.append(cell)
        else:
            found.possible.append(cell)
    return found


def _fits(value: Value, column: ColumnInfo) -> bool:
    types = FITTING.get(column.datatype, ())
    return value is None or (isinstance(value, types) and (bool in types or not isinstance(value, bool)))


def _by_held(library: Library, cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells that already hold the value that was to be restored, and the others."""
    by_column: dict[str, list[int]] = {}
    for cell in cells:
        by_column.setdefault(cell.column, []).append(cell.book_id)
    held = {column: library.values(column, book_ids) for column, book_ids in by_column.items()}
    holding: list[Cell] = []
    others: list[Cell] = []
    for cell in cells:
        (holding if held[cell.column].get(cell.book_id) == cell.new else others).append(cell)
    return holding, others


def _renamed(path: Path, suffix: str) -> Path:
    """The path of a record's file with another suffix, after renaming it; the same path if that fails."""
    name = path.name.removesuffix('.json').removesuffix('.pending').removesuffix('.undoing')
    try:
        return path.replace(path.with_name(name + suffix))
    except OSError as error:
        logger.warning('Undo record %s could not be renamed: %s', path.name, error.strerror)
        return path


def _number(path: Path) -> int:
    return int(path.name.partition('-')[0])


def _mark(path: Path) -> str:
    """The mark of the place in a record's name, '' without one: 0.1.0 did not note the place."""
    found = _MARK.search(path.name)
    return found.group(1) if found else ''


def _place_of(path: Path) -> str:
    try:
        place = _file(path).read().get('place')
    except (OSError, Damaged):
        return ''
    return place if isinstance(place, str) else ''


def _file(path: Path) -> JsonFile:
    return JsonFile(path, indent=None)


def _read(path: Path) -> UndoRecord:
    data = _file(path).read()
    if data['format'] != FORMAT:
        raise ValueError('another format')
    cells = tuple(_from_json(cell) for cell in data['cells'])
    when = datetime.fromisoformat(data['when'])
    # Shown in local time, which years at the end of the calendar do not have.
    when.astimezone()
    return UndoRecord(path, path.name.endswith(PENDING), path.name.endswith(UNDOING), when, cells)


def _as_json(cell: Cell) -> list[object]:
    return [cell.book_id, cell.column, _value_as_json(cell.old), _value_as_json(cell.new)]


def _value_as_json(value: Value) -> object:
    return {'date': value.isoformat()} if isinstance(value, datetime) else value


def _from_json(data: Sequence[object]) -> Cell:
    book_id, column, old, new = data
    if not isinstance(book_id, int) or isinstance(book_id, bool) or not isinstance(column, str):
        raise TypeError('not a cell')
    if not is_ours(column):
        raise Unfit('not a custom column')
    return Cell(book_id, column, _value_from_json(old), _value_from_json(new))


def is_ours(field: str) -> bool:
    """True for the fields that a sync may write, and an undo put back: custom columns only."""
    return field.startswith('#')


def _value_from_json(data: object) -> Value:
    if isinstance(data, dict):
        moment = datetime.fromisoformat(data['date'])
        if moment.tzinfo is None:
            raise ValueError('a date without a time zone')
        # Compared in UTC, which may be beyond the first or the last year.
        return moment.astimezone(timezone.utc)
    if isinstance(data, int | float) and not (math.isfinite(data) and abs(data) <= LARGEST_NUMBER):
        raise Unfit('not a number that a library can hold')
    if data is None or isinstance(data, bool | int | float | str):
        return data
    raise TypeError('not a value')
