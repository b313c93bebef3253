# SPDX-License-Identifier: GPL-3.0-or-later
"""The one job that may run at a time, the library it works on, and what becomes of both when Calibre moves on.

Belongs to the toolbar action; dialogs ask it to start jobs and forget about threads.
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

# How long the end of Calibre, or of the plugin, waits for a job that has been told to stop.
LONGEST_GOODBYE = 3000


# Threads that run beside the one job. Qt would crash if one were forgotten while it runs.
_beside: set[Worker] = set()


def start_beside(worker: Worker) -> None:
    """Runs a worker beside the one job, which only one that touches no library may do; keeps it until it has ended."""
    _beside.add(worker)
    worker.finished.connect(_forget_ended)
    worker.start()


def _forget_ended() -> None:
    _beside.difference_update([worker for worker in _beside if worker.isFinished()])


class Jobs(QObject):
    """Starts workers one at a time, keeps them until their thread has ended, and stops them in good time.

    Signals:
        busy_changed(bool): a job has begun, or its thread has ended.
        job_ended(): the same end, once everybody has heard of it from `busy_changed`; the next job may start.
        synced(): a sync was done, whoever started it.
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
        """Whether a job may start by itself: none is running, and no window shows a plan that is to be applied."""
        return not (self.busy or self._held or self._over)

    @property
    def over(self) -> bool:
        """Whether Calibre, or the plugin, has come to its end, and there is no library any more."""
        return self._over

    def hold(self, held: bool) -> None:
        """Keeps jobs from starting by themselves while a plan is shown."""
        self._held = held

    def library(self) -> Library:
        """The library that is open in the window now."""
        api = self._gui.current_db.new_api
        if self._library is None or self._library.api is not api:
            self._library = Library(api)
        return self._library

    def has_open(self, library_id: str) -> bool:
        """Whether that library is open in the window now; in another one its book ids are those of other books."""
        return not self._over and self.library().library_id == library_id

    def library_opener(self) -> Callable[[], AbstractContextManager[Library]]:
        """Hands the library that is open now to a job, however often it asks; the window keeps it open."""
        return self.library().in_use

    def start(self, worker: Worker) -> bool:
        """Runs a worker, unless another one is running or Calibre ends; False then."""
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
            # Calibre handles events once more when it has closed the library: there is nothing to refresh.
            return
        # Here and not in a dialog: a write that has begun ends well even when its dialog is closed meanwhile.
        self.refresh_books(getattr(result, 'book_ids', ()))
        if isinstance(result, SyncOutcome):
            self.synced.emit()

    def cancel(self) -> None:
        """Tells the running job to stop; it ends by itself within moments."""
        if self._worker is not None:
            self._worker.cancel.set()

    def library_about_to_change(self) -> None:
        """The old library is closed right after this: its job ends, and a write that has begun is waited for."""
        self.cancel()
        if self._library is not None:
            self._library.retire()
            self._library = None

    def shut_down(self) -> None:
        """Ends every thread, and starts no other job. Calibre would crash at its end while one is running."""
        self._over = True
        workers = [worker for worker in (self._worker, *_beside) if worker is not None]
        for worker in workers:
            worker.cancel.set()
        for worker in workers:
            if not worker.stop(LONGEST_GOODBYE):
                logger.error('A job did not end in time')

    def refresh_books(self, book_ids: Collection[int]) -> None:
        """Shows new values in the book list and the tag browser; selection and scroll position stay."""
        if book_ids:
            self._gui.iactions['Edit Metadata'].refresh_gui(list(book_ids), covers_changed=False)
