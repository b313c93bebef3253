"""The picker's field for the user's own words, used with keyboard and mouse: in a fetch, and to change one match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.settings import plugin_folder
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.gui.hardcover_dialogs import ChangeDialog, FetchDialog
from calibre_plugins.bookfusionbacksync.gui.match_picker import Picker
from calibre_plugins.bookfusionbacksync.library.hardcover_memory import Memory
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Verdict
from harness.desk import Browser, HardcoverDesk, OpenHardcoverDesk
from harness.dialogs import BOOK, CANDIDATES, answers_of, picker_question
from qt.core import (
    QApplication,
    QDialog,
    QEvent,
    QKeyEvent,
    QLabel,
    QLineEdit,
    QPushButton,
    Qt,
    QVBoxLayout,
)
from standins import faults

NOBODYS = {'title': 'Qwertz', 'authors': ['Nobody']}
EMMA = {'title': 'Emma', 'authors': ['Jane Austen']}
KEYS = Qt.Key


def field_of(picker: Picker) -> Any:
    return picker.findChild(QLineEdit, 'search_text')


def button_of(picker: Picker) -> Any:
    return picker.findChild(QPushButton, 'search_again')


def searches_of(picker: Picker) -> list[str]:
    searches: list[str] = []
    picker.searched.connect(searches.append)
    return searches


@pytest.fixture
def in_window(picker: Picker, qtbot: Any) -> Iterator[Picker]:
    """A picker in a dialog, whose default button Return presses."""
    window = QDialog()
    QVBoxLayout(window).addWidget(picker)
    window.show()
    QApplication.setActiveWindow(window)
    yield picker
    window.close()


def test_the_field_begins_with_title_and_author(picker: Picker) -> None:
    picker.show_question(picker_question(words='The Left Hand of Darkness Ursula K. Le Guin'))
    assert field_of(picker).text() == 'The Left Hand of Darkness Ursula K. Le Guin'
    assert field_of(picker).isEnabled()
    assert button_of(picker).isEnabled()
    assert field_of(picker).toolTip()
    assert button_of(picker).toolTip()
    assert field_of(picker).accessibleName() == 'Search for'


@pytest.mark.parametrize('key', [KEYS.Key_Return, KEYS.Key_Enter])
def test_return_in_the_field_searches_and_never_matches(in_window: Picker, qtbot: Any, key: Any) -> None:
    answers, searches = answers_of(in_window), searches_of(in_window)
    in_window.show_question(picker_question(words='left hand'))
    field = field_of(in_window)
    field.setFocus()
    # Whatever the window's default button is.
    in_window.match.setDefault(True)
    qtbot.keyClick(field, key)
    # Nor while it searches, nor where there is nothing to search for.
    qtbot.keyClick(field, key)
    in_window.show_question(picker_question(words='left hand'))
    field.clear()
    in_window.match.setDefault(True)
    qtbot.keyClick(field, key)
    assert searches == ['left hand']
    assert answers == []
    assert not button_of(in_window).isEnabled()
    assert in_window.focusWidget() is field


def test_return_that_is_held_down_searches_once(in_window: Picker) -> None:
    answers, searches = answers_of(in_window), searches_of(in_window)
    for held in (False, True, True):
        in_window.show_question(picker_question(words='left hand'))
        field_of(in_window).setFocus()
        event = QKeyEvent(QEvent.Type.KeyPress, KEYS.Key_Return, Qt.KeyboardModifier.NoModifier, '\r', autorep=held)
        QApplication.sendEvent(field_of(in_window), event)
    assert searches == ['left hand']
    assert answers == []


def test_the_button_that_return_presses_looks_like_it(in_window: Picker) -> None:
    in_window.show_question(picker_question(words='left hand'))
    assert in_window.match.isDefault()
    field_of(in_window).setFocus()
    assert (button_of(in_window).isDefault(), in_window.match.isDefault()) == (True, False)
    in_window.candidates.setFocus()
    assert (button_of(in_window).isDefault(), in_window.match.isDefault()) == (False, True)


def test_the_keyboard_is_enough(in_window: Picker, qtbot: Any) -> None:
    """Alt+R leads to the field, words replace those that stand there, Down leads to the candidates, Return matches."""
    answers, searches = answers_of(in_window), searches_of(in_window)
    in_window.show_question(picker_question(words='left hand'))
    qtbot.keyClick(in_window, KEYS.Key_R, Qt.KeyboardModifier.AltModifier)
    field = field_of(in_window)
    assert in_window.focusWidget() is field
    qtbot.keyClicks(field, 'dune')
    qtbot.keyClick(field, KEYS.Key_Return)
    assert searches == ['dune']
    in_window.show_question(picker_question(candidates=CANDIDATES[1:], words='dune'))
    assert in_window.focusWidget() is field
    qtbot.keyClick(field, KEYS.Key_Down)
    assert in_window.focusWidget() is in_window.candidates
    qtbot.keyClick(in_window.candidates, KEYS.Key_Return)
    assert answers == [CANDIDATES[1]]


def test_the_button_searches_too(picker: Picker, qtbot: Any) -> None:
    searches = searches_of(picker)
    picker.show_question(picker_question(words='left hand'))
    field_of(picker).setText('  dune  ')
    qtbot.mouseClick(button_of(picker), Qt.MouseButton.LeftButton)
    assert searches == ['dune']
    # From a button that gets disabled Qt would move the focus on.
    assert picker.focusWidget() is field_of(picker)


def test_while_it_searches_the_candidates_stay_but_none_can_be_chosen(picker: Picker, qtbot: Any) -> None:
    answers = answers_of(picker)
    picker.show_question(picker_question(words='left hand'))
    picker.candidates.setCurrentRow(2)
    picker.search.search()
    assert picker.candidates.count() == len(CANDIDATES)
    assert picker.heading.text() == 'Searching on Hardcover…'
    assert not picker.match.isEnabled()
    assert not picker.skip.isEnabled()
    assert picker.stop.isEnabled()
    assert picker.open_page.isEnabled()
    place = picker.candidates.visualItemRect(picker.candidates.item(2)).center()
    qtbot.mouseDClick(picker.candidates.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.keyClick(picker.candidates, KEYS.Key_Return)
    assert answers == []
    qtbot.mouseClick(picker.stop, Qt.MouseButton.LeftButton)
    assert answers == [Verdict.STOP]


def test_what_is_typed_while_it_searches_stays(picker: Picker, qtbot: Any) -> None:
    picker.show_question(picker_question(words='left hand'))
    field_of(picker).setFocus()
    picker.search.search()
    field_of(picker).setText('left hand of')
    picker.show_question(picker_question(candidates=CANDIDATES[:1], words='left hand'))
    assert field_of(picker).text() == 'left hand of'
    assert picker.candidates.count() == 1
    assert picker.selected == CANDIDATES[0]


def test_a_search_that_fails_says_why_and_keeps_what_is_selected(picker: Picker) -> None:
    picker.show_question(picker_question(words='left hand'))
    picker.candidates.setCurrentRow(2)
    picker.search.search()
    why = text('Hardcover did not answer in time. Try again later.')
    picker.show_question(picker_question(candidates=(), words='left hand', trouble=why))
    assert picker.trouble.isVisible()
    assert picker.trouble.label.text() == str(why)
    assert picker.selected == CANDIDATES[2]
    assert picker.match.isEnabled()
    assert 'Which of these is it?' in picker.heading.text()
    picker.search.search()
    assert not picker.trouble.isVisible()


def test_where_nothing_was_found_it_says_what_to_do(picker: Picker, qtbot: Any) -> None:
    picker.show_question(picker_question(candidates=(), words='Qwertz & Nobody'))
    label = picker.findChild(QLabel, 'what_to_do')
    assert label.isVisible()
    assert 'Change the words above and search again' in label.text()
    # Below the list, and the words can be typed at once.
    assert label.y() > picker.candidates.geometry().bottom()
    assert picker.focusWidget() is field_of(picker)
    assert field_of(picker).selectedText() == 'Qwertz & Nobody'
    field_of(picker).setText('Qwertz? 100% #1')
    with Browser() as browser:
        # Tab leads to the link, and Return opens it.
        label.setFocus(Qt.FocusReason.TabFocusReason)
        qtbot.keyClick(label, KEYS.Key_Tab)
        qtbot.keyClick(label, KEYS.Key_Return)
    assert browser.opened == ['https://hardcover.app/search?q=Qwertz%3F 100%25 %231']
    picker.search.search()
    picker.show_question(picker_question())
    assert not label.isVisible()
    assert label.text() == ''


def test_between_two_questions_nothing_can_be_searched(picker: Picker) -> None:
    searches = searches_of(picker)
    picker.show_question(picker_question(words='left hand'))
    picker.skip.click()
    assert not field_of(picker).isEnabled()
    assert field_of(picker).text() == ''
    picker.search.search()
    assert searches == []
    picker.show_question(picker_question(words='dune'))
    assert field_of(picker).text() == 'dune'
    assert field_of(picker).isEnabled()


@pytest.mark.parametrize('mirrored', [False, True])
def test_a_long_title_shows_its_beginning(picker: Picker, qapp: Any, mirrored: bool) -> None:
    direction = Qt.LayoutDirection.RightToLeft if mirrored else Qt.LayoutDirection.LeftToRight
    picker.setLayoutDirection(direction)
    picker.resize(600, 400)
    for candidates in (CANDIDATES, ()):
        picker.show_question(picker_question(words='A Very Long Title ' * 11, candidates=candidates))
        QApplication.processEvents()
        assert field_of(picker).cursorPosition() == 0
        assert field_of(picker).cursorRect().x() < 40
    assert field_of(picker).width() > 200
    right_ends = [each.mapTo(picker, each.rect().topRight()).x() for each in (field_of(picker), button_of(picker))]
    assert (right_ends == sorted(right_ends)) is not mirrored
    assert picker.minimumSizeHint().width() < 700


def test_letters_of_the_picker_do_not_clash(picker: Picker) -> None:
    for changing in (False, True):
        if changing:
            picker.change_a_match(BOOK)
        picker.show_question(picker_question(candidates=()))
        widgets: list[Any] = [*picker.findChildren(QPushButton), *picker.findChildren(QLabel)]
        words = [widget.text() for widget in widgets]
        letters = [each[each.index('&') + 1].lower() for each in words if '&' in each and '&amp;' not in each]
        assert len(letters) == len(set(letters)), words


# On a real library, against the stand-in.


def change_dialog(desk: HardcoverDesk) -> ChangeDialog:
    book = desk.jobs.library().books([1])[1]
    dialog: ChangeDialog = desk.open(ChangeDialog(desk.window, desk.jobs, book))
    desk.until(dialog.picker.isVisible)
    return dialog


def search(desk: HardcoverDesk, dialog: Any, words: str) -> None:
    field = field_of(dialog.picker)
    field.setText(words)
    field.setFocus()
    desk.qtbot.keyClick(field, KEYS.Key_Return)


def shown(dialog: Any) -> list[str]:
    items = dialog.picker.candidates
    return [items.item(row).text().split('\n')[0] for row in range(items.count())]


def test_a_fetch_goes_on_after_a_search_in_other_words(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([NOBODYS, EMMA])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until_asked(dialog, 'Qwertz')
    assert field_of(dialog.picker).text() == 'Qwertz Nobody'
    assert shown(dialog) == []
    search(desk, dialog, 'dune')
    desk.until(lambda: shown(dialog) == ['Dune: Deluxe Edition'])
    search(desk, dialog, 'https://hardcover.app/books/the-left-hand-of-darkness')
    desk.until(lambda: shown(dialog) == ['The Left Hand of Darkness'])
    desk.click_in(dialog, 'match')
    desk.until_asked(dialog, 'Emma')
    assert field_of(dialog.picker).text() == 'Emma Jane Austen'
    assert desk.identifiers(1)['hardcover-id'] == '13'
    desk.click_in(dialog, 'stop')
    desk.until_ended(dialog)


def test_stop_ends_a_search_in_other_words(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([EMMA])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: shown(dialog) == ['Emma'])
    desk.service.server.fail(faults.Hang(), times=None)
    search(desk, dialog, 'dune')
    assert shown(dialog) == ['Emma']
    desk.click_in(dialog, 'stop')
    desk.until_ended(dialog)
    assert 'Cancelled - what was done before is kept.' in dialog.result_page.sentence.label.text()


def test_a_failing_search_in_a_fetch_can_be_tried_again(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([EMMA])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: shown(dialog) == ['Emma'])
    desk.service.server.fail(faults.Status(408), times=2)
    search(desk, dialog, 'dune')
    desk.until(dialog.picker.trouble.isVisible)
    assert 'did not answer in time' in dialog.picker.trouble.label.text()
    assert shown(dialog) == ['Emma']
    search(desk, dialog, 'dune')
    desk.until(lambda: shown(dialog) == ['Dune: Deluxe Edition'])
    desk.click_in(dialog, 'match')
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '12'


def test_a_match_that_no_search_found_is_changed_by_its_address(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{**NOBODYS, 'identifiers': {'hardcover-id': '11'}}])
    Memory(plugin_folder(), desk.jobs.library().library_id).note_written({1: {'hardcover-id': '11'}})
    dialog = change_dialog(desk)
    assert shown(dialog) == []
    assert dialog.picker.what_to_do.isVisible()
    search(desk, dialog, '12')
    desk.until(lambda: shown(dialog) == ['Dune: Deluxe Edition'])
    assert dialog.pages.currentWidget() is dialog.picker
    desk.click_in(dialog, 'match')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'hardcover-id': '12', 'hardcover-slug': 'dune'}


def test_changing_a_match_the_candidates_stay_while_it_searches(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{**EMMA, 'identifiers': {'hardcover-id': '12'}}])
    dialog = change_dialog(desk)
    desk.until(lambda: shown(dialog) == ['Emma'])
    desk.service.server.fail(faults.Hang(), times=None)
    search(desk, dialog, 'dune')
    desk.until(lambda: dialog.running)
    assert shown(dialog) == ['Emma']
    assert dialog.picker.isVisible()
    assert not dialog.picker.unlink.isEnabled()
    # Close ends the search and closes the window: there is nothing that it could show.
    desk.click_in(dialog, 'stop')
    desk.until(lambda: not dialog.isVisible())
    assert not desk.jobs.busy
    assert desk.identifiers(1)['hardcover-id'] == '12'


def test_changing_a_match_a_failing_search_keeps_the_question(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{**EMMA, 'identifiers': {'hardcover-id': '12'}}])
    dialog = change_dialog(desk)
    desk.until(lambda: shown(dialog) == ['Emma'])
    search(desk, dialog, 'https://hardcover.app/books/gone')
    desk.until(dialog.picker.trouble.isVisible)
    assert 'Hardcover has no book at https://hardcover.app/books/gone' in dialog.picker.trouble.label.text()
    assert shown(dialog) == ['Emma']
    assert dialog.picker.match.isEnabled()
    assert dialog.picker.unlink.isEnabled()


def test_changing_a_match_while_another_job_runs(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([EMMA, NOBODYS])
    dialog = change_dialog(desk)
    desk.until(lambda: not desk.jobs.busy)
    other = desk.open(FetchDialog(desk.window, desk.jobs, [2]))
    desk.until_asked(other, 'Qwertz')
    search(desk, dialog, 'dune')
    assert 'Another job is running' in dialog.picker.trouble.label.text()
    assert shown(dialog) == ['Emma']
    desk.click_in(other, 'stop')
    desk.until_ended(other)
    search(desk, dialog, 'dune')
    desk.until(lambda: shown(dialog) == ['Dune: Deluxe Edition'])
