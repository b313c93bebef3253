"""Calibre once more on a library that was synced in an earlier run: sorting, undo, and syncs that cannot succeed."""

from __future__ import annotations

from typing import Any

from standins.bookfusion import SIGN_IN
from whole_gui.scripts.stage import Footprints, Stage, Steps, plugin_module, running_threads, shown_dates, sorted_dates

# What is wrong with the settings of each sync.
WRONG: dict[str, dict[str, Any]] = {
    'wrong password': {'password': 'not the password'},
    'no password': {'password': ''},
    'no email': {'email': ''},
    'column missing': {'last_read_column': '#nowhere'},
    'column of another type': {'last_read_column': '#completed'},
    'no column chosen': {'last_read_column': ''},
}


def hurry() -> None:
    """Cuts the waits between the tries of a request short; they are tested elsewhere."""
    cancel = plugin_module('base.cancel').Cancel
    wait = cancel.wait
    cancel.wait = lambda self, seconds: wait(self, min(seconds, 0.05))


def undo(gui: Any, helpers: Any, stage: Stage) -> Steps:
    """Undoes the sync of the earlier run, and then what is not there to undo."""
    first = yield from stage.run('undo')
    found = {'undone': first, 'undo_log': stage.log, 'dates': sorted(set(shown_dates(gui).values()))}
    prints = Footprints(helpers.database)
    found['nothing_left'] = yield from stage.run('undo')
    found['touched_by_nothing'] = prints.new()
    return found


def fail(helpers: Any, stage: Stage) -> Steps:
    """The status line after each sync that cannot succeed, and whether it touched anything."""
    hurry()
    prints = Footprints(helpers.database)
    found: dict[str, Any] = {}
    for name, wrong in WRONG.items():
        stage.set_up()
        stage.save(**wrong)
        before = stage.server.count(SIGN_IN)
        status = yield from stage.run('sync_now')
        found[name] = {'status': status, 'log': stage.log, 'sign_ins': stage.server.count(SIGN_IN) - before}
    stage.set_up()
    stage.server.refuse_connections()
    status = yield from stage.run('sync_now')
    found['refused'] = {'status': status, 'log': stage.log, 'sign_ins': 0}
    stage.server.accept_connections()
    return {'failures': found, 'touched': prints.new()}


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    found = {'ascending': sorted_dates(gui, True), 'descending': sorted_dates(gui, False)}
    stage = Stage(gui, helpers)
    stage.open()
    yield lambda: stage.dialog
    found |= yield from undo(gui, helpers, stage)
    found |= yield from fail(helpers, stage)
    stage.save(completed_column='#gone')
    found['without_flags'] = yield from stage.run('sync_now')
    found['without_flags_log'] = stage.log
    return stage.result(threads=running_threads(), **found)
