# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of the browser sign-in: shows the code and its remaining time, opens the page, and shows the result.

The sign-in itself is in `jobs/browser_sign_in` and runs on a worker thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from calibre.gui2 import Application, error_dialog, open_url, question_dialog
from calibre.gui2.widgets2 import Dialog
from qt.core import (
    QDialogButtonBox,
    QFontDatabase,
    QHBoxLayout,
    QIcon,
    QLabel,
    QLineEdit,
    QPushButton,
    QSize,
    QSizePolicy,
    Qt,
    QTimer,
    QVBoxLayout,
    QWidget,
    pyqtSignal,
)

from ..base import settings
from ..base.cancel import Cancel
from ..base.errors import BackSyncError
from ..base.reporter import Reporter
from ..jobs import browser_sign_in
from ..jobs.browser_sign_in import DeviceCode, SignedIn, WaitStep
from ..sync_worker import Worker
from .job_runner import SHUTDOWN_TIMEOUT, start_beside

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

# Milliseconds.
COUNTDOWN_INTERVAL = 250
COPIED_SHOWN_FOR = 2000
# Pixels.
ICON_SIZE = 32


class SignInWorker(Worker):
    """Runs the sign-in. `signed_in` is set as soon as the token is saved.

    Signals:
        code_given(DeviceCode): the code to show; emitted at most once.
        waiting(WaitStep): the status of the wait, after each poll and before a retry.
    """

    code_given = pyqtSignal(object)
    waiting = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__(self._sign_in)
        self.signed_in: SignedIn | None = None

    def _sign_in(self, _reporter: Reporter, cancel: Cancel) -> SignedIn:
        given = settings.load().settings
        self.signed_in = browser_sign_in.sign_in(given, self.code_given.emit, self.waiting.emit, cancel)
        return self.signed_in


class SignInDialog(Dialog):
    """Starts the sign-in when it is created. The caller calls `exec` and then `stop`."""

    def __init__(self, parent: QWidget | None) -> None:
        self._worker: SignInWorker | None = None
        self._code: DeviceCode | None = None
        self._deadline = 0.0
        Dialog.__init__(
            self,
            _('Sign in to BookFusion'),
            'bookfusion-back-sync-sign-in',
            parent,
            default_buttons=QDialogButtonBox.StandardButton.Cancel,
        )
        self._ticker = QTimer(self)
        self._ticker.setInterval(COUNTDOWN_INTERVAL)
        self._ticker.timeout.connect(self._show_countdown)
        self.begin()

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(520, 280))

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        self.entry = QWidget(self)
        self._fill_entry(self.entry)
        layout.addWidget(self.entry)
        layout.addStretch(1)
        layout.addLayout(self._status_row())
        layout.addStretch(1)
        layout.addWidget(self.bb)
        self.again = self.bb.addButton(_('&Try again'), QDialogButtonBox.ButtonRole.ActionRole)
        self.again.setObjectName('again')
        self.again.setIcon(QIcon.ic('view-refresh.png'))
        self.again.clicked.connect(self.begin)

    def _fill_entry(self, entry: QWidget) -> None:
        """Add the widgets for entering the code, which are hidden after the end."""
        layout = QVBoxLayout(entry)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        intro = QLabel(_('Your browser opens a page of BookFusion. Sign in there and enter this code:'), entry)
        intro.setWordWrap(True)
        layout.addWidget(intro)
        layout.addLayout(self._code_row())
        self.page = QLabel(entry)
        self.page.setObjectName('page')
        self.page.setTextFormat(Qt.TextFormat.PlainText)
        self.page.setWordWrap(True)
        self.page.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.page.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        layout.addWidget(self.page)

    def _code_row(self) -> QHBoxLayout:
        self.user_code = QLineEdit(self)
        self.user_code.setObjectName('user_code')
        self.user_code.setAccessibleName(_('Code to enter in the browser'))
        self.user_code.setReadOnly(True)
        self.user_code.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # Codes are read from left to right in every language.
        self.user_code.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSizeF(max(self.font().pointSizeF(), 9.0) * 2.2)
        font.setBold(True)
        self.user_code.setFont(font)
        self.user_code.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.copy_code = self._button('copy_code', _('&Copy code'), 'edit-copy.png', self._copy)
        self.open_page = self._button('open_page', _('&Open page'), 'forward.png', self._open)
        buttons = QVBoxLayout()
        buttons.addWidget(self.copy_code)
        buttons.addWidget(self.open_page)
        row = QHBoxLayout()
        row.addWidget(self.user_code, 1)
        row.addLayout(buttons)
        return row

    def _button(self, name: str, label: str, icon: str, clicked: Callable[[], object]) -> QPushButton:
        button = QPushButton(QIcon.ic(icon), label, self)
        button.setObjectName(name)
        button.setAutoDefault(False)
        button.clicked.connect(clicked)
        return button

    def _status_row(self) -> QHBoxLayout:
        self.icon = QLabel(self)
        self.icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status = QLabel(self)
        self.status.setObjectName('status')
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.countdown = QLabel(self)
        self.countdown.setObjectName('countdown')
        self.countdown.setTextFormat(Qt.TextFormat.PlainText)
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addWidget(self.status)
        column.addWidget(self.countdown)
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addWidget(self.icon)
        row.addLayout(column, 1)
        return row

    def begin(self) -> None:
        """Start a sign-in with a new code, and stop the previous one."""
        self.stop()
        self._forget_code()
        self._show_state(_('Asking BookFusion for a code...'), 'user_profile.png')
        worker = self._worker = SignInWorker()
        worker.code_given.connect(self._show_code)
        worker.waiting.connect(self._show_step)
        worker.succeeded.connect(self._succeeded)
        worker.failed.connect(self._failed)
        start_beside(worker)

    def _forget_code(self) -> None:
        self._ticker.stop()
        self._code = None
        self.user_code.clear()
        self.page.clear()
        self.countdown.clear()
        self.countdown.hide()
        for widget in (self.user_code, self.copy_code, self.open_page):
            widget.setEnabled(False)

    def _show_state(self, words: str, icon: str, ended: bool = False, may_try_again: bool = False) -> None:
        self.entry.setVisible(not ended)
        self.status.setText(words)
        self.icon.setPixmap(QIcon.ic(icon).pixmap(ICON_SIZE, ICON_SIZE))
        kind = QDialogButtonBox.StandardButton.Close if ended else QDialogButtonBox.StandardButton.Cancel
        if self.bb.button(kind) is None:
            self.bb.setStandardButtons(kind)
        self.again.setVisible(may_try_again)
        # While the code is shown, Enter must not press Cancel.
        button = self.again if may_try_again else self.bb.button(kind)
        button.setAutoDefault(ended)
        button.setDefault(ended)

    def _show_code(self, code: DeviceCode) -> None:
        self._code = code
        self._deadline = time.monotonic() + code.expires_in
        self.user_code.setText(code.user_code)
        self.page.setText(code.page)
        for widget in (self.user_code, self.copy_code, self.open_page):
            widget.setEnabled(True)
        self.copy_code.setFocus(Qt.FocusReason.OtherFocusReason)
        self._ticker.start()
        self._show_countdown()
        self.countdown.show()
        self._open()

    def _show_step(self, step: WaitStep) -> None:
        icon = 'dialog_warning.png' if step.in_trouble else 'user_profile.png'
        self._show_state(step.sentence.translated(_, ngettext), icon)

    def _show_countdown(self) -> None:
        left = max(0, math.ceil(self._deadline - time.monotonic()))
        self.countdown.setText(
            _('The code is good for another {minutes}:{seconds}.').format(minutes=left // 60, seconds=f'{left % 60:02}')
        )

    def _copy(self) -> None:
        Application.instance().clipboard().setText(self.user_code.text())
        self.copy_code.setText(_('Copied'))
        QTimer.singleShot(COPIED_SHOWN_FOR, self._offer_to_copy)

    def _offer_to_copy(self) -> None:
        self.copy_code.setText(_('&Copy code'))

    def _open(self) -> None:
        if self._code is not None:
            open_url(self._code.page_to_open)

    def _succeeded(self, signed_in: SignedIn) -> None:
        self._forget_code()
        self._show_state(signed_in.sentence.translated(_, ngettext), 'ok.png', ended=True)
        # Show the result before asking the question.
        QTimer.singleShot(0, self._offer_to_erase)

    def _offer_to_erase(self) -> None:
        if not self.isVisible() or not settings.load().settings.password:
            return
        if question_dialog(
            self,
            _('Erase the stored password?'),
            _(
                'You are signed in with a browser now, so the password of the BookFusion account is no longer needed. '
                'Erase it from the settings?'
            ),
            yes_text=_('&Erase it'),
            no_text=_('&Keep it'),
        ):
            _shown_errors(self, browser_sign_in.erase_password)

    def _failed(self, error: BackSyncError) -> None:
        self._forget_code()
        words = error.sentence.translated(_, ngettext)
        self._show_state(words, 'dialog_error.png', ended=True, may_try_again=True)

    def reject(self) -> None:
        """Close the window and cancel the sign-in."""
        self._ticker.stop()
        if self._worker is not None:
            self._worker.cancel.set()
        super().reject()

    def stop(self) -> bool:
        """Cancel the worker and wait for its thread. True if a token was saved."""
        worker, self._worker = self._worker, None
        if worker is None:
            return False
        for signal in (worker.code_given, worker.waiting, worker.succeeded, worker.failed):
            signal.disconnect()
        worker.stop(SHUTDOWN_TIMEOUT)
        return worker.signed_in is not None


def _shown_errors(parent: QWidget | None, action: Callable[[], object]) -> bool:
    """Call `action`. If it raises a BackSyncError, show the error and return False."""
    try:
        action()
    except BackSyncError as error:
        error_dialog(parent, _('Settings not changed'), error.sentence.translated(_, ngettext), show=True)
        return False
    return True


def sign_in(parent: QWidget | None) -> bool:
    """Sign in with a browser, in a modal dialog. True if the user has signed in."""
    dialog = SignInDialog(parent)
    try:
        dialog.exec()
    finally:
        signed_in = dialog.stop()
        dialog.deleteLater()
    return signed_in


def sign_out(parent: QWidget | None) -> bool:
    """Forget the browser sign-in. False if there was none, or after an error, which is shown."""
    forgotten: list[bool] = []
    return _shown_errors(parent, lambda: forgotten.append(browser_sign_in.sign_out())) and forgotten == [True]
