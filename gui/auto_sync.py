# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncs by itself at start and every so many hours, and says so only where something changed or failed.

Starts its jobs like any window does; never one while another one runs.
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

# A clock that is looked at every minute keeps time also where the computer sleeps in between, which a timer of hours
# does not; and no timer of Qt is longer than 24 days.
LOOK_EVERY = 60_000
SECONDS_AN_HOUR = 3600
MESSAGE_MILLISECONDS = 10_000
FAILURES_BEFORE_NOTIFICATION = 3


class AutoSync(QObject):
    """Looks every minute whether a sync is due, and starts it.

    Signals:
        ended(): a sync of its own is over, however it ended.
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
        self._passed_over = False
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY)
        self._timer.timeout.connect(self.look)
        jobs.synced.connect(self._wait_anew)

    def start(self) -> None:
        """Calibre has started: the first sync is due now, where there shall be any."""
        self.settings_changed()
        if self._hours:
            self._due = time.time()
            self.look()

    def settings_changed(self) -> None:
        """Reads how often it has to sync; 0 hours is never."""
        try:
            hours = settings.load().settings.auto_sync_hours
        except BackSyncError as error:
            logger.warning('No automatic sync: %s', error)
            hours = 0
        if hours != self._hours:
            self._hours = hours
            self._wait_anew()
        if hours:
            self._timer.start()
        else:
            self._timer.stop()

    def _wait_anew(self) -> None:
        self._due = time.time() + self._hours * SECONDS_AN_HOUR if self._hours else float('inf')

    def library_changed(self) -> None:
        """Another library is open: it gets the sync that the one before it was not good for, or that was cut off."""
        if self._passed_over or self._worker is not None:
            self._passed_over = False
            self._due = time.time()

    def look(self) -> None:
        """Syncs if it is time to and nothing else goes on; otherwise the next look will."""
        left = self._due - time.time()
        if left > self._hours * SECONDS_AN_HOUR:
            # The clock was set back.
            self._wait_anew()
        if left > 0 or not self._jobs.free:
            return
        self._wait_anew()
        library = self._jobs.library()
        try:
            with_one, _without = count_identifiers(library)
        except BackSyncError as error:
            logger.warning('No automatic sync: %s', error)
            return
        if not with_one:
            # Skip libraries without bookfusion identifiers.
            self._passed_over = True
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
        # What a library that is being closed answers to a sync that was told to stop is no failure either.
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
