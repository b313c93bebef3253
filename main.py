# SPDX-License-Identifier: GPL-3.0-or-later
"""MainDialog: status, progress and log of a sync, and the buttons that start, show and undo one.

Does nothing itself: jobs run on a worker's thread, the rules are in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application, error_dialog, open_local_file, question_dialog
from calibre.gui2.widgets2 import Dialog
from qt.core import (
    QDialogButtonBox,
    QHBoxLayout,
    QIcon,
    QProgressBar,
    QPushButton,
    QSize,
    QStackedWidget,
    Qt,
    QTimer,
    QVBoxLayout,
    QWidget,
)

from .base import log_file
from .base.cancel import Cancel
from .base.errors import (
    BackSyncError,
    Cancelled,
    PasswordMissing,
    PasswordRefused,
    SettingsTrouble,
    SignInRefused,
)
from .base.reporter import Reporter
from .base.settings import plugin_folder
from .base.text import Text
from .gui.book_list import BookList
from .gui.first_run import FirstRunPage
from .gui.job_runner import Jobs
from .gui.log_view import LogView
from .gui.result_bar import ResultBar
from .gui.widgets import check_box, menu_button, plain_label, push_button
from .jobs.sync import DONE, PreparedSync, SyncOutcome, check_account, undo_last, undo_sentences
from .library import old_log
from .library.calibre_library import Library
from .library.undo import UndoOutcome
from .sync_worker import ApplyWorker, SyncWorker, Worker

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

    from .gui.sync_preview import PreviewDialog

load_translations()


class MainDialog(Dialog):
    """The window of the plugin: not modal, at most one at a time, remembers its size."""

    def __init__(self, gui: Any, jobs: Jobs, show_settings: Callable[[], object]) -> None:
        self.gui = gui
        self.jobs = jobs
        self.book_list = BookList(gui)
        self._show_settings = show_settings
        self._worker: Worker | None = None
        self._worked_on: Library | None = None
        self._look_again = False
        self._status_before = ''
        self._done: Text | None = None
        self._ran_before = False
        self._plan: tuple[SyncWorker, PreparedSync] | None = None
        self._preview_dialog: PreviewDialog | None = None
        log_file.start()
        Dialog.__init__(
            self,
            _('BookFusion Back Sync'),
            'bookfusion-back-sync-main',
            gui if isinstance(gui, QWidget) else None,
            default_buttons=QDialogButtonBox.StandardButton.Close,
        )
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        self.setModal(False)
        jobs.busy_changed.connect(self._busy_changed)
        jobs.busy_changed.connect(self._show_plan, Qt.ConnectionType.QueuedConnection)
        self._busy_changed(jobs.busy)
        self.look_for_missing()
        QTimer.singleShot(0, self._offer_to_delete_old_log)

    def sizeHint(self) -> QSize:
        return QSize(780, 600)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        self.status = plain_label(_('Ready to sync.'), self, 'status')
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.status)
        layout.addLayout(self._progress_row())
        self.log = LogView(self)
        self.first_run = self._first_run_page()
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.log)
        self.pages.addWidget(self.first_run)
        layout.addWidget(self.pages, 1)
        layout.addLayout(self._result_row())
        layout.addLayout(self._button_row())

    def _progress_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.progress = QProgressBar(self)
        self.progress.setObjectName('progress')
        self.progress.setAccessibleName(_('Progress'))
        self.progress.setRange(0, 1)
        self.progress.setValue(0)
        self.progress.setTextVisible(False)
        self.cancel = push_button(
            'cancel',
            _('S&top'),
            _('Stop this job. Nothing is written unless writing has begun'),
            self._stop,
            self,
            'window-close.png',
        )
        self.sign_in = push_button(
            'sign_in', _('Si&gn in…'), _('Sign in with a browser'), self._sign_in, self, 'user_profile.png'
        )
        self.sign_in.hide()
        row.addWidget(self.progress, 1)
        row.addWidget(self.sign_in)
        row.addWidget(self.cancel)
        return row

    def _first_run_page(self) -> FirstRunPage:
        page = FirstRunPage(self.gui, self)
        page.sign_in_wanted.connect(self._try_account)
        page.browser_wanted.connect(self._sign_in)
        page.preview_wanted.connect(self.start_preview)
        page.sync_wanted.connect(self.start_sync)
        page.settings_changed.connect(self.look_for_missing)
        return page

    def _result_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.selected_only = check_box(
            'selected_only',
            _('&Only the selected books'),
            _('Sync now and Preview leave all other books alone'),
            False,
            self,
        )
        self.result_bar = ResultBar(self.book_list, self)
        self.result_bar.not_shown.connect(self._book_not_shown)
        self.log.line_activated.connect(self.result_bar.show_book_of_line)
        row.addWidget(self.selected_only)
        row.addStretch(1)
        row.addWidget(self.result_bar)
        return row

    def _button_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.sync_now = self._button('sync_now', _('Sync &now'), 'sync.png', _('Sync the library'), self.start_sync)
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
        self.sync_now.setFocus(Qt.FocusReason.OtherFocusReason)
        for widget in (self.sync_now, self.preview, self.undo):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self._log_button())
        row.addWidget(self.settings)
        row.addWidget(self.close_button)
        return row

    def _button(self, name: str, words: str, icon: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
        return push_button(name, words, tip, clicked, self, icon)

    def _log_button(self) -> QPushButton:
        button, menu = menu_button('log_menu', _('&Log'), _('Copy or save the log'), self, 'edit-copy.png')
        menu.addAction(QIcon.ic('edit-copy.png'), _('&Copy log'), self.log.copy_all)
        menu.addAction(QIcon.ic('save.png'), _('&Save log…'), self.log.save)
        menu.addSeparator()
        menu.addAction(QIcon.ic('debug.png'), _('Copy &diagnostics'), self.copy_diagnostics)
        menu.addAction(QIcon.ic('document_open.png'), _('&Open log folder'), self.open_log_folder)
        return button

    def start_sync(self) -> None:
        """Syncs the library or the selected books, unless a job is running."""
        self._start_with_books(lambda only: SyncWorker(self.jobs.library_opener(), only), self._synced)

    def start_preview(self) -> None:
        """Reads both sides and shows the plan, unless a job is running."""
        self._start_with_books(lambda only: SyncWorker(self.jobs.library_opener(), only, preview=True), self._planned)

    def _start_with_books(
        self, make_worker: Callable[[Collection[int] | None], Worker], succeeded: Callable[[Any], None]
    ) -> None:
        only = None
        if self.selected_only.isChecked():
            only = self.book_list.selected()
            if not only:
                self.status.setText(
                    _('No books are selected. Select some in the library, or untick "Only the selected books".')
                )
                return
        self._start(lambda: make_worker(only), succeeded)

    def start_undo(self) -> None:
        """Puts back what the last sync replaced, unless a job is running."""
        self._start(self._undo_worker, self._undone)

    def _undo_worker(self) -> Worker:
        open_library = self.jobs.library_opener()

        def undo(reporter: Reporter, _cancel: Cancel) -> UndoOutcome:
            with open_library() as library:
                return undo_last(library, reporter)

        return Worker(undo)

    def _try_account(self) -> None:
        self._start(lambda: Worker(check_account), self._account_accepted, show_log=False)

    def _start(
        self, make_worker: Callable[[], Worker], succeeded: Callable[[Any], None], show_log: bool = True
    ) -> None:
        if self.jobs.busy or self._preview_dialog is not None:
            self._say_that_another_job_runs()
            return
        self.log.clear()
        self.sign_in.hide()
        self._plan = None
        self.result_bar.forget()
        if show_log:
            self.pages.setCurrentWidget(self.log)
        self._run(make_worker(), succeeded)

    def _say_that_another_job_runs(self) -> None:
        self.status.setText(_('Another job is running. Wait until it is done, or stop it.'))

    def _run(self, worker: Worker, succeeded: Callable[[Any], None]) -> None:
        self._worker = worker
        self._worked_on = self._open_library()
        worker.status_changed.connect(self._show_step)
        worker.progress_changed.connect(self._show_progress)
        worker.lines_logged.connect(self.log.append)
        worker.succeeded.connect(succeeded)
        worker.failed.connect(self._failed)
        worker.finished.connect(self._ended)
        self._show_progress(0, 0)
        if not self.jobs.start(worker):
            self._worker = None
            self._show_progress(0, 1)
            self._say_that_another_job_runs()
        elif self._ran_before:
            # How the last job ended is no longer what goes on.
            self.status.clear()
        self._update_buttons()

    def _update_buttons(self) -> None:
        running = self._worker is not None
        for widget in (self.sync_now, self.preview, self.undo, self.settings, self.first_run):
            widget.setEnabled(not self.jobs.busy)
        self.cancel.setVisible(running)
        self.cancel.setEnabled(running)

    def _show_step(self, sentence: Text) -> None:
        """What goes on; that a sync is done is said a moment later, see `_synced`."""
        if sentence.template != DONE.template:
            self._show_status(sentence)

    def _show_status(self, sentence: Text) -> None:
        self.status.setText(sentence.translated(_, ngettext))

    def _show_progress(self, done: int, total: int) -> None:
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def _synced(self, outcome: SyncOutcome) -> None:
        self._show_progress(1, 1)
        # Shown when the thread has ended: whoever reads that it is done can start the next one.
        self._done = outcome.status
        # A switch waits for a write that has begun, and is done before this is told of the end.
        if self._open_library() is self._worked_on:
            self.result_bar.show_outcome(outcome)

    def _planned(self, prepared: PreparedSync) -> None:
        worker = self._worker
        assert isinstance(worker, SyncWorker)
        self._show_progress(1, 1)
        self._plan = worker, prepared

    def _busy_changed(self, busy: bool) -> None:
        self._update_buttons()
        if not busy and self._done is not None:
            self._show_status(self._done)
            self._done = None
        if self._preview_dialog is not None:
            self._preview_dialog.wait_for_job(busy)
            return
        foreign = _('Another job of this plugin is running.')
        if busy and self._worker is None:
            self._status_before = self.status.text()
            self.status.setText(foreign)
        elif not busy and self.status.text() == foreign:
            self.status.setText(self._status_before)
            self.look_for_missing()
        elif not busy and self._look_again:
            self.look_for_missing()

    def _show_plan(self) -> None:
        """Shows what was planned, once the thread of its worker has ended and the next job can start."""
        if self._plan is None or self.jobs.busy:
            return
        (worker, prepared), self._plan = self._plan, None
        if not self.isVisible() or self.jobs.library().library_id != prepared.library_id:
            self._failed(Cancelled())
            return
        if not prepared.plan.changes:
            self._apply(worker, prepared, ())
            return
        from .gui.sync_preview import PreviewDialog

        self.status.setText(_('Nothing is written yet. Choose what to write.'))
        dialog = self._preview_dialog = PreviewDialog(self, prepared, self.jobs.library())
        self.jobs.hold(True)
        dialog.finished.connect(lambda result: self._preview_closed(worker, prepared, bool(result)))
        # For this window and Calibre's only: unlike exec(), that leaves the event loop as it is.
        dialog.open()

    def _preview_closed(self, worker: SyncWorker, prepared: PreparedSync, apply: bool) -> None:
        dialog, self._preview_dialog = self._preview_dialog, None
        self.jobs.hold(False)
        if dialog is None:
            return
        if apply:
            self._apply(worker, prepared, dialog.ticked)
        else:
            self._failed(Cancelled())
        dialog.deleteLater()

    def _apply(self, worker: SyncWorker, prepared: PreparedSync, ticked: Collection[Any]) -> None:
        self._run(ApplyWorker(worker.sync_job, prepared, ticked), self._synced)

    def _undone(self, outcome: UndoOutcome) -> None:
        self._show_progress(1, 1)
        self.status.setText(' '.join(sentence.translated(_, ngettext) for sentence in undo_sentences(outcome)))

    def _account_accepted(self, _nothing: object) -> None:
        self._show_progress(0, 1)
        self.first_run.accepted()
        self.status.setText(_('Signed in.'))
        self._refresh_first_run()

    def _failed(self, error: BackSyncError) -> None:
        self._show_progress(0, 1)
        sentence = error.sentence.translated(_, ngettext)
        if isinstance(error, Cancelled):
            self.status.setText(sentence)
            return
        self.status.setText(_('Error: {message}').format(message=sentence))
        self.log.append([f'Error: {error}'])
        if isinstance(error, SettingsTrouble) and self._refresh_first_run() is not None:
            self.pages.setCurrentWidget(self.first_run)
        if isinstance(error, SignInRefused):
            if self.pages.currentWidget() is self.first_run:
                self.first_run.refused()
                self._refresh_first_run()
                if isinstance(error, PasswordRefused):
                    words = _('Error: BookFusion refused the email address or the password. Correct them below.')
                    self.status.setText(words)
            else:
                self.sign_in.show()

    def _ended(self) -> None:
        self._worker = None
        self._ran_before = True
        self._update_buttons()

    def _stop(self) -> None:
        if self._worker is not None:
            self.cancel.setEnabled(False)
            self.status.setText(_('Stopping...'))
            self._worker.cancel.set()

    def _sign_in(self) -> None:
        from .gui.sign_in_dialog import sign_in

        if sign_in(self):
            self.sign_in.hide()
            self.first_run.accepted()
            self.status.setText(_('Signed in. Ready to sync.'))
            self.look_for_missing()

    def look_for_missing(self) -> None:
        """Shows the page of the first run while something is missing, and says in the status line what."""
        self._look_again = self.jobs.busy
        if self._look_again:
            return
        missing = self._refresh_first_run()
        if missing is not None:
            self.status.setText(missing)
            self.pages.setCurrentWidget(self.first_run)
        elif self.pages.currentWidget() is self.first_run:
            self.status.setText(_('Ready to sync.'))

    def _refresh_first_run(self) -> str | None:
        try:
            missing = self.first_run.refresh(self._open_library())
        except BackSyncError as error:
            return _('Error: {message}').format(message=error.sentence.translated(_, ngettext))
        if isinstance(missing.account, PasswordMissing):
            return _('Enter the password of your BookFusion account below, or sign in with a browser.')
        if missing.account is not None:
            return _('Enter your BookFusion account below, or sign in with a browser.')
        return missing.column.translated(_, ngettext) if missing.column is not None else None

    def _open_library(self) -> Library | None:
        # At its end Calibre closes the library before the last signals of a job arrive.
        if self.jobs.over:
            return None
        return self.jobs.library() if getattr(self.gui, 'current_db', None) is not None else None

    def _book_not_shown(self) -> None:
        self.status.setText(_('That book is not in the library as it is shown now.'))

    def library_changed(self) -> None:
        """The window shows another library now: what the log says of books is about the old one."""
        self.result_bar.forget()
        if self._preview_dialog is not None:
            self._preview_dialog.reject()
        self.look_for_missing()
        QTimer.singleShot(0, self._offer_to_delete_old_log)

    def copy_diagnostics(self) -> None:
        from .gui.diagnostics import diagnostics

        Application.instance().clipboard().setText(diagnostics(self._open_library()))
        self.status.setText(_('The diagnostics are in the clipboard. There are no passwords or tokens in them.'))

    def open_log_folder(self) -> None:
        open_local_file(str(plugin_folder()))

    def _offer_to_delete_old_log(self) -> None:
        library = self._open_library()
        if library is None or not self.isVisible():
            return
        path = old_log.find(library)
        if path is None:
            return
        with suppress(BackSyncError):
            # In a library that cannot be written the question comes again; that is no reason not to ask.
            old_log.mark_named(library)
        question = _(
            'An earlier version of this plugin has left its log in the folder of this library. '
            'It may hold the token of your BookFusion account, and the folder may be shared. Delete the log?'
        )
        if question_dialog(self, _('Old log found'), question, det_msg=str(path)):
            try:
                path.unlink()
            except OSError as error:
                error_dialog(self, _('Log not deleted'), f'{path}: {error.strerror}', show=True)

    def reject(self) -> None:
        """Closes the window; a running job is told to stop and ends by itself."""
        if self._preview_dialog is not None:
            self._preview_dialog.reject()
        if self._worker is not None:
            self._worker.cancel.set()
        super().reject()
