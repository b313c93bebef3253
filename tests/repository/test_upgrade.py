"""The zip installed over an earlier version: settings, undo records and what was remembered are used as before.

tests/data/0.1.0 is what 0.1.0 left in the configuration folder of a user with one library: after two syncs, a third
that a power cut ended before it wrote, a search for Hardcover ids and a push. Written by 0.1.0 itself, on the
stand-ins; the moments were changed, and the addresses of the stand-ins are missing.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.utils.config import config_dir
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.jobs import change_match
from calibre_plugins.bookfusionbacksync.jobs.push_ratings import push_to_undo
from calibre_plugins.bookfusionbacksync.library import last_sync
from calibre_plugins.bookfusionbacksync.library.last_sync import LastSync
from harness.bookfusion import addresses
from harness.command_line import plugin_folder
from harness.commands import calibre_environment, executable, run, settings_path, write_settings
from harness.hardcover import Shelf, hardcover_service, small_catalogue
from harness.secrets import TEST_HARDCOVER_TOKEN, TEST_PASSWORD, TEST_USER_TOKEN
from harness.start import IMPORT_NAME
from standins.bookfusion import SIGN_IN, BookFusionStandIn, LibraryRecord
from standins.hardcover import isbn13

LEFT_BY_0_1_0 = Path(__file__).parents[1] / 'data' / '0.1.0'
LIBRARY_ID = '5ff66b59-634c-4b3d-88af-2e496dcd1651'
COLUMNS = {
    '#dateread': 'datetime',
    '#completed': 'bool',
    '#progress': 'float',
    '#time': 'int',
    '#state': {'datatype': 'enumeration', 'display': {'enum_values': ['Planned', 'Reading', 'Completed']}},
}
EMMA_READ = datetime(2024, 11, 9, 20, tzinfo=timezone.utc)
DUNE_READ = datetime(2024, 11, 2, 8, tzinfo=timezone.utc)


def hardcover(number: int, slug: str, edition: int) -> dict[str, object]:
    return {'hardcover-id': number, 'hardcover-slug': slug, 'hardcover-edition': edition, 'isbn': isbn13(number)}


BOOKS = [
    {
        'title': 'Emma',
        'authors': ['Jane Austen'],
        'identifiers': {'bookfusion': 101, **hardcover(11, 'emma', 21)},
        'rating': 9,
        '#dateread': EMMA_READ,
        '#completed': True,
        '#progress': 99.95,
        '#time': 333,
        '#state': 'Completed',
    },
    {
        'title': 'Dune',
        'authors': ['Frank Herbert'],
        'identifiers': {'bookfusion': 102, **hardcover(12, 'dune', 22)},
        'rating': 7,
        '#dateread': DUNE_READ,
        '#completed': True,
        '#progress': 100.0,
        '#time': 60,
        '#state': 'Completed',
    },
    {
        'title': 'The Left Hand of Darkness',
        'authors': ['Ursula K. Le Guin'],
        'identifiers': hardcover(13, 'the-left-hand-of-darkness', 23),
        'rating': 2,
    },
    {'title': 'Emma and Dune', 'authors': ['Somebody'], 'rating': 2},
    {'title': 'Zzyzx', 'authors': ['Noone'], 'identifiers': {'isbn': '9780306406157'}},
]
RECORDS = [
    LibraryRecord(
        1, 101, 'Emma', last_read_at='2024-11-09T20:00:00.000Z', percentage=99.95, read_time=20000, lists=('reading',)
    ),
    LibraryRecord(2, 102, 'Dune', last_read_at='2024-11-02T08:00:00.000Z', percentage=100, read_time=3600),
]


@pytest.fixture
def library(make_library: Any) -> Path:
    """The library as 0.1.0 left it."""
    folder = make_library(BOOKS, COLUMNS)
    database = LibraryDatabase(str(folder))
    database.backend.library_id = LIBRARY_ID
    database.close()
    return folder


def values(folder: Path, book_id: int) -> list[Any]:
    """What the columns hold of one book."""
    database = LibraryDatabase(str(folder))
    try:
        return [database.new_api.field_for(column, book_id) for column in COLUMNS]
    finally:
        database.close()


def put_into(config: Path, **addresses: str) -> None:
    """Copies what 0.1.0 left, and adds the addresses of stand-ins."""
    for source in LEFT_BY_0_1_0.rglob('*'):
        target = config / 'plugins' / source.relative_to(LEFT_BY_0_1_0)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            shutil.copyfile(source, target)
            target.chmod(0o600)
    found = json.loads(settings_path(config).read_bytes())
    settings_path(config).write_text(json.dumps({**found, **addresses}, indent=2, sort_keys=True))


# The least that Calibre takes for an earlier version: same name, a module of its own.
EARLIER = """
from calibre.customize import InterfaceActionBase

class Earlier(InterfaceActionBase):
    name = 'BookFusion Back Sync'
    description = 'an earlier version'
    supported_platforms = ['windows', 'osx', 'linux']
    author = 'somebody'
    version = {version}
    minimum_calibre_version = (5, 0, 0)
    actual_plugin = 'calibre_plugins.bookfusionbacksync.ui:Earlier'
"""
Install = Callable[[tuple[int, int, int], Callable[[], None]], None]


@pytest.fixture
def install_over(config_folder: Path, tmp_path: Path, plugin_zip: Path) -> Install:
    """`install_over((0, 1, 0), fill)` installs an earlier version, lets `fill` put down what it left, then this one."""

    def install(version: tuple[int, int, int], fill: Callable[[], None]) -> None:
        earlier = tmp_path / 'earlier.zip'
        with zipfile.ZipFile(earlier, 'w') as archive:
            archive.writestr('__init__.py', EARLIER.format(version=version))
            archive.writestr(f'plugin-import-name-{IMPORT_NAME}.txt', '')
        with calibre_environment(config_folder) as environment:
            for package in (earlier, plugin_zip):
                done = run([executable('calibre-customize'), '--add-plugin', str(package)], environment, 60)
                assert done.returncode == 0, done
                if package == earlier:
                    fill()

    return install


class TestFrom010:
    @pytest.fixture
    def service(self, bookfusion: BookFusionStandIn) -> BookFusionStandIn:
        bookfusion.records = list(RECORDS)
        return bookfusion

    @pytest.fixture
    def upgraded(self, install_over: Install, config_folder: Path, service: BookFusionStandIn) -> Path:
        install_over((0, 1, 0), lambda: put_into(config_folder, **addresses(service)))
        return config_folder

    def test_a_sync_goes_on_where_the_last_one_ended(
        self, upgraded: Path, library: Path, service: BookFusionStandIn, run_cli: Any
    ) -> None:
        before = json.loads(settings_path(upgraded).read_bytes())
        log_before = (plugin_folder(upgraded) / 'sync.log').read_text()
        done = run_cli('sync', '--library', library)
        assert (done.returncode, done.stderr) == (0, '')
        assert done.stdout.splitlines() == ['2 books already held every value.', 'Done - 0 updated, 0 skipped.']
        assert json.loads(settings_path(upgraded).read_bytes()) == before
        # By the browser sign-in that is in the settings.
        assert {request.header('Authorization') for request in service.requests} == {f'Bearer {TEST_USER_TOKEN}'}
        stored = json.loads((plugin_folder(upgraded) / 'last_sync.json').read_bytes())
        assert [stored[LIBRARY_ID][key] for key in ('updated', 'skipped', 'failures')] == [0, 0, 0]
        log = (plugin_folder(upgraded) / 'sync.log').read_text()
        assert log.startswith(log_before)
        assert len(log) > len(log_before)

    def test_every_sync_is_undone(self, upgraded: Path, library: Path, run_cli: Any) -> None:
        """The one that never wrote is passed over."""
        zones = {'TZ': 'UTC'}
        said = [run_cli('undo', '--library', library, env=zones) for _ in range(3)]
        assert [done.returncode for done in said] == [0, 0, 0]
        assert said[0].stdout == 'Put back 5 values that the sync of 2024-11-10 21:15 had replaced.\n'
        assert said[1].stdout == 'Put back 9 values that the sync of 2024-11-09 21:15 had replaced.\n'
        assert said[2].stdout == 'There is no sync left to undo.\n'
        first_read = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        assert values(library, 1) == [first_read, None, 12.5, None, 'Planned']
        assert values(library, 2) == [None] * 5

    def test_books_that_were_skipped_are_not_asked_about(self, upgraded: Path, library: Path, run_cli: Any) -> None:
        with hardcover_service(small_catalogue(), burst=500, per_minute=60_000) as service:
            put_into(upgraded, hardcover_api_url=service.server.api_url)
            done = run_cli('hardcover-ids', '--library', library, '--json')
        assert done.returncode == 0, done
        assert {**done.json, 'requests': 0} == {'stored': 0, 'skipped': 2, 'failed': 0, 'ambiguous': [], 'requests': 0}
        assert [line.partition(' -> ')[0] for line in done.stdout.splitlines() if line.startswith('SKIP')] == [
            'SKIP Emma and Dune',
            'SKIP Zzyzx',
        ]


class TestWhat010Remembered:
    """Seen by the functions that the windows call; the command line has no words for these."""

    @pytest.fixture
    def shelf(self, library: Path, open_library: Any) -> Any:
        catalogue = small_catalogue()
        catalogue.shelf[1].rating = 3.5  # what the push wrote
        with hardcover_service(catalogue) as service:
            put_into(Path(config_dir), hardcover_api_url=service.server.api_url)
            yield Shelf(open_library(library).new_api, service)
            assert service.server.violations == []

    def test_settings(self, shelf: Shelf) -> None:
        loaded = settings.load()
        assert loaded.problems == ()
        found = loaded.settings
        assert (found.bookfusion_token.reveal(), found.hardcover_token.reveal()) == (
            TEST_USER_TOKEN,
            TEST_HARDCOVER_TOKEN,
        )
        assert (found.device, found.auto_sync_hours, found.columns['status_column']) == (
            'a40da862f9c96990',
            6,
            '#state',
        )

    def test_the_last_sync(self, shelf: Shelf) -> None:
        when = datetime(2024, 11, 10, 21, 15, 3, tzinfo=timezone.utc)
        assert last_sync.recall(LIBRARY_ID) == LastSync(when, updated=1, skipped=0, failures=1)

    def test_the_last_push_is_undone(self, shelf: Shelf) -> None:
        push = push_to_undo(shelf.open)
        assert push is not None
        assert push.when == datetime(2024, 11, 10, 21, 20, 41, 359536, tzinfo=timezone.utc)
        outcome = shelf.undo()
        assert outcome is not None
        assert outcome.stopped is None
        assert [row.rating for row in shelf.service.catalogue.shelf] == [4.5, None]
        assert push_to_undo(shelf.open) is None

    def test_identifiers_that_it_wrote_may_be_taken_back(self, shelf: Shelf) -> None:
        change_match.unlink_match(shelf.open, 1)
        assert shelf.hardcover(1) == {}

    def test_skipped_books_can_be_asked_about_again(self, shelf: Shelf) -> None:
        assert change_match.skipped_books(shelf.open) == {4, 5}
        assert change_match.ask_again(shelf.open) == 2
        assert [reason.book_id for reason in shelf.fetch().ambiguous] == [4, 5]


LEFT_BY_0_0_4 = {
    'email': 'reader@example.org',
    'password': TEST_PASSWORD,
    'device': 'c0ffee0123456789',
    'last_read_column': '#lastread',
    'completed_column': '#finished',
    'completed_threshold': 95,
    'unknown': {'kept': [1, 2, None]},
}


def test_from_the_original_plugin(
    install_over: Install,
    config_folder: Path,
    make_library: Any,
    bookfusion: BookFusionStandIn,
    run_cli: Any,
    open_library: Any,
) -> None:
    """0.0.4 had the same name and the same file, written by Calibre with the mode of everything else."""
    bookfusion.records = [LibraryRecord(11, last_read_at='2024-11-03T22:30:15Z', percentage=96)]
    theirs = {**LEFT_BY_0_0_4, 'bookfusion_api_base': bookfusion.api_base}
    path = settings_path(config_folder)

    def fill() -> None:
        write_settings(config_folder, theirs)
        path.chmod(0o644)

    install_over((0, 0, 4), fill)
    books = [{'identifiers': {'bookfusion': number}} for number in ('0011', '12')]
    folder = make_library(books, {'#lastread': 'datetime', '#finished': 'bool'})
    done = run_cli('sync', '--library', folder)
    assert done.returncode == 0, done
    assert done.last_line == 'Done - 1 updated, 1 skipped.'
    assert json.loads(path.read_bytes()) == theirs
    assert path.stat().st_mode & 0o777 == 0o600
    (sent,) = [request.json() for request in bookfusion.requests if request.path == SIGN_IN]
    assert sent == {'device': 'c0ffee0123456789', 'login': 'reader@example.org', 'password': TEST_PASSWORD}
    database = open_library(folder)
    assert database.new_api.field_for('#finished', 1) is True
    database.close()
    assert run_cli('undo', '--library', folder).stdout.startswith('Put back 2 values ')
    cache = open_library(folder).new_api
    assert [cache.field_for(column, 1) for column in ('#lastread', '#finished')] == [None, None]
