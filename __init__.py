# SPDX-License-Identifier: GPL-3.0-or-later
"""Registration and metadata of the plugin. All other modules are imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibre.customize import InterfaceActionBase

if TYPE_CHECKING:
    from .config import ConfigWidget


class BackSyncPlugin(InterfaceActionBase):
    """The plugin as Calibre knows it.

    The values are literals, because Calibre's plugin index reads them from the source without executing it.
    """

    name = 'BookFusion Back Sync'
    description = (
        'Brings last-read dates and reading progress from BookFusion into Calibre, and ratings on to Hardcover.'
    )
    supported_platforms = ['windows', 'osx', 'linux']
    author = 'BookFusion Back Sync developers'
    version = (0, 1, 0)
    minimum_calibre_version = (6, 2, 1)
    actual_plugin = 'calibre_plugins.bookfusionbacksync.ui:BackSyncAction'

    def is_customizable(self) -> bool:
        return True

    def config_widget(self) -> ConfigWidget | tuple[str, str]:
        """The form for Preferences > Plugins > Customize plugin; (message, details) if it cannot be shown."""
        from .config import make_form

        return make_form()

    def save_settings(self, config_widget: ConfigWidget) -> None:
        config_widget.save_settings()
        if self.actual_plugin_ is not None:
            self.actual_plugin_.settings_changed()

    def cli_main(self, argv: list[str]) -> None:
        """Run `calibre-debug -r "BookFusion Back Sync" -- COMMAND` and exit. `argv[0]` is the plugin's name."""
        import signal
        import sys

        # Record Ctrl-C during the imports below, where it would otherwise end in a traceback.
        pressed: list[int] = []
        signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))

        from .command_line.program import main

        sys.exit(main(argv[1:], pressed))
