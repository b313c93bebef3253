# SPDX-License-Identifier: GPL-3.0-or-later
"""The only room that reads and writes a Calibre library, and that can put back what a sync replaced.

Knows nothing of BookFusion or Hardcover: it is told which cells get which values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import apsw
from calibre.utils.date import as_local_time, is_date_undefined, utc_tz
from calibre.utils.icu import lower as icu_lower

from ..base import errors
from ..base.errors import BackSyncError, LibraryTrouble, NoLibrary
from ..rules.records import CalibreBook
from ..rules.sync_plan import Value

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ColumnInfo:
    """A column of the library: lookup name (`#read`), heading, Calibre's datatype, an enumeration's values."""

    name: str
    heading: str
    datatype: str
    is_multiple: bool = False
    enum_values: tuple[str, ...] = ()
    half_stars: bool = False

    @property
    def label(self) -> str:
        return f'{self.name} ({self.heading})'


@dataclass(frozen=True, slots=True)
class Cell:
    """A value that replaces another: `new` is written only where the library still holds `old`."""

    book_id: int
    column: str
    old: Value
    new: Value


@dataclass(frozen=True)
class Written:
    """What a write did: the cells that hold their new value now, and those left alone and why."""

    cells: tuple[Cell, ...] = ()
    edited: tuple[Cell, ...] = ()
    gone: tuple[Cell, ...] = ()

    @property
    def book_ids(self) -> frozenset[int]:
        return frozenset(cell.book_id for cell in self.cells)


# Entered with the cells about to be written, left when they are written or have failed to be.
Recording = Callable[[tuple[Cell, ...]], AbstractContextManager[None]]


def local_day(moment: datetime) -> date:
    """The day that Calibre shows for a moment."""
    return as_local_time(moment).date()


def _clean(value: Any) -> Value:
    """A value as a plan compares it: undefined dates are empty, dates are aware and without microseconds."""
    if isinstance(value, datetime):
        if is_date_undefined(value):
            return None
        if value.tzinfo is None:
            value = value.replace(tzinfo=utc_tz)
        return value.replace(microsecond=0)
    return value


class Library:
    """A library that is open in this process, behind Calibre's thread-safe interface (`db.new_api`).

    May be used from any thread. Once `retire`d (the window switches libraries) it refuses to write.
    """

    def __init__(self, new_api: Any) -> None:
        self.api = new_api
        self.library_id: str = new_api.library_id
        self._retired = False

    def retire(self) -> None:
        """From now on nothing is written; waits for a write that has begun."""
        with self.api.write_lock:
            self._retired = True

    @contextmanager
    def in_use(self) -> Iterator[Library]:
        """The library while a job works on it; what fails there because it was retired raises LibraryTrouble."""
        try:
            yield self
        except Exception as error:
            # Calibre takes a library that it closes to pieces, so that reading it may fail in any way.
            of_another_kind = isinstance(error, BackSyncError) and not isinstance(error, LibraryTrouble)
            if of_another_kind or not self._retired:
                raise
            raise LibraryTrouble(errors.LIBRARY_SWITCHED) from None

    @property
    def name(self) -> str:
        return Path(self.api.backend.library_path).name

    def columns(self) -> dict[str, ColumnInfo]:
        """The custom columns by lookup name."""
        found = {}
        for name, data in self.api.field_metadata.custom_field_metadata(include_composites=False).items():
            display = data.get('display') or {}
            found[name] = ColumnInfo(
                name=name,
                heading=data['name'],
                datatype=data['datatype'],
                is_multiple=bool(data.get('is_multiple')),
                enum_values=tuple(display.get('enum_values') or ()),
                half_stars=bool(display.get('allow_half_stars')),
            )
        return found

    def _custom_columns(self) -> dict[str, bool]:
        """Every custom column that the database knows, by lookup name, and whether the next start takes it away."""
        with _reading():
            found = self.api.backend.get('SELECT label, mark_for_delete FROM custom_columns')
        return {f'#{label}': bool(marked) for label, marked in found}

    def column_names_taken(self) -> set[str]:
        """The lookup names that no new column can have, also of columns that a restart will bring or take away."""
        return set(self._custom_columns())

    def columns_awaiting_restart(self) -> set[str]:
        """The lookup names of columns that were created since the library was opened, and cannot be used before."""
        there = {name for name, marked in self._custom_columns().items() if not marked}
        return there - set(self.api.field_metadata.custom_field_keys())

    def columns_going(self) -> set[str]:
        """The lookup names of columns that were deleted, and are there only until Calibre is restarted."""
        return {name for name, marked in self._custom_columns().items() if marked}

    def add_column(self, label: str, heading: str, datatype: str, display: Mapping[str, object]) -> None:
        """Creates a custom column, to be used when the library is opened the next time. Raises LibraryTrouble."""
        try:
            with self.api.write_lock:
                self._check_open()
                self.api.create_custom_column(label, heading, datatype, False, display=dict(display))
        except (apsw.Error, OSError, ValueError) as error:
            logger.exception('Creating the column #%s failed', label)
            raise LibraryTrouble(errors.COLUMN_NOT_CREATED, column=f'#{label}', reason=str(error)[:200]) from None

    def books(self, ids: Iterable[int] | None = None) -> dict[int, CalibreBook]:
        """Titles, authors and identifiers of these books, or of all. Raises LibraryTrouble."""
        with _reading():
            wanted = self.api.all_book_ids() if ids is None else [i for i in ids if self.api.has_id(i)]
            titles = self.api.all_field_for('title', wanted)
            authors = self.api.all_field_for('authors', wanted)
            identifiers = self.api.all_field_for('identifiers', wanted)
            return {
                book_id: CalibreBook(
                    book_id, titles[book_id] or '', tuple(authors[book_id] or ()), dict(identifiers[book_id] or {})
                )
                for book_id in wanted
                if book_id in titles and book_id in authors and book_id in identifiers
            }

    def identifiers(self, key: str, ids: Collection[int] | None = None) -> dict[int, str]:
        """The values of one identifier by book id, of the books that have it. Raises LibraryTrouble."""
        with _reading():
            wanted = self.api.all_book_ids() if ids is None else ids
            found = self.api.all_field_for('identifiers', wanted)
            return {book_id: given[key] for book_id, given in found.items() if given and given.get(key)}

    def titles(self, ids: Collection[int]) -> dict[int, str]:
        with _reading():
            return {book_id: title or '' for book_id, title in self.api.all_field_for('title', ids).items()}

    def values(self, column: str, ids: Collection[int]) -> dict[int, Value]:
        """A column's values by book id, None where empty; dates aware, without microseconds. Raises LibraryTrouble."""
        with _reading():
            return {book_id: _clean(value) for book_id, value in self.api.all_field_for(column, ids).items()}

    def _sort(self, cells: Iterable[Cell]) -> Written:
        """Which cells can be written now: their book and column exist, and nobody has edited them."""
        by_column: dict[str, list[Cell]] = {}
        for cell in cells:
            by_column.setdefault(cell.column, []).append(cell)
        ready, edited, gone = [], [], []
        for column, its_cells in by_column.items():
            if column not in self.api.field_metadata:
                gone.extend(its_cells)
                continue
            current = self.values(column, [cell.book_id for cell in its_cells])
            for cell in its_cells:
                if not self.api.has_id(cell.book_id) or cell.book_id not in current:
                    gone.append(cell)
                elif current[cell.book_id] != cell.old:
                    edited.append(cell)
                else:
                    ready.append(cell)
        return Written(tuple(self._respelled(ready)), tuple(edited), tuple(gone))

    def _respelled(self, cells: Iterable[Cell]) -> Iterator[Cell]:
        """The cells with their texts as the column spells them already.

        Calibre has each text once, whatever its case: another spelling would rename it in books that are not ours.
        """
        spellings: dict[str, dict[str, str]] = {}
        for cell in cells:
            if isinstance(cell.new, str) and self.api.field_metadata[cell.column]['datatype'] == 'text':
                if cell.column not in spellings:
                    spellings[cell.column] = {icu_lower(name): name for name in self.api.all_field_names(cell.column)}
                yield replace(cell, new=spellings[cell.column].get(icu_lower(cell.new), cell.new))
            else:
                yield cell

    def write(self, cells: Collection[Cell], recording: Recording | None = None) -> Written:
        """Writes the cells, one call a column, all in one transaction; all or nothing, whatever happens.

        `recording(cells about to be written)` is entered before and left after the write (for the undo record); what
        it raises on entering stops the write. Cells of deleted books and cells edited meanwhile are left alone.
        Raises LibraryTrouble.
        """
        ready = tuple(cell for cell in self._sort(cells).cells if cell.new != cell.old)
        with recording(ready) if ready and recording is not None else nullcontext(), self.api.write_lock:
            self._check_open()
            now = self._sort(cells)
            # Only what is on record may be written: a cell that became writable in between is not.
            recorded = set(ready)
            changed = self._set_fields(_by_column(cell for cell in now.cells if cell in recorded))
            written = tuple(cell for cell in now.cells if cell.book_id in changed.get(cell.column, ()))
        return Written(written, now.edited, now.gone)

    def _check_open(self) -> None:
        if self._retired or self.api.is_closed or self.api.library_id != self.library_id:
            raise LibraryTrouble(errors.LIBRARY_SWITCHED)

    def _set_fields(self, fields: Mapping[str, Mapping[int, object]]) -> dict[str, set[int]]:
        """{field: {book id: value}} in one transaction, under the write lock that the caller holds.

        Returns the ids of the books that changed, by field.
        """
        if not fields:
            return {}
        try:
            with self.api.backend.conn:
                return {name: self.api.set_field(name, values) for name, values in fields.items()}
        except Exception as error:
            logger.exception('Writing to the library failed')
            # SQLite has rolled back, Calibre's memory has not.
            with _reading():
                self.api.reload_from_db()
            if not isinstance(error, apsw.Error | OSError):
                raise
            raise LibraryTrouble(errors.LIBRARY_NOT_WRITTEN, reason=str(error)[:200]) from None

    def store_identifiers(
        self, changes: Mapping[int, Mapping[str, str]], removals: Mapping[int, Mapping[str, str]] | None = None
    ) -> set[int]:
        """Sets single identifiers, and removes those that still hold the given value; all others stay as they are.

        Returns the ids of the books that changed. Raises LibraryTrouble.
        """
        removals = removals or {}
        with self.api.write_lock:
            self._check_open()
            wanted = [book_id for book_id in {*changes, *removals} if self.api.has_id(book_id)]
            current = self.api.all_field_for('identifiers', wanted)
            values = {}
            for book_id in wanted:
                before = dict(current.get(book_id) or {})
                after = {
                    key: value
                    for key, value in before.items()
                    if key not in removals.get(book_id, {}) or removals[book_id][key] != value
                }
                after.update(changes.get(book_id, {}))
                if after != before:
                    values[book_id] = after
            return self._set_fields({'identifiers': values} if values else {}).get('identifiers', set())


def _by_column(cells: Iterable[Cell]) -> dict[str, dict[int, Value]]:
    values: dict[str, dict[int, Value]] = {}
    for cell in cells:
        values.setdefault(cell.column, {})[cell.book_id] = cell.new
    return values


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (apsw.Error, OSError) as error:
        logger.exception('Reading the library failed')
        raise LibraryTrouble(errors.LIBRARY_NOT_READ, reason=str(error)[:200]) from None


@contextmanager
def opened(path: str, read_only: bool = False) -> Iterator[Library]:
    """A library on disk, for the command line. `read_only` works on a copy, so that nothing can be changed.

    Raises LibraryTrouble where there is none, and, unless read-only, while Calibre is running: the lock that is
    held meanwhile is the one that Calibre itself takes, one for each user of this computer.
    """
    from calibre.library import db as open_database
    from calibre.utils.lock import SingleInstance

    path = _library_path(path)
    if read_only:
        with _open_database(open_database, path, True) as library:
            yield library
        return
    with SingleInstance('db') as alone:
        if not alone:
            raise LibraryTrouble(errors.CALIBRE_IS_RUNNING)
        with _open_database(open_database, path, False) as library:
            yield library


def _library_path(given: str) -> str:
    """The absolute path of a library; raises NoLibrary where there is none that this user can see."""
    path = given
    try:
        path = str(Path(given).expanduser().absolute())
        there = Path(path, 'metadata.db').exists()
    except (OSError, RuntimeError):
        # A folder that is closed to this user, a name that is too long, a ~somebody whom nobody knows.
        there = False
    if not there:
        raise NoLibrary(errors.NO_LIBRARY, path=path)
    return path


@contextmanager
def _open_database(open_database: Callable[..., Any], path: str, read_only: bool) -> Iterator[Library]:
    with _reading():
        _look_at(Path(path, 'metadata.db'))
        database = open_database(path, read_only=read_only)
    try:
        yield Library(database.new_api)
    finally:
        database.close()


def _look_at(file: Path) -> None:
    """Raises apsw.Error where a file is no database, NoLibrary where it is not Calibre's, before Calibre looks.

    Some builds of it (seen: 9.17 of Debian) free memory that is not theirs over the one, and the whole process ends;
    all of them turn an empty file, as a copy that broke off leaves it, into an empty library.
    """
    try:
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            tables = connection.cursor().execute("SELECT name FROM sqlite_master WHERE name = 'books'").fetchall()
            if not tables:
                raise NoLibrary(errors.NO_LIBRARY, path=str(file.parent))
        finally:
            connection.close()
    except (apsw.NotADBError, apsw.CorruptError):
        raise
    except apsw.Error:
        # Locked, or left by a crash in the middle of a write: Calibre knows what to do.
        logger.debug('Not looked into %s before it is opened', file.name, exc_info=True)
