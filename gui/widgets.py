# SPDX-License-Identifier: GPL-3.0-or-later
"""Small widgets that several windows of the plugin use, each with its object name and its tooltip from the start.

Knows no settings and no job.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from qt.core import (
    QApplication,
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QIcon,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSize,
    QSizePolicy,
    QStyle,
    Qt,
    QWidget,
)

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()

# Letters a line, as Qt's own labels have them.
WIDEST_LINE = 80


class PasswordEdit(QWidget):
    """A hidden password with a switch that shows it. The line edit, `edit`, carries the object name."""

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.edit = QLineEdit(self)
        self.edit.setObjectName(name)
        self.edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.edit.setToolTip(tip)
        self.show_switch = QCheckBox(_('Sho&w'), self)
        self.show_switch.setObjectName(f'show_{name}')
        self.show_switch.setToolTip(_('Show the password'))
        self.show_switch.toggled.connect(self._toggled)
        row.addWidget(self.edit, 1)
        row.addWidget(self.show_switch)
        self.setFocusProxy(self.edit)

    def _toggled(self, shown: bool) -> None:
        self.edit.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)


class Notice(QWidget):
    """A sentence with an icon before it; hidden while it has nothing to say.

    A large one is like those of Calibre's message boxes, which can be copied from.
    """

    def __init__(self, name: str, parent: QWidget, large: bool = False) -> None:
        super().__init__(parent)
        metric = QStyle.PixelMetric.PM_LargeIconSize if large else QStyle.PixelMetric.PM_SmallIconSize
        self._icon_size = self.style().pixelMetric(metric)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._icon = QLabel(self)
        self.label = plain_label('', self, name)
        if large:
            self.label.setAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignVCenter)
            self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.label, 1)
        self.setSizePolicy(self.label.sizePolicy())
        self.say('')

    def say(self, words: str, icon: str = 'dialog_warning.png') -> None:
        """Shows the sentence with one of Calibre's icons; no sentence hides it."""
        self._icon.setPixmap(QIcon.ic(icon).pixmap(self._icon_size, self._icon_size))
        self.label.setText(words)
        self.setVisible(bool(words))


def column_label(label: str) -> str:
    """A column's `#lookup (Name)`; where windows read from right to left, with the # kept in front."""
    return f'\N{LEFT-TO-RIGHT MARK}{label}' if QApplication.isRightToLeft() else label


def add_row(form: QFormLayout, words: str, field: QWidget) -> QLabel:
    """A row whose label leads the keyboard to the field, also where the field is inside another widget."""
    form.addRow(words, field)
    label = form.labelForField(field)
    assert isinstance(label, QLabel)
    target = field.focusProxy() or field
    label.setBuddy(target)
    if not target.accessibleName():
        target.setAccessibleName(words.replace('&', '').rstrip(':'))
    return label


class PlainLabel(QLabel):
    """Shows whatever it is given as plain text, wrapped, and asks for no more height than that takes."""

    def __init__(self, words: str, parent: QWidget) -> None:
        super().__init__(words, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignTop)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def sizeHint(self) -> QSize:
        # Qt's own hint breaks even a short sentence into two lines, and layouts keep the room for both.
        metrics = self.fontMetrics()
        longest = max(metrics.horizontalAdvance(line) for line in self.text().split('\n'))
        width = min(longest + 2, WIDEST_LINE * metrics.averageCharWidth())
        return QSize(width, self.heightForWidth(width))


def plain_label(words: str, parent: QWidget, name: str = '') -> QLabel:
    label = PlainLabel(words, parent)
    label.setObjectName(name)
    return label


def plain_tip(words: str) -> str:
    """The words of a tooltip or a message box, shown as they are: there Qt takes what looks like a tag for one."""
    return f'<p>{escape(words)}</p>' if '<' in words or '&lt;' in words else words


def line_edit(name: str, value: str, tip: str, parent: QWidget) -> QLineEdit:
    edit = QLineEdit(value, parent)
    edit.setObjectName(name)
    edit.setToolTip(tip)
    return edit


def check_box(name: str, words: str, tip: str, checked: bool, parent: QWidget) -> QCheckBox:
    box = QCheckBox(words, parent)
    box.setObjectName(name)
    box.setToolTip(tip)
    box.setChecked(checked)
    return box


def push_button(
    name: str, words: str, tip: str, clicked: Callable[[], object], parent: QWidget, icon: str = ''
) -> QPushButton:
    """A button that Enter does not press from elsewhere in the window."""
    button = QPushButton(words, parent)
    button.setObjectName(name)
    button.setToolTip(tip)
    if icon:
        button.setIcon(QIcon.ic(icon))
    button.setAutoDefault(False)
    button.clicked.connect(lambda: clicked())
    return button


def menu_button(name: str, words: str, tip: str, parent: QWidget, icon: str) -> tuple[QPushButton, QMenu]:
    """A button that opens its menu and does nothing else."""
    button = push_button(name, words, tip, lambda: None, parent, icon)
    menu = QMenu(button)
    button.setMenu(menu)
    return button, menu
