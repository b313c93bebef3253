# SPDX-License-Identifier: GPL-3.0-or-later
"""The toolbar button, its menu, and the plugin's life within Calibre's window.

Imports next to nothing, so that Calibre starts as quickly with the plugin as without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibre.gui2.actions import InterfaceAction
from qt.core import QMenu, QTimer, QToolButton

from .gui.hardcover_menu import build_hardcover_menu

if TYPE_CHECKING:
    from calibre_builtins import _, get_icons, load_translations, ngettext

    from .gui.auto_sync import AutoSync
    from .gui.job_runner import Jobs
    from .main import MainDialog

load_translations()

PLUGIN_NAME = 'BookFusion Back Sync'
# Milliseconds after which Calibre is at rest; nothing of ours is imported before.
AFTER_START = 4000


class BackSyncAction(InterfaceAction):
    """What Calibre's window keeps of the plugin: one button, one menu, one dialog, one job at a time."""

    name = PLUGIN_NAME
    action_spec = (_('BookFusion Back Sync'), None, _('Bring reading dates and progress from BookFusion'), ())
    action_type = 'current'
    popup_type = QToolButton.ToolButtonPopupMode.MenuButtonPopup
    dont_add_to = frozenset({'context-menu-device', 'toolbar-device', 'menubar-device'})

    def genesis(self) -> None:
        self._jobs: Jobs | None = None
        self._auto_sync: AutoSync | None = None
        self._dialog: MainDialog | None = None
        self.qaction.setIcon(get_icons('images/icon.png', PLUGIN_NAME))
        self.menu = QMenu(self.gui)
        self.qaction.setMenu(self.menu)
        self.qaction.triggered.connect(self.show_dialog)
        self._build_menu()

    def _build_menu(self) -> None:
        self._entry('sync now', _('S&ync now…'), 'sync.png', _('Open the dialog and start a sync'), self.sync_now)
        self._entry('preview', _('&Preview…'), 'view.png', _('Show what a sync would change'), self.preview)
        self._entry(
            'undo last sync',
            _('&Undo last sync'),
            'edit-undo.png',
            _('Put back what the last sync replaced'),
            self.undo,
        )
        self.menu.addSeparator()
        self._hardcover = build_hardcover_menu(self, self.menu)
        self.menu.addSeparator()
        self._entry('settings', _('&Settings…'), 'config.png', _('Account, columns and more'), self.show_settings)
        self._entry('help', _('H&elp'), 'help.png', _('How it works and what each message means'), self.show_help)

    def _entry(self, unique_name: str, text: str, icon: str, description: str, triggered: Any) -> Any:
        # Calibre hands a triggered action's check state to whoever takes it.
        return self.create_menu_action(
            self.menu, unique_name, text, icon=icon, description=description, triggered=lambda: triggered()
        )

    @property
    def jobs(self) -> Jobs:
        """Made when it is first needed, with all that it imports."""
        if self._jobs is None:
            from .gui.job_runner import Jobs

            self._jobs = Jobs(self.gui)
            self._jobs.busy_changed.connect(self._forget_closed_dialog)
            self._jobs.synced.connect(self.show_last_sync)
        return self._jobs

    def initialization_complete(self) -> None:
        QTimer.singleShot(AFTER_START, self.begin)

    def begin(self) -> None:
        """What can wait until Calibre has started: the automatic sync, and what the last sync did."""
        if self.gui.shutting_down or self._auto_sync is not None:
            return
        from .gui.auto_sync import AutoSync

        self._auto_sync = AutoSync(self.gui, self.jobs)
        self._auto_sync.ended.connect(self.show_last_sync)
        self.show_last_sync()
        self._auto_sync.start()

    def settings_changed(self) -> None:
        """The form was saved."""
        if self._auto_sync is not None:
            self._auto_sync.settings_changed()
        if self._dialog is not None:
            self._dialog.look_for_missing()

    def show_last_sync(self) -> None:
        """Says in the button's tooltip when the last sync of this library was, and what it did."""
        from calibre.utils.date import as_local_time, format_date

        from .library.last_sync import recall

        if self.gui.shutting_down:
            return
        last = recall(self.jobs.library().library_id)
        lines = [self.action_spec[2]]
        if last.when is not None:
            counts = ngettext('{count} book updated', '{count} books updated', last.updated).format(count=last.updated)
            when = format_date(as_local_time(last.when), 'dd MMM yyyy hh:mm')
            lines.append(_('Last sync: {when}, {what}').format(when=when, what=counts))
        if last.failures:
            lines.append(
                ngettext(
                    'The last automatic sync failed.',
                    'The last {count} automatic syncs failed.',
                    last.failures,
                ).format(count=last.failures)
            )
        self.qaction.setToolTip('\n'.join(lines))

    def location_selected(self, loc: str) -> None:
        self.qaction.setEnabled(loc == 'library')

    def library_about_to_change(self, olddb: Any, db: Any) -> None:
        if self._jobs is not None:
            self._jobs.library_about_to_change()

    def library_changed(self, db: Any) -> None:
        if self._dialog is not None:
            self._dialog.library_changed()
        if self._auto_sync is not None:
            self._auto_sync.library_changed()
            self.show_last_sync()

    def shutting_down(self) -> None:
        if self._jobs is not None:
            self._jobs.shut_down()

    def show_dialog(self) -> MainDialog:
        """The dialog, raised when it is open already."""
        from .main import MainDialog

        if self._dialog is None:
            self._dialog = MainDialog(self.gui, self.jobs, self.show_settings)
            self._dialog.finished.connect(self._forget_closed_dialog)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        return self._dialog

    def _forget_closed_dialog(self) -> None:
        """A closed dialog lives on until its job has ended: whoever opens it again before that sees how it ends."""
        dialog = self._dialog
        if dialog is not None and not dialog.isVisible() and not self.jobs.busy:
            self._dialog = None
            dialog.deleteLater()

    def sync_now(self) -> None:
        self.show_dialog().start_sync()

    def preview(self) -> None:
        self.show_dialog().start_preview()

    def undo(self) -> None:
        self.show_dialog().start_undo()

    def _window_in_front(self) -> Any:
        """What a modal window belongs to. Never the closed dialog, which would take it along when its job has ended."""
        return self._dialog if self._dialog is not None and self._dialog.isVisible() else self.gui

    def show_settings(self) -> None:
        self.interface_action_base_plugin.do_user_config(self._window_in_front())

    def show_help(self) -> None:
        from .gui.help_dialog import HelpDialog

        dialog = HelpDialog(self._window_in_front())
        dialog.exec()
        dialog.deleteLater()
