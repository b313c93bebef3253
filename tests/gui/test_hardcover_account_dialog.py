"""The window of the Hardcover account: the key from a file or the clipboard, and what Hardcover says about it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from calibre.gui2 import Application
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.gui.hardcover_account_dialog import AccountDialog
from calibre_plugins.bookfusionbacksync.gui.hardcover_dialogs import (
    FetchDialog,
)
from calibre_plugins.bookfusionbacksync.jobs.hardcover_account import token_path
from calibre_plugins.bookfusionbacksync.services.hardcover_operations import NEW_KEY_PAGE
from harness.desk import Answers, Browser, HardcoverDesk, OpenHardcoverDesk
from harness.secrets import TEST_HARDCOVER_TOKEN
from qt.core import (
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QUrl,
    sip,
)
from standins import faults


def account(desk: HardcoverDesk) -> AccountDialog:
    dialog: AccountDialog = desk.open(AccountDialog(desk.window, desk.jobs))
    return dialog


def state_of(dialog: AccountDialog) -> str:
    return str(dialog.state.label.text())


def kept_token() -> str:
    return settings.load().settings.hardcover_token.reveal()


def test_no_key_file(open_hardcover_desk: OpenHardcoverDesk, browser: Browser) -> None:
    desk = open_hardcover_desk(hardcover_token='')
    dialog = account(desk)
    assert str(token_path()) in state_of(dialog)
    assert state_of(dialog).startswith('There is no Hardcover key')
    desk.click_in(dialog, 'open_folder')
    assert browser.opened == [QUrl.fromLocalFile(str(token_path().parent)).toString()]
    dialog.findChild(QLabel, 'how_to').linkActivated.emit(NEW_KEY_PAGE)
    assert browser.opened[1] == QUrl(NEW_KEY_PAGE).toString()
    for kind in (QLineEdit, QTextEdit, QPlainTextEdit):
        assert dialog.findChildren(kind) == []


@pytest.mark.parametrize(('button', 'kept'), [('Delete it', False), ('Keep it', True)])
def test_a_key_from_the_file(open_hardcover_desk: OpenHardcoverDesk, answers: Answers, button: str, kept: bool) -> None:
    desk = open_hardcover_desk(hardcover_token='')
    token_path().write_text(f' Bearer {TEST_HARDCOVER_TOKEN} \r\n')
    said = answers.press(button)
    dialog = account(desk)
    desk.until(lambda: said)
    assert str(token_path()) in said[0]
    assert state_of(dialog) == 'This is the Hardcover account reader. Its key is kept in the settings.'
    assert kept_token() == TEST_HARDCOVER_TOKEN
    assert token_path().exists() is kept
    assert TEST_HARDCOVER_TOKEN not in ''.join(label.text() for label in dialog.findChildren(QLabel))


def test_a_question_names_the_file_as_it_is_called(
    open_hardcover_desk: OpenHardcoverDesk, answers: Answers, tmp_path: Path
) -> None:
    """Not with the entities that stand for some characters where there is markup."""
    dialog = account(open_hardcover_desk(hardcover_token=''))
    path = tmp_path / "O'Neill & Sons" / 'key.txt'
    said = answers.press('Keep it')
    dialog._offer_to_delete(path)
    assert str(path) in said[0]


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'is empty'),
        (b' \r\n', 'is empty'),
        (b'<html>Not a key</html>', 'does not look like'),
    ],
)
def test_a_file_without_a_key(open_hardcover_desk: OpenHardcoverDesk, content: bytes, words: str) -> None:
    desk = open_hardcover_desk(hardcover_token='')
    token_path().write_bytes(content)
    dialog = account(desk)
    assert words in state_of(dialog)
    assert desk.service.server.requests == []


def test_a_key_that_is_refused_is_not_kept(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk()
    token_path().write_text('hc_pat_of_somebody_else')
    dialog = account(desk)
    desk.until(lambda: 'did not accept' in state_of(dialog))
    assert kept_token() == TEST_HARDCOVER_TOKEN
    assert token_path().exists()
    desk.until(lambda: not desk.jobs.busy)
    token_path().unlink()
    desk.service.server.token = 'hc_pat_of_somebody_else'
    desk.click_in(dialog, 'again')
    desk.until(lambda: 'account reader' in state_of(dialog))
    assert kept_token() == 'hc_pat_of_somebody_else'


def test_the_account_that_is_set_up_already(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk()
    dialog = account(desk)
    desk.until(lambda: 'account reader' in state_of(dialog))
    assert 'write:library' in dialog.scopes.label.text()
    assert desk.service.server.units == 3


def test_permissions_that_are_missing_are_named(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk()
    desk.service.server.scopes = ('read:me:content', 'read:catalog')
    dialog = account(desk)
    desk.until(lambda: 'account reader' in state_of(dialog))
    assert 'lacks permissions: read:library' in dialog.scopes.label.text()


def test_a_key_from_the_clipboard(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk(hardcover_token='')
    clipboard = Application.instance().clipboard()
    dialog = account(desk)
    clipboard.setText('see you later, alligator')
    desk.click_in(dialog, 'paste')
    assert 'does not look like a Hardcover key' in state_of(dialog)
    clipboard.setText(f'Bearer {TEST_HARDCOVER_TOKEN}\n')
    desk.click_in(dialog, 'paste')
    desk.until(lambda: 'account reader' in state_of(dialog))
    clipboard.clear()
    assert kept_token() == TEST_HARDCOVER_TOKEN


def test_the_account_cannot_be_checked_while_a_job_runs(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    fetch = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: fetch.picker.candidates.count())
    dialog = account(desk)
    assert 'Another job is running' in state_of(dialog)
    desk.click_in(fetch, 'stop')
    desk.until_ended(fetch)
    desk.click_in(dialog, 'again')
    desk.until(lambda: 'account reader' in state_of(dialog))


def test_a_check_that_was_stopped_can_be_begun_again(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk()
    desk.service.server.fail(faults.Hang())
    dialog = account(desk)
    desk.until(lambda: desk.service.server.requests)
    desk.jobs.library_about_to_change()
    desk.until(lambda: not desk.jobs.busy)
    desk.click_in(dialog, 'again')
    desk.until(lambda: 'account reader' in state_of(dialog))


def test_closing_the_account_window_gives_the_check_up(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk()
    desk.service.server.fail(faults.Hang(), times=None)
    dialog = account(desk)
    desk.until(lambda: desk.service.server.requests)
    dialog.close()
    desk.until(lambda: not desk.jobs.busy)


def test_an_answer_for_a_window_that_is_gone(open_hardcover_desk: OpenHardcoverDesk, qtbot: Any) -> None:
    desk = open_hardcover_desk(hardcover_token='')
    token_path().write_text(TEST_HARDCOVER_TOKEN)
    released = threading.Event()
    desk.service.server.fail(faults.Hold(released))
    dialog = AccountDialog(desk.window, desk.jobs)
    dialog.show()
    dialog.start()
    desk.until(lambda: desk.service.server.requests)
    with qtbot.captureExceptions() as exceptions:
        sip.delete(dialog)
        released.set()
        desk.until(lambda: not desk.jobs.busy)
    assert exceptions == []
    assert kept_token() == TEST_HARDCOVER_TOKEN
