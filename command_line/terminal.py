# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all commands: output, Ctrl-C, exit codes, the library to work on.

Log lines and results go to standard output, progress and errors to standard error. All in English, for scripts.
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
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, TypeAlias

from ..base import errors
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled, NoLibrary
from ..base.redaction import redact
from ..base.text import Text, one_line

if TYPE_CHECKING:
    from ..library.calibre_library import Library

logger = logging.getLogger(__name__)

DONE, FAILED = 0, 1
NO_SIGNAL = 0


def shown(words: str) -> str:
    """Words from anywhere as one line of a terminal: no secrets, no line breaks, no escape codes."""
    return one_line(redact(words))


class TerminalReporter:
    """Prints log lines to standard output, and the status to standard error if that is a terminal."""

    def __init__(self) -> None:
        self._watched = sys.stderr is not None and sys.stderr.isatty()
        self._last = ''
        self._lock = threading.Lock()

    def status(self, sentence: Text) -> None:
        self._last = shown(str(sentence))
        if self._watched:
            with self._lock:
                print(f'\r\x1b[K{self._last}', end='', file=sys.stderr, flush=True)

    def progress(self, done: int, total: int | None) -> None:
        pass

    def log(self, line: str) -> None:
        logger.info('%s', line)
        with self._lock:
            self._clear()
            print(shown(line), flush=True)

    def finish(self) -> None:
        """Print the last status as the result."""
        with self._lock:
            self._clear()
            print(self._last, flush=True)
        logger.info('%s', self._last)

    def error(self, error: BackSyncError) -> str:
        """Print an error as one line on standard error. Returns its sentence, redacted."""
        sentence = shown(str(error))
        with self._lock:
            self._clear()
            line = sentence if isinstance(error, Cancelled) else f'Error: {sentence}'
            print(line, file=sys.stderr, flush=True)
        return sentence

    def clear(self) -> None:
        """Clear the status from the terminal."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._watched:
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)


Command = Callable[[argparse.Namespace, TerminalReporter, Cancel], int]
Commands: TypeAlias = 'argparse._SubParsersAction[argparse.ArgumentParser]'


def add_command(commands: Commands, name: str, run: Command, words: str) -> argparse.ArgumentParser:
    """Add a command with the option `--library`. `words` is its help text; `run` returns the exit code."""
    parser = commands.add_parser(name, help=words, description=words, allow_abbrev=False)
    parser.add_argument(
        '--library', metavar='PATH', default='', help='folder of the library, by default the last one opened'
    )
    parser.set_defaults(run=run, json=False)
    return parser


def library_opener(arguments: argparse.Namespace, read_only: bool) -> Callable[[], AbstractContextManager[Library]]:
    """A function that opens the library of the command, by default the one that Calibre opened last.

    Raises NoLibrary if Calibre has never opened one.
    """
    from calibre.utils.config import prefs

    from ..library.calibre_library import opened

    path = arguments.library or prefs['library_path']
    if not path:
        raise NoLibrary(errors.NO_LIBRARY, path='(none)')
    return lambda: opened(path, read_only)


@contextmanager
def on_signals(action: Callable[[], None]) -> Iterator[None]:
    """Inside this context SIGINT (Ctrl-C) and SIGTERM call `action` instead of ending the process."""

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


@contextmanager
def stopping(cancel: Cancel) -> Iterator[None]:
    """Inside this context SIGINT (Ctrl-C) and SIGTERM set the flag at once.

    Python runs signal handlers between two bytecode instructions of the main thread. If the main thread has just begun
    to wait for another thread, a handler runs only after the wait. The wakeup file descriptor has no such delay: it is
    written by the signal itself, and a thread reads it.
    """
    reading, writing = os.pipe()
    with suppress(AttributeError, OSError):  # not available on Windows, where it is not needed
        os.set_blocking(writing, False)

    def watch() -> None:
        while (number := os.read(reading, 1)[0]) != NO_SIGNAL:
            if number in (signal.SIGINT, signal.SIGTERM):
                cancel.set()

    watcher = threading.Thread(target=watch, name='signals', daemon=True)
    watcher.start()
    before = None
    with suppress(ValueError):
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        with on_signals(lambda: None):
            yield
    finally:
        if before is not None:
            signal.set_wakeup_fd(before)
        os.write(writing, bytes([NO_SIGNAL]))
        watcher.join()
        os.close(reading)
        os.close(writing)


def print_json(result: object) -> None:
    """Print a result as one line. json.dumps writes ASCII only, so the encoding of the output cannot damage it."""
    print(json.dumps(result), flush=True)


def failed(error: Exception, wants_json: bool, reporter: TerminalReporter) -> int:
    """Print the error of a failed command, with `wants_json` also as JSON. Returns the exit code.

    The traceback goes to the log, and to standard error if CALIBRE_DEBUG is set.
    """
    known = error if isinstance(error, BackSyncError) else BackSyncError(errors.UNEXPECTED, reason=type(error).__name__)
    logger.error('%s', redact(str(known)), exc_info=None if isinstance(error, BackSyncError) else error)
    if os.environ.get('CALIBRE_DEBUG'):
        reporter.clear()
        trace = redact(''.join(traceback.format_exception(error)))
        print('\n'.join(one_line(line) for line in trace.split('\n')), file=sys.stderr)
    sentence = reporter.error(known)
    if wants_json:
        print_json({'error': sentence})
    return known.exit_code
