"""The window of the plugin: what it says while jobs run and after them, its log, and what can be done with it."""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from calibre.constants import numeric_version
from calibre.gui2 import Application
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.gui.book_list import NotShown
from calibre_plugins.bookfusionbacksync.gui.check_dialog import CheckDialog
from calibre_plugins.bookfusionbacksync.gui.help_dialog import HelpDialog
from calibre_plugins.bookfusionbacksync.gui.log_view import LogView
from calibre_plugins.bookfusionbacksync.jobs import sync
from calibre_plugins.bookfusionbacksync.jobs.browser_sign_in import SIGNED_OUT
from calibre_plugins.bookfusionbacksync.library import last_sync, old_log
from calibre_plugins.bookfusionbacksync.main import MainDialog
from calibre_plugins.bookfusionbacksync.sync_worker import Worker
from harness.bookfusion import book
from harness.desk import handle_events, held_worker
from harness.secrets import TEST_HARDCOVER_TOKEN, TEST_PASSWORD, leaks
from qt.core import (
    QAbstractButton,
    QApplication,
    QEvent,
    QLabel,
    QMouseEvent,
    QPointF,
    QScrollArea,
    Qt,
    QTextCursor,
    QTimer,
    QWidget,
    qVersion,
)
from standins.bookfusion import LIBRARY, SIGN_IN, LibraryRecord
from standins.faults import Hold, Status

RECORDS = [
    LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z', percentage=100),
    LibraryRecord(id=2, book_id=12, title='Emma', last_read_at='2024-11-03T12:00:00Z', percentage=50),
    LibraryRecord(id=3, book_id=13, title='Ulysses', last_read_at='yesterday'),
]
BOOKS = [
    *(book(record) for record in RECORDS),
    {'title': 'Only in Calibre', 'identifiers': {'bookfusion': 99}},
    {'title': 'Without an identifier'},
]


class Asked:
    """The book list, as far as the window asks something of it; see test_hidden_books for the real one.

    It hides book 3 until it is asked to leave its restrictions.
    """

    def __init__(self, selected: tuple[int, ...] = ()) -> None:
        self.shown: list[int] = []
        self.marked: list[tuple[set[int], str]] = []
        self._selected = list(selected)
        self._hidden = {3}

    def selected(self) -> list[int]:
        return self._selected

    def show(self, book_id: int) -> NotShown:
        self.shown.append(book_id)
        return self._not_shown({book_id})

    def mark(self, book_ids: Any, name: str) -> NotShown:
        self.marked.append((set(book_ids), name))
        return self._not_shown(set(book_ids))

    def leave_restrictions(self) -> None:
        self._hidden.clear()

    def _not_shown(self, book_ids: set[int]) -> NotShown:
        return NotShown(hidden=len(book_ids & self._hidden), gone=0, of=len(book_ids))


@pytest.fixture
def desk(open_desk: Any, make_library: Any, bookfusion: Any) -> Any:
    bookfusion.records = RECORDS
    return open_desk(make_library(BOOKS), completed_column='#completed')


def double_click(view: LogView, line: int) -> None:
    """A double click of the left button into a line."""
    block = view.document().findBlockByNumber(line)
    place = view.blockBoundingGeometry(block).translated(view.contentOffset()).center()
    place.setX(20)
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick):
        left = Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, QPointF(place), left, left, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(view.viewport(), event)


def test_is_not_modal_and_named_for_assistive_tools(desk: Any) -> None:
    assert not desk.dialog.isModal()
    for name in ('status', 'progress', 'log', 'sync_now', 'preview', 'undo', 'settings', 'close'):
        assert desk.child(name).objectName() == name
    assert desk.child('log').accessibleName()
    assert desk.child('progress').accessibleName()


def test_says_what_goes_on(desk: Any, bookfusion: Any) -> None:
    """Busy while signing in and fetching, filling while matching, full at the end."""
    seen: list[tuple[str, int, int]] = []
    bar = desk.child('progress')
    label = desk.child('status')
    say, show = label.setText, bar.setValue

    def note(change: Callable[[Any], None], value: Any) -> None:
        change(value)
        seen.append((desk.status, bar.value(), bar.maximum()))

    label.setText, bar.setValue = partial(note, say), partial(note, show)
    assert desk.status == 'Ready to sync.'
    assert desk.run('sync_now') == 'Done - 2 updated, 2 skipped.'
    texts = list(dict.fromkeys(text for text, _value, _maximum in seen))
    # Before the first words of the job there is nothing to say.
    assert texts == [
        '',
        'Authenticating...',
        'Fetching BookFusion library...',
        'Fetching BookFusion library... (3)',
        'Scanning Calibre library...',
        'Writing 2 dates to Calibre...',
        'Done - 2 updated, 2 skipped.',
    ]
    for text, value, maximum in seen:
        if text.startswith(('Authenticating', 'Fetching')):
            assert maximum == 0
        elif text.startswith('Done'):
            assert value == maximum > 0
    assert any(text.startswith('Scanning') and maximum == 4 for text, _value, maximum in seen)
    assert desk.log == [
        'OK Emma -> 2024-11-03 (from last_read_at, match=book_id)',
        'OK Emma -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
        'OK Emma -> 2024-11-03 (from last_read_at, match=book_id)',
        "SKIP Ulysses -> unreadable date 'yesterday' (from last_read_at, match=book_id)",
        'Skipped: 1 unreadable date, 1 not in the BookFusion library.',
    ]
    assert desk.book_view.refreshed == [{1, 2}]


def test_a_second_sync_and_its_undo(desk: Any) -> None:
    desk.run('sync_now')
    assert desk.run('sync_now') == 'Done - 0 updated, 2 skipped.'
    assert '2 books already held every value.' in desk.log
    assert desk.run('undo').startswith('Put back 3 values that the sync of ')
    assert set(desk.api.all_field_for('#dateread', [1, 2]).values()) == {None}
    assert desk.run('undo') == 'There is no sync left to undo.'


@pytest.mark.parametrize(
    ('changed', 'words', 'sentence'),
    [
        ({'email': ''}, 'Enter your BookFusion account below', 'The email address'),
        ({'password': ''}, 'Enter the password of your BookFusion account below', 'The password'),
        ({'last_read_column': ''}, '', 'No Last Read Column is chosen'),
        ({'last_read_column': '#gone'}, '', 'The Last Read Column #gone does not exist'),
        ({'last_read_column': '#completed'}, '', 'The Last Read Column #completed is not a Date column'),
    ],
)
def test_says_what_is_missing_and_where(desk: Any, changed: Any, words: str, sentence: str) -> None:
    settings.save(changed)
    desk.dialog.look_for_missing()
    assert desk.status.startswith(words or sentence), desk.status
    # The page that helps is there, and whoever syncs all the same is told once more.
    assert desk.child('first_run').isVisible()
    assert desk.run('sync_now').startswith(f'Error: {sentence}'), desk.status
    assert 'Settings' in desk.status
    assert desk.child('first_run').isVisible()
    assert set(desk.api.all_field_for('#dateread', [1, 2]).values()) == {None}


def test_a_refused_sign_in_offers_the_browser(desk: Any) -> None:
    settings.save({'password': 'wrong' + TEST_PASSWORD})
    assert desk.run('sync_now').startswith('Error: BookFusion refused')
    assert desk.child('sign_in').isVisible()
    settings.save({'password': TEST_PASSWORD})
    assert desk.run('sync_now').startswith('Done')
    assert not desk.child('sign_in').isVisible()


def test_trouble_ends_with_a_sentence_and_no_traceback(desk: Any, bookfusion: Any) -> None:
    bookfusion.fail(Status(422), path=LIBRARY, times=None)
    status = desk.run('sync_now')
    assert status.startswith('Error: BookFusion')
    assert desk.log[-1] == status
    assert 'Traceback' not in '\n'.join(desk.log)
    assert desk.child('sync_now').isEnabled()


def test_stop_ends_it_while_the_server_holds_its_answer(desk: Any, bookfusion: Any) -> None:
    released = threading.Event()
    fault = bookfusion.fail(Hold(released), path=LIBRARY, times=None)
    desk.click('sync_now')
    desk.until(lambda: fault.hits)
    for name in ('sync_now', 'preview', 'undo', 'settings'):
        assert not desk.child(name).isEnabled()
    desk.click('cancel')
    desk.idle()
    assert desk.status == 'Cancelled - nothing was written.'
    assert not desk.child('cancel').isVisible()
    bookfusion.clear_faults()
    released.set()
    assert desk.run('sync_now').startswith('Done - 2 updated')


def test_says_that_another_job_runs(desk: Any, bookfusion: Any) -> None:
    ended = threading.Event()
    desk.jobs.start(held_worker(ended))
    assert desk.status == 'Another job of this plugin is running.'
    assert not desk.child('sync_now').isEnabled()
    desk.dialog.start_sync()
    assert desk.status == 'Another job is running. Wait until it is done, or stop it.'
    ended.set()
    desk.idle()
    assert desk.status == 'Ready to sync.'
    assert desk.child('sync_now').isEnabled()
    assert bookfusion.count(SIGN_IN) == 0


def test_the_result_is_seen_again_after_another_job(desk: Any) -> None:
    """An automatic sync, say: the log and the books of the result stay as well."""
    done = desk.run('sync_now')
    ended = threading.Event()
    desk.jobs.start(held_worker(ended))
    assert desk.status == 'Another job of this plugin is running.'
    ended.set()
    desk.idle()
    assert desk.status == done
    assert desk.child('show_updated').isVisible()


def test_is_opened_while_another_job_runs(desk: Any, qtbot: Any) -> None:
    settings.save({'email': ''})
    ended = threading.Event()
    desk.jobs.start(held_worker(ended))
    second = MainDialog(desk.window, desk.jobs, lambda: None)
    qtbot.addWidget(second)
    assert second.job_view.status.text() == 'Another job of this plugin is running.'
    assert not second.sync_now.isEnabled()
    ended.set()
    desk.idle()
    assert second.job_view.status.text().startswith('Enter your BookFusion account')
    assert second.sync_now.isEnabled()


def test_double_click_shows_the_book(desk: Any) -> None:
    book_list = desk.use_book_list(Asked())
    desk.run('sync_now')
    log = desk.child('log')
    # Two books have the same title and date: their lines stand in the order of the books.
    for line, books in ((0, [1]), (2, [1, 2]), (1, [1, 2, 1]), (4, [1, 2, 1])):
        double_click(log, line)
        assert book_list.shown == books
    double_click(log, 3)
    assert book_list.shown == [1, 2, 1, 3]
    assert desk.status == 'That book is hidden by the virtual library or the restriction in the main window.'
    desk.click('show_hidden')
    assert book_list.shown[-1] == 3
    assert desk.status.startswith('Done - 2 updated')
    assert not desk.child('show_hidden').isVisible()
    cursor = log.textCursor()
    cursor.setPosition(0)
    log.setTextCursor(cursor)
    desk.qtbot.keyClick(log, Qt.Key.Key_Return)
    assert book_list.shown[-1] == 1


def test_shows_updated_and_skipped_books(desk: Any) -> None:
    book_list = desk.use_book_list(Asked())
    assert not desk.child('show_updated').isVisible()
    desk.run('sync_now')
    assert desk.child('show_updated').text() == 'Show 2 updated books'
    desk.click('show_updated')
    assert desk.child('show_skipped').text() == 'Show 2 skipped books'
    entries = {action.text(): action for action in desk.child('show_skipped').menu().actions() if action.text()}
    assert list(entries) == ['&All skipped books', 'unreadable date (1)', 'not in the BookFusion library (1)']
    for action in entries.values():
        action.trigger()
    assert book_list.marked == [({1, 2}, 'updated'), ({3, 4}, 'skipped'), ({3}, 'skipped'), ({4}, 'skipped')]
    assert not desk.child('show_hidden').isVisible()
    entries['&All skipped books'].trigger()
    assert desk.status == '1 of these books is hidden by the virtual library or the restriction in the main window.'
    assert desk.child('show_hidden').isVisible()
    desk.run('sync_now')
    assert not desk.child('show_hidden').isVisible()
    assert not desk.child('show_updated').isVisible()
    desk.run('undo')
    assert not desk.child('show_skipped').isVisible()


def test_another_library_forgets_the_result(desk: Any) -> None:
    book_list = desk.use_book_list(Asked())
    desk.run('sync_now')
    desk.dialog.library_changed()
    assert not desk.child('show_updated').isVisible()
    double_click(desk.child('log'), 0)
    assert book_list.shown == []


def switch_before_the_end_is_told(desk: Any, database: Any) -> None:
    """The thread has ended, but its signals are still on their way while Calibre switches to another library."""
    assert desk.jobs._worker.wait(20_000)
    desk.jobs.library_about_to_change()
    desk.window.current_db = database
    desk.dialog.library_changed()
    desk.idle()
    handle_events()


def test_the_result_of_another_library_is_not_offered(desk: Any, make_library: Any, open_library: Any) -> None:
    """Its book ids belong to other books here."""
    book_list = desk.use_book_list(Asked())
    other = open_library(make_library(BOOKS))
    desk.dialog.start_sync()
    switch_before_the_end_is_told(desk, other)
    assert desk.status == 'Done - 2 updated, 2 skipped.'
    assert not desk.child('show_updated').isVisible()
    assert not desk.child('show_skipped').isVisible()
    double_click(desk.child('log'), 0)
    assert book_list.shown == []


def test_the_plan_of_another_library_is_not_shown(desk: Any, make_library: Any, open_library: Any) -> None:
    other = open_library(make_library(BOOKS))
    desk.dialog.start_preview()
    switch_before_the_end_is_told(desk, other)
    assert desk.dialog._preview_dialog is None
    assert desk.status == 'Cancelled - nothing was written.'
    assert desk.run('sync_now') == 'Done - 2 updated, 2 skipped.'


def test_what_another_library_lacks_is_seen_though_a_job_was_still_ending(
    desk: Any, make_library: Any, open_library: Any
) -> None:
    other = open_library(make_library(BOOKS, {}))
    desk.dialog.start_sync()
    switch_before_the_end_is_told(desk, other)
    assert desk.status.startswith('The Last Read Column #dateread does not exist')
    assert desk.child('create_columns').isVisible()


def test_a_line_leads_to_the_book_that_was_ticked(desk: Any) -> None:
    """Where two books have the same line and only the second was written."""
    book_list = desk.use_book_list(Asked())
    dialog = desk.see_preview()
    dialog.table.rows.tick([row for row, change in enumerate(dialog.ticked) if change.book_id == 1], False)
    dialog.accept()
    desk.idle()
    assert desk.log[0].startswith('OK Emma')
    double_click(desk.child('log'), 0)
    assert book_list.shown == [2]


def test_a_line_with_a_blanked_word_leads_to_its_book(open_desk: Any, make_library: Any, bookfusion: Any) -> None:
    bookfusion.records = [LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z')]
    secret = Secret('uN4+vXw of this test alone')
    title = f'A book that is called {secret.reveal()}'
    desk = open_desk(make_library([{'title': title, 'identifiers': {'bookfusion': 11}}]))
    book_list = desk.use_book_list(Asked())
    desk.run('sync_now')
    assert secret.reveal() not in desk.log[0]
    double_click(desk.child('log'), 0)
    assert book_list.shown == [1]


def test_syncs_the_selected_books_only(desk: Any) -> None:
    desk.use_book_list(Asked((2, 5)))
    desk.child('selected_only').setChecked(True)
    assert desk.run('sync_now') == 'Done - 1 updated, 0 skipped.'
    assert {book for book, value in desk.api.all_field_for('#dateread', [1, 2]).items() if value} == {2}
    desk.use_book_list(Asked())
    desk.click('sync_now')
    assert desk.status.startswith('No books are selected.')


def test_ten_thousand_lines_come_in_bundles(desk: Any) -> None:
    """From the worker's thread to the last line in the log, without a pause that anybody would notice."""
    count = 10_000
    ticks: list[None] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(None))
    timer.start(1)

    def job(reporter: Any, _cancel: Any) -> None:
        for number in range(count):
            reporter.log(f'OK The Book With the Number {number} -> 2024-11-03 (from last_read_at, match=book_id)')

    bundles: list[int] = []
    worker = Worker(job)
    worker.lines_logged.connect(lambda lines: bundles.append(len(lines)))
    desk.dialog.job_view.run(worker, lambda result: None, lambda error: None)
    desk.idle()
    assert sum(bundles) == count
    assert len(bundles) < count / 25
    assert desk.child('log').blockCount() == count
    assert len(ticks) > 3


def test_whoever_reads_that_a_sync_is_done_can_start_the_next(desk: Any) -> None:
    states: list[tuple[bool, bool]] = []

    def look() -> None:
        if desk.child('status').text().startswith('Done'):
            states.append((desk.child('sync_now').isEnabled(), desk.child('cancel').isVisible()))

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(0)
    for _time in range(3):
        desk.run('sync_now')
    timer.stop()
    assert states
    assert set(states) == {(True, False)}


def test_the_log_is_whole_when_the_status_says_so(desk: Any) -> None:
    texts: list[tuple[str, str]] = []

    def job(reporter: Any, _cancel: Any) -> None:
        for number in range(20):
            reporter.log(f'line {number}')
        reporter.status(SIGNED_OUT)

    worker = Worker(job)
    worker.status_changed.connect(
        lambda sentence: texts.append((str(sentence), desk.child('log').toPlainText().splitlines()[-1]))
    )
    desk.dialog.job_view.run(worker, lambda result: None, lambda error: None)
    desk.idle()
    assert texts == [(str(SIGNED_OUT), 'line 19')]


def test_the_log_can_be_copied_and_saved(desk: Any, tmp_path: Path, answers: Any) -> None:
    desk.run('sync_now')
    log = desk.child('log')
    log.copy_all()
    assert Application.instance().clipboard().text().splitlines() == desk.log
    log.save_to(tmp_path / 'log.txt')
    assert (tmp_path / 'log.txt').read_text(encoding='utf-8').splitlines() == desk.log
    asked = answers(lambda dialog: dialog.reject())
    log.save_to(tmp_path / 'no such folder' / 'log.txt')
    assert len(asked) == 1


def test_the_log_keeps_every_line_of_a_large_sync(qtbot: Any) -> None:
    view = LogView(None)  # type: ignore[arg-type]
    qtbot.addWidget(view)
    lines = [f'OK Book {number} -> 2024-11-03' for number in range(100_000)]
    view.append(lines)
    assert view.toPlainText() == '\n'.join(lines)


def test_the_log_is_read_from_left_to_right_in_every_language(qtbot: Any) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        view = LogView(None)  # type: ignore[arg-type]
        qtbot.addWidget(view)
        view.resize(300, 200)
        view.show()
        view.append(['OK The Name of the Wind -> 2024-11-03 (from reading_position.updated_at, match=book_id)'])
        bar = view.horizontalScrollBar()
        qtbot.waitUntil(lambda: bar.maximum() > 0)
        beginning = view.cursorRect(QTextCursor(view.document().firstBlock()))
        assert view.viewport().rect().contains(beginning.center())
    finally:
        application.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_the_log_is_plain_text(desk: Any) -> None:
    lines = ['OK <b>bold</b> &amp; <img src=x> -> 2024-11-03', 'OK ألف ليلة -> 2024-11-03']
    desk.child('log').append(lines)
    assert desk.log == lines


def test_diagnostics_are_complete_and_hold_no_secret(desk: Any) -> None:
    settings.save({'hardcover_token': TEST_HARDCOVER_TOKEN, 'booklore_url': 'https://books.example.org'})
    desk.run('sync_now')
    desk.dialog.copy_diagnostics()
    text = Application.instance().clipboard().text()
    assert text.startswith('BookFusion Back Sync ')
    for part in (
        f'Calibre {".".join(map(str, numeric_version))}, Qt {qVersion()}, PyQt ',
        f'Python {platform.python_version()}',
        "last_read_column: '#dateread'",
        'password: (set)',
        '5 books, 4 with',
    ):
        assert part in text
    assert '#completed: bool' in text
    assert 'OK Emma -> 2024-11-03' in text
    assert leaks(text.encode(), [TEST_PASSWORD, TEST_HARDCOVER_TOKEN]) == []
    for private in ('reader@', 'books.example.org', str(settings.load().settings.device)):
        assert private not in text
    assert repr(Secret(TEST_PASSWORD)) not in desk.status


def test_remembers_when_the_last_sync_was(desk: Any) -> None:
    library_id = desk.api.library_id
    assert last_sync.recall(library_id).when is None
    before = datetime.now(timezone.utc).replace(microsecond=0)
    desk.run('sync_now')
    last = last_sync.recall(library_id)
    assert (last.updated, last.skipped, last.failures) == (2, 2, 0)
    assert last.when is not None
    assert before <= last.when <= datetime.now(timezone.utc)
    assert last_sync.remember_failure(library_id).failures == 1
    assert last_sync.remember_failure(library_id).when == last.when
    desk.run('sync_now')
    assert last_sync.recall(library_id).failures == 0


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'not json',
        b'[]',
        b'{"ID": 1}',
        b'{"ID": {"when": "yesterday", "updated": -1, "skipped": "3", "failures": true}}',
        b'{"ID": {"when": "2024-11-03T12:00:00"}}',
        b'[' * 100_000,
    ],
)
def test_a_damaged_record_of_the_last_sync_is_none(content: bytes) -> None:
    path = settings.plugin_folder() / last_sync.FILE_NAME
    path.write_bytes(content.replace(b'ID', b'some-library'))
    assert last_sync.recall('some-library') == last_sync.LastSync()
    assert last_sync.remember('some-library', 3, 4).updated == 3
    assert json.loads(path.read_bytes())['some-library']['updated'] == 3


def test_forgets_libraries_that_were_not_synced_for_longest() -> None:
    for number in range(last_sync.LIBRARIES_KEPT + 5):
        last_sync.remember(f'library {number}', number, 0)
    last_sync.remember('library 5', 7, 0)
    last_sync.remember('one more', 1, 0)
    assert last_sync.recall('library 5').updated == 7
    assert last_sync.recall('library 6').when is None
    assert last_sync.recall('one more').updated == 1


@pytest.mark.parametrize('agree', [True, False])
def test_offers_to_delete_the_old_log_once(
    open_desk: Any, make_library: Any, answers: Any, agree: bool, qtbot: Any
) -> None:
    library = make_library(BOOKS)
    path = library / old_log.FILE_NAME
    path.write_text('token=whatever')
    asked = answers(lambda dialog: dialog.accept() if agree else dialog.reject())
    desk = open_desk(library)
    qtbot.waitUntil(lambda: bool(asked), timeout=5000)
    assert 'token' in asked[0].msg.text()
    assert path.exists() is not agree
    path.write_text('once more')
    desk.dialog.library_changed()
    handle_events()
    assert len(asked) == 1
    assert QApplication.activeModalWidget() is None


def test_seconds_and_requests_of_a_preview_count(
    open_desk: Any, make_library: Any, bookfusion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that the plan is looked at does not: by the job's clock a million seconds."""
    looked_at = 0.0
    monkeypatch.setattr(sync, 'time', SimpleNamespace(monotonic=lambda: time.monotonic() + looked_at))
    bookfusion.records = RECORDS
    desk = open_desk(make_library(BOOKS))
    dialog = desk.see_preview()
    looked_at = 1_000_000.0
    dialog.accept()
    desk.idle()
    assert desk.dialog.result_bar.outcome.requests == bookfusion.count() > 0
    assert 0 < desk.dialog.result_bar.outcome.seconds < looked_at


def test_closing_ends_a_job_while_the_server_holds_its_answer(desk: Any, bookfusion: Any) -> None:
    released = threading.Event()
    fault = bookfusion.fail(Hold(released), path=LIBRARY, times=None)
    desk.click('sync_now')
    desk.until(lambda: fault.hits)
    desk.click('close')
    assert not desk.dialog.isVisible()
    desk.idle()
    released.set()
    assert set(desk.api.all_field_for('#dateread', [1, 2]).values()) == {None}


def test_keyboard_reaches_everything(desk: Any) -> None:
    """Every button that is seen can be reached with Tab."""
    desk.run('sync_now')
    reached, widget = set(), desk.child('sync_now')
    for _step in range(200):
        widget = widget.nextInFocusChain()
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.add(widget.objectName())
    wanted = {'sync_now', 'preview', 'undo', 'settings', 'close', 'log', 'log_menu', 'selected_only', 'show_updated'}
    assert wanted <= reached


def test_everything_that_takes_the_keyboard_has_a_name(desk: Any) -> None:
    """In each of the windows, for those who hear them instead of seeing them."""
    desk.run('sync_now')
    desk.run('undo')
    windows = [
        desk.see_preview(),
        HelpDialog(desk.dialog),
        CheckDialog(desk.dialog, desk.jobs, settings.load().settings),
    ]
    for window in (desk.dialog, *windows):
        widgets = window.findChildren(QWidget)
        buddies = [label.buddy() for label in widgets if isinstance(label, QLabel)]
        for widget in widgets:
            by_keyboard = widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
            if by_keyboard and widget.isVisibleTo(window) and not isinstance(widget, QScrollArea):
                words = widget.text() if isinstance(widget, QAbstractButton) else ''
                assert words or widget.accessibleName() or widget in buddies, (window, widget.objectName())
    windows[0].reject()


def test_mnemonics_do_not_clash(desk: Any) -> None:
    desk.run('sync_now')
    seen: dict[str, str] = {}
    for widget in desk.dialog.findChildren(QWidget):
        words = widget.text() if hasattr(widget, 'text') and widget.isVisible() else ''
        place = words.replace('&&', '').find('&')
        if place >= 0:
            letter = words.replace('&&', '')[place + 1].lower()
            assert letter not in seen, (letter, words, seen[letter])
            seen[letter] = words
    assert len(seen) >= 6
