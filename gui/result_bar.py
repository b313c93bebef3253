# SPDX-License-Identifier: GPL-3.0-or-later
"""ResultBar: buttons to show the books that a sync has updated or skipped, and the look-up of a log line's book.

`BookList` shows the books in Calibre.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from qt.core import QHBoxLayout, QIcon, QMenu, QWidget, pyqtSignal

from ..base.redaction import redact
from ..jobs.sync import SyncOutcome
from ..library.calibre_library import local_day
from ..rules.sync_plan import NOT_ON_BOOKFUSION, NOTHING_READ, TITLES_CONTRADICT, UNREADABLE_DATE, Skip, log_line
from .book_list import BookList, NotShown
from .widgets import menu_button, push_button, show_hidden_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


def reason_names() -> dict[str, str]:
    """The translated reasons of skipped books, by the reasons of the plan."""
    return {
        NOT_ON_BOOKFUSION: _('not in the BookFusion library'),
        NOTHING_READ: _('nothing to write from BookFusion'),
        UNREADABLE_DATE: _('unreadable date'),
        TITLES_CONTRADICT: _('another title on BookFusion has its number'),
    }


class ResultBar(QWidget):
    """Two buttons, each visible only while there are books to show.

    Signals:
        said(str): which of the books are not in the list, and why; '' if now all of them are.
    """

    said = pyqtSignal(str)

    def __init__(self, book_list: BookList, parent: QWidget) -> None:
        super().__init__(parent)
        self.book_list = book_list
        self.outcome: SyncOutcome | None = None
        self._books_of_lines: dict[str, list[int]] | None = None
        tip = _('Mark these books and show them in the library')
        self.show_updated = push_button('show_updated', '', tip, self._mark_updated, self, 'marked.png')
        self.show_hidden = show_hidden_button(self._show_hidden, self)
        self._show_again: Callable[[], NotShown] | None = None
        self._said = ''
        self.show_skipped, self._reasons = menu_button('show_skipped', '', tip, self, 'marked.png')
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.show_hidden)
        row.addWidget(self.show_updated)
        row.addWidget(self.show_skipped)
        self.forget()

    def forget(self) -> None:
        """Drop the result and hide the buttons, for example after a library switch."""
        self.outcome = self._books_of_lines = self._show_again = None
        self._said = ''
        self.show_hidden.hide()
        self.show_updated.hide()
        self.show_skipped.hide()

    def show_outcome(self, outcome: SyncOutcome) -> None:
        """Show the buttons for the books of this result."""
        self.outcome = outcome
        updated, skipped = len(outcome.book_ids), len(outcome.skips)
        self.show_updated.setText(
            ngettext('Show {count} updated book', 'Show {count} updated books', updated).format(count=updated)
        )
        self.show_updated.setVisible(updated > 0)
        self.show_skipped.setText(
            ngettext('Show {count} skipped book', 'Show {count} skipped books', skipped).format(count=skipped)
        )
        self.show_skipped.setVisible(skipped > 0)
        self._fill_reasons(self._reasons, outcome)

    def _fill_reasons(self, menu: QMenu, outcome: SyncOutcome) -> None:
        menu.clear()
        menu.addAction(QIcon.ic('marked.png'), _('&All skipped books'), lambda: self._mark_skipped(''))
        menu.addSeparator()
        names = reason_names()
        for reason, count in Counter(outcome.skips.values()).most_common():
            words = f'{names.get(reason, reason)} ({count})'.replace('&', '&&')
            menu.addAction(words, lambda reason=reason: self._mark_skipped(reason))

    def _mark_updated(self) -> None:
        if self.outcome is not None:
            book_ids = self.outcome.book_ids
            self._show(lambda: self.book_list.mark(book_ids, 'updated'))

    def _mark_skipped(self, reason: str) -> None:
        if self.outcome is not None:
            book_ids = {book_id for book_id, why in self.outcome.skips.items() if reason in ('', why)}
            self._show(lambda: self.book_list.mark(book_ids, 'skipped'))

    def _show(self, show: Callable[[], NotShown]) -> None:
        """Show books, say which of them are not shown, and offer to show the hidden ones."""
        not_shown = show()
        self._show_again = show
        self.show_hidden.setVisible(not_shown.hidden > 0)
        before, self._said = self._said, not_shown.words(_, ngettext)
        if self._said or before:
            self.said.emit(self._said)

    def _show_hidden(self) -> None:
        if self._show_again is not None:
            self.book_list.leave_restrictions()
            self._show(self._show_again)

    def show_book_of_line(self, line: str, number: int) -> None:
        """Select the book of a log line. `number` is the number of equal lines before it, to tell their books apart."""
        if self.outcome is None:
            return
        if self._books_of_lines is None:
            self._books_of_lines = {}
            done = frozenset(self.outcome.changes)
            for entry in self.outcome.plan.entries:
                # The same text as in the log: only changes that were written, with secrets in titles redacted.
                if isinstance(entry, Skip) or entry in done:
                    line_in_log = redact(log_line(entry, local_day))
                    self._books_of_lines.setdefault(line_in_log, []).append(entry.book_id)
        books = self._books_of_lines.get(line, ())
        if books:
            book_id = books[min(number, len(books) - 1)]
            self._show(lambda: self.book_list.show(book_id))
