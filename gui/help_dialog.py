# SPDX-License-Identifier: GPL-3.0-or-later
"""The help window. It shows help.md, the user's part of the README, which is included in the zip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibre.gui2.widgets2 import Dialog
from qt.core import QDialogButtonBox, QSize, QTextBrowser, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from calibre_builtins import _, get_resources, load_translations

load_translations()


class HelpDialog(Dialog):
    """Shows the help; links open in the browser."""

    def __init__(self, parent: QWidget | None) -> None:
        Dialog.__init__(
            self,
            _('Help for BookFusion Back Sync'),
            'bookfusion-back-sync-help',
            parent,
            default_buttons=QDialogButtonBox.StandardButton.Close,
        )

    def sizeHint(self) -> QSize:
        return QSize(760, 600)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        self.browser = QTextBrowser(self)
        self.browser.setObjectName('help')
        self.browser.setAccessibleName(self.windowTitle())
        self.browser.setOpenExternalLinks(True)
        self.browser.setMarkdown((get_resources('help.md') or b'').decode('utf-8'))
        layout.addWidget(self.browser)
        layout.addWidget(self.bb)
