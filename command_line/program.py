# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs without a window: `calibre-debug -r "BookFusion Back Sync" -- COMMAND`.

Log lines and results go to standard output, progress and errors to standard error. English, for scripts.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from types import FrameType
from typing import NoReturn, TypeAlias

from calibre.utils.config import prefs

from ..base import errors, log_file
from ..base.about import PLUGIN_NAME, VERSION
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, NoLibrary, WrongUsage
from ..base.redaction import redact
from ..base.settings import make_private
from ..base.text import Text
from ..jobs.sync import SyncJob, SyncOutcome, undo_last
from ..library import old_log
from ..library.calibre_library import Library, opened
from ..rules.sync_plan import Change, Value

logger = logging.getLogger(__name__)

DONE, FAILED = 0, 1


class TerminalReporter:
    """Log lines to standard output; what goes on to standard error, and only where somebody watches."""

    def __init__(self) -> None:
        self._watched = sys.stderr is not None and sys.stderr.isatty()
        self._last = ''
        self._lock = threading.Lock()

    def status(self, sentence: Text) -> None:
        self._last = str(sentence)
        if self._watched:
            with self._lock:
                print(f'\r\x1b[K{self._last}', end='', file=sys.stderr, flush=True)

    def progress(self, done: int, total: int | None) -> None:
        pass

    def log(self, line: str) -> None:
        logger.info('%s', line)
        with self._lock:
            self._clear()
            print(redact(line), flush=True)

    def finish(self) -> None:
        """Prints the last status as a result."""
        with self._lock:
            self._clear()
            print(redact(self._last), flush=True)
        logger.info('%s', self._last)

    def clear(self) -> None:
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._watched:
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)


@contextmanager
def on_signals(action: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C and a polite kill call `action` instead of ending the process."""

    def act(_number: int, _frame: FrameType | None) -> None:
        action()

    before = {}
    for name in ('SIGINT', 'SIGTERM'):
        with suppress(ValueError):
            before[name] = signal.signal(getattr(signal, name), act)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def library_opener(arguments: argparse.Namespace, read_only: bool) -> Callable[[], AbstractContextManager[Library]]:
    """Opens the library of the command; by default the one that Calibre opened last."""
    path = arguments.library or prefs['library_path']
    if not path:
        raise NoLibrary(errors.NO_LIBRARY, path='(none)')
    return lambda: opened(path, read_only)


def naming_the_old_log(
    open_library: Callable[[], AbstractContextManager[Library]], reporter: TerminalReporter
) -> Callable[[], AbstractContextManager[Library]]:
    """Opens the library as before, and tells of the log that an earlier version left there, once."""

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
    if not isinstance(value, datetime):
        return value
    # What a user entered may be a date before 1970, which Windows cannot put into local time.
    with suppress(OSError, OverflowError, ValueError):
        value = value.astimezone()
    return value.isoformat()


def change_as_json(change: Change) -> dict[str, object]:
    return {
        'book_id': change.book_id,
        'title': change.title,
        'column': change.column,
        'old': as_json(change.old),
        'new': as_json(change.new),
    }


def sync_as_json(outcome: SyncOutcome) -> dict[str, object]:
    return {
        'updated': outcome.updated,
        'unchanged': outcome.unchanged,
        'skipped': outcome.skipped,
        'completed': outcome.completed,
        'seconds': outcome.seconds,
        'requests': outcome.requests,
        'changes': [change_as_json(change) for change in outcome.changes],
    }


def print_json(result: object) -> None:
    # ASCII: what a pipe's encoding cannot write would not be JSON any more.
    print(json.dumps(result), flush=True)


def run_sync(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    open_library = library_opener(arguments, read_only=arguments.dry_run)
    if not arguments.dry_run:
        open_library = naming_the_old_log(open_library, reporter)
    outcome = SyncJob(open_library, reporter, cancel).run(dry_run=arguments.dry_run)
    if arguments.dry_run:
        reporter.log('Dry run: nothing was written.')
    reporter.finish()
    if arguments.json:
        print_json(sync_as_json(outcome))
    return DONE


def run_undo(arguments: argparse.Namespace, reporter: TerminalReporter, _cancel: Cancel) -> int:
    with library_opener(arguments, read_only=False)() as library:
        undo_last(library, reporter)
    return DONE


# The Hardcover and the account commands bring their own options; see their modules.
Command = Callable[[argparse.Namespace, TerminalReporter, Cancel], int]
Commands: TypeAlias = 'argparse._SubParsersAction[argparse.ArgumentParser]'


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints end as every other error does: one line, and JSON where that was asked for."""

    def error(self, message: str) -> NoReturn:
        raise WrongUsage(errors.WRONG_USAGE, what=' '.join(message.split()))


def build_parser() -> argparse.ArgumentParser:
    from .account import add_account_commands
    from .hardcover_commands import add_hardcover_commands

    parser: argparse.ArgumentParser = _Parser(
        prog=f'calibre-debug -r "{PLUGIN_NAME}" --',
        description='Brings last-read dates from BookFusion into Calibre, and ratings on to Hardcover.',
        allow_abbrev=False,
    )
    parser.add_argument('--version', action='version', version=f'{PLUGIN_NAME} {VERSION}')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    sync = add_command(commands, 'sync', run_sync, 'one sync of dates, flags and the other chosen columns')
    sync.add_argument('--dry-run', action='store_true', help='write nothing, say what would be written')
    sync.add_argument('--json', action='store_true', help='print the result as JSON in the last line')
    add_command(commands, 'undo', run_undo, 'put back what the last sync replaced')
    add_hardcover_commands(commands)
    add_account_commands(commands)
    return parser


def add_command(commands: Commands, name: str, run: Command, words: str) -> argparse.ArgumentParser:
    """A command on a library."""
    parser = commands.add_parser(name, help=words, description=words, allow_abbrev=False)
    parser.add_argument(
        '--library', metavar='PATH', default='', help='folder of the library, by default the last one opened'
    )
    parser.set_defaults(run=run, json=False)
    return parser


def main(argv: Sequence[str], stopped_early: Sequence[object] = ()) -> int:
    """Runs one command and returns its exit code. Prints errors as one line; a traceback only goes to the log.

    `stopped_early` is not empty where Ctrl-C was pressed before anybody here could hear it.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    cancel = Cancel()
    reporter = TerminalReporter()
    make_private()
    try:
        arguments = build_parser().parse_args(list(argv))
    except SystemExit as leaving:
        # Help and version are printed by then.
        return leaving.code if isinstance(leaving.code, int) else DONE
    except WrongUsage as error:
        return _failed(error, '--json' in argv, reporter)
    log_file.start(verbose=bool(os.environ.get('CALIBRE_DEBUG')))
    with on_signals(cancel.set):
        if stopped_early:
            cancel.set()
        try:
            cancel.check()
            return arguments.run(arguments, reporter, cancel)
        except BrokenPipeError:
            return FAILED
        except Exception as error:  # noqa: BLE001  (whatever it was, the user gets one line)
            return _failed(error, arguments.json, reporter)
        finally:
            log_file.stop()


def _failed(error: Exception, wants_json: bool, reporter: TerminalReporter) -> int:
    known = error if isinstance(error, BackSyncError) else BackSyncError(errors.UNEXPECTED, reason=type(error).__name__)
    sentence = redact(str(known))
    logger.error('%s', sentence, exc_info=None if isinstance(error, BackSyncError) else error)
    reporter.clear()
    if os.environ.get('CALIBRE_DEBUG'):
        print(redact(''.join(traceback.format_exception(error))), file=sys.stderr)
    print(sentence if sentence.startswith('Cancelled') else f'Error: {sentence}', file=sys.stderr, flush=True)
    if wants_json:
        print_json({'error': sentence})
    return known.exit_code
