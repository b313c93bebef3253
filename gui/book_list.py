# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to Calibre's book list: reading the selection, showing a book, marking books.

Independent of the sync.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..base.text import text

BOOK_NOT_SHOWN = text('That book is not in the library as it is shown now.')
# The prefix of the plugin's marks. New marks replace those with this prefix, but never the user's own.
MARK_PREFIX = 'bookfusion_'


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

    def show(self, book_id: int) -> bool:
        """Select the book, and clear the search if it hides the book.

        False if the book no longer exists or is not in the current virtual library.
        """
        self._show_library()
        view = self._gui.library_view
        if not view.ids_to_rows([book_id]):
            self._gui.search.clear()
            if not view.ids_to_rows([book_id]):
                return False
        view.select_rows([book_id])
        return True

    def mark(self, book_ids: Collection[int], name: str) -> None:
        """Mark these books as MARK_PREFIX + `name`, and show them by a search for that mark."""
        self._show_library()
        data = self._gui.current_db.data
        label = MARK_PREFIX + name
        marks = self._user_marks(data.marked_ids)
        self._replaced_marks = {book: mark for book, mark in marks.items() if book in book_ids}
        data.set_marked_ids({**marks, **dict.fromkeys(book_ids, label)})
        self._gui.search.set_search_string(f'marked:"={label}"')

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
