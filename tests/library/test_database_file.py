"""Looking at libraries that other programs keep open, or that a crash has left: the truth is seen, and nothing left."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from calibre.ptempfile import base_dir
from calibre_plugins.bookfusionbacksync.base.errors import (
    LibraryLocked,
    LibraryReadOnly,
    LibraryTrouble,
    NoLibrary,
)
from calibre_plugins.bookfusionbacksync.library import database_file
from calibre_plugins.bookfusionbacksync.library.calibre_library import Cell, Library, opened
from harness.command_line import hashes
from harness.libraries import LibraryMaker
from harness.other_program import OtherProgram
from harness.permissions import permissions_count

COLUMNS = {'#number': 'int'}
BOOKS = [{'title': str(number), '#number': number} for number in range(1, 401)]
EVERY_ONE = {number: number for number in range(1, 401)}
ADD_ONE = 'update custom_column_1 set value = value + 1'
SPILL = ('pragma cache_size = 1', 'pragma synchronous = off', 'begin immediate', ADD_ONE)
OVERRIDE = 'CALIBRE_OVERRIDE_DATABASE_PATH'


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is locked here stays locked."""
    from calibre.db.backend import Connection

    monkeypatch.setattr(database_file, 'BUSY_TIMEOUT', 50)
    monkeypatch.setattr(database_file, 'BETWEEN_COPIES', 0.01)
    monkeypatch.setattr(Connection, 'BUSY_TIMEOUT', 50)


@pytest.fixture(scope='module')
def many_books(library_maker: LibraryMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library_maker.make(tmp_path_factory.mktemp('many-books') / 'library', BOOKS, COLUMNS)


@pytest.fixture
def folder(many_books: Path, tmp_path: Path) -> Path:
    return shutil.copytree(many_books, tmp_path / 'library')


def numbers(library: Library) -> dict[int, Any]:
    return library.values('#number', list(EVERY_ONE))


def temporary_files() -> set[str]:
    return {str(path) for path in Path(base_dir()).rglob('*')}


@pytest.fixture(params=[False, True], ids=['open', 'killed'])
def in_wal_mode(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A library with one commit of another program that is not in metadata.db yet."""
    with OtherProgram(folder / 'metadata.db', wal=True) as other:
        other.do('pragma wal_autocheckpoint = 0')
        other.do(ADD_ONE)
        if request.param:
            other.kill()
        assert {path.name for path in folder.iterdir()} >= {'metadata.db', 'metadata.db-wal', 'metadata.db-shm'}
        yield folder


def seen_and_left_alone(folder: Path) -> dict[int, Any]:
    """What a reader sees, after a look at what it has left: in the library's folder and among the temporary files."""
    before, temporary = hashes(folder), temporary_files()
    with opened(str(folder), read_only=True) as library:
        seen = numbers(library)
        assert library.name == folder.name
    assert hashes(folder) == before
    assert temporary_files() == temporary
    return seen


PLUS_ONE = {book: number + 1 for book, number in EVERY_ONE.items()}


class TestWhatAReaderSees:
    def test_commits_that_are_not_in_the_file_yet(self, in_wal_mode: Path) -> None:
        assert seen_and_left_alone(in_wal_mode) == PLUS_ONE

    def test_it_is_what_a_writer_sees(self, in_wal_mode: Path) -> None:
        with opened(str(in_wal_mode)) as library:
            assert numbers(library) == PLUS_ONE

    def test_without_the_index_of_the_commits(self, folder: Path, tmp_path: Path) -> None:
        """As a copy of the folder has it, or a program that keeps the index to itself."""
        with OtherProgram(folder / 'metadata.db', wal=True) as other:
            other.do('pragma wal_autocheckpoint = 0')
            other.do(ADD_ONE)
            copy = Path(shutil.copytree(folder, tmp_path / 'copy', ignore=shutil.ignore_patterns('*-shm')))
        assert seen_and_left_alone(copy) == PLUS_ONE

    def test_a_library_in_wal_mode_that_nobody_has_open(self, folder: Path) -> None:
        with OtherProgram(folder / 'metadata.db', wal=True) as other:
            other.do(ADD_ONE)
        assert 'metadata.db-wal' not in hashes(folder)
        assert seen_and_left_alone(folder) == PLUS_ONE

    def test_a_program_in_the_middle_of_a_write(self, folder: Path) -> None:
        with OtherProgram(folder / 'metadata.db') as other:
            other.do('begin immediate')
            other.do(ADD_ONE)
            assert seen_and_left_alone(folder) == EVERY_ONE

    @pytest.mark.parametrize('read_only', [True, False])
    def test_a_write_that_a_crash_broke_off(self, folder: Path, read_only: bool) -> None:
        untouched = hashes(folder)['metadata.db']
        with OtherProgram(folder / 'metadata.db') as other:
            for statement in SPILL:
                other.do(statement)
            other.kill()
        assert hashes(folder)['metadata.db'] != untouched
        assert (folder / 'metadata.db-journal').stat().st_size > 0
        if read_only:
            assert seen_and_left_alone(folder) == EVERY_ONE
        else:
            with opened(str(folder)) as library:
                assert numbers(library) == EVERY_ONE

    def test_an_odd_name(self, folder: Path, tmp_path: Path) -> None:
        odd = tmp_path / 'a ?b#c%20d [é] \udce9'
        folder.rename(odd)
        with OtherProgram(odd / 'metadata.db', wal=True) as other:
            other.do(ADD_ONE)
            assert seen_and_left_alone(odd) == PLUS_ONE

    def test_the_books_are_found_where_they_are(self, make_library: Any) -> None:
        folder = make_library([{'title': 'Emma', 'authors': ['Jane Austen']}])
        with opened(str(folder), read_only=True) as library:
            assert library.api.backend.library_path == str(folder)

    def test_the_full_text_index_is_not_begun(self, folder: Path) -> None:
        with opened(str(folder)) as library:
            library.api.set_pref('fts_enabled', True)
        with opened(str(folder), read_only=True) as library:
            assert not library.api.is_fts_enabled()
        with closing(sqlite3.connect(folder / 'metadata.db')) as database:
            assert database.execute("select val from preferences where key = 'fts_enabled'").fetchall() == [('true',)]


class TestTheLookBeforeOpening:
    def test_a_database_in_wal_mode_that_is_not_calibres(self, tmp_path: Path) -> None:
        with OtherProgram(tmp_path / 'metadata.db', wal=True) as other:
            other.do('create table other (a)')
        before = hashes(tmp_path)
        for read_only in (True, False):
            with pytest.raises(NoLibrary), opened(str(tmp_path), read_only):
                pass
            assert hashes(tmp_path) == before

    def test_files_that_change_all_the_time(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with OtherProgram(folder / 'metadata.db', wal=True) as other:
            other.do(ADD_ONE)
        moments = itertools.count()

        def copy_and_touch(source: Path, target: Path) -> None:
            copyfile(source, target)
            os.utime(source, (0, next(moments)))

        with monkeypatch.context() as patched:
            copyfile = shutil.copyfile
            patched.setattr(shutil, 'copyfile', copy_and_touch)
            with pytest.raises(LibraryLocked), opened(str(folder), read_only=True):
                pass
        assert numbers_of_reader(folder) == PLUS_ONE

    def test_a_program_that_begins_to_write_meanwhile(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with OtherProgram(folder / 'metadata.db', wal=True) as other:
            other.do(ADD_ONE)
        others: list[OtherProgram] = []

        def copy_and_write(source: Path, target: Path) -> None:
            copyfile(source, target)
            if not others:
                others.append(OtherProgram(folder / 'metadata.db'))
                others[0].do(ADD_ONE)

        copyfile = shutil.copyfile
        monkeypatch.setattr(shutil, 'copyfile', copy_and_write)
        seen = numbers_of_reader(folder)
        with others[0]:
            assert seen == {book: number + 2 for book, number in EVERY_ONE.items()}


def numbers_of_reader(folder: Path) -> dict[int, Any]:
    with opened(str(folder), read_only=True) as library:
        return numbers(library)


LOCKED = 'The library is locked by another program. Close the programs that use it'
READ_ONLY = 'The library cannot be changed: its disk is read-only, or its files are write-protected ('


class TestWhatIsInTheWay:
    @pytest.mark.parametrize('read_only', [True, False])
    def test_another_program_has_locked_it(self, folder: Path, read_only: bool) -> None:
        with OtherProgram(folder / 'metadata.db') as other:
            other.do('begin exclusive')
            with pytest.raises(LibraryLocked) as caught, opened(str(folder), read_only):
                pass
        assert str(caught.value).startswith(LOCKED)

    def test_another_program_locks_it_while_it_is_open(self, folder: Path) -> None:
        with opened(str(folder)) as library, OtherProgram(folder / 'metadata.db') as other:
            other.do('begin immediate')
            for write in (
                lambda: library.write([Cell(1, '#number', 1, 2)]),
                lambda: library.store_identifiers({1: {'a': 'b'}}),
                lambda: library.add_column('another', 'Another', 'int', {}),
            ):
                with pytest.raises(LibraryLocked):
                    write()
            other.do('rollback')
            library.write([Cell(1, '#number', 1, 2)])
        assert numbers_of_reader(folder)[1] == 2

    @pytest.mark.parametrize('wal', [False, True])
    @pytest.mark.parametrize('protected', ['folder', 'file', 'both'])
    def test_files_that_this_user_may_not_write(self, folder: Path, wal: bool, protected: str) -> None:
        if wal:
            with OtherProgram(folder / 'metadata.db', wal=True):
                pass
        folder.chmod(0o755 if protected == 'file' else 0o555)
        (folder / 'metadata.db').chmod(0o644 if protected == 'folder' else 0o444)
        with permissions_count(), pytest.raises(LibraryReadOnly) as caught, opened(str(folder)):
            pass
        assert str(caught.value).startswith(READ_ONLY)

    def test_files_that_this_user_may_not_read(self, folder: Path) -> None:
        (folder / 'metadata.db').chmod(0)
        for read_only in (True, False):
            with permissions_count(), pytest.raises(LibraryTrouble) as caught, opened(str(folder), read_only):
                pass
            assert str(caught.value).startswith('This user may not read the library (Permission denied).')
            assert str(folder / 'metadata.db') in str(caught.value)


class TestADatabaseElsewhere:
    """CALIBRE_OVERRIDE_DATABASE_PATH, as Calibre's manual has it for libraries on a network drive."""

    @pytest.fixture(params=['only there', 'with a stale copy', 'with no database'])
    def elsewhere(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> Path:
        """The database, which is not in the library's folder; what is there is of no use."""
        file = tmp_path / 'elsewhere' / 'my metadata.db'
        file.parent.mkdir()
        shutil.copy(folder / 'metadata.db', file)
        if request.param == 'with a stale copy':
            with closing(sqlite3.connect(folder / 'metadata.db')) as database, database:
                database.execute(ADD_ONE)
        elif request.param == 'with no database':
            (folder / 'metadata.db').write_bytes(b'nothing of the kind' * 100)
        else:
            (folder / 'metadata.db').unlink()
        monkeypatch.setenv(OVERRIDE, str(file))
        return file

    @pytest.mark.parametrize('read_only', [True, False])
    def test_is_read(self, folder: Path, elsewhere: Path, read_only: bool) -> None:
        before = hashes(folder)
        with opened(str(folder), read_only) as library:
            assert numbers(library) == EVERY_ONE
        assert hashes(folder) == before
        assert os.environ[OVERRIDE] == str(elsewhere)

    def test_is_written(self, folder: Path, elsewhere: Path) -> None:
        before = hashes(folder)
        with opened(str(folder)) as library:
            library.write([Cell(1, '#number', 1, 1000)])
        assert hashes(folder) == before
        with opened(str(folder), read_only=True) as library:
            assert library.values('#number', [1]) == {1: 1000}

    @pytest.mark.parametrize('read_only', [True, False])
    def test_is_looked_at_before_it_is_opened(self, folder: Path, elsewhere: Path, read_only: bool) -> None:
        elsewhere.write_bytes(b'')
        with pytest.raises(NoLibrary), opened(str(folder), read_only):
            pass
        assert elsewhere.read_bytes() == b''

    @pytest.mark.parametrize('read_only', [True, False])
    def test_is_named_where_it_is_missing(self, folder: Path, elsewhere: Path, read_only: bool) -> None:
        elsewhere.unlink()
        with pytest.raises(NoLibrary) as caught, opened(str(folder), read_only):
            pass
        assert str(elsewhere) in str(caught.value)
        assert OVERRIDE in str(caught.value)
        assert os.environ[OVERRIDE] == str(elsewhere)
