"""The window of the browser sign-in, walked through as a user would, against the stand-in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calibre.gui2.dialogs.message_box import MessageBox
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.gui import job_runner, sign_in_dialog
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from calibre_plugins.bookfusionbacksync.gui.sign_in_dialog import SignInDialog
from calibre_plugins.bookfusionbacksync.jobs import browser_sign_in
from harness.bookfusion import book
from harness.desk import Answers, Browser
from harness.network import ENDLESS, while_held
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN
from harness.whole_gui import SCRIPTS
from qt.core import (
    QApplication,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QPushButton,
    Qt,
    QTimer,
    QWidget,
)
from standins import faults
from standins.bookfusion import DEVICE_CODE, DEVICE_TOKEN, SEARCH, BookFusionStandIn, generate_records

# Where to save a picture of every state; unset, none is saved.
PICTURES = os.environ.get('SIGN_IN_PICTURES', '')


@pytest.fixture
def server() -> Iterator[BookFusionStandIn]:
    records = generate_records(312)
    with BookFusionStandIn(records, token=TEST_USER_TOKEN, device_interval=0.1) as running:
        settings.save({'bookfusion_user_api_base': running.user_api_base})
        yield running


@pytest.fixture
def dialog(qtbot: Any, server: BookFusionStandIn, browser: Browser) -> Iterator[Callable[[], SignInDialog]]:
    """Opens the dialog, and ends its thread after the test."""
    made: list[SignInDialog] = []

    def make() -> SignInDialog:
        made.append(SignInDialog(None))
        made[-1].show()
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.stop()
        one.deleteLater()


@pytest.fixture
def endless_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request gives a silent server up by itself."""
    monkeypatch.setattr(browser_sign_in, 'POLL_LIMITS', ENDLESS)


def child(parent: QWidget, kind: type[Any], name: str) -> Any:
    found = parent.findChild(kind, name)
    assert found is not None, name
    return found


def status(dialog: SignInDialog) -> str:
    return str(child(dialog, QLabel, 'status').text())


def code(dialog: SignInDialog) -> str:
    return str(child(dialog, QLineEdit, 'user_code').text())


def picture(dialog: QWidget, name: str) -> None:
    if PICTURES:
        QApplication.processEvents()
        dialog.grab().save(str(Path(PICTURES, f'{name}.png')))


def is_question(dialog: QWidget) -> bool:
    return isinstance(dialog, MessageBox)


def button(box: MessageBox, kind: QDialogButtonBox.StandardButton) -> QPushButton:
    found = box.bb.button(kind)
    assert found is not None
    return found


def test_code_page_and_countdown(qtbot: Any, server: BookFusionStandIn, browser: Browser, dialog: Any) -> None:
    server.set_options(device_answers=['invalid_grant'])
    window = dialog()
    assert status(window) == 'Asking BookFusion for a code...'
    picture(window, 'starting')
    qtbot.waitUntil(lambda: code(window) == 'BKFN-2468')
    server.wait_for(DEVICE_TOKEN, 2)
    qtbot.waitUntil(lambda: status(window) == 'Waiting for the code to be entered in the browser...')
    assert child(window, QLabel, 'page').text() == f'{server.origin}/device'
    assert child(window, QLabel, 'countdown').text() in (
        'The code is good for another 10:00.',
        'The code is good for another 9:59.',
    )
    assert browser.opened == [f'{server.origin}/device?code=BKFN-2468']
    picture(window, 'waiting')


def test_the_code_can_be_copied(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.set_options(device_answers=['invalid_grant'])
    window = dialog()
    copy = child(window, QPushButton, 'copy_code')
    assert not copy.isEnabled()
    qtbot.waitUntil(copy.isEnabled)
    QApplication.clipboard().setText('something else')
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == 'BKFN-2468'
    assert copy.text() == 'Copied'
    field = child(window, QLineEdit, 'user_code')
    assert field.isReadOnly()
    field.selectAll()
    assert field.selectedText() == 'BKFN-2468'


def test_the_page_can_be_opened_again(qtbot: Any, server: BookFusionStandIn, browser: Browser, dialog: Any) -> None:
    server.set_options(device_answers=['invalid_grant'], complete_uri=False)
    window = dialog()
    open_page = child(window, QPushButton, 'open_page')
    qtbot.waitUntil(open_page.isEnabled)
    open_page.click()
    assert browser.opened == [f'{server.origin}/device'] * 2


def test_a_page_elsewhere_is_never_opened(qtbot: Any, server: BookFusionStandIn, browser: Browser, dialog: Any) -> None:
    server.fail(
        faults.WrongShape(
            {
                'device_code': 'x1x1x1x1',
                'user_code': '<b>1</b>',
                'verification_uri': 'https://evil.example/',
                'verification_uri_complete': 'file:///etc/passwd',
            }
        ),
        DEVICE_CODE,
    )
    window = dialog()
    qtbot.waitUntil(lambda: code(window) == '<b>1</b>')
    assert browser.opened == ['https://www.bookfusion.com/device']
    assert child(window, QLabel, 'page').text() == 'https://www.bookfusion.com/device'


def test_signed_in(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    window = dialog()
    qtbot.waitUntil(lambda: status(window) == 'Signed in to BookFusion: 312 books in the library.')
    assert settings.load().settings.bookfusion_token.reveal() == TEST_USER_TOKEN
    assert not child(window, QLineEdit, 'user_code').isVisible()
    assert not child(window, QPushButton, 'again').isVisible()
    assert window.bb.button(QDialogButtonBox.StandardButton.Cancel) is None
    picture(window, 'done')
    qtbot.keyClick(window, Qt.Key.Key_Return)
    assert not window.isVisible()
    assert window.stop()


@pytest.mark.parametrize(
    ('answer', 'sentence'),
    [
        ('access_denied', 'The sign-in was denied in the browser. Start it again and choose Allow there.'),
        ('expired_token', 'The code was not entered in time. Start the sign-in again.'),
    ],
)
def test_denied_or_expired_and_tried_again(
    qtbot: Any, server: BookFusionStandIn, browser: Browser, dialog: Any, answer: str, sentence: str
) -> None:
    server.set_options(device_answers=[answer])
    window = dialog()
    again = child(window, QPushButton, 'again')
    assert not again.isVisible()
    qtbot.waitUntil(lambda: status(window) == sentence)
    picture(window, answer)
    assert again.isVisible()
    assert code(window) == ''
    assert not child(window, QLabel, 'countdown').isVisible()
    server.set_options(device_answers=['success'])
    qtbot.keyClick(window, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: status(window).startswith('Signed in'))
    assert len(browser.opened) == 2
    assert window.stop()


def test_the_countdown_ends_the_wait(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.set_options(device_answers=['invalid_grant'], device_expires_in=1.2)
    window = dialog()
    countdown = child(window, QLabel, 'countdown')
    qtbot.waitUntil(lambda: countdown.text() == 'The code is good for another 0:01.')
    qtbot.waitUntil(lambda: status(window) == 'The code was not entered in time. Start the sign-in again.')


def test_trouble_is_shown_and_waited_through(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.fail(faults.Html(), DEVICE_TOKEN, times=2)
    window = dialog()
    qtbot.waitUntil(
        lambda: status(window).startswith(
            'Still waiting, although the last look for an answer failed. BookFusion answered'
        )
    )
    picture(window, 'trouble')
    assert code(window) == 'BKFN-2468'
    qtbot.waitUntil(lambda: status(window).startswith('Signed in'))


def test_no_code_to_be_had(qtbot: Any, server: BookFusionStandIn, browser: Browser, dialog: Any) -> None:
    server.fail(faults.Status(404), DEVICE_CODE, times=None)
    window = dialog()
    qtbot.waitUntil(lambda: status(window).startswith('BookFusion no longer answers at the address'))
    picture(window, 'failed')
    assert browser.opened == []
    assert not window.stop()


def test_a_settings_file_that_cannot_be_read_is_said(qtbot: Any, browser: Browser, dialog: Any) -> None:
    settings.settings_path().write_text('{"email": ')
    window = dialog()
    qtbot.waitUntil(lambda: status(window).startswith('The settings file was not readable'))


def test_the_end_of_calibre_waits_for_the_thread(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.fail(faults.Hang(), DEVICE_TOKEN, times=None)
    worker = dialog()._worker
    qtbot.waitUntil(lambda: server.count(DEVICE_TOKEN) == 1)
    Jobs(None).shut_down()
    assert worker.isFinished()


@pytest.mark.parametrize('path', [DEVICE_CODE, DEVICE_TOKEN, SEARCH])
def test_cancel_ends_the_thread(
    qtbot: Any, server: BookFusionStandIn, dialog: Any, endless_polls: None, path: str
) -> None:
    server.fail(faults.Hang(), path, times=None)
    window = dialog()
    worker = window._worker
    qtbot.waitUntil(lambda: server.count(path) == 1)
    qtbot.mouseClick(window.bb.button(QDialogButtonBox.StandardButton.Cancel), Qt.MouseButton.LeftButton)
    assert not window.isVisible()
    with while_held(server):
        assert worker.wait()
    assert not window.stop()
    assert settings.load().settings.bookfusion_token.reveal() == ''


@pytest.mark.parametrize('path', [DEVICE_CODE, DEVICE_TOKEN, SEARCH])
def test_the_window_stays_alive_while_nothing_answers(
    qtbot: Any, server: BookFusionStandIn, dialog: Any, endless_polls: None, path: str
) -> None:
    """The event loop goes on while the server holds its answer back, and while the window closes."""
    server.fail(faults.Hang(), path, times=None)
    ticks: list[None] = []
    ticker = QTimer()
    ticker.timeout.connect(lambda: ticks.append(None))

    def wait_for_ticks() -> None:
        enough = len(ticks) + 10
        qtbot.waitUntil(lambda: len(ticks) >= enough)

    with while_held(server):
        window = dialog()
        ticker.start(5)
        qtbot.waitUntil(lambda: server.count(path) == 1)
        wait_for_ticks()
        assert server.in_flight == 1
        window.close()
        wait_for_ticks()
    ticker.stop()


def test_enter_does_not_end_the_beginning(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.fail(faults.Hang(), DEVICE_CODE, times=None)
    window = dialog()
    qtbot.waitUntil(lambda: server.count(DEVICE_CODE) == 1)
    # The only button that is enabled then has the focus.
    qtbot.keyClick(window.bb.button(QDialogButtonBox.StandardButton.Cancel), Qt.Key.Key_Return)
    assert window.isVisible()


def test_enter_does_not_end_the_wait(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.set_options(device_answers=['invalid_grant'])
    window = dialog()
    qtbot.waitUntil(lambda: code(window) == 'BKFN-2468')
    qtbot.keyClick(child(window, QLineEdit, 'user_code'), Qt.Key.Key_Return)
    assert window.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


@pytest.mark.parametrize('erase', [True, False])
def test_a_stored_password_is_erased_after_asking(
    qtbot: Any, server: BookFusionStandIn, browser: Browser, answers: Answers, erase: bool
) -> None:
    """The whole of it, as the form and the main dialog call it."""
    settings.save({'email': 'reader@example.org', 'password': TEST_PASSWORD})

    def answer(box: MessageBox) -> None:
        window = box.parent()
        assert isinstance(window, SignInDialog)
        picture(window, 'question-below')
        picture(box, 'question')
        kind = QDialogButtonBox.StandardButton.Yes if erase else QDialogButtonBox.StandardButton.No
        button(box, kind).click()
        QTimer.singleShot(0, window.bb.button(QDialogButtonBox.StandardButton.Close).click)

    asked = answers.when(is_question, answer)
    assert sign_in_dialog.sign_in(None)
    assert len(asked) == 1
    assert 'no longer needed' in asked[0].msg.text()
    stored = json.loads(settings.settings_path().read_text())
    assert stored['password'] == ('' if erase else TEST_PASSWORD)
    assert stored['bookfusion_token'] == TEST_USER_TOKEN


def test_sign_in_given_up(qtbot: Any, server: BookFusionStandIn, browser: Browser, answers: Answers) -> None:
    settings.save({'bookfusion_token': 'an old one'})
    server.set_options(device_answers=['invalid_grant'])
    answers.when(lambda window: code(window) == 'BKFN-2468', lambda window: window.reject())
    assert not sign_in_dialog.sign_in(None)
    assert settings.load().settings.bookfusion_token.reveal() == 'an old one'
    qtbot.waitUntil(lambda: not job_runner._beside)


def test_sign_out(qapp: Any) -> None:
    settings.save({'email': 'reader@example.org', 'bookfusion_token': TEST_USER_TOKEN})
    assert sign_in_dialog.sign_out(None)
    assert json.loads(settings.settings_path().read_text()) == {'email': 'reader@example.org', 'bookfusion_token': ''}
    assert not sign_in_dialog.sign_out(None)


def test_sign_out_that_cannot_be_saved(qtbot: Any, answers: Answers) -> None:
    settings.settings_path().write_text('[')
    asked = answers.when(is_question, lambda box: button(box, QDialogButtonBox.StandardButton.Ok).click())
    assert not sign_in_dialog.sign_out(None)
    assert 'set aside' in asked[0].msg.text()


def test_the_texts_fit_at_twice_the_letter_size(qtbot: Any, server: BookFusionStandIn, dialog: Any) -> None:
    server.set_options(device_answers=['invalid_grant'])
    font = QApplication.font()
    large = QApplication.font()
    large.setPointSizeF(font.pointSizeF() * 2)
    QApplication.setFont(large)
    try:
        window = dialog()
        qtbot.waitUntil(lambda: code(window) == 'BKFN-2468')
        window.resize(window.sizeHint())
        picture(window, 'large')
        field = child(window, QLineEdit, 'user_code')
        assert field.fontMetrics().horizontalAdvance('BKFN-2468') < field.width()
    finally:
        QApplication.setFont(font)


# In the whole of Calibre.


def test_an_expired_sign_in_is_renewed_from_the_window(run_gui: Any, make_library: Any) -> None:
    library = make_library([book(record) for record in generate_records(12)])
    done = run_gui(SCRIPTS / 'signing_in.py', library, argument={'count': 12})
    assert done.returncode == 0, done
    assert 'Traceback' not in done.stderr
    found = done.result
    assert found['refused'] == 'Error: The sign-in to BookFusion has expired. Sign in again in Settings.'
    assert found['code'] == 'BKFN-2468'
    assert len(found['opened']) == 1
    assert found['opened'][0].endswith('/device?code=BKFN-2468')
    assert found['signed_in'] == 'Signed in to BookFusion: 12 books in the library.'
    assert found['closed']
    assert (found['token_saved'], found['password_kept'], found['button_left']) == (True, False, False)
    assert found['synced'].startswith('Done - ')
    assert (found['threads'], found['violations'], found['server_errors']) == ([], [], [])


def test_calibre_quits_during_a_sign_in(run_gui: Any, make_library: Any, tmp_path: Path) -> None:
    library = make_library([{'title': 'Emma', 'identifiers': {'bookfusion': '1'}}])
    noted = tmp_path / 'noted.json'
    done = run_gui(SCRIPTS / 'signing_in.py', library, argument={'count': 1, 'noted': str(noted)})
    assert done.returncode == 0, done
    assert 'Traceback' not in done.stderr
    assert json.loads(noted.read_text()) == [['SignInWorker'], [], []]
