# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hardcover jobs for windows and commands: book ids, single matches, ratings, and the undo of a push.

Jobs run on the calling thread, raise BackSyncError, and stop when their `cancel` is set. No Qt.
"""

from __future__ import annotations

from collections.abc import Collection

from .base.cancel import Cancel
from .base.reporter import Reporter
from .base.settings import load
from .jobs import fetch_ids as ids_job
from .jobs.ask_booklore import source_from
from .jobs.change_match import (
    ask_again,
    change_match,
    find_candidates,
    match_named,
    question_about,
    skipped_books,
    unlink_match,
)
from .jobs.push_ratings import plan_ratings, preview_outcome, push_ratings, push_to_undo, undo_push
from .jobs.sync import OpenLibrary
from .rules.hardcover_records import Choose, IdsOutcome

__all__ = (
    'ask_again',
    'change_match',
    'fetch_ids',
    'find_candidates',
    'match_named',
    'plan_ratings',
    'preview_outcome',
    'push_ratings',
    'push_to_undo',
    'question_about',
    'skipped_books',
    'undo_push',
    'unlink_match',
)


def fetch_ids(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    choose: Choose | None = None,
    ids: Collection[int] | None = None,
    search: bool = False,
) -> IdsOutcome:
    """The job `jobs.fetch_ids`, with the BookLore server in the settings as its first and last source of ids.

    `ids` restricts it to these books. Without `choose` books that need a choice count as ambiguous; `search` asks for
    their candidates.
    """
    booklore = source_from(load().settings, reporter)
    last_resort = booklore.last_resort if booklore is not None else None
    return ids_job.fetch_ids(
        open_library, reporter, cancel, choose, first_source=booklore, last_source=last_resort, ids=ids, search=search
    )
