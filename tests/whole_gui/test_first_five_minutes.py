"""A new user's first five minutes in the whole of Calibre, with the restart in between; and every day after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.bookfusion import addresses, book
from harness.commands import settings_path, write_settings
from harness.secrets import TEST_PASSWORD
from standins.bookfusion import LibraryRecord

SCRIPT = Path(__file__).parent / 'scripts' / 'first_five_minutes.py'
RECORDS = [
    LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z', percentage=100),
    LibraryRecord(id=2, book_id=12, title='Middlemarch', last_read_at='2023-05-01T12:00:00Z', percentage=50),
    LibraryRecord(id=3, book_id=13, title='Ulysses'),
]
BOOKS = [
    *(book(record) for record in RECORDS),
    {'title': 'Only in Calibre', 'identifiers': {'bookfusion': 99}},
    {'title': 'Without an identifier'},
]


def test_the_first_five_minutes_and_every_day_after(
    run_gui: Any, make_library: Any, bookfusion: Any, config_folder: Path
) -> None:
    bookfusion.records = RECORDS
    library = make_library(BOOKS, {})

    def run(part: str, **more: Any) -> Any:
        done = run_gui(SCRIPT, library, argument={'part': part, **more})
        assert done.returncode == 0, done.stderr
        assert 'Traceback' not in done.stderr, done.stderr
        return done.result

    write_settings(config_folder, addresses(bookfusion))
    check_set_up(run('set_up', email=bookfusion.email, password=TEST_PASSWORD))
    check_first_sync(run('first_sync'))
    check_every_day(run_every_day(config_folder, run))
    assert bookfusion.violations == []


def run_every_day(config_folder: Path, run: Any) -> Any:
    """With the automatic sync turned on, and nothing else done."""
    settings = json.loads(settings_path(config_folder).read_text(encoding='utf-8'))
    write_settings(config_folder, {**settings, 'auto_sync_hours': 6})
    return run('every_day')


def check_set_up(found: dict[str, Any]) -> None:
    assert found['status'] == 'Enter your BookFusion account below, or sign in with a browser.'
    assert found['page']
    assert found['signed_in'] == 'Signed in.'
    assert found['created'] == 'The columns are created. Restart Calibre to use them.'
    assert found['blocked']
    question, warning = found['said']
    for part in ('#dateread', '#completed', '#readprogress', 'is created'):
        assert part in question
    assert '#readtime' not in question
    assert 'after a restart' in warning


def check_first_sync(found: dict[str, Any]) -> None:
    assert found['start']['loaded'] == ['gui', 'gui.hardcover_menu', 'ui']
    assert found['status'] == 'Ready to sync.'
    assert not found['page']
    assert found['preview'] == [
        ['Emma', '#dateread (Last read)', '', '03 Nov 2024'],
        ['Emma', '#completed (Completed)', '', 'Yes'],
        ['Emma', '#readprogress (Progress)', '', '100%'],
        ['Middlemarch', '#dateread (Last read)', '', '01 May 2023'],
        ['Middlemarch', '#readprogress (Progress)', '', '50%'],
    ]
    status, log = found['applied']
    assert status == 'Done - 2 updated, 2 skipped.'
    assert [line for line in log if line.startswith('OK')] == [
        'OK Emma -> 2024-11-03 (from last_read_at, match=book_id)',
        'OK Emma -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
        'OK Middlemarch -> 2023-05-01 (from last_read_at, match=book_id)',
    ]
    assert found['double_click'] == [2]
    assert found['hidden_by_search'] == [[1], 'title:Emma']
    assert found['search_cleared'] == [[2], 5]
    assert found['updated'] == [[1, 2], 'marked:"=bookfusion_updated"']
    assert found['reasons'][0] == '&All skipped books'
    assert sorted(found['reasons'][1:]) == ['not in the BookFusion library (1)', 'nothing to write from BookFusion (1)']
    assert found['skipped'] == [3, 4]
    assert found['my_marks'] == {
        '2': 'mine as well',
        '3': 'bookfusion_skipped',
        '4': 'bookfusion_skipped',
        '5': 'mine',
    }
    assert 'Last sync: ' in found['tooltip']
    assert '2 books updated' in found['tooltip']
    assert found['undone'].startswith('Put back 3 values')
    assert found['selected_only'] == 'Done - 1 updated, 0 skipped.'


def check_every_day(found: dict[str, Any]) -> None:
    assert found['message'] == 'BookFusion Back Sync: 1 book updated'
    assert not found['windows']
    assert '1 book updated' in found['tooltip']
