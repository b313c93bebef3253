# SPDX-License-Identifier: GPL-3.0-or-later
"""The automatic sync, at start and then every so many hours. It shows a message only for changes and failures.

Uses the same `Jobs` as the windows, and never starts a sync while another job runs.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from qt.core import QObject, QTimer, pyqtSignal

from ..base import log_file, settings
from ..base.errors import BackSyncError, Cancelled
from ..jobs.columns import count_identifiers
from ..jobs.sync import SyncOutcome
from ..library import last_sync
from ..sync_worker import SyncWorker
from .job_runner import Jobs

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

logger = logging.getLogger(__name__)

# Milliseconds. The due time is polled, because a timer of hours does not count the time in which the computer sleeps,
# and QTimer is limited to 24 days.
POLL_INTERVAL = 60_000
SECONDS_AN_HOUR = 3600
MESSAGE_MILLISECONDS = 10_000
FAILURES_BEFORE_NOTIFICATION = 3


class AutoSync(QObject):
    """Checks every minute whether a sync is due, and starts it.

    Signals:
        ended(): an automatic sync has succeeded, failed or been cancelled.
    """

    ended = pyqtSignal()

    def __init__(self, gui: Any, jobs: Jobs) -> None:
        super().__init__(jobs)
        self._gui = gui
        self._jobs = jobs
        self._hours = 0.0
        self._due = float('inf')
        self._library_id = ''
        self._worker: SyncWorker | None = None
        self._library_skipped = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_INTERVAL)
        self._timer.timeout.connect(self.look)
        jobs.synced.connect(self._restart_interval)

    def start(self) -> None:
        """Start the timer and sync at once, unless the automatic sync is switched off."""
        self.settings_changed()
        if self._hours:
            self._due = time.time()
            self.look()

    def settings_changed(self) -> None:
        """Read the interval from the settings. 0 hours switches the automatic sync off."""
        try:
            hours = settings.load().settings.auto_sync_hours
        except BackSyncError as error:
            logger.warning('No automatic sync: %s', error)
            hours = 0
        if hours != self._hours:
            self._hours = hours
            self._restart_interval()
        if hours:
            self._timer.start()
        else:
            self._timer.stop()

    def _restart_interval(self) -> None:
        self._due = time.time() + self._hours * SECONDS_AN_HOUR if self._hours else float('inf')

    def library_changed(self) -> None:
        """Make a sync due if the previous library was skipped or its sync was cancelled by the switch."""
        if self._library_skipped or self._worker is not None:
            self._library_skipped = False
            self._due = time.time()

    def look(self) -> None:
        """Start a sync if it is due and no other job runs."""
        left = self._due - time.time()
        if left > self._hours * SECONDS_AN_HOUR:
            # The system clock has been set back.
            self._restart_interval()
        if left > 0 or not self._jobs.free:
            return
        self._restart_interval()
        library = self._jobs.library()
        try:
            with_identifier, _without = count_identifiers(library)
        except BackSyncError as error:
            logger.warning('No automatic sync: %s', error)
            return
        if not with_identifier:
            # Skip libraries without bookfusion identifiers.
            self._library_skipped = True
            return
        log_file.start()
        logger.info('Automatic sync')
        self._library_id = library.library_id
        worker = self._worker = SyncWorker(self._jobs.library_opener())
        worker.succeeded.connect(self._succeeded)
        worker.failed.connect(self._failed)
        self._jobs.start(worker)

    def _succeeded(self, outcome: SyncOutcome) -> None:
        self._worker = None
        if outcome.updated:
            self._say(
                ngettext(
                    'BookFusion Back Sync: {count} book updated',
                    'BookFusion Back Sync: {count} books updated',
                    outcome.updated,
                ).format(count=outcome.updated)
            )
        self.ended.emit()

    def _failed(self, error: BackSyncError) -> None:
        worker, self._worker = self._worker, None
        # A cancelled sync may also fail with an error of the library that is being closed; that is not a failure.
        stopped = worker is not None and worker.cancel.is_set
        if not (stopped or isinstance(error, Cancelled)):
            failures = last_sync.remember_failure(self._library_id).failures
            sentence = error.sentence.translated(_, ngettext)
            self._say(
                _('BookFusion Back Sync: {message}').format(message=sentence),
                notify=failures == FAILURES_BEFORE_NOTIFICATION,
            )
        self.ended.emit()

    def _say(self, words: str, notify: bool = False) -> None:
        self._gui.status_bar.show_message(words, MESSAGE_MILLISECONDS, show_notification=notify)
