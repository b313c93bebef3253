"""Shared by the tests of the command line: books, settings, and functions that inspect files."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from harness.start import IMPORT_NAME

READ = datetime(2024, 11, 3, 22, 30, 15, tzinfo=timezone.utc)
STATES = {'datatype': 'enumeration', 'display': {'enum_values': ['Planned', 'Reading', 'Completed']}}
ALL_COLUMNS: dict[str, Any] = {
    '#dateread': 'datetime',
    '#completed': 'bool',
    '#progress': 'float',
    '#time': 'int',
    '#state': STATES,
    '#note': 'text',
}
BOOKS = [
    {'title': 'The Name of the Wind', 'identifiers': {'bookfusion': 8902995}},
    {'title': 'Emma', 'identifiers': {'bookfusion': 12}},
    {'title': 'Walden', 'identifiers': {'bookfusion': 13}},
    {'title': 'Not on BookFusion', 'identifiers': {'bookfusion': 99}},
    {'title': 'Nothing to do with it'},
]


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below the folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows that a query returns from the library's database, read by SQLite and not by Calibre."""
    with closing(sqlite3.connect(f'file:{folder / "metadata.db"}?mode=ro', uri=True)) as database:
        return list(database.execute(query))


def plugin_folder(config: Path) -> Path:
    """The plugin's own folder in this configuration."""
    return config / 'plugins' / IMPORT_NAME


def utc(day: int) -> str:
    """`READ` plus so many days, in BookFusion's format."""
    return (READ + timedelta(days=day)).strftime('%Y-%m-%dT%H:%M:%S.000Z')


def one_line(text: str) -> str:
    """The only line of an output. Fails if there is not exactly one."""
    (line,) = text.splitlines()
    return line
