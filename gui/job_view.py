# SPDX-License-Identifier: GPL-3.0-or-later
"""JobView: the state of a window's job, with widgets for status, progress and log. All windows with jobs use it.

The window lays out the three widgets, starts the jobs and handles their results.
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
    """The state of the plugin's job, from the view of one window."""

    IDLE = auto()
    RUNNING = auto()
    # The window's job was cancelled, but its thread has not ended yet.
    STOPPING = auto()
    # A job of another window or an automatic sync is running.
    ELSEWHERE = auto()


@dataclass
class _Job:
    """The window's own job. `deliver` is set when it has succeeded or failed."""

    worker: Worker
    succeeded: Callable[[Any], None]
    failed: Callable[[BackSyncError], None]
    deliver: Callable[[], None] | None = None


class JobView(QObject):
    """Status line, progress bar and log of a window, and the job that it runs.

    The result of a job is delivered once, after its thread has ended and `Jobs` accepts the next job.

    `ready` is the text of the status line before the first job. `endings` are final sentences that a job reports as its
    status; they are not shown here but by the function that gets the result, so that "Done" means that another job can
    start.

    Signals:
        state_changed(): `state` has changed. Emitted before a result is delivered.
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
        # The window's own text, restored when the job of another window has ended.
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
        """True while the window's own job runs, including one that was cancelled and has not ended yet."""
        return self._state in (JobState.RUNNING, JobState.STOPPING)

    def run(self, worker: Worker, succeeded: Callable[[Any], None], failed: Callable[[BackSyncError], None]) -> bool:
        """Start a worker. After its thread has ended, `succeeded` is called with the result or `failed` with the error.

        False if another job is running or Calibre exits; then neither is called.
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
        # The result of the previous job is outdated.
        self._said = ''
        self.status.clear()
        self.show_progress(0, 0)
        self.state_changed.emit()
        return True

    def stop(self) -> None:
        """Cancel the window's own job if one is running, without waiting for its end."""
        if self._job is not None and self._state is JobState.RUNNING:
            self._job.worker.cancel.set()
            self.status.setText(_('Stopping...'))
            self._enter(JobState.STOPPING)

    def when_idle(self, action: Callable[[], None]) -> None:
        """Call `action` now, or once after the running job has ended and its result was delivered."""
        if self._state is JobState.IDLE:
            action()
        elif action not in self._when_idle:
            self._when_idle.append(action)

    def say(self, words: str) -> None:
        """Show a text in the status line. It is restored after a job of another window."""
        self._said = words
        self.status.setText(words)

    def say_that_another_job_runs(self) -> None:
        """Show this in the status line until it changes for another reason."""
        self.status.setText(ANOTHER_JOB.translated(_, ngettext))

    def show_step(self, sentence: Text) -> None:
        """Show a status that the job reports, unless it is one of the endings."""
        if sentence.template not in self._endings:
            self.status.setText(sentence.translated(_, ngettext))

    def show_progress(self, done: int, total: int) -> None:
        """Show the progress; a total of 0 means that it is unknown."""
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
