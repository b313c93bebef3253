"""The plugin in the whole of Calibre, as its user meets it: the button, the window, a sync, a restart, bad luck."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from calibre.db.legacy import LibraryDatabase
from harness.bookfusion import book
from harness.time_zones import zone_of_calibre
from harness.whole_gui import SCRIPTS, cells, expected_cells, is_completed, read_date
from standins.bookfusion import LibraryRecord, generate_records

OpenLibrary = Callable[[Path], LibraryDatabase]
COUNT = 300
HARDCOVER = [
    'Hardcover',
    [
        'Configure Hardcover Account',
        'Fetch Hardcover Book IDs',
        'Change or unlink match…',
        'Ask about skipped books again',
        None,
        'Push ratings…',
        'Undo last push',
    ],
]
# West of Greenwich: many a day there is another one than in UTC.
ZONE = 'America/Los_Angeles'
EXTRA: list[dict[str, Any]] = [
    {'id': 31, 'book_id': 41, 'title': '<b>Bold</b> & {brace} %s', 'last_read_at': '2024-11-03T07:30:00.000Z'},
    {'id': 32, 'book_id': 42, 'title': 'ألف ليلة وليلة 📚', 'last_read_at': '2024-11-03T08:30:00Z', 'percentage': 100},
    {'id': 33, 'book_id': 43, 'title': 'Emma', 'last_read_at': 'yesterday', 'percentage': 99.9},
]


def expected_log(records: list[LibraryRecord]) -> list[str]:
    """The lines about books, by the rules of the log: newest date first, those without one last."""
    dated: list[tuple[datetime, list[str]]] = []
    undated: list[str] = []
    for record in records:
        lines = []
        when = read_date(record)
        field = 'last_read_at' if record.last_read_at else 'reading_position.updated_at'
        if when:
            day = when.astimezone(zone_of_calibre(ZONE)).date()
            lines.append(f'OK {record.title} -> {day} (from {field}, match=book_id)')
        elif record.last_read_at:
            lines.append(
                f"SKIP {record.title} -> unreadable date '{record.last_read_at}' (from {field}, match=book_id)"
            )
        if is_completed(record):
            lines.append(
                f'OK {record.title} -> Completed=True '
                f'(percentage={record.percentage:.3f}, threshold=99.90, match=book_id)'
            )
        if when:
            dated.append((when, lines))
        else:
            undated += lines
    dated.sort(key=lambda pair: pair[0], reverse=True)
    return [line for _when, lines in dated for line in lines] + undated


def check_window(found: dict[str, Any]) -> None:
    assert found['menu'] == ['Sync now…', 'Preview…', 'Undo last sync', None, HARDCOVER, None, 'Settings…', 'Help']
    assert found['without_shortcut'] == []
    assert found['own_shortcut']
    assert found['modal'] is False
    assert found['buttons'] == ['Sync now', 'Settings…', 'Close']
    assert found['same_window']
    assert found['form'] == 2 * ['email', 'password', 'last_read_column', 'completed_column', 'completed_threshold']
    assert 'Calibre' in found['help']


def check_first_sync(found: dict[str, Any], records: list[LibraryRecord]) -> None:
    dates = sum(read_date(record) is not None for record in records)
    updated = sum(read_date(record) is not None or is_completed(record) for record in records)
    done = f'Done - {updated} updated, {len(records) - updated} skipped.'
    assert found['first'] == done
    texts = [re.sub(r' \(\d+( of \d+)?\)$', ' (…)', text) for text, _value, _maximum in found['statuses']]
    distinct = [text for place, text in enumerate(texts) if place == 0 or texts[place - 1] != text]
    if distinct[-2:] == [done, done]:
        distinct.pop()
    assert distinct == [
        'Authenticating...',
        'Fetching BookFusion library...',
        'Fetching BookFusion library... (…)',
        'Scanning Calibre library...',
        f'Writing {dates} dates to Calibre...',
        done,
    ]
    # Busy, as Qt shows a bar without an end, until there is something to count.
    assert found['statuses'][1][2] == 0
    _text, value, maximum = found['statuses'][-1]
    assert value == maximum > 0
    about_books = [line for line in found['log'] if line.startswith(('OK', 'SKIP'))]
    assert about_books == expected_log(records)
    assert found['view'][0] == found['view'][1]
    assert len(found['view'][0]['selected']) == 3
    assert found['view'][0]['scrolled'] > 0


def check_book_list(found: dict[str, Any], records: list[LibraryRecord]) -> None:
    for number, record in enumerate(records, 1):
        when = read_date(record)
        shown = when.astimezone(zone_of_calibre(ZONE)).strftime('%d %b %Y') if when else ''
        assert found['dates'][str(number)] == shown
    assert found['repainted'] == [
        number for number, record in enumerate(records, 1) if read_date(record) or is_completed(record)
    ]
    assert found['ticked'] == [number for number, record in enumerate(records, 1) if is_completed(record)]


def check_second_sync(found: dict[str, Any], records: list[LibraryRecord]) -> None:
    skipped = sum(read_date(record) is None and not is_completed(record) for record in records)
    assert found['second'] == f'Done - 0 updated, {skipped} skipped.'
    assert not any(line.startswith('OK') for line in found['second_log'])
    assert found['touched'] == {'modified': [], 'queued': []}
    assert found['ascending'] == sorted(found['ascending'])
    assert found['descending'] == sorted(found['ascending'], reverse=True)
    assert len(set(found['ascending'])) > 100


def check_undo(found: dict[str, Any], values: int) -> None:
    assert re.fullmatch(
        rf'Put back {values} values that the sync of \d{{4}}-\d\d-\d\d \d\d:\d\d had replaced\.', found['undone']
    )
    assert found['undo_log'] == [found['undone']]
    assert found['dates'] == ['']
    assert found['nothing_left'] == 'There is no sync left to undo.'
    assert found['touched_by_nothing'] == {'modified': [], 'queued': []}


FAILURES = {
    'wrong password': 'Error: BookFusion refused the email address or the password. '
    'Correct them in Settings, or sign in with a browser there.',
    'no password': 'Error: The password of the BookFusion account is missing. Enter it in Settings, '
    'or sign in with a browser there.',
    'no email': 'Error: The email address of the BookFusion account is missing. Enter it in Settings, '
    'or sign in with a browser there.',
    'column missing': 'Error: The Last Read Column #nowhere does not exist in this library. Create it, '
    'or choose another one in Settings.',
    'column of another type': 'Error: The Last Read Column #completed is not a Date column. '
    'Choose another one in Settings.',
    'no column chosen': 'Error: No Last Read Column is chosen. Choose one under Columns in Settings.',
    'refused': 'Error: BookFusion could not be reached (connection refused). Check the internet connection '
    'and the proxy of this computer, then try again.',
}


def check_failures(found: dict[str, Any]) -> None:
    assert {name: each['status'] for name, each in found['failures'].items()} == FAILURES
    assert {name: each['log'] for name, each in found['failures'].items()} == {
        name: [sentence] for name, sentence in FAILURES.items()
    }
    assert found['failures']['wrong password']['sign_ins'] == 1
    assert sum(each['sign_ins'] for each in found['failures'].values()) == 1
    assert found['touched'] == {'modified': [], 'queued': []}


def test_sync_of_a_whole_library_and_what_stays_of_it(
    run_gui: Any, make_library: Any, open_library: OpenLibrary, in_good_order: Any
) -> None:
    """Syncs twice and sorts; then, in a Calibre started anew, sorts, undoes, and fails in many ways."""
    records = generate_records(COUNT) + [LibraryRecord(**fields) for fields in EXTRA]
    library = make_library([book(record) for record in records])
    order = {'argument': {'count': COUNT, 'extra': EXTRA}, 'env': {'TZ': ZONE}}
    found = in_good_order(run_gui(SCRIPTS / 'sync_from_window.py', library, **order))
    check_window(found['window'])
    check_first_sync(found, records)
    check_book_list(found, records)
    check_second_sync(found, records)
    assert found['threads'] == []
    expected = expected_cells(records)
    assert cells(open_library(library)) == expected

    again = in_good_order(run_gui(SCRIPTS / 'after_restart.py', library, **order))
    assert again['ascending'] == found['ascending']
    assert again['descending'] == found['descending']
    check_undo(again, values=sum(value is not None for pair in expected.values() for value in pair))
    check_failures(again)
    dates = sum(day is not None for day, _flag in expected.values())
    assert again['without_flags'] == f'Done - {dates} updated, {len(records) - dates} skipped.'
    assert (
        'Note: the completed column #gone does not exist in this library, so it is left out.'
        in again['without_flags_log']
    )
    assert again['threads'] == []
    assert cells(open_library(library)) == {number: (day, None) for number, (day, _flag) in expected.items()}


def test_from_right_to_left_and_dark(
    run_gui: Any, make_library: Any, open_library: OpenLibrary, in_good_order: Any, config_folder: Path
) -> None:
    records = generate_records(20)
    library = make_library([book(record) for record in records])
    appearance = config_folder / 'gui.json'
    chosen = json.loads(appearance.read_text(encoding='utf-8')) if appearance.exists() else {}
    appearance.write_text(json.dumps({**chosen, 'color_palette': 'dark'}), encoding='utf-8')
    env = {'CALIBRE_OVERRIDE_LANG': 'ar', 'TZ': ZONE}
    found = in_good_order(run_gui(SCRIPTS / 'other_looks.py', library, argument={'count': 20}, env=env))
    assert found['cancel'] == 'إلغاء'
    assert len(found['looks']) == 4
    for seen in found['looks']:
        assert seen['right_to_left'], seen
        assert seen['background'] < 100 < seen['text'], seen
        assert seen['painted'], seen
    # The log is English and its lines are the same in every language.
    assert [line for line in found['log'] if line.startswith(('OK', 'SKIP'))] == expected_log(records)
    assert found['threads'] == []
    assert cells(open_library(library)) == expected_cells(records)
