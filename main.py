# SPDX-License-Identifier: GPL-3.0-or-later
"""MainDialog: status, progress and log of a sync, and the buttons that start, show and undo one.

Does nothing itself: jobs run on a worker's thread, the rules are in the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application, choose_save_file, error_dialog
from calibre.gui2.widgets2 import Dialog
from qt.core import (
    QDialogButtonBox,
    QHBoxLayout,
    QIcon,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSize,
    Qt,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from . import logs
from .cancel import Cancel
from .errors import BackSyncError, Cancelled, SignInRefused
from .jobs import Jobs
from .reporting import Reporter
from .steps import PreparedSync, SyncOutcome, undo_last, undo_sentences
from .sync_worker import SyncWorker, Worker
from .text import Text
from .undo import UndoOutcome

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

MOST_LOG_LINES = 50_000


class MainDialog(Dialog):
    """The window of the plugin: not modal, at most one at a time, remembers its size."""

    def __init__(self, gui: Any, jobs: Jobs, show_settings: Callable[[], None]) -> None:
        self.gui = gui
        self.jobs = jobs
        self._show_settings = show_settings
        self._worker: Worker | None = None
        self._outcome: SyncOutcome | None = None
        logs.start()
        Dialog.__init__(
            self,
            _('BookFusion Back Sync'),
            'bookfusion-back-sync-main',
            gui if isinstance(gui, QWidget) else None,
            default_buttons=QDialogButtonBox.StandardButton.Close,
        )
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        self.setModal(False)
        jobs.busy_changed.connect(self._update_buttons)
        self._update_buttons()

    def sizeHint(self) -> QSize:
        return QSize(720, 460)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        self.status = QLabel(_('Ready to sync.'), self)
        self.status.setObjectName('status')
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.status)
        layout.addLayout(self._progress_row())
        self.log = self._log_view()
        layout.addWidget(self.log)
        layout.addLayout(self._button_row())

    def _progress_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.progress = QProgressBar(self)
        self.progress.setObjectName('progress')
        self.progress.setRange(0, 1)
        self.progress.setValue(0)
        self.progress.setTextVisible(False)
        self.cancel = QPushButton(QIcon.ic('window-close.png'), _('Sto&p'), self)
        self.cancel.setObjectName('cancel')
        self.cancel.setToolTip(_('Stop this job. Nothing is written unless writing has begun'))
        self.cancel.clicked.connect(self._stop)
        self.sign_in = QPushButton(QIcon.ic('user_profile.png'), _('Si&gn in…'), self)
        self.sign_in.setObjectName('sign_in')
        self.sign_in.clicked.connect(self._sign_in)
        self.sign_in.hide()
        row.addWidget(self.progress, 1)
        row.addWidget(self.sign_in)
        row.addWidget(self.cancel)
        return row

    def _log_view(self) -> QPlainTextEdit:
        log = QPlainTextEdit(self)
        log.setObjectName('log')
        log.setReadOnly(True)
        log.setUndoRedoEnabled(False)
        log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        log.setMaximumBlockCount(MOST_LOG_LINES)
        log.setAccessibleName(_('Log of the sync'))
        log.setToolTip(_('Double-click a line to show its book in the library'))
        log.viewport().installEventFilter(self)
        return log

    def _button_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.sync_now = self._button(
            'sync_now', _('S&ync now'), 'sync.png', _('Sync the whole library'), self.start_sync
        )
        self.preview = self._button(
            'preview', _('&Preview…'), 'view.png', _('Show what a sync would change, and choose'), self.start_preview
        )
        self.undo = self._button(
            'undo', _('&Undo last sync'), 'edit-undo.png', _('Put back what the last sync replaced'), self.start_undo
        )
        self.settings = self._button(
            'settings', _('&Settings…'), 'config.png', _('Account, columns and more'), self._show_settings
        )
        self.close_button = self._button(
            'close', _('&Close'), 'close.png', _('Close; a running sync is stopped'), self.reject
        )
        self.sync_now.setDefault(True)
        for widget in (self.sync_now, self.preview, self.undo):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self._log_button())
        row.addWidget(self.settings)
        row.addWidget(self.close_button)
        return row

    def _button(self, name: str, label: str, icon: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
        button = QPushButton(QIcon.ic(icon), label, self)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: clicked())
        return button

    def _log_button(self) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName('log_menu')
        button.setText(_('&Log'))
        button.setIcon(QIcon.ic('edit-copy.png'))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        menu.addAction(QIcon.ic('edit-copy.png'), _('&Copy log'), self.copy_log)
        menu.addAction(QIcon.ic('save.png'), _('&Save log…'), self.save_log)
        button.setMenu(menu)
        return button

    def start_sync(self) -> None:
        """Syncs the whole library, unless a job is running."""
        self._start(lambda: SyncWorker(self.jobs.library_opener()), self._synced)

    def start_preview(self) -> None:
        """Reads both sides and shows the plan, unless a job is running."""
        self._start(lambda: SyncWorker(self.jobs.library_opener(), preview=True), self._planned)

    def start_undo(self) -> None:
        """Puts back what the last sync replaced, unless a job is running."""
        self._start(lambda: self._undo_worker(), self._undone)

    def _undo_worker(self) -> Worker:
        open_library = self.jobs.library_opener()

        def undo(reporter: Reporter, _cancel: Cancel) -> UndoOutcome:
            with open_library() as library:
                return undo_last(library, reporter)

        return Worker(undo)

    def _start(self, make_worker: Callable[[], Worker], succeeded: Callable[[Any], None]) -> None:
        if self.jobs.busy:
            self.status.setText(_('Another job is running. Wait until it is done, or stop it.'))
            return
        self.log.clear()
        self.sign_in.hide()
        self._outcome = None
        worker = self._worker = make_worker()
        worker.status_changed.connect(self._show_status)
        worker.progress_changed.connect(self._show_progress)
        worker.lines_logged.connect(self._append)
        worker.succeeded.connect(succeeded)
        worker.failed.connect(self._failed)
        worker.finished.connect(self._ended)
        self._show_progress(0, 0)
        self.jobs.start(worker)
        self._update_buttons()

    def _update_buttons(self) -> None:
        running = self._worker is not None
        for button in (self.sync_now, self.preview, self.undo, self.settings):
            button.setEnabled(not self.jobs.busy)
        self.cancel.setVisible(running)
        self.cancel.setEnabled(running)

    def _show_status(self, sentence: Text) -> None:
        self.status.setText(sentence.translated(_, ngettext))

    def _show_progress(self, done: int, total: int) -> None:
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def _append(self, lines: list[str]) -> None:
        self.log.appendPlainText('\n'.join(lines))

    def _synced(self, outcome: SyncOutcome) -> None:
        self._outcome = outcome
        self._show_progress(1, 1)
        self._show_status(outcome.status)

    def _planned(self, prepared: PreparedSync) -> None:
        raise NotImplementedError

    def _undone(self, outcome: UndoOutcome) -> None:
        self._show_progress(1, 1)
        self.status.setText(' '.join(sentence.translated(_, ngettext) for sentence in undo_sentences(outcome)))

    def _failed(self, error: BackSyncError) -> None:
        self._show_progress(0, 1)
        sentence = error.sentence.translated(_, ngettext)
        if isinstance(error, Cancelled):
            self.status.setText(sentence)
            return
        self.status.setText(_('Error: {message}').format(message=sentence))
        self._append([f'Error: {error}'])
        self.sign_in.setVisible(isinstance(error, SignInRefused))

    def _ended(self) -> None:
        self._worker = None
        self._update_buttons()

    def _stop(self) -> None:
        if self._worker is not None:
            self.cancel.setEnabled(False)
            self.status.setText(_('Stopping...'))
            self._worker.cancel.set()

    def _sign_in(self) -> None:
        from .sign_in_dialog import sign_in

        if sign_in(self):
            self.sign_in.hide()
            self.status.setText(_('Signed in. Ready to sync.'))

    def library_changed(self) -> None:
        """The window shows another library now: what the log says of books is about the old one."""
        self._outcome = None

    def copy_log(self) -> None:
        Application.instance().clipboard().setText(self.log.toPlainText())

    def save_log(self) -> None:
        path = choose_save_file(
            self,
            'bookfusion-back-sync-log',
            _('Save the log'),
            filters=[(_('Text files'), ['txt'])],
            initial_filename='bookfusion-back-sync.txt',
        )
        if not path:
            return
        try:
            Path(path).write_text(self.log.toPlainText() + '\n', encoding='utf-8', errors='backslashreplace')
        except OSError as error:
            error_dialog(
                self,
                _('Log not saved'),
                _('The log could not be saved to {path} ({reason}). Choose another folder.').format(
                    path=path, reason=error.strerror
                ),
                show=True,
            )

    def reject(self) -> None:
        """Closes the window; a running job is told to stop and ends by itself."""
        if self._worker is not None:
            self._worker.cancel.set()
        super().reject()
