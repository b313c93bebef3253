"""Calibre in a language that is written from right to left, and in dark colours: every window of the plugin, a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qt.core import QApplication, QPalette, Qt, QWidget
from whole_gui.scripts.stage import Stage, Steps, running_threads

if TYPE_CHECKING:
    from calibre_builtins import _


def look(window: QWidget) -> dict[str, Any]:
    """How a window is laid out and coloured: lightness 0-255."""
    palette = window.palette()
    return {
        'window': type(window).__name__,
        'right_to_left': window.layoutDirection() == Qt.LayoutDirection.RightToLeft,
        'background': palette.color(QPalette.ColorRole.Window).lightness(),
        'text': palette.color(QPalette.ColorRole.WindowText).lightness(),
        'painted': not window.grab().isNull(),
    }


def drive(gui: Any, helpers: Any) -> Steps:
    # Calibre turns its words round but not its windows, whatever the language; Qt would, and a later Calibre may.
    QApplication.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    # Arabic names are long: in a narrow window the last buttons are behind an arrow.
    gui.resize(2500, 800)
    yield lambda: helpers.toolbar_button() and helpers.toolbar_button().isVisible()
    stage = Stage(gui, helpers)
    stage.open()
    dialog = yield lambda: stage.dialog
    looks = [look(dialog)]

    def look_and_close(shown: Any) -> None:
        looks.append(look(shown))
        shown.reject()

    helpers.on_modal(look_and_close)
    stage.click('settings')
    helpers.on_modal(look_and_close)
    helpers.action.show_help()
    stage.click('preview')
    table = yield lambda: helpers.window('SyncPreview')
    look_and_close(table)
    yield stage.ended
    yield from stage.run('sync_now')
    return stage.result(
        looks=looks,
        log=stage.log,
        cancel=_('Cancel'),
        status=stage.status,
        threads=running_threads(),
    )
