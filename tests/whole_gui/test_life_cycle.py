"""Calibre and its user move on while a sync is in each of its phases: nothing crashes, nothing is half written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from harness.bookfusion import book
from harness.whole_gui import SCRIPTS, cells, expected_cells
from standins.bookfusion import generate_records

# Many phases in one run take their time where other programs keep the processors busy.
pytestmark = pytest.mark.timeout(240)
LONGEST_RUN = 120

OpenLibrary = Callable[[Path], LibraryDatabase]
COUNT = 60
RECORDS = generate_records(COUNT)
EXPECTED = expected_cells(RECORDS)
EMPTY = dict.fromkeys(EXPECTED, (None, None))
DATES = sum(day is not None for day, _flag in EXPECTED.values())
FILLED = sum(value is not None for pair in EXPECTED.values() for value in pair)
UPDATED_BOOKS = [number for number, pair in EXPECTED.items() if pair != (None, None)]
UPDATED = len(UPDATED_BOOKS)
DONE = f'Done - {UPDATED} updated, {COUNT - UPDATED} skipped.'
CANCELLED = 'Cancelled - nothing was written.'
SWITCHED = 'Error: The library was switched while a job was running, so nothing was written. Start it again.'
# As the script edits it, in the time zone of its run.
EDITED_DATE = '2001-02-03T12:00:00+00:00'
HELD_BY_THE_SERVER = ('signing_in', 'first_page', 'middle_page', 'retry_wait')
# A sync that does not end when it should, as on a disk that does not answer.
STUCK = {'release': 19}


def test_the_library_is_switched_in_every_phase(
    run_gui: Any, make_library: Any, open_library: OpenLibrary, in_good_order: Any
) -> None:
    libraries = [make_library([book(record) for record in RECORDS]) for _ in range(2)]
    argument = {'count': COUNT, 'libraries': [str(path) for path in libraries]}
    found = in_good_order(run_gui(SCRIPTS / 'switching.py', libraries[0], argument=argument, timeout=LONGEST_RUN))
    for switch in found['switches']:
        wrote = switch['moment'] == 'writing'
        assert switch['sync'], switch
        assert switch['paused'], switch
        assert switch['threads'], switch
        assert switch['switched'], switch
        assert switch['before'] == 0, switch
        assert switch['after'] == 0, switch
        assert switch['ended'], switch
        assert switch['left'] == [], switch
        assert switch['status'] in ((DONE,) if wrote else (CANCELLED, SWITCHED)), switch
    assert found['undone'].startswith(f'Put back {FILLED} values'), found['undone']
    assert found['emptied'] == 0
    assert found['answers'] > 0
    assert cells(open_library(Path(found['written']))) == EXPECTED
    assert cells(open_library(Path(found['untouched']))) == EMPTY


@pytest.mark.parametrize(
    ('moment', 'more'),
    [
        ('signing_in', {'close': True}),
        # What disables a plugin with a button of its own: Calibre only removes it, here with its zip.
        ('first_page', {'remove_plugin': True}),
        ('middle_page', {'content_server': True}),
        ('retry_wait', {}),
        ('scanning', {'automatic': True, 'content_server': True}),
        ('planning', STUCK),
        ('before_writing', {}),
        # Longer than the plugin lets Calibre wait for anything else: a write is waited for.
        ('writing', {'release': 4, 'content_server': True}),
    ],
)
def test_calibre_quits_in_every_phase(
    run_gui: Any,
    make_library: Any,
    open_library: OpenLibrary,
    in_good_order: Any,
    tmp_path: Path,
    moment: str,
    more: Any,
) -> None:
    library = make_library([book(record) for record in RECORDS])
    goodbye = tmp_path / 'goodbye.json'
    argument = {'count': COUNT, 'moment': moment, 'goodbye': str(goodbye), **more}
    found = in_good_order(run_gui(SCRIPTS / 'quitting.py', library, argument=argument, timeout=LONGEST_RUN))
    assert found['paused']
    assert found['threads']
    end = json.loads(goodbye.read_text(encoding='utf-8'))
    # Whatever the server holds back is not waited for, nor what hangs; a step that is under way is.
    assert end['held'] == (moment in HELD_BY_THE_SERVER or more == STUCK), end
    assert end['left'] == (['SyncWorker'] if more == STUCK else []), end
    assert cells(open_library(library)) == (EXPECTED if moment in ('before_writing', 'writing') else EMPTY)


def check_closed(seen: dict[str, Any]) -> None:
    writes = seen['moment'] in ('before_writing', 'writing')
    assert seen['before'] == 0, seen
    assert seen['paused'], seen
    assert seen['threads'], seen
    assert seen['closed'], seen
    assert not seen.get('enabled_while_busy'), seen
    assert seen['ended'], seen
    assert seen['left'] == [], seen
    assert seen['after'] == (FILLED if writes else 0), seen
    # The window that is opened again in time is told how the sync ended.
    assert seen['status'] == ((DONE if writes else CANCELLED) if seen['reopened'] else 'Ready to sync.'), seen
    assert seen['shown'] == (DATES if writes else 0), seen
    assert seen['repainted'] == (UPDATED_BOOKS if writes else []), seen
    assert seen['enabled'], seen


def check_edited(seen: dict[str, Any], edited: list[int]) -> None:
    """Before Calibre's side is read an edit is just the old value; from then on the user's word stands."""
    kept = seen['moment'] in ('planning', 'before_writing', 'writing')
    assert seen['paused'], seen
    assert seen['status'].startswith('Done - '), seen
    assert seen['shown_as_held'], seen
    held = {int(number): tuple(pair) for number, pair in seen['cells'].items()}
    assert seen['deleted'] not in held
    expected = {number: (day and day.isoformat(), flag) for number, (day, flag) in EXPECTED.items() if number in held}
    date_book, flag_book = edited
    if kept:
        expected[date_book] = (EDITED_DATE, expected[date_book][1])
        expected[flag_book] = (expected[flag_book][0], False)
    assert held == expected
    notes = [line for line in seen['log'] if line.startswith('Note: book')]
    assert notes == (
        [
            f'Note: book {date_book} was edited meanwhile and was left alone.',
            f'Note: book {flag_book} was edited meanwhile and was left alone.',
            f'Note: book {seen["deleted"]} was deleted meanwhile and was left alone.',
        ]
        if seen['moment'] in ('planning', 'before_writing')
        else []
    )


def test_the_window_is_closed_and_the_library_edited_in_every_phase(
    run_gui: Any, make_library: Any, open_library: OpenLibrary, in_good_order: Any
) -> None:
    library = make_library([book(record) for record in RECORDS])
    date_book, flag_book, *others = (number for number, pair in EXPECTED.items() if None not in pair)
    edited = [date_book, flag_book]
    argument = {'count': COUNT, 'edited': edited, 'to_delete': others}
    found = in_good_order(
        run_gui(
            SCRIPTS / 'closing_and_editing.py', library, argument=argument, timeout=LONGEST_RUN, env={'TZ': 'Etc/UTC'}
        )
    )
    assert len(found['closed']) == 10
    for seen in found['closed']:
        check_closed(seen)
    assert len(found['edited']) == 8
    for seen in found['edited']:
        check_edited(seen, edited)
    gone = {seen['deleted'] for seen in found['edited']}
    assert set(cells(open_library(library))) == set(EXPECTED) - gone


def test_preview_while_calibre_moves_on(
    run_gui: Any, make_library: Any, open_library: OpenLibrary, in_good_order: Any
) -> None:
    libraries = [make_library([book(record) for record in RECORDS]) for _ in range(2)]
    argument = {'count': COUNT, 'libraries': [str(path) for path in libraries]}
    found = in_good_order(run_gui(SCRIPTS / 'previewing.py', libraries[0], argument=argument, timeout=LONGEST_RUN))
    assert found['closed_when_ready']
    assert found['table']
    assert found['status'] == CANCELLED
    assert found['again']
    assert found['closed']
    assert found['filled'] == 0
    assert found['threads'] == []
    for library in libraries:
        assert cells(open_library(library)) == EMPTY


def test_the_menu_is_used_while_a_job_ends(run_gui: Any, make_library: Any, in_good_order: Any) -> None:
    library = make_library([book(record) for record in RECORDS])
    found = in_good_order(run_gui(SCRIPTS / 'from_the_menu.py', library, argument={'count': COUNT}))
    assert found['form']
    assert found['saved']
    assert found['help'] == 0


def test_calibre_quits_over_the_table_of_a_preview(run_gui: Any, make_library: Any, open_library: OpenLibrary) -> None:
    library = make_library([book(record) for record in RECORDS])
    done = run_gui(SCRIPTS / 'from_the_menu.py', library, argument={'count': COUNT, 'quit': True})
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
    assert 'QThread' not in done.stderr
    assert cells(open_library(library)) == EMPTY
