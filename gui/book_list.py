# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugin asks of Calibre's book list: the selected books, to show one, to mark many.

Knows nothing of a sync.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..base.text import text

BOOK_NOT_SHOWN = text('That book is not in the library as it is shown now.')
# Marks with this in front are ours: the next ones replace them, and leave those that the user has set.
MARK_PREFIX = 'bookfusion_'


class BookList:
    """The book list of Calibre's main window."""

    def __init__(self, gui: Any) -> None:
        self._gui = gui
        self._library_id = ''
        # A book has one mark: those of the user that ours have taken the place of, by book id.
        self._covered: dict[int, str] = {}

    def selected(self) -> list[int]:
        """The ids of the selected books; none while the books of a device are shown."""
        if self._gui.current_view() is not self._gui.library_view:
            return []
        return list(self._gui.library_view.get_selected_ids())

    def show(self, book_id: int) -> bool:
        """Selects the book; a search that hides it is cleared. False where it is gone or not in the virtual library."""
        self._leave_the_device()
        view = self._gui.library_view
        if not view.ids_to_rows([book_id]):
            self._gui.search.clear()
            if not view.ids_to_rows([book_id]):
                return False
        view.select_rows([book_id])
        return True

    def mark(self, book_ids: Collection[int], name: str) -> None:
        """Marks these books with our prefix and the name, and searches for the mark."""
        self._leave_the_device()
        data = self._gui.current_db.data
        label = MARK_PREFIX + name
        marks = self._marks_of_the_user(data.marked_ids)
        self._covered = {book: mark for book, mark in marks.items() if book in book_ids}
        data.set_marked_ids({**marks, **dict.fromkeys(book_ids, label)})
        self._gui.search.set_search_string(f'marked:"={label}"')

    def _marks_of_the_user(self, marked: Mapping[int, str]) -> dict[int, str]:
        """All marks but ours, and those that ours have taken the place of."""
        library_id = self._gui.current_db.new_api.library_id
        if library_id != self._library_id:
            self._library_id, self._covered = library_id, {}
        ours = {book for book, mark in marked.items() if mark.startswith(MARK_PREFIX)}
        marks = {book: mark for book, mark in marked.items() if book not in ours}
        return {**marks, **{book: mark for book, mark in self._covered.items() if book in ours}}

    def _leave_the_device(self) -> None:
        if self._gui.current_view() is not self._gui.library_view:
            self._gui.show_library_view()
