# SPDX-License-Identifier: GPL-3.0-or-later
"""The log that versions up to 0.0.4 left in the library's folder, with tokens in it: named once, deleted if wanted."""

from __future__ import annotations

from pathlib import Path

from ..base.settings import LIBRARY_NAMESPACE
from .calibre_library import Library
from .library_preferences import keep_in_library

FILE_NAME = 'bookfusionbacksync.log'
NAMED = 'old_log_named'


def find(library: Library) -> Path | None:
    """The old log of this library; None where there is none or where it was named before."""
    path = Path(library.api.backend.library_path) / FILE_NAME
    if not path.is_file() or library.api.pref(NAMED, False, namespace=LIBRARY_NAMESPACE):
        return None
    return path


def mark_named(library: Library) -> None:
    """From now on `find` keeps quiet about the log of this library. Raises LibraryTrouble."""
    keep_in_library(library.api, NAMED, True)


def note(path: Path) -> str:
    """The line for a log that nobody can click on."""
    return f'Note: an earlier version of this plugin left a log that may contain tokens: {path}. Delete it.'
