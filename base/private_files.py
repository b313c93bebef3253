# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files that only their owner can read. Files are written atomically.

Standard library only.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

REPLACE_TRIES = 5
WRITE_TRIES = 3
# The name of a temporary copy of a file: that of the file, and what `mkstemp` adds.
_COPY = re.compile(r'\.(.+)-[a-z0-9_]{8}')


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents with mode 0700. Raises OSError."""
    # Path.mkdir(parents=True) gives the parents the default mode.
    if folder.parent != folder and not folder.parent.is_dir():
        make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_privately(path: Path, data: bytes) -> None:
    """Replace a file atomically, with mode 0600, flushed to disk. Raises OSError; the old file then remains.

    A symbolic link stays one; the file that it leads to is replaced.
    """
    path = Path(os.path.realpath(path))
    for remaining in reversed(range(WRITE_TRIES)):
        try:
            _write(path, data)
            return
        except FileNotFoundError:
            # Another start of the plugin may have taken the temporary copy for one that was left behind.
            if not remaining or not path.parent.is_dir():
                raise


def _write(path: Path, data: bytes) -> None:
    # mkstemp creates the file with mode 0600, whatever the umask.
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}-', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _replace(name, path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _replace(name: str, path: Path) -> None:
    """Path.replace with retries: on Windows a virus scanner or an indexer may hold the old file open for a moment."""
    for remaining in reversed(range(REPLACE_TRIES)):
        try:
            Path(name).replace(path)
            return
        except PermissionError:
            if not remaining:
                raise
            time.sleep(0.1)


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading, in binary. Raises OSError, also for what is no plain file: a FIFO would block."""
    handle = os.open(path, os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0))
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, 'rb')
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, 'not a plain file', str(path))


def make_folder_private(folder: Path) -> None:
    """Set a folder's mode to 0700 if it has another one. Raises OSError."""
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


def remove_copies(folder: Path, name: str = '') -> None:
    """Remove the temporary copies that a kill left in a folder, of the file `name` or of all. Errors are ignored."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            found = _COPY.fullmatch(path.name)
            if found is not None and name in ('', found.group(1)) and path.is_file() and not path.is_symlink():
                with suppress(OSError):
                    path.unlink()
