# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands sync and undo: their options and output."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from ..base.cancel import Cancel
from .terminal import DONE, Commands, TerminalReporter, add_command, library_opener, print_json

if TYPE_CHECKING:
    from ..jobs.sync import SyncOutcome
    from ..library.calibre_library import Library
    from ..rules.sync_plan import Change, Value


def add_sync_commands(commands: Commands) -> None:
    parser = add_command(commands, 'sync', run_sync, 'one sync of dates, flags and the other chosen columns')
    parser.add_argument('--dry-run', action='store_true', help='write nothing, say what would be written')
    parser.add_argument('--json', action='store_true', help='print the result as JSON in the last line')
    add_command(commands, 'undo', run_undo, 'put back what the last sync replaced')


def run_sync(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Run one sync, with `--dry-run` on a copy of the library. Returns the exit code. Raises BackSyncError."""
    from ..jobs.sync import SyncJob

    open_library = library_opener(arguments, read_only=arguments.dry_run)
    if not arguments.dry_run:
        open_library = noting_the_old_log(open_library, reporter)
    outcome = SyncJob(open_library, reporter, cancel).run(dry_run=arguments.dry_run)
    if arguments.dry_run:
        reporter.log('Dry run: nothing was written.')
    reporter.finish()
    if arguments.json:
        print_json(sync_as_json(outcome))
    return DONE


def run_undo(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Undo the last sync that changed something. Returns the exit code. Raises BackSyncError."""
    from ..jobs.sync import undo_last

    with library_opener(arguments, read_only=False)() as library:
        cancel.check()
        undo_last(library, reporter)
    return DONE


def noting_the_old_log(
    open_library: Callable[[], AbstractContextManager[Library]], reporter: TerminalReporter
) -> Callable[[], AbstractContextManager[Library]]:
    """Wrap `open_library` so that opening also logs a note, once per library, about an old version's log file."""
    from ..library import old_log

    @contextmanager
    def opening() -> Iterator[Library]:
        with open_library() as library:
            found = old_log.find(library)
            if found is not None:
                reporter.log(old_log.note(found))
                old_log.mark_named(library)
            yield library

    return opening


def as_json(value: Value) -> object:
    """A value as JSON has it; dates as ISO 8601 in local time, with the offset."""
    if not isinstance(value, datetime):
        return value
    # Windows cannot convert dates before 1970 to local time.
    with suppress(OSError, OverflowError, ValueError):
        value = value.astimezone()
    return value.isoformat()


def change_as_json(change: Change) -> dict[str, object]:
    """One entry of `changes` in the result of `sync --json`. Scripts rely on its keys."""
    return {
        'book_id': change.book_id,
        'title': change.title,
        'column': change.column,
        'old': as_json(change.old),
        'new': as_json(change.new),
    }


def sync_as_json(outcome: SyncOutcome) -> dict[str, object]:
    """The result of `sync --json`. Scripts rely on its keys."""
    return {
        'updated': outcome.updated,
        'unchanged': outcome.unchanged,
        'skipped': outcome.skipped,
        'completed': outcome.completed,
        'seconds': outcome.seconds,
        'requests': outcome.requests,
        'changes': [change_as_json(change) for change in outcome.changes],
    }
