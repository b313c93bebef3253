# SPDX-License-Identifier: GPL-3.0-or-later
"""MainDialog: status, progress and log of a sync, and buttons to start, preview and undo it.

Contains no sync logic: jobs run on worker threads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application, error_dialog, open_local_file, question_dialog
from calibre.gui2.widgets2 import Dialog
from qt.core import (
    QDialogButtonBox,
    QHBoxLayout,
    QIcon,
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
from .gui.book_list import BookList
from .gui.first_run import FirstRunPage
from .gui.job_runner import Jobs
from .gui.job_view import JobState, JobView
from .gui.result_bar import ResultBar
from .gui.widgets import check_box, menu_button, push_button
from .jobs.sync import DONE, PreparedSync, SyncJob, SyncOutcome, check_account, undo_last, undo_sentences
from .library import old_log
from .library.calibre_library import Library
from .library.undo import UndoOutcome
from .sync_worker import ApplyWorker, SyncWorker, Worker

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

    from .gui.sync_preview import SyncPreview

load_translations()


class MainDialog(Dialog):
    """The plugin's main window. Not modal; `show_settings` opens the settings form."""

    def __init__(self, gui: Any, jobs: Jobs, show_settings: Callable[[], object]) -> None:
        self.gui = gui
        self.jobs = jobs
        self.book_list = BookList(gui)
        self._show_settings = show_settings
        self._preview_dialog: SyncPreview | None = None
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
        self.job_view.state_changed.connect(self._state_changed)
        self._state_changed()
        self.look_for_missing()
        QTimer.singleShot(0, self._offer_to_delete_old_log)

    def sizeHint(self) -> QSize:
        return QSize(780, 600)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        self.job_view = JobView(self.jobs, self, _('Ready to sync.'), endings=[DONE])
        self.log = self.job_view.log
        layout.addWidget(self.job_view.status)
        layout.addLayout(self._progress_row())
        self.first_run = self._first_run_page()
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.log)
        self.pages.addWidget(self.first_run)
        layout.addWidget(self.pages, 1)
        layout.addLayout(self._result_row())
        layout.addLayout(self._button_row())
        # The tab order follows the layout from top to bottom.
        self.setTabOrder(self.sign_in, self.log)

    def _progress_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.cancel = push_button(
            'cancel',
            _('S&top'),
            _('Stop this job. Nothing is written unless writing has begun'),
            self.job_view.stop,
            self,
            'window-close.png',
        )
        self.sign_in = push_button(
            'sign_in', _('Si&gn in…'), _('Sign in with a browser'), self._sign_in, self, 'user_profile.png'
        )
        self.sign_in.hide()
        row.addWidget(self.job_view.progress, 1)
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
        self.result_bar.said.connect(self._books_shown)
        self.log.lead_to_books(self.result_bar.show_book_of_line)
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
        """Sync the library or the selected books, unless a job is running."""
        self._start_sync(preview=False)

    def start_preview(self) -> None:
        """Plan a sync and show the preview, unless a job is running."""
        self._start_sync(preview=True)

    def _start_sync(self, preview: bool) -> None:
        only = self.book_list.selected() if self.selected_only.isChecked() else None
        if only is not None and not only:
            self.job_view.say(
                _('No books are selected. Select some in the library, or untick "Only the selected books".')
            )
        elif self._may_start():
            worker = SyncWorker(self.jobs.library_opener(), only, preview)
            self._run(worker, partial(self._planned, worker.sync_job) if preview else self._synced)

    def start_undo(self) -> None:
        """Restore the values that the last sync replaced, unless a job is running."""
        if self._may_start():
            open_library = self.jobs.library_opener()

            def undo(reporter: Reporter, _cancel: Cancel) -> UndoOutcome:
                with open_library() as library:
                    return undo_last(library, reporter)

            self._run(Worker(undo), self._undone)

    def _try_account(self) -> None:
        if self._may_start(show_log=False):
            self._run(Worker(check_account), self._account_accepted)

    def _may_start(self, show_log: bool = True) -> bool:
        """Prepare the window for a job. Returns False and says why while a job runs or a preview is open."""
        if self.job_view.state is not JobState.IDLE or self._preview_dialog is not None:
            self.job_view.say_that_another_job_runs()
            return False
        self.log.clear()
        self.sign_in.hide()
        self.result_bar.forget()
        if show_log:
            self.pages.setCurrentWidget(self.log)
        return True

    def _run(self, worker: Worker, succeeded: Callable[[Any], None]) -> None:
        if not self.job_view.run(worker, succeeded, self._failed):
            self._failed(Cancelled())
            self.job_view.say_that_another_job_runs()

    def _state_changed(self) -> None:
        state = self.job_view.state
        for widget in (self.sync_now, self.preview, self.undo, self.settings, self.first_run):
            widget.setEnabled(state is JobState.IDLE)
        self.cancel.setVisible(self.job_view.running)
        self.cancel.setEnabled(state is JobState.RUNNING)
        if self._preview_dialog is not None:
            self._preview_dialog.wait_for_job(state is not JobState.IDLE)
        if state is JobState.ELSEWHERE:
            # The other job may change what is missing here.
            self.look_for_missing()

    def _synced(self, outcome: SyncOutcome) -> None:
        self.job_view.show_progress(1, 1)
        self.job_view.say(outcome.status.translated(_, ngettext))
        # A library switch waits for a running write, so the library may have been switched before this is called.
        if self.jobs.has_open(outcome.library_id):
            self.result_bar.show_outcome(outcome)

    def _planned(self, sync_job: SyncJob, prepared: PreparedSync) -> None:
        """Show the preview of a plan. A plan without changes is applied at once, which only logs its result."""
        self.job_view.show_progress(1, 1)
        if not self.isVisible() or not self.jobs.has_open(prepared.library_id):
            self._failed(Cancelled())
            return
        if not prepared.plan.changes:
            self._run(ApplyWorker(sync_job, prepared, ()), self._synced)
            return
        from .gui.sync_preview import SyncPreview

        self.job_view.say(_('Nothing is written yet. Choose what to write.'))
        dialog = self._preview_dialog = SyncPreview(self, prepared, self.jobs.library())
        self.jobs.hold(True)
        dialog.finished.connect(lambda result: self._preview_closed(sync_job, prepared, bool(result)))
        # Modal for this window; unlike exec(), open() starts no nested event loop.
        dialog.open()

    def _preview_closed(self, sync_job: SyncJob, prepared: PreparedSync, apply: bool) -> None:
        dialog, self._preview_dialog = self._preview_dialog, None
        self.jobs.hold(False)
        if dialog is None:
            return
        if apply:
            self._run(ApplyWorker(sync_job, prepared, dialog.ticked), self._synced)
        else:
            self._failed(Cancelled())
        dialog.deleteLater()

    def _undone(self, outcome: UndoOutcome) -> None:
        self.job_view.show_progress(1, 1)
        self.job_view.say(' '.join(sentence.translated(_, ngettext) for sentence in undo_sentences(outcome)))

    def _account_accepted(self, _nothing: object) -> None:
        self.job_view.show_progress(0, 1)
        self.first_run.accepted()
        self.job_view.say(_('Signed in.'))
        self._refresh_first_run()

    def _failed(self, error: BackSyncError) -> None:
        self.job_view.show_progress(0, 1)
        sentence = error.sentence.translated(_, ngettext)
        if isinstance(error, Cancelled):
            self.job_view.say(sentence)
            return
        self.job_view.say(_('Error: {message}').format(message=sentence))
        self.log.append([f'Error: {error}'])
        if isinstance(error, SettingsTrouble) and self._refresh_first_run() is not None:
            self.pages.setCurrentWidget(self.first_run)
        if isinstance(error, SignInRefused):
            if self.pages.currentWidget() is self.first_run:
                self.first_run.refused()
                self._refresh_first_run()
                if isinstance(error, PasswordRefused):
                    words = _('Error: BookFusion refused the email address or the password. Correct them below.')
                    self.job_view.say(words)
            else:
                self.sign_in.show()

    def _sign_in(self) -> None:
        from .gui.sign_in_dialog import sign_in

        if sign_in(self):
            self.sign_in.hide()
            self.first_run.accepted()
            self.job_view.say(_('Signed in. Ready to sync.'))
            self.look_for_missing()

    def look_for_missing(self) -> None:
        """Show the first-run page if account or columns are missing. Waits for the end of a running job."""
        self.job_view.when_idle(self._show_what_is_missing)

    def _show_what_is_missing(self) -> None:
        missing = self._refresh_first_run()
        if missing is not None:
            self.job_view.say(missing)
            self.pages.setCurrentWidget(self.first_run)
        elif self.pages.currentWidget() is self.first_run:
            self.job_view.say(_('Ready to sync.'))

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
        # At exit Calibre closes the library before it delivers the last signals of a job.
        if self.jobs.over:
            return None
        return self.jobs.library() if getattr(self.gui, 'current_db', None) is not None else None

    def _books_shown(self, not_shown: str) -> None:
        """Say which books of the result the list does not show, and nothing else once all are shown."""
        outcome = self.result_bar.outcome
        if not_shown:
            self.job_view.say(not_shown)
        elif outcome is not None:
            self.job_view.say(outcome.status.translated(_, ngettext))

    def library_changed(self) -> None:
        """Adapt to a library switch: hide the result buttons and close the preview, which belong to the old library."""
        self.result_bar.forget()
        if self._preview_dialog is not None:
            self._preview_dialog.reject()
        self.look_for_missing()
        QTimer.singleShot(0, self._offer_to_delete_old_log)

    def copy_diagnostics(self) -> None:
        from .gui.diagnostics import diagnostics

        Application.instance().clipboard().setText(diagnostics(self._open_library()))
        self.job_view.say(_('The diagnostics are in the clipboard. There are no passwords or tokens in them.'))

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
            # Ask even if this fails, for example in a read-only library; the question then appears again next time.
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
        """Close the window and cancel a running job, without waiting for its end."""
        if self._preview_dialog is not None:
            self._preview_dialog.reject()
        self.job_view.stop()
        super().reject()
