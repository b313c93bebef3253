"""The day in the log is the day in Calibre's column, and today is today, wherever the reader lives."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from time import sleep
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from harness.bookfusion import account
from harness.commands import calibre_environment, executable, run
from harness.time_zones import zone_of_calibre
from standins.bookfusion import BookFusionStandIn, LibraryRecord

ZONES = ['America/Los_Angeles', 'Asia/Kolkata', 'Pacific/Kiritimati']
# The days of both switches in Los Angeles, their neighbours, and the ends of a month, a leap February and a year.
DAYS = [
    *(date(2024, 3, day) for day in (9, 10, 11)),
    *(date(2024, 11, day) for day in (2, 3, 4)),
    date(2024, 2, 29),
    date(2024, 7, 1),
    date(2025, 1, 1),
]
SECOND = timedelta(seconds=1)
COLUMNS: dict[str, Any] = {
    '#iso': {'datatype': 'datetime', 'display': {'date_format': 'yyyy-MM-dd'}},
    '#plain': 'datetime',
}

# Plans and writes moments in a time zone of its own, and looks at them as Calibre's book list shows them.
SCRIPT = """
import json, sys
from datetime import datetime, timezone
from pathlib import Path

from calibre.gui2 import Application
from calibre.gui2.library.delegates import CcDateDelegate
from calibre.gui2.library.models import BooksModel
from calibre.library import db as open_database
from qt.core import QLocale, Qt
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import parse_private_record
from calibre_plugins.bookfusionbacksync.library.calibre_library import Cell, Library, local_day
from calibre_plugins.bookfusionbacksync.rules.sync_plan import Column, SyncRules, log_line, make_plan
from calibre_plugins.bookfusionbacksync.rules.records import PRIVATE_ID_SPACES, FetchedLibrary
from calibre_plugins.bookfusionbacksync.jobs.sync import take_snapshot

folder, answer = sys.argv[1:3]
moments = json.loads(sys.argv[3])
application = Application([])
application.setQuitOnLastWindowClosed(False)


def look(database):
    model = BooksModel()
    model.set_database(database)
    delegates = {}
    for column in ('#iso', '#plain'):
        delegates[column] = CcDateDelegate(None)
        delegates[column].set_format(model.custom_columns[column]['display'].get('date_format'))
    shown = {}
    for row in range(model.rowCount(None)):
        for column, delegate in delegates.items():
            index = model.index(row, model.column_map.index(column))
            shown[f'{model.id(row)}{column}'] = delegate.displayText(
                model.data(index, Qt.ItemDataRole.DisplayRole), QLocale()
            )
    model.sort(model.column_map.index('#iso'), Qt.SortOrder.DescendingOrder)
    order = [model.id(row) for row in range(model.rowCount(None))]
    return shown, order


database = open_database(folder)
library = Library(database.new_api)
records = [
    parse_private_record({'id': 100 + number, 'last_read_at': moment}) for number, moment in enumerate(moments, 1)
]
lines = {}
for column in ('#iso', '#plain'):
    rules = SyncRules({'last_read': Column(column, 'datetime')})
    plan = make_plan(FetchedLibrary(tuple(records), PRIVATE_ID_SPACES, 'test'), take_snapshot(library, rules), rules)
    written = library.write([Cell(one.book_id, one.column, one.old, one.new) for one in plan.changes])
    assert len(written.cells) == len(moments), written
    lines = {one.book_id: log_line(one, local_day) for one in plan.entries}
before = look(database)
database.close()
database = open_database(folder)
after = look(database)
rules = SyncRules({'last_read': Column('#iso', 'datetime')})
again = make_plan(
    FetchedLibrary(tuple(records), PRIVATE_ID_SPACES, 'test'), take_snapshot(Library(database.new_api), rules), rules
)
database.close()
shown, order = zip(before, after)
Path(answer).write_text(json.dumps({'lines': lines, 'shown': shown, 'order': order, 'again': len(again.changes)}))
"""


def moments_in(zone: ZoneInfo) -> list[datetime]:
    """Around midnight at both ends of each day, at noon, and every half hour of the nights when clocks are changed."""
    found = set()
    for day in DAYS:
        for whole in (day, day + timedelta(days=1)):
            midnight = datetime.combine(whole, time(), zone).astimezone(timezone.utc)
            found.update({midnight - SECOND, midnight, midnight + SECOND})
        found.add(datetime.combine(day, time(12), zone).astimezone(timezone.utc))
    for day in (date(2024, 3, 10), date(2024, 11, 3)):
        start = datetime.combine(day, time(), zone).astimezone(timezone.utc)
        found.update(start + timedelta(minutes=30 * step) for step in range(9))
    return sorted(found)


@pytest.mark.parametrize('name', ZONES)
def test_log_and_column_show_the_same_day(
    name: str, make_library: Any, config_folder: Path, tmp_path: Path, calibre_lock: Any
) -> None:
    zone = ZoneInfo(name)
    moments = moments_in(zone)
    folder = make_library(
        [{'title': f'Book {n}', 'identifiers': {'bookfusion': 100 + n}} for n in range(1, len(moments) + 1)],
        columns=COLUMNS,
    )
    script, answer = tmp_path / 'look.py', tmp_path / 'answer.json'
    script.write_text(SCRIPT)
    sent = json.dumps([moment.strftime('%Y-%m-%dT%H:%M:%S.000Z') for moment in moments])
    with calibre_lock.free_for_subprocess(), calibre_environment(config_folder, {'TZ': name}) as environment:
        command = [executable('calibre-debug'), '-e', str(script), '--', str(folder), str(answer), sent]
        done = run(command, environment, 60)
    assert done.returncode == 0, done.stderr
    found = json.loads(answer.read_text())
    shown_in = zone_of_calibre(name)
    days = {number: moment.astimezone(shown_in).date() for number, moment in enumerate(moments, 1)}
    assert found['lines'] == {
        str(number): f'OK Book {number} -> {day.isoformat()} (from last_read_at, match=id)'
        for number, day in days.items()
    }
    expected = {f'{number}#iso': day.isoformat() for number, day in days.items()}
    expected |= {f'{number}#plain': day.strftime('%d %b %Y') for number, day in days.items()}
    # As written, and as read again after a restart.
    assert found['shown'] == [expected, expected]
    newest_first = sorted(days, reverse=True)
    assert found['order'] == [newest_first, newest_first]
    assert found['again'] == 0


def days_from_now(zone: tzinfo, days: int) -> datetime:
    """The moment at which that day begins. Not asked for just before midnight, when today may end any moment."""
    while (now := datetime.now(zone)).time() > time(23, 58):
        sleep(1)
    return datetime.combine(now.date() + timedelta(days=days), time(), zone).astimezone(timezone.utc)


@pytest.mark.parametrize('name', ZONES)
def test_a_newer_date_is_at_most_two_days_ahead(
    name: str, make_library: Any, bookfusion: BookFusionStandIn, run_cli: Any, open_library: Any
) -> None:
    limit = days_from_now(zone_of_calibre(name), 3)
    held = [limit - timedelta(days=3), limit - timedelta(days=1), limit - SECOND, limit, limit + timedelta(days=999)]
    read = limit - timedelta(days=9)
    bookfusion.records = [
        LibraryRecord(100 + number, title='Emma', last_read_at=read.isoformat()) for number in range(len(held))
    ]
    folder = make_library(
        [
            {'title': 'Emma', 'identifiers': {'bookfusion': 100 + number}, '#dateread': moment}
            for number, moment in enumerate(held)
        ]
    )
    settings = account(bookfusion, keep_newer_date=True)
    done = run_cli('sync', '--library', folder, settings=settings, env={'TZ': name})
    assert done.last_line == 'Done - 2 updated, 0 skipped.', done
    found = open_library(folder).new_api.all_field_for('#dateread', range(1, 6))
    assert list(found.values()) == [*held[:3], read, read]


@pytest.mark.parametrize('name', ZONES)
def test_a_date_of_bookfusion_is_doubted_when_it_is_more_than_two_days_ahead(
    name: str, make_library: Any, bookfusion: BookFusionStandIn, run_cli: Any
) -> None:
    limit = days_from_now(zone_of_calibre(name), 3)
    sent = {'Sane': limit - SECOND, 'Wrong': limit}
    bookfusion.records = [
        LibraryRecord(100 + number, title=title, last_read_at=moment.isoformat())
        for number, (title, moment) in enumerate(sent.items())
    ]
    folder = make_library(
        [{'title': title, 'identifiers': {'bookfusion': 100 + number}} for number, title in enumerate(sent)]
    )
    done = run_cli('sync', '--library', folder, settings=account(bookfusion), env={'TZ': name})
    notes = [line for line in done.stdout.splitlines() if line.startswith('Note:')]
    assert [line.split(':')[1].strip() for line in notes] == ['Wrong']
    assert done.last_line == 'Done - 2 updated, 0 skipped.'
