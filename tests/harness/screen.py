"""The texts of the windows on the screen."""

from __future__ import annotations

from qt.core import QAbstractButton, QApplication, QLabel, QPlainTextEdit, QTextEdit, QWidget


def texts(widget: QWidget) -> list[str]:
    """The texts of a window: its title, labels, text fields and buttons."""
    found = [widget.windowTitle()]
    for child in widget.findChildren(QWidget):
        if isinstance(child, (QLabel, QAbstractButton)) and child.isVisible():
            found.append(child.text())
        elif isinstance(child, (QPlainTextEdit, QTextEdit)) and child.isVisible():
            found.append(child.toPlainText())
    return [text for text in found if text.strip()]


def visible_windows() -> list[QWidget]:
    return [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
