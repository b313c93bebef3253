"""The commands on libraries that another program keeps open, that cannot be written, or whose database is elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.bookfusion import account
from harness.command_line import BOOKS, hashes, one_line
from harness.commands import Finished, calibre_environment, plugin_command, run, write_settings
from harness.hardcover import small_catalogue
from harness.other_program import OtherProgram
from harness.permissions import can_mount, on_read_only_disk, on_small_disk
from harness.secrets import TEST_HARDCOVER_TOKEN
from standins.bookfusion import BookFusionStandIn
from standins.hardcover import HardcoverStandIn

READ_ONLY = 'Error: The library cannot be changed: its disk is read-only, or its files are write-protected ('
NO_MOUNTS = pytest.mark.skipif(not can_mount(), reason='this user may not mount anything')
# Gives Emma (its id is 2) the identifier of the book that was read, which another book has no more.
SWAP = (
    "update identifiers set val = '1' where type = 'bookfusion' and book = 1",
    "update identifiers set val = '8902995' where type = 'bookfusion' and book = 2",
)
WRITTEN = 'OK Emma -> 2024-11-04 (from reading_position.updated_at, match=book_id)'


@pytest.fixture
def other(make_library: Any) -> Any:
    """A library with commits of another program that are not in metadata.db yet: `other(folder, statements)`."""
    programs: list[OtherProgram] = []

    def commit(folder: Path, statements: Sequence[str]) -> OtherProgram:
        programs.append(OtherProgram(folder / 'metadata.db', wal=True))
        programs[-1].do('pragma wal_autocheckpoint = 0')
        for statement in statements:
            programs[-1].do(statement)
        return programs[-1]

    yield commit
    for program in programs:
        with program:
            pass


@pytest.fixture
def run_wrapped(config_folder: Path, calibre_lock: Any) -> Callable[..., Finished]:
    """`run_wrapped(wrap, 'sync', ...)` runs what `wrap` makes of the command line."""

    def run_it(wrap: Callable[[list[str]], list[str]], *arguments: str | Path, **environment: str) -> Finished:
        with calibre_lock.free_for_subprocess(), calibre_environment(config_folder, environment) as variables:
            return run(wrap(plugin_command(*map(str, arguments))), variables, 60)

    return run_it


class TestInWalMode:
    def test_a_dry_run_announces_what_the_sync_does(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, other: Any
    ) -> None:
        folder = make_library(BOOKS)
        other(folder, SWAP)
        before = hashes(folder)
        given = {'settings': account(service), 'env': {'TZ': 'Asia/Kolkata'}}
        dry = run_cli('sync', '--dry-run', '--library', folder, **given)
        assert hashes(folder) == before
        assert (dry.returncode, dry.stderr) == (0, '')
        assert dry.stdout.splitlines()[0] == WRITTEN
        done = run_cli('sync', '--library', folder, **given)
        assert [line for line in dry.stdout.splitlines() if not line.startswith('Dry run')] == done.stdout.splitlines()

    def test_check(self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, other: Any) -> None:
        folder = make_library(BOOKS)
        other(folder, ["delete from identifiers where type = 'bookfusion' and book > 1"])
        before = hashes(folder)
        done = quick_cli('check', '--json', '--library', folder, settings=account(service))
        assert done.returncode == 0
        assert done.json['library'] == {'books': 5, 'identifiers': 1}
        assert hashes(folder) == before

    def test_ratings(self, make_library: Any, quick_cli: Any, other: Any) -> None:
        books = [{'title': 'Dune', 'identifiers': {'hardcover-id': 12}, 'rating': 6}]
        folder = make_library(books)
        other(folder, ["delete from identifiers where type = 'hardcover-id'"])
        before = hashes(folder)
        with HardcoverStandIn(small_catalogue(), token=TEST_HARDCOVER_TOKEN) as server:
            settings = {'hardcover_api_url': server.api_url, 'hardcover_token': server.token}
            done = quick_cli('hardcover-ratings', '--dry-run', '--json', '--library', folder, settings=settings)
        assert done.returncode == 0
        assert (done.json['updated'], done.json['skipped']) == (0, 1)
        assert hashes(folder) == before


@pytest.mark.parametrize('wal', [False, True], ids=['', 'wal'])
@NO_MOUNTS
class TestOnAReadOnlyDisk:
    @pytest.fixture
    def folder(self, make_library: Any, service: BookFusionStandIn, config_folder: Path, wal: bool) -> Path:
        path: Path = make_library(BOOKS)
        write_settings(config_folder, account(service))
        if wal:
            with OtherProgram(path / 'metadata.db', wal=True) as program:
                program.do(SWAP[0])
                program.do(SWAP[1])
                program.kill()
            (path / 'metadata.db-shm').unlink()
        return path

    def test_looking_works(self, folder: Path, run_wrapped: Any, wal: bool) -> None:
        before = hashes(folder)

        def wrap(command: list[str]) -> list[str]:
            return on_read_only_disk(folder, command)

        dry = run_wrapped(wrap, 'sync', '--dry-run', '--library', folder, TZ='Asia/Kolkata')
        assert (dry.returncode, dry.stderr) == (0, '')
        assert dry.stdout.splitlines()[0] == (WRITTEN if wal else WRITTEN.replace('Emma', 'The Name of the Wind'))
        done = run_wrapped(wrap, 'check', '--library', folder)
        assert (done.returncode, done.last_line) == (0, 'A sync will work.')
        assert hashes(folder) == before

    @pytest.mark.parametrize('command', ['sync', 'undo', 'hardcover-ids'])
    def test_writing_says_that_it_is(self, folder: Path, run_wrapped: Any, command: str) -> None:
        before = hashes(folder)
        done = run_wrapped(lambda command: on_read_only_disk(folder, command), command, '--library', folder)
        assert done.returncode == 1
        assert one_line(done.stderr).startswith(READ_ONLY)
        assert one_line(done.stderr).endswith('or move it to a disk that is.')
        assert hashes(folder) == before


@NO_MOUNTS
def test_no_space_for_a_copy(
    make_library: Any, service: BookFusionStandIn, run_wrapped: Any, config_folder: Path, tmp_path: Path
) -> None:
    folder, small = make_library(BOOKS), tmp_path / 'small'
    small.mkdir()
    write_settings(config_folder, account(service))
    before = hashes(folder)
    arguments = ('sync', '--dry-run', '--library', folder)
    done = run_wrapped(lambda command: on_small_disk(small, 100, command), *arguments, CALIBRE_TEMP_DIR=str(small))
    assert done.returncode == 1
    assert one_line(done.stderr).startswith('Error: The library could not be copied to look at it without changing it')
    assert hashes(folder) == before


class TestADatabaseElsewhere:
    @pytest.mark.parametrize('stale_copy', [False, True])
    def test_a_sync_and_its_undo(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, tmp_path: Path, stale_copy: bool
    ) -> None:
        folder, file = make_library(BOOKS), tmp_path / 'elsewhere.db'
        shutil.copy(folder / 'metadata.db', file)
        if stale_copy:
            with OtherProgram(folder / 'metadata.db') as program:
                program.do("delete from identifiers where type = 'bookfusion'")
        else:
            (folder / 'metadata.db').unlink()
        before = hashes(folder)
        given = {'env': {'CALIBRE_OVERRIDE_DATABASE_PATH': str(file)}, 'settings': account(service)}
        assert run_cli('sync', '--dry-run', '--library', folder, **given).last_line == 'Done - 1 updated, 3 skipped.'
        assert run_cli('sync', '--library', folder, **given).last_line == 'Done - 1 updated, 3 skipped.'
        assert run_cli('check', '--json', '--library', folder, **given).json['library']['identifiers'] == 4
        assert run_cli('undo', '--library', folder, **given).stdout.startswith('Put back 1 value')
        assert hashes(folder) == before

    def test_that_is_missing(self, make_library: Any, service: BookFusionStandIn, run_cli: Any, tmp_path: Path) -> None:
        given = {'env': {'CALIBRE_OVERRIDE_DATABASE_PATH': str(tmp_path / 'gone.db')}, 'settings': account(service)}
        done = run_cli('sync', '--library', make_library(BOOKS), **given)
        assert done.returncode == 2
        assert one_line(done.stderr) == (
            f'Error: There is no database at {tmp_path / "gone.db"}, where the environment variable '
            "CALIBRE_OVERRIDE_DATABASE_PATH says that Calibre's is. Correct that variable, or remove it."
        )


def test_locked_by_another_program(
    make_library: Any, service: BookFusionStandIn, quick_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calibre.db.backend import Connection
    from calibre_plugins.bookfusionbacksync.library import database_file

    monkeypatch.setattr(database_file, 'BUSY_TIMEOUT', 50)
    monkeypatch.setattr(Connection, 'BUSY_TIMEOUT', 50)
    folder = make_library(BOOKS)
    with OtherProgram(folder / 'metadata.db') as program:
        program.do('begin exclusive')
        for arguments in (('sync',), ('sync', '--dry-run'), ('check',), ('undo',)):
            done = quick_cli(*arguments, '--library', folder, settings=account(service))
            assert done.returncode == 1
            assert done.stderr.startswith('Error: The library is locked by another program. Close the programs that')
