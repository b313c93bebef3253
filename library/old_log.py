# SPDX-License-Identifier: GPL-3.0-or-later
"""The log that versions up to 0.0.4 left in the library's folder. It may contain tokens, so users are told once."""

from __future__ import annotations

from pathlib import Path

from ..base.settings import LIBRARY_NAMESPACE
from .calibre_library import Library
from .library_preferences import keep_in_library

FILE_NAME = 'bookfusionbacksync.log'
NAMED = 'old_log_named'


def find(library: Library) -> Path | None:
    """The path of this library's old log; None if there is none, or if the user was told about it before."""
    path = Path(library.api.backend.library_path) / FILE_NAME
    if not path.is_file() or library.api.pref(NAMED, False, namespace=LIBRARY_NAMESPACE):
        return None
    return path


def mark_named(library: Library) -> None:
    """Make `find` return None for this library from now on. Raises LibraryTrouble."""
    keep_in_library(library.api, NAMED, True)


def note(path: Path) -> str:
    """A log line about the old log, for users without a window."""
    return f'Note: an earlier version of this plugin left a log that may contain tokens: {path}. Delete it.'
