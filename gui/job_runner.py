# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: runs one job at a time on the open library, and ends it when the library is switched or Calibre exits.

There is one Jobs object, owned by the toolbar action. Dialogs start jobs through it and do not handle threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any

from qt.core import QObject, pyqtSignal

from ..jobs.sync import SyncOutcome
from ..library.calibre_library import Library
from ..sync_worker import Worker

logger = logging.getLogger(__name__)

# Milliseconds to wait for a cancelled worker, before Calibre exits or a window is deleted.
SHUTDOWN_TIMEOUT = 3000


# Workers outside Jobs. Qt aborts the process if a running QThread is garbage-collected.
_beside: set[Worker] = set()


def start_beside(worker: Worker) -> None:
    """Start a worker outside Jobs and keep a reference until it has ended. Only for workers that use no library."""
    _beside.add(worker)
    worker.finished.connect(_forget_ended)
    worker.start()


def _forget_ended() -> None:
    _beside.difference_update([worker for worker in _beside if worker.isFinished()])


class Jobs(QObject):
    """Starts workers one at a time, and keeps each until its thread has ended.

    Signals:
        busy_changed(bool): a job has started, or its thread has ended.
        job_ended(): a job's thread has ended; emitted after `busy_changed`, so that the next job can be started.
        synced(): a sync has succeeded, whether it was started by a window or automatically.
    """

    busy_changed = pyqtSignal(bool)
    job_ended = pyqtSignal()
    synced = pyqtSignal()

    def __init__(self, gui: Any) -> None:
        super().__init__(gui if isinstance(gui, QObject) else None)
        self._gui = gui
        self._worker: Worker | None = None
        self._library: Library | None = None
        self._held = False
        self._over = False

    @property
    def busy(self) -> bool:
        """True while a job runs, including one that was cancelled and has not finished yet."""
        return self._worker is not None

    @property
    def free(self) -> bool:
        """True if an automatic job may start: no job runs and no window shows a preview."""
        return not (self.busy or self._held or self._over)

    @property
    def over(self) -> bool:
        """True after `shut_down`: Calibre exits, and the library may be closed."""
        return self._over

    def hold(self, held: bool) -> None:
        """Prevent automatic jobs while a preview is shown; False allows them again."""
        self._held = held

    def library(self) -> Library:
        """The library that is open in Calibre's main window now."""
        api = self._gui.current_db.new_api
        if self._library is None or self._library.api is not api:
            self._library = Library(api)
        return self._library

    def has_open(self, library_id: str) -> bool:
        """True if this library is open now. Book ids are only valid in the library that they come from."""
        return not self._over and self.library().library_id == library_id

    def library_opener(self) -> Callable[[], AbstractContextManager[Library]]:
        """A function that gives jobs the library that is open now. It can be called any number of times.

        It returns a context manager. Once the library has been switched, errors in its context become LibraryTrouble.
        """
        return self.library().in_use

    def start(self, worker: Worker) -> bool:
        """Start a worker. False if another one is running or Calibre exits."""
        if self.busy or self._over:
            return False
        self._worker = worker
        worker.succeeded.connect(self._worker_succeeded)
        worker.finished.connect(self._worker_finished)
        self.busy_changed.emit(True)
        worker.start()
        return True

    def _worker_finished(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.deleteLater()
        self.busy_changed.emit(False)
        self.job_ended.emit()

    def _worker_succeeded(self, result: object) -> None:
        if self._over:
            # At exit Calibre processes events after closing the library; there is nothing left to refresh.
            return
        # Done here and not in a dialog, because the dialog may be closed while the job writes.
        self.refresh_books(getattr(result, 'book_ids', ()))
        if isinstance(result, SyncOutcome):
            self.synced.emit()

    def cancel(self) -> None:
        """Cancel the running job, without waiting for its end."""
        if self._worker is not None:
            self._worker.cancel.set()

    def library_about_to_change(self) -> None:
        """Cancel the job and detach from the old library, which is closed next. Waits for a running write."""
        self.cancel()
        if self._library is not None:
            self._library.retire()
            self._library = None

    def shut_down(self) -> None:
        """Cancel all workers and wait for them: Calibre aborts if a thread still runs when it exits (seen)."""
        self._over = True
        workers = [worker for worker in (self._worker, *_beside) if worker is not None]
        for worker in workers:
            worker.cancel.set()
        for worker in workers:
            if not worker.stop(SHUTDOWN_TIMEOUT):
                logger.error('A job did not end in time')

    def refresh_books(self, book_ids: Collection[int]) -> None:
        """Show new values in the book list and the tag browser, without changing selection or scroll position."""
        if book_ids:
            self._gui.iactions['Edit Metadata'].refresh_gui(list(book_ids), covers_changed=False)
