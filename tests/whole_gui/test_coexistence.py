"""Beside the official BookFusion plugin, and after the original Back Sync 0.0.4, whose place it takes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre_plugins.bookfusionbacksync.library.old_log import FILE_NAME as OLD_LOG
from harness.commands import calibre_environment, executable, run, settings_path
from harness.secrets import TEST_PASSWORD, TEST_TOKEN
from harness.start import PLUGIN_NAME
from standins.bookfusion import SIGN_IN, BookFusionStandIn, LibraryRecord

OFFICIAL_SETTINGS = b'{\n  "api_key": "0123456789",\n  "update_metadata": true,\n  "columns": {}\n}\n'
OFFICIAL_LOG = b'2024-11-03 22:30:15 uploading 3 books\r\nlast line without an end'
BOOKS = [
    {'title': 'A', 'identifiers': {'bookfusion': '0011', 'isbn': '9780000000000'}},
    {'title': 'B', 'identifiers': {'bookfusion': '12'}},
]
# What the official plugin uploads again when it changes.
HASHED_FIELDS = ('title', 'authors', 'comments', 'languages', 'identifiers', 'pubdate', 'series', 'tags', 'cover')


@pytest.fixture
def service(bookfusion: BookFusionStandIn) -> BookFusionStandIn:
    bookfusion.password = TEST_PASSWORD
    bookfusion.records = [
        LibraryRecord(11, last_read_at='2024-11-03T22:30:15Z', percentage=100),
        LibraryRecord(12, last_read_at='2024-11-02T22:30:15Z'),
    ]
    return bookfusion


def account(service: BookFusionStandIn) -> dict[str, Any]:
    return {
        'email': service.email,
        'password': TEST_PASSWORD,
        'completed_column': '#completed',
        'bookfusion_api_base': service.api_base,
    }


def hashed(folder: Path, open_library: Any) -> dict[str, Any]:
    database = open_library(folder)
    found = {field: dict(database.new_api.all_field_for(field, (1, 2))) for field in HASHED_FIELDS}
    database.close()
    return found


def test_nothing_of_the_official_plugin_is_touched(
    make_library: Any, service: BookFusionStandIn, run_cli: Any, config_folder: Path, open_library: Any
) -> None:
    folder = make_library(BOOKS)
    theirs = {
        config_folder / 'plugins' / 'bookfusion.json': OFFICIAL_SETTINGS,
        config_folder / 'plugins' / 'bookfusion' / 'state.bin': b'\x00\x01',
        folder / 'bookfusion_sync.log': OFFICIAL_LOG,
    }
    for path, content in theirs.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    before = hashed(folder, open_library)
    stamps = {path: path.stat().st_mtime_ns for path in theirs}
    for arguments in (('sync', '--dry-run'), ('sync',), ('undo',)):
        done = run_cli(*arguments, '--library', folder, settings=account(service))
        assert done.returncode == 0, done
    assert {path: path.read_bytes() for path in theirs} == theirs
    assert {path: path.stat().st_mtime_ns for path in theirs} == stamps
    # The identifier stays exactly as the official plugin, or the user, wrote it.
    assert hashed(folder, open_library) == before
    assert {path.name for path in folder.glob('*.log')} == {'bookfusion_sync.log'}


def test_names_that_nobody_else_has(plugin_zip: Path) -> None:
    with zipfile.ZipFile(plugin_zip) as archive:
        markers = [name for name in archive.namelist() if name.startswith('plugin-import-name-')]
    assert markers == ['plugin-import-name-bookfusionbacksync.txt']
    assert PLUGIN_NAME != 'BookFusion Plugin'


# The least that Calibre takes for the original: same name, older version, a module of its own.
ORIGINAL = """
from calibre.customize import InterfaceActionBase

class Original(InterfaceActionBase):
    name = 'BookFusion Back Sync'
    description = 'the original'
    supported_platforms = ['windows', 'osx', 'linux']
    author = 'somebody'
    version = (0, 0, 4)
    minimum_calibre_version = (5, 0, 0)
    actual_plugin = 'calibre_plugins.bookfusionbacksync.ui:Original'
"""
THEIR_SETTINGS = {
    'email': 'reader@example.org',
    'password': TEST_PASSWORD,
    'device': 'c0ffee0123456789',
    'last_read_column': '#lastread',
    'completed_column': '#finished',
    'completed_threshold': 95,
    'unknown': {'kept': [1, 2, None]},
}


@pytest.fixture
def upgraded(config_folder: Path, tmp_path: Path, plugin_zip: Path, calibre_lock: Any) -> Path:
    """A configuration in which 0.0.4 was used and this plugin then installed over it."""
    original = tmp_path / 'original.zip'
    with zipfile.ZipFile(original, 'w') as archive:
        archive.writestr('__init__.py', ORIGINAL)
        archive.writestr('plugin-import-name-bookfusionbacksync.txt', '')
    with calibre_environment(config_folder) as environment:
        for package in (original, plugin_zip):
            done = run([executable('calibre-customize'), '--add-plugin', str(package)], environment, 60)
            assert done.returncode == 0, done
            if package == original:
                path = settings_path(config_folder)
                path.write_text(json.dumps(THEIR_SETTINGS, indent=2))
                path.chmod(0o644)
    return config_folder


def test_upgrade_from_the_original(
    upgraded: Path, make_library: Any, service: BookFusionStandIn, run_cli: Any, open_library: Any
) -> None:
    service.records = [LibraryRecord(11, last_read_at='2024-11-03T22:30:15Z', percentage=96)]
    folder = make_library(BOOKS, columns={'#lastread': 'datetime', '#finished': 'bool'})
    path = settings_path(upgraded)
    settings = {**THEIR_SETTINGS, 'bookfusion_api_base': service.api_base}
    path.write_text(json.dumps(settings, indent=2))
    path.chmod(0o644)
    done = run_cli('sync', '--library', folder)
    assert done.returncode == 0, done
    assert done.last_line == 'Done - 1 updated, 1 skipped.'
    assert json.loads(path.read_bytes()) == settings
    assert path.stat().st_mode & 0o777 == 0o600
    (sent,) = [request.json() for request in service.requests if request.path == SIGN_IN]
    assert sent == {'device': 'c0ffee0123456789', 'login': 'reader@example.org', 'password': TEST_PASSWORD}
    cache = LibraryDatabase(str(folder)).new_api
    try:
        assert cache.field_for('#finished', 1) is True
    finally:
        cache.close()


def test_the_log_that_the_original_left_in_the_library_is_named_once(
    make_library: Any, service: BookFusionStandIn, run_cli: Any
) -> None:
    folder = make_library(BOOKS)
    old = folder / OLD_LOG
    old.write_text('GET books.json?token=an-old-token')
    said = [run_cli('sync', '--library', folder, settings=account(service)) for _ in range(2)]
    notes = [[line for line in one.stdout.splitlines() if OLD_LOG in line] for one in said]
    assert [len(found) for found in notes] == [1, 0]
    assert str(old) in notes[0][0]
    assert notes[0][0].startswith('Note: ')
    # Whether it is deleted is the user's choice.
    assert old.read_text() == 'GET books.json?token=an-old-token'
    assert all(TEST_TOKEN not in one.stdout + one.stderr for one in said)
