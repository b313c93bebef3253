"""Calibre and its user move on while a sync is in each of its phases: nothing crashes, nothing is half written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calibre.db.legacy import LibraryDatabase
from harness.whole_gui import SCRIPTS, book, cells, expected_cells
from standins.bookfusion import generate_records

OpenLibrary = Callable[[Path], LibraryDatabase]
COUNT = 60
RECORDS = generate_records(COUNT)
EXPECTED = expected_cells(RECORDS)
EMPTY = dict.fromkeys(EXPECTED, (None, None))
FILLED = sum(value is not None for pair in EXPECTED.values() for value in pair)
UPDATED = sum(pair != (None, None) for pair in EXPECTED.values())
DONE = f'Done - {UPDATED} updated, {COUNT - UPDATED} skipped.'
CANCELLED = 'Cancelled - nothing was written.'
SWITCHED = 'Error: The library was switched while a job was running, so nothing was written. Start it again.'
# What a sync may take to end after it was told to, even when the server hangs.
LONGEST_END = 3


def test_the_library_is_switched_in_every_phase(
    run_gui: Any, make_library: Any, open_library: OpenLibrary, in_good_order: Any
) -> None:
    libraries = [make_library([book(record) for record in RECORDS]) for _ in range(2)]
    argument = {'count': COUNT, 'libraries': [str(path) for path in libraries]}
    found = in_good_order(run_gui(SCRIPTS / 'switching.py', libraries[0], argument=argument))
    for switch in found['switches']:
        wrote = switch['moment'] == 'writing'
        assert switch['sync'], switch
        assert switch['paused'], switch
        assert switch['threads'], switch
        assert switch['switched'], switch
        assert switch['before'] == 0, switch
        assert switch['after'] == 0, switch
        assert switch['seconds'] < LONGEST_END, switch
        assert switch['left'] == [], switch
        assert switch['status'] in ((DONE,) if wrote else (CANCELLED, SWITCHED)), switch
    assert found['undone'].startswith(f'Put back {FILLED} values'), found['undone']
    assert found['emptied'] == 0
    assert found['answers'] > 0
    assert cells(open_library(Path(found['written']))) == EXPECTED
    assert cells(open_library(Path(found['untouched']))) == EMPTY
