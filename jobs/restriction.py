# SPDX-License-Identifier: GPL-3.0-or-later
"""The restriction of the Hardcover jobs to the books that a search in the settings finds."""

from __future__ import annotations

from collections.abc import Collection

from ..base.reporter import Reporter
from ..base.settings import Settings
from ..base.text import counted
from ..library.calibre_library import Library


def allowed_books(
    library: Library, settings: Settings, ids: Collection[int] | None, reporter: Reporter
) -> Collection[int] | None:
    """The books among `ids` that a job may look up on Hardcover or send there.

    None stands for all books, as argument and as result. A restriction is noted in the log. Raises SettingsTrouble if
    Calibre cannot parse the search, LibraryTrouble.
    """
    restriction = settings.hardcover_restriction
    if not restriction:
        return ids
    found = library.find(restriction, ids)
    note = counted(
        'Note: only the {count} book that the search {search} finds.',
        'Note: only the {count} books that the search {search} finds.',
        len(found),
        search=restriction,
    )
    reporter.log(str(note))
    return found
