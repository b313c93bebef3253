# SPDX-License-Identifier: GPL-3.0-or-later
"""Configure Hardcover Account: loads the API key from a file or the clipboard, and shows the account it belongs to.

The key is never displayed or typed. A worker thread checks it before it is saved.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application, choose_files, error_dialog, open_local_file, open_url, question_dialog
from calibre.gui2.widgets2 import Dialog
from qt.core import QDialogButtonBox, QHBoxLayout, QLabel, QSize, Qt, QUrl, QVBoxLayout, QWidget

from ..base import log_file
from ..base.errors import BackSyncError, NoKeyFile
from ..base.redaction import Secret
from ..base.settings import load
from ..base.text import Text
from ..jobs.hardcover_account import (
    NEW_KEY_PAGE,
    TokenCheck,
    check_token,
    load_token_file,
    save_token,
    token_from_text,
    token_path,
)
from ..sync_worker import Worker
from .job_runner import Jobs
from .widgets import Notice, plain_tip, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


class AccountDialog(Dialog):
    """Not modal. Call `start` after showing the window."""

    def __init__(self, gui: Any, jobs: Jobs) -> None:
        self.jobs = jobs
        self._worker: Worker | None = None
        self._again: Callable[[], None] = self.start
        self._source: Path | None = None
        log_file.start()
        Dialog.__init__(
            self,
            _('Configure Hardcover Account'),
            'bookfusion-back-sync-hardcover-account',
            gui if isinstance(gui, QWidget) else None,
            default_buttons=QDialogButtonBox.StandardButton.Close,
        )
        self.setModal(False)

    def sizeHint(self) -> QSize:
        return QSize(600, 320)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        self.state = Notice('state', self, large=True)
        self.scopes = Notice('scopes', self, large=True)
        layout.addWidget(self.state)
        layout.addWidget(self.scopes)
        layout.addStretch(1)
        layout.addWidget(self._how_to())
        layout.addLayout(self._source_buttons())
        layout.addWidget(self.bb)
        self.again = push_button(
            'again', _('&Try again'), _('Ask Hardcover once more'), lambda: self._again(), self, 'view-refresh.png'
        )
        self.bb.addButton(self.again, QDialogButtonBox.ButtonRole.ActionRole)
        self.again.setAutoDefault(True)
        self.again.hide()

    def _how_to(self) -> QLabel:
        words = _(
            'Hardcover makes keys for its users: {link}. Every permission that is needed is ticked there. '
            'Copy the key and paste it here, or save it in a file.'
        )
        link = f'<a href="{escape(NEW_KEY_PAGE)}">{escape(_("make a new key"))}</a>'
        label = QLabel(escape(words).format(link=link), self)
        label.setObjectName('how_to')
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        label.linkActivated.connect(lambda address: open_url(QUrl(address)))
        return label

    def _source_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.choose_file = push_button(
            'choose_file', _('Choose &file…'), _('Read the key from a file'), self._choose, self, 'document_open.png'
        )
        self.paste = push_button(
            'paste', _('&Paste from clipboard'), _('Take the key you have copied'), self._paste, self, 'edit-paste.png'
        )
        self.open_folder = push_button(
            'open_folder',
            _('&Open folder'),
            _('Show the folder where the file hardcover.token is looked for'),
            lambda: open_local_file(str(token_path().parent)),
            self,
            'tb_folder.png',
        )
        for button in (self.choose_file, self.paste, self.open_folder):
            row.addWidget(button)
        row.addStretch(1)
        return row

    @property
    def running(self) -> bool:
        return self._worker is not None

    def start(self) -> None:
        """Check the key in hardcover.token; if there is no such file, the key in the settings."""
        try:
            token = load_token_file()
        except BackSyncError as error:
            saved = self._saved_token()
            if saved and isinstance(error, NoKeyFile):
                self._check(saved, None)
            else:
                self._show_trouble(error.sentence)
            return
        self._check(token, token_path())

    def _saved_token(self) -> Secret | None:
        try:
            return load().settings.hardcover_token or None
        except BackSyncError:
            return None

    def _choose(self) -> None:
        paths = choose_files(
            self,
            'bookfusion-back-sync-hardcover-token',
            _('Choose the file with the Hardcover key'),
            all_files=True,
            select_only_single_file=True,
        )
        if not paths:
            return
        try:
            token = load_token_file(Path(paths[0]))
        except BackSyncError as error:
            self._show_trouble(error.sentence)
            return
        self._check(token, Path(paths[0]))

    def _paste(self) -> None:
        try:
            token = token_from_text(Application.instance().clipboard().text())
        except BackSyncError as error:
            self._show_trouble(error.sentence)
            return
        self._check(token, None)

    def _check(self, token: Secret, source: Path | None) -> None:
        """Check the key on a worker thread, and save it if it is valid.

        `source` is the file that it comes from, which can be deleted afterwards; None for other sources.
        """
        try:
            given = load().settings
        except BackSyncError as error:
            self._show_trouble(error.sentence)
            return
        self._source = source
        self._again = lambda: self._check(token, source)

        def job(reporter: Any, cancel: Any) -> TokenCheck:
            found = check_token(token, given.hardcover_api_url, reporter, cancel)
            if token != given.hardcover_token:
                save_token(token)
            return found

        worker = Worker(job)
        # Bound methods, not lambdas: Qt disconnects them when the window is deleted before the job ends.
        worker.status_changed.connect(self._show_status)
        worker.succeeded.connect(self._checked)
        worker.failed.connect(self._failed)
        worker.finished.connect(self._ended)
        if not self.jobs.start(worker):
            self._show_words(_('Another job is running. Wait until it is done, or stop it.'), 'dialog_warning.png')
            self.again.show()
            return
        self._worker = worker
        self._show_words(_('Asking Hardcover whose key this is…'), 'user_profile.png')
        self._enable_sources(False)

    def _enable_sources(self, enabled: bool) -> None:
        for button in (self.choose_file, self.paste):
            button.setEnabled(enabled)

    def _ended(self) -> None:
        self._worker = None
        self._enable_sources(True)

    def _checked(self, found: TokenCheck) -> None:
        words = _('This is the Hardcover account {name}. Its key is kept in the settings.')
        self._show_words(words.format(name=found.account.username or found.account.user_id), 'ok.png')
        if found.missing:
            words = _(
                'The key lacks permissions: {scopes}. Make a new key with the link below, '
                'which has every permission ticked that the plugin needs.'
            )
            self.scopes.say(words.format(scopes=', '.join(found.missing)), 'dialog_warning.png')
        elif found.untested:
            words = _('Whether the key may also change ratings ({scopes}) shows only when one is sent.')
            self.scopes.say(words.format(scopes=', '.join(found.untested)), 'dialog_information.png')
        if self._source is not None and self._source.exists() and self.isVisible():
            self._offer_to_delete(self._source)

    def _offer_to_delete(self, source: Path) -> None:
        if not question_dialog(
            self,
            _('Delete the file with the key?'),
            plain_tip(
                _('The key is kept in the settings now, so the file {path} is no longer needed. Delete it?').format(
                    path=source
                )
            ),
            yes_text=_('&Delete it'),
            no_text=_('&Keep it'),
        ):
            return
        try:
            source.unlink(missing_ok=True)
        except OSError as error:
            error_dialog(
                self,
                _('File not deleted'),
                plain_tip(
                    _('The file {path} could not be deleted ({reason}). Delete it yourself.').format(
                        path=source, reason=error.strerror
                    )
                ),
                show=True,
            )

    def _failed(self, error: BackSyncError) -> None:
        self._show_trouble(error.sentence)
        self.again.show()

    def _show_status(self, sentence: Text) -> None:
        self._show_state(sentence, 'user_profile.png')

    def _show_trouble(self, sentence: Text) -> None:
        self._show_state(sentence, 'dialog_error.png')

    def _show_state(self, sentence: Text, icon: str) -> None:
        self._show_words(sentence.translated(_, ngettext), icon)

    def _show_words(self, words: str, icon: str) -> None:
        self.state.say(words, icon)
        self.scopes.hide()
        self.again.hide()

    def reject(self) -> None:
        """Close the window and cancel a running check."""
        if self._worker is not None:
            self._worker.cancel.set()
        super().reject()
