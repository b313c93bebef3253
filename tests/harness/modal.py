"""Closes modal dialogs that a test does not answer. They would block the test for ever."""

from __future__ import annotations

import time
from typing import Any

from harness.screen import texts
from qt.core import QApplication, QDialog, QTimer

# Far longer than a test needs to answer a dialog that it expects.
PATIENCE_SECONDS = 20
LOOK_MILLISECONDS = 250


class ModalWatchdog:
    """Rejects every modal dialog that is open for longer than `patience` seconds, and records its texts."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self.unanswered: list[list[str]] = []
        self.seen: Any = None
        self.since = time.monotonic()
        self.timer = QTimer()
        self.timer.timeout.connect(self.look)
        self.timer.start(LOOK_MILLISECONDS)

    @classmethod
    def start(cls) -> ModalWatchdog | None:
        """A watchdog for the running application, None if there is none."""
        return None if QApplication.instance() is None else cls()

    def look(self) -> None:
        modal = QApplication.activeModalWidget()
        if modal is not self.seen:
            self.seen, self.since = modal, time.monotonic()
        elif modal is not None and time.monotonic() - self.since > self.patience:
            self.unanswered.append(texts(modal))
            self.seen = None
            if isinstance(modal, QDialog):
                modal.done(QDialog.DialogCode.Rejected)
            else:
                modal.close()

    def stop(self) -> list[list[str]]:
        """Stop watching. Returns the texts of the dialogs that were rejected."""
        self.timer.stop()
        return self.unanswered
