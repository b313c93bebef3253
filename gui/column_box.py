# SPDX-License-Identifier: GPL-3.0-or-later
"""ColumnBox: the combo box for choosing a column.

Independent of the settings: the caller supplies the usable columns and the chosen one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qt.core import QComboBox, QIcon, QWidget

from ..library.calibre_library import ColumnInfo
from .widgets import column_label

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()


class ColumnBox(QComboBox):
    """A first entry, then usable columns as `#lookup (Name)`. An unusable choice is shown with a warning icon."""

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setMinimumContentsLength(24)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def fill(self, usable: Iterable[ColumnInfo], chosen: str, first_text: str, first_value: str = '') -> None:
        """Replace the entries. `chosen` and `first_value` are lookup names, '' for none."""
        self.clear()
        self.addItem(first_text, first_value)
        for column in sorted(usable, key=lambda column: column.name):
            self.addItem(column_label(column.label), column.name)
        place = self.findData(chosen)
        if place < 0:
            words = _('{column} (cannot be used)').format(column=chosen)
            self.addItem(QIcon.ic('dialog_warning.png'), column_label(words), chosen)
            place = self.count() - 1
        self.setCurrentIndex(place)

    @property
    def chosen(self) -> str:
        """The lookup name of the chosen column, or the value of the first entry."""
        return str(self.currentData() or '')
