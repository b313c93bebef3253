"""Calibre quits while a sync is in one of its phases, of which the test chooses one.

What happens after the script's end is written to a file of its own: the answer is on disk before Calibre quits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whole_gui.scripts.stage import Pause, Stage, Steps, running_threads, start_content_server


def watch_goodbye(helpers: Any, pause: Pause, goodbye: Path) -> None:
    """Notes what is left running when the plugin has let Calibre go, and whether the sync still stood still."""
    shut_down = helpers.action.shutting_down

    def shut_down_and_look() -> None:
        shut_down()
        found = {'held': not pause.released.is_set(), 'left': running_threads()}
        goodbye.write_text(json.dumps(found), encoding='utf-8')

    helpers.action.shutting_down = shut_down_and_look


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    argument = helpers.argument
    stage = Stage(gui, helpers)
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
    watch_goodbye(helpers, pause, Path(argument['goodbye']))
    threads = running_threads()
    if argument.get('remove_plugin'):
        from calibre.customize.ui import remove_plugin

        remove_plugin(helpers.action.name)
    if argument.get('close'):
        stage.click('close')
    if 'release' in argument:
        pause.release_after(argument['release'])
    elif pause.inside:
        pause.release_when_told_to_stop(stage.cancel)
    return stage.result(paused=pause.arrived(), threads=threads)
