"""Settings and Help are opened from the button's menu while the plugin's window is closed and its job still ends; or
Calibre quits over the table of a preview that was opened there.
"""

from __future__ import annotations

from typing import Any

from qt.core import QApplication, QDialogButtonBox, QEvent, QLineEdit, QTimer
from whole_gui.scripts.stage import Stage, Steps, handle_events, plugin_module

ENTERED = 'entered@example.org'


def modal(stage: Stage) -> Any:
    """The modal window that is open, for yielding a condition."""
    return lambda: QApplication.activeModalWidget()


def settings_while_the_job_ends(stage: Stage) -> Steps:
    """The form stands over a window that is thrown away meanwhile; what was entered there is saved."""
    pause = yield from stage.start_and_pause('scanning')
    stage.click('close')
    # The call blocks until the form is closed, so the script goes on beside it.
    QTimer.singleShot(0, stage.helpers.action.show_settings)
    form = yield modal(stage)
    stage.helpers.child(form, 'email', QLineEdit).setText(ENTERED)
    pause.release()
    yield stage.ended
    yield from handle_events()
    still_there = QApplication.activeModalWidget() is form
    if still_there:
        form.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok).click()
    yield
    return {'form': still_there, 'saved': plugin_module('base.settings').load().settings.email == ENTERED}


def windows_left_by_help(stage: Stage) -> int:
    """How many of its windows stay behind where Help is opened and closed three times."""
    for _time in range(3):
        stage.helpers.on_modal(lambda dialog: dialog.reject())
        stage.helpers.action.show_help()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return sum(type(child).__name__ == 'HelpDialog' for child in stage.gui.children())


def quit_over_the_table(stage: Stage) -> Steps:
    """Calibre's end closes the table; there is no answer then."""
    stage.helpers.action.preview()
    yield lambda: stage.helpers.window('SyncPreview')
    QTimer.singleShot(0, lambda: stage.gui.quit(confirm_quit=False))
    yield lambda: False


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    stage = Stage(gui, helpers)
    if helpers.argument.get('quit'):
        yield from quit_over_the_table(stage)
    stage.open()
    yield lambda: stage.dialog
    found = yield from settings_while_the_job_ends(stage)
    return stage.result(help=windows_left_by_help(stage), **found)
