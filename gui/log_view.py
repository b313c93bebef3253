# SPDX-License-Identifier: GPL-3.0-or-later
"""LogView: the log of a job, up to several hundred thousand lines, with copying and saving.

Reports which line was activated. The meaning of the lines is left to others.
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

from ..base.text import one_line

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()

# Five columns of 50,000 books need 250,000 lines.
MAX_LINES = 300_000


class LogView(QPlainTextEdit):
    """A read-only log with one line for each block, usable with mouse and keyboard, always left to right.

    Signals:
        line_activated(str, int): a line, and the number of equal lines before it. Emitted on double click, Enter and
            by the menu, but only after `lead_to_books` was called.
    """

    line_activated = pyqtSignal(str, int)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName('log')
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setMaximumBlockCount(MAX_LINES)
        # The lines are always English; in a right-to-left layout the beginning of a long line would be hidden.
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        # A text cursor makes it possible to read and activate lines without a mouse.
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        self.setAccessibleName(_('Log'))
        self._leads_to_books = False

    def lead_to_books(self, show_book: Callable[[str, int], None]) -> None:
        """Call `show_book(line, number)` for activated lines, as in `line_activated`, and offer that to the user."""
        self._leads_to_books = True
        self.setToolTip(_('Double-click a line to show its book in the library'))
        self.line_activated.connect(show_book)

    def append(self, lines: Sequence[str]) -> None:
        """Add lines at the end, in one step, because every step lays out the page again."""
        first = self.document().isEmpty()
        self.appendPlainText('\n'.join(one_line(line) for line in lines))
        if first:
            # Appending moves the cursor to the end, where a long line would be scrolled out of sight.
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
        """Copy the whole log to the clipboard."""
        Application.instance().clipboard().setText(self.toPlainText())

    def save(self) -> None:
        """Ask for a file name, and save the whole log there."""
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
        """Save the whole log as UTF-8, or show an error."""
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
