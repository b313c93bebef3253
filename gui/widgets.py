# SPDX-License-Identifier: GPL-3.0-or-later
"""Small widgets that several windows use. Functions here set object name and tooltip.

Independent of settings and jobs.
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

# Characters in a line, as in Qt's own labels.
WIDEST_LINE = 80


class PasswordEdit(QWidget):
    """A password field with a check box that shows the password. `name` is the object name of the line edit, `edit`."""

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
    """A sentence with an icon; hidden while there is no sentence.

    A large notice looks like Calibre's message boxes, and its text can be selected. `name` is the object name of the
    label.
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
        """Show a sentence with one of Calibre's icons; '' hides the notice."""
        self._icon.setPixmap(QIcon.ic(icon).pixmap(self._icon_size, self._icon_size))
        self.label.setText(words)
        self.setVisible(bool(words))


def column_label(label: str) -> str:
    """Prepare a label `#lookup (Name)` for display. In right-to-left layouts a mark keeps the # at its start."""
    return f'\N{LEFT-TO-RIGHT MARK}{label}' if QApplication.isRightToLeft() else label


def add_row(form: QFormLayout, words: str, field: QWidget) -> QLabel:
    """Add a row, and make its label the buddy of the field, or of the field's focus proxy.

    Returns the label. Its text is also the accessible name of a field that has none.
    """
    form.addRow(words, field)
    label = form.labelForField(field)
    assert isinstance(label, QLabel)
    target = field.focusProxy() or field
    label.setBuddy(target)
    if not target.accessibleName():
        target.setAccessibleName(words.replace('&', '').rstrip(':'))
    return label


class PlainLabel(QLabel):
    """A label for plain text, wrapped, with a size hint that is no higher than the text."""

    def __init__(self, words: str, parent: QWidget) -> None:
        super().__init__(words, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignTop)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def sizeHint(self) -> QSize:
        # Qt's own hint wraps even a short sentence into two lines, and layouts reserve space for both.
        metrics = self.fontMetrics()
        longest = max(metrics.horizontalAdvance(line) for line in self.text().split('\n'))
        width = min(longest + 2, WIDEST_LINE * metrics.averageCharWidth())
        return QSize(width, self.heightForWidth(width))


def plain_label(words: str, parent: QWidget, name: str = '') -> QLabel:
    label = PlainLabel(words, parent)
    label.setObjectName(name)
    return label


def plain_tip(words: str) -> str:
    """Escape a text for tooltips and message boxes, where Qt would take it for HTML if it contains tags."""
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
    """A button that is no auto-default button: Enter presses it only if it is the window's default."""
    button = QPushButton(words, parent)
    button.setObjectName(name)
    button.setToolTip(tip)
    if icon:
        button.setIcon(QIcon.ic(icon))
    button.setAutoDefault(False)
    button.clicked.connect(lambda: clicked())
    return button


def show_hidden_button(clicked: Callable[[], object], parent: QWidget) -> QPushButton:
    """A hidden button, for books that the book list does not show."""
    button = push_button(
        'show_hidden',
        _('Show &hidden books'),
        _('Leave the virtual library and the restriction in the main window, and show all of these books'),
        clicked,
        parent,
        'minus.png',
    )
    button.hide()
    return button


def menu_button(name: str, words: str, tip: str, parent: QWidget, icon: str) -> tuple[QPushButton, QMenu]:
    """A button that only opens a menu. Returns both."""
    button = push_button(name, words, tip, lambda: None, parent, icon)
    menu = QMenu(button)
    button.setMenu(menu)
    return button, menu
