"""Reading and writing real Calibre libraries: in bulk, all or nothing, and not a cell more than was asked for."""

from __future__ import annotations

import ast
import inspect
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.utils.date import UNDEFINED_DATE
from calibre_plugins.bookfusionbacksync.base.errors import (
    BOOK_GONE,
    LIBRARY_SWITCHED,
    Cancelled,
    LibraryTrouble,
    NoLibrary,
)
from calibre_plugins.bookfusionbacksync.jobs.sync import take_snapshot
from calibre_plugins.bookfusionbacksync.library.calibre_library import Cell, Library, local_day, opened
from calibre_plugins.bookfusionbacksync.rules.sync_plan import Column, SyncRules
from harness.commands import calibre_environment, executable, run

OpenLibrary = Callable[[Path], LibraryDatabase]
UTC = timezone.utc
FIRST, SECOND, THIRD = (datetime(2024, 11, day, 22, 30, 15, tzinfo=UTC) for day in (1, 2, 3))
STATES = {'datatype': 'enumeration', 'display': {'enum_values': ['Reading', 'Read']}}
ALL_COLUMNS = {
    '#dateread': 'datetime',
    '#completed': 'bool',
    '#percent': 'float',
    '#whole': 'int',
    '#text': 'text',
    '#state': STATES,
}
ALL_VALUES: dict[str, Any] = {
    '#dateread': FIRST,
    '#completed': True,
    '#percent': 42.19,
    '#whole': 42,
    '#text': 'Reading',
    '#state': 'Read',
}
OTHER_VALUES: dict[str, Any] = {
    '#dateread': SECOND,
    '#completed': False,
    '#percent': 0.0,
    '#whole': 0,
    '#text': 'Done',
    '#state': 'Reading',
}


def three_books(**fields: Any) -> list[dict[str, Any]]:
    return [{'title': title, **{'#' + name: value for name, value in fields.items()}} for title in ('A', 'B', 'C')]


def dump(folder: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Everything in a library's database at one moment, table by table, as another program reads it."""
    with closing(sqlite3.connect(f'file:{folder / "metadata.db"}?mode=ro', uri=True)) as database:
        database.execute('begin')
        names = database.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite%'")
        tables = [row[0] for row in names]
        return {table: set(database.execute(f'select * from "{table}"')) for table in tables}


def dump_elsewhere(folder: Path) -> dict[str, set[tuple[Any, ...]]]:
    """The same, read by a process of its own.

    In this one a reader would need Python's lock to end its reading, and some versions of apsw (seen: the one of
    Calibre 9.17) keep that lock while a commit waits for all readers.
    """
    source = 'import sqlite3\nfrom contextlib import closing\nfrom pathlib import Path\nfrom typing import Any\n\n'
    source += f'{inspect.getsource(dump)}\nprint(repr(dump(Path({str(folder)!r}))))'
    command = [sys.executable, '-c', f'from __future__ import annotations\n{source}']
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding='utf-8')
    found: dict[str, set[tuple[Any, ...]]] = ast.literal_eval(done.stdout)
    return found


def changed_tables(before: dict[str, set[tuple[Any, ...]]], after: dict[str, set[tuple[Any, ...]]]) -> set[str]:
    assert before.keys() == after.keys()
    return {table for table in before if before[table] != after[table]}


def all_values(library: Library) -> dict[str, dict[int, Any]]:
    ids = sorted(library.api.all_book_ids())
    fields = [*library.api.field_metadata.custom_field_keys(include_composites=False), 'last_modified', 'identifiers']
    return {field: dict(library.api.all_field_for(field, ids)) for field in fields}


@pytest.fixture
def library_of(make_library: Any, open_library: OpenLibrary) -> Callable[..., Library]:
    def make(*arguments: Any, **keywords: Any) -> Library:
        folder = make_library(*arguments, **keywords)
        # As after the backups of a quiet evening: no book waits for one.
        with closing(sqlite3.connect(folder / 'metadata.db')) as database, database:
            database.execute('delete from metadata_dirtied')
        return Library(open_library(folder).new_api)

    return make


@pytest.fixture
def reopen(open_library: OpenLibrary) -> Callable[[Library], Library]:
    """The same library read from disk again, as after a restart."""

    def again(library: Library) -> Library:
        folder = folder_of(library)
        library.api.close()
        return Library(open_library(folder).new_api)

    return again


def folder_of(library: Library) -> Path:
    return Path(library.api.backend.library_path)


def queued_backups(library: Library) -> int:
    return int(library.api.backend.conn.get('select count(*) from metadata_dirtied', all=False))


class TestReading:
    def test_books_in_bulk(self, library_of: Any) -> None:
        library = library_of(
            [
                {
                    'title': 'Emma',
                    'authors': ['Jane Austen', 'A. N. Other'],
                    'identifiers': {'bookfusion': 7, 'isbn': 'x'},
                },
                {'title': 'שיר השירים', 'authors': ['שלמה']},
            ]
        )
        assert {book.title for book in library.books().values()} == {'Emma', 'שיר השירים'}
        assert library.books([1])[1].authors == ('Jane Austen', 'A. N. Other')
        assert library.books([1])[1].identifiers == {'bookfusion': '7', 'isbn': 'x'}
        assert library.books([2, 99]).keys() == {2}
        assert library.identifiers('bookfusion') == {1: '7'}
        assert library.identifiers('bookfusion', [2]) == {}
        assert library.titles([1, 2])[1] == 'Emma'

    def test_columns_say_what_they_are(self, library_of: Any) -> None:
        half_stars = {'datatype': 'rating', 'display': {'allow_half_stars': True}}
        library = library_of(
            columns={**ALL_COLUMNS, '#many': {'datatype': 'text', 'is_multiple': True}, '#mine': half_stars}
        )
        columns = library.columns()
        assert {name: column.datatype for name, column in columns.items()} == {
            '#dateread': 'datetime',
            '#completed': 'bool',
            '#percent': 'float',
            '#whole': 'int',
            '#text': 'text',
            '#state': 'enumeration',
            '#many': 'text',
            '#mine': 'rating',
        }
        assert columns['#many'].is_multiple
        assert not columns['#text'].is_multiple
        assert columns['#state'].enum_values == ('Reading', 'Read')
        assert columns['#mine'].half_stars
        assert columns['#state'].label == '#state (State)'

    def test_snapshot_has_what_the_rules_ask_for(self, library_of: Any) -> None:
        library = library_of(
            [
                {'title': 'A', 'identifiers': {'bookfusion': 1}, '#dateread': FIRST, '#completed': True},
                {'title': 'B', 'identifiers': {'bookfusion': 2}},
                {'title': 'C', 'identifiers': {'isbn': 3}, '#dateread': FIRST},
            ]
        )
        rules = SyncRules({'last_read': Column('#dateread', 'datetime'), 'completed': Column('#completed', 'bool')})
        snapshot = take_snapshot(library, rules)
        assert snapshot.titles == {1: 'A', 2: 'B'}
        assert snapshot.identifiers == {1: '1', 2: '2'}
        assert snapshot.values == {'#dateread': {1: FIRST, 2: None}, '#completed': {1: True, 2: None}}
        assert take_snapshot(library, rules, only=[2]).identifiers == {2: '2'}

    def test_snapshot_asks_in_bulk(self, library_of: Any) -> None:
        """As many questions for three books as for one: never one a book."""
        asked: list[str] = []

        class Counting:
            def __init__(self, api: Any) -> None:
                self.api = api

            def __getattr__(self, name: str) -> Any:
                asked.append(name)
                return getattr(self.api, name)

        library = library_of([{'title': str(number), 'identifiers': {'bookfusion': number}} for number in range(1, 51)])
        library.api = Counting(library.api)
        rules = SyncRules({'last_read': Column('#dateread', 'datetime'), 'completed': Column('#completed', 'bool')})
        assert len(take_snapshot(library, rules).titles) == 50
        assert len(asked) < 10

    @pytest.mark.parametrize(
        ('cached', 'seen'),
        [
            (FIRST.replace(microsecond=123456), FIRST),
            (FIRST.replace(tzinfo=None), FIRST),
            (FIRST.replace(tzinfo=None, microsecond=7), FIRST),
            (FIRST.astimezone(timezone(timedelta(hours=-8))), FIRST),
            (UNDEFINED_DATE, None),
            (UNDEFINED_DATE.replace(tzinfo=None), None),
            (None, None),
        ],
    )
    def test_odd_dates_in_the_cache(self, library_of: Any, cached: Any, seen: datetime | None) -> None:
        """Other plugins leave naive dates, microseconds and the undefined date in Calibre's memory."""
        library = library_of(three_books())
        library.api.fields['#dateread'].table.book_col_map[1] = cached
        assert library.values('#dateread', [1]) == {1: seen}
        written = library.write([Cell(1, '#dateread', seen, SECOND)])
        assert written.book_ids == {1}
        assert library.values('#dateread', [1]) == {1: SECOND}

    def test_dates_written_by_another_program_survive_reopening(
        self, make_library: Any, open_library: OpenLibrary
    ) -> None:
        folder = make_library(three_books(dateread=FIRST))
        with closing(sqlite3.connect(folder / 'metadata.db')) as database, database:
            (table,) = database.execute("select id from custom_columns where label = 'dateread'").fetchone()
            for book, text in ((1, '2024-11-02 22:30:15.654321+00:00'), (2, '2024-11-03 00:30:15+02:00')):
                database.execute(f'update custom_column_{table} set value = ? where book = ?', (text, book))
        library = Library(open_library(folder).new_api)
        assert library.values('#dateread', [1, 2, 3]) == {1: SECOND, 2: SECOND, 3: FIRST}


class TestWriting:
    @pytest.mark.parametrize('column', ALL_COLUMNS)
    @pytest.mark.parametrize('held', ['nothing', 'another value'])
    def test_each_type_of_column(self, library_of: Any, reopen: Any, column: str, held: str) -> None:
        old = None if held == 'nothing' else OTHER_VALUES[column]
        books = [{'title': 'A'}, {'title': 'B'}] if old is None else [{'title': 'A', column: old}, {'title': 'B'}]
        library = library_of(books, columns=ALL_COLUMNS)
        new = ALL_VALUES[column]
        before = dump(folder_of(library))
        written = library.write([Cell(1, column, old, new)])
        assert written.cells == (Cell(1, column, old, new),)
        assert library.values(column, [1, 2]) == {1: new, 2: None}
        number = library.api.field_metadata[column]['colnum']
        changed = changed_tables(before, dump(folder_of(library)))
        assert changed <= {'books', 'metadata_dirtied', f'custom_column_{number}', f'books_custom_column_{number}_link'}
        again = reopen(library).values(column, [1, 2])
        assert again == {1: new, 2: None}
        assert type(again[1]) is type(new)

    def test_only_the_listed_cells(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST, completed=False))
        before, books_before = all_values(library), dump(folder_of(library))['books']
        written = library.write([Cell(2, '#dateread', FIRST, SECOND), Cell(3, '#completed', False, True)])
        assert written.book_ids == {2, 3}
        after = all_values(library)
        assert after['#dateread'] == {1: FIRST, 2: SECOND, 3: FIRST}
        assert after['#completed'] == {1: False, 2: False, 3: True}
        assert after['last_modified'][1] == before['last_modified'][1]
        assert after['last_modified'][2] > before['last_modified'][2]
        untouched = {row for row in books_before if row[0] == 1}
        assert untouched <= dump(folder_of(library))['books']

    def test_all_columns_in_one_transaction(self, library_of: Any) -> None:
        """Another program sees all of it or nothing, at any moment."""
        library = library_of([{'title': 'A'}, {'title': 'B'}], columns=ALL_COLUMNS)
        folder, seen = folder_of(library), []
        before = dump(folder)

        def look(_kind: Any, *_details: Any) -> None:
            seen.append(changed_tables(before, dump_elsewhere(folder)))

        library.api.add_listener(look)
        commits: list[int] = []
        library.api.backend.conn.setcommithook(lambda: bool(commits.append(1)))
        library.write([Cell(book, column, None, new) for book in (1, 2) for column, new in ALL_VALUES.items()])
        library.api.backend.conn.setcommithook(None)
        # The listeners are called from a thread of their own; closing waits for it.
        library.api.close()
        assert len(commits) == 1
        assert len(seen) == len(ALL_COLUMNS)
        after = changed_tables(before, dump(folder))
        assert 'metadata_dirtied' in after
        assert all(partial in (set(), after) for partial in seen)

    def test_nothing_to_write_moves_nothing(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        before, on_disk = all_values(library), (folder_of(library) / 'metadata.db').read_bytes()
        entered: list[Any] = []

        @contextmanager
        def recording(cells: tuple[Cell, ...]) -> Iterator[None]:
            entered.append(cells)
            yield

        for cells in ([], [Cell(1, '#dateread', FIRST, FIRST)]):
            assert library.write(cells).cells == ()
        assert library.write([Cell(99, '#dateread', None, FIRST)], recording).gone
        assert entered == []
        assert all_values(library) == before
        assert queued_backups(library) == 0
        assert (folder_of(library) / 'metadata.db').read_bytes() == on_disk

    def test_edited_meanwhile_is_left_alone(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        library.api.set_field('#dateread', {2: THIRD})
        cells = [Cell(book, '#dateread', FIRST, SECOND) for book in (1, 2, 3)]
        written = library.write(cells)
        assert written.cells == (cells[0], cells[2])
        assert written.edited == (cells[1],)
        assert library.values('#dateread', [1, 2, 3]) == {1: SECOND, 2: THIRD, 3: SECOND}

    def test_deleted_meanwhile_is_left_alone(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        library.api.remove_books([2])
        cells = [Cell(book, '#dateread', FIRST, SECOND) for book in (1, 2, 3)]
        written = library.write(cells)
        assert written.gone == (cells[1],)
        assert library.values('#dateread', [1, 3]) == {1: SECOND, 3: SECOND}

    @pytest.mark.parametrize('meanwhile', ['edited', 'deleted', 'back again'])
    def test_between_the_record_and_the_write(self, library_of: Any, meanwhile: str) -> None:
        """What the user does while the undo record is saved counts; what is not on record is not written."""
        library = library_of(three_books(dateread=FIRST))
        if meanwhile == 'back again':
            library.api.set_field('#dateread', {2: THIRD})
        cells = [Cell(book, '#dateread', FIRST, SECOND) for book in (1, 2, 3)]

        @contextmanager
        def recording(ready: tuple[Cell, ...]) -> Iterator[None]:
            if meanwhile == 'deleted':
                library.api.remove_books([2])
            else:
                library.api.set_field('#dateread', {2: FIRST if meanwhile == 'back again' else THIRD})
            yield

        written = library.write(cells, recording)
        assert written.cells == (cells[0], cells[2])
        held = library.values('#dateread', [1, 3] if meanwhile == 'deleted' else [1, 2, 3])
        assert held.get(2) == {'edited': THIRD, 'deleted': None, 'back again': FIRST}[meanwhile]
        assert (held[1], held[3]) == (SECOND, SECOND)

    def test_a_column_that_was_deleted(self, make_library: Any, open_library: OpenLibrary) -> None:
        folder = make_library(three_books(dateread=FIRST))
        with closing(open_library(folder)) as database:
            database.delete_custom_column('completed')
        library = Library(open_library(folder).new_api)
        assert '#completed' not in library.columns()
        flag, date = Cell(1, '#completed', None, True), Cell(1, '#dateread', FIRST, SECOND)
        written = library.write([flag, date])
        assert (written.cells, written.gone) == ((date,), (flag,))

    def test_a_column_marked_for_deletion_is_no_trouble(self, library_of: Any) -> None:
        """Calibre deletes a column at its next start; until then it can be written."""
        library = library_of(three_books(dateread=FIRST))
        library.api.delete_custom_column('completed')
        library.write([Cell(1, '#completed', None, True), Cell(1, '#dateread', FIRST, SECOND)])
        assert library.values('#dateread', [1]) == {1: SECOND}

    def test_an_enumeration_that_lost_its_value(self, library_of: Any) -> None:
        """Calibre drops such a value silently: then it is not counted as written."""
        library = library_of(three_books(), columns={'#dateread': 'datetime', '#state': STATES})
        good = Cell(1, '#state', None, 'Read')
        assert library.write([good, Cell(2, '#state', None, 'Abandoned')]).cells == (good,)
        assert library.values('#state', [1, 2]) == {1: 'Read', 2: None}

    def test_a_text_is_never_respelled_in_other_books(self, library_of: Any, reopen: Any) -> None:
        """Calibre has each text once, whatever its case."""
        library = library_of([{'title': 'A', '#text': 'reading'}, {'title': 'B'}], columns=ALL_COLUMNS)
        before = all_values(library)['last_modified']
        written = library.write([Cell(2, '#text', None, 'Reading')])
        assert written.cells == (Cell(2, '#text', None, 'reading'),)
        assert reopen(library).values('#text', [1, 2]) == {1: 'reading', 2: 'reading'}
        assert before[1] == all_values(reopen(library))['last_modified'][1]

    def test_a_thousand_books_in_one_call_a_column(self, library_of: Any) -> None:
        library = library_of([{'title': str(number)} for number in range(300)])
        calls: list[tuple[str, int]] = []
        set_field = library.api.set_field

        def counting(name: str, values: Any, **more: Any) -> Any:
            calls.append((name, len(values)))
            return set_field(name, values, **more)

        library.api.set_field = counting
        ids = sorted(library.api.all_book_ids())
        cells = [Cell(book, '#dateread', None, FIRST) for book in ids]
        written = library.write([*cells, *(Cell(book, '#completed', None, True) for book in ids)])
        assert len(written.cells) == 600
        assert calls == [('#dateread', 300), ('#completed', 300)]


class TestRefusing:
    def test_a_retired_library(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        library.retire()
        with pytest.raises(LibraryTrouble) as caught:
            library.write([Cell(1, '#dateread', FIRST, SECOND)])
        assert str(caught.value) == str(LIBRARY_SWITCHED)
        with pytest.raises(LibraryTrouble):
            library.store_identifiers({1: {'a': 'b'}})
        assert library.values('#dateread', [1]) == {1: FIRST}

    def test_retiring_waits_for_a_write_that_has_begun(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        begun, retired, order = threading.Event(), threading.Event(), []
        set_field = library.api.set_field

        def slow(*arguments: Any, **more: Any) -> Any:
            begun.set()
            # Time enough for a retiring that does not wait.
            retired.wait(0.2)
            order.append('written')
            return set_field(*arguments, **more)

        library.api.set_field = slow
        writer = threading.Thread(target=lambda: library.write([Cell(1, '#dateread', FIRST, SECOND)]))
        writer.start()
        begun.wait()
        library.retire()
        order.append('retired')
        retired.set()
        writer.join()
        assert order == ['written', 'retired']

    def test_a_closed_library(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        folder = folder_of(library)
        library.api.close()
        before = dump(folder)
        for write in (
            lambda: library.write([Cell(1, '#dateread', FIRST, SECOND)]),
            lambda: library.store_identifiers({1: {'a': 'b'}}),
        ):
            with pytest.raises(LibraryTrouble) as caught:
                write()
            assert str(caught.value) == str(LIBRARY_SWITCHED)
        assert dump(folder) == before

    @pytest.mark.parametrize('error', [AttributeError('execute'), LibraryTrouble(BOOK_GONE), Cancelled()], ids=repr)
    @pytest.mark.parametrize('retired', [False, True])
    def test_what_fails_while_calibre_takes_the_library_to_pieces(
        self, library_of: Any, error: Exception, retired: bool
    ) -> None:
        library = library_of(three_books())

        def work() -> None:
            with library.in_use() as used:
                assert used is library
                if retired:
                    library.retire()
                raise error

        if retired and not isinstance(error, Cancelled):
            with pytest.raises(LibraryTrouble) as switched:
                work()
            assert str(switched.value) == str(LIBRARY_SWITCHED)
        else:
            with pytest.raises(type(error)) as caught:
                work()
            assert caught.value is error

    def test_what_the_record_raises_stops_the_write(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))

        @contextmanager
        def recording(cells: tuple[Cell, ...]) -> Iterator[None]:
            raise LibraryTrouble(LIBRARY_SWITCHED)
            yield

        before = dump(folder_of(library))
        with pytest.raises(LibraryTrouble):
            library.write([Cell(1, '#dateread', FIRST, SECOND)], recording)
        assert dump(folder_of(library)) == before


def break_by_trigger(effect: str) -> Callable[[Library], None]:
    """The second column cannot be written: SQLite itself refuses, in the middle of the transaction."""

    def prepare(library: Library) -> None:
        number = library.api.field_metadata['#completed']['colnum']
        library.api.backend.execute(
            f'create trigger broken before insert on custom_column_{number} '
            f"begin select raise({effect}, 'no space left'); end"
        )

    return prepare


def break_by_full_disk(library: Library) -> None:
    pages = library.api.backend.conn.get('pragma page_count', all=False)
    library.api.backend.execute(f'pragma max_page_count = {pages}')


def break_by_read_only_file(library: Library) -> None:
    library.api.backend.execute('pragma query_only = 1')


def break_by_python(library: Library) -> None:
    """Not even Calibre's own trouble leaves half a write."""
    field = library.api.fields['#completed']

    def broken(*arguments: Any, **more: Any) -> Any:
        raise ValueError('unexpected')

    field.writer.set_books = broken


class TestFailing:
    @pytest.mark.parametrize(
        'breaking',
        [
            break_by_trigger('abort'),
            break_by_trigger('fail'),
            break_by_trigger('rollback'),
            break_by_full_disk,
            break_by_read_only_file,
            break_by_python,
        ],
        ids=['abort', 'fail', 'rollback', 'full disk', 'read only', 'python'],
    )
    def test_memory_and_disk_stay_as_they_were(self, library_of: Any, reopen: Any, breaking: Any) -> None:
        count = 300 if breaking is break_by_full_disk else 20
        library = library_of([{'title': str(number)} for number in range(count)])
        breaking(library)
        before, on_disk = all_values(library), dump(folder_of(library))
        cells = [Cell(book, column, None, new) for column, new in (('#dateread', FIRST), ('#completed', True))
                 for book in range(1, count + 1)]  # fmt: skip
        with pytest.raises(LibraryTrouble if breaking is not break_by_python else ValueError) as caught:
            library.write(cells)
        if breaking is break_by_read_only_file:
            assert str(caught.value).startswith('The library cannot be changed: ')
        elif breaking is not break_by_python:
            assert str(caught.value).startswith('Calibre could not write to the library (')
            assert 'Check the free space and restart Calibre' in str(caught.value)
        assert all_values(library) == before
        assert dump(folder_of(library)) == on_disk
        assert all_values(reopen(library)) == before

    def test_the_next_write_works_again(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        break_by_trigger('rollback')(library)
        cells = [Cell(1, '#dateread', FIRST, SECOND), Cell(1, '#completed', None, True)]
        with pytest.raises(LibraryTrouble):
            library.write(cells)
        library.api.backend.execute('drop trigger broken')
        assert library.write(cells).cells == tuple(cells)
        assert changed_tables(dump(folder_of(library)), dump(folder_of(library))) == set()

    def test_a_database_that_another_program_holds(self, library_of: Any) -> None:
        library = library_of(three_books(dateread=FIRST))
        library.api.backend.conn.setbusytimeout(10)
        with closing(sqlite3.connect(folder_of(library) / 'metadata.db')) as other:
            other.execute('begin immediate')
            with pytest.raises(LibraryTrouble) as caught:
                library.write([Cell(1, '#dateread', FIRST, SECOND)])
            other.rollback()
        assert 'locked' in str(caught.value)
        assert library.values('#dateread', [1]) == {1: FIRST}

    def test_an_unreadable_library_is_named(self, make_library: Any, tmp_path: Path) -> None:
        folder = make_library()
        (folder / 'metadata.db').write_bytes(b'not a database at all' * 100)
        with pytest.raises(LibraryTrouble) as caught, opened(str(folder)):
            pass
        assert str(caught.value).startswith('Calibre could not read the library (')
        with pytest.raises(LibraryTrouble) as caught, opened(str(tmp_path / 'nowhere')):
            pass
        assert str(caught.value).startswith(f'There is no Calibre library at {tmp_path / "nowhere"}.')

    @pytest.mark.parametrize('read_only', [False, True])
    def test_an_empty_file_is_not_made_into_a_library(self, tmp_path: Path, read_only: bool) -> None:
        tmp_path.joinpath('metadata.db').touch()
        with pytest.raises(NoLibrary), opened(str(tmp_path), read_only):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ['metadata.db']
        assert tmp_path.joinpath('metadata.db').stat().st_size == 0


class TestIdentifiers:
    def test_others_stay(self, library_of: Any, reopen: Any) -> None:
        library = library_of(
            [{'title': 'A', 'identifiers': {'isbn': '1', 'bookfusion': '2'}}, {'title': 'B', 'identifiers': {'x': 'y'}}]
        )
        assert library.store_identifiers({1: {'hardcover': 'a-slug', 'isbn': '9'}, 99: {'hardcover': 'b'}}) == {1}
        assert reopen(library).books()[1].identifiers == {'isbn': '9', 'bookfusion': '2', 'hardcover': 'a-slug'}

    def test_nothing_new_moves_nothing(self, library_of: Any) -> None:
        library = library_of([{'title': 'A', 'identifiers': {'isbn': '1'}}])
        before = all_values(library)
        for given in ({'isbn': '1'}, {}, {'ISBN ': ' 1 '}, {'empty': ''}):
            assert library.store_identifiers({1: given}) == set()
        assert library.store_identifiers({}) == set()
        assert all_values(library) == before
        assert queued_backups(library) == 0

    def test_removals_only_while_the_value_is_still_there(self, library_of: Any) -> None:
        library = library_of(
            [{'title': 'A', 'identifiers': {'a': '1', 'b': '2'}}, {'title': 'B', 'identifiers': {'a': '1'}}]
        )
        removals = {1: {'a': '1', 'b': 'other', 'c': '3'}, 2: {'a': '7'}, 99: {'a': '1'}}
        assert library.store_identifiers({}, removals) == {1}
        assert library.books()[1].identifiers == {'b': '2'}
        assert library.books()[2].identifiers == {'a': '1'}


def in_order(library: Library) -> list[int]:
    return list(library.api.multisort([('#dateread', False)]))


class TestSorting:
    def test_by_the_column_after_a_write_and_after_reopening(self, library_of: Any, reopen: Any) -> None:
        """Naive dates in the cache would break it, and dates of different zones must sort by their instant."""
        library = library_of([{'title': 'A', '#dateread': SECOND}, {'title': 'B'}, {'title': 'C'}, {'title': 'D'}])
        east = FIRST.astimezone(timezone(timedelta(hours=14)))
        library.write([Cell(2, '#dateread', None, THIRD), Cell(3, '#dateread', None, east)])
        assert in_order(library) == [2, 1, 3, 4]
        again = reopen(library)
        assert in_order(again) == [2, 1, 3, 4]
        assert again.values('#dateread', [3]) == {3: FIRST}

    def test_searching_by_the_column(self, library_of: Any) -> None:
        library = library_of(three_books())
        library.write([Cell(1, '#dateread', None, SECOND), Cell(2, '#completed', None, True)])
        day = local_day(SECOND).isoformat()
        assert library.api.search(f'#dateread:={day}') == {1}
        assert library.api.search('#completed:yes') == {2}


def test_two_way_with_calibredb(make_library: Any, config_folder: Path, calibre_lock: Any, open_library: Any) -> None:
    """Another Calibre program reads what was written, and what it writes is read here."""
    folder = make_library(three_books())
    with opened(str(folder)) as library:
        library.write([Cell(1, '#dateread', None, SECOND), Cell(1, '#completed', None, True)])

    def calibredb(*arguments: str) -> str:
        with calibre_lock.free_for_subprocess(), calibre_environment(config_folder, {'TZ': 'UTC'}) as environment:
            done = run([executable('calibredb'), *arguments, '--library-path', str(folder)], environment, 60)
        assert done.returncode == 0, done
        return done.stdout

    assert '2024-11-02T22:30:15+00:00' in calibredb('list', '--fields', '*dateread,*completed', '--for-machine')
    calibredb('set_custom', 'dateread', '2', '2024-11-03T22:30:15+00:00')
    library = Library(open_library(folder).new_api)
    assert library.values('#dateread', [1, 2]) == {1: SECOND, 2: THIRD}


@contextmanager
def nobody() -> Iterator[None]:
    """While inside, files are closed to this process as they are to any user: root may open them all."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


class TestOpening:
    def test_a_running_calibre_keeps_writers_out_and_readers_in(
        self, make_library: Any, calibre_is_running: None
    ) -> None:
        folder = make_library(three_books(dateread=FIRST))
        with pytest.raises(LibraryTrouble) as caught, opened(str(folder)):
            pass
        assert str(caught.value).startswith('Calibre is running.')
        with opened(str(folder), read_only=True) as library:
            assert library.values('#dateread', [1]) == {1: FIRST}

    def test_read_only_works_on_a_copy(self, make_library: Any) -> None:
        folder = make_library(three_books(dateread=FIRST))
        before = {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}
        with opened(str(folder), read_only=True) as library:
            library.write([Cell(1, '#dateread', FIRST, SECOND)])
        assert {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()} == before

    def test_the_lock_is_free_again(self, make_library: Any) -> None:
        folder = make_library(three_books(dateread=FIRST))
        for _ in range(2):
            with opened(str(folder)) as library:
                assert library.name == folder.name

    def test_a_folder_that_is_closed_to_this_user(self, make_library: Any) -> None:
        folder = make_library()
        folder.chmod(0)
        try:
            with nobody(), pytest.raises(NoLibrary) as caught, opened(str(folder), read_only=True):
                pass
        finally:
            folder.chmod(0o755)
        assert str(caught.value).startswith(f'There is no Calibre library at {folder}. ')

    def test_closed_at_the_end_even_after_an_error(self, make_library: Any) -> None:
        with pytest.raises(RuntimeError), opened(str(make_library())) as library:
            raise RuntimeError
        assert library.api.is_closed
