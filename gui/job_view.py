# SPDX-License-Identifier: GPL-3.0-or-later
"""JobView: what a window shows of a job, and the one state that it is in; shared by every window that runs jobs.

Lays nothing out and knows no job: a window puts the three widgets where it likes and says what a result means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from qt.core import QObject, QProgressBar, Qt, QWidget, pyqtSignal

from ..base.errors import BackSyncError
from ..base.text import Text, text
from ..sync_worker import Worker
from .job_runner import Jobs
from .log_view import LogView
from .widgets import plain_label

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

ANOTHER_JOB = text('Another job is running. Wait until it is done, or stop it.')
ANOTHER_WINDOWS_JOB = text('Another job of this plugin is running.')


class JobState(Enum):
    """What goes on as far as one window is concerned."""

    IDLE = auto()
    RUNNING = auto()
    # Told to stop, but its thread has not ended yet.
    STOPPING = auto()
    # Another window's job, or an automatic sync.
    ELSEWHERE = auto()


@dataclass
class _Job:
    """The window's own job; `deliver` is set once it has succeeded or failed."""

    worker: Worker
    succeeded: Callable[[Any], None]
    failed: Callable[[BackSyncError], None]
    deliver: Callable[[], None] | None = None


class JobView(QObject):
    """Status line, progress bar and log of a window, and the job that it runs.

    A result is kept until the worker's thread has ended and every window knows that the next job may start; only then
    is it delivered, once.

    `ready` is what the status line says before the first job. `endings` are sentences with which jobs end: they are
    left to whoever gets the result, so that "Done" in the window means that another job can start.

    Signals:
        state_changed(): `state` is another one now; a result is delivered after this.
    """

    state_changed = pyqtSignal()

    def __init__(self, jobs: Jobs, window: QWidget, ready: str = '', endings: Collection[Text] = ()) -> None:
        super().__init__(window)
        self.status = plain_label(ready, window, 'status')
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress = QProgressBar(window)
        self.progress.setObjectName('progress')
        self.progress.setAccessibleName(_('Progress'))
        self.progress.setTextVisible(False)
        self.log = LogView(window)
        self._jobs = jobs
        self._endings = frozenset(sentence.template for sentence in endings)
        self._state = JobState.IDLE
        self._job: _Job | None = None
        # What the window says itself, which comes back after another window's job.
        self._said = ready
        self._when_idle: list[Callable[[], None]] = []
        self.show_progress(0, 1)
        jobs.busy_changed.connect(self._busy_changed)
        jobs.job_ended.connect(self._job_ended)
        self._busy_changed(jobs.busy)

    @property
    def state(self) -> JobState:
        return self._state

    @property
    def running(self) -> bool:
        """True while the window's own job runs, including one that was told to stop and has not ended yet."""
        return self._state in (JobState.RUNNING, JobState.STOPPING)

    def run(self, worker: Worker, succeeded: Callable[[Any], None], failed: Callable[[BackSyncError], None]) -> bool:
        """Runs a worker and, when its thread has ended, calls one of the two with what it brought.

        False where a job is running already, or Calibre ends: then nothing is called.
        """
        if self._state is not JobState.IDLE:
            return False
        self._job = _Job(worker, succeeded, failed)
        worker.status_changed.connect(self.show_step)
        worker.progress_changed.connect(self.show_progress)
        worker.lines_logged.connect(self.log.append)
        worker.succeeded.connect(self._keep_result)
        worker.failed.connect(self._keep_error)
        self._state = JobState.RUNNING
        if not self._jobs.start(worker):
            self._job, self._state = None, JobState.IDLE
            return False
        # How the last job ended is no longer what goes on.
        self._said = ''
        self.status.clear()
        self.show_progress(0, 0)
        self.state_changed.emit()
        return True

    def stop(self) -> None:
        """Tells the window's own job to stop, where one runs; it ends within moments."""
        if self._job is not None and self._state is JobState.RUNNING:
            self._job.worker.cancel.set()
            self.status.setText(_('Stopping...'))
            self._enter(JobState.STOPPING)

    def when_idle(self, action: Callable[[], None]) -> None:
        """Calls it now or, while a job runs, once that has ended and its result was delivered; once in any case."""
        if self._state is JobState.IDLE:
            action()
        elif action not in self._when_idle:
            self._when_idle.append(action)

    def say(self, words: str) -> None:
        """Puts words of the window into the status line; they come back after another window's job."""
        self._said = words
        self.status.setText(words)

    def say_that_another_job_runs(self) -> None:
        """Until the next job ends, or begins to tell what it does."""
        self.status.setText(ANOTHER_JOB.translated(_, ngettext))

    def show_step(self, sentence: Text) -> None:
        """What the job says that goes on."""
        if sentence.template not in self._endings:
            self.status.setText(sentence.translated(_, ngettext))

    def show_progress(self, done: int, total: int) -> None:
        """How far the job is; total 0: nobody knows."""
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def _keep_result(self, result: Any) -> None:
        if self._job is not None:
            succeeded = self._job.succeeded
            self._job.deliver = lambda: succeeded(result)

    def _keep_error(self, error: BackSyncError) -> None:
        if self._job is not None:
            failed = self._job.failed
            self._job.deliver = lambda: failed(error)

    def _enter(self, state: JobState) -> None:
        self._state = state
        self.state_changed.emit()

    def _busy_changed(self, busy: bool) -> None:
        if busy and self._state is JobState.IDLE:
            self.status.setText(ANOTHER_WINDOWS_JOB.translated(_, ngettext))
            self._enter(JobState.ELSEWHERE)
        elif not busy and self._state is JobState.ELSEWHERE:
            self.status.setText(self._said)
            self._enter(JobState.IDLE)
        elif not busy and self.running:
            self._enter(JobState.IDLE)

    def _job_ended(self) -> None:
        job, self._job = self._job, None
        if job is not None and job.deliver is not None:
            job.deliver()
        while self._when_idle and self._state is JobState.IDLE:
            self._when_idle.pop(0)()
