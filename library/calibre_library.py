# SPDX-License-Identifier: GPL-3.0-or-later
"""The only module that reads and writes a Calibre library.

Knows nothing about BookFusion or Hardcover: callers say which cells get which values.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import apsw
from calibre.db.search import ParseException
from calibre.utils.date import as_local_time, is_date_undefined, local_tz, utc_tz
from calibre.utils.icu import lower as icu_lower

from ..base import errors
from ..base.errors import BackSyncError, LibraryReadOnly, LibraryTrouble, SettingsTrouble
from ..rules.records import CalibreBook
from ..rules.sync_plan import Value
from .database_file import check_database, copied, find_library, found_in_folder, known_trouble, reason_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ColumnInfo:
    """A custom column of the library.

    `name` is the lookup name (`#read`), `datatype` is Calibre's, `enum_values` are the permitted values of an
    enumeration, `half_stars` is True for a rating column that allows them.
    """

    name: str
    heading: str
    datatype: str
    is_multiple: bool = False
    enum_values: tuple[str, ...] = ()
    half_stars: bool = False

    @property
    def label(self) -> str:
        """The column for users: `#read (Last read)`."""
        return f'{self.name} ({self.heading})'


@dataclass(frozen=True, slots=True)
class Cell:
    """A new value for one cell. It is written only if the library still holds `old`. `column` is a lookup name."""

    book_id: int
    column: str
    old: Value
    new: Value


@dataclass(frozen=True)
class Written:
    """The result of a write.

    `cells` were written, `edited` were not because the user changed them meanwhile, `gone` were not because their
    book or column no longer exists.
    """

    cells: tuple[Cell, ...] = ()
    edited: tuple[Cell, ...] = ()
    gone: tuple[Cell, ...] = ()

    @property
    def book_ids(self) -> frozenset[int]:
        return frozenset(cell.book_id for cell in self.cells)


# Called with the cells that will be written. The context is left when they are written or writing has failed.
Recording = Callable[[tuple[Cell, ...]], AbstractContextManager[None]]


def local_day(moment: datetime) -> date:
    """The date in local time, which is what Calibre shows."""
    return as_local_time(moment).date()


def start_of_day(day: date) -> datetime:
    """The moment at which a day begins in Calibre's book list, in the local time zone."""
    return datetime.combine(day, time(), local_tz)


def _clean(value: Any) -> Value:
    """Normalize a value of Calibre for comparing: undefined dates become None, others aware without microseconds."""
    if isinstance(value, datetime):
        if is_date_undefined(value):
            return None
        if value.tzinfo is None:
            value = value.replace(tzinfo=utc_tz)
        return value.replace(microsecond=0)
    return value


class Library:
    """A library that is open in this process; `new_api` is Calibre's thread-safe interface to it (`db.new_api`).

    May be used from any thread. After `retire` it refuses to write: Calibre closes the old library on a switch.
    """

    def __init__(self, new_api: Any) -> None:
        self.api = new_api
        self.library_id: str = new_api.library_id
        self._retired = False

    def retire(self) -> None:
        """Refuse to write from now on. Waits for a write that has begun."""
        with self.api.write_lock:
            self._retired = True

    @contextmanager
    def in_use(self) -> Iterator[Library]:
        """The context of a job that uses the library. Any error after `retire` becomes a LibraryTrouble."""
        try:
            yield self
        except Exception as error:
            # Reading a library that Calibre has closed may fail with any exception.
            of_another_kind = isinstance(error, BackSyncError) and not isinstance(error, LibraryTrouble)
            if of_another_kind or not self._retired:
                raise
            raise LibraryTrouble(errors.LIBRARY_SWITCHED) from None

    @property
    def name(self) -> str:
        """The name of the library's folder, which is what Calibre shows."""
        return Path(self.api.backend.library_path).name

    @property
    def place(self) -> str:
        """The real path of the library's folder. A copy of the library has the same id and another place."""
        return os.path.realpath(self.api.backend.library_path)

    def columns(self) -> dict[str, ColumnInfo]:
        """The custom columns by lookup name, without columns that are built from other columns."""
        found = {}
        for name, data in dict(self.api.field_metadata.custom_field_metadata()).items():
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
        """The custom columns in the database by lookup name; True if the next start of Calibre deletes the column.

        Raises LibraryTrouble.
        """
        with _reading():
            found = self.api.backend.get('SELECT label, mark_for_delete FROM custom_columns')
        return {f'#{label}': bool(marked) for label, marked in found}

    def column_names_taken(self) -> set[str]:
        """The lookup names that a new column cannot have, also those of columns that wait for a restart.

        Raises LibraryTrouble.
        """
        return set(self._custom_columns())

    def columns_awaiting_restart(self) -> set[str]:
        """The lookup names of columns that were created since the library was opened. They need a restart of Calibre.

        Raises LibraryTrouble.
        """
        existing = {name for name, marked in self._custom_columns().items() if not marked}
        return existing - set(self.api.field_metadata.custom_field_keys())

    def columns_going(self) -> set[str]:
        """The lookup names of columns that were deleted and exist until Calibre is restarted. Raises LibraryTrouble."""
        return {name for name, marked in self._custom_columns().items() if marked}

    def add_column(self, label: str, heading: str, datatype: str, display: Mapping[str, object]) -> None:
        """Create a custom column, which can be used after a restart of Calibre. Raises LibraryTrouble.

        `label` is the lookup name without `#`; `datatype` and `display` are those of Calibre's `create_custom_column`.
        """
        try:
            with self.api.write_lock:
                self._check_open()
                self.api.create_custom_column(label, heading, datatype, False, display=dict(display))
        except (apsw.Error, OSError, ValueError) as error:
            logger.exception('Creating the column #%s failed', label)
            known = known_trouble(error) if not isinstance(error, ValueError) else None
            raise known or LibraryTrouble(
                errors.COLUMN_NOT_CREATED, column=f'#{label}', reason=reason_of(error)
            ) from None

    def books(self, ids: Iterable[int] | None = None) -> dict[int, CalibreBook]:
        """The books with these ids, or all books, by id. Ids that do not exist are ignored. Raises LibraryTrouble."""
        with _reading():
            wanted = self.api.all_book_ids() if ids is None else [i for i in ids if self.api.has_id(i)]
            titles = self.api.all_field_for('title', wanted)
            authors = self.api.all_field_for('authors', wanted)
            identifiers = self.api.all_field_for('identifiers', wanted)
            series = self.api.all_field_for('series', wanted)
            return {
                book_id: CalibreBook(
                    book_id,
                    titles[book_id] or '',
                    tuple(authors[book_id] or ()),
                    dict(identifiers[book_id] or {}),
                    series.get(book_id) or '',
                )
                for book_id in wanted
                if book_id in titles and book_id in authors and book_id in identifiers
            }

    def find(self, search: str, ids: Iterable[int] | None = None) -> frozenset[int]:
        """The ids of the books that a search finds, written as for Calibre's search box, among these or all.

        Raises SettingsTrouble if Calibre does not understand the search, LibraryTrouble.
        """
        with _reading():
            try:
                found = self.api.search(search)
            except ParseException as error:
                reason = ' '.join(str(error).split())[:200] or type(error).__name__
                raise SettingsTrouble(errors.RESTRICTION_NOT_READ, search=search[:200], reason=reason) from None
        return frozenset(found if ids is None else found & set(ids))

    def identifiers(self, key: str, ids: Collection[int] | None = None) -> dict[int, str]:
        """The values of the identifier `key` by book id, of the books that have it. Raises LibraryTrouble."""
        with _reading():
            wanted = self.api.all_book_ids() if ids is None else ids
            found = self.api.all_field_for('identifiers', wanted)
            return {book_id: given[key] for book_id, given in found.items() if given and given.get(key)}

    def titles(self, ids: Collection[int]) -> dict[int, str]:
        """The titles by book id, '' for ids that do not exist. Raises LibraryTrouble."""
        with _reading():
            return {book_id: title or '' for book_id, title in self.api.all_field_for('title', ids).items()}

    def series(self, ids: Collection[int]) -> dict[int, str]:
        """The series of those of the books that are in one."""
        with _reading():
            return {book_id: series for book_id, series in self.api.all_field_for('series', ids).items() if series}

    def values(self, column: str, ids: Collection[int]) -> dict[int, Value]:
        """A column's values by book id; None for empty cells and missing books, dates aware and without microseconds.

        Raises LibraryTrouble.
        """
        with _reading():
            return {book_id: _clean(value) for book_id, value in self.api.all_field_for(column, ids).items()}

    def _sort(self, cells: Iterable[Cell]) -> Written:
        """Sort cells into those that can be written now, those that were edited, and those that are gone."""
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
        """The cells with texts in the spelling that the column has already.

        Calibre stores a text value once, whatever its case. Another spelling would rename it in all books that have it
        (seen).
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
        """Write cells in one transaction, with one call per column: all of them or none.

        `recording` is called with the cells that will be written, and its context surrounds the write (for the undo
        record). An exception on entering it prevents the write. Cells that were edited meanwhile and cells of deleted
        books are not written. Raises LibraryTrouble.
        """
        ready = tuple(cell for cell in self._sort(cells).cells if cell.new != cell.old)
        with recording(ready) if ready and recording is not None else nullcontext(), self.api.write_lock:
            self._check_open()
            now = self._sort(cells)
            # Write only recorded cells, not one that became writable since the recording.
            recorded = set(ready)
            changed = self._set_fields(_by_column(cell for cell in now.cells if cell in recorded))
            written = tuple(cell for cell in now.cells if cell.book_id in changed.get(cell.column, ()))
        return Written(written, now.edited, now.gone)

    def _check_open(self) -> None:
        if self._retired or self.api.is_closed or self.api.library_id != self.library_id:
            raise LibraryTrouble(errors.LIBRARY_SWITCHED)

    def _set_fields(self, fields: Mapping[str, Mapping[int, object]]) -> dict[str, set[int]]:
        """Write `fields`, {field: {book id: value}}, in one transaction. The caller must hold the write lock.

        Returns {field: ids of the books that changed}. Raises LibraryTrouble.
        """
        if not fields:
            return {}
        try:
            with self.api.backend.conn:
                return {name: self.api.set_field(name, values) for name, values in fields.items()}
        except Exception as error:
            logger.exception('Writing to the library failed')
            # The rollback has restored the database, but not Calibre's cache in memory (seen).
            with _reading():
                self.api.reload_from_db()
            if not isinstance(error, apsw.Error | OSError):
                raise
            raise known_trouble(error) or LibraryTrouble(errors.LIBRARY_NOT_WRITTEN, reason=reason_of(error)) from None

    def store_identifiers(
        self, changes: Mapping[int, Mapping[str, str]], removals: Mapping[int, Mapping[str, str]] | None = None
    ) -> set[int]:
        """Set single identifiers, and remove those that still have the given value. All others are kept.

        `changes` and `removals` are {book id: {identifier: value}}. Returns the ids of the books that changed.
        Raises LibraryTrouble.
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
        raise known_trouble(error) or LibraryTrouble(errors.LIBRARY_NOT_READ, reason=reason_of(error)) from None


@contextmanager
def opened(path: str, read_only: bool = False) -> Iterator[Library]:
    """Open the library in the folder `path`, for the command line. With `read_only` a copy of its database is opened.

    Unless read-only, Calibre's own lock is held while the library is open. There is one lock per user of the computer.
    Raises NoLibrary if there is no library, and LibraryTrouble if it cannot be read or Calibre holds the lock.
    """
    from calibre.utils.lock import SingleInstance

    folder, file = find_library(path)
    if read_only:
        with _opened_copy(folder, file) as library:
            yield library
        return
    with SingleInstance('db') as alone:
        if not alone:
            raise LibraryTrouble(errors.CALIBRE_IS_RUNNING)
        with _reading():
            check_database(file)
            database = _open_database(folder, file)
        with closing(database):
            yield Library(database.new_api)


def library_id_at(folder: str) -> str | None:
    """The id of the library in a folder; None if there is none, '' if it cannot be read at the moment."""
    file = Path(folder, 'metadata.db')
    try:
        if not file.is_file():
            return None
        # Immutable: no lock is taken, and no file appears beside it.
        connection = apsw.Connection(
            f'{file.absolute().as_uri()}?immutable=1', flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        try:
            found = connection.cursor().execute('SELECT uuid FROM library_id').fetchall()
        finally:
            connection.close()
    except (apsw.Error, OSError, ValueError):
        return ''
    return str(found[0][0]) if found else None


@contextmanager
def _opened_copy(folder: str, file: Path) -> Iterator[Library]:
    """Open a private copy of the database, which is removed afterwards."""
    with ExitStack() as cleaning:
        with _reading():
            private = cleaning.enter_context(copied(file))
            # Not as the library's own: Calibre writes a file into the folder that it opens, and removes it.
            with found_in_folder():
                database = cleaning.enter_context(closing(_open_database(private, file)))
        # The books are where they were.
        database.backend.library_path = folder
        yield Library(database.new_api)


def _open_database(folder: str, file: Path) -> Any:
    from calibre.library import db

    try:
        return db(folder)
    except apsw.CantOpenError as error:
        # SQLite says no more if it cannot make -wal and -shm (seen).
        if os.access(file.parent, os.W_OK):
            raise
        raise LibraryReadOnly(str(error)) from None
