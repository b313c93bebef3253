"""The window is closed, the library switched and Calibre quit while the table of a preview is there, or nearly."""

from __future__ import annotations

import threading
from typing import Any

from qt.core import QObject, QPushButton, Qt
from whole_gui.scripts.stage import (
    LONGEST_PAUSE,
    Stage,
    Steps,
    filled_cells,
    handle_events,
    running_threads,
    start_content_server,
)


class CloseOnSuccess(QObject):
    """Closes the window in the very moment in which the preview is ready, before its table is there."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.closed = threading.Event()

    def close(self) -> None:
        self.stage.click('close')
        self.closed.set()


def close_when_ready(stage: Stage) -> Steps:
    start = stage.helpers.action.jobs.start
    closer = CloseOnSuccess(stage)

    def start_and_close(worker: Any) -> bool:
        stage.helpers.action.jobs.start = start
        worker.succeeded.connect(closer.close)
        # On its own thread, which so ends only after the window has been closed.
        worker.succeeded.connect(lambda: closer.closed.wait(LONGEST_PAUSE), Qt.ConnectionType.DirectConnection)
        return bool(start(worker))

    stage.helpers.action.jobs.start = start_and_close
    stage.click('preview')
    yield stage.ended
    yield from handle_events()
    return stage.dialog is None and stage.helpers.window('SyncPreview') is None


def show_table(stage: Stage) -> Steps:
    stage.click('preview')
    table = yield lambda: stage.helpers.window('SyncPreview')
    return table


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    _here, there = helpers.argument['libraries']
    stage = Stage(gui, helpers)
    stage.open()
    yield lambda: stage.dialog
    found: dict[str, Any] = {'closed_when_ready': (yield from close_when_ready(stage))}
    stage.open()
    table = yield from show_table(stage)
    found['table'] = helpers.child(table, 'apply', QPushButton).isEnabled()
    gui.iactions['Choose Library'].switch_requested(there)
    yield lambda: not helpers.window('SyncPreview')
    found['status'] = stage.status
    found['again'] = stage.button('sync_now').isEnabled()
    yield from show_table(stage)
    helpers.child(stage.dialog, 'close', QPushButton).click()
    yield lambda: not helpers.window('SyncPreview')
    found['closed'] = stage.dialog is None
    found |= {'filled': filled_cells(helpers), 'threads': running_threads()}
    # Then Calibre handles events once more after it has closed the library.
    yield from start_content_server(gui)
    stage.open()
    yield lambda: stage.dialog
    pause = yield from stage.start_and_pause('planned', lambda: stage.click('preview'))
    pause.release_when_told_to_stop(stage.cancel)
    return stage.result(**found)
