# SPDX-License-Identifier: GPL-3.0-or-later
"""ScopeDialog: asks whether a job is meant for the selected books or for the whole library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibre.gui2.widgets2 import Dialog
from qt.core import QLabel, QRadioButton, QShowEvent, QVBoxLayout, QWidget

from .widgets import Notice

if TYPE_CHECKING:
    from calibre_builtins import load_translations, ngettext

load_translations()


class ScopeDialog(Dialog):
    """`selected` and `everything` are numbers of books.

    A single selected book is usually just the current row, so only several books preselect the first choice.
    `restriction` is a sentence about the search that limits both choices, '' for none.
    """

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        question: str,
        selected: int,
        everything: int,
        restriction: str = '',
    ) -> None:
        self._question = question
        self._counts = (selected, everything)
        self._restriction = restriction
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
        self.restriction = Notice('restriction', self)
        self.restriction.say(self._restriction, 'search.png')
        layout.addWidget(self.restriction)
        layout.addStretch(1)
        layout.addWidget(self.bb)

    def showEvent(self, event: QShowEvent) -> None:
        """Enlarge the dialog if its text needs more space than the saved size that Calibre has restored."""
        self.resize(self.size().expandedTo(self.sizeHint()))
        super().showEvent(event)
