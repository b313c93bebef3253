"""What the windows of the Hardcover jobs have in common: the result, its links to books, and the log."""

from __future__ import annotations

from typing import Any

from calibre_plugins.bookfusionbacksync.gui.hardcover_dialogs import (
    FetchDialog,
)
from calibre_plugins.bookfusionbacksync.gui.job_dialog import ResultPage, ResultRow
from harness.desk import OpenHardcoverDesk
from harness.hardcover import MakeLibrary, OpenLibrary
from harness.screen import tooltip_text
from qt.core import (
    QApplication,
    QPlainTextEdit,
    Qt,
    QTextCursor,
)


def test_markup_in_a_result_stays_text_in_its_tooltip(qtbot: Any) -> None:
    page = ResultPage(None, lambda book_id: None)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.show_result('Done', 'ok.png', '', [ResultRow(1, 'a <b>bold</b> & co', 'Failed', 'why not?')])
    assert page.table.item(0, 0).text() == 'a <b>bold</b> & co'
    assert tooltip_text(page.table.item(0, 0).toolTip()) == 'a <b>bold</b> & co'
    assert page.table.item(0, 2).toolTip() == 'why not?'


def test_a_result_leads_to_a_book_that_a_search_hides(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma'}, {'title': 'Dune'}])
    dialog = FetchDialog(desk.window, desk.jobs)
    desk.qtbot.addWidget(dialog)
    dialog.show()
    dialog.show_result('Done', 'ok.png', rows=[ResultRow(1, 'Emma', 'Stored'), ResultRow(2, 'Dune', 'Stored')])
    table, note = dialog.result_page.table, dialog.result_page.note
    desk.book_view.hidden_by_search = {2}
    desk.book_view.not_in_the_virtual_library = {1}
    table.itemDoubleClicked.emit(table.item(1, 0))
    assert desk.book_view.shown == [2]
    assert not note.isVisible()
    table.itemDoubleClicked.emit(table.item(0, 0))
    assert desk.book_view.shown == [2]
    assert note.isVisible()
    assert note.label.text() == ('That book is hidden by the virtual library or the restriction in the main window.')
    table.itemDoubleClicked.emit(table.item(1, 0))
    assert not note.isVisible()
    assert not dialog.result_page.show_hidden.isVisible()
    table.itemDoubleClicked.emit(table.item(0, 0))
    desk.click_in(dialog, 'show_hidden')
    assert desk.book_view.shown == [2, 2, 1]
    assert not note.isVisible()
    assert not dialog.result_page.show_hidden.isVisible()


def test_a_result_leads_to_no_book_that_was_deleted(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma'}])
    dialog = FetchDialog(desk.window, desk.jobs)
    desk.qtbot.addWidget(dialog)
    dialog.show()
    dialog.show_result('Done', 'ok.png', rows=[ResultRow(1, 'Emma', 'Stored')])
    desk.api.remove_books([1])
    desk.book_view.not_in_the_virtual_library = {1}
    table = dialog.result_page.table
    table.itemDoubleClicked.emit(table.item(0, 0))
    assert dialog.result_page.note.label.text() == 'That book is not in the library that is open now.'
    assert not dialog.result_page.show_hidden.isVisible()


def test_a_result_of_another_library_leads_to_no_book(
    open_hardcover_desk: OpenHardcoverDesk,
    make_library: MakeLibrary,
    open_library: OpenLibrary,
) -> None:
    """Its book ids belong to other books here."""
    desk = open_hardcover_desk([{'title': 'Emma'}, {'title': 'Dune'}])
    dialog = FetchDialog(desk.window, desk.jobs)
    desk.qtbot.addWidget(dialog)
    dialog.show()
    dialog.show_result('Done', 'ok.png', rows=[ResultRow(1, 'Emma', 'Stored')])
    desk.window.current_db = open_library(make_library([{'title': 'Persuasion'}]))
    table = dialog.result_page.table
    table.itemDoubleClicked.emit(table.item(0, 0))
    assert desk.book_view.shown == []
    assert dialog.result_page.note.label.text() == 'That book is not in the library that is open now.'


def test_the_log_is_read_from_left_to_right_and_with_the_keyboard(
    open_hardcover_desk: OpenHardcoverDesk, qtbot: Any
) -> None:
    desk = open_hardcover_desk()
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        dialog = FetchDialog(desk.window, desk.jobs)
        qtbot.addWidget(dialog)
        dialog.show()
        log = dialog.findChild(QPlainTextEdit, 'log')
        log.appendPlainText('OK Dune -> hardcover-id=312460 (from BookLore)')
        assert dialog.layoutDirection() == Qt.LayoutDirection.RightToLeft
        assert log.layoutDirection() == Qt.LayoutDirection.LeftToRight
        log.moveCursor(QTextCursor.MoveOperation.Start)
        qtbot.keyClick(log, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
        assert log.textCursor().selectedText() == 'OK Dune -> hardcover-id=312460 (from BookLore)'
        # Its lines lead nowhere, and it does not say that they do.
        assert log.toolTip() == ''
    finally:
        application.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
