# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a job on a thread of its own and turns what it reports into signals.

Owns no widget. Whoever starts a worker connects to its signals and, before the end of Calibre, stops it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from qt.core import QThread, pyqtSignal

from .base import errors
from .base.cancel import Cancel
from .base.errors import BackSyncError, Cancelled
from .base.redaction import redact
from .base.reporter import Reporter
from .base.text import Text
from .jobs.sync import OpenLibrary, PreparedSync, SyncJob, SyncOutcome
from .rules.sync_plan import Change

logger = logging.getLogger(__name__)

# The window paints a status at most this often, however many pages arrive.
SHORTEST_BETWEEN_REPORTS = 0.05
# Lines travel to the window in bundles: one signal a line would keep its event loop busy.
LINES_A_BUNDLE = 500
LINES_A_BREATH = 50

Job = Callable[[Any, Cancel], Any]


class Worker(QThread):
    """A job `job(reporter, cancel)` on its own thread; the worker itself is the reporter.

    Signals:
        status_changed(Text): what goes on now.
        progress_changed(int, int): how far it is, of how much; of 0 where nobody knows.
        lines_logged(list): lines of the log, as str.
        succeeded(object): the job's result; exactly one of this and `failed` comes, then Qt's own `finished`.
        failed(BackSyncError): why there is no result.
    """

    status_changed = pyqtSignal(object)
    progress_changed = pyqtSignal(int, int)
    lines_logged = pyqtSignal(list)
    succeeded = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.cancel = Cancel()
        self._job = job
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._lines_sent = 0.0
        self._last_status = ('', 0.0)
        self._last_progress = 0.0

    def run(self) -> None:
        try:
            result = self._job(self, self.cancel)
        except BackSyncError as error:
            logger.log(logging.INFO if isinstance(error, Cancelled) else logging.ERROR, '%s', error)
            self._send_lines()
            self.failed.emit(error)
        except Exception as error:
            logger.exception('A job failed unexpectedly')
            self._send_lines()
            self.failed.emit(BackSyncError(errors.UNEXPECTED, reason=type(error).__name__))
        else:
            self._send_lines()
            self.succeeded.emit(result)

    def status(self, sentence: Text) -> None:
        template, when = self._last_status
        now = time.monotonic()
        if sentence.template != template or now - when >= SHORTEST_BETWEEN_REPORTS:
            self._last_status = (sentence.template, now)
            # Who reads that it is done finds every line of it in the log.
            if sentence.template != template:
                self._send_lines()
            self.status_changed.emit(sentence)

    @staticmethod
    def _let_the_window_breathe() -> None:
        """Yield the GIL: otherwise the GUI thread waits a whole switch interval (5 ms) each time."""
        time.sleep(0)

    def progress(self, done: int, total: int | None) -> None:
        self._let_the_window_breathe()
        now = time.monotonic()
        if done == (total or 0) or now - self._last_progress >= SHORTEST_BETWEEN_REPORTS:
            self._last_progress = now
            self.progress_changed.emit(done, total or 0)

    def log(self, line: str) -> None:
        shown = redact(line)
        logger.info('%s', shown)
        with self._lock:
            self._lines.append(shown)
            full = len(self._lines) >= LINES_A_BUNDLE or time.monotonic() - self._lines_sent >= SHORTEST_BETWEEN_REPORTS
            breathe = len(self._lines) % LINES_A_BREATH == 0
        if breathe:
            self._let_the_window_breathe()
        if full:
            self._send_lines()

    def _send_lines(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            self._lines_sent = time.monotonic()
        if lines:
            self.lines_logged.emit(lines)

    def stop(self, milliseconds: int) -> bool:
        """Cancels and waits; True when the thread has ended. A write that has begun is waited for."""
        self.cancel.set()
        return self.wait(milliseconds)


class SyncWorker(Worker):
    """The worker of a sync; with `preview` it ends with a PreparedSync and writes nothing.

    A cancel ends it within moments, whatever the server does; once writing has begun it ends with that.
    """

    def __init__(self, open_library: OpenLibrary, only: Collection[int] | None = None, preview: bool = False) -> None:
        super().__init__(self._sync)
        self._preview = preview
        self.sync_job = SyncJob(open_library, self, self.cancel, only)

    def _sync(self, _reporter: Reporter, _cancel: Cancel) -> SyncOutcome | PreparedSync:
        return self.sync_job.run_to_preview() if self._preview else self.sync_job.run()


class ApplyWorker(Worker):
    """Writes what was ticked of a preview; goes on with the SyncJob that made it."""

    def __init__(self, sync_job: SyncJob, prepared: PreparedSync, ticked: Collection[Change]) -> None:
        super().__init__(lambda reporter, cancel: sync_job.run_from_preview(prepared, ticked, reporter, cancel))
