# SPDX-License-Identifier: GPL-3.0-or-later
"""Registration and metadata of the plugin. Everything else is imported only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibre.customize import InterfaceActionBase

if TYPE_CHECKING:
    from .config import ConfigWidget


class BackSyncPlugin(InterfaceActionBase):
    """What Calibre sees of the plugin; the values are literals because its plugin index reads them unexecuted."""

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
        """The settings form, for Preferences > Plugins > Customize plugin, or why there is none."""
        from .config import make_form

        return make_form()

    def save_settings(self, config_widget: ConfigWidget) -> None:
        config_widget.save_settings()
        if self.actual_plugin_ is not None:
            self.actual_plugin_.settings_changed()

    def cli_main(self, argv: list[str]) -> None:
        """`calibre-debug -r "BookFusion Back Sync" -- COMMAND`; `argv[0]` is the plugin's name."""
        import signal
        import sys

        # Loading the rest takes a moment, in which Ctrl-C would end in a traceback.
        pressed: list[int] = []
        signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))

        from .command_line.program import main

        sys.exit(main(argv[1:], pressed))
