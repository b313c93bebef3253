"""What the scripts that drive the whole of Calibre share: a BookFusion to sync with, moments to stop a sync in, and
eyes for what it must not leave behind.

Runs inside Calibre's process (see gui.run_calibre); knows the plugin's window by its object names only.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from calibre.utils.date import as_utc
from harness import bookfusion
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN
from qt.core import (
    QLabel,
    QLocale,
    QModelIndex,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    Qt,
    QThread,
    QWidget,
    sip,
)
from standins.bookfusion import LIBRARY, SIGN_IN, BookFusionStandIn, LibraryRecord, generate_records
from standins.faults import Hold, Status

PLUGIN = 'calibre_plugins.bookfusionbacksync'
PAGE_SIZE = 10
MIDDLE_PAGE = '3'
# The threads that the plugin's network side starts.
THREAD_NAMES = ('page', 'single', 'look-up')
LONGEST_PAUSE = 20
# Seconds that only a job which was not stopped takes: one of half a minute ends by itself what these jobs wait for.
LONGEST_END = 20

Steps = Generator[Any, Any, Any]


def plugin_module(name: str) -> Any:
    """A module of the installed plugin; not to be imported before Calibre has loaded the plugin."""
    return import_module(f'{PLUGIN}.{name}')


def running_threads() -> list[str]:
    """The threads of the plugin that have not ended yet, Qt's and Python's."""
    found = [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_NAMES)]
    # No other thread may run while this list of everything exists: it would hold tuples that are still being made, and
    # their makers would fail.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    ours = [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, QThread) and type(thing).__module__.startswith(PLUGIN) and not sip.isdeleted(thing)
    ]
    sys.setswitchinterval(interval)
    return sorted(found + [type(thread).__name__ for thread in ours if thread.isRunning()])


@dataclass
class Pause:
    """A moment in which a sync stands still: whether it is there, and how it goes on.

    `inside` where the plugin's own thread was stopped by force, so that it cannot even notice that it is to end;
    `locked` where it has locked the library as well, so that the main thread may have to wait for it.
    """

    arrived: Callable[[], bool]
    released: threading.Event
    inside: bool = False
    locked: bool = False
    before_release: Callable[[], object] = lambda: None

    def release(self) -> None:
        self.before_release()
        self.released.set()

    def during(self, action: Callable[[], object]) -> None:
        """Does something in this moment. A thread that was stopped by force goes on then."""
        if self.locked:
            self.release_after(0.3)
        action()
        if self.inside:
            self.release()

    def release_after(self, seconds: float) -> None:
        """For when the main thread itself is going to wait for the sync."""
        timer = threading.Timer(seconds, self.release)
        timer.daemon = True
        timer.start()

    def release_when_told_to_stop(self, cancel: Any) -> None:
        """The same, for a sync that goes on as soon as its cancel flag is set."""

        def watch() -> None:
            with contextlib.suppress(plugin_module('base.errors').Cancelled):
                cancel.wait(LONGEST_PAUSE)
            self.release()

        threading.Thread(target=watch, daemon=True).start()


class StatusLog:
    """Everything that the status line says, with the progress bar at that moment, from now on."""

    def __init__(self, dialog: QWidget) -> None:
        self.seen: list[tuple[str, int, int]] = []
        label: Any = dialog.findChild(QLabel, 'status')
        bar: Any = dialog.findChild(QProgressBar, 'progress')
        show = label.setText

        def note(text: str) -> None:
            self.seen.append((text, bar.value(), bar.maximum()))
            show(text)

        label.setText = note

    @property
    def texts(self) -> list[str]:
        return [text for text, _value, _maximum in self.seen]


class Stage:
    """The window under test and its BookFusion, a stand-in that runs in a thread of Calibre's own process."""

    def __init__(self, gui: Any, helpers: Any) -> None:
        self.gui = gui
        self.helpers = helpers
        self.server = BookFusionStandIn(records_of(helpers), password=TEST_PASSWORD, token=TEST_USER_TOKEN)
        self.server.start()
        self.set_up()

    def set_up(self) -> None:
        """Gives the plugin the settings that let a sync succeed."""
        columns = {'last_read_column': '#dateread', 'completed_column': '#completed'}
        self.save(**bookfusion.account(self.server, **columns, page_size=PAGE_SIZE))

    def save(self, **settings: Any) -> None:
        """Puts settings into the plugin's file."""
        plugin_module('base.settings').save(settings)

    def result(self, **more: Any) -> dict[str, Any]:
        """What a script returns: its own findings, and what the test looks at in every run."""
        about_server = {'violations': self.server.violations, 'server_errors': self.server.errors}
        return {**about_server, 'secrets': self.server.secrets, **more}

    @property
    def dialog(self) -> Any:
        """The plugin's window, None while it is not open."""
        return self.helpers.window('MainDialog')

    def open(self) -> Any:
        """The plugin's window, opened by a click on its button where it is not open yet."""
        self.helpers.click(self.helpers.toolbar_button())
        return self.dialog

    def button(self, name: str) -> QPushButton:
        button: QPushButton = self.helpers.child(self.dialog, name, QPushButton)
        return button

    def click(self, name: str) -> None:
        self.helpers.click(self.button(name))

    @property
    def status(self) -> str:
        label: QLabel = self.helpers.child(self.dialog, 'status', QLabel)
        return label.text()

    @property
    def log(self) -> list[str]:
        view: QPlainTextEdit = self.helpers.child(self.dialog, 'log', QPlainTextEdit)
        return view.toPlainText().splitlines()

    @property
    def busy(self) -> bool:
        return bool(self.helpers.action.jobs.busy)

    @property
    def cancel(self) -> Any:
        """What tells the running job to stop."""
        return self.helpers.action.jobs._worker.cancel

    def ended(self) -> bool:
        """Whether the last job is over and has left nothing running."""
        return not self.busy and not running_threads()

    def end(self) -> Steps:
        """Waits for the end of the last job, less long than it would wait by itself; whether it came to it."""
        deadline = time.monotonic() + LONGEST_END
        yield lambda: self.ended() or time.monotonic() > deadline
        return self.ended()

    def run(self, button: str) -> Steps:
        """Clicks a button of the window and waits for the end of the job; the status line then."""
        self.click(button)
        yield self.ended
        return self.status

    def start_and_pause(self, moment: str, start: Callable[[], object] | None = None, **options: Any) -> Steps:
        """Starts a sync, by its button or otherwise, and waits until it stands still in this moment; the Pause."""
        pause: Pause = getattr(self, f'_pause_{moment}')(**options)
        if start is None:
            self.click('sync_now')
        else:
            start()
        yield pause.arrived
        return pause

    def _pause_request(self, path: str, **which: Any) -> Pause:
        released = threading.Event()
        fault = self.server.fail(Hold(released), path=path, times=None, **which)

        return Pause(lambda: fault.hits > 0, released, before_release=self.server.clear_faults)

    def _pause_signing_in(self) -> Pause:
        return self._pause_request(SIGN_IN)

    def _pause_first_page(self) -> Pause:
        return self._pause_request(LIBRARY)

    def _pause_middle_page(self) -> Pause:
        return self._pause_request(LIBRARY, when=lambda request: request.query['page'] == MIDDLE_PAGE)

    def _pause_retry_wait(self, can_end: bool = False) -> Pause:
        """Between two tries, for half a minute or, where it `can_end`, until it is released."""
        fault = self.server.fail(Status(503, {'Retry-After': '30'}), path=LIBRARY)
        released = threading.Event()
        if can_end:
            cancel = plugin_module('base.cancel').Cancel
            wait = cancel.wait

            def wait_for_release(flag: Any, _seconds: float) -> None:
                cancel.wait = wait
                while not released.is_set():
                    wait(flag, 0.02)

            cancel.wait = wait_for_release
        return Pause(lambda: fault.hits > 0 and 'Trying again' in self.status, released)

    def _pause_call(self, owner: Any, name: str) -> Pause:
        """Before the next call of this function. The job holds no lock there."""
        original = getattr(owner, name)
        arrived, released = threading.Event(), threading.Event()

        def wait_first(*arguments: Any, **named: Any) -> Any:
            setattr(owner, name, original)
            arrived.set()
            released.wait(LONGEST_PAUSE)
            return original(*arguments, **named)

        setattr(owner, name, wait_first)
        return Pause(arrived.is_set, released, inside=True)

    def _pause_scanning(self) -> Pause:
        """Before Calibre's side is read."""
        return self._pause_call(plugin_module('jobs.sync'), 'take_snapshot')

    def _pause_planning(self) -> Pause:
        """After Calibre's side has been read."""
        return self._pause_call(plugin_module('jobs.sync'), 'make_plan')

    def _pause_planned(self) -> Pause:
        """A preview has succeeded, too late to be stopped, but its thread has not ended."""
        job = plugin_module('jobs.sync').SyncJob
        original = job.run_to_preview
        arrived, released = threading.Event(), threading.Event()

        def wait_after(*arguments: Any) -> Any:
            job.run_to_preview = original
            prepared = original(*arguments)
            arrived.set()
            released.wait(LONGEST_PAUSE)
            return prepared

        job.run_to_preview = wait_after
        return Pause(arrived.is_set, released, inside=True)

    def _pause_before_writing(self) -> Pause:
        """The status line says that it writes, but nothing is recorded or written yet."""
        return self._pause_call(plugin_module('library.calibre_library').Library, 'write')

    def _pause_writing(self) -> Pause:
        """One column is written, the next one is not: the library is locked."""
        before = self._pause_before_writing()
        api = self.helpers.database
        original = api.set_field
        begun, released = threading.Event(), threading.Event()

        def wait_after(*arguments: Any, **named: Any) -> Any:
            api.set_field = original
            changed = original(*arguments, **named)
            begun.set()
            released.wait(LONGEST_PAUSE)
            return changed

        def arrived() -> bool:
            """Keeps the main thread here meanwhile: painting a book would make it wait for the library."""
            before.release()
            return begun.wait(LONGEST_PAUSE) and not released.is_set()

        api.set_field = wait_after
        return Pause(lambda: before.arrived() and arrived(), released, inside=True, locked=True)


def rows(gui: Any) -> dict[int, int]:
    """The row of each book in the book list, by book id."""
    model = gui.library_view.model()
    return {model.id(row): row for row in range(model.rowCount(QModelIndex()))}


class Repaints:
    """Which books the book list was told to paint anew: until then it shows what it showed before."""

    def __init__(self, gui: Any) -> None:
        self.books: set[int] = set()
        self._model = gui.library_view.model()
        self._model.dataChanged.connect(self._note)

    def _note(self, first: QModelIndex, last: QModelIndex) -> None:
        self.books |= {self._model.id(row) for row in range(first.row(), last.row() + 1)}


def shown_dates(gui: Any) -> dict[int, str]:
    """What the book list shows in the date column, by book id."""
    view = gui.library_view
    place = view.column_map.index('#dateread')
    delegate, model = view.itemDelegateForColumn(place), view.model()
    return {
        book_id: delegate.displayText(model.index(row, place).data(Qt.ItemDataRole.DisplayRole), QLocale())
        for book_id, row in rows(gui).items()
    }


def ticked_books(gui: Any) -> list[int]:
    """The books that the book list shows as completed."""
    model = gui.library_view.model()
    place = gui.library_view.column_map.index('#completed')
    role = Qt.ItemDataRole.DecorationRole
    return sorted(book_id for book_id, row in rows(gui).items() if model.index(row, place).data(role) is not None)


def sorted_dates(gui: Any, ascending: bool) -> list[str]:
    """The dates in the order in which the book list shows the books, sorted by their column."""
    gui.library_view.sort_by_named_field('#dateread', ascending)
    ids = list(rows(gui))
    dates = gui.current_db.new_api.all_field_for('#dateread', ids)
    return ['' if dates[book_id] is None else as_utc(dates[book_id]).isoformat() for book_id in ids]


class Footprints:
    """What a write leaves behind, whatever it writes: moved time stamps and queued OPF backups."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._modified, self._queued = self._look()

    def _look(self) -> tuple[dict[int, Any], dict[int, int]]:
        modified = self._database.all_field_for('last_modified', self._database.all_book_ids())
        return modified, dict(self._database.dirtied_cache)

    def new(self) -> dict[str, list[int]]:
        """The books that were written since this object was made. Calibre works its queue off meanwhile."""
        modified, queued = self._look()
        return {
            'modified': [key for key, stamp in modified.items() if self._modified.get(key) != stamp],
            'queued': [key for key, number in queued.items() if self._queued.get(key) != number],
        }


def filled_cells(helpers: Any) -> int:
    """How many cells of the two columns hold a value."""
    ids = helpers.database.all_book_ids()
    columns = [helpers.database.all_field_for(name, ids) for name in ('#dateread', '#completed')]
    return sum(value is not None for column in columns for value in column.values())


def records_of(helpers: Any) -> list[LibraryRecord]:
    """The library on BookFusion's side, as the test ordered it."""
    extra = [LibraryRecord(**fields) for fields in helpers.argument.get('extra', ())]
    return generate_records(helpers.argument['count']) + extra


def start_content_server(gui: Any) -> Steps:
    """Starts Calibre's content server where only this computer sees it; the port that it listens on."""
    from calibre.srv.opts import change_settings

    change_settings(port=0, listen_on='127.0.0.1', use_bonjour=False)
    gui.start_content_server()
    yield lambda: gui.content_server.loop and gui.content_server.loop.bound_address
    return gui.content_server.loop.bound_address[1]


def handle_events() -> Steps:
    """Lets everything be called that is on its way to the window."""
    for _turn in range(5):
        yield
