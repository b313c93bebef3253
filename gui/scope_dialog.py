# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks whether a job is for the selected books or for the whole library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibre.gui2.widgets2 import Dialog
from qt.core import QLabel, QRadioButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from calibre_builtins import load_translations, ngettext

load_translations()


class ScopeDialog(Dialog):
    """Modal. One selected book is mostly just where the cursor stands, so that several are taken for a choice."""

    def __init__(self, parent: QWidget | None, title: str, question: str, selected: int, everything: int) -> None:
        self._question = question
        self._counts = (selected, everything)
        Dialog.__init__(self, title, 'bookfusion-back-sync-scope', parent)

    def setup_ui(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(self._question, self))
        selected, everything = self._counts
        self.selected = QRadioButton(
            ngettext('The &selected book', 'The {count} &selected books', selected).format(count=selected), self
        )
        self.selected.setObjectName('selected_books')
        self.everything = QRadioButton(
            ngettext('The whole &library ({count} book)', 'The whole &library ({count} books)', everything).format(
                count=everything
            ),
            self,
        )
        self.everything.setObjectName('whole_library')
        (self.selected if selected > 1 else self.everything).setChecked(True)
        layout.addWidget(self.selected)
        layout.addWidget(self.everything)
        layout.addStretch(1)
        layout.addWidget(self.bb)
