# SPDX-License-Identifier: GPL-3.0-or-later
"""JobDialog: a window that shows the progress of a job and then its result, book by book.

Independent of the job: subclasses start it and supply the rows of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application
from calibre.gui2.widgets2 import Dialog
from qt.core import (
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QIcon,
    QLabel,
    QSize,
    QStackedWidget,
    Qt,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..base import errors, log_file
from ..base.errors import BackSyncError, Cancelled, LibraryTrouble
from ..base.text import one_line
from ..sync_worker import Job, Worker
from .book_list import BOOK_GONE, BookList
from .job_runner import Jobs
from .job_view import ANOTHER_JOB, JobState, JobView
from .widgets import Notice, plain_tip, push_button, show_hidden_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

BOOK_ID = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class ResultRow:
    """The result for one book. `result` is a word or two; `icon` is the name of a Calibre icon."""

    book_id: int
    title: str
    result: str
    details: str = ''
    icon: str = 'ok.png'


class ResultPage(QWidget):
    """The result of a job as a sentence, and a table of books. A double click calls `show_book(book id)`.

    `show_hidden()` is called by a button that is there while a book is hidden.
    """

    def __init__(
        self, parent: QWidget, show_book: Callable[[int], None], show_hidden: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.sentence = Notice('result', self, large=True)
        self.more = QLabel(self)
        self.more.setObjectName('result_details')
        self.more.setTextFormat(Qt.TextFormat.PlainText)
        self.more.setWordWrap(True)
        self.table = self._make_table()
        self.note = Notice('note', self)
        self.table.itemDoubleClicked.connect(lambda item: show_book(self._book_id(item.row())))
        layout.addWidget(self.sentence)
        layout.addWidget(self.more)
        layout.addWidget(self.table, 1)
        self.show_hidden = show_hidden_button(show_hidden, self)
        row = QHBoxLayout()
        row.addWidget(self.note, 1)
        row.addWidget(self.show_hidden)
        layout.addLayout(row)
        # Without a table, keep the sentences at the top.
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
        """Show a result. `more` is a second paragraph, '' for none; without rows the table is hidden."""
        self.sentence.say(sentence, icon)
        self.say('')
        self.more.setText(more)
        self.more.setVisible(bool(more))
        table = self.table
        table.setSortingEnabled(False)
        table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, words in enumerate(map(one_line, (row.title, row.result, row.details))):
                item = QTableWidgetItem(words)
                item.setToolTip(plain_tip(words))
                table.setItem(number, column, item)
            table.item(number, 0).setData(BOOK_ID, row.book_id)
            table.item(number, 1).setIcon(QIcon.ic(row.icon))
        # Keep the given order until the user clicks a heading.
        table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        table.setSortingEnabled(True)
        table.setVisible(bool(rows))
        table.setColumnWidth(0, 320)
        table.resizeColumnToContents(1)
        # Without a grid, the next column would otherwise start right after the longest word.
        table.setColumnWidth(1, table.columnWidth(1) + 2 * table.fontMetrics().averageCharWidth())

    def say(self, words: str, hidden: bool = False) -> None:
        """Show a note below the table, '' for none, and whether the book that it is about can be shown."""
        self.note.say(words)
        self.show_hidden.setVisible(hidden)

    def as_text(self) -> str:
        """The result as plain text, with one line for each book."""
        lines = [self.sentence.label.text(), self.more.text()]
        for row in range(self.table.rowCount()):
            items = [self.table.item(row, column) for column in range(3)]
            lines.append('\t'.join(item.text() for item in items if item is not None))
        return '\n'.join(filter(None, lines))


class JobDialog(Dialog):
    """Not modal; `name` identifies the window for its saved size.

    While a job runs, Stop, Escape and the window's close button cancel it; the window then shows its result.
    """

    def __init__(self, gui: Any, jobs: Jobs, title: str, name: str) -> None:
        self.gui = gui
        self.jobs = jobs
        self.book_list = BookList(gui)
        self._library_id = jobs.library().library_id
        self.open_library = jobs.library_opener()
        # The book that was double-clicked last.
        self._wanted_book = 0
        log_file.start()
        Dialog.__init__(
            self,
            title,
            name,
            gui if isinstance(gui, QWidget) else None,
            default_buttons=QDialogButtonBox.StandardButton.Close,
        )
        self.setModal(False)

    def sizeHint(self) -> QSize:
        return QSize(820, 560)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        self.job_view = JobView(self.jobs, self)
        self.job_view.state_changed.connect(self._state_changed)
        self.pages = QStackedWidget(self)
        self.progress_page = self._make_progress_page()
        self.result_page = ResultPage(self.pages, self._show_book, self._show_hidden)
        self.pages.addWidget(self.progress_page)
        self.pages.addWidget(self.result_page)
        layout.addWidget(self.pages)
        layout.addWidget(self.bb)
        self.copy = push_button('copy', _('&Copy'), _('Copy the result and the log'), self._copy, self, 'edit-copy.png')
        self.bb.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        self.cancel = push_button(
            'cancel', _('Sto&p'), _('End here. What was done is kept'), self.job_view.stop, self, 'window-close.png'
        )
        self.bb.addButton(self.cancel, QDialogButtonBox.ButtonRole.ActionRole)
        for button in (self.copy, self.cancel):
            # Let Enter press the button that has the focus.
            button.setAutoDefault(True)
        self.show_page(self.progress_page)

    def _make_progress_page(self) -> QWidget:
        page = QWidget(self.pages)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.job_view.status, self.job_view.progress, self.job_view.log):
            layout.addWidget(widget)
        return page

    def show_page(self, page: QWidget) -> None:
        """Show a page and its buttons: Stop for progress, Copy and Close for the result, none for other pages."""
        self.pages.setCurrentWidget(page)
        self.cancel.setVisible(page is self.progress_page)
        ended = page is self.result_page
        self.copy.setVisible(ended)
        self.bb.button(QDialogButtonBox.StandardButton.Close).setVisible(ended)
        self.bb.setVisible(page in (self.progress_page, self.result_page))

    def _state_changed(self) -> None:
        self.cancel.setEnabled(self.job_view.state is not JobState.STOPPING)

    def run(self, job: Job, succeeded: Callable[[Any], None], page: QWidget | None = None) -> None:
        """Run a job and call `succeeded` with its result. Errors are shown on the result page.

        That includes LibraryTrouble if another library is open than when the window was created. While the job runs,
        `page` is shown, by default the progress page.
        """
        if not self.jobs.has_open(self._library_id):
            self._failed(LibraryTrouble(errors.LIBRARY_SWITCHED))
        elif self.job_view.run(Worker(job), succeeded, self._failed):
            self.show_page(page or self.progress_page)
        else:
            self.show_result(ANOTHER_JOB.translated(_, ngettext), 'dialog_warning.png')

    @property
    def running(self) -> bool:
        """True while this window's job runs, including one that was cancelled and has not ended yet."""
        return self.job_view.running

    def _failed(self, error: BackSyncError) -> None:
        icon = 'dialog_warning.png' if isinstance(error, Cancelled) else 'dialog_error.png'
        self.show_result(error.sentence.translated(_, ngettext), icon)

    def show_result(self, sentence: str, icon: str, more: str = '', rows: Sequence[ResultRow] = ()) -> None:
        """Switch to the result page and show a result there."""
        self.result_page.show_result(sentence, icon, more, rows)
        self.show_page(self.result_page)
        close = self.bb.button(QDialogButtonBox.StandardButton.Close)
        close.setDefault(True)
        close.setFocus()

    def _show_book(self, book_id: int) -> None:
        self._wanted_book = book_id
        if not self.jobs.has_open(self._library_id):
            self.result_page.say(BOOK_GONE.translated(_, ngettext))
            return
        not_shown = self.book_list.show(book_id)
        self.result_page.say(not_shown.words(_, ngettext), not_shown.hidden > 0)

    def _show_hidden(self) -> None:
        if self.jobs.has_open(self._library_id):
            self.book_list.leave_restrictions()
        self._show_book(self._wanted_book)

    def _copy(self) -> None:
        Application.instance().clipboard().setText(f'{self.result_page.as_text()}\n\n{self.job_view.log.toPlainText()}')

    def reject(self) -> None:
        """Cancel a running job, whose result is then shown. Without a job, close the window."""
        if self.job_view.state is JobState.RUNNING:
            self.show_page(self.progress_page)
            self.job_view.stop()
        else:
            super().reject()
