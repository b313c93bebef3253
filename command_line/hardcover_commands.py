# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands hardcover-ids and hardcover-ratings: their options and output."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from ..base.cancel import Cancel
from ..base.errors import BackSyncError
from .terminal import DONE, Commands, TerminalReporter, add_command, library_opener, print_json

if TYPE_CHECKING:
    from ..rules.hardcover_records import IdsOutcome, PlannedPush, RatingsOutcome

logger = logging.getLogger(__name__)


def add_hardcover_commands(commands: Commands) -> None:
    parser = add_command(commands, 'hardcover-ids', run_ids, 'look up Hardcover ids and store those that are certain')
    parser.add_argument('--json', action='store_true', help='print the result as JSON in the last line')
    parser = add_command(commands, 'hardcover-ratings', run_ratings, 'send the ratings that differ to Hardcover')
    parser.add_argument('--dry-run', action='store_true', help='send nothing, say what would be sent')
    parser.add_argument('--json', action='store_true', help='print the result as JSON in the last line')


def run_ids(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Look up Hardcover ids without asking the user. Returns the exit code. Raises BackSyncError."""
    from ..hardcover import fetch_ids

    cancel.check()
    outcome = fetch_ids(library_opener(arguments, read_only=False), reporter, cancel)
    return _end(ids_as_json(outcome), outcome.stopped, arguments, reporter)


def run_ratings(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Push ratings, or with `--dry-run` print them. Returns the exit code. Raises BackSyncError."""
    from ..hardcover import plan_ratings, preview_outcome, push_ratings

    cancel.check()
    open_library = library_opener(arguments, read_only=arguments.dry_run)
    planned = plan_ratings(open_library, reporter, cancel)
    if arguments.dry_run:
        outcome = preview_outcome(planned)
        show_plan(planned, reporter)
        reporter.status(outcome.status)
    else:
        outcome = push_ratings(planned, open_library, reporter, cancel)
    return _end(ratings_as_json(outcome), outcome.stopped, arguments, reporter)


def show_plan(planned: PlannedPush, reporter: TerminalReporter) -> None:
    """Print the planned changes, one line per book."""
    from ..rules.rating_plan import shown_stars

    for change in planned.plan.changes:
        old, new = shown_stars(change.hardcover_stars), shown_stars(change.calibre_stars)
        reporter.log(f'{change.title} -> {new} ({change.action.value}, now {old})')
    reporter.log('Dry run: nothing was sent.')


def ids_as_json(outcome: IdsOutcome) -> dict[str, object]:
    """The result of `hardcover-ids --json`. Scripts rely on its keys."""
    return {
        'stored': len(outcome.stored),
        'skipped': len(outcome.skipped),
        'failed': len(outcome.failed),
        'ambiguous': [
            {'book_id': book.book_id, 'title': book.title, 'reason': str(book.why)} for book in outcome.ambiguous
        ],
        'requests': outcome.requests,
    }


def ratings_as_json(outcome: RatingsOutcome) -> dict[str, object]:
    """The result of `hardcover-ratings --json`. Scripts rely on its keys."""
    return {
        'updated': len(outcome.updated),
        'added': len(outcome.added),
        'unchanged': outcome.unchanged,
        'skipped': len(outcome.skipped),
        'failed': len(outcome.failed),
        'requests': outcome.requests,
    }


def _end(
    result: dict[str, object], stopped: BackSyncError | None, arguments: argparse.Namespace, reporter: TerminalReporter
) -> int:
    """Print the end of a job and return the exit code. A job that was stopped also prints what it had done before."""
    if stopped is None:
        reporter.finish()
    else:
        sentence = reporter.error(stopped)
        logger.error('%s', sentence)
        result = {**result, 'error': sentence}
    if arguments.json:
        print_json(result)
    return DONE if stopped is None else stopped.exit_code
