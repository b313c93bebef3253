# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands hardcover-ids, hardcover-match and hardcover-ratings: their options and output."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from ..base import errors
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, WrongUsage
from .terminal import DONE, Commands, TerminalReporter, add_command, library_opener, print_json

if TYPE_CHECKING:
    from ..rules.hardcover_records import IdsOutcome, PlannedPush, RatingsOutcome

logger = logging.getLogger(__name__)

# What stands for no book on Hardcover.
NONE = 'none'


def add_hardcover_commands(commands: Commands) -> None:
    parser = add_command(commands, 'hardcover-ids', run_ids, 'look up Hardcover ids and store those that are certain')
    parser.add_argument('--search', action='store_true', help='also search for the books that need a choice')
    parser.add_argument('--json', action='store_true', help='print the result as JSON in the last line')
    parser = add_command(commands, 'hardcover-match', run_match, 'choose the book on Hardcover that a book is, or none')
    parser.add_argument('book_id', metavar='BOOK_ID', type=int, help="Calibre's id of the book")
    parser.add_argument(
        'hardcover', metavar='HARDCOVER', help=f'id of a book on Hardcover, or the address of its page; {NONE} unlinks'
    )
    parser = add_command(commands, 'hardcover-ratings', run_ratings, 'send the ratings that differ to Hardcover')
    parser.add_argument('--dry-run', action='store_true', help='send nothing, say what would be sent')
    parser.add_argument('--json', action='store_true', help='print the result as JSON in the last line')


def run_ids(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Look up Hardcover ids without asking the user. Returns the exit code. Raises BackSyncError."""
    from ..hardcover import fetch_ids

    cancel.check()
    outcome = fetch_ids(library_opener(arguments, read_only=False), reporter, cancel, search=arguments.search)
    result = ids_as_json(outcome)
    if arguments.search:
        result['choices'] = choices_as_json(outcome)
    return _end(result, outcome.stopped, arguments, reporter)


def run_match(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Store a choice, or unlink a match. Returns the exit code. Raises BackSyncError."""
    from ..hardcover import match_named
    from ..rules.hardcover_address import EXAMPLE_PAGE, book_named

    cancel.check()
    named = book_named(arguments.hardcover)
    if named is None and arguments.hardcover.strip().lower() != NONE:
        raise WrongUsage(errors.NOT_A_BOOKS_ADDRESS, example=EXAMPLE_PAGE)
    match_named(library_opener(arguments, read_only=False), reporter, cancel, arguments.book_id, named)
    return DONE


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


def choices_as_json(outcome: IdsOutcome) -> list[dict[str, object]]:
    """What was found for each book that needs a choice, as JSON values. `year` is null if unknown."""
    return [
        {
            'book_id': choice.book_id,
            'title': choice.title,
            'candidates': [
                {
                    'id': candidate.book_id,
                    'title': candidate.title,
                    'authors': list(candidate.authors),
                    'year': candidate.release_year or None,
                    'slug': candidate.slug,
                }
                for candidate in choice.candidates
            ],
        }
        for choice in outcome.choices
    ]


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
