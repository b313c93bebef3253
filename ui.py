# SPDX-License-Identifier: GPL-3.0-or-later
"""The toolbar button with its menu, and the plugin's reactions to events of Calibre's main window.

Imports as little as possible, so that the plugin does not slow down Calibre's start.
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
# Milliseconds after Calibre's start; the plugin imports its other modules only then.
AFTER_START = 4000


class BackSyncAction(InterfaceAction):
    """The plugin in Calibre's main window. Owns the menu, the one MainDialog and the one Jobs object."""

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
        # The lambda drops the check state that Qt passes to slots which accept it.
        return self.create_menu_action(
            self.menu, unique_name, text, icon=icon, description=description, triggered=lambda: triggered()
        )

    @property
    def jobs(self) -> Jobs:
        """Created on first use, because its imports take time."""
        if self._jobs is None:
            from .gui.job_runner import Jobs

            self._jobs = Jobs(self.gui)
            self._jobs.busy_changed.connect(self._forget_closed_dialog)
            self._jobs.synced.connect(self.show_last_sync)
        return self._jobs

    def initialization_complete(self) -> None:
        QTimer.singleShot(AFTER_START, self.begin)

    def begin(self) -> None:
        """Start the automatic sync and show the last sync in the tooltip, some time after Calibre's start."""
        if self.gui.shutting_down or self._auto_sync is not None:
            return
        from .base.settings import tidy
        from .gui.auto_sync import AutoSync

        tidy()

        self._auto_sync = AutoSync(self.gui, self.jobs)
        self._auto_sync.ended.connect(self.show_last_sync)
        self.show_last_sync()
        self._auto_sync.start()

    def settings_changed(self) -> None:
        """Apply new settings after the form was saved."""
        if self._auto_sync is not None:
            self._auto_sync.settings_changed()
        if self._dialog is not None:
            self._dialog.look_for_missing()

    def show_last_sync(self) -> None:
        """Show time and result of this library's last sync in the tooltip of the toolbar button."""
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
        """Open the dialog, or bring it to the front if it is open."""
        from .main import MainDialog

        if self._dialog is None:
            self._dialog = MainDialog(self.gui, self.jobs, self.show_settings)
            self._dialog.finished.connect(self._forget_closed_dialog)
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        return self._dialog

    def _forget_closed_dialog(self) -> None:
        """Delete a closed dialog once no job is running. Until then it can be opened again and show the job's end."""
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
        """The parent for modal windows: the dialog, but only if it is visible, because a closed one may be deleted."""
        return self._dialog if self._dialog is not None and self._dialog.isVisible() else self.gui

    def show_settings(self) -> None:
        self.interface_action_base_plugin.do_user_config(self._window_in_front())

    def show_help(self) -> None:
        from .gui.help_dialog import HelpDialog

        dialog = HelpDialog(self._window_in_front())
        dialog.exec()
        dialog.deleteLater()
