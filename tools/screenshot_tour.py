"""The part of tools/screenshots.py that runs inside Calibre: takes pictures of all windows of the plugin in all states.

The pictures show real syncs against the stand-in, in a library with real titles.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.desk import LibraryWindow
from harness.dialogs import example_dialogs
from qt.core import QApplication, QDialog, QMenu, Qt, QTabWidget, QWidget
from standins.bookfusion import LIBRARY, BookFusionStandIn, LibraryRecord
from standins.faults import Hold

Steps = Generator[Any, Any, Any]

EMAIL, PASSWORD = 'reader@example.org', 'only for the pictures'
# Seconds that Qt needs to lay out and paint a window.
MOMENT = 0.15


class Tour:
    """Saves pictures in a folder, numbered in the order of the tour."""

    def __init__(self, gui: Any, helpers: Any) -> None:
        self.gui = gui
        self.helpers = helpers
        self.folder = Path(helpers.argument['folder'])
        self.taken: list[str] = []
        records = json.loads(Path(helpers.argument['records']).read_text(encoding='utf-8'))['bookfusion']
        self.server = BookFusionStandIn([LibraryRecord(**record) for record in records], email=EMAIL, password=PASSWORD)
        self.server.start()

    def save(self, **settings: Any) -> None:
        import_module('calibre_plugins.bookfusionbacksync.base.settings').save(settings)

    def picture(self, name: str, widget: QWidget | None = None) -> None:
        widget = widget or self.dialog
        name = f'{len(self.taken) + 1:02d}-{name}'
        self.helpers.grab(widget, self.folder / f'{name}.png')
        self.taken.append(name)

    @property
    def dialog(self) -> Any:
        return self.helpers.window('MainDialog')

    def child(self, name: str) -> Any:
        return self.helpers.child(self.dialog, name)

    def idle(self) -> bool:
        return not self.helpers.action.jobs.busy

    def modal(self, name: str, start: Callable[[], Any], close: Callable[[Any], Any] = QDialog.reject) -> Steps:
        """Take a picture of the modal dialog that `start` opens, and close it with `close`."""

        def take(dialog: QWidget) -> None:
            QApplication.processEvents()
            self.picture(name, dialog)
            close(dialog)

        self.helpers.on_modal(take)
        start()
        yield MOMENT


def first_run(tour: Tour) -> Steps:
    """What a new user sees: a library without columns, and no account."""
    tour.helpers.action.show_dialog()
    yield lambda: tour.dialog
    yield MOMENT
    tour.picture('first-run')
    tour.child('first_email').setText(EMAIL)
    tour.child('first_password').setText('wrong')
    tour.child('first_sign_in').click()
    yield tour.idle
    yield MOMENT
    tour.picture('first-run-refused')
    tour.child('first_password').setText(PASSWORD)
    tour.child('first_sign_in').click()
    yield tour.idle
    tour.child('with_progress_column').setChecked(True)
    tour.child('with_status_column').setChecked(True)
    yield MOMENT
    tour.picture('first-run-columns')

    def confirm(dialog: Any) -> None:
        tour.helpers.on_modal(restart)
        dialog.accept()

    def restart(dialog: Any) -> None:
        QApplication.processEvents()
        tour.picture('restart-needed', dialog)
        dialog.reject()

    yield from tour.modal('create-columns', tour.child('create_columns').click, confirm)
    yield MOMENT
    tour.picture('first-run-restart')
    tour.dialog.reject()
    yield lambda: tour.dialog is None


def a_sync(tour: Tour) -> Steps:
    """The main window before, during and after a sync, with errors, and its menus."""
    tour.gui.library_moved(tour.helpers.argument['library'])
    tour.save(
        email=EMAIL,
        password=PASSWORD,
        last_read_column='#dateread',
        completed_column='#completed',
        progress_column='#progress',
        status_column='',
    )
    yield MOMENT
    tour.helpers.action.show_dialog()
    yield MOMENT
    tour.picture('ready')
    go_on = threading.Event()
    tour.server.fail(Hold(go_on), path=LIBRARY, times=None)
    tour.child('sync_now').click()
    yield lambda: 'BookFusion' in tour.child('status').text() and tour.server.count(LIBRARY) > 0
    yield MOMENT
    tour.picture('fetching')
    tour.child('cancel').click()
    yield tour.idle
    yield MOMENT
    tour.picture('cancelled')
    tour.server.clear_faults()
    go_on.set()
    tour.save(password='wrong')
    tour.child('sync_now').click()
    yield tour.idle
    yield MOMENT
    tour.picture('refused')
    tour.save(password=PASSWORD)
    tour.child('preview').click()
    yield lambda: tour.helpers.window('SyncPreview')
    yield MOMENT
    tour.picture('preview', tour.helpers.window('SyncPreview'))
    tour.helpers.window('SyncPreview').accept()
    yield tour.idle
    yield MOMENT
    tour.picture('done')
    tour.picture('calibre', tour.gui)
    for name in ('show_skipped', 'log_menu'):
        yield from menu_picture(tour, name, tour.child(name).menu())
    yield from menu_picture(tour, 'toolbar_menu', tour.helpers.action.qaction.menu())
    tour.child('undo').click()
    yield tour.idle
    yield MOMENT
    tour.picture('undone')


def menu_picture(tour: Tour, name: str, menu: QMenu) -> Steps:
    menu.popup(tour.dialog.mapToGlobal(tour.dialog.rect().center()))
    yield MOMENT
    tour.picture(name, menu)
    menu.close()


def the_form(tour: Tour) -> Steps:
    """All tabs of the settings, with columns that cannot be used; the check, the sign-in, the manual."""
    tour.save(
        read_time_column='#gone',
        booklore_url='http://books.example.org:6060',
        booklore_username='reader',
        hardcover_token='',
        auto_sync_hours=6,
    )
    # The library's own settings take precedence over the file.
    own = {
        'completed_column': '#title_notes',
        'read_time_column': '#hours',
        'status_column': '#gone',
        'hardcover_restriction': 'title:the',
    }
    for key, value in own.items():
        tour.helpers.database.set_pref(key, value, namespace='BookFusionBackSync')

    def look(dialog: Any) -> None:
        tabs: QTabWidget = tour.helpers.child(dialog, 'tabs', QTabWidget)
        for number, name in enumerate(('bookfusion', 'columns', 'hardcover', 'booklore', 'automatic')):
            tabs.setCurrentIndex(number)
            QApplication.processEvents()
            tour.picture(f'settings-{name}', dialog)
        tour.helpers.on_modal(look_at_check)
        tour.helpers.child(dialog, 'test_connection').click()
        dialog.reject()

    def look_at_check(dialog: Any) -> None:
        from qt.core import QTimer

        if not tour.idle():
            QTimer.singleShot(50, lambda: look_at_check(dialog))
            return
        QApplication.processEvents()
        tour.picture('test-connection', dialog)
        dialog.reject()

    tour.helpers.on_modal(look)
    tour.helpers.action.show_settings()
    yield MOMENT
    yield from tour.modal('help', tour.helpers.action.show_help)
    yield from sign_in_pictures(tour)


def sign_in_pictures(tour: Tour) -> Steps:
    from calibre_plugins.bookfusionbacksync.gui import sign_in_dialog

    # No browser may open.
    setattr(sign_in_dialog, 'open_url', lambda _address: True)  # noqa: B010 - it is Calibre's, not that module's own

    def look(dialog: Any) -> None:
        from qt.core import QTimer

        QTimer.singleShot(800, lambda: (tour.picture('sign-in', dialog), dialog.reject()))

    tour.helpers.on_modal(look)
    sign_in_dialog.sign_in(tour.dialog)
    yield MOMENT


def the_rest(tour: Tour) -> Steps:
    """The windows of the Hardcover jobs with example data, and two of Calibre's own windows for comparison."""
    for name, make in example_dialogs(LibraryWindow(tour.gui.current_db)):
        widget = make()
        widget.show()
        yield MOMENT
        tour.picture(name, widget)
        widget.close()
    from calibre.gui2 import error_dialog
    from calibre.gui2.dialogs.search import SearchDialog

    own = SearchDialog(tour.gui, tour.gui.current_db)
    own.show()
    yield MOMENT
    tour.picture('calibre-own-search', own)
    own.close()
    yield from tour.modal(
        'calibre-own-error', lambda: error_dialog(tour.gui, 'Calibre', 'Calibre', det_msg='...', show=True)
    )


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    tour = Tour(gui, helpers)
    tour.save(bookfusion_api_base=tour.server.api_base, bookfusion_user_api_base=tour.server.user_api_base)
    gui.resize(1400, 800)
    # Called now, before the automatic sync is set up, which would interfere.
    helpers.action.begin()
    if helpers.argument['mirrored']:
        QApplication.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    for part in (first_run, a_sync, the_form, the_rest):
        yield from part(tour)
    tour.dialog.reject()
    yield lambda: tour.dialog is None
    tour.server.stop()
    return tour.taken
