"""What a new user does in the first five minutes, and what happens every day after; `argument` says which part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any

from calibre.gui2.keyboard import Manager
from qt.core import QApplication, QEvent, QMouseEvent, QPointF, Qt

PLUGIN = 'calibre_plugins.bookfusionbacksync'
Steps = Generator[Any, Any, Any]


class User:
    """Somebody at the mouse, who knows the window by what is to be seen."""

    def __init__(self, gui: Any, helpers: Any) -> None:
        self.gui = gui
        self.helpers = helpers

    @property
    def dialog(self) -> Any:
        return self.helpers.window('MainDialog')

    def child(self, name: str) -> Any:
        return self.helpers.child(self.dialog, name)

    def visible(self, name: str) -> bool:
        return bool(self.child(name).isVisible())

    def click(self, name: str) -> None:
        self.helpers.click(self.child(name))

    @property
    def status(self) -> str:
        return str(self.child('status').text())

    @property
    def log(self) -> list[str]:
        return str(self.child('log').toPlainText()).splitlines()

    def idle(self) -> bool:
        return not self.helpers.action.jobs.busy

    def open(self) -> Steps:
        self.helpers.click(self.helpers.toolbar_button())
        yield lambda: self.dialog

    def run(self, name: str) -> Steps:
        """Clicks and waits for the end; the status line then."""
        self.click(name)
        yield self.idle
        return self.status

    def answer(self, *responses: Callable[[Any], Any]) -> list[str]:
        """Answers the next modal dialogs, one after the other; what each of them says."""
        said: list[str] = []

        def respond(dialog: Any) -> None:
            said.append(' '.join(self.helpers.texts(dialog)))
            response, *rest = responses[len(said) - 1 :]
            if rest:
                self.helpers.on_modal(respond)
            response(dialog)

        self.helpers.on_modal(respond)
        return said

    def books(self) -> list[int]:
        """The books that the book list shows, by id."""
        model = self.gui.library_view.model()
        return [model.id(row) for row in range(model.rowCount(self.gui.library_view.rootIndex()))]

    def selected(self) -> list[int]:
        return sorted(self.gui.library_view.get_selected_ids())

    def double_click_line(self, beginning: str) -> None:
        """A double click into the line of the log that begins like this."""
        view = self.child('log')
        number = next(place for place, line in enumerate(self.log) if line.startswith(beginning))
        block = view.document().findBlockByNumber(number)
        place = view.blockBoundingGeometry(block).translated(view.contentOffset()).center()
        place.setX(20)
        left = Qt.MouseButton.LeftButton
        for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick):
            event = QMouseEvent(kind, QPointF(place), left, left, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(view.viewport(), event)


def modules_at_start(gui: Any) -> dict[str, Any]:
    """Which of the plugin's modules Calibre's start loads."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(PLUGIN + '.')}
    keyboard, gui.keyboard = gui.keyboard, Manager(gui)
    try:
        action = import_module(f'{PLUGIN}.ui').BackSyncAction(gui, None)
        action.interface_action_base_plugin = gui.iactions['BookFusion Back Sync'].interface_action_base_plugin
        action.do_genesis()
        loaded = sorted(name.removeprefix(PLUGIN + '.') for name in sys.modules if name.startswith(PLUGIN + '.'))
    finally:
        gui.keyboard = keyboard
        for name in list(sys.modules):
            if name.startswith(PLUGIN + '.'):
                del sys.modules[name]
        sys.modules.update(kept)
    return {'loaded': loaded}


def set_up(user: User, argument: dict[str, Any]) -> Steps:
    """Sign in, create the columns; everything but the restart."""
    yield from user.open()
    found: dict[str, Any] = {'status': user.status, 'page': user.visible('first_run')}
    user.child('first_email').setText(argument['email'])
    user.child('first_password').setText(argument['password'])
    found['signed_in'] = yield from user.run('first_sign_in')
    user.child('with_progress_column').setChecked(True)
    found['said'] = user.answer(lambda question: question.accept(), lambda warning: warning.reject())
    user.click('create_columns')
    found['created'] = user.status
    found['blocked'] = bool(user.gui.must_restart_before_config)
    user.click('close')
    yield lambda: user.dialog is None
    return found


def first_sync(user: User, _argument: dict[str, Any]) -> Steps:
    """After the restart: preview, apply, look at the books, undo."""
    found: dict[str, Any] = {'start': modules_at_start(user.gui)}
    yield from user.open()
    found['status'] = user.status
    found['page'] = user.visible('first_run')
    user.click('preview')
    preview = yield lambda: user.helpers.window('SyncPreview')
    found['preview'] = [
        [preview.table.model().index(row, column).data() for column in range(4)]
        for row in range(preview.table.model().rowCount())
    ]
    preview.filter_edit.setText('progress')
    user.helpers.click(user.helpers.child(preview, 'untick_all'))
    user.helpers.click(preview.apply_button)
    yield lambda: user.idle() and user.status.startswith('Done')
    found['applied'] = [user.status, user.log]
    user.double_click_line('OK Middlemarch')
    found['double_click'] = user.selected()
    user.gui.search.set_search_string('title:Emma')
    yield lambda: len(user.books()) == 1
    user.double_click_line('OK Emma')
    found['hidden_by_search'] = [user.selected(), str(user.gui.search.text())]
    user.double_click_line('OK Middlemarch')
    found['search_cleared'] = [user.selected(), len(user.books())]
    user.gui.current_db.data.set_marked_ids({2: 'mine as well', 5: 'mine'})
    user.click('show_updated')
    yield lambda: len(user.books()) == 2
    found['updated'] = [sorted(user.books()), str(user.gui.search.text())]
    entries = user.child('show_skipped').menu().actions()
    found['reasons'] = [action.text() for action in entries if action.text()]
    entries[0].trigger()
    yield lambda: len(user.books()) == 2 and 4 in user.books()
    found['skipped'] = sorted(user.books())
    found['my_marks'] = {str(book): mark for book, mark in user.gui.current_db.data.marked_ids.items()}
    user.gui.search.clear()
    found['tooltip'] = user.helpers.action.qaction.toolTip()
    found['undone'] = yield from user.run('undo')
    user.gui.library_view.select_rows([2])
    user.child('selected_only').setChecked(True)
    found['selected_only'] = yield from user.run('sync_now')
    user.click('close')
    yield lambda: user.dialog is None
    return found


def every_day(user: User, _argument: dict[str, Any]) -> Steps:
    """Calibre is started, and nobody does anything."""
    database = user.helpers.database
    yield lambda: database.field_for('#dateread', 1) is not None and user.idle()
    bar = user.gui.status_bar
    yield lambda: 'BookFusion' in bar.currentMessage()
    return {
        'message': bar.currentMessage(),
        'windows': user.dialog is not None,
        'tooltip': user.helpers.action.qaction.toolTip(),
    }


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    part = {'set_up': set_up, 'first_sync': first_sync, 'every_day': every_day}[helpers.argument['part']]
    return (yield from part(User(gui, helpers), helpers.argument))
