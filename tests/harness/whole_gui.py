"""Shared by the tests of the whole GUI: the scripts' folder, and the values that a sync must write.

The rules are implemented here independently of the plugin, so that the tests do not compare the plugin with itself.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from calibre.db.legacy import LibraryDatabase
from standins.bookfusion import LibraryRecord

SCRIPTS = Path(__file__).parents[1] / 'whole_gui' / 'scripts'
Cells = dict[int, tuple[datetime | None, bool | None]]


def moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat((text or '').replace('Z', '+00:00'))
    except ValueError:
        return None


def read_date(record: LibraryRecord) -> datetime | None:
    """The date that a sync must write, from the first of the two fields with a value, even if it cannot be parsed."""
    return moment(record.last_read_at or record.position_updated_at)


def is_completed(record: LibraryRecord) -> bool:
    return record.percentage is not None and record.percentage >= 99.9


def cells(database: LibraryDatabase) -> Cells:
    """The values of the two columns by book id."""
    ids = database.new_api.all_book_ids()
    dates, flags = (database.new_api.all_field_for(name, ids) for name in ('#dateread', '#completed'))
    return {book_id: (dates[book_id], flags[book_id]) for book_id in ids}


def expected_cells(records: list[LibraryRecord]) -> Cells:
    """The values after a sync, in a library that was made from these records in this order."""
    return {number: (read_date(record), is_completed(record) or None) for number, record in enumerate(records, 1)}
