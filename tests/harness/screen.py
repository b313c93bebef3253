"""The texts of the windows on the screen."""

from __future__ import annotations

from qt.core import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLabel,
    QPlainTextEdit,
    QTextDocument,
    QTextEdit,
    QWidget,
)


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


def cells(view: QAbstractItemView, columns: int) -> list[list[str]]:
    """The text of the first columns of a table, row by row, as the view shows it."""
    model = view.model()
    return [
        [str(model.index(row, column).data() or '') for column in range(columns)] for row in range(model.rowCount())
    ]


def tooltip_text(tooltip: str) -> str:
    """The text that a tooltip shows: Qt takes it for HTML if it looks like HTML."""
    document = QTextDocument()
    document.setHtml(tooltip)
    return str(document.toPlainText())
