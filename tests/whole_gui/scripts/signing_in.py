"""A sign-in that has expired is renewed from the window; and Calibre quits in the middle of one."""

from __future__ import annotations

import atexit
import json
from pathlib import Path
from typing import Any

from harness.secrets import TEST_PASSWORD
from qt.core import QDesktopServices, QDialogButtonBox, QLabel, QLineEdit, QObject, QPushButton, QTimer, QUrl, pyqtSlot
from standins.bookfusion import DEVICE_TOKEN
from standins.faults import Hang
from whole_gui.scripts.stage import Stage, Steps, plugin_module, running_threads

EXPIRED_TOKEN = 'expired-token-0123456789'


class Browser(QObject):
    """Takes the addresses that Calibre would hand to the browser."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        QDesktopServices.setUrlHandler('http', self, 'take')

    @pyqtSlot(QUrl)
    def take(self, url: QUrl) -> None:
        self.opened.append(url.toString())


def begin(stage: Stage) -> Steps:
    """A sync with a token that is not taken any more, then the button that signs in; the sign-in's window."""
    stage.server.set_options(device_interval=0.1)
    stage.save(bookfusion_token=EXPIRED_TOKEN)
    stage.open()
    yield lambda: stage.dialog
    yield from stage.run('sync_now')
    # The click blocks until the sign-in is over, so the script goes on beside it.
    QTimer.singleShot(0, lambda: stage.click('sign_in'))
    window = yield lambda: stage.helpers.window('SignInDialog')
    return window


def sign_in(stage: Stage, browser: Browser) -> Steps:
    window = yield from begin(stage)
    found: dict[str, Any] = {'refused': stage.status}
    code = stage.helpers.child(window, 'user_code', QLineEdit)
    yield lambda: code.text()
    found['code'] = code.text()
    question = yield lambda: stage.helpers.window('MessageBox')
    found['signed_in'] = stage.helpers.child(window, 'status', QLabel).text()
    question.bb.button(QDialogButtonBox.StandardButton.Yes).click()
    # Each modal dialog has an event loop of its own, which ends only when the script lets go.
    yield
    window.bb.button(QDialogButtonBox.StandardButton.Close).click()
    yield
    found['closed'] = stage.helpers.window('SignInDialog') is None
    yield stage.ended
    saved = plugin_module('base.settings').load().settings
    found['password_kept'] = saved.password.reveal() == TEST_PASSWORD
    found['token_saved'] = saved.bookfusion_token.reveal() == stage.server.token
    found['button_left'] = stage.helpers.child(stage.dialog, 'sign_in', QPushButton).isVisible()
    found['synced'] = yield from stage.run('sync_now')
    return stage.result(opened=browser.opened, threads=running_threads(), **found)


def quit_meanwhile(stage: Stage) -> Steps:
    """Calibre's end closes the window. What runs before, right after the plugin has shut down, and at the very end is
    noted in a file, for there is no answer then.
    """
    stage.server.fail(Hang(), path=DEVICE_TOKEN, times=None)
    yield from begin(stage)
    yield lambda: stage.server.count(DEVICE_TOKEN)
    noted, seen = Path(stage.helpers.argument['noted']), [running_threads()]
    shut_down = stage.helpers.action.shutting_down

    def shut_down_and_look() -> None:
        shut_down()
        seen.append(running_threads())

    stage.helpers.action.shutting_down = shut_down_and_look
    atexit.register(lambda: noted.write_text(json.dumps([*seen, running_threads()]), encoding='utf-8'))
    QTimer.singleShot(0, lambda: stage.gui.quit(confirm_quit=False))
    yield lambda: False


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    browser = Browser()
    stage = Stage(gui, helpers)
    if 'noted' in helpers.argument:
        yield from quit_meanwhile(stage)
    result = yield from sign_in(stage, browser)
    return result
