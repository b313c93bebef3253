"""The library is switched while a sync is in each of its phases, without and with the content server running."""

from __future__ import annotations

import json
import threading
import urllib.request
from typing import Any

from whole_gui.scripts.stage import Stage, Steps, filled_cells, running_threads, start_content_server

WITHOUT_SERVER = (
    'signing_in',
    'first_page',
    'middle_page',
    'retry_wait',
    'scanning',
    'planning',
    'before_writing',
    'writing',
)
# With the server the old library stays open, so that a write to it would succeed.
WITH_SERVER = ('middle_page', 'before_writing', 'writing')


class Reader:
    """Somebody who looks at the library through the content server all the time."""

    def __init__(self, port: int) -> None:
        self.answers = 0
        self._url = f'http://127.0.0.1:{port}/ajax/books'
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.wait(0.02):
            with urllib.request.urlopen(self._url, timeout=10) as answer:
                self.answers += len(json.load(answer)) > 0

    def stop(self) -> int:
        self._stop.set()
        self._thread.join(10)
        return self.answers


def switch_in(gui: Any, helpers: Any, stage: Stage, moment: str, other: str) -> Steps:
    """Switches to the other library in this moment of a sync; what is seen of it."""
    found: dict[str, Any] = {'moment': moment, 'before': filled_cells(helpers), 'sync': stage.open() is not None}
    pause = yield from stage.start_and_pause(moment)
    found['paused'] = pause.arrived()
    found['threads'] = running_threads()
    pause.during(lambda: gui.iactions['Choose Library'].switch_requested(other))
    found['ended'] = yield from stage.end()
    found['left'] = running_threads()
    pause.release()
    found['status'] = stage.status
    found['log'] = stage.log
    found['switched'] = gui.current_db.library_path == other
    found['after'] = filled_cells(helpers)
    return found


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    first, second = helpers.argument['libraries']
    stage = Stage(gui, helpers)
    stage.open()
    yield lambda: stage.dialog
    here, there = first, second
    switches = []
    for moment in WITHOUT_SERVER:
        switches.append((yield from switch_in(gui, helpers, stage, moment, there)))
        here, there = there, here
    gui.iactions['Choose Library'].switch_requested(there)
    undone = yield from stage.run('undo')
    emptied = filled_cells(helpers)
    here, there = there, here
    reader = Reader((yield from start_content_server(gui)))
    for moment in WITH_SERVER:
        switches.append((yield from switch_in(gui, helpers, stage, moment, there)))
        here, there = there, here
    return stage.result(
        switches=switches, undone=undone, emptied=emptied, answers=reader.stop(), written=there, untouched=here
    )
