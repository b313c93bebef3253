"""The page that asks which book on Hardcover is meant: candidates, pictures, buttons and keys."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.gui.match_picker import CANDIDATE_COVER, CandidateDelegate, Picker, thumbnail
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Candidate,
    Verdict,
)
from harness.desk import Browser
from harness.dialogs import (
    BOOK,
    CANDIDATES,
    answers_of,
    picker_question,
    picture,
)
from qt.core import (
    QApplication,
    QDialog,
    QEvent,
    QKeyEvent,
    QLabel,
    QListWidget,
    QMouseEvent,
    QPointF,
    QPushButton,
    QSize,
    QStyleOptionViewItem,
    Qt,
    QVBoxLayout,
)
from standins.hardcover import PNG


def test_the_picker_shows_all_there_is_to_know(picker: Picker) -> None:
    picker.show_question(picker_question())
    items = picker.findChild(QListWidget, 'candidates')
    assert items.count() == len(CANDIDATES)
    assert items.item(0).text().split('\n') == [
        'The Left Hand of Darkness',
        'Ursula K. Le Guin',
        '1969 · 12,483 readers · 304 pages · ebook · audiobook',
        'Series: Hainish Cycle #4',
        'ISBN: 9780441478125, 9780441007318, 9781101665398 and 1 more',
        'First because: Same title, Same author, There is an ebook of it',
    ]
    assert items.item(1).text().startswith('The Left Hand of Darkness: 50th Anniversary Edition')
    assert items.item(4).text() == '(no title)'
    assert 'Book 3 of 12.' in picker.heading.text()
    assert 'goes by another title' in picker.heading.text()
    assert picker.book.title.text() == BOOK.title
    assert picker.book.codes.text() == 'ISBN: 9780441007318\nASIN: B000SEFH1A'
    assert picker.book.cover.pixmap().height() == 200


def test_the_first_candidate_is_taken_by_its_button(picker: Picker, qtbot: Any) -> None:
    answers = answers_of(picker)
    picker.show_question(picker_question())
    qtbot.mouseClick(picker.findChild(QPushButton, 'match'), Qt.MouseButton.LeftButton)
    assert answers == [CANDIDATES[0]]
    assert not picker.match.isEnabled()
    assert not picker.skip.isEnabled()
    assert picker.stop.isEnabled()


@pytest.mark.parametrize(('name', 'answer'), [('skip', Verdict.SKIP), ('stop', Verdict.STOP)])
def test_other_answers(picker: Picker, qtbot: Any, name: str, answer: Verdict) -> None:
    answers = answers_of(picker)
    picker.show_question(picker_question())
    qtbot.mouseClick(picker.findChild(QPushButton, name), Qt.MouseButton.LeftButton)
    assert answers == [answer]


def test_a_double_click_on_match_answers_one_question(picker: Picker, qtbot: Any) -> None:
    answers = answers_of(picker)
    picker.chosen.connect(lambda answer: picker.show_question(picker_question(candidates=CANDIDATES[1:])))
    picker.show_question(picker_question())
    place, left = QPointF(picker.match.rect().center()), Qt.MouseButton.LeftButton
    for kind in ('MouseButtonPress', 'MouseButtonRelease', 'MouseButtonDblClick', 'MouseButtonRelease'):
        held = Qt.MouseButton.NoButton if kind == 'MouseButtonRelease' else left
        around = picker.match.mapToGlobal(place)
        event = QMouseEvent(QEvent.Type[kind], place, around, left, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(picker.match, event)
    assert answers == [CANDIDATES[0]]
    qtbot.mouseClick(picker.match, left)
    assert answers == [CANDIDATES[0], CANDIDATES[1]]


def test_a_double_click_takes_a_candidate(picker: Picker, qtbot: Any) -> None:
    answers = answers_of(picker)
    picker.show_question(picker_question())
    place = picker.candidates.visualItemRect(picker.candidates.item(2)).center()
    qtbot.mouseClick(picker.candidates.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(picker.candidates.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert answers == [CANDIDATES[2]]


def test_a_scroll_bar_takes_nothing_from_the_candidates(picker: Picker, qtbot: Any) -> None:
    """It appears while they are laid out, and leaves less room to their words than there was a moment before."""
    view = picker.candidates

    def stand_below_each_other() -> bool:
        # Qt takes the height of a row from what it needs now, and its place from when the list was laid out.
        places = [view.visualItemRect(view.item(row)) for row in range(view.count())]
        return all(upper.bottom() + 1 == lower.top() for upper, lower in pairwise(places))

    for width in range(500, 900, 10):
        picker.resize(width, 400)
        picker.show_question(picker_question(candidates=CANDIDATES[:1]))
        QApplication.processEvents()
        picker.show_question(picker_question())
        qtbot.waitUntil(view.verticalScrollBar().isVisible)
        qtbot.waitUntil(stand_below_each_other, timeout=2000)


def test_without_candidates_there_is_nothing_to_match(picker: Picker) -> None:
    picker.show_question(picker_question(candidates=()))
    assert not picker.match.isEnabled()
    assert not picker.open_page.isEnabled()
    assert picker.skip.isEnabled()
    assert 'Nothing like it was found' in picker.heading.text()


def test_markup_from_the_server_stays_text(picker: Picker) -> None:
    evil = '<img src="https://example.org/x.png"><b>Bold</b> & co'
    candidate = Candidate(5, title=evil, authors=(evil,), reasons=(text('{it}', it=evil),))
    picker.show_question(picker_question(candidates=(candidate,)))
    delegate = picker.candidates.itemDelegate()
    assert isinstance(delegate, CandidateDelegate)
    document = delegate._document(picker.candidates.model().index(0, 0), QStyleOptionViewItem(), 400)
    assert document.toPlainText().split('\n')[:2] == [evil, evil]
    for label in picker.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText or '<' not in label.text()


def test_the_page_of_a_candidate_opens_in_the_browser(picker: Picker, qtbot: Any, browser: Browser) -> None:
    picker.show_question(picker_question())
    qtbot.mouseClick(picker.findChild(QPushButton, 'open_page'), Qt.MouseButton.LeftButton)
    assert browser.opened == ['https://hardcover.app/id/book/427578']


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'no picture at all',
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        PNG[:40],
        # The header of a PNG that would unpack to 100,000 by 100,000 pixels.
        bytes.fromhex('89504e470d0a1a0a0000000d49484452000186a0000186a00802000000') + bytes(40),
    ],
)
def test_what_is_no_picture_of_a_usual_kind(qapp: Any, data: bytes) -> None:
    assert thumbnail(data, CANDIDATE_COVER, 1).isNull()


@pytest.mark.parametrize('ratio', [1.0, 1.5, 2.0])
def test_a_picture_fits_the_box_on_any_screen(qapp: Any, ratio: float) -> None:
    pixmap = thumbnail(picture('Cover', '#000000'), QSize(60, 60), ratio)
    assert (pixmap.width(), pixmap.height()) == (round(40 * ratio), round(60 * ratio))
    assert pixmap.deviceIndependentSize().toSize() == QSize(40, 60)


def test_return_that_is_held_down_answers_one_question(qtbot: Any) -> None:
    window = QDialog()
    qtbot.addWidget(window)
    picker = Picker(window, lambda book_id: None)
    answers = answers_of(picker)
    QVBoxLayout(window).addWidget(picker)
    window.show()
    for held in (False, True, True):
        picker.show_question(picker_question())
        for _press in range(2):
            # The second finds no question any more, and does nothing.
            event = QKeyEvent(
                QEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, '\r', autorep=held
            )
            QApplication.sendEvent(picker.candidates, event)
    assert answers == [CANDIDATES[0]]
    assert window.isVisible()


def test_who_skips_with_the_keyboard_does_not_stop_by_accident(picker: Picker, qtbot: Any) -> None:
    answers = answers_of(picker)
    for _question in range(2):
        picker.show_question(picker_question())
        picker.skip.setFocus()
        qtbot.keyClick(picker.skip, Qt.Key.Key_Space)
        qtbot.keyClick(picker.focusWidget(), Qt.Key.Key_Space)
    assert answers == [Verdict.SKIP, Verdict.SKIP]
