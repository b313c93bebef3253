"""Makes real Calibre libraries for the tests, fast enough for libraries of thousands of books."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibre.db.legacy import LibraryDatabase
from calibre.ebooks.metadata.book.base import Metadata

Book = Mapping[str, Any]
# Lookup names with `#`, mapped to the datatype or to all arguments of create_custom_column except the label.
Columns = Mapping[str, 'str | Mapping[str, Any]']

# A column that Calibre builds from others, and that therefore cannot be written.
COMPUTED_COLUMN: Mapping[str, Any] = {'datatype': 'composite', 'display': {'composite_template': '{title}'}}
DEFAULT_COLUMNS: Columns = {'#dateread': 'datetime', '#completed': 'bool'}


def _column_arguments(lookup: str, column: str | Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {'datatype': column} if isinstance(column, str) else dict(column)
    label = lookup.removeprefix('#')
    return {'label': label, 'name': label.title(), 'is_multiple': False, 'display': {}, **given}


def _make_empty(folder: Path, columns: Columns) -> None:
    database = LibraryDatabase(str(folder))
    try:
        for lookup, column in columns.items():
            database.create_custom_column(**_column_arguments(lookup, column))
    finally:
        database.close()


def _add_books(database: LibraryDatabase, books: Sequence[Book]) -> None:
    cache = database.new_api
    columns: dict[str, dict[int, Any]] = {}
    for book in books:
        fields = dict(book)
        metadata = Metadata(fields.pop('title', 'Untitled'), fields.pop('authors', ['Unknown']))
        metadata.set_identifiers({key: str(value) for key, value in fields.pop('identifiers', {}).items()})
        for name in [name for name in fields if not name.startswith('#')]:
            setattr(metadata, name, fields.pop(name))
        book_id = cache.create_book_entry(metadata)
        for lookup, value in fields.items():
            columns.setdefault(lookup, {})[book_id] = value
    for lookup, values in columns.items():
        cache.set_field(lookup, values)


class LibraryMaker:
    """Makes libraries. For each set of columns an empty library is made once, below `templates`, and then copied."""

    def __init__(self, templates: Path) -> None:
        self.templates = templates
        self.made: dict[str, Path] = {}

    def _template(self, columns: Columns) -> Path:
        key = repr(sorted(columns.items(), key=lambda item: item[0]))
        if key not in self.made:
            self.made[key] = self.templates / f'template-{len(self.made)}'
            _make_empty(self.made[key], columns)
        return self.made[key]

    def make(self, folder: Path, books: Sequence[Book] = (), columns: Columns = DEFAULT_COLUMNS) -> Path:
        """Make a library in a folder that does not exist yet. The books get the ids 1, 2, 3, ... in their order.

        A book is a mapping with title, authors, identifiers, other fields of Calibre's Metadata (rating 0-10, tags,
        series, ...), and custom columns by lookup name: {"title": "Emma", "#dateread": <aware datetime>}.
        """
        shutil.copytree(self._template(columns), folder)
        database = LibraryDatabase(str(folder))
        try:
            # A copy has the id of its template.
            database.backend.library_id = str(uuid.uuid4())
            # A test library need not survive a power cut, and waiting for the disk would take most of the time.
            database.backend.execute('pragma synchronous=off')
            _add_books(database, books)
        finally:
            database.close()
        return folder
