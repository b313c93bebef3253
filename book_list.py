# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugin asks of Calibre's book list: the selected books, to show one, to mark many.

Knows nothing of a sync.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

# Marks with this in front are ours: the next ones replace them, and leave those that the user has set.
MARK_PREFIX = 'bookfusion_'


class BookList:
    """The book list of Calibre's main window."""

    def __init__(self, gui: Any) -> None:
        self._gui = gui

    def selected(self) -> list[int]:
        """The ids of the selected books; none while the books of a device are shown."""
        if self._gui.current_view() is not self._gui.library_view:
            return []
        return list(self._gui.library_view.get_selected_ids())

    def show(self, book_id: int) -> bool:
        """Selects the book; a search that hides it is cleared. False where it is gone or not in the virtual library."""
        if self._gui.current_view() is not self._gui.library_view:
            self._gui.show_library_view()
        view = self._gui.library_view
        if not view.ids_to_rows([book_id]):
            self._gui.search.clear()
            if not view.ids_to_rows([book_id]):
                return False
        view.select_rows([book_id])
        return True

    def mark(self, book_ids: Collection[int], name: str) -> None:
        """Marks these books with our prefix and the name, and searches for the mark."""
        data = self._gui.current_db.data
        label = MARK_PREFIX + name
        marks = {book: mark for book, mark in data.marked_ids.items() if not mark.startswith(MARK_PREFIX)}
        data.set_marked_ids({**marks, **dict.fromkeys(book_ids, label)})
        self._gui.search.set_search_string(f'marked:"={label}"')
