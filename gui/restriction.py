# SPDX-License-Identifier: GPL-3.0-or-later
"""The search that restricts the books of the Hardcover jobs: its field in the settings form, and notes about it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from qt.core import QLineEdit, QTimer, QVBoxLayout, QWidget, pyqtSignal

from ..base.errors import BackSyncError
from ..base.settings import load
from ..library.calibre_library import Library
from .widgets import Notice, line_edit

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

# Milliseconds without input before the search is run, because a search in a large library takes a while.
PAUSE = 300
LONGEST_SHOWN = 100


def shown_search(restriction: str) -> str:
    """The search on one line, shortened to LONGEST_SHOWN characters."""
    plain = ' '.join(restriction.split())
    return plain if len(plain) <= LONGEST_SHOWN else f'{plain[: LONGEST_SHOWN - 1]}…'


def restriction_note(restriction: str) -> str:
    """A sentence about the books that a job was restricted to, '' if there is no search."""
    if not restriction:
        return ''
    return _('Only the books that the search “{search}” finds.').format(search=shown_search(restriction))


def counts_note(library: Library, selected: Collection[int]) -> str:
    """A sentence about how many of the selected and of all books the search in the settings finds, '' without one.

    Raises SettingsTrouble if Calibre cannot parse the search, LibraryTrouble.
    """
    restriction = load(library.api).settings.hardcover_restriction
    if not restriction:
        return ''
    found = library.find(restriction)
    return _(
        'Only the books that the search “{search}” finds: {selected} of those selected, {everything} of the library.'
    ).format(search=shown_search(restriction), selected=len(found & set(selected)), everything=len(found))


class RestrictionEdit(QWidget):
    """A field for a Calibre search, with the number of books that it finds below.

    Without a `library` the field is disabled. `name` is the object name of the line edit, `edit`.

    Signals:
        judged(): the search was run; `trouble` is the error message, '' if it is valid.
    """

    judged = pyqtSignal()

    def __init__(self, name: str, search: str, tip: str, library: Library | None, parent: QWidget) -> None:
        super().__init__(parent)
        self.trouble = ''
        self._library = library
        self.edit: QLineEdit = line_edit(name, search, tip, self)
        self.edit.setPlaceholderText(_('All books'))
        self.edit.setClearButtonEnabled(True)
        self.edit.setEnabled(library is not None)
        self.found = Notice(f'{name}_found', self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.edit)
        column.addWidget(self.found)
        self.setFocusProxy(self.edit)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self.judge)
        self.edit.textChanged.connect(lambda _words: self._timer.start())
        # Do not wait for the pause when the user presses Enter or leaves the field.
        self.edit.editingFinished.connect(self._judge_if_pending)
        self.judge()

    @property
    def search(self) -> str:
        return self.edit.text().strip()

    def _judge_if_pending(self) -> None:
        if self._timer.isActive():
            self.judge()

    def judge(self) -> None:
        """Run the search, and show the number of books that it finds or an error."""
        self._timer.stop()
        self.trouble, words, icon = '', '', 'search.png'
        if self.search and self._library is not None:
            try:
                words = self._count(self._library)
            except BackSyncError as error:
                words = self.trouble = error.sentence.translated(_, ngettext)
                icon = 'dialog_warning.png'
        self.found.say(words, icon)
        self.judged.emit()

    def _count(self, library: Library) -> str:
        count, everything = len(library.find(self.search)), len(library.api.all_book_ids())
        return ngettext(
            'It finds {count} of {everything} book.', 'It finds {count} of {everything} books.', everything
        ).format(count=count, everything=everything)
