# SPDX-License-Identifier: GPL-3.0-or-later
"""SearchLine: the picker's field for the user's own words, or for the address or id of a book on Hardcover.

Says what is to be searched for; searches nothing itself.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from calibre.gui2 import open_url
from qt.core import QFocusEvent, QHBoxLayout, QKeyEvent, QLabel, QLineEdit, Qt, QUrl, QWidget, pyqtSignal

from ..rules.hardcover_address import search_page
from .widgets import push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()

RETURN_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class SearchField(QLineEdit):
    """A line edit that keeps Return to itself: the window's default button never gets it.

    Signals:
        entered(): Return was pressed, and is not just held down.
        left_down(): the Down key was pressed.
        focused(bool): it has got or lost the keyboard focus.
    """

    entered = pyqtSignal()
    left_down = pyqtSignal()
    focused = pyqtSignal(bool)

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setPlaceholderText(tip)
        self.setClearButtonEnabled(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in RETURN_KEYS:
            if not event.isAutoRepeat():
                self.entered.emit()
        elif event.key() == Qt.Key.Key_Down:
            self.left_down.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focused.emit(False)


class SearchLine(QWidget):
    """A field and a button, which Return in the field presses.

    Signals:
        wanted(str): search for these words.
    """

    wanted = pyqtSignal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._ready = False
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        tip = _('Title and author, or the address or id of a book on Hardcover')
        self.field = SearchField('search_text', tip, self)
        self.field.setAccessibleName(_('Search for'))
        self.field.textChanged.connect(lambda _words: self._update_button())
        self.field.entered.connect(self.search)
        label = QLabel(_('Sea&rch for:'), self)
        label.setBuddy(self.field)
        self.button = push_button(
            'search_again', _('S&earch'), _('Search Hardcover for these words'), self.search, self, 'search.png'
        )
        self.button.setAutoDefault(True)
        for widget in (label, self.field, self.button):
            row.addWidget(widget)
        row.setStretchFactor(self.field, 1)
        self.setFocusProxy(self.field)

    @property
    def words(self) -> str:
        return self.field.text().strip()

    def begin_with(self, words: str) -> None:
        """Show the words for another book, from their start."""
        self.field.setText(words)
        self.field.setCursorPosition(0)

    def take_over(self) -> None:
        """Take the keyboard focus, with all words selected so that typing replaces them, and shown from their start."""
        self.field.setFocus()
        self.field.end(False)
        self.field.home(True)

    def set_ready(self, ready: bool) -> None:
        """Set whether a search can be started. The field can be edited either way."""
        self._ready = ready
        self._update_button()

    def _update_button(self) -> None:
        self.button.setEnabled(self._ready and bool(self.words))

    def search(self) -> None:
        """Emit `wanted` if a search can be started and there are words."""
        if self._ready and self.words:
            # Qt moves the focus away from a button that gets disabled.
            self.field.setFocus()
            self.wanted.emit(self.words)


class WhatToDo(QLabel):
    """What can be done where nothing was found, with a link to Hardcover's own search for the words of the field."""

    def __init__(self, line: SearchLine, parent: QWidget) -> None:
        super().__init__(parent)
        self._line = line
        self.setObjectName('what_to_do')
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        # Calibre opens no link by itself, and the words may have changed since the label was filled.
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.linkActivated.connect(lambda _address: open_url(QUrl(search_page(self._line.words))))
        self.show_if(False)

    def show_if(self, nothing_found: bool) -> None:
        words = ''
        if nothing_found:
            sentence = _('Change the words above and search again, or {link} and enter its address above.')
            link = f'<a href="{escape(search_page(""))}">{escape(_("find the book on hardcover.app"))}</a>'
            words = escape(sentence).format(link=link)
        self.setText(words)
        self.setVisible(nothing_found)
