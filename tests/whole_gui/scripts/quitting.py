"""Calibre quits while a sync is in one of its phases, of which the test chooses one.

What happens after the script's end is written to a file of its own: the answer is on disk before Calibre quits.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from whole_gui.scripts.stage import Stage, Steps, running_threads, start_content_server


def watch_goodbye(helpers: Any, goodbye: Path) -> None:
    """Notes how long Calibre waits for the plugin when it quits, and what is left running then."""
    shut_down = helpers.action.shutting_down

    def timed() -> None:
        start = time.monotonic()
        shut_down()
        found = {'seconds': time.monotonic() - start, 'left': running_threads()}
        goodbye.write_text(json.dumps(found), encoding='utf-8')

    helpers.action.shutting_down = timed


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    argument = helpers.argument
    stage = Stage(gui, helpers)
    watch_goodbye(helpers, Path(argument['goodbye']))
    if argument.get('content_server'):
        # Then Calibre handles events once more after it has closed the library.
        yield from start_content_server(gui)
    if argument.get('automatic'):
        stage.save(auto_sync_hours=1)
        pause = yield from stage.start_and_pause(argument['moment'], helpers.action.begin)
    else:
        stage.open()
        yield lambda: stage.dialog
        pause = yield from stage.start_and_pause(argument['moment'])
    threads = running_threads()
    if argument.get('remove_plugin'):
        from calibre.customize.ui import remove_plugin

        remove_plugin(helpers.action.name)
    if argument.get('close'):
        stage.click('close')
    if pause.inside:
        pause.release_after(argument.get('release', 0.5))
    return stage.result(paused=pause.arrived(), threads=threads)
