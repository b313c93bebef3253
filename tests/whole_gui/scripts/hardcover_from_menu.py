"""Drives the Hardcover menu in the whole of Calibre: fetch ids with a choice, change a match, push ratings, undo.

Runs inside Calibre's process; the services are the test's own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any

from harness.secrets import TEST_HARDCOVER_TOKEN
from qt.core import QAction, QLabel, QMenu, QPushButton, QRadioButton, QTableWidget, QWidget

Steps = Generator[Any, Any, Any]


def hardcover_actions(helpers: Any) -> dict[str, QAction]:
    """The entries of the submenu, by their text."""
    for entry in helpers.action.qaction.menu().actions():
        menu: QMenu | None = entry.menu()
        if menu is not None and 'Hardcover' in entry.text().replace('&', ''):
            return {each.text().replace('&', ''): each for each in menu.actions() if not each.isSeparator()}
    raise LookupError('no Hardcover menu')


class Desk:
    def __init__(self, gui: Any, helpers: Any) -> None:
        self.gui = gui
        self.helpers = helpers
        self.actions = hardcover_actions(helpers)

    def select(self, *book_ids: int) -> None:
        self.gui.library_view.select_rows(list(book_ids))

    def choose(self, entry: str, answer: Callable[[QWidget], None] | None = None) -> None:
        """Chooses a menu entry; `answer` deals with the question that comes first."""
        if answer is not None:
            self.helpers.on_modal(answer)
        self.actions[entry].trigger()

    def take_selection(self, dialog: QWidget) -> None:
        self.helpers.child(dialog, 'selected_books', QRadioButton).setChecked(True)
        dialog.accept()  # type: ignore[attr-defined]

    def take_all(self, dialog: QWidget) -> None:
        self.helpers.child(dialog, 'whole_library', QRadioButton).setChecked(True)
        dialog.accept()  # type: ignore[attr-defined]

    def hear(self, told: list[str]) -> Callable[[QWidget], None]:
        """Notes what a message says, and declines."""

        def respond(box: Any) -> None:
            told.append(box.msg.text())
            box.reject()

        return respond

    def read_note(self, found: dict[str, Any]) -> Callable[[QWidget], None]:
        """Notes what the choice between selection and library says of the restriction, and declines."""

        def respond(dialog: Any) -> None:
            found['restriction'] = self.helpers.child(dialog, 'restriction', QLabel).text()
            dialog.reject()

        return respond

    def shows(self, kind: str, child: str) -> Callable[[], bool]:
        """Whether a window of that class shows a child of that name."""

        def look() -> bool:
            window = self.helpers.window(kind)
            return window is not None and (found := window.findChild(QWidget, child)) is not None and found.isVisible()

        return look

    def press(self, kind: str, button: str) -> None:
        self.helpers.click(self.helpers.child(self.helpers.window(kind), button, QPushButton))

    def lead_to_the_first_book(self, kind: str) -> list[Any]:
        """Double-clicks the first row of the result while a search hides its book, then while it is in no virtual
        library that is shown, then has the hidden book shown: which books are selected, and what the window says.
        """
        window, search = self.helpers.window(kind), self.gui.search
        table = self.helpers.child(window, 'results', QTableWidget)
        note = self.helpers.child(window, 'note', QLabel)
        found = []
        for virtual_library in ('', '*'):
            search.set_search_string('title:"Left Hand"')
            self.gui.apply_virtual_library(virtual_library)
            table.itemDoubleClicked.emit(table.item(0, 0))
            selected = self.gui.library_view.get_selected_ids()
            found.append([table.item(0, 0).text(), list(selected), note.text() if note.isVisible() else ''])
        self.press(kind, 'show_hidden')
        selected = self.gui.library_view.get_selected_ids()
        found.append([table.item(0, 0).text(), list(selected), note.text() if note.isVisible() else ''])
        return found

    def result(self, kind: str) -> list[Any]:
        """The sentence and the rows of the result; closes the window."""
        window = self.helpers.window(kind)
        table = self.helpers.child(window, 'results', QTableWidget)
        rows = [[table.item(row, column).text() for column in range(3)] for row in range(table.rowCount())]
        sentence = self.helpers.child(window, 'result', QLabel).text()
        window.reject()
        return [sentence, rows]


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    desk = Desk(gui, helpers)
    found: dict[str, Any] = {'entries': list(desk.actions), 'told': []}
    settings = import_module('calibre_plugins.bookfusionbacksync.base.settings')
    settings.save({'hardcover_token': ''})
    desk.choose('Push ratings…', desk.hear(found['told']))
    settings.save({'hardcover_token': TEST_HARDCOVER_TOKEN})
    desk.select(1, 2)
    for entry in ('Change or unlink match…', 'Ask about skipped books again', 'Undo last push'):
        desk.choose(entry, desk.hear(found['told']))

    desk.select(1, 2)
    settings.save({'hardcover_restriction': 'title:"Dune" and ('})
    desk.choose('Fetch Hardcover Book IDs', desk.hear(found['told']))
    settings.save({'hardcover_restriction': 'title:dune'})
    desk.choose('Push ratings…', desk.read_note(found))
    settings.save({'hardcover_restriction': ''})
    desk.choose('Fetch Hardcover Book IDs', desk.take_selection)
    yield desk.shows('FetchDialog', 'candidates')
    yield lambda: helpers.child(helpers.window('FetchDialog'), 'match').isEnabled()
    found['asked'] = helpers.window('FetchDialog').picker.book.title.text()
    desk.choose('Push ratings…', desk.take_all)
    found['second_window'] = helpers.window('PushDialog') is not None
    desk.press('FetchDialog', 'match')
    yield desk.shows('FetchDialog', 'results')
    found['led_to'] = desk.lead_to_the_first_book('FetchDialog')
    found['fetched'] = desk.result('FetchDialog')
    yield lambda: not helpers.action.jobs.busy

    desk.select(1)
    desk.choose('Change or unlink match…')
    yield desk.shows('ChangeDialog', 'unlink')
    desk.press('ChangeDialog', 'unlink')
    yield desk.shows('ChangeDialog', 'result')
    found['unlinked'] = desk.result('ChangeDialog')
    yield lambda: not helpers.action.jobs.busy
    desk.choose('Ask about skipped books again', lambda box: box.accept())  # type: ignore[attr-defined]

    desk.choose('Push ratings…', desk.take_all)
    yield desk.shows('PushDialog', 'changes')
    desk.press('PushDialog', 'send')
    yield desk.shows('PushDialog', 'results')
    found['pushed'] = desk.result('PushDialog')
    yield lambda: not helpers.action.jobs.busy

    desk.choose('Undo last push', lambda box: box.accept())  # type: ignore[attr-defined]
    yield desk.shows('UndoPushDialog', 'results')
    found['undone'] = desk.result('UndoPushDialog')
    yield lambda: not helpers.action.jobs.busy

    desk.choose('Configure Hardcover Account')
    yield lambda: 'account reader' in helpers.child(helpers.window('AccountDialog'), 'state', QLabel).text()
    helpers.window('AccountDialog').reject()
    yield lambda: not helpers.action.jobs.busy
    found['identifiers'] = {str(book_id): helpers.database.field_for('identifiers', book_id) for book_id in (1, 2, 3)}
    return found
