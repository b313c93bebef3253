# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to Calibre's book list: reading the selection, showing a book, marking books.

Independent of the sync.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.text import Gettext, Ngettext, Text, counted, text

BOOK_HIDDEN = text('That book is hidden by the virtual library or the restriction in the main window.')
BOOK_GONE = text('That book is not in the library that is open now.')
# The prefix of the plugin's marks. New marks replace those with this prefix, but never the user's own.
MARK_PREFIX = 'bookfusion_'


@dataclass(frozen=True)
class NotShown:
    """How many of the books that were to be shown are not in the list.

    `hidden` ones are in the library, but not in the virtual library or the restriction that is set; `gone` ones are
    not in the library any more. `of` is how many were to be shown.
    """

    hidden: int
    gone: int
    of: int

    def words(self, gettext: Gettext, ngettext: Ngettext) -> str:
        """What to say about it, in the language of the two functions; '' if all books are shown."""
        return ' '.join(sentence.translated(gettext, ngettext) for sentence in self._sentences())

    def _sentences(self) -> Sequence[Text]:
        if self.of == 1:
            return [BOOK_HIDDEN] * self.hidden + [BOOK_GONE] * self.gone
        sentences = []
        if self.hidden:
            sentences.append(
                counted(
                    '{count} of these books is hidden by the virtual library or the restriction in the main window.',
                    '{count} of these books are hidden by the virtual library or the restriction in the main window.',
                    self.hidden,
                )
            )
        if self.gone:
            sentences.append(
                counted(
                    '{count} of these books is not in the library any more.',
                    '{count} of these books are not in the library any more.',
                    self.gone,
                )
            )
        return sentences


class BookList:
    """The book list of Calibre's main window."""

    def __init__(self, gui: Any) -> None:
        self._gui = gui
        self._library_id = ''
        # The user's marks that ours have replaced, by book id: Calibre allows only one mark for a book.
        self._replaced_marks: dict[int, str] = {}

    def selected(self) -> list[int]:
        """The ids of the selected books; [] while the books of a device are shown."""
        if self._gui.current_view() is not self._gui.library_view:
            return []
        return list(self._gui.library_view.get_selected_ids())

    def show(self, book_id: int) -> NotShown:
        """Select the book, and clear the search if it hides the book."""
        self._show_library()
        view = self._gui.library_view
        if not view.ids_to_rows([book_id]):
            self._gui.search.clear()
        if view.ids_to_rows([book_id]):
            view.select_rows([book_id])
        return self._not_shown([book_id])

    def leave_restrictions(self) -> None:
        """Leave the virtual library and the restriction, as Calibre's own button beside the search box does."""
        self._show_library()
        self._gui.apply_virtual_library()
        self._gui.clear_additional_restriction()

    def _not_shown(self, book_ids: Collection[int]) -> NotShown:
        api = self._gui.current_db.new_api
        there = [book_id for book_id in book_ids if api.has_id(book_id)]
        hidden = len(there) - len(self._gui.library_view.ids_to_rows(there))
        return NotShown(hidden, len(book_ids) - len(there), len(book_ids))

    def mark(self, book_ids: Collection[int], name: str) -> NotShown:
        """Mark these books as MARK_PREFIX + `name`, and show them by a search for that mark."""
        self._show_library()
        data = self._gui.current_db.data
        label = MARK_PREFIX + name
        marks = self._user_marks(data.marked_ids)
        self._replaced_marks = {book: mark for book, mark in marks.items() if book in book_ids}
        data.set_marked_ids({**marks, **dict.fromkeys(book_ids, label)})
        self._gui.search.set_search_string(f'marked:"={label}"')
        return self._not_shown(book_ids)

    def _user_marks(self, marked: Mapping[int, str]) -> dict[int, str]:
        """The user's own marks by book id, including those that ours have replaced."""
        library_id = self._gui.current_db.new_api.library_id
        if library_id != self._library_id:
            self._library_id, self._replaced_marks = library_id, {}
        ours = {book for book, mark in marked.items() if mark.startswith(MARK_PREFIX)}
        marks = {book: mark for book, mark in marked.items() if book not in ours}
        return {**marks, **{book: mark for book, mark in self._replaced_marks.items() if book in ours}}

    def _show_library(self) -> None:
        if self._gui.current_view() is not self._gui.library_view:
            self._gui.show_library_view()
