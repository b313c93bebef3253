"""The Hardcover windows, used as people use them, on real libraries and against the stand-ins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.gui2 import Application
from calibre.gui2.dialogs.message_box import MessageBox
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.gui import hardcover_dialogs
from calibre_plugins.bookfusionbacksync.gui.hardcover_account_dialog import AccountDialog
from calibre_plugins.bookfusionbacksync.gui.hardcover_dialogs import (
    ChangeDialog,
    Chooser,
    FetchDialog,
    PushDialog,
    UndoPushDialog,
)
from calibre_plugins.bookfusionbacksync.gui.job_dialog import JobDialog, ResultPage, ResultRow
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from calibre_plugins.bookfusionbacksync.gui.match_picker import CANDIDATE_COVER, CandidateDelegate, Picker, thumbnail
from calibre_plugins.bookfusionbacksync.gui.rating_preview import RatingPreview, spoken_stars
from calibre_plugins.bookfusionbacksync.gui.restriction import counts_note
from calibre_plugins.bookfusionbacksync.gui.scope_dialog import ScopeDialog
from calibre_plugins.bookfusionbacksync.jobs import hardcover_account
from calibre_plugins.bookfusionbacksync.jobs.change_match import CHOSEN
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import BY_CODE, BY_KEY, FROM_BOOKLORE
from calibre_plugins.bookfusionbacksync.jobs.hardcover_account import token_path
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from calibre_plugins.bookfusionbacksync.library.hardcover_memory import Memory
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Candidate,
    HardcoverBook,
    IdsOutcome,
    Match,
    RatingChange,
    Verdict,
)
from calibre_plugins.bookfusionbacksync.services import hardcover_quota
from calibre_plugins.bookfusionbacksync.services.hardcover_operations import NEW_KEY_PAGE
from calibre_plugins.bookfusionbacksync.sync_worker import Worker
from harness.dialogs import (
    BOOK,
    CANDIDATES,
    CHANGES,
    SKIPPED,
    Window,
    example_dialogs,
    picker_question,
    picture,
    planned_push,
    preview,
)
from harness.hardcover import Service, hardcover_service, small_catalogue
from harness.network import QUICK
from harness.secrets import TEST_BOOKLORE_PASSWORD, TEST_BOOKLORE_TOKEN, TEST_HARDCOVER_TOKEN
from qt.core import (
    QAbstractItemView,
    QApplication,
    QDesktopServices,
    QDialog,
    QEvent,
    QHeaderView,
    QKeyEvent,
    QLabel,
    QLineEdit,
    QListWidget,
    QMouseEvent,
    QObject,
    QPlainTextEdit,
    QPointF,
    QPushButton,
    QSize,
    QStyleOptionViewItem,
    Qt,
    QTextCursor,
    QTextDocument,
    QTextEdit,
    QTimer,
    QUrl,
    QVBoxLayout,
    QWidget,
    pyqtSlot,
    sip,
)
from standins import faults
from standins.booklore import BookLoreStandIn, ServerBook
from standins.hardcover import PNG, ShelfRow, Work, isbn13

SKIP_MARK = [change.title for change in SKIPPED]


@dataclass
class Desk:
    """A library in a window, Hardcover, and what the user sees and does."""

    qtbot: Any
    window: Window
    jobs: Jobs
    service: Service

    @property
    def api(self) -> Any:
        return self.window.current_db.new_api

    def identifiers(self, book_id: int) -> dict[str, str]:
        return dict(self.api.field_for('identifiers', book_id))

    def open(self, dialog: Any) -> Any:
        self.qtbot.addWidget(dialog)
        dialog.show()
        dialog.start()
        return dialog

    def until(self, true: Callable[[], Any]) -> None:
        self.qtbot.waitUntil(lambda: bool(true()), timeout=10_000)

    def until_ended(self, dialog: JobDialog) -> None:
        self.until(lambda: dialog.pages.currentWidget() is dialog.result_page)
        self.until(lambda: not self.jobs.busy)

    def until_asked(self, dialog: Any, title: str) -> None:
        self.until(lambda: dialog.picker.isVisible() and dialog.picker.book.title.text() == title)

    def click(self, dialog: QWidget, name: str) -> None:
        button = dialog.findChild(QPushButton, name)
        assert button.isVisible(), name
        assert button.isEnabled(), name
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(
    qtbot: Any,
    make_library: Callable[..., Path],
    open_library: Callable[[Path], LibraryDatabase],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MakeDesk]:
    """`make_desk(books)`: Calibre's side, and Hardcover with Emma, Dune and The Left Hand of Darkness."""
    monkeypatch.setattr(hardcover_account, 'LIMITS', QUICK)
    desks: list[Desk] = []
    with hardcover_service(small_catalogue()) as service:

        def make(books: Sequence[dict[str, Any]] = (), **settings: Any) -> Desk:
            monkeypatch.setattr(hardcover_quota, '_shared', {Secret(service.server.token): service.pace})
            service.set_up(**settings)
            window = Window(open_library(make_library(books)))
            desks.append(Desk(qtbot, window, Jobs(window), service))
            return desks[-1]

        yield make
        for desk in desks:
            desk.jobs.shut_down()
        assert service.server.violations == []


@pytest.fixture(autouse=True)
def no_question_is_left_open(qapp: Any) -> Iterator[None]:
    """A question that no test answers would wait for ever: it is closed, and the test fails."""
    unanswered: list[str] = []

    def look() -> None:
        box = QApplication.activeModalWidget()
        if box is not None:
            unanswered.append(box.windowTitle())
            box.close()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(5000)
    yield
    timer.stop()
    assert unanswered == []


@contextmanager
def answering(button: str, seen: list[str]) -> Iterator[None]:
    """Presses a button of the next question that comes up; `seen` gets what it said."""
    timer = QTimer()

    def look() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, MessageBox):
            timer.stop()
            seen.append(box.msg.text())
            wanted = [each for each in box.bb.buttons() if each.text().replace('&', '') == button]
            assert wanted, [each.text() for each in box.bb.buttons()]
            wanted[0].click()

    timer.timeout.connect(look)
    timer.start(20)
    try:
        yield
    finally:
        timer.stop()


class Browser(QObject):
    """Takes the addresses that Qt would hand to the browser."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @pyqtSlot(QUrl)
    def take(self, url: QUrl) -> None:
        self.opened.append(url.toString())


@pytest.fixture
def browser(qapp: Any) -> Iterator[Browser]:
    catcher = Browser()
    for scheme in ('https', 'file'):
        QDesktopServices.setUrlHandler(scheme, catcher, 'take')
    yield catcher
    for scheme in ('https', 'file'):
        QDesktopServices.unsetUrlHandler(scheme)


@pytest.fixture
def picker(qtbot: Any) -> Picker:
    widget = Picker(None, lambda book_id: picture('Cover', '#335577'))  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    widget.show()
    return widget


def answers_of(picker: Picker) -> list[Any]:
    answers: list[Any] = []
    picker.chosen.connect(answers.append)
    return answers


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


def test_the_keyboard_is_enough(make_desk: MakeDesk, qtbot: Any) -> None:
    """Return takes the selected candidate, arrows select another, Alt+S skips, Escape ends."""
    desk = make_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    desk.service.catalogue.works[0].users_count = 10**6
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    first = desk.until(lambda: dialog.picker.candidates.count()) or dialog.picker.book.title.text()
    assert dialog.focusWidget() is dialog.picker.candidates
    qtbot.keyClick(dialog.picker.candidates, Qt.Key.Key_Return)
    second = ({'Emma', 'Dune'} - {first}).pop()
    desk.until_asked(dialog, second)
    qtbot.keyClick(dialog, Qt.Key.Key_S, Qt.KeyboardModifier.AltModifier)
    desk.until_ended(dialog)
    stored = [book_id for book_id in (1, 2) if 'hardcover-id' in desk.identifiers(book_id)]
    assert [desk.api.field_for('title', book_id) for book_id in stored] == [first]
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


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


def test_stop_between_two_questions_ends_the_search_for_the_next(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    desk.service.server.fail(faults.Hang(), after=1, times=None)
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    desk.click(dialog, 'match')
    assert 'Looking for the next book' in dialog.picker.heading.text()
    desk.click(dialog, 'stop')
    desk.until_ended(dialog)
    assert 'Cancelled - what was done before is kept.' in dialog.result_page.sentence.label.text()
    assert '1 stored' in dialog.result_page.more.text()


def test_ids_that_a_push_stores_are_shown_in_the_book_list(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk)
    Memory(settings.plugin_folder(), desk.jobs.library().library_id).note_written({1: {'hardcover-id': '11'}})
    emma = desk.service.catalogue.works[0]
    emma.canonical_id = 15
    desk.service.catalogue.works.append(Work(15, 'Emma'))
    desk.service.catalogue.shelf.append(ShelfRow(35, 15))
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    assert desk.window.refreshed == []
    desk.click(dialog, 'send')
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '15'
    assert desk.window.refreshed == [1]


def test_ids_are_fetched_and_every_choice_is_stored_at_once(make_desk: MakeDesk) -> None:
    desk = make_desk(
        [
            {'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'isbn': isbn13(11)}},
            {'title': 'The Left Hand of Darkness', 'authors': ['Ursula K. Le Guin']},
            {'title': 'Dune', 'authors': ['Frank Herbert']},
            {'title': 'Something Nobody Wrote', 'authors': ['Nobody']},
        ]
    )
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    asked = dialog.picker.book.title.text()
    expected = {'The Left Hand of Darkness': (2, '13'), 'Dune': (3, '12')}
    book_id, hardcover_id = expected.pop(asked)
    desk.click(dialog, 'match')
    desk.until(lambda: desk.identifiers(book_id).get('hardcover-id') == hardcover_id)
    other, (other_id, _hardcover_id) = expected.popitem()
    desk.until_asked(dialog, other)
    desk.click(dialog, 'skip')
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '11'
    assert 'hardcover-id' not in desk.identifiers(other_id)
    assert dialog.result_page.sentence.label.text() == 'Done - 2 stored, 2 skipped, 0 failed.'
    assert 'requests to Hardcover' in dialog.result_page.more.text()
    assert sorted(desk.window.refreshed) == sorted([1, book_id])
    rows = dialog.result_page.as_text()
    assert 'Something Nobody Wrote\tSkipped\tNothing like it was found' in rows
    assert f'{other}\tSkipped\tSkipped.' in rows
    assert 'Emma\tStored\t11: Emma (by its ISBN or ASIN)' in rows


def test_markup_in_a_result_stays_text_in_its_tooltip(qtbot: Any) -> None:
    page = ResultPage(None, lambda book_id: None)  # type: ignore[arg-type]
    qtbot.addWidget(page)
    page.show_result('Done', 'ok.png', '', [ResultRow(1, 'a <b>bold</b> & co', 'Failed', 'why not?')])
    assert page.table.item(0, 0).text() == 'a <b>bold</b> & co'
    assert shown_by_qt(page.table.item(0, 0).toolTip()) == 'a <b>bold</b> & co'
    assert page.table.item(0, 2).toolTip() == 'why not?'


def test_markup_in_a_title_stays_text_in_the_tooltip_of_the_preview(qtbot: Any) -> None:
    change = replace(CHANGES[0], title='a <b>bold</b> & co')
    widget = preview(None, planned_push(changes=(change,)))  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    index = widget.table.shown.index(0, 0)
    assert shown_by_qt(index.data(Qt.ItemDataRole.ToolTipRole)) == change.title
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == change.title


def shown_by_qt(tooltip: str) -> str:
    """The words that people see of a tooltip, which Qt takes for HTML where it begins like it."""
    document = QTextDocument()
    document.setHtml(tooltip)
    return str(document.toPlainText())


def test_how_a_match_was_found_is_told_in_the_language_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardcover_dialogs, '_', lambda words: f'<{words}>', raising=False)
    by_key = BY_KEY.with_values(key='hardcover-book')
    matches = tuple(Match(BOOK, HardcoverBook(11), how) for how in (BY_CODE, FROM_BOOKLORE, CHOSEN, by_key))
    told = [row.details for row in hardcover_dialogs.ids_rows(IdsOutcome(stored=matches))]
    assert told == [
        '11 (<by its ISBN or ASIN>)',
        '11 (<from BookLore>)',
        '11 (<chosen>)',
        '11 (<by hardcover-book>)',
    ]


def test_stop_ends_with_a_summary_and_keeps_what_was_chosen(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    first = dialog.picker.book.title.text()
    desk.click(dialog, 'match')
    desk.until_asked(dialog, ({'Emma', 'Dune'} - {first}).pop())
    desk.click(dialog, 'stop')
    desk.until_ended(dialog)
    assert dialog.result_page.sentence.label.text() == 'Done - 1 stored, 0 skipped, 0 failed.'
    assert '1 book still needs a choice.' in dialog.result_page.more.text()


def test_closing_the_window_in_mid_question_shows_what_was_done(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    dialog.close()
    desk.until_ended(dialog)
    assert dialog.isVisible()
    assert 'Cancelled - what was done before is kept.' in dialog.result_page.sentence.label.text()
    dialog.close()
    assert not dialog.isVisible()


def test_a_library_that_is_switched_ends_the_questions(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    desk.jobs.library_about_to_change()
    desk.until_ended(dialog)
    assert 'hardcover-id' not in desk.identifiers(1)


def test_calibre_quits_while_a_question_waits(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    worker = desk.jobs._worker
    desk.jobs.shut_down()
    assert worker is not None
    assert worker.isFinished()


def test_only_the_selected_books_are_looked_up(make_desk: MakeDesk) -> None:
    desk = make_desk(
        [
            {'title': 'Emma', 'identifiers': {'isbn': isbn13(11)}},
            {'title': 'Dune', 'identifiers': {'isbn': isbn13(12)}},
        ]
    )
    dialog = desk.open(FetchDialog(desk.window, desk.jobs, [2]))
    desk.until_ended(dialog)
    assert 'hardcover-id' not in desk.identifiers(1)
    assert desk.identifiers(2)['hardcover-id'] == '12'


def test_one_job_at_a_time(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    other = desk.open(PushDialog(desk.window, desk.jobs))
    assert 'Another job is running' in other.result_page.sentence.label.text()
    desk.click(dialog, 'stop')
    desk.until_ended(dialog)


def test_booklore_comes_first(make_desk: MakeDesk) -> None:
    books = [
        ServerBook(501, 'Emma', ['Jane Austen'], hardcover_id='11', hardcover_slug='emma'),
        ServerBook(502, 'Dune', ['Frank Herbert'], hardcover_slug='dune'),
    ]
    with BookLoreStandIn(books, password=TEST_BOOKLORE_PASSWORD, token=TEST_BOOKLORE_TOKEN) as booklore:
        desk = make_desk(
            [
                {'title': 'Emma', 'authors': ['Jane Austen']},
                {'title': 'Dune', 'authors': ['Frank Herbert']},
                {'title': 'The Left Hand of Darkness', 'identifiers': {'isbn': isbn13(13)}},
            ],
            booklore_url=booklore.address,
            booklore_username='reader',
            booklore_password=TEST_BOOKLORE_PASSWORD,
        )
        dialog = desk.open(FetchDialog(desk.window, desk.jobs))
        desk.until_ended(dialog)
    assert [desk.identifiers(book_id)['hardcover-id'] for book_id in (1, 2, 3)] == ['11', '12', '13']
    assert 'Emma\tStored\t11 (from BookLore)' in dialog.result_page.as_text()
    assert 'OK Emma -> hardcover-id=11 (from BookLore)' in dialog.job_view.log.toPlainText()
    assert len(booklore.requests) == 2
    assert desk.service.server.units == 2


def test_booklore_without_batch_is_asked_singly_for_what_is_left(make_desk: MakeDesk) -> None:
    books = [
        ServerBook(501, 'Emma', ['Jane Austen'], hardcover_id='11', hardcover_slug='emma'),
        ServerBook(502, 'Dune', ['Frank Herbert'], hardcover_slug='dune'),
        ServerBook(503, 'The Left Hand of Darkness', ['Ursula K. Le Guin'], hardcover_id='13'),
    ]
    with BookLoreStandIn(books, password=TEST_BOOKLORE_PASSWORD, grimmory=True, has_batch=False) as booklore:
        desk = make_desk(
            [
                {'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'isbn': isbn13(11)}},
                {'title': 'Dune', 'authors': ['Frank Herbert']},
                {'title': 'The Left Hand of Darkness', 'authors': ['Ursula K. Le Guin']},
            ],
            booklore_url=booklore.address,
            booklore_username='reader',
            booklore_password=TEST_BOOKLORE_PASSWORD,
        )
        dialog = desk.open(FetchDialog(desk.window, desk.jobs))
        desk.until_ended(dialog)
    assert [desk.identifiers(book_id)['hardcover-id'] for book_id in (1, 2, 3)] == ['11', '12', '13']
    assert 'asking for 2 of the 2 books' in dialog.job_view.log.toPlainText()
    assert booklore.count('/api/v1/books/501') == 0


def test_a_dead_booklore_costs_a_line(make_desk: MakeDesk) -> None:
    desk = make_desk(
        [{'title': 'Emma', 'identifiers': {'isbn': isbn13(11)}}],
        booklore_url='http://127.0.0.1:9',
        booklore_username='reader',
        booklore_password=TEST_BOOKLORE_PASSWORD,
    )
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '11'
    lines = [line for line in dialog.job_view.log.toPlainText().split('\n') if 'BookLore' in line]
    assert len(lines) == 1
    assert lines[0].startswith('Note: BookLore was left out: BookLore could not be reached')


def test_the_chooser_comes_back_when_the_job_is_stopped(qtbot: Any) -> None:
    chooser, cancel, ended = Chooser(), Cancel(), threading.Event()
    chooser.asked.connect(lambda question: cancel.set())

    def ask() -> None:
        with pytest.raises(Cancelled):
            chooser.ask(picker_question(), cancel)
        ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    qtbot.waitUntil(ended.is_set, timeout=5000)
    thread.join()


def test_an_answer_counts_although_the_job_is_stopped_right_after(qtbot: Any) -> None:
    chooser, cancel = Chooser(), Cancel()
    given: list[Any] = []

    def answer_and_stop(question: object) -> None:
        assert chooser.answer(CANDIDATES[0])
        cancel.set()
        assert not chooser.answer(Verdict.STOP)

    chooser.asked.connect(answer_and_stop)
    thread = threading.Thread(target=lambda: given.append(chooser.ask(picker_question(), cancel)))
    thread.start()
    qtbot.waitUntil(lambda: bool(given), timeout=5000)
    thread.join()
    assert given == [CANDIDATES[0]]


def linked_desk(make_desk: MakeDesk) -> Desk:
    """Emma is linked to Dune, by this plugin."""
    desk = make_desk(
        [{'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'hardcover-id': '12', 'isbn': '1'}}]
    )
    library = Library(desk.api)
    Memory(settings.plugin_folder(), library.library_id).note_written({1: {'hardcover-id': '12'}})
    return desk


def change_dialog(desk: Desk) -> ChangeDialog:
    book = desk.jobs.library().books([1])[1]
    dialog: ChangeDialog = desk.open(ChangeDialog(desk.window, desk.jobs, book))
    desk.until(lambda: dialog.picker.isVisible())
    return dialog


def test_a_wrong_match_is_changed(make_desk: MakeDesk) -> None:
    desk = linked_desk(make_desk)
    dialog = change_dialog(desk)
    assert not dialog.picker.skip.isVisible()
    assert dialog.picker.selected is not None
    assert dialog.picker.selected.book_id == 11
    desk.click(dialog, 'match')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'hardcover-id': '11', 'hardcover-slug': 'emma', 'isbn': '1'}
    assert desk.window.refreshed == [1]
    assert dialog.result_page.sentence.label.text() == '“Emma” is now linked to “Emma” on Hardcover.'


def test_a_match_is_unlinked_even_without_hardcover(make_desk: MakeDesk) -> None:
    desk = linked_desk(make_desk)
    desk.service.server.fail(faults.Status(401), times=None)
    dialog = change_dialog(desk)
    assert 'did not accept the key' in dialog.picker.heading.text()
    desk.click(dialog, 'unlink')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'isbn': '1'}
    assert desk.window.refreshed == [1]


def test_an_id_of_another_plugin_is_left_alone(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': 'Emma', 'identifiers': {'hardcover-id': '12'}}])
    dialog = change_dialog(desk)
    desk.click(dialog, 'unlink')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'hardcover-id': '12'}
    assert 'was not stored by this plugin' in dialog.result_page.sentence.label.text()


def test_the_present_match_is_marked(make_desk: MakeDesk) -> None:
    desk = linked_desk(make_desk)
    desk.service.catalogue.works[1].title = 'Emma and the Worms'
    dialog = change_dialog(desk)
    marked = [
        candidate.book_id
        for row in range(dialog.picker.candidates.count())
        if 'This is the present match.' in (item := dialog.picker.candidates.item(row)).text()
        for candidate in [item.data(Qt.ItemDataRole.UserRole)]
    ]
    assert marked == [12]
    desk.click(dialog, 'stop')
    assert not dialog.isVisible()
    assert desk.identifiers(1)['hardcover-id'] == '12'


@pytest.fixture
def shown_preview(qtbot: Any) -> RatingPreview:
    widget = preview(None, planned_push())  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    widget.show()
    return widget


def cells(widget: RatingPreview) -> list[list[str]]:
    rows = widget.table.shown
    return [[str(rows.index(row, column).data() or '') for column in range(4)] for row in range(rows.rowCount())]


def test_the_preview_says_what_will_happen(shown_preview: RatingPreview) -> None:
    shown = cells(shown_preview)
    assert len(shown) == len(CHANGES) == 30
    assert shown[0] == ['The Left Hand of Darkness', '★★★★★', '★★★★⯨', 'Change the rating']
    assert shown[3] == ['Emma', '★★★★', '', 'Add as Read with this rating, read on 03 Nov 2024']
    assert shown[4] == ['Dune', '', '★★', 'Clear the rating']
    assert shown_preview.summary.text() == (
        '30 ratings differ from those on Hardcover, 812 are the same. Account: a_reader'
    )
    assert 'feed of your followers' in shown_preview.warning.label.text()
    assert shown_preview.cost.text() == '7 requests, about 30 seconds'
    assert shown_preview.send.text() == '&Send 30 ratings'


def test_a_restriction_is_named_where_it_holds(qtbot: Any, make_desk: MakeDesk) -> None:
    planned = replace(planned_push(), restriction='tags:"=Space Opera" and\n' + 'not rating:true ' * 10)
    widget = preview(None, planned)  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    note = widget.summary.text().split('\n')[1]
    assert note.startswith('Only the books that the search “tags:"=Space Opera" and not rating:true not')
    assert note.endswith('…” finds.')
    assert hardcover_dialogs.ids_details(IdsOutcome(restriction='tags:x')).endswith(
        'Only the books that the search “tags:x” finds.'
    )
    desk = make_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    library = desk.jobs.library()
    assert counts_note(library, [1]) == ''
    settings.save({'hardcover_restriction': 'title:dune'})
    note = counts_note(library, [1])
    assert note == 'Only the books that the search “title:dune” finds: 0 of those selected, 1 of the library.'
    for words in ('', note):
        # The second comes in the size that the first was closed with.
        dialog = ScopeDialog(None, 'Fetch', 'Look up:', 1, 2, words)
        qtbot.addWidget(dialog)
        dialog.show()
        dialog.reject()
    dialog.show()
    QApplication.processEvents()
    assert dialog.restriction.label.height() >= dialog.restriction.label.heightForWidth(
        dialog.restriction.label.width()
    )
    assert dialog.restriction.label.text() == note
    assert dialog.restriction.isVisible()


def test_ticks_decide_what_is_sent(shown_preview: RatingPreview, qtbot: Any) -> None:
    sent: list[list[RatingChange]] = []
    shown_preview.accepted.connect(sent.append)
    qtbot.mouseClick(shown_preview.none_button, Qt.MouseButton.LeftButton)
    assert not shown_preview.send.isEnabled()
    assert shown_preview.cost.text() == ''
    first = shown_preview.table.shown.index(0, 0)
    assert shown_preview.table.shown.setData(first, Qt.CheckState.Checked.value, Qt.ItemDataRole.CheckStateRole)
    assert shown_preview.send.text() == '&Send 1 rating'
    assert shown_preview.cost.text() == '1 request, about 1 second'
    qtbot.mouseClick(shown_preview.send, Qt.MouseButton.LeftButton)
    assert sent == [[CHANGES[0]]]


def test_a_mouse_click_ticks_a_row(shown_preview: RatingPreview, qtbot: Any) -> None:
    place = shown_preview.table.visualRect(shown_preview.table.shown.index(1, 0))
    place.setWidth(20)
    qtbot.mouseClick(shown_preview.table.viewport(), Qt.MouseButton.LeftButton, pos=place.center())
    assert CHANGES[1] not in shown_preview.table.ticked
    assert len(shown_preview.table.ticked) == 29


def test_the_space_bar_ticks_what_is_selected(shown_preview: RatingPreview, qtbot: Any) -> None:
    shown_preview.table.selectAll()
    qtbot.keyClick(shown_preview.table, Qt.Key.Key_Space)
    assert shown_preview.table.ticked == ()
    qtbot.keyClick(shown_preview.table, Qt.Key.Key_Space)
    assert shown_preview.table.ticked == CHANGES
    shown_preview.table.selectRow(0)
    qtbot.keyClick(shown_preview.table, Qt.Key.Key_Space)
    assert shown_preview.table.ticked == CHANGES[1:]


@pytest.mark.parametrize(('button', 'sent'), [('Send', True), ('Back', False)])
def test_sending_many_is_asked_about(shown_preview: RatingPreview, qtbot: Any, button: str, sent: bool) -> None:
    accepted: list[object] = []
    said: list[str] = []
    shown_preview.accepted.connect(accepted.append)
    with answering(button, said):
        qtbot.mouseClick(shown_preview.send, Qt.MouseButton.LeftButton)
    assert 'with 30 books. Send 30 ratings now?' in said[0]
    assert bool(accepted) is sent


def test_books_that_are_left_alone_are_shown_when_asked_for(shown_preview: RatingPreview) -> None:
    shown_preview.show_skipped.setChecked(True)
    shown = cells(shown_preview)
    assert [row[0] for row in shown[30:]] == SKIP_MARK
    assert shown[30][3] == 'Leave alone. It is not on a Hardcover shelf.'
    index = shown_preview.table.shown.index(30, 0)
    assert index.data(Qt.ItemDataRole.CheckStateRole) is None
    assert not shown_preview.table.shown.setData(index, Qt.CheckState.Checked.value, Qt.ItemDataRole.CheckStateRole)
    assert shown_preview.table.ticked == CHANGES


def test_stars_are_sorted_as_numbers(shown_preview: RatingPreview) -> None:
    shown_preview.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    stars = [len(row[1]) for row in cells(shown_preview)]
    assert stars[0] == 5
    assert stars[-1] == 0
    assert spoken_stars(3.5) == '3.5 stars'
    assert spoken_stars(1) == '1 star'
    assert spoken_stars(None) == 'not rated'


def test_nothing_to_send(qtbot: Any) -> None:
    widget = preview(None, planned_push(changes=()))  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    widget.show()
    assert not widget.send.isVisible()
    assert [row[0] for row in cells(widget)] == SKIP_MARK
    assert 'There is nothing to send' in widget.summary.text()


def rated_desk(make_desk: MakeDesk, **more: Any) -> Desk:
    """Emma is rated 4.5 on Hardcover, Dune is on the shelf without a rating."""
    return make_desk(
        [
            {'title': 'Emma', 'identifiers': {'hardcover-id': '11'}, 'rating': 10},
            {'title': 'Dune', 'identifiers': {'hardcover-id': '12'}, 'rating': 7},
            {'title': 'The Left Hand of Darkness', 'identifiers': {'hardcover-id': '13'}, 'rating': 8},
        ],
        **more,
    )


def ratings_on(desk: Desk) -> dict[int, Any]:
    return {row.book_id: row.rating for row in desk.service.catalogue.shelf}


def test_ratings_are_pushed_and_taken_back(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    assert {row[0] for row in cells(dialog.preview)} == {'Emma', 'Dune'}
    dialog.preview.show_skipped.setChecked(True)
    assert ['The Left Hand of Darkness', '★★★★', '', 'Leave alone. It is not on a Hardcover shelf.'] in cells(
        dialog.preview
    )
    assert dialog.preview.send.text() == '&Send 2 ratings'
    desk.click(dialog, 'send')
    desk.until_ended(dialog)
    assert ratings_on(desk) == {11: 5, 12: 3.5}
    rows = dialog.result_page.as_text()
    assert 'Emma\tUpdated\t5 stars' in rows
    assert 'The Left Hand of Darkness\tLeft alone\tIt is not on a Hardcover shelf.' in rows
    again = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: again.preview is not None and again.preview.isVisible())
    assert 'There is nothing to send' in again.preview.summary.text()
    desk.click(again, 'cancel_push')
    assert not again.isVisible()
    undo = desk.open(UndoPushDialog(desk.window, desk.jobs))
    desk.until_ended(undo)
    assert ratings_on(desk) == {11: 4.5, 12: None}
    empty = desk.open(UndoPushDialog(desk.window, desk.jobs))
    desk.until_ended(empty)
    assert empty.result_page.sentence.label.text() == 'There is no push left to undo.'


def test_a_failure_is_listed_with_its_reason(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk)
    desk.service.server.refused = {12: 'Ratings are closed today'}
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    desk.click(dialog, 'send')
    desk.until_ended(dialog)
    assert ratings_on(desk) == {11: 5, 12: None}
    first = dialog.result_page.table
    assert first.item(0, 0).text() == 'Dune'
    assert first.item(0, 1).text() == 'Failed'
    assert 'Ratings are closed today' in first.item(0, 2).text()
    first.itemDoubleClicked.emit(first.item(0, 0))
    assert desk.window.shown == [2]


def test_a_result_leads_to_a_book_that_a_search_hides(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk)
    dialog = FetchDialog(desk.window, desk.jobs)
    desk.qtbot.addWidget(dialog)
    dialog.show()
    dialog.show_result('Done', 'ok.png', rows=[ResultRow(1, 'Emma', 'Stored'), ResultRow(2, 'Dune', 'Stored')])
    table, note = dialog.result_page.table, dialog.result_page.note
    desk.window.hidden_by_search = {2}
    desk.window.not_in_the_virtual_library = {1}
    table.itemDoubleClicked.emit(table.item(1, 0))
    assert desk.window.shown == [2]
    assert not note.isVisible()
    table.itemDoubleClicked.emit(table.item(0, 0))
    assert desk.window.shown == [2]
    assert note.isVisible()
    assert note.label.text() == 'That book is not in the library as it is shown now.'
    table.itemDoubleClicked.emit(table.item(1, 0))
    assert not note.isVisible()


def test_a_result_of_another_library_leads_to_no_book(
    make_desk: MakeDesk, make_library: Callable[..., Path], open_library: Callable[[Path], LibraryDatabase]
) -> None:
    """Its book ids belong to other books here."""
    desk = rated_desk(make_desk)
    dialog = FetchDialog(desk.window, desk.jobs)
    desk.qtbot.addWidget(dialog)
    dialog.show()
    dialog.show_result('Done', 'ok.png', rows=[ResultRow(1, 'Emma', 'Stored')])
    desk.window.current_db = open_library(make_library([{'title': 'Persuasion'}]))
    table = dialog.result_page.table
    table.itemDoubleClicked.emit(table.item(0, 0))
    assert desk.window.shown == []
    assert dialog.result_page.note.label.text() == 'That book is not in the library as it is shown now.'


def test_the_log_is_read_from_left_to_right_and_with_the_keyboard(make_desk: MakeDesk, qtbot: Any) -> None:
    desk = make_desk()
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        dialog = FetchDialog(desk.window, desk.jobs)
        qtbot.addWidget(dialog)
        dialog.show()
        log = dialog.findChild(QPlainTextEdit, 'log')
        log.appendPlainText('OK Dune -> hardcover-id=312460 (from BookLore)')
        assert dialog.layoutDirection() == Qt.LayoutDirection.RightToLeft
        assert log.layoutDirection() == Qt.LayoutDirection.LeftToRight
        log.moveCursor(QTextCursor.MoveOperation.Start)
        qtbot.keyClick(log, Qt.Key.Key_End, Qt.KeyboardModifier.ShiftModifier)
        assert log.textCursor().selectedText() == 'OK Dune -> hardcover-id=312460 (from BookLore)'
        # Its lines lead nowhere, and it does not say that they do.
        assert log.toolTip() == ''
    finally:
        application.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_cancel_in_the_preview_sends_nothing(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    desk.click(dialog, 'cancel_push')
    assert not dialog.isVisible()
    assert desk.service.server.writes == []


def test_a_preview_of_another_library_sends_nothing(
    make_desk: MakeDesk, make_library: Callable[..., Path], open_library: Callable[[Path], LibraryDatabase]
) -> None:
    desk = rated_desk(make_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    desk.jobs.library_about_to_change()
    desk.window.current_db = open_library(make_library())
    desk.click(dialog, 'send')
    assert 'The library was switched' in dialog.result_page.sentence.label.text()
    assert desk.service.server.writes == []


def test_ticks_are_kept_while_another_job_runs(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    dialog.preview.table.rows.toggle([0])
    said: list[str] = []
    sync = Worker(lambda reporter, cancel: cancel.wait(30))
    assert desk.jobs.start(sync)
    with answering('OK', said):
        desk.click(dialog, 'send')
    assert said == ['Another job is running. Wait until it is done, or stop it.']
    desk.jobs.cancel()
    desk.until(lambda: not desk.jobs.busy)
    assert len(dialog.preview.table.ticked) == 1
    desk.click(dialog, 'send')
    desk.until_ended(dialog)
    assert len(desk.service.server.writes) == 1


def test_a_failed_plan_says_what_to_do(make_desk: MakeDesk) -> None:
    desk = rated_desk(make_desk, hardcover_token='hc_pat_expired_long_ago')
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until_ended(dialog)
    assert 'Configure Hardcover Account' in dialog.result_page.sentence.label.text()
    dialog._copy()
    assert 'hc_pat' not in Application.instance().clipboard().text()
    assert 'Configure Hardcover Account' in Application.instance().clipboard().text()


def account(desk: Desk) -> AccountDialog:
    dialog: AccountDialog = desk.open(AccountDialog(desk.window, desk.jobs))
    return dialog


def state_of(dialog: AccountDialog) -> str:
    return str(dialog.state.label.text())


def kept_token() -> str:
    return settings.load().settings.hardcover_token.reveal()


def test_no_key_file(make_desk: MakeDesk, browser: Browser) -> None:
    desk = make_desk(hardcover_token='')
    dialog = account(desk)
    assert str(token_path()) in state_of(dialog)
    assert state_of(dialog).startswith('There is no Hardcover key')
    desk.click(dialog, 'open_folder')
    assert browser.opened == [QUrl.fromLocalFile(str(token_path().parent)).toString()]
    dialog.findChild(QLabel, 'how_to').linkActivated.emit(NEW_KEY_PAGE)
    assert browser.opened[1] == QUrl(NEW_KEY_PAGE).toString()
    for kind in (QLineEdit, QTextEdit, QPlainTextEdit):
        assert dialog.findChildren(kind) == []


@pytest.mark.parametrize(('button', 'kept'), [('Delete it', False), ('Keep it', True)])
def test_a_key_from_the_file(make_desk: MakeDesk, button: str, kept: bool) -> None:
    desk = make_desk(hardcover_token='')
    token_path().write_text(f' Bearer {TEST_HARDCOVER_TOKEN[:20]}\n{TEST_HARDCOVER_TOKEN[20:]} \r\n')
    said: list[str] = []
    with answering(button, said):
        dialog = account(desk)
        desk.until(lambda: said)
    assert str(token_path()) in said[0]
    assert state_of(dialog) == 'This is the Hardcover account reader. Its key is kept in the settings.'
    assert kept_token() == TEST_HARDCOVER_TOKEN
    assert token_path().exists() is kept
    assert TEST_HARDCOVER_TOKEN not in ''.join(label.text() for label in dialog.findChildren(QLabel))


def test_a_question_names_the_file_as_it_is_called(make_desk: MakeDesk, tmp_path: Path) -> None:
    """Not with the entities that stand for some characters where there is markup."""
    dialog = account(make_desk(hardcover_token=''))
    path = tmp_path / "O'Neill & Sons" / 'key.txt'
    said: list[str] = []
    with answering('Keep it', said):
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
def test_a_file_without_a_key(make_desk: MakeDesk, content: bytes, words: str) -> None:
    desk = make_desk(hardcover_token='')
    token_path().write_bytes(content)
    dialog = account(desk)
    assert words in state_of(dialog)
    assert desk.service.server.requests == []


def test_a_key_that_is_refused_is_not_kept(make_desk: MakeDesk) -> None:
    desk = make_desk()
    token_path().write_text('hc_pat_of_somebody_else')
    dialog = account(desk)
    desk.until(lambda: 'did not accept' in state_of(dialog))
    assert kept_token() == TEST_HARDCOVER_TOKEN
    assert token_path().exists()
    desk.until(lambda: not desk.jobs.busy)
    token_path().unlink()
    desk.service.server.token = 'hc_pat_of_somebody_else'
    desk.click(dialog, 'again')
    desk.until(lambda: 'account reader' in state_of(dialog))
    assert kept_token() == 'hc_pat_of_somebody_else'


def test_the_account_that_is_set_up_already(make_desk: MakeDesk) -> None:
    desk = make_desk()
    dialog = account(desk)
    desk.until(lambda: 'account reader' in state_of(dialog))
    assert 'write:library' in dialog.scopes.label.text()
    assert desk.service.server.units == 3


def test_permissions_that_are_missing_are_named(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.service.server.scopes = ('read:me:content', 'read:catalog')
    dialog = account(desk)
    desk.until(lambda: 'account reader' in state_of(dialog))
    assert 'lacks permissions: read:library' in dialog.scopes.label.text()


def test_a_key_from_the_clipboard(make_desk: MakeDesk) -> None:
    desk = make_desk(hardcover_token='')
    clipboard = Application.instance().clipboard()
    dialog = account(desk)
    clipboard.setText('see you later, alligator')
    desk.click(dialog, 'paste')
    assert 'does not look like a Hardcover key' in state_of(dialog)
    clipboard.setText(f'Bearer {TEST_HARDCOVER_TOKEN}\n')
    desk.click(dialog, 'paste')
    desk.until(lambda: 'account reader' in state_of(dialog))
    clipboard.clear()
    assert kept_token() == TEST_HARDCOVER_TOKEN


def test_the_account_cannot_be_checked_while_a_job_runs(make_desk: MakeDesk) -> None:
    desk = make_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    fetch = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: fetch.picker.candidates.count())
    dialog = account(desk)
    assert 'Another job is running' in state_of(dialog)
    desk.click(fetch, 'stop')
    desk.until_ended(fetch)
    desk.click(dialog, 'again')
    desk.until(lambda: 'account reader' in state_of(dialog))


def test_a_check_that_was_stopped_can_be_begun_again(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.service.server.fail(faults.Hang())
    dialog = account(desk)
    desk.until(lambda: desk.service.server.requests)
    desk.jobs.library_about_to_change()
    desk.until(lambda: not desk.jobs.busy)
    desk.click(dialog, 'again')
    desk.until(lambda: 'account reader' in state_of(dialog))


def test_closing_the_account_window_gives_the_check_up(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.service.server.fail(faults.Hang(), times=None)
    dialog = account(desk)
    desk.until(lambda: desk.service.server.requests)
    dialog.close()
    desk.until(lambda: not desk.jobs.busy)


def test_an_answer_for_a_window_that_is_gone(make_desk: MakeDesk, qtbot: Any) -> None:
    desk = make_desk(hardcover_token='')
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


def test_every_window_can_be_drawn(qtbot: Any, make_library: Any, open_library: Any) -> None:
    """The examples that the screenshots show are drawn without an error, and nothing in them lacks a name."""
    database = open_library(make_library())
    for name, make in example_dialogs(database):
        dialog = make()
        qtbot.addWidget(dialog)
        dialog.show()
        assert not dialog.grab().isNull(), name
        assert dialog.windowTitle() or name == 'hardcover-scope'
        for view in dialog.findChildren(QAbstractItemView):
            assert view.objectName() or isinstance(view, QHeaderView), name
        dialog.hide()
