# SPDX-License-Identifier: GPL-3.0-or-later
"""ColumnBox: the combo box in which a column is chosen for a setting.

Knows no settings: it is told which columns can be used, and which is chosen.
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
    """The columns of the right type as `#lookup (Name)`, after an empty entry; a bad choice is kept and marked."""

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setMinimumContentsLength(24)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def fill(self, usable: Iterable[ColumnInfo], chosen: str, first_text: str, first_value: str = '') -> None:
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
        return str(self.currentData() or '')
