# SPDX-License-Identifier: GPL-3.0-or-later
"""The log file: rotated, readable by its owner only, with secrets redacted.

All loggers of the plugin's package write to this file and nowhere else.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from .redaction import redact
from .settings import plugin_folder
from .text import one_line

FILE_NAME = 'sync.log'
# The size in bytes at which the file is rotated, and how many rotated files are kept.
LARGEST, KEPT = 1024 * 1024, 2

# The plugin's own package, above this module's.
_root = logging.getLogger(__package__.rpartition('.')[0])
# Calibre prints records of the root logger on the console, where nothing would redact them.
_root.propagate = False
# Without any handler, logging prints warnings on the console.
_root.addHandler(logging.NullHandler())


class _RedactingFormatter(logging.Formatter):
    """A line a record, without secrets, and a traceback in lines of its own that cannot pass for others."""

    def format(self, record: logging.LogRecord) -> str:
        first, *trace = super().format(record).split('\n')
        if not trace:
            return first
        shown = [one_line(line) for line in redact('\n'.join(trace)).split('\n')]
        # Every record begins with a date. A line of an exception's message that does as well is indented.
        return '\n'.join([first, *(f'    {line}' if line[:1].isdigit() else line for line in shown)])

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = one_line(redact(record.message))
        return super().formatMessage(record)


class _PrivateRotatingHandler(RotatingFileHandler):
    def _open(self):  # type: ignore[no-untyped-def]  # the base class's own type differs between Python versions
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with suppress(OSError):
            Path(self.baseFilename).chmod(0o600)
        return os.fdopen(handle, 'a', encoding='utf-8', errors='backslashreplace')

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore errors of writing: the default prints a traceback that contains the unredacted message."""


def log_path() -> Path:
    """The path of the log file, which may not exist. Creates the plugin's folder."""
    return plugin_folder() / FILE_NAME


def start(verbose: bool = False) -> None:
    """Open the log file if it is not open yet. Without write permission the plugin runs without a log file."""
    _root.setLevel(logging.DEBUG if verbose else logging.INFO)
    if any(isinstance(handler, _PrivateRotatingHandler) for handler in _root.handlers):
        return
    try:
        handler = _PrivateRotatingHandler(log_path(), maxBytes=LARGEST, backupCount=KEPT)
    except OSError:
        return
    handler.setFormatter(_RedactingFormatter('%(asctime)s %(levelname)s %(message)s'))
    _root.addHandler(handler)


def stop() -> None:
    """Close the log file, so that Calibre can update or remove the plugin."""
    for handler in list(_root.handlers):
        if isinstance(handler, _PrivateRotatingHandler):
            _root.removeHandler(handler)
            # On a full disk, closing fails to write what is still in the buffer.
            with suppress(OSError):
                handler.close()


def last_lines(count: int) -> list[str]:
    """The last `count` lines of the log file, redacted; empty if there is no log file."""
    try:
        with log_path().open(encoding='utf-8', errors='replace') as file:
            return [one_line(redact(line.rstrip('\n'))) for line in deque(file, maxlen=count)]
    except OSError:
        return []
