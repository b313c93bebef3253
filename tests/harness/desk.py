"""Opens the plugin's windows on a real library, without Calibre's main window.

What the plugin does with Calibre's main window is tested in the whole GUI (see gui.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from calibre.db.legacy import LibraryDatabase
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from qt.core import QApplication, QDesktopServices, QObject, QTimer, QUrl, QWidget, pyqtSlot


def handle_events() -> None:
    """Process all pending events, and those that they cause."""
    for _time in range(3):
        QApplication.sendPostedEvents()
        QApplication.processEvents()


class LibraryWindow(QWidget):
    """Takes the place of Calibre's main window: has the open library, and the attributes that a test sets."""

    status_bar: Any = None
    quit: Any = None
    must_restart_before_config = False

    def __init__(self, database: LibraryDatabase) -> None:
        super().__init__()
        self.current_db: Any = database


class CountingJobs(Jobs):
    """Records the books that Calibre's book list would refresh."""

    def __init__(self, window: LibraryWindow) -> None:
        super().__init__(window)
        self.refreshed: list[set[int]] = []

    def refresh_books(self, book_ids: Collection[int]) -> None:
        self.refreshed.append(set(book_ids))


class Desk:
    """The plugin's MainDialog on a real library, with methods for tests."""

    def __init__(self, qtbot: Any, database: LibraryDatabase) -> None:
        from calibre_plugins.bookfusionbacksync.main import MainDialog

        self.qtbot = qtbot
        self.api = database.new_api
        self.settings_opened = 0
        self.window = LibraryWindow(database)
        self._closed = False
        # pytest-qt deletes its widgets before fixtures are torn down. A job that still runs could not report its end.
        qtbot.addWidget(self.window, before_close_func=lambda window: self.close())
        self.jobs = CountingJobs(self.window)
        self.dialog = MainDialog(self.window, self.jobs, self._show_settings)
        self.dialog.show()

    def _show_settings(self) -> None:
        self.settings_opened += 1

    def close(self) -> None:
        """Close the window and wait for running jobs. Further calls do nothing."""
        if self._closed:
            return
        self._closed = True
        self.dialog.reject()
        self.jobs.shut_down()
        self.idle()
        self.dialog.deleteLater()

    def idle(self) -> None:
        """Wait for the end of the job, but not as long as a job waits for a server that does not respond."""
        self.qtbot.waitUntil(lambda: not self.jobs.busy, timeout=20_000)

    def child(self, name: str) -> Any:
        """The widget with this object name. Fails if there is none."""
        found = self.dialog.findChild(QWidget, name)
        assert found is not None, name
        return found

    def click(self, name: str) -> None:
        """Click a button. Fails if it is hidden or disabled."""
        button = self.child(name)
        assert button.isVisible(), name
        assert button.isEnabled(), name
        button.click()

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
        self.qtbot.waitUntil(lambda: self.dialog._preview_dialog is not None, timeout=20_000)
        return self.dialog._preview_dialog


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
