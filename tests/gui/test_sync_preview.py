"""The preview: the whole plan as a table; what is ticked is written, and nothing else."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.gui.sync_preview import ValueFormat, plan_columns
from calibre_plugins.bookfusionbacksync.gui.ticked_table import TickedTable
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from calibre_plugins.bookfusionbacksync.rules.sync_plan import Change
from harness.bookfusion import book
from harness.desk import held_worker
from harness.screen import cells
from qt.core import Qt, QWidget
from standins.bookfusion import LibraryRecord

BOOK, _COLUMN, _NOW, THEN, SOURCE = range(5)
DISPLAY, CHECK = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.CheckStateRole
READ = datetime(2024, 11, 3, 12, 0, tzinfo=timezone.utc)
COLUMNS = {
    '#dateread': {'datatype': 'datetime', 'name': 'Last read', 'display': {'date_format': 'yyyy/MM/dd'}},
    '#completed': {'datatype': 'bool', 'name': 'Finished'},
    '#progress': {'datatype': 'int', 'name': 'Progress', 'display': {'number_format': '{} %'}},
}
RECORDS = [
    LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z', percentage=100),
    LibraryRecord(id=2, book_id=12, title='Dracula', last_read_at='2023-05-01T12:00:00Z', percentage=50),
    LibraryRecord(id=3, book_id=13, title='Ulysses', last_read_at='2022-01-01T12:00:00Z', percentage=7),
]
CHOSEN = {'completed_column': '#completed', 'progress_column': '#progress'}


def books() -> list[dict[str, Any]]:
    return [book(record) for record in RECORDS]


def rows(dialog: Any) -> list[list[str]]:
    return cells(dialog.table, SOURCE + 1)


def toggle(dialog: Any, row: int) -> None:
    """Clicks the check box of a row."""
    index = dialog.table.model().index(row, BOOK)
    ticked = Qt.CheckState(index.data(CHECK)) == Qt.CheckState.Checked
    state = Qt.CheckState.Unchecked if ticked else Qt.CheckState.Checked
    assert dialog.table.model().setData(index, state.value, CHECK)


@pytest.fixture
def desk(open_desk: Any, make_library: Any, bookfusion: Any) -> Any:
    bookfusion.records = RECORDS
    library = make_library([*books(), {'title': 'Not on BookFusion', 'identifiers': {'bookfusion': 99}}], COLUMNS)
    return open_desk(library, **CHOSEN)


def test_shows_values_as_calibre_does(desk: Any) -> None:
    desk.api.set_field('#progress', {2: 12})
    dialog = desk.see_preview()
    assert rows(dialog)[:4] == [
        ['Emma', '#dateread (Last read)', '', '2024/11/03', 'from last_read_at, match=book_id'],
        ['Emma', '#completed (Finished)', '', 'Yes', 'percentage=100.000, threshold=99.90, match=book_id'],
        ['Emma', '#progress (Progress)', '', '100 %', 'from reading_position.percentage, match=book_id'],
        ['Dracula', '#dateread (Last read)', '', '2023/05/01', 'from last_read_at, match=book_id'],
    ]
    assert rows(dialog)[4][:4] == ['Dracula', '#progress (Progress)', '12 %', '50 %']
    assert dialog.findChild(QWidget, 'summary').text() == (
        'A sync would change 3 books. Untick what you do not want. 1 book is skipped.'
    )


def test_apply_writes_what_is_ticked(desk: Any, bookfusion: Any) -> None:
    dialog = desk.see_preview()
    assert desk.status == 'Nothing is written yet. Choose what to write.'
    requests = bookfusion.count()
    toggle(dialog, 0)
    toggle(dialog, 4)
    assert dialog.count.text() == '5 of 7 changes ticked'
    dialog.apply_button.click()
    desk.idle()
    assert desk.status == 'Done - 3 updated, 1 skipped.'
    ids = [1, 2, 3]
    assert {book: str(value)[:10] for book, value in desk.api.all_field_for('#dateread', ids).items() if value} == {
        2: '2023-05-01',
        3: '2022-01-01',
    }
    assert desk.api.all_field_for('#completed', ids) == {1: True, 2: None, 3: None}
    assert desk.api.all_field_for('#progress', ids) == {1: 100, 2: None, 3: 7}
    assert desk.book_view.refreshed[-1] == {1, 2, 3}
    assert [line for line in desk.log if line.startswith('OK')] == [
        'OK Emma -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
        'OK Emma -> Progress=100 (from reading_position.percentage, match=book_id)',
        'OK Dracula -> 2023-05-01 (from last_read_at, match=book_id)',
        'OK Ulysses -> 2022-01-01 (from last_read_at, match=book_id)',
        'OK Ulysses -> Progress=7 (from reading_position.percentage, match=book_id)',
    ]
    # Nothing is asked of BookFusion again, and what was asked counts.
    assert bookfusion.count() == requests
    assert desk.dialog.result_bar.outcome.requests == requests > 0


def test_cancel_writes_nothing(desk: Any) -> None:
    dialog = desk.see_preview()
    dialog.reject()
    assert desk.status == 'Cancelled - nothing was written.'
    assert set(desk.api.all_field_for('#dateread', [1, 2, 3]).values()) == {None}
    assert not desk.jobs.busy
    assert desk.jobs.free
    assert desk.run('sync_now') == 'Done - 3 updated, 1 skipped.'


def test_apply_waits_for_the_job_of_another_window(desk: Any) -> None:
    dialog = desk.see_preview()
    toggle(dialog, 0)
    ended = threading.Event()
    assert desk.jobs.start(held_worker(ended))
    assert not dialog.apply_button.isEnabled()
    assert dialog.count.text() == 'Another job of this plugin is running.'
    toggle(dialog, 4)
    assert not dialog.apply_button.isEnabled()
    ended.set()
    desk.idle()
    assert dialog.count.text() == '5 of 7 changes ticked'
    assert desk.status == 'Nothing is written yet. Choose what to write.'
    dialog.apply_button.click()
    desk.idle()
    assert desk.status == 'Done - 3 updated, 1 skipped.'


def test_a_job_that_cannot_start_leaves_the_window_free(desk: Any) -> None:
    dialog = desk.see_preview()
    ended = threading.Event()
    assert desk.jobs.start(held_worker(ended))
    dialog.accept()
    assert desk.status == 'Another job is running. Wait until it is done, or stop it.'
    ended.set()
    desk.idle()
    assert not desk.child('cancel').isVisible()
    assert desk.run('sync_now') == 'Done - 3 updated, 1 skipped.'


def test_without_changes_there_is_no_table(desk: Any) -> None:
    desk.run('sync_now')
    desk.click('preview')
    desk.until(lambda: desk.status == 'Done - 0 updated, 1 skipped.')
    assert desk.dialog._preview_dialog is None


def test_nothing_else_starts_while_the_table_is_shown(desk: Any) -> None:
    dialog = desk.see_preview()
    assert not desk.jobs.free
    desk.dialog.start_sync()
    assert not desk.jobs.busy
    assert 'Another job is running' in desk.status
    dialog.reject()


def test_closing_the_window_closes_the_table(desk: Any) -> None:
    dialog = desk.see_preview()
    desk.dialog.reject()
    assert not dialog.isVisible()
    assert desk.jobs.free


def test_a_value_edited_meanwhile_is_left_alone(desk: Any) -> None:
    dialog = desk.see_preview()
    desk.api.set_field('#progress', {1: 99})
    dialog.apply_button.click()
    desk.idle()
    assert desk.api.field_for('#progress', 1) == 99
    assert 'Note: book 1 was edited meanwhile and was left alone.' in desk.log


def test_sorts_by_the_values_themselves(desk: Any) -> None:
    dialog = desk.see_preview()
    dialog.table.sortByColumn(THEN, Qt.SortOrder.AscendingOrder)
    # Numbers with numbers, dates with dates; as text "100 %" would stand before "7 %".
    assert [row[THEN] for row in rows(dialog)] == [
        'Yes',
        '7 %',
        '50 %',
        '100 %',
        '2022/01/01',
        '2023/05/01',
        '2024/11/03',
    ]
    dialog.table.sortByColumn(BOOK, Qt.SortOrder.DescendingOrder)
    assert [row[BOOK] for row in rows(dialog)] == ['Ulysses'] * 2 + ['Emma'] * 3 + ['Dracula'] * 2


def test_ticks_stay_with_their_changes_when_sorted(desk: Any) -> None:
    dialog = desk.see_preview()
    toggle(dialog, 0)
    dialog.table.sortByColumn(BOOK, Qt.SortOrder.AscendingOrder)
    unticked = [
        row
        for number, row in enumerate(rows(dialog))
        if Qt.CheckState(dialog.table.model().index(number, BOOK).data(CHECK)) == Qt.CheckState.Unchecked
    ]
    assert [row[:4] for row in unticked] == [['Emma', '#dateread (Last read)', '', '2024/11/03']]
    # What is ticked comes in the order of the plan, whatever the table's is.
    assert [change.title for change in dialog.ticked] == ['Emma', 'Emma', 'Dracula', 'Dracula', 'Ulysses', 'Ulysses']


def test_the_filter_looks_at_everything_that_is_shown(desk: Any) -> None:
    dialog = desk.see_preview()
    edit = dialog.filter_edit
    for words, titles in (
        ('emma', ['Emma'] * 3),
        ('  LAST   read ', ['Emma', 'Dracula', 'Ulysses']),
        ('2023/05', ['Dracula']),
        ('yes', ['Emma']),
        ('emma progress', ['Emma']),
        ('threshold', ['Emma']),
        ('nothing like it', []),
    ):
        edit.setText(words)
        assert [row[BOOK] for row in rows(dialog)] == titles, words
    edit.clear()
    assert len(rows(dialog)) == 7


def test_ticks_all_that_the_filter_shows(desk: Any) -> None:
    dialog = desk.see_preview()
    dialog.findChild(QWidget, 'untick_all').click()
    assert dialog.ticked == ()
    assert not dialog.apply_button.isEnabled()
    dialog.filter_edit.setText('emma')
    dialog.findChild(QWidget, 'tick_all').click()
    assert {change.title for change in dialog.ticked} == {'Emma'}
    assert dialog.count.text() == '3 of 7 changes ticked'
    assert dialog.apply_button.isEnabled()


def test_space_toggles_the_selected_rows(desk: Any) -> None:
    dialog = desk.see_preview()
    dialog.table.selectAll()
    desk.qtbot.keyClick(dialog.table, Qt.Key.Key_Space)
    assert dialog.ticked == ()
    dialog.table.selectRow(1)
    desk.qtbot.keyClick(dialog.table, Qt.Key.Key_Space)
    assert [change.column for change in dialog.ticked] == ['#completed']


def test_selected_books_only(desk: Any) -> None:
    desk.use_book_list(type('Selection', (), {'selected': lambda self: [2]})())
    desk.child('selected_only').setChecked(True)
    dialog = desk.see_preview()
    assert {row[BOOK] for row in rows(dialog)} == {'Dracula'}
    dialog.reject()
    desk.use_book_list(type('Selection', (), {'selected': lambda self: []})())
    desk.click('preview')
    assert not desk.jobs.busy
    assert 'No books are selected' in desk.status


def many_changes(count: int) -> tuple[Change, ...]:
    return tuple(
        Change(
            number, f'Title {number * 7919 % count}', '#dateread', 'last_read', None, READ, 'from last_read_at', 'id'
        )
        for number in range(count)
    )


def test_tens_of_thousands_of_rows_are_quick(qtbot: Any, make_library: Any, open_library: Any) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    shown = ValueFormat(Library(open_library(make_library(columns=COLUMNS)).new_api))
    start = time.thread_time()
    table = TickedTable('changes', 'Changes', many_changes(40_000), plan_columns({}, shown), parent)
    table.sortByColumn(BOOK, Qt.SortOrder.AscendingOrder)
    table.shown.set_words('39')
    table.tick_shown(False)
    # Processor time: how busy the computer is with something else does not count.
    assert time.thread_time() - start < 4
    assert 0 < len(table.ticked) < 40_000
