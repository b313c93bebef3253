# SPDX-License-Identifier: GPL-3.0-or-later
"""LogView: the lines of a job, tens of thousands of them, to be read, copied and saved.

Says which line was activated; does not know what a line means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calibre.gui2 import Application, choose_save_file, error_dialog
from qt.core import (
    QContextMenuEvent,
    QIcon,
    QKeyEvent,
    QMouseEvent,
    QPlainTextEdit,
    Qt,
    QTextCursor,
    QWidget,
    pyqtSignal,
)

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()

# More than five columns of 50,000 books give.
MOST_LINES = 300_000


class LogView(QPlainTextEdit):
    """One line a block, read with the mouse or the keyboard, from left to right in every language.

    Signals:
        line_activated(line, number): double click, Enter or menu; `number` counts the equal lines before it. Comes only
            where `lead_to_books` was called.
    """

    line_activated = pyqtSignal(str, int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName('log')
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setMaximumBlockCount(MOST_LINES)
        # Its lines are English in every language; from right to left a long one would be cut off where it begins.
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        # With a text cursor the log can be read, and a line activated, without a mouse.
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        self.setAccessibleName(_('Log'))
        self._leads_to_books = False

    def lead_to_books(self, show_book: Callable[[str, int], None]) -> None:
        """From now on an activated line goes to `show_book`, and the log says that it leads to a book."""
        self._leads_to_books = True
        self.setToolTip(_('Double-click a line to show its book in the library'))
        self.line_activated.connect(show_book)

    def append(self, lines: Sequence[str]) -> None:
        """Adds lines at the end, all in one step: one at a time would lay out the page each time."""
        first = self.document().isEmpty()
        self.appendPlainText('\n'.join(lines))
        if first:
            # The cursor went along with the end; there it would scroll to the end of a long line.
            self.moveCursor(QTextCursor.MoveOperation.StartOfBlock)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._leads_to_books and event.button() == Qt.MouseButton.LeftButton:
            self._activate(self.cursorForPosition(event.position().toPoint()))
            event.accept()
            return
        super().mouseDoubleClickEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._leads_to_books and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._activate(self.textCursor())
            event.accept()
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = self.createStandardContextMenu()
        if menu is None:
            return
        menu.addSeparator()
        if self._leads_to_books:
            here = self.cursorForPosition(event.pos())
            menu.addAction(QIcon.ic('search.png'), _('S&how book in the library'), lambda: self._activate(here))
        menu.addAction(QIcon.ic('save.png'), _('&Save log…'), self.save)
        menu.exec(event.globalPos())

    def _activate(self, cursor: QTextCursor) -> None:
        block = cursor.block()
        line = block.text()
        number = 0
        before = block.previous()
        while before.isValid():
            number += before.text() == line
            before = before.previous()
        if line:
            self.line_activated.emit(line, number)

    def copy_all(self) -> None:
        """Puts the whole log into the clipboard."""
        Application.instance().clipboard().setText(self.toPlainText())

    def save(self) -> None:
        """Asks where, and saves the whole log there."""
        path = choose_save_file(
            self,
            'bookfusion-back-sync-log',
            _('Save the log'),
            filters=[(_('Text files'), ['txt'])],
            initial_filename='bookfusion-back-sync.txt',
        )
        if path:
            self.save_to(Path(path))

    def save_to(self, path: Path) -> None:
        """Saves the whole log as UTF-8; says so where that fails."""
        try:
            path.write_text(self.toPlainText() + '\n', encoding='utf-8', errors='backslashreplace')
        except OSError as error:
            error_dialog(
                self,
                _('Log not saved'),
                _('The log could not be saved to {path} ({reason}). Choose another folder.').format(
                    path=path, reason=error.strerror
                ),
                show=True,
            )
