"""The button, its menu and its window; a sync of the whole library through the window; a second one; sorting."""

from __future__ import annotations

from typing import Any

from qt.core import QAction, QApplication, QItemSelectionModel, QMenu, QWidget
from whole_gui.scripts.stage import (
    Footprints,
    Repaints,
    Stage,
    StatusLog,
    Steps,
    running_threads,
    shown_dates,
    sorted_dates,
    ticked_books,
)

NAMES = ('email', 'password', 'last_read_column', 'completed_column', 'completed_threshold')


def entries(menu: QMenu) -> list[Any]:
    """The texts of a menu, None for a separator, [text, entries] for a menu within."""
    found: list[Any] = []
    for action in menu.actions():
        text = action.text().replace('&', '')
        inner = action.menu()
        found.append([text, entries(inner)] if inner else None if action.isSeparator() else text)
    return found


def without_shortcut_slot(gui: Any, menu: QMenu) -> list[str]:
    """The entries that cannot be given a shortcut in the preferences, or that come with one."""
    found = []
    for action in menu.actions():
        if action.menu():
            found += without_shortcut_slot(gui, action.menu())
        elif not action.isSeparator():
            slot = gui.keyboard.shortcuts.get(getattr(action, 'calibre_shortcut_unique_name', None))
            if slot is None or slot['action'] is not action or slot['default_keys']:
                found.append(action.text())
    return found


def entry(menu: QMenu, text: str) -> QAction:
    return next(action for action in menu.actions() if action.text().replace('&', '') == text)


def look_at_window(gui: Any, helpers: Any, stage: Stage) -> Steps:
    """The button and what it opens."""
    action = helpers.action.qaction
    found: dict[str, Any] = {
        'menu': entries(action.menu()),
        'without_shortcut': without_shortcut_slot(gui, action.menu()),
        'own_shortcut': f'{helpers.action.unique_name} - qaction' in gui.keyboard.shortcuts,
    }
    stage.open()
    dialog = yield lambda: stage.dialog
    found['modal'] = dialog.isModal()
    found['buttons'] = [stage.button(name).text().replace('&', '') for name in ('sync_now', 'settings', 'close')]
    gui.activateWindow()
    yield lambda: not dialog.isActiveWindow()
    stage.open()
    yield dialog.isActiveWindow
    windows = [window for window in QApplication.topLevelWidgets() if type(window).__name__ == 'MainDialog']
    found['same_window'] = windows == [dialog]

    form: list[str] = []

    def look_at_form(shown: Any) -> None:
        form.extend(name for name in NAMES if shown.findChild(QWidget, name))
        shown.reject()

    helpers.on_modal(look_at_form)
    stage.click('settings')
    helpers.on_modal(look_at_form)
    entry(action.menu(), 'Settings…').trigger()
    found['form'] = form
    helpers.on_modal(lambda shown: (form.append(' '.join(helpers.texts(shown))), shown.reject()))
    entry(action.menu(), 'Help').trigger()
    found['help'] = form.pop()
    return found


def view_state(gui: Any) -> dict[str, Any]:
    view = gui.library_view
    return {
        'selected': sorted(view.get_selected_ids()),
        'current': view.current_id,
        'scrolled': view.verticalScrollBar().value(),
    }


def scroll_and_select(gui: Any) -> None:
    view = gui.library_view
    view.clearSelection()
    flags = QItemSelectionModel.SelectionFlag.Rows | QItemSelectionModel.SelectionFlag.Select
    for row in (150, 151, 155):
        view.selectionModel().select(view.model().index(row, 0), flags)
    view.selectionModel().setCurrentIndex(view.model().index(151, 0), QItemSelectionModel.SelectionFlag.NoUpdate)
    view.verticalScrollBar().setValue(view.verticalScrollBar().maximum() // 2)


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    stage = Stage(gui, helpers)
    window = yield from look_at_window(gui, helpers, stage)
    dialog = stage.dialog
    scroll_and_select(gui)
    before = view_state(gui)
    statuses = StatusLog(dialog)
    repaints = Repaints(gui)
    first = yield from stage.run('sync_now')
    found: dict[str, Any] = {
        'first': first,
        'statuses': list(statuses.seen),
        'log': stage.log,
        'requests': stage.server.count(),
        'view': [before, view_state(gui)],
        'repainted': sorted(repaints.books),
        'dates': shown_dates(gui),
        'ticked': ticked_books(gui),
    }
    prints = Footprints(helpers.database)
    found['second'] = yield from stage.run('sync_now')
    found['second_log'] = stage.log
    found['touched'] = prints.new()
    found['ascending'] = sorted_dates(gui, True)
    found['descending'] = sorted_dates(gui, False)
    stage.click('close')
    yield lambda: stage.dialog is None
    return stage.result(window=window, threads=running_threads(), **found)
