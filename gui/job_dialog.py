# SPDX-License-Identifier: GPL-3.0-or-later
"""JobDialog: the window of a job with a beginning and an end; progress first, then what came of it, book by book.

Knows no job: subclasses start them on a worker's thread and say what the rows of the result are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application
from calibre.gui2.widgets2 import Dialog
from qt.core import (
    QDialogButtonBox,
    QHeaderView,
    QIcon,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QSize,
    QStackedWidget,
    Qt,
    QTableWidget,
    QTableWidgetItem,
    QTextCursor,
    QVBoxLayout,
    QWidget,
)

from ..base import errors, log_file
from ..base.errors import BackSyncError, Cancelled, LibraryTrouble
from ..base.text import Text, text
from ..sync_worker import Job, Worker
from .job_runner import Jobs
from .widgets import Notice, plain_tip, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

MOST_LOG_LINES = 50_000
ANOTHER_JOB = text('Another job is running. Wait until it is done, or stop it.')
BOOK_ID = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class ResultRow:
    """What came of one book: its title, the result in a word or two, what else there is to say, and an icon."""

    book_id: int
    title: str
    result: str
    details: str = ''
    icon: str = 'ok.png'


class ResultPage(QWidget):
    """How a job ended, and a table of the books. `show_book(book id)` shows one in the library."""

    def __init__(self, parent: QWidget, show_book: Callable[[int], None]) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.sentence = Notice('result', self, large=True)
        self.more = QLabel(self)
        self.more.setObjectName('result_details')
        self.more.setTextFormat(Qt.TextFormat.PlainText)
        self.more.setWordWrap(True)
        self.table = self._make_table()
        self.table.itemDoubleClicked.connect(lambda item: show_book(self._book_id(item.row())))
        layout.addWidget(self.sentence)
        layout.addWidget(self.more)
        layout.addWidget(self.table, 1)
        # Keeps the sentences at the top where there is no table.
        layout.addStretch(0)

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 3, self)
        table.setObjectName('results')
        table.setAccessibleName(_('Result'))
        table.setHorizontalHeaderLabels([_('Book'), _('Result'), _('Details')])
        table.verticalHeader().hide()
        table.setAlternatingRowColors(True)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        table.setToolTip(_('Double-click a book to show it in the library'))
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        return table

    def _book_id(self, row: int) -> int:
        item = self.table.item(row, 0)
        return int(item.data(BOOK_ID)) if item is not None else 0

    def show_result(self, sentence: str, icon: str, more: str, rows: Sequence[ResultRow]) -> None:
        self.sentence.say(sentence, icon)
        self.more.setText(more)
        self.more.setVisible(bool(more))
        table = self.table
        table.setSortingEnabled(False)
        table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, words in enumerate((row.title, row.result, row.details)):
                item = QTableWidgetItem(words)
                item.setToolTip(plain_tip(words))
                table.setItem(number, column, item)
            table.item(number, 0).setData(BOOK_ID, row.book_id)
            table.item(number, 1).setIcon(QIcon.ic(row.icon))
        # As given until a heading is clicked.
        table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        table.setSortingEnabled(True)
        table.setVisible(bool(rows))
        table.setColumnWidth(0, 320)
        table.resizeColumnToContents(1)
        # Without a grid, the next column would begin where the longest word ends.
        table.setColumnWidth(1, table.columnWidth(1) + 2 * table.fontMetrics().averageCharWidth())

    def as_text(self) -> str:
        """The same as plain text, a line a book."""
        lines = [self.sentence.label.text(), self.more.text()]
        for row in range(self.table.rowCount()):
            items = [self.table.item(row, column) for column in range(3)]
            lines.append('\t'.join(item.text() for item in items if item is not None))
        return '\n'.join(filter(None, lines))


class JobDialog(Dialog):
    """Not modal, remembers its size. Stop, Escape and the window's close button end the job, and show what it did."""

    def __init__(self, gui: Any, jobs: Jobs, title: str, name: str) -> None:
        self.gui = gui
        self.jobs = jobs
        self._library = jobs.library()
        self.open_library = jobs.library_opener()
        self._worker: Worker | None = None
        self._succeeded: Callable[[Any], None] = lambda result: None
        self._deliver: Callable[[], None] | None = None
        log_file.start()
        Dialog.__init__(
            self,
            title,
            name,
            gui if isinstance(gui, QWidget) else None,
            default_buttons=QDialogButtonBox.StandardButton.Close,
        )
        self.setModal(False)
        jobs.busy_changed.connect(self._busy_changed)

    def sizeHint(self) -> QSize:
        return QSize(820, 560)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        self.pages = QStackedWidget(self)
        self.progress_page = self._make_progress_page()
        self.result_page = ResultPage(self.pages, self._show_book)
        self.pages.addWidget(self.progress_page)
        self.pages.addWidget(self.result_page)
        layout.addWidget(self.pages)
        layout.addWidget(self.bb)
        self.copy = push_button('copy', _('&Copy'), _('Copy the result and the log'), self._copy, self, 'edit-copy.png')
        self.bb.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        self.cancel = push_button(
            'cancel', _('Sto&p'), _('End here. What was done is kept'), self.stop_job, self, 'window-close.png'
        )
        self.bb.addButton(self.cancel, QDialogButtonBox.ButtonRole.ActionRole)
        for button in (self.copy, self.cancel):
            # Return presses the one that has the focus.
            button.setAutoDefault(True)
        self.show_page(self.progress_page)

    def _make_progress_page(self) -> QWidget:
        page = QWidget(self.pages)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        self.status = QLabel(page)
        self.status.setObjectName('status')
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.progress = QProgressBar(page)
        self.progress.setObjectName('progress')
        self.progress.setTextVisible(False)
        self.log = QPlainTextEdit(page)
        self.log.setObjectName('log')
        self.log.setReadOnly(True)
        self.log.setUndoRedoEnabled(False)
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setMaximumBlockCount(MOST_LOG_LINES)
        self.log.setAccessibleName(_('Log'))
        for widget in (self.status, self.progress, self.log):
            layout.addWidget(widget)
        return page

    def show_page(self, page: QWidget) -> None:
        """Shows a page; progress has a Stop button, the result can be copied, other pages bring their own buttons."""
        self.pages.setCurrentWidget(page)
        self.cancel.setVisible(page is self.progress_page)
        self.cancel.setEnabled(True)
        ended = page is self.result_page
        self.copy.setVisible(ended)
        self.bb.button(QDialogButtonBox.StandardButton.Close).setVisible(ended)
        self.bb.setVisible(page in (self.progress_page, self.result_page))

    def run(self, job: Job, succeeded: Callable[[Any], None]) -> None:
        """Runs a job; its result goes to `succeeded`, its error to the result page."""
        if self.jobs.library() is not self._library:
            self._failed(LibraryTrouble(errors.LIBRARY_SWITCHED))
            return
        worker = self._worker = Worker(job)
        worker.status_changed.connect(self._show_status)
        worker.progress_changed.connect(self._show_progress)
        worker.lines_logged.connect(self._append)
        worker.succeeded.connect(self._keep_result)
        worker.failed.connect(self._keep_error)
        self._succeeded = succeeded
        self._deliver = None
        self._show_progress(0, 0)
        self.show_page(self.progress_page)
        if not self.jobs.start(worker):
            self._worker = None
            self.show_result(ANOTHER_JOB.translated(_, ngettext), 'dialog_warning.png')

    @property
    def running(self) -> bool:
        return self._worker is not None

    def _show_status(self, sentence: Text) -> None:
        self.status.setText(sentence.translated(_, ngettext))

    def _show_progress(self, done: int, total: int) -> None:
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def _append(self, lines: list[str]) -> None:
        first = self.log.document().isEmpty()
        self.log.appendPlainText('\n'.join(lines))
        if first:
            # The cursor went along with the end; there it would scroll to the end of a long line.
            self.log.moveCursor(QTextCursor.MoveOperation.StartOfBlock)

    def _failed(self, error: BackSyncError) -> None:
        icon = 'dialog_warning.png' if isinstance(error, Cancelled) else 'dialog_error.png'
        self.show_result(error.sentence.translated(_, ngettext), icon)

    def _keep_result(self, result: Any) -> None:
        self._deliver = lambda: self._succeeded(result)

    def _keep_error(self, error: BackSyncError) -> None:
        self._deliver = lambda: self._failed(error)

    def _busy_changed(self, busy: bool) -> None:
        """Only at the end, when another job can be started, is it shown what this one brought."""
        if busy or self._worker is None:
            return
        self._worker = None
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            deliver()

    def show_result(self, sentence: str, icon: str, more: str = '', rows: Sequence[ResultRow] = ()) -> None:
        self.result_page.show_result(sentence, icon, more, rows)
        self.show_page(self.result_page)
        close = self.bb.button(QDialogButtonBox.StandardButton.Close)
        close.setDefault(True)
        close.setFocus()

    def stop_job(self) -> None:
        """Tells the job to stop; it ends within moments."""
        if self._worker is not None:
            self.cancel.setEnabled(False)
            self.status.setText(_('Stopping...'))
            self._worker.cancel.set()

    def _show_book(self, book_id: int) -> None:
        self.gui.library_view.select_rows([book_id])

    def _copy(self) -> None:
        Application.instance().clipboard().setText(f'{self.result_page.as_text()}\n\n{self.log.toPlainText()}')

    def reject(self) -> None:
        """Stops a running job, which then shows what it did; closes the window where none is running."""
        if self.running and self.cancel.isEnabled():
            self.show_page(self.progress_page)
            self.stop_job()
        else:
            super().reject()
