"""Opens the plugin's windows on a real library, without Calibre's main window.

What the plugin does with Calibre's main window is tested in the whole GUI (see gui.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from calibre.db.legacy import LibraryDatabase
from calibre.gui2.dialogs.message_box import MessageBox
from calibre_plugins.bookfusionbacksync.gui.job_dialog import JobDialog
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from calibre_plugins.bookfusionbacksync.sync_worker import Worker
from qt.core import QAbstractButton, QApplication, QDesktopServices, QObject, Qt, QTimer, QUrl, QWidget, pyqtSlot

if TYPE_CHECKING:
    # Not while Calibre's own Python takes the screenshots: it has no package of the tests.
    from harness.hardcover import Service

# Longer than anything takes that a test waits for, but shorter than a job waits for a server that does not respond.
HANGING_SECONDS = 20


def handle_events() -> None:
    """Process all pending events, and those that they cause."""
    for _time in range(3):
        QApplication.sendPostedEvents()
        QApplication.processEvents()


class BookView:
    """Calibre's book list, as far as the plugin uses it: what it is asked for is recorded, nothing is shown.

    Attributes:
        selected: the ids of the books that the user has selected
        hidden_by_search, not_in_the_virtual_library: the ids of books that the list does not show
        shown: the ids of books that it was asked to select
        refreshed: the sets of book ids that it was asked to refresh
    """

    def __init__(self) -> None:
        self.selected: list[int] = []
        self.hidden_by_search: set[int] = set()
        self.not_in_the_virtual_library: set[int] = set()
        self.shown: list[int] = []
        self.refreshed: list[set[int]] = []

    def refresh_gui(self, ids: Sequence[int], covers_changed: bool = True) -> None:
        self.refreshed.append(set(ids))

    def select_rows(self, ids: Sequence[int]) -> None:
        self.shown += ids

    def ids_to_rows(self, ids: Sequence[int]) -> dict[int, int]:
        hidden = self.hidden_by_search | self.not_in_the_virtual_library
        return {book_id: book_id for book_id in ids if book_id not in hidden}

    def clear(self) -> None:
        self.hidden_by_search.clear()

    def get_selected_ids(self) -> list[int]:
        return self.selected


class LibraryWindow(QWidget):
    """Takes the place of Calibre's main window: has the open library, a book list, and what a test adds."""

    status_bar: Any = None
    quit: Any = None
    must_restart_before_config = False

    def __init__(self, database: LibraryDatabase) -> None:
        super().__init__()
        self.current_db: Any = database
        self.library_view = self.search = BookView()
        self.iactions = {'Edit Metadata': self.library_view}

    def current_view(self) -> BookView:
        return self.library_view

    def apply_virtual_library(self) -> None:
        self.library_view.not_in_the_virtual_library.clear()

    def clear_additional_restriction(self) -> None:
        self.library_view.clear()


def held_worker(released: threading.Event, result: Any = None) -> Worker:
    """A job that runs until the event is set, and does not listen to a cancel."""

    def wait(_reporter: Any, _cancel: Any) -> Any:
        released.wait(HANGING_SECONDS)
        return result

    return Worker(wait)


class Desk:
    """A window with a library and the plugin's jobs, with methods for tests."""

    def __init__(self, qtbot: Any, database: LibraryDatabase) -> None:
        self.qtbot = qtbot
        self.window = LibraryWindow(database)
        self._closed = False
        # pytest-qt deletes its widgets before fixtures are torn down. A job that still runs could not report its end.
        qtbot.addWidget(self.window, before_close_func=lambda window: self.close())
        self.jobs = Jobs(self.window)

    @property
    def api(self) -> Any:
        return self.window.current_db.new_api

    @property
    def book_view(self) -> BookView:
        return self.window.library_view

    def close(self) -> None:
        """Close the windows and wait for running jobs. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        self.close_windows()
        self.jobs.shut_down()
        self.idle()

    def close_windows(self) -> None:
        """Called once, before the jobs are shut down."""

    def until(self, condition: Callable[[], Any]) -> None:
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=HANGING_SECONDS * 1000)

    def idle(self) -> None:
        """Wait for the end of the job, but not as long as a job waits for a server that does not respond."""
        self.until(lambda: not self.jobs.busy)

    def click_in(self, window: QWidget, name: str) -> None:
        """Click a button. Fails if it is missing, hidden or disabled."""
        button = window.findChild(QAbstractButton, name)
        assert button is not None, name
        assert button.isVisible(), name
        assert button.isEnabled(), name
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


class MainDesk(Desk):
    """The plugin's MainDialog on a real library, with methods for tests."""

    def __init__(self, qtbot: Any, database: LibraryDatabase) -> None:
        from calibre_plugins.bookfusionbacksync.main import MainDialog

        super().__init__(qtbot, database)
        self.settings_opened = 0
        self.dialog = MainDialog(self.window, self.jobs, self._show_settings)
        self.dialog.show()

    def _show_settings(self) -> None:
        self.settings_opened += 1

    def close_windows(self) -> None:
        self.dialog.reject()
        self.dialog.deleteLater()

    def child(self, name: str) -> Any:
        """The widget with this object name. Fails if there is none."""
        found = self.dialog.findChild(QWidget, name)
        assert found is not None, name
        return found

    def click(self, name: str) -> None:
        """Click a button of the dialog. Fails if it is missing, hidden or disabled."""
        self.click_in(self.dialog, name)

    def run(self, name: str) -> str:
        """Click a button, wait for the end of the job, and return the status line."""
        self.click(name)
        self.idle()
        return self.status

    @property
    def status(self) -> str:
        return str(self.child('status').text())

    @property
    def log(self) -> list[str]:
        return str(self.child('log').toPlainText()).splitlines()

    def use_book_list(self, book_list: Any) -> Any:
        """Make the window use this book list instead of Calibre's."""
        self.dialog.book_list = self.dialog.result_bar.book_list = book_list
        return book_list

    def see_preview(self) -> Any:
        """Click Preview, wait for its window, and return it."""
        self.click('preview')
        self.until(lambda: self.dialog._preview_dialog is not None)
        return self.dialog._preview_dialog


class HardcoverDesk(Desk):
    """A library, and Hardcover, with methods for tests of the Hardcover windows."""

    def __init__(self, qtbot: Any, database: LibraryDatabase, service: Service) -> None:
        super().__init__(qtbot, database)
        self.service = service

    def identifiers(self, book_id: int) -> dict[str, str]:
        return dict(self.api.field_for('identifiers', book_id))

    def open(self, dialog: Any) -> Any:
        """Show a window and start its job."""
        self.qtbot.addWidget(dialog)
        dialog.show()
        dialog.start()
        return dialog

    def until_ended(self, dialog: JobDialog) -> None:
        self.until(lambda: dialog.pages.currentWidget() is dialog.result_page)
        self.idle()

    def until_asked(self, dialog: Any, title: str) -> None:
        """Wait for the question about the book with this title."""
        self.until(lambda: dialog.picker.isVisible() and dialog.picker.book.title.text() == title)


OpenHardcoverDesk = Callable[..., HardcoverDesk]


class Answers:
    """Answers modal dialogs. Call `answers(respond)` before a call that opens one; `asked` holds the answered ones."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self._waiting: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._look)

    def __call__(self, respond: Callable[[Any], Any]) -> list[Any]:
        """Call `respond(dialog)` when the next dialog opens. Returns `asked`."""
        return self.when(lambda dialog: True, respond)

    def when(self, ready: Callable[[Any], Any], respond: Callable[[Any], Any]) -> list[Any]:
        """The same, but for the first dialog for which `ready(dialog)` is or becomes true."""
        self._waiting.append((ready, respond))
        self._timer.start()
        return self.asked

    def press(self, label: str) -> list[str]:
        """Press the button with this label, without its mnemonic, in the next question. Returns what it asks."""
        asked: list[str] = []

        def press_it(question: MessageBox) -> None:
            asked.append(question.msg.text())
            labels = {button.text().replace('&', ''): button for button in question.bb.buttons()}
            labels[label].click()

        self.when(lambda dialog: isinstance(dialog, MessageBox), press_it)
        return asked

    def stop(self) -> None:
        self._timer.stop()

    def _look(self) -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is None or not dialog.isVisible() or dialog in self.asked:
            return
        ready, respond = self._waiting[0]
        if not ready(dialog):
            return
        self._waiting.pop(0)
        self.asked.append(dialog)
        if not self._waiting:
            self._timer.stop()
        respond(dialog)


class Browser(QObject):
    """Records the URLs that Qt would open in the browser or another program."""

    SCHEMES = ('http', 'https', 'file')

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @pyqtSlot(QUrl)
    def take(self, url: QUrl) -> None:
        self.opened.append(url.toString())

    def __enter__(self) -> Browser:
        for scheme in self.SCHEMES:
            QDesktopServices.setUrlHandler(scheme, self, 'take')
        return self

    def __exit__(self, *error: object) -> None:
        for scheme in self.SCHEMES:
            QDesktopServices.unsetUrlHandler(scheme)
