# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs jobs on their own threads, and turns their reports into signals.

Owns no widget. The code that starts a worker connects to its signals, and stops it before Calibre ends.
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
from .base.text import Text, one_line
from .jobs.sync import OpenLibrary, PreparedSync, SyncJob, SyncOutcome
from .rules.sync_plan import Change

logger = logging.getLogger(__name__)

# Seconds between two signals of the same kind, at least: more would keep the GUI thread busy.
MIN_REPORT_INTERVAL = 0.05
# One signal carries many lines: a signal for every line would keep the GUI thread busy.
LINES_PER_SIGNAL = 500
LINES_PER_YIELD = 50

Job = Callable[[Any, Cancel], Any]


class Worker(QThread):
    """Calls `job(reporter, cancel)` on its own thread. The worker itself is the reporter.

    Exactly one of `succeeded` and `failed` is emitted, followed by Qt's `finished`.

    Signals:
        status_changed(Text): what the job does now.
        progress_changed(int, int): done and total; the total is 0 if it is unknown.
        lines_logged(list): new lines of the log, as str.
        succeeded(object): the job's result.
        failed(BackSyncError): the reason why there is no result.
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
        if sentence.template != template or now - when >= MIN_REPORT_INTERVAL:
            self._last_status = (sentence.template, now)
            # The log lines of a step must be shown before the status of the next step.
            if sentence.template != template:
                self._send_lines()
            self.status_changed.emit(sentence)

    @staticmethod
    def _yield_gil() -> None:
        """Yield the GIL: otherwise the GUI thread waits a whole switch interval (5 ms) each time."""
        time.sleep(0)

    def progress(self, done: int, total: int | None) -> None:
        self._yield_gil()
        now = time.monotonic()
        if done == (total or 0) or now - self._last_progress >= MIN_REPORT_INTERVAL:
            self._last_progress = now
            self.progress_changed.emit(done, total or 0)

    def log(self, line: str) -> None:
        shown = one_line(redact(line))
        logger.info('%s', shown)
        with self._lock:
            self._lines.append(shown)
            full = len(self._lines) >= LINES_PER_SIGNAL or time.monotonic() - self._lines_sent >= MIN_REPORT_INTERVAL
            give_way = len(self._lines) % LINES_PER_YIELD == 0
        if give_way:
            self._yield_gil()
        if full:
            self._send_lines()

    def _send_lines(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            self._lines_sent = time.monotonic()
        if lines:
            self.lines_logged.emit(lines)

    def stop(self, milliseconds: int) -> bool:
        """Cancel the job and wait for the thread; False if it has not ended in time. A write is not interrupted."""
        self.cancel.set()
        return self.wait(milliseconds)


class SyncWorker(Worker):
    """The worker of a sync. Its result is a SyncOutcome or, with `preview`, a PreparedSync without any write.

    `only` restricts the sync to these book ids. A cancel ends the sync at once, unless the write has started.
    """

    def __init__(self, open_library: OpenLibrary, only: Collection[int] | None = None, preview: bool = False) -> None:
        super().__init__(self._sync)
        self._preview = preview
        self.sync_job = SyncJob(open_library, self, self.cancel, only)

    def _sync(self, _reporter: Reporter, _cancel: Cancel) -> SyncOutcome | PreparedSync:
        return self.sync_job.run_to_preview() if self._preview else self.sync_job.run()


class ApplyWorker(Worker):
    """Writes the ticked changes of a preview, with the SyncJob that has planned them. Its result is a SyncOutcome."""

    def __init__(self, sync_job: SyncJob, prepared: PreparedSync, ticked: Collection[Change]) -> None:
        super().__init__(lambda reporter, cancel: sync_job.run_from_preview(prepared, ticked, reporter, cancel))
