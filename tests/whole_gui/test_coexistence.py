"""Beside the official BookFusion plugin, and the log that the original Back Sync 0.0.4 left behind."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.library.old_log import FILE_NAME as OLD_LOG
from harness.bookfusion import account
from harness.secrets import TEST_PASSWORD, TEST_TOKEN
from harness.start import PLUGIN_NAME
from standins.bookfusion import BookFusionStandIn, LibraryRecord

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
        done = run_cli(*arguments, '--library', folder, settings=account(service, completed_column='#completed'))
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


def test_the_log_that_the_original_left_in_the_library_is_named_once(
    make_library: Any, service: BookFusionStandIn, run_cli: Any
) -> None:
    folder = make_library(BOOKS)
    old = folder / OLD_LOG
    old.write_text('GET books.json?token=an-old-token')
    said = [
        run_cli('sync', '--library', folder, settings=account(service, completed_column='#completed')) for _ in range(2)
    ]
    notes = [[line for line in one.stdout.splitlines() if OLD_LOG in line] for one in said]
    assert [len(found) for found in notes] == [1, 0]
    assert str(old) in notes[0][0]
    assert notes[0][0].startswith('Note: ')
    # Whether it is deleted is the user's choice.
    assert old.read_text() == 'GET books.json?token=an-old-token'
    assert all(TEST_TOKEN not in one.stdout + one.stderr for one in said)
